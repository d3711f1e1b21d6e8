"""Certificates of answers alone: the same as those of the models that gave them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_bad_input import refused
from test_golden import ANSWERS, GOLDEN

import paretext
from paretext.certification.certificate import Certificate
from paretext.cli.certify import STATUS
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset

TRUTH = GOLDEN / "held-out.csv"
NAMES = tuple(ANSWERS["labels"])


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What predict writes of both golden artifacts, the candidate's rows backwards."""
    from paretext.runtime.artifact import Artifact
    from paretext.runtime.bulk import predict_file

    folder = tmp_path_factory.mktemp("answered")
    for name in ("parent", "int8"):
        predict_file(Artifact.load(GOLDEN / name), TRUTH, folder / f"{name}.csv")
    head, *rows = (folder / "int8.csv").read_text("utf-8").splitlines()
    (folder / "int8.csv").write_text("\n".join([head, *reversed(rows)]), "utf-8")
    return {name: folder / f"{name}.csv" for name in ("parent", "int8")}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_it_finds_what_the_models_themselves_show(
    answered: dict[str, Path], command: Any, tmp_path: Path
) -> None:
    asked = ("--against", answered["parent"], "--eval", TRUTH, "--out", tmp_path / "out")
    more = ("--at", "precision=0.5", "--resamples", 500)
    ended = command("certify", "--predictions", answered["int8"], *asked, *more)
    last = ended.out.strip().splitlines()[-1]
    assert last.strip().startswith("paretext certify --predictions ")
    certificate = Certificate.read(tmp_path / "out" / "certificate.json")
    assert certificate.sentence in " ".join(ended.out.split())
    folder = Path(shutil.copytree(GOLDEN / "int8", tmp_path / "int8"))
    budget = paretext.Budget(independence=None)  # of which answers say nothing
    few: dict[str, Any] = {"at": "precision=0.5", "resamples": 500}
    own = paretext.certify(folder, GOLDEN / "parent", TRUTH, budget, **few)
    assert ended.status == STATUS[own.verdict], ended.err
    unsaid = {"distribution"}  # of texts and lengths that predictions do not say
    assert certificate.data.model_dump(exclude=unsaid) == own.data.model_dump(exclude=unsaid)
    assert certificate.flips.model_dump(exclude={"file", "sha256"}) == own.flips.model_dump(
        exclude={"file", "sha256"}
    )
    # six digits were written
    for ours, theirs in zip(certificate.clauses, own.clauses, strict=True):
        assert (ours.name, ours.verdict) == (theirs.name, theirs.verdict)
        assert ours.found.estimate == pytest.approx(theirs.found.estimate, abs=1e-5)
    assert (certificate.candidate.kind, certificate.candidate.name) == ("predictions", "int8")
    assert len(rows_of(tmp_path / "out" / "flips.csv")) == certificate.flips.flipped


def test_arrays_frames_and_answers_alone(answered: dict[str, Path]) -> None:
    data = Dataset.read(TRUTH, label_names=NAMES)
    text_of = {row["text"]: row for row in rows_of(answered["int8"])}
    columns = [f"probability_{name}" for name in NAMES]
    new = np.array([[float(text_of[text][each]) for each in columns] for text in data.texts])
    old = np.array([[float(row[each]) for each in columns] for row in rows_of(answered["parent"])])
    files = paretext.certify(
        predictions=answered["int8"], against=answered["parent"], eval=TRUTH, resamples=500
    )
    few: dict[str, Any] = {"labels": NAMES, "resamples": 500}
    arrays = paretext.certify(predictions=new, against=old, eval=(data.texts, data.labels), **few)
    assert arrays.clauses == files.clauses
    labels = [NAMES[each] for each in new.argmax(axis=1)]
    named = paretext.certify(
        predictions={"text": data.texts, "answer": labels},
        against=np.array(NAMES)[old.argmax(axis=1)],
        eval=[NAMES[each] for each in data.labels],
        **few,
    )
    without = [each for each in arrays.clauses if each.name not in ("brier_rise",)]
    without = [each for each in without if each.name != "calibration_error_rise"]
    assert list(named.clauses) == without
    assert named.budget.brier_rise is None
    assert {each.kind for each in named.flips.slices} == {"label"}
    shutil.rmtree(answered["int8"].with_name("int8-certificate"))


