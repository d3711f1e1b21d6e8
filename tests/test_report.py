"""A run's page: its numbers are the comparison's, hostile texts stay texts, half a run is shown."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from reporting import HOSTILE, VERSIONS, Made, make_run, written

from paretext.certification.certificate import Certificate
from paretext.certification.notes import notes
from paretext.core.errors import ParetextError
from paretext.core.files import write_json
from paretext.core.records import Interval
from paretext.measure import ranking
from paretext.measure.comparison import Comparison
from paretext.report import attribution
from paretext.report.pictures import pareto_front
from paretext.report.run_data import RunReport
from paretext.report.run_page import COLUMNS, FEW_CLASSES, render, write_report
from paretext.report.table import brief_cells, cells

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "run"
    make_run(folder)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


# --- the numbers, by two routes


def test_the_table_has_the_numbers_of_the_comparison(run: Path) -> None:
    page, report, _ = written(run)
    comparison = Comparison.read(run / "comparison")
    shown, flat = page.rows[1:], {row["version"]: row for row in comparison.flat()}
    assert [" ".join(each.split()) for each in page.rows[0]] == [name for name, _ in COLUMNS]
    assert [row[1].split()[0] for row in shown] == [row[0] for row in cells(comparison)]
    assert [row.version for row in report.versions] == [row[0] for row in cells(comparison)]
    for on_page, values, stored, printed in zip(
        shown, page.values[1:], report.versions, cells(comparison), strict=True
    ):
        row = flat[stored.version]
        assert " ".join(on_page[2].split()) == printed[1]
        assert " ".join(on_page[3].split()) == printed[2]
        assert [on_page[5], on_page[7], on_page[8]] == [printed[3], printed[7], printed[8]]
        assert [on_page[9], on_page[10]] == printed[9].split(" / ")
        assert [on_page[12], on_page[13].strip()] == [printed[4], printed[5]]
        assert float(values[5]) == row["bytes"] == stored.bytes
        assert float(values[6]) == row["batch1_ms_p50"] == stored.batch1_ms_p50
        assert stored.macro_f1 is not None
        assert float(values[2]) == row["macro_f1"] == stored.macro_f1.estimate
        recalls = [each.recall.estimate for each in stored.classes if each.recall]
        assert recalls == [row[f"recall_{label}"] for label in comparison.labels]
        assert sum(map(sum, stored.confusion)) == comparison.data["texts"]


def test_steps_stand_in_the_attribution_and_not_among_the_versions(run: Path) -> None:
    page, report, html = written(run)
    assert "small.1-width" not in [row.version for row in report.versions]
    assert html.count("small.1-width: macro-F1") == 0
    small = next(row for row in report.versions if row.version == "small")
    assert small.steps == tuple(attribution.cells(Comparison.read(run / "comparison"), "small"))
    assert len(small.steps) == 3
    assert "small, step by step" in page.text


def test_certificates_and_flips_are_those_in_the_artifacts(run: Path) -> None:
    page, report, html = written(run)
    assert [each.version for each in report.certificates] == ["pruned", "int8", "small"]
    for each, flipped in zip(report.certificates, report.flipped, strict=True):
        assert each.certificate == Certificate.of(run / "artifacts" / each.version)
        assert len(said := notes(each.certificate)) == 2  # its rule, and alone as in bulk
        assert all(" ".join(line.split()) in page.text for line in said)
        lines = (run / flipped.file).read_text("utf-8").splitlines()
        assert flipped.flipped == len(lines) - 1 == each.certificate.flips.flipped
        assert len(flipped.shown) == min(20, flipped.flipped)
        probabilities = [text.candidate_probability for text in flipped.shown]
        assert probabilities == sorted(probabilities, reverse=True)
    assert f'href="../{report.flipped[2].file}"' in html
    assert f"{report.flipped[2].flipped - 20} more" in page.text
    assert report.flipped[2].shown[0].text in page.text


def test_every_version_stands_in_each_plot_and_the_front_is_marked(run: Path) -> None:
    page, report, _ = written(run)
    points = [own for own in page.all("g") if "tabindex" in own]
    names = [row.version for row in report.versions]
    assert len(points) == 3 * len(names)
    costs = [(row.batch1_ms_p50, row.macro_f1.estimate) for row in report.versions if row.macro_f1]
    on_front = {names[i] for i in pareto_front(costs)}
    for own in points[: len(names)]:
        name = str(own["aria-label"]).partition(":")[0]
        assert ("Pareto front" in str(own["aria-label"])) == (name in on_front)
        assert (" on" in str(own["class"])) == (name in on_front)


def test_flips_without_their_texts_are_shown_by_row_number(tmp_path: Path) -> None:
    make_run(tmp_path / "run", list_texts=False, versions=VERSIONS[:4])
    page, report, _ = written(tmp_path / "run")
    assert all(text.text is None for each in report.flipped for text in each.shown)
    assert "listed without its text" in page.text


# --- hostile data, and what the page may not do


def test_nothing_from_data_becomes_markup(tmp_path: Path) -> None:
    labels = (f"joy {HOSTILE}", '"><b>', "sad & <i>")
    odd = Made(f"int8 {HOSTILE}".replace("/", " "), "parent", 83.0, 2.4, 0.05)
    make_run(tmp_path / "run", labels=labels, versions=(*VERSIONS[:3], odd), texts=[HOSTILE], n=300)
    page, report, html = written(tmp_path / "run")
    assert report.measurement is not None
    assert report.measurement.labels == labels
    assert {"script"} == {tag for tag, _ in page.elements} & {
        *("script", "img", "b", "i", "iframe", "object", "form", "input")
    }
    assert len(page.all("script")) == 1
    assert "alert" not in html[html.rindex("<script>") :]
    assert all(not name.startswith("on") for _, own in page.elements for name in own)
    assert "{{ 7 * 7 }}" in html  # not worked out by the template engine
    assert "&lt;script&gt;alert(1)" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_page_is_one_small_file_that_loads_nothing(run: Path) -> None:
    page, _, html = written(run)
    assert len(html.encode()) < 5_000_000
    assert not re.findall(r"https?://|//[a-z]|url\(|@import|javascript:", html.lower())
    assert not [own for _, own in page.elements if "src" in own or "style" in own]
    policy = page.all("meta")[3]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert str(policy["content"]).startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in str(policy["content"])
    ids = [own["id"] for _, own in page.elements if "id" in own]
    assert len(ids) == len(set(ids))
    for own in page.all("a"):
        link = str(own["href"])
        assert link[1:] in ids if link[0] == "#" else (run / "report" / link).is_file()
    assert page.all("html")[0]["lang"] == "en"
    for own in page.all("svg"):
        named = own.get("aria-label") or own.get("aria-hidden") == "true"
        assert named or own.get("class") == "est"  # a mark inside a hidden picture


def test_many_classes_and_versions_stay_small(tmp_path: Path) -> None:
    labels = [f"class {i}" for i in range(150)]
    many = [dataclasses.replace(VERSIONS[4], name=f"v{i}", noise=0.2) for i in range(4)]
    make_run(tmp_path / "run", labels=labels, versions=(*VERSIONS[:2], *many), n=1500)
    page, report, html = written(tmp_path / "run")
    assert len(html.encode()) < 5_000_000
    assert f"The {FEW_CLASSES} classes that changed most, of 150" in page.text
    assert "The most frequent confusions among 150 classes" in page.text
    assert len(report.versions[2].classes) == 150


def test_versions_stand_in_the_order_of_cost_everywhere(tmp_path: Path) -> None:
    late = dataclasses.replace(VERSIONS[3], name="late", ms=9.0)
    made = make_run(tmp_path / "run", versions=(*VERSIONS, late), n=300)
    order = ["pytorch", "parent", "late", "pruned", "int8", "small", "tfidf"]
    page, report, _ = written(tmp_path / "run")
    assert [row.version for row in report.versions] == order
    assert [row[0] for row in cells(made)] == [row[0] for row in brief_cells(made)] == order
    assert [each.version for each in report.certificates] == [n for n in order[2:] if n != "tfidf"]
    assert "from the slowest at batch 1 to the fastest" in page.text
    busy = dataclasses.replace(made.rows[3].cost, unsteady="it was busy")
    rows = [
        dataclasses.replace(row, cost=busy) if row.version == "int8" else row for row in made.rows
    ]
    by_size = [row.version for row in ranking.versions(rows)]
    assert by_size == ["pytorch", "parent", "pruned", "int8", "late", "small", "tfidf"]


def test_classes_that_did_not_change_have_no_row(tmp_path: Path) -> None:
    labels = [f"class {i}" for i in range(6)]
    same = dataclasses.replace(VERSIONS[2], name="same", noise=0.0)
    made = make_run(tmp_path / "run", labels=labels, versions=(*VERSIONS[:2], same), n=200)
    drops = made.row("same").drops
    assert drops is not None
    nothing = dataclasses.replace(drops, f1=tuple(Interval(0.0, -0.01, 0.02) for _ in labels))
    rows = [dataclasses.replace(r, drops=nothing) if r.drops else r for r in made.rows]
    write_json(
        tmp_path / "run" / "comparison" / "comparison.json",
        dataclasses.replace(made, rows=tuple(rows)).record(),
    )
    page, _, html = written(tmp_path / "run")
    assert page.text.count("F1 did not change in any class") == 2
    assert 'class="forest"' not in html


# --- half a run


@pytest.mark.parametrize(
    ("removed", "part", "said"),
    [
        (("profile",), "profile", "paretext explore TRAIN"),
        (("run.json",), "settings", "there is no"),
        (("parent.json",), "candidates", "the parent is not chosen yet"),
        (("candidates",), "candidates", "no candidate is trained yet"),
        (("artifacts/int8",), "artifacts", "int8 is not made yet"),
        (("comparison",), "comparison", "paretext compare"),
        (("certificates",), "flipped texts", "paretext certify"),
        (
            ("candidates", "parent.json", "artifacts", "comparison", "certificates"),
            "comparison",
            "nothing is measured yet",
        ),
        (
            ("run.json", "candidates", "parent.json", "artifacts", "comparison", "certificates"),
            "candidates",
            "no candidate",
        ),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_shown(
    run: Path, removed: tuple[str, ...], part: str, said: str
) -> None:
    for name in removed:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    page, report, _ = written(run)
    sentences = [each.said for each in report.missing if each.part == part]
    assert any(said in each for each in sentences), report.missing
    assert all(each.endswith(".") and "\n" not in each for each in sentences)
    assert all(" ".join(each.split()) in " ".join(page.text.split()) for each in sentences)
    if "comparison" in removed:
        assert "nothing to conclude" in report.conclusion.headline
    else:
        assert report.versions


def test_a_whole_run_lacks_nothing(run: Path) -> None:
    page, report, _ = written(run)
    assert report.missing == ()
    assert "What is missing" not in page.text


def test_an_artifact_without_certificate_and_stages_that_were_begun_are_named(run: Path) -> None:
    (run / "artifacts" / "int8" / "certificate.json").unlink()
    (run / "candidates" / "bert.partial").mkdir()
    (run / "comparison.partial").mkdir()
    _, report, _ = written(run)
    said = {each.part: each.said for each in report.missing}
    assert "int8 is not certified" in said["certificates"]
    assert [each.said for each in report.missing if each.part == "unfinished"] == [
        "candidates/bert was begun and is not finished; start the same command again, it goes on "
        "where it was.",
        "comparison was begun and is not finished (what is shown of it is from before); start the "
        "same command again, it goes on where it was.",
    ]


def test_a_stage_that_was_made_by_other_means_since_is_not_unfinished(run: Path) -> None:
    partial, whole = run / "comparison.partial", run / "comparison"
    partial.mkdir()
    then = whole.stat().st_mtime
    os.utime(partial, (then - 10, then - 10))
    assert write_report(run)[1].missing == ()


def test_versions_that_compress_made_without_the_runs_plan(run: Path) -> None:
    """run.json names versions for `paretext run`; `compress --preset` may have made others."""
    for name in ("pruned", "int8"):
        shutil.rmtree(run / "artifacts" / name)
    assert not [each for each in write_report(run)[1].missing if each.part == "artifacts"]


@pytest.mark.parametrize(
    "name",
    [
        *("run.json", "parent.json", "profile/profile.json", "comparison/comparison.json"),
        *("candidates/roberta/history.json", "artifacts/int8/manifest.json"),
        *("artifacts/int8/certificate.json", "certificates/int8-flips.csv"),
    ],
)
def test_a_damaged_file_is_one_sentence(run: Path, name: str) -> None:
    (run / name).write_text('{"half', encoding="utf-8")
    page, report, _ = written(run)
    assert [each for each in report.missing if Path(name).name in each.said], report.missing
    assert "Traceback" not in page.text


def test_a_changed_certificate_is_not_shown(run: Path) -> None:
    path = run / "artifacts" / "int8" / "certificate.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**values, "verdict": "broken"})
    _, report, _ = written(run)
    assert "int8" not in [each.version for each in report.certificates]
    assert next(r for r in report.versions if r.version == "int8").verdict is None
    assert any("differs from the digest" in each.said for each in report.missing)


def test_numbers_that_are_undefined(run: Path) -> None:
    path = run / "comparison" / "comparison.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for row in values["rows"]:
        for scores in filter(None, (row["quality"], row["drops"])):
            for name in ("recall", "f1"):
                scores[name][0] = dict.fromkeys(("estimate", "low", "high"))
    write_json(path, values)
    page, report, _ = written(run)
    assert report.versions[0].classes[0].recall is None
    assert "undefined" in page.text
    assert "nan" not in page.text.split()


# --- the verb


def test_the_verb_writes_where_it_is_told(command: Any, run: Path, tmp_path: Path) -> None:
    ended = command("report", run)
    assert ended.status == 0, ended.err
    assert "Deploy int8" in ended.out
    assert str(run / "report" / "report.html") in ended.out.replace("\n", "")
    conclusion = write_report(run)[1].conclusion
    words = (
        conclusion.headline,
        *conclusion.sentences,
        str(conclusion.command),
        str(conclusion.python),
    )
    assert " ".join(ended.out.split()).endswith(" ".join(" ".join(words).split()))
    out = tmp_path / "elsewhere" / "deep"
    ended = command("report", run, "--out", out, "--json")
    assert ended.status == 0, ended.err
    stored = RunReport.model_validate(json.loads(ended.out))
    assert stored == RunReport.model_validate_json((out / "report.json").read_text("utf-8"))
    html = (out / "report.html").read_text(encoding="utf-8")
    assert html == render(stored, "../../run/")
    assert (out / "../../run/profile/profile.html").is_file()


def test_what_is_no_run_is_one_sentence(command: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no run")
    for path, said in ((tmp_path, "holds no run"), (tmp_path / "none", "is not a folder")):
        ended = command("report", path)
        assert ended.status == 2
        assert ended.err.strip().count("\n") == 0
        assert said in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ParetextError, match="paretext run --out"):
        write_report(tmp_path)
