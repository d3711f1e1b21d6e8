"""Certificates from the command line: verdicts, statuses, tampering, reruns, bad input."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from test_bad_input import refused

from paretext.certification.budget import Budget
from paretext.certification.catalogue import CATALOGUE
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.certification.gate import check_certificate
from paretext.certification.looks import Looks
from paretext.certification.verify import verify
from paretext.certification.versions import certify_versions
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

ROWS = toy.texts_and_labels(240, seed=5)
DATA = toy.dataset(240, seed=5)
FEW = ("--resamples", 500)


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    return toy.write(tmp_path / "held-out.csv", ROWS)


@pytest.fixture
def made(versions: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies of the tiny versions, which may be written to."""
    return {
        name: Path(shutil.copytree(folder, tmp_path / "artifacts" / name))
        for name, folder in versions.items()
    }


def certified(made: dict[str, Path], **settings: Any) -> Certificate:
    return certify(made["int8"], made["fp32"], DATA, resamples=500, **settings)


# --- the verdict


def test_an_export_against_its_own_source_holds_every_clause(
    made: dict[str, Path],
) -> None:
    """With texts enough for a rule of three to be within every limit."""
    data = toy.dataset(1200, seed=6)
    certificate = certify(
        made["fp32"], made["pytorch"], data, at=["precision=0.6", "fpr=0.1"], resamples=500
    )
    assert {clause.verdict for clause in certificate.clauses} == {"holds"}
    assert certificate.verdict == "holds"
    assert certificate.alike
    assert certificate.flips.flipped == 0


def test_the_artifact_against_its_pytorch_parent_is_alike(made: dict[str, Path]) -> None:
    certificate = certify(made["fp32"], made["pytorch"], DATA, resamples=200)
    assert certificate.alike
    assert certificate.reference.kind == "pytorch"
    assert certificate.reference.name == "pytorch"
    assert verify(made["fp32"], DATA, made["pytorch"]).verdict == certificate.verdict


def test_what_is_certified_is_what_the_models_answer(made: dict[str, Path]) -> None:
    certificate = certified(made)
    before, after = (Artifact.load(made[name]).predict(DATA.texts) for name in ("fp32", "int8"))
    assert certificate.flips.flipped == (before != after).sum() > 0
    names = [toy.LABELS[label] for label in DATA.labels]
    right = [float((each == names).mean()) for each in (before, after)]
    clause = certificate.clause("accuracy_drop")
    assert (clause.reference, clause.candidate) == pytest.approx(tuple(right))
    assert clause.found.estimate == pytest.approx(right[0] - right[1])
    for part, label in zip(certificate.clause("recall_drop").parts, toy.LABELS, strict=True):
        members = [name == label for name in names]
        assert part.texts == sum(members)
        assert part.reference == pytest.approx(float((before == label)[members].mean()))


def test_size_and_latency_are_measured_only_where_limited(made: dict[str, Path]) -> None:
    assert {"size", "p95_latency"}.isdisjoint(each.name for each in certified(made).clauses)
    budget = Budget(size="10 B", p95_latency="10 s")  # type: ignore[arg-type]
    certificate = certified(made, budget=budget)
    assert certificate.clause("size").verdict == "broken"
    assert certificate.clause("p95_latency").verdict == "holds"
    low, high = (getattr(certificate.clause("p95_latency").found, end) for end in ("low", "high"))
    assert 0 < low < high < 1000
    again = certified(made, budget=Budget(size="10 B"))  # type: ignore[arg-type]
    # the certificate is no part of the size, though the card that shows it is
    assert again.clause("size").found.estimate == pytest.approx(
        certificate.clause("size").found.estimate, abs=2000
    )


def test_same_inputs_same_certificate(made: dict[str, Path]) -> None:
    assert certified(made) == certified(made)
    assert certified(made).looks == Looks(number=1)
    assert certified(made).digest != certified(made, seed=1).digest


def test_the_artifact_stays_itself(made: dict[str, Path]) -> None:
    before = Manifest.read(made["int8"])
    answers = Artifact.load(made["int8"]).predict_proba(DATA.texts)
    certificate = certified(made)
    after = Manifest.read(made["int8"])
    assert after.identity == before.identity == certificate.candidate.digest
    assert (Artifact.load(made["int8"]).predict_proba(DATA.texts) == answers).all()
    assert Certificate.of(made["int8"]) == certificate
    card = (made["int8"] / "README.md").read_text(encoding="utf-8")
    assert "## Certificate: " in card
    assert card.count("## Certificate: ") == 1
    for clause in certificate.clauses:
        assert f"| {clause.name}" in card
    beside = made["int8"].parent
    assert sorted(path.name for path in beside.iterdir()) == ["fp32", "int8", "pytorch"]
    assert (beside.parent / "certificates" / "int8-flips.csv").is_file()


