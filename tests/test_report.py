"""A run's page: its numbers are the comparison's, hostile texts stay texts, half a run is shown."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from reporting import HOSTILE, VERSIONS, Made, make_run

from paretext.certification.certificate import Certificate, attach
from paretext.certification.looks import Looks
from paretext.certification.notes import notes
from paretext.core.errors import ParetextError
from paretext.core.files import write_json
from paretext.core.records import Interval
from paretext.measure import ranking
from paretext.measure.comparison import Comparison
from paretext.report import attribution
from paretext.report.pictures import linear_ticks, log_ticks, pareto_front, strips
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


class Page(HTMLParser):
    """A page's elements, the text of its table of versions, and all of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.values: list[list[str]] = []
        self.text = ""
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.elements.append((tag, own))
        if tag == "table":
            self._inside = "data-sortable" in own
        if self._inside and tag == "tr":
            self.rows.append([])
            self.values.append([])
        if self._inside and tag in ("td", "th"):
            self.rows[-1].append("")
            self.values[-1].append(own.get("data-value") or "")
        if tag in ("small", "br"):
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._inside = False

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [own for tag, own in self.elements if tag == name]


def written(run: Path, out: Path | None = None) -> tuple[Page, RunReport, str]:
    path, _ = write_report(run, out)
    html = path.read_text(encoding="utf-8")
    stored = RunReport.model_validate_json((path.parent / "report.json").read_text("utf-8"))
    return Page(html), stored, html


# --- the numbers, by two routes


def test_the_table_has_the_numbers_of_the_comparison(run: Path) -> None:
    page, report, _ = written(run)
    comparison = Comparison.read(run / "comparison")
    shown, flat = page.rows[1:], {row["version"]: row for row in comparison.flat()}
    assert [" ".join(each.split()) for each in page.rows[0]] == [name for name, _ in COLUMNS]
    assert [row[1].split()[0] for row in shown] == [row[0] for row in cells(comparison)]
    assert [row.version for row in report.versions] == [row[0] for row in cells(comparison)]
    for found, values, stored, printed in zip(
        shown, page.values[1:], report.versions, cells(comparison), strict=True
    ):
        row = flat[stored.version]
        assert " ".join(found[2].split()) == printed[1]
        assert " ".join(found[3].split()) == printed[2]
        assert [found[5], found[7], found[8]] == [printed[3], printed[7], printed[8]]
        assert [found[9], found[10]] == printed[9].split(" / ")
        assert [found[12], found[13].strip()] == [printed[4], printed[5]]
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


# --- the verdict


def conclusion(folder: Path, *versions: Made) -> Any:
    make_run(folder, versions=versions)
    return write_report(folder)[1].conclusion


def test_a_broken_version_is_never_the_one_to_deploy(run: Path) -> None:
    _, report, _ = written(run)
    found = report.conclusion
    rows = {row.version: row for row in report.versions}
    assert rows["small"].verdict == "broken"
    assert rows["small"].batch1_ms_p50 < rows["int8"].batch1_ms_p50
    assert (found.version, found.verdict) == ("int8", "holds")
    assert found.headline == f"Deploy int8: {run / 'artifacts' / 'int8'}"
    said, more = " ".join(found.sentences), " ".join(found.details)
    assert "5.0x faster at batch 1, 4.0x smaller than PyTorch" in said
    assert "int8 may replace parent: on texts like these it loses at most" in said
    assert "Its certificate, on 600 texts of data 0.csv: all 5 clauses hold." in more
    assert "undecided" not in said
    assert "Do not deploy small: broken." in said
    assert "Do not deploy small (broken: macro_f1_drop" in more
    assert "Is the transformer worth it? In quality, yes" in more
    assert "tfidf (1.1 MB, 0.05 ms a text at batch 1)" in more


def test_where_everything_is_broken_the_parent_is_deployed(tmp_path: Path) -> None:
    bad = dataclasses.replace(VERSIONS[3], noise=0.3)
    found = conclusion(tmp_path / "run", *VERSIONS[:2], bad)
    assert (found.version, found.verdict) == ("parent", "parent")
    assert "as large as PyTorch" in " ".join(found.sentences)  # 328 MB of 330
    assert found.sentences[0] == "No compressed version is worth taking."
    assert "Do not deploy int8: broken." in found.sentences


def test_a_baseline_that_is_as_good_is_called_so(tmp_path: Path) -> None:
    same = dataclasses.replace(VERSIONS[-1], noise=0.0)
    found = conclusion(tmp_path / "run", *VERSIONS[:4], same)
    assert found.sentences[0].startswith("It has no transformer, and a macro-F1 of 0.943 beside ")
    assert "do not show that one of the two is better" in found.sentences[1]
    assert (found.version, found.verdict) == ("tfidf", "baseline")
    assert found.path == "artifacts/tfidf"
    large = dataclasses.replace(same, megabytes=900)  # costs more, so it stands in nobody's place
    found = conclusion(tmp_path / "other", *VERSIONS[:4], large)
    said = "tfidf, trained beside it, is as good, as far as these texts can show, as the"
    assert found.sentences[0].startswith(said)
    assert found.version == "int8"


def test_a_certificate_that_holds_is_said(tmp_path: Path) -> None:
    copy = dataclasses.replace(VERSIONS[3], noise=0.0)
    make_run(tmp_path / "run", versions=(*VERSIONS[:2], copy), n=6000)
    found = write_report(tmp_path / "run")[1].conclusion
    assert found.verdict == "holds"
    assert found.headline == f"Deploy int8: {tmp_path / 'run' / 'artifacts' / 'int8'}"
    assert "Its certificate, on 6,000 texts of data 0.csv: all 5 clauses hold." in found.details
    assert "int8 may replace parent: on texts like these it loses at most 0.0" in found.sentences[1]


