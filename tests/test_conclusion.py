"""What a run's page says to deploy, in a headline, sentences and commands to copy."""

from __future__ import annotations

import ast
import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from reporting import VERSIONS, Made, Page, make_run, written

from paretext.certification.certificate import Certificate, attach
from paretext.certification.looks import Looks
from paretext.core.files import write_json
from paretext.report.run_data import RunReport
from paretext.report.run_page import render, write_report

pytest.importorskip("sklearn")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_run(tmp_path / "run")
    return tmp_path / "run"


def conclusion(folder: Path, *versions: Made) -> Any:
    make_run(folder, versions=versions)
    return write_report(folder)[1].conclusion


def test_a_broken_version_is_never_the_one_to_deploy(run: Path) -> None:
    _, report, _ = written(run)
    concluded = report.conclusion
    rows = {row.version: row for row in report.versions}
    assert rows["small"].verdict == "broken"
    assert rows["small"].batch1_ms_p50 < rows["int8"].batch1_ms_p50
    assert (concluded.version, concluded.verdict) == ("int8", "holds")
    assert concluded.headline == f"Deploy int8: {run / 'artifacts' / 'int8'}"
    said, more = " ".join(concluded.sentences), " ".join(concluded.details)
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
    concluded = conclusion(tmp_path / "run", *VERSIONS[:2], bad)
    assert (concluded.version, concluded.verdict) == ("parent", "parent")
    assert "as large as PyTorch" in " ".join(concluded.sentences)  # 328 MB of 330
    assert concluded.sentences[0] == "No compressed version is worth taking."
    assert "Do not deploy int8: broken." in concluded.sentences


def test_a_baseline_that_is_as_good_is_called_so(tmp_path: Path) -> None:
    same = dataclasses.replace(VERSIONS[-1], noise=0.0)
    concluded = conclusion(tmp_path / "run", *VERSIONS[:4], same)
    assert concluded.sentences[0].startswith(
        "It has no transformer, and a macro-F1 of 0.943 beside "
    )
    assert "do not show that one of the two is better" in concluded.sentences[1]
    assert (concluded.version, concluded.verdict) == ("tfidf", "baseline")
    assert concluded.path == "artifacts/tfidf"
    large = dataclasses.replace(same, megabytes=900)  # costs more, so it stands in nobody's place
    concluded = conclusion(tmp_path / "other", *VERSIONS[:4], large)
    said = "tfidf, trained beside it, is as good, as far as these texts can show, as the"
    assert concluded.sentences[0].startswith(said)
    assert concluded.version == "int8"


def test_a_certificate_that_holds_is_said(tmp_path: Path) -> None:
    copy = dataclasses.replace(VERSIONS[3], noise=0.0)
    make_run(tmp_path / "run", versions=(*VERSIONS[:2], copy), n=6000)
    concluded = write_report(tmp_path / "run")[1].conclusion
    assert concluded.verdict == "holds"
    assert concluded.headline == f"Deploy int8: {tmp_path / 'run' / 'artifacts' / 'int8'}"
    assert "Its certificate, on 6,000 texts of data 0.csv: all 5 clauses hold." in concluded.details
    assert (
        "int8 may replace parent: on texts like these it loses at most 0.0"
        in concluded.sentences[1]
    )


def certificates_of(run: Path, **update: Any) -> None:
    """Every certificate of a run with other values, sealed anew."""
    for path in sorted((run / "artifacts").iterdir()):
        if (certificate := Certificate.of(path)) is not None:
            attach(certificate.model_copy(update={**update, "sentence": ""}).sealed(), path)


def test_undecided_is_not_deployed_and_what_would_decide_is_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_run(run, versions=VERSIONS[:4])
    certificates_of(run, verdict="undecided", clauses=())
    concluded = write_report(run)[1].conclusion
    assert (concluded.version, concluded.verdict) == ("parent", "parent")
    assert concluded.sentences[0] == "No compressed version's certificate lets it be chosen."
    assert any("int8 may replace parent is open" in each for each in concluded.details)


@pytest.mark.parametrize(
    ("needed", "said"), [(90_000, "bout 90,000 texts would"), (100, "s many other texts may")]
)
def test_texts_that_were_enough_and_unlucky_are_not_called_too_few(
    needed: int, said: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    make_run(run, versions=VERSIONS[:4])
    clause = Certificate.of(run / "artifacts" / "int8").clauses[0]  # type: ignore[union-attr]
    open_ = clause.model_copy(update={"verdict": "undecided", "texts_needed": needed})
    certificates_of(run, verdict="undecided", clauses=(open_,))
    concluded = write_report(run)[1].conclusion
    assert concluded.sentences[1].startswith(f"A{said} decide pruned's (")
    assert any(f"a{said} decide." in each for each in concluded.details)


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
    concluded = write_report(run)[1].conclusion
    assert concluded.version == "parent"
    assert any("may not be chosen on these texts: int8" in each for each in concluded.details)


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
    concluded = report.conclusion
    assert (concluded.version, concluded.verdict, concluded.path) == (
        "parent",
        "parent",
        "artifacts/parent",
    )
    said = "It is tfidf: no transformer was trained, and there is nothing to compress."
    assert concluded.sentences[0] == said
    words = " ".join((*concluded.sentences, *concluded.details)).replace(said, "")
    assert "transformer" not in words
    assert "worth its cost" not in page.text


def test_the_next_step_is_ready_to_copy(tmp_path: Path) -> None:
    run = tmp_path / "my run's"
    make_run(run, versions=VERSIONS[:4])
    page, report, html = written(run)
    concluded = report.conclusion
    words = shlex.split(str(concluded.command))
    artifact = str(run / "artifacts" / "int8")
    assert words == ["paretext", "predict", artifact, "input.csv", "-o", "output.csv"]
    loaded = ast.parse(str(concluded.python))
    assert artifact in [node.value for node in ast.walk(loaded) if isinstance(node, ast.Constant)]
    assert concluded.path == "artifacts/int8"
    box = html[html.index('aria-label="Verdict"') : html.index("</section>")]
    assert box.count('<pre class="next"><code>') == 2
    assert str(concluded.python) in page.text
    assert str(concluded.command) in page.text
    assert page.text.index(concluded.headline) < page.text.index("What each version bought")


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