def test_looks_at_the_same_texts_are_counted(made: dict[str, Path]) -> None:
    certified(made)
    other = Path(shutil.copytree(made["int8"], made["int8"].with_name("other")))
    manifest = Manifest.read(other)
    manifest.model_copy(update={"name": "other"}).write(other)
    certificate = certify(other, made["fp32"], DATA, resamples=500)
    assert certificate.looks == Looks(number=2, before=("int8",))
    assert "1 other was certified on the same texts before" in certificate.sentence
    assert certificate.sentence[1:] in (other / "README.md").read_text("utf-8")  # in capitals
    again = certified(made)
    assert again.looks == Looks(number=1)
    assert "before" not in again.sentence
    stricter = certified(made, budget=Budget(flips=0.01))  # another question is another look
    assert stricter.looks is not None
    assert stricter.looks.number == 3
    elsewhere = certify(other, made["fp32"], toy.dataset(240, seed=8), resamples=100)
    assert elsewhere.looks == Looks(number=1)


def test_versions_are_asked_from_the_largest_and_the_first_that_fails_stops(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """The smallest is a copy that answers as its reference does, and may not be chosen."""
    copy = Path(shutil.copytree(made["fp32"], made["fp32"].with_name("copy")))
    Manifest.read(copy).model_copy(update={"name": "copy"}).write(copy)
    (made["int8"] / "ballast.bin").write_bytes(b"0" * 10_000_000)
    register(made["int8"])
    data, budget = toy.dataset(1200, seed=6), Budget(flips=0.005)
    asked = ([copy, made["int8"]], made["fp32"], data, tmp_path / "certificates")
    certify_versions(*asked, budget=budget)
    first, second = Certificate.of(made["int8"]), Certificate.of(copy)
    assert first is not None
    assert second is not None
    assert (first.verdict, second.verdict) == ("broken", "holds")
    assert second.looks == Looks(
        number=2, before=("int8",), sequence=("int8", "copy"), stopped_at="int8"
    )
    assert first.may_be_chosen is second.may_be_chosen is False
    assert "may not be chosen on these texts: int8, larger" in second.sentence
    by_hand = certify(copy, *asked[1:3], budget, resamples=500, out=asked[3])
    assert by_hand.looks == second.looks  # asked once more, what stopped it is not forgotten
    assert (by_hand.verdict, by_hand.gate, verify(copy).gate) == ("holds", *["undecided"] * 2)
    assert not by_hand.may_be_chosen
    check_certificate(copy)
    with pytest.raises(ParetextError, match=r"may not be chosen .*: int8, larger"):
        check_certificate(copy, required=True)
    certify_versions([copy], *asked[1:], budget=budget)  # by itself: nothing stopped before it
    again = Certificate.of(copy)
    assert again is not None
    assert again.may_be_chosen
    assert again.clauses == second.clauses


@pytest.mark.parametrize("texts", [True, False])
def test_flips_are_listed_most_confident_first(
    texts: bool, made: dict[str, Path], tmp_path: Path
) -> None:
    certificate = certified(made, texts=texts, out=tmp_path / "lists")
    with (tmp_path / "lists" / "int8-flips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == certificate.flips.flipped
    confidences = [float(row["candidate_probability"]) for row in rows]
    assert confidences == sorted(confidences, reverse=True)
    assert ("text" in rows[0]) == texts
    before = Artifact.load(made["fp32"]).predict(DATA.texts)
    for row in rows:
        index = int(row["row"]) - 1
        assert row["label"] == toy.LABELS[DATA.labels[index]]
        assert row["reference_answer"] == before[index] != row["candidate_answer"]
        if texts:
            assert row["text"] == DATA.texts[index]
    if not texts:
        content = (made["int8"] / "certificate.json").read_text(encoding="utf-8")
        content += (made["int8"] / "README.md").read_text(encoding="utf-8")
        assert not any(text in content for text in DATA.texts)
    counted = [row["effect"] for row in rows]
    assert (counted.count("lost"), counted.count("won")) == (
        certificate.flips.lost,
        certificate.flips.won,
    )
    for kind in ("label", "length", "negation", "rare words"):
        slices = [each for each in certificate.flips.slices if each.kind == kind]
        assert sum(each.texts for each in slices) == len(DATA)
        flipped = sum(each.flips.estimate * each.texts for each in slices)
        assert flipped == pytest.approx(certificate.flips.flipped)


# --- the command line


def arguments(made: dict[str, Path], held_out: Path) -> tuple[object, ...]:
    return ("certify", made["int8"], "--against", made["fp32"], "--eval", held_out, *FEW)


def test_exit_statuses(made: dict[str, Path], held_out: Path, command: Any) -> None:
    base = arguments(made, held_out)
    none = held_out.with_name("one.yaml")
    names = [name for name in CATALOGUE if name not in ("flips", "size")]
    for limit, status, verdict in (
        ("flips<=1", 0, "holds"),
        ("flips<=0", 1, "broken"),
        ("flips<=0.04", None, None),
    ):
        none.write_text("".join(f"{name}: null\n" for name in names), encoding="utf-8")
        ended = command(*base, "--budget", none, "--budget", limit, "--json")
        record = json.loads(ended.out)
        flips = record["clauses"][0]
        assert [clause["name"] for clause in record["clauses"]] == ["flips"]
        if status is None:  # a limit inside the interval
            middle = (flips["found"]["low"] + flips["found"]["high"]) / 2 + 1e-3
            ended = command(*base, "--budget", none, "--budget", f"flips<={middle}", "--json")
            status, verdict = 3, "undecided"
            assert json.loads(ended.out)["clauses"][0]["texts_needed"] > 240
        assert ended.status == status
        assert json.loads(ended.out)["verdict"] == verdict
        shown = command("verify", made["int8"])
        assert shown.status == status
        counted = {
            "holds": "its one clause holds",
            "broken": "0 of 1 hold; broken: flips",
            "undecided": "0 of 1 hold; 240 texts are too few to judge how many answers flip",
        }
        said = " ".join(shown.out.split())
        assert "Against fp32 on 240 texts: " in said
        assert said.count(counted[verdict]) == 1  # where it is open, the sentence has it


def test_the_table_says_what_was_found(made: dict[str, Path], held_out: Path, command: Any) -> None:
    ended = command(*arguments(made, held_out), "--at", "precision=0.5")
    assert ended.status in (0, 1, 3)
    for part in ("macro_f1_drop", "recall_drop", "operating_fpr_rise", "int8-flips.csv"):
        assert part in ended.out


def test_predict_warns_of_a_broken_certificate_and_refuses_one_that_does_not_hold(
    made: dict[str, Path], held_out: Path, command: Any
) -> None:
    asked = ("predict", made["int8"], "--text", "happy and glad")
    assert command(*asked).status == 0
    refused(command(*asked, "--require-certificate"), "has no certificate")
    certified(made, budget=Budget(flips=0.0))
    ended = command(*asked)
    assert ended.status == 0
    assert "the certificate of" in ended.err
    assert "broken (" in ended.err
    refused(command(*asked, "--require-certificate"), "is broken (", "flips")
    certify(made["fp32"], made["pytorch"], toy.dataset(1200, seed=6), resamples=200)
    ended = command("predict", made["fp32"], "--text", "happy", "--require-certificate")
    assert ended.status == 0
    # both are untrained, which a certificate that holds must not hide
    assert (
        "says nothing good of either: pytorch has learnt nothing that these texts show" in ended.err
    )


# --- tampering


def change(path: Path, **values: Any) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | values), encoding="utf-8")


