"""Certificates on texts without labels: what labels of flips say is what labels of all would."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from test_bad_input import refused
from test_golden import ANSWERS, GOLDEN

import paretext
from paretext.certification import unlabelled
from paretext.certification.certificate import Certificate
from paretext.certification.flipped_classes import (
    Beside,
    Flips,
    macro_f1_drop,
    recall_clause,
)
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.measure.proportions import Pairs, score_interval

NAMES = tuple(ANSWERS["labels"])
DATA = toy.dataset(2000, seed=11)


PLACES = {text: place for place, text in enumerate(DATA.texts)}


def probabilities(texts: Any, blurred: bool) -> Any:
    """Of a model that is right in 96% of the toy's texts, and of a copy that is a bit blurred."""
    rng = np.random.default_rng(1)
    scores, blur = (rng.standard_normal((len(DATA), len(NAMES))) for _ in range(2))
    scores += 3.0 * np.eye(len(NAMES))[DATA.labels] + 0.24 * blur * blurred
    shares = np.exp(scores)[[PLACES[text] for text in texts]]
    return shares / shares.sum(axis=1, keepdims=True)


class Case:
    """An artifact and its parent whose answers are simulated, and texts without labels."""

    def __init__(self, folder: Path) -> None:
        for name in ("int8", "parent"):
            shutil.copytree(GOLDEN / name, folder / "artifacts" / name)
        self.int8, self.parent = folder / "artifacts" / "int8", folder / "artifacts" / "parent"
        self.traffic = toy.write(folder / "traffic.csv", [(text, "") for text in DATA.texts])
        self.certificates = folder / "certificates"
        self.to_label = self.certificates / "int8-to_label.csv"
        self.asked = (self.int8, "--against", self.parent, "--unlabelled", self.traffic)
        budget = folder / "budget.yaml"
        budget.write_text("independence: null", "utf-8")  # the INT8 of the first format is not
        self.asked += ("--budget", budget)

    def rows(self) -> list[dict[str, str]]:
        with self.to_label.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def fill(self, path: Path, count: int, **changed: str) -> Path:
        """The file with the true labels of the first texts; changed: cells of the first row."""
        rows = self.rows()
        for row in rows[:count]:
            row["label"] = NAMES[DATA.labels[int(row["row"]) - 1]]
        rows[0] |= changed
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["row", "text", "label"])
            writer.writeheader()
            writer.writerows(rows)
        return path


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    def answers(models: Any, texts: Any, names: Any) -> Any:
        assert names == NAMES
        return probabilities(texts, blurred=False), probabilities(texts, blurred=True)

    monkeypatch.setattr(unlabelled, "_answers", answers)
    return Case(tmp_path / "run")


def test_the_labels_of_flips_say_what_all_labels_say(case: Case, command: Any) -> None:
    ended = command("certify", *case.asked)
    assert ended.status == 3, ended.err
    said = " ".join(ended.out.split())
    certificate = Certificate.of(case.int8)
    assert certificate is not None
    rows = case.rows()
    assert len(rows) == certificate.flips.flipped > 20
    assert {row["label"] for row in rows} == {""}
    assert all(row["text"] == DATA.texts[int(row["row"]) - 1] for row in rows)
    assert [int(row["row"]) for row in rows] != sorted(int(row["row"]) for row in rows)
    needed = certificate.unlabelled.labels_needed if certificate.unlabelled else None
    assert needed is not None
    assert f"0 of {len(rows)} flipped texts have labels, and about {needed} would decide" in said
    assert f"--labels-for {case.to_label}" in said

    all_of = case.fill(case.to_label.with_name("all.csv"), len(rows))
    ended = command("certify", *case.asked, "--labels-for", all_of, "--json")
    certificate = Certificate.of(case.int8)
    assert certificate is not None
    assert json.loads(ended.out)["digest"] == certificate.digest
    with np.load(case.certificates / "int8-answers.npz") as kept:
        before, after = (kept[name].argmax(axis=1) for name in ("reference", "candidate"))
    pairs = Pairs.count(before == DATA.labels, after == DATA.labels)
    assert (certificate.flips.lost, certificate.flips.won) == (pairs.lost, pairs.won)
    tango, ours = score_interval(pairs, 0.025, 0.025), certificate.clause("accuracy_drop").found
    assert (ours.estimate, ours.low, ours.high) == pytest.approx(
        (tango.estimate, tango.low, tango.high), abs=1e-6
    )
    with (case.certificates / "int8-flips.csv").open(encoding="utf-8") as file:
        effects = [row["effect"] for row in csv.DictReader(file)]
    assert (effects.count("lost"), effects.count("won")) == (pairs.lost, pairs.won)
    ended = command("verify", case.int8, "--rerun", "--eval", GOLDEN / "held-out.csv")
    refused(ended, "was made of texts without labels")


