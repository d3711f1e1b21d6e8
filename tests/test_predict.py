"""The verb predict: texts by hand, pipes, and a run's folder in place of an artifact."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from paretext.cli import console
from paretext.data.tables import read_rows
from paretext.runtime.artifact import Artifact

TEXTS = [text for text, _ in toy.texts_and_labels(7, seed=5)]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """given(bytes): what standard input holds."""

    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


def labels(artifact: Path, texts: list[str]) -> list[str]:
    return [str(label) for label in Artifact.load(artifact).predict(texts)]


def test_lines_in_labels_out_row_for_row(
    command: Any, given: Any, versions: dict[str, Path]
) -> None:
    lines = [TEXTS[0], "", *TEXTS[1:3], "é \u2028 not a line's end"]
    given("\r\n".join(lines).encode() + b"\n\xff\xfe bytes that are no text")
    ended = command("predict", versions["fp32"], "-")
    assert ended.status == 0, ended.err
    answers = ended.out.split("\n")
    assert answers[1] == ""
    whole = [line for line in lines if line]
    assert [answers[0], *answers[2:5]] == labels(versions["fp32"], whole)
    assert answers[5:] == ["", ""]  # the row that is no text, and the end
    assert "standard input: left 2 of 6 rows without an answer" in " ".join(ended.err.split())
    assert "standard-input" not in ended.err


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_a_table_goes_through_a_pipe(
    command: Any, given: Any, versions: dict[str, Path], form: str
) -> None:
    if form == "jsonl":
        given(
            "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(TEXTS)).encode()
        )
    else:
        written = io.StringIO()
        rows = [("id", "text"), *enumerate(TEXTS)]
        csv.writer(written, delimiter={"csv": ",", "tsv": "\t"}[form]).writerows(rows)
        given(written.getvalue().encode())
    ended = command("predict", versions["fp32"], "-", "-o", "-", "--format", form)
    assert ended.status == 0, ended.err
    if form == "jsonl":
        answered = [json.loads(line) for line in ended.out.splitlines()]
    else:
        delimiter = {"csv": ",", "tsv": "\t"}[form]
        answered = list(csv.DictReader(io.StringIO(ended.out), delimiter=delimiter))
    assert [row["predicted_label"] for row in answered] == labels(versions["fp32"], TEXTS)
    assert [str(row["id"]) for row in answered] == list("0123456")


def test_a_file_to_standard_output_and_lines_to_a_file(
    command: Any, given: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    source = toy.write(tmp_path / "in.csv", [(text, "joy") for text in TEXTS])
    expected = labels(versions["fp32"], TEXTS)
    ended = command("predict", versions["fp32"], source, "-o", "-")
    assert ended.out.split("\n") == [*expected, ""]
    given("\n".join(TEXTS).encode())
    ended = command("predict", versions["fp32"], "-", "-o", tmp_path / "out.csv")
    assert ended.out.startswith("7 rows in ")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted_label"] for row in rows] == expected
    assert [row["text"] for row in rows] == TEXTS


def test_a_stream_of_lines_is_answered_as_it_comes(
    command: Any, monkeypatch: pytest.MonkeyPatch, versions: dict[str, Path]
) -> None:
    """An object a line; what is no text keeps its place. The second text is sent only when the
    first has been answered."""
    answers = io.StringIO()
    monkeypatch.setattr(console.out, "_file", answers)
    pieces = [f"{TEXTS[0]}\n{TEXTS[1][:4]}", f"{TEXTS[1][4:]}\r\n\n", "no end \u2028 of a line"]

    class Slow(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            assert len(answers.getvalue().splitlines()) == min(sent[0], 1) + 2 * (sent[0] > 1)
            piece = pieces[sent[0]].encode() if sent[0] < len(pieces) else b""
            sent[0] += 1
            into[: len(piece)] = piece
            return len(piece)

    sent = [0]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Slow())))
    ended = command("predict", versions["fp32"], "-", "--json")
    assert ended.status == 0, ended.err
    assert "left 1 of 4 rows without an answer" in " ".join(ended.err.split())
    answered = [json.loads(line) for line in answers.getvalue().splitlines()]
    whole = [*TEXTS[:2], "no end \u2028 of a line"]
    assert answered.pop(2) == {"text": "", "label": None, "probabilities": None}
    assert [each["text"] for each in answered] == whole
    assert [each["label"] for each in answered] == labels(versions["fp32"], whole)
    exact = Artifact.load(versions["fp32"]).probabilities(whole)
    shares = [list(each["probabilities"].values()) for each in answered]
    np.testing.assert_allclose(shares, exact, rtol=5e-6)


def test_a_stream_fails_at_a_row_without_a_text_where_that_is_asked(
    command: Any, given: Any, versions: dict[str, Path]
) -> None:
    given(f"{TEXTS[0]}\n\n".encode())
    ended = command("predict", versions["fp32"], "-", "--json", "--on-bad-row", "fail")
    assert ended.status == 2
    assert "standard input: 1 of 2 rows cannot be used, 1 with no text (row 2)" in ended.err


def test_a_file_to_standard_output_as_json(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    source = toy.write(tmp_path / "in.csv", [(text, "joy") for text in TEXTS])
    ended = command("predict", versions["fp32"], source, "-o", "-", "--json")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert [row["predicted_label"] for row in rows] == labels(versions["fp32"], TEXTS)


def test_probabilities_written_as_text_have_six_digits(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    source = toy.write(tmp_path / "in.csv", [(text, "joy") for text in TEXTS])
    exact = Artifact.load(versions["fp32"]).probabilities(TEXTS)
    for name, least in (("out.csv", 6), ("out.parquet", 7)):
        assert command("predict", versions["fp32"], source, "-o", tmp_path / name).status == 0
        rows = list(read_rows(tmp_path / name))
        written = [[row[f"probability_{label}"] for label in toy.LABELS] for row in rows]
        digits = [
            len(str(each).replace("0.", "", 1).lstrip("0")) for row in written for each in row
        ]
        assert max(digits) == 6 if least == 6 else max(digits) > 6
        np.testing.assert_allclose(np.array(written, float), exact, rtol=5e-6)


def test_what_is_no_file_is_a_text(command: Any, versions: dict[str, Path], tmp_path: Path) -> None:
    texts = ("so glad and happy", "x" * 5000, "what.a.day", "nul \x00 in it", "what? *really*")
    for text in texts:
        ended = command("predict", versions["fp32"], text, "--json")
        assert ended.status == 0, ended.err
        (answer,) = json.loads(ended.out)
        assert answer["text"] == text
        assert [answer["label"]] == labels(versions["fp32"], [text])
    (tmp_path / "reviews.csv").write_text("text\nso glad\n", encoding="utf-8")
    near = command("predict", versions["fp32"], tmp_path / "reviews.cvs")
    assert near.status == 2
    assert f"did you mean '{tmp_path / 'reviews.csv'}'?" in near.err
    (tmp_path / "reviews.csv").unlink()
    missing = command("predict", versions["fp32"], tmp_path / "missing.csv", "-o", "-")
    assert missing.status == 2
    assert "missing.csv" in missing.err
    folder = command("predict", versions["fp32"], tmp_path, "-o", "-")
    assert folder.status == 2


def test_one_file_goes_into_a_folder_that_is_there(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out"
    source.write_text("text\nso glad\n", encoding="utf-8")
    target.mkdir()
    ended = command("predict", versions["fp32"], source, "-o", target, "--json")
    assert json.loads(ended.out)["verdict"]["path"] == str(target / "in.csv")
    assert [each.name for each in target.iterdir()] == ["in.csv"]
    own = command("predict", versions["fp32"], source, "-o", tmp_path)
    assert own.status == 2
    assert source.read_text(encoding="utf-8") == "text\nso glad\n"


def test_the_three_most_probable_labels_downwards(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretext.runtime import bulk

    names = [f"label_{i}" for i in range(77)]

    class Many:
        manifest = type("", (), {"labels": names})

        @classmethod
        def load(cls, folder: Path, threads: int | None) -> Many:
            return cls()

    def answers(artifact: Many, texts: list[str]) -> list[dict[str, Any]]:
        shares = {name: i / 3003 for i, name in enumerate(names, 1)}
        return [{"text": text, "label": "label_76", "probabilities": shares} for text in texts]

    monkeypatch.setattr("paretext.runtime.artifact.Artifact", Many)
    monkeypatch.setattr("paretext.certification.gate.check_certificate", lambda *_: None)
    monkeypatch.setattr(bulk, "predict_texts", answers)
    ended = command("predict", "artifact", "one text", "--threads", "1")
    shown = [line for line in ended.out.splitlines() if "│ label_" in line]
    assert [line.split()[1::2][:2] for line in shown] == [
        ["label_76", f"{77 / 3003:.3f}"],
        ["label_75", f"{76 / 3003:.3f}"],
        ["label_74", f"{75 / 3003:.3f}"],
    ]
    assert ended.out.startswith("one text\n")
    assert "--json has the other 74" in ended.out
    all_of_them = json.loads(command("predict", "artifact", "one text", "--json").out)
    assert len(all_of_them[0]["probabilities"]) == 77


def test_a_run_stands_for_the_version_it_recommends(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from reporting import make_run
    from said import said_to

    from paretext.cli.chosen import artifact_of
    from paretext.report.run_gather import gather

    run = tmp_path / "run"
    make_run(run, n=200)
    version = gather(run).conclusion.version
    assert version is not None
    with said_to() as said:
        assert artifact_of(run, "answers by") == run / "artifacts" / version
    assert said.messages == [
        f"answers by {version}, which the run recommends: {run / 'artifacts' / version}"
    ]
    own = run / "artifacts" / "int8"
    assert artifact_of(own, "answers by") == own


def test_a_run_that_recommends_nothing_names_its_artifacts(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(versions["fp32"], tmp_path / "run" / "artifacts" / "fp32")
    ended = command("predict", tmp_path / "run", "a text")
    assert ended.status == 2
    said = " ".join(ended.err.split())
    assert "recommends none of its artifacts (nothing is measured yet" in said
    assert said.endswith(f"; name one of {tmp_path}/run/artifacts/fp32.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a text", "-o", "out.csv"), "was given by hand"),
        (("a text", "--ray"), "--ray answers Parquet files"),
        (("-", "--json", "--format", "csv"), "--json and --format csv are two forms"),
        (("a text", "--text", "another"), "either a file of texts or --text"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    command: Any, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ended = command("predict", tmp_path, *words)
    assert ended.status == 2
    assert said in ended.err
    assert ended.err.count("paretext: ") == 1