def certificates_of(run: Path, **update: Any) -> None:
    """Every certificate of a run with other values, sealed anew."""
    for path in sorted((run / "artifacts").iterdir()):
        if (found := Certificate.of(path)) is not None:
            attach(found.model_copy(update={**update, "sentence": ""}).sealed(), path)


def test_undecided_is_not_deployed_and_what_would_decide_is_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_run(run, versions=VERSIONS[:4])
    certificates_of(run, verdict="undecided", clauses=())
    found = write_report(run)[1].conclusion
    assert (found.version, found.verdict) == ("parent", "parent")
    assert found.sentences[0] == "No compressed version's certificate lets it be chosen."
    assert any("int8 may replace parent is open" in each for each in found.details)


def test_the_smallest_that_holds_is_deployed_and_none_after_the_sequences_end(
    tmp_path: Path,
) -> None:
    """Slower and smaller: what holds is chosen by its size."""
    small = dataclasses.replace(VERSIONS[3], name="small", noise=0.0, megabytes=20.0, ms=4.0)
    run = tmp_path / "run"
    make_run(run, versions=(*VERSIONS[:4], small))
    assert write_report(run)[1].conclusion.version == "small"
    stopped = Looks(number=2, sequence=("int8", "small"), stopped_at="int8")
    certificates_of(run, looks=stopped)
    found = write_report(run)[1].conclusion
    assert found.version == "parent"
    assert any("may not be chosen on these texts: int8" in each for each in found.details)


def test_only_a_baseline_was_trained(tmp_path: Path) -> None:
    """No transformer is spoken of, and nothing is missing that could not be made."""
    only = [
        dataclasses.replace(each, root="tfidf", architecture="LinearText") for each in VERSIONS[:2]
    ]
    make_run(tmp_path / "run", versions=only)
    record = {"parent": "tfidf", "selection_macro_f1": {"tfidf": 0.7}}
    write_json(tmp_path / "run" / "parent.json", record)
    page, report, _ = written(tmp_path / "run")
    assert report.missing == ()
    found = report.conclusion
    assert (found.version, found.verdict, found.path) == ("parent", "parent", "artifacts/parent")
    said = "It is tfidf: no transformer was trained, and there is nothing to compress."
    assert found.sentences[0] == said
    words = " ".join((*found.sentences, *found.details)).replace(said, "")
    assert "transformer" not in words
    assert "worth its cost" not in page.text


def test_the_next_step_is_ready_to_copy(tmp_path: Path) -> None:
    run = tmp_path / "my run's"
    make_run(run, versions=VERSIONS[:4])
    page, report, html = written(run)
    found = report.conclusion
    words = shlex.split(str(found.command))
    artifact = str(run / "artifacts" / "int8")
    assert words == ["paretext", "predict", artifact, "input.csv", "-o", "output.csv"]
    loaded = ast.parse(str(found.python))
    assert artifact in [node.value for node in ast.walk(loaded) if isinstance(node, ast.Constant)]
    assert found.path == "artifacts/int8"
    box = html[html.index('aria-label="Verdict"') : html.index("</section>")]
    assert box.count('<pre class="next"><code>') == 2
    assert str(found.python) in page.text
    assert str(found.command) in page.text
    assert page.text.index(found.headline) < page.text.index("What each version bought")


def test_a_page_of_an_older_version_still_opens(run: Path) -> None:
    _, report, _ = written(run)
    stored = json.loads(report.model_dump_json())
    for name in ("path", "command", "python", "details"):
        del stored["conclusion"][name]
    old = RunReport.model_validate(stored)
    assert old.conclusion.command is None
    assert old.conclusion.headline in Page(render(old)).text


def test_a_gain_and_a_larger_file_are_called_so(tmp_path: Path) -> None:
    larger = dataclasses.replace(VERSIONS[3], megabytes=640.0)
    make_run(tmp_path / "run", versions=(*VERSIONS[:2], larger))
    path = tmp_path / "run" / "comparison" / "comparison.json"
    values = json.loads(path.read_text("utf-8"))
    gain = {"estimate": -0.306, "low": -0.34, "high": -0.27}
    values["rows"][2]["drops"]["macro_f1"] = gain
    write_json(path, values)
    said = " ".join(write_report(tmp_path / "run")[1].conclusion.sentences)
    assert "1.9x larger than PyTorch" in said
    assert "0.306 [0.270, 0.340] above parent's, a gain" in said


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
    found = write_report(run)[1].conclusion
    words = (found.headline, *found.sentences, str(found.command), str(found.python))
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


# --- geometry


def test_ticks_are_round_and_inside() -> None:
    assert log_ticks(0.03, 20) == pytest.approx([0.03, 0.1, 0.3, 1, 3, 10])
    assert log_ticks(0.9, 12) == pytest.approx([1, 2, 5, 10])
    assert linear_ticks(0.911, 0.962, 5) == [
        (pytest.approx(0.92), "0.92"),
        (pytest.approx(0.94), "0.94"),
        (pytest.approx(0.96), "0.96"),
    ]


def test_strips_share_a_scale_and_keep_their_order() -> None:
    spans = [
        Interval(estimate=0.0, low=-0.1, high=0.1),
        None,
        Interval(estimate=0.2, low=0.1, high=0.4),
    ]
    found = strips(spans)
    assert found["most"] == 0.4
    assert found["strips"] == [
        pytest.approx((50, 38.5, 61.5)),
        None,
        pytest.approx((73, 61.5, 96)),
    ]
