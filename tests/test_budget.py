"""Budgets: what people write, its units, its defaults, and one sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretext.certification.budget import Budget, parse_limits
from paretext.certification.catalogue import rules
from paretext.certification.units import written as spelled
from paretext.core.errors import ParetextError


def written(folder: Path, text: str) -> Path:
    path = folder / "budget.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_one_line_of_limits_is_the_yaml_file_of_the_same(tmp_path: Path) -> None:
    line = "p95<=1ms, size <= 5 MB, macro_f1_drop≤0.01, flips<=3%, ece_rise<=.5%"
    lines = "p95: 1 ms\nsize: 5MB\nmacro_f1_drop: 0.01\nflips: 3%\nece_rise: .5%\n"
    limits = parse_limits(line)
    assert limits == {
        "p95_latency": 1.0,
        "size": 5e6,
        "macro_f1_drop": 0.01,
        "flips": pytest.approx(0.03),
        "calibration_error_rise": pytest.approx(0.005),
    }
    assert Budget.read(written(tmp_path, lines)) == Budget(**limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clause", "text", "value"),
    [
        ("size", "1500B", 1500),
        ("size", "2kB", 2000),
        ("size", "1.5 GB", 1.5e9),
        ("size", "1KiB", 1024),
        ("size", "5MiB", 5 * 1024**2),
        ("size", "2GiB", 2 * 1024**3),
        ("p95_latency", "250us", 0.25),
        ("p95_latency", "250 µs", 0.25),
        ("p95_latency", "1.5s", 1500),
        ("macro_f1_drop", "1e-3", 0.001),
        ("macro_f1_drop", "1 %", 0.01),
    ],
)
def test_units(clause: str, text: str, value: float) -> None:
    assert parse_limits(f"{clause}<={text}")[clause] == pytest.approx(value)


def test_null_drops_a_clause_and_the_rest_keep_their_defaults(tmp_path: Path) -> None:
    budget = Budget.read(written(tmp_path, "flips: null\nconfidence: 0.9\n"))
    assert budget == Budget(flips=None, confidence=0.9)
    assert "flips" not in budget.limits()
    assert "size" not in budget.limits()  # no default
    assert budget.limits() == {k: v for k, v in Budget().limits().items() if k != "flips"}


def test_a_budget_survives_json() -> None:
    budget = Budget(size=5e6, p95_latency=1.25)
    assert Budget.model_validate_json(budget.model_dump_json()) == budget


def test_the_guide_lists_every_clause_with_its_default_and_why() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "certificates.md").read_text("utf-8")
    for rule in rules():
        default = "none" if rule.default is None else spelled(rule.default, rule.unit)
        assert f"| `{rule.name}` | {default} | {rule.reason} |" in guide


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("macro_f1<=0.01", ("unknown clause 'macro_f1'", "did you mean 'macro_f1_drop'?")),
        ("sise<=5MB", ("unknown clause 'sise'", "'size'")),
        ("size<=5", ("size is limited to '5'", "no unit", "5MB")),
        ("size<=5ms", ("size", "the unit 'ms'", "MB")),
        ("p95_latency<=1", ("p95_latency", "no unit", "1.5ms")),
        ("p95<=5MB", ("p95_latency", "the unit 'MB'", "us, ms, s")),
        ("flips<=3MB", ("flips", "the unit 'MB'", "1%")),
        ("flips<=few", ("flips is limited to 'few'",)),
        ("flips<=300%", ("flips is limited to 3", "from 0 to 1")),
        ("flips<=-1%", ("flips is limited to -0.01",)),
        ("size<=0MB", ("size is limited to 0 B", "above 0")),
        ("flips>=1%", ("'flips>=1%' is not understood", "CLAUSE<=VALUE")),
        ("", ("'' is not understood",)),
        ("flips<=1%, flips<=2%", ("flips is limited twice",)),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(line: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ParetextError) as caught:
        parse_limits(line)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence[-1] in ".?"
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "holds no limits"),
        ("- 1", "holds no limits"),
        ("a: [", "cannot be read"),
        ("macro_f1_dorp: 0.1", "did you mean 'macro_f1_drop'?"),
        ("size: 5000000", "no unit"),
        ("p95: 1\n", "no unit"),
        ("flips: true", "flips is limited to 'True'"),
        ("confidence: 2", "confidence is 2"),
        ("p95: 1ms\np95_latency: 2ms", "p95_latency twice"),
    ],
)
def test_a_file_that_is_wrong(text: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match=r"[.?]$") as caught:
        Budget.read(written(tmp_path, text))
    assert part in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match=r"there is no budget .*none\.yaml"):
        Budget.read(tmp_path / "none.yaml")


def test_a_budget_is_of_files_and_expressions_the_later_over_the_earlier(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text("flips: 2%\nkappa_drop: null\n", encoding="utf-8")
    budget = Budget.of([path, "flips<=4%, size<=5MB"])
    assert (budget.flips, budget.size, budget.kappa_drop) == (0.04, 5_000_000, None)
    assert budget.macro_f1_drop == Budget().macro_f1_drop
    assert Budget.of(["flips<=4%", str(path)]).flips == 0.02
    assert Budget.of([]) == Budget()
    assert Budget.given(["size<=5MB"]) == {"size": 5_000_000}