def test_a_changed_certificate_is_noticed_on_loading(made: dict[str, Path], command: Any) -> None:
    certified(made)
    change(made["int8"] / "certificate.json", verdict="holds")
    with pytest.raises(ParetextError, match=r"certificate\.json differs from the digest"):
        Artifact.load(made["int8"])
    refused(command("verify", made["int8"]), "certificate.json differs from the digest")


def test_a_changed_certificate_whose_manifest_was_changed_too(made: dict[str, Path]) -> None:
    certified(made)
    path = made["int8"] / "certificate.json"
    change(path, verdict="holds", seed=99)
    register(made["int8"])
    Artifact.load(made["int8"])  # the manifest agrees
    with pytest.raises(ParetextError, match="differs from its own digest"):
        verify(made["int8"])


def test_a_certificate_of_another_artifact(made: dict[str, Path]) -> None:
    certified(made)
    shutil.copy(made["int8"] / "certificate.json", made["fp32"])
    with pytest.raises(ParetextError, match=r"certificate\.json is not listed in manifest"):
        Artifact.load(made["fp32"])
    register(made["fp32"])
    with pytest.raises(ParetextError, match="is about another artifact"):
        verify(made["fp32"])


def register(folder: Path) -> None:
    """Write the manifest anew for the files that are there, as a forger would."""
    from paretext.runtime.manifest import record_files

    manifest = Manifest.read(folder)
    manifest.model_copy(update={"files": record_files(folder)}).write(folder)


