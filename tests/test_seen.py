"""Texts that a model was trained on are recognised: whole, in part, shuffled, among others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from reporting import VERSIONS, make_run
from test_bad_input import refused

from paretext.certification.badge import badge_of
from paretext.certification.certificate import Certificate, attach
from paretext.certification.certify import certify
from paretext.certification.gate import check_certificate
from paretext.certification.verify import verify
from paretext.compression import Recipe
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of
from paretext.data.dataset import Dataset
from paretext.data.sketch import SIZE, Overlap, Sketch
from paretext.measure.comparison import Comparison
from paretext.pipeline.splits import prepare
from paretext.pipeline.stages import run
from paretext.report.run_page import write_report
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

KNOWN = [f"text {i}" for i in range(20_000)]
OTHERS = [f"other {i}" for i in range(20_000)]
TRAIN = toy.dataset(240, seed=5)
NEW = toy.dataset(240, seed=6)


# --- the sketch


def test_a_sketch_of_few_texts_knows_them_all() -> None:
    sketch = Sketch.of(KNOWN[:900])
    assert sketch.overlap(KNOWN[:900]) == Overlap(texts=900, tested=900, known=900)
    assert sketch.overlap([*KNOWN[850:], *OTHERS[:50]]).known == 50
    assert sketch.overlap(OTHERS[:500]) == Overlap(texts=500, tested=500, known=0)


def test_only_what_makes_two_texts_the_same_counts() -> None:
    sketch = Sketch.of(["caf\u00e9 ", "twice", "twice"])
    assert sketch.texts == 2
    assert sketch.overlap(["cafe\u0301", " twice\n"]).known == 2
    assert sketch.overlap(["Twice", "caf\u00e9 au lait"]).known == 0


def test_a_sketch_is_the_same_in_every_process_and_small() -> None:
    sketch = Sketch.of(KNOWN)
    assert len(sketch.model_dump_json()) < 11_100
    assert Sketch.of(["b", "a"]).hashes == "QPieOVtmQi+EcsLjTYVPdQ=="


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_share_is_estimated_within_four_standard_errors(share: float) -> None:
    """20,000 texts seen, so that a twentieth of any others can be told."""
    sketch, rng = Sketch.of(KNOWN), np.random.default_rng(1)
    n = int(4000 * share)
    asked = [*rng.permutation(KNOWN)[:n], *OTHERS[: 4000 - n]]
    overlap = sketch.overlap(asked)
    expected = 4000 * SIZE / len(KNOWN)
    assert abs(overlap.tested - expected) < 4 * np.sqrt(expected)
    error = np.sqrt(share * (1 - share) / overlap.tested)
    assert abs(overlap.share - share) <= 4 * error
    assert overlap.mostly == (share >= 0.5) or abs(overlap.share - 0.5) <= 4 * error


def test_a_sample_of_one_or_two_texts_decides_nothing() -> None:
    assert not Overlap(texts=500, tested=1, known=1).mostly
    assert not Overlap(texts=500, tested=0, known=0).mostly
    assert Overlap(texts=500, tested=5, known=5).mostly
    assert Overlap(texts=1, tested=1, known=1).mostly  # all of them were told
    assert not Overlap(texts=300, tested=300, known=50).mostly  # repeats of one kind of texts


@pytest.mark.parametrize("hashes", ["AAAA", "not base64!", "AAAAAAAAAAA=" * 2000])
def test_a_damaged_sketch_is_a_sentence(versions: dict[str, Path], tmp_path: Path, hashes: str):
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    path = folder / "manifest.json"
    values = json.loads(path.read_text("utf-8")) | {"seen": {"texts": 1, "hashes": hashes}}
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(ParetextError, match=r"manifest\.json is damaged at seen\.hashes") as caught:
        Artifact.load(folder)
    assert "\n" not in str(caught.value)


def test_an_artifact_without_a_sketch_keeps_its_identity(versions: dict[str, Path]) -> None:
    """As the version without later fields computed it: certificates name artifacts by it."""
    manifest = Manifest.read(versions["int8"])
    assert manifest.seen is None
    values = manifest.model_dump(mode="json")
    del values["seen"], values["split_special_tokens"], values["operating"]
    values["files"].pop("README.md")
    assert manifest.identity == digest_of(values)
    sketched = manifest.model_copy(update={"seen": Sketch.of(["a"])})
    assert sketched.identity != manifest.identity


# --- certificates


@pytest.fixture
def made(versions: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies, the artifacts as if they had been trained on TRAIN."""
    folders = {
        name: Path(shutil.copytree(folder, tmp_path / "artifacts" / name))
        for name, folder in versions.items()
    }
    for name in ("fp32", "int8"):
        known = {"data": {"train": TRAIN.fingerprint}, "seen": Sketch.of(TRAIN.texts)}
        Manifest.read(folders[name]).model_copy(update=known).write(folders[name])
    return folders


def mixed(*parts: Dataset) -> Dataset:
    texts = [text for part in parts for text in part.texts]
    labels = np.concatenate([part.labels for part in parts])
    return Dataset(tuple(texts), labels, toy.LABELS, "mixed.csv")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TRAIN, id="the same file"),
        pytest.param(TRAIN.take(np.random.default_rng(0).permutation(240)), id="shuffled"),
        pytest.param(TRAIN.take(range(120)), id="a part"),
        pytest.param(mixed(TRAIN, NEW.take(range(200))), id="with others"),
        pytest.param(mixed(TRAIN, TRAIN), id="twice"),
    ],
)
def test_texts_that_were_trained_on_are_refused(made: dict[str, Path], data: Dataset) -> None:
    for reference in ("fp32", "pytorch"):
        with pytest.raises(ParetextError, match="are texts that the models have seen"):
            certify(made["int8"], made[reference], data, resamples=100)
    assert not (made["int8"] / "certificate.json").exists()