def test_a_part_is_enough_and_ends_at_the_first_gap(case: Case, command: Any) -> None:
    command("certify", *case.asked)
    part = case.fill(case.to_label.with_name("part.csv"), 20, label="?")
    held = toy.write(
        case.traffic.with_name("labelled.csv"),
        [(text, NAMES[label]) for text, label in zip(DATA.texts[:400], DATA.labels, strict=False)],
    )
    asked = (*case.asked, "--labels-for", part, "--eval", held)
    ended = command("certify", *asked)
    certificate = Certificate.of(case.int8)
    assert certificate is not None
    assert certificate.unlabelled is not None
    assert (certificate.unlabelled.labelled, certificate.unlabelled.unclear) == (20, 1)
    assert certificate.unlabelled.beside == "labelled.csv"
    judged = {clause.name for clause in certificate.clauses}
    assert judged == {"accuracy_drop", "macro_f1_drop", "recall_drop"}
    assert certificate.ways is not None
    assert [each.name for each in certificate.reported] == ["flips"]
    assert certificate.unlabelled.unlike is not None
    assert "AUC of 0.5" in ended.err  # both are the toy's
    assert certificate.unlabelled.left_out == ("calibration_error_rise", "brier_rise")
    assert certificate.standing is not None
    assert certificate.looks is not None
    assert certificate.looks.number == 1
    gap = case.fill(case.to_label.with_name("gap.csv"), 20, label="")
    ended = command("certify", *case.asked, "--labels-for", gap)
    assert "19 labels below the first gap are not counted" in " ".join(ended.err.split())
    assert "0 of " in ended.out
    filled = case.fill(case.to_label, 5)
    assert command("certify", *case.asked).err.count("has 5 labels and is left as it is") == 1
    assert case.rows()[4]["label"]
    assert filled == case.to_label


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"text": "another text"}, "row 1 has the text 'another text'"),
        ({"row": "99999"}, "which both models answer alike"),
        ({"label": "joyful"}, "'joyful' (row 1"),
    ],
)
def test_what_is_no_answer_to_what_was_asked(
    changed: dict[str, str], said: str, case: Case, command: Any
) -> None:
    command("certify", *case.asked)
    path = case.fill(case.to_label.with_name("given.csv"), 10, **changed)
    refused(command("certify", *case.asked, "--labels-for", path), said)


def test_other_wrong_turns(case: Case, command: Any, tmp_path: Path) -> None:
    command("certify", *case.asked)
    empty = case.fill(tmp_path / "empty.csv", 0)
    refused(command("certify", *case.asked, "--labels-for", empty), "has no label at all")
    twice = case.fill(tmp_path / "twice.csv", 10)
    lines = twice.read_text("utf-8").splitlines()
    twice.write_text("\n".join([*lines, lines[1]]), "utf-8")
    asked = (*case.asked, "--labels-for", twice)
    refused(command("certify", *asked), "twice, in its rows 1 and")
    other = toy.write(tmp_path / "other.csv", [("a text", "joy")])
    asked = (*case.asked, "--labels-for", other)
    refused(command("certify", *asked), "has no column 'row'")
    refused(command("certify", *case.asked, "--at", "fpr=0.01"), "leave --at out")
    refused(command("certify", *case.asked, "--force"), "leave it out with --unlabelled")
    plain = (case.int8, "--against", case.parent, "--eval", GOLDEN / "held-out.csv")
    refused(command("certify", *plain, "--label-page"), "--label-page is for texts without")