def test_another_format_and_a_damaged_file(made: dict[str, Path]) -> None:
    certified(made)
    path = made["int8"] / "certificate.json"
    for change_to, message in (
        (
            '{"format_version": 3}',
            "certificate format 3, and this version of paretext reads formats 1 to 2",
        ),
        ('{"format_version": 2}', "damaged at"),
        ('{"format_version": 1}', "damaged at"),
        ("[]", "damaged at"),
        ("{", "cannot be read"),
    ):
        path.write_text(change_to, encoding="utf-8")
        register(made["int8"])
        with pytest.raises(ParetextError, match=message):
            Certificate.of(made["int8"])


def test_other_data_and_another_reference(made: dict[str, Path]) -> None:
    certified(made)
    assert len(verify(made["int8"], DATA, made["fp32"]).checked) == 4
    with pytest.raises(ParetextError, match="not the texts it was measured on"):
        verify(made["int8"], toy.dataset(240, seed=7))
    with pytest.raises(ParetextError, match="give that one"):
        verify(made["int8"], reference=made["pytorch"])
    with pytest.raises(ParetextError, match="has no certificate"):
        verify(made["fp32"])


def test_a_rerun_finds_the_same(made: dict[str, Path], held_out: Path, command: Any) -> None:
    certificate = certified(made, at=["fpr=0.1"])
    result = verify(made["int8"], DATA, made["fp32"], rerun=True)
    assert result.again is not None
    assert result.again.clauses == certificate.clauses
    assert result.warnings == ()
    assert "measured anew" in result.checked[-1]
    refused(command("verify", made["int8"], "--rerun"), "give --eval, --against")
    rest = ("--eval", held_out, "--against", made["fp32"], "--rerun")
    assert "measured anew" in command("verify", made["int8"], *rest).out