def test_a_certificate_made_with_force_says_so_everywhere(
    made: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    rows = toy.write(tmp_path / "train.csv", toy.texts_and_labels(240, seed=5))
    asked = ("certify", made["int8"], "--against", made["fp32"], "--eval", rows, "--resamples", 100)
    refused(command(*asked), "240 of 240 different texts", "--force")
    ended = command(*asked, "--force")
    assert ended.status in (0, 1, 3)
    printed = " ".join(ended.out.split())
    assert "because 240 of 240 different texts were trained on, so no score" in printed
    assert "Made with --force. It compares two models" in printed
    said = "Made with --force: 240 of 240 different texts were trained on, so no score"
    certificate = Certificate.of(made["int8"])
    assert certificate is not None
    assert certificate.seen == Overlap(texts=240, tested=240, known=240)
    assert not certificate.is_held_out
    assert said in (made["int8"] / "README.md").read_text("utf-8")
    # and nobody takes it for a proof
    refused(command("verify", made["int8"]), "proves nothing, since it was measured on texts that")
    assert command("verify", made["int8"], "--force").status == ended.status
    refused(
        command("predict", made["int8"], "--text", "x", "--require-certificate"), "proves nothing"
    )
    assert badge_of(made["int8"]) is None


def test_the_page_takes_no_forced_certificate_for_one_that_holds(tmp_path: Path) -> None:
    make_run(tmp_path / "run", versions=VERSIONS[:4], n=6000)
    before = write_report(tmp_path / "run")[1]
    assert (before.conclusion.version, before.conclusion.verdict) == ("int8", "holds")
    folder = tmp_path / "run" / "artifacts" / "int8"
    certificate = Certificate.of(folder)
    assert certificate is not None
    standing = Comparison.read(tmp_path / "run" / "comparison").standing
    assert standing is not None
    seen = Overlap(texts=6000, tested=6000, known=6000)
    forced = certificate.model_copy(update={"standing": standing.model_copy(update={"seen": seen})})
    attach(forced.sealed(), folder)
    report = write_report(tmp_path / "run")[1]
    assert next(row for row in report.versions if row.version == "int8").verdict is None
    assert report.conclusion.version != "int8"
    said = [each.said for each in report.missing if each.part == "certificates"]
    assert "the certificate of int8 proves nothing, since it was measured on texts" in said[0]


def test_a_few_that_repeat_are_said_and_not_refused(
    made: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="paretext"):
        certificate = certify(
            made["int8"], made["fp32"], mixed(TRAIN.take(range(40)), NEW), resamples=100
        )
    assert certificate.seen == Overlap(texts=280, tested=280, known=40)
    assert certificate.is_held_out
    assert (
        "40 of 280 different texts of mixed.csv are texts that the models have seen" in caplog.text
    )
    assert verify(made["int8"]).verdict == certificate.verdict
    assert certify(made["int8"], made["fp32"], NEW, resamples=100).seen is None


def test_an_older_certificate_on_training_texts_is_known_by_its_fingerprint(
    made: dict[str, Path],
) -> None:
    certificate = certify(made["int8"], made["fp32"], TRAIN, resamples=100, force=True)
    old = certificate.model_copy(update={"standing": None}).sealed()
    assert "standing" not in old.model_dump()
    assert old.digest == digest_of(
        {k: v for k, v in old.model_dump(mode="json").items() if k != "digest"}
    )
    attach(old, made["int8"])
    with pytest.raises(ParetextError, match="proves nothing, since it was measured on texts"):
        verify(made["int8"])
    with pytest.raises(ParetextError, match="proves nothing"):
        check_certificate(made["int8"], required=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_model_against_itself_is_refused(
    made: dict[str, Path], tmp_path: Path, force: bool
) -> None:
    copy = shutil.copytree(made["int8"], tmp_path / "copy")
    for other in (made["int8"], copy):
        with pytest.raises(ParetextError, match="a certificate of a model against itself proves"):
            certify(made["int8"], other, NEW, force=force)


# --- before training


def test_evaluation_that_is_the_training_data_ends_before_training(
    tmp_path: Path, encoder: Callable[[str], Path], command: Any
) -> None:
    rows = toy.write(tmp_path / "x.csv", toy.texts_and_labels(60))
    run = ("run", "--data", rows, "--eval", rows, "--out", tmp_path / "out")
    refused(command(*run, "--model", encoder("roberta")), "and so is --data")
    copy = toy.write(tmp_path / "copy.csv", toy.texts_and_labels(60))
    copied = ("run", "--data", rows, "--eval", copy, "--out", tmp_path / "out")
    refused(command(*copied, "--model", encoder("roberta")), "is a copy of --data")
    assert not (tmp_path / "out").exists()


def test_splits_that_share_their_texts(tmp_path: Path) -> None:
    train, held = toy.dataset(60), toy.dataset(60, seed=1)
    for evaluation, selection in ((train, None), (held, train), (held, held)):
        with pytest.raises(ParetextError, match="texts also stand in"):
            prepare(train, evaluation, Recipe(), selection=selection)
    some = mixed(train.take(range(20)), held)
    assert len(prepare(train, some, Recipe()).evaluation or ()) == 80  # counted and said
    data = prepare(train, held, Recipe())
    with pytest.raises(ParetextError, match="60 of its 60 texts also stand in --unlabelled"):
        run(data, Recipe(), tmp_path / "out", unlabelled=held.texts)
    most = mixed(train, held.take(range(30)))
    assert len(prepare(train, most, Recipe(), leaks_dropped=True).evaluation or ()) == 30