def test_the_page_hides_the_answers_and_needs_no_network(case: Case) -> None:
    certificate = paretext.certify(case.int8, case.parent, unlabelled=case.traffic, label_page=True)
    html = case.to_label.with_suffix(".html").read_text("utf-8")
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)=\"(?!data:,)", html)
    data = json.loads(html.split('id="asked">')[1].split("</script>")[0])
    assert data["labels"] == list(NAMES)
    assert [[row, text] for row, text in data["texts"]] == [
        [row["row"], row["text"]] for row in case.rows()
    ]
    assert data["given"] == [""] * certificate.flips.flipped
    assert certificate.unlabelled is not None
    assert data["needed"] == certificate.unlabelled.labels_needed


def test_with_every_label_known_classes_are_what_they_are() -> None:
    """The two formulas against the metrics themselves."""
    rng = np.random.default_rng(3)
    truth = rng.choice(4, 800, p=[0.4, 0.3, 0.2, 0.1])
    before, after = (
        np.where(rng.random(800) < share, rng.integers(0, 4, 800), truth) for share in (0.2, 0.3)
    )
    flipped = rng.permutation(np.flatnonzero(before != after))
    flips = Flips(
        800,
        before[flipped],
        after[flipped],
        truth[flipped],
        (np.bincount(before, minlength=4), np.bincount(after, minlength=4)),
    )
    beside = Beside(truth, before, after)
    scores = [float(macro_f1(confusion_matrix(truth, each, 4))) for each in (before, after)]
    drop = macro_f1_drop(flips, beside, 4, 0.025, 200, 0)
    assert drop.estimate == pytest.approx(scores[0] - scores[1])
    assert drop.low < drop.estimate < drop.high
    for part in recall_clause(flips, beside, tuple("abcd"), 0.05, 0.025).parts:
        own = truth == "abcd".index(part.label)
        recalls = [(each == truth)[own].mean() for each in (before, after)]
        assert part.drop.estimate == pytest.approx(recalls[0] - recalls[1])
        assert part.drop.low < part.drop.estimate < part.drop.high


def test_answers_that_are_kept_are_read_once_and_never_when_damaged(tmp_path: Path) -> None:
    from paretext.certification.kept_answers import kept_answers

    path, asked = tmp_path / "int8-answers.npz", []

    def answer() -> Any:
        asked.append(1)
        return np.full((3, 2), 0.5), np.full((3, 2), 0.25)

    first = kept_answers(path, "one", answer)
    again = kept_answers(path, "one", answer)
    assert len(asked) == 1
    np.testing.assert_array_equal(first, again)
    kept_answers(path, "another", answer)
    assert len(asked) == 2
    path.write_bytes(path.read_bytes()[:-30])
    kept_answers(path, "another", answer)
    assert len(asked) == 3


def test_the_next_command_repeats_what_was_asked(tmp_path: Path) -> None:
    from paretext.pipeline.certified import giving_back
    from paretext.pipeline.options import Certify

    asked = Certify(
        artifact="a b",
        against="p",
        unlabelled="traffic.csv",
        eval=(["text"], ["joy"]),
        budget=["flips<=3%", "size<=5MB"],
        on_bad_row="skip",
        texts=False,
    )
    command = giving_back(asked)
    for part in (
        *("'a b' --against p", "--eval FILE", "--on-bad-row skip", "--no-texts"),
        *("--budget 'flips<=3%' --budget 'size<=5MB'", "--unlabelled traffic.csv --labels-for"),
    ):
        assert part in command, command
    assert "--seed" not in command