def test_a_rerun_tells_another_result(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if INT8 answered otherwise on this machine."""
    certified(made, budget=Budget(flips=1.0))
    monkeypatch.setattr(Artifact, "logits", lambda self, texts: _noisy(self, texts), raising=True)
    result = verify(made["int8"], DATA, made["fp32"], rerun=True)
    assert any(warning.startswith("flips: ") for warning in result.warnings)
    assert any("accuracy_drop: " in warning for warning in result.warnings)


_LOGITS = Artifact.logits


def _noisy(artifact: Artifact, texts: Any) -> Any:
    logits = _LOGITS(artifact, texts)
    return logits[:, ::-1] if artifact.manifest.name == "int8" else logits


def test_another_machine_is_a_warning(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretext.certification import verify as module

    certified(made)
    here = module.machine(1)
    monkeypatch.setattr(
        module, "machine", lambda threads: here | {"cpu": "Z80", "instruction_sets": []}
    )
    warnings = verify(made["int8"]).warnings
    assert len(warnings) == 2
    assert "Z80 here; INT8 answers may differ" in warnings[0]


# --- bad input


def test_labels_that_do_not_fit(
    made: dict[str, Path], held_out: Path, encoder: Any, tmp_path: Path, command: Any
) -> None:
    base = ("certify", made["int8"], "--against", made["fp32"])
    other = toy.write(tmp_path / "other.csv", [*ROWS, ("a text", "joyy")])
    refused(command(*base, "--eval", other, *FEW), "joyy", "did you mean 'joy'?")
    named = Dataset(DATA.texts, DATA.labels, ("a", "b", "c"))
    with pytest.raises(ParetextError, match="read the data with the reference's label names"):
        certify(made["int8"], made["fp32"], named)
    classifier = Classifier.from_pretrained(str(encoder("roberta")), ("no", "yes"), 24)
    export(classifier, tmp_path / "two", DATA.texts[:10], name="two")
    ended = command("certify", tmp_path / "two", "--against", made["fp32"], "--eval", held_out)
    refused(ended, "has the labels no, yes", "fear, joy, sad", "one task")


def test_labels_in_another_order_are_the_same_task(made: dict[str, Path], tmp_path: Path) -> None:
    classifier = Classifier.load(made["pytorch"])
    order = [2, 0, 1]
    head = classifier.model.classifier.out_proj
    head.weight.data, head.bias.data = head.weight.data[order], head.bias.data[order]
    names = tuple(toy.LABELS[i] for i in order)
    turned = Classifier(classifier.model, classifier.tokenizer, names, classifier.max_length)
    export(turned, tmp_path / "turned", DATA.texts[:10], name="turned")
    certificate = certify(tmp_path / "turned", made["fp32"], DATA, resamples=200)
    assert certificate.alike
    assert certificate.flips.flipped == 0


def test_a_label_with_few_texts_promises_little_and_says_so(made: dict[str, Path]) -> None:
    certificate = certify(made["fp32"], made["pytorch"], toy.dataset(600), resamples=200)
    recall = certificate.clause("recall_drop")
    rare = min(recall.parts, key=lambda part: part.texts)
    assert rare.limit is not None
    assert rare.limit >= recall.limit
    few = certify(made["int8"], made["fp32"], toy.dataset(30), resamples=200)
    fear = next(part for part in few.clause("recall_drop").parts if part.label == "fear")
    assert (fear.texts, fear.limit) == (5, pytest.approx(0.811, abs=0.001))
    assert "81.1%" in (made["int8"] / "README.md").read_text("utf-8")


def test_a_label_without_texts_is_left_undecided(made: dict[str, Path]) -> None:
    rows = np.flatnonzero(DATA.labels != 0)
    certificate = certify(made["int8"], made["fp32"], DATA.take(rows), resamples=200)
    recall = certificate.clause("recall_drop")
    assert recall.verdict == "undecided"
    assert recall.why == f"no text has the label {toy.LABELS[0]!r}"
    assert [part.label for part in recall.parts] == list(toy.LABELS[1:])


def test_too_few_texts(made: dict[str, Path], tmp_path: Path, command: Any) -> None:
    few = toy.write(tmp_path / "few.csv", toy.texts_and_labels(9))
    ended = command("certify", made["int8"], "--against", made["fp32"], "--eval", few)
    refused(ended, "has 9 texts", "needs 10 or more")
    one = DATA.take(np.flatnonzero(DATA.labels == 1))
    with pytest.raises(ParetextError, match=f"have the label '{toy.LABELS[1]}'"):
        certify(made["int8"], made["fp32"], one)
    assert not (made["int8"] / "certificate.json").exists()


def test_without_labels_only_what_changes_is_judged(made: dict[str, Path]) -> None:
    """A model's own answers in place of labels: no clause may ask who is right."""
    answered = replace(DATA, answered_by="fp32")
    certificate = certify(made["int8"], made["fp32"], answered, resamples=200)
    assert [clause.name for clause in certificate.clauses] == ["flips", "independence"]
    assert certificate.standing is None
    assert certificate.data.answered_by == "fp32"
    assert Certificate.of(made["int8"]) == certificate


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        (("--at", "recall=0.9"), ("'recall=0.9' is not understood", "precision=0.9")),
        (("--at", "precision=90"), ("is not understood",)),
        (("--budget", "size<=5"), ("no unit",)),
        (("--budget", "speed<=5ms"), ("unknown clause 'speed'",)),
        (("--budget", "nowhere.yaml"), ("there is no budget nowhere.yaml",)),
    ],
)
def test_what_cannot_be_asked(
    more: tuple[object, ...],
    parts: tuple[str, ...],
    made: dict[str, Path],
    held_out: Path,
    command: Any,
) -> None:
    refused(command(*arguments(made, held_out), *more), *parts)


def test_what_is_no_model(
    made: dict[str, Path], held_out: Path, tmp_path: Path, command: Any
) -> None:
    data = ("--eval", held_out)
    ended = command("certify", made["pytorch"], "--against", made["fp32"], *data)
    refused(ended, "pytorch is not an artifact")
    ended = command("certify", made["int8"], "--against", tmp_path / "none", *data)
    refused(ended, "none is neither an artifact", "nor a classifier's folder")
    refused(command("verify", tmp_path), "is not an artifact")