def changed(kind: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    first = {**rows[0]}
    if kind == "other texts":
        return [{**row, "text": f"{row['text']}!"} for row in rows]
    if kind == "one text less":
        return rows[1:]
    if kind == "one text more":
        return [*rows, {**first, "text": "a text of its own"}]
    if kind == "twice":
        return [*rows, first]
    if kind == "unknown label":
        return [{**first, "predicted_label": "joyful"}, *rows[1:]]
    if kind == "no sum":
        return [{**first, f"probability_{NAMES[0]}": "0.9", f"probability_{NAMES[1]}": "0.8"}]
    if kind == "no number":
        return [{**first, f"probability_{NAMES[0]}": "high"}, *rows[1:]]
    if kind == "no column":
        return [{k: v for k, v in row.items() if k != f"probability_{NAMES[0]}"} for row in rows]
    if kind == "rows alone":
        return [{"answer": row["predicted_label"]} for row in rows[:-3]]
    assert kind == "no answers"
    return [{"text": row["text"], "score": "1"} for row in rows]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("other texts", "answers other texts than"),
        ("one text less", "has no answer to 1 of the 200 texts"),
        ("one text more", "answers 1 texts that"),
        ("twice", "in rows 1, 201, and"),
        ("unknown label", "'joyful' (row 1"),
        ("no sum", "row 1 has probabilities that sum to"),
        ("no number", "row 1 has a probability that is none"),
        ("no column", f"columns of probabilities lack, '{NAMES[0]}'"),
        ("rows alone", "has 197 rows and no texts to match them by"),
        ("no answers", "has no column of answers"),
    ],
)
def test_what_is_no_answer_is_refused_in_a_sentence(
    kind: str, said: str, answered: dict[str, Path], command: Any, tmp_path: Path
) -> None:
    rows = changed(kind, rows_of(answered["parent"]))
    if kind == "no sum":
        rows += rows_of(answered["parent"])[1:]
    new = write(tmp_path / "new.csv", rows)
    asked = ("--against", answered["parent"], "--eval", TRUTH)
    refused(command("certify", "--predictions", new, *asked), said)
    assert [each.name for each in tmp_path.iterdir()] == ["new.csv"]


def test_what_cannot_be_asked_of_answers(answered: dict[str, Path], command: Any) -> None:
    asked = ("--predictions", answered["int8"], "--against", answered["parent"])
    refused(command("certify", *asked), "give it with --eval")
    refused(command("certify", *asked, "--unlabelled", TRUTH), "--unlabelled is for an artifact")
    refused(command("certify", "x", *asked, "--eval", TRUTH), "either the artifact x or")
    refused(command("certify", *asked, "--eval", TRUTH, "--budget", "size<=5MB"), "do not tell of")
    few = changed("no column", rows_of(answered["parent"]))
    against = ("--against", write(answered["parent"].with_name("few.csv"), few), "--eval", TRUTH)
    said = f"no column of the probability of '{NAMES[0]}'"
    refused(command("certify", *asked[:2], *against), said)
    same = ("--predictions", answered["int8"], "--against", answered["int8"], "--eval", TRUTH)
    refused(command("certify", *same), "are the same predictions")
    with pytest.raises(ParetextError, match=r"the shape \(200, 2\)"):
        paretext.certify(
            predictions=np.full((200, 2), 0.5), against=answered["parent"], eval=TRUTH, labels=NAMES
        )


def test_a_newer_certificate_is_refused(answered: dict[str, Path], tmp_path: Path) -> None:
    asked: dict[str, Any] = {"against": answered["parent"], "eval": TRUTH, "out": tmp_path}
    asked["resamples"] = 100
    paretext.certify(predictions=answered["int8"], **asked)
    path = tmp_path / "certificate.json"
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**values, "format_version": 3}), "utf-8")
    with pytest.raises(ParetextError, match="has certificate format 3"):
        Certificate.read(path)
