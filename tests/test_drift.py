"""Whether what a service has counted still looks like what its artifact was certified on."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from test_bad_input import refused

from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.certification.unlabelled import Traffic, certify_unlabelled
from paretext.data.dataset import Dataset
from paretext.data.tables import read_rows
from paretext.measure.drift import Drift, drift
from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.distribution import Distribution
from paretext.runtime.rewriting import set_rule
from paretext.runtime.rule import Rule
from paretext.serving import counts as module
from paretext.serving.counts import Counts, counted, read_counts

GOLDEN = Path(__file__).parent / "golden" / "v2"
NAMES = ("anger", "fear", "joy", "love", "sad", "surprise")
SHARES = (0.3, 0.25, 0.2, 0.15, 0.07, 0.03)
Fill = Callable[[Path, list[str]], None]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    with (GOLDEN / "held-out.csv").open(encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with a certificate of today, beside its reference."""
    folder = tmp_path_factory.mktemp("certified")
    for name in ("int8", "parent"):
        shutil.copytree(GOLDEN / name, folder / name)
    data = Dataset.read(GOLDEN / "held-out.csv")
    certify(folder / "int8", folder / "parent", data, resamples=100, threads=1)
    return folder / "int8"


def fill(path: Path, artifact: Path, texts: list[str]) -> None:
    """What a service writes that has answered these texts."""
    opened = Artifact.load(artifact, threads=1)
    counts, identity = Counts(path), opened.manifest.identity
    for text in texts:
        answers = opened.answers([text])
        shares = softmax(answers.logits)
        sure = shares.max(axis=1).tolist()
        counts.add("toy", identity, [text], opened.decide(shares).tolist(), sure, answers.truncated)
    counts.write(counts.so_far())


# --- one way to count


@pytest.mark.parametrize("rule", [None, Rule(least_probability=0.5)])
def test_a_service_and_a_certificate_count_the_same_texts_alike(
    certified: Path, texts: list[str], tmp_path: Path, rule: Rule | None
) -> None:
    for name in ("int8", "parent"):
        shutil.copytree(certified.with_name(name), tmp_path / name)
    artifact, parent = tmp_path / "int8", tmp_path / "parent"
    if rule:
        set_rule(artifact, rule)
    data = Dataset.read(GOLDEN / "held-out.csv")
    some = tuple(f"{text} {n} or more" * (1 + n % 3) for n, text in enumerate(texts))
    data = Dataset(some, data.labels, data.label_names, "some")
    kept = certify(artifact, parent, data, resamples=100, threads=1)
    fill(tmp_path / "counts.csv", artifact, list(some))
    distribution = counted(read_counts(tmp_path / "counts.csv"), kept.candidate.digest)
    assert kept.data.distribution == distribution
    assert Certificate.of(artifact) == kept
    assert 0 < distribution.cut < len(texts)
    assert ("" in distribution.answers) == (rule is not None)
    traffic = Traffic("traffic", some, tuple(range(1, len(some) + 1)))
    unlabelled = certify_unlabelled(artifact, parent, traffic, resamples=100, threads=1)
    assert unlabelled.data.distribution == distribution


def test_counts_of_the_past_are_kept_by_the_day_and_then_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"2026-{month:02d}-{day:02d}" for month in (4, 6) for day in range(1, 31)]
    path, hours = (
        tmp_path / "counts.parquet",
        [f"{day}T{h}:00Z" for day in days for h in ("00", "09", "17")],
    )
    counts = Counts(path)
    for hour in hours:
        monkeypatch.setattr(module, "_hour", lambda hour=hour: hour)
        counts.add("toy", "abc", ["a", "two words"], ["joy", "sad"], [0.5, 0.93], 1)
        if hour == "2026-04-30T17:00Z":
            assert counted(dict(counts.so_far()), "abc").texts == 30 * 3 * 2  # days lose nothing
    rows = len(counts.so_far())
    counts.write(counts.so_far())
    kept = {key.hour for key in read_counts(path)}
    assert {each for each in kept if each > "2026-06-29"} == {
        f"2026-06-{day}T{hour}:00Z" for day in (29, 30) for hour in ("00", "09", "17")
    }
    assert {each[11:13] for each in kept if each < "2026-06-29"} == {"00"}
    assert min(kept) == "2026-04-02T00:00Z"  # 90 days with the 30th of June
    again = Counts(path)  # a restart goes on with the same
    assert again.so_far() == counts.so_far()
    assert len(again.so_far()) == rows
    assert counted(read_counts(path), "abc").texts == 2 * len(
        [each for each in hours if each > "2026-04-02"]
    )
    table = pytest.importorskip("pandas").read_parquet(path)
    times = pytest.importorskip("pandas").to_datetime(table["hour"])
    assert times.max() == datetime(2026, 6, 30, 17, tzinfo=UTC)


# --- the statistics


def sample(
    rng: np.random.Generator,
    n: int,
    shares: Any = SHARES,
    sure: tuple[float, float] = (8, 2),
    long: float = 4.4,
    cut: float = 0.02,
) -> tuple[list[str], list[str], list[float], int]:
    """Texts, answers, confidences, and how many were cut."""
    texts = ["x" * int(length) for length in np.exp(rng.normal(long, 0.5, n))]
    labels = rng.choice(NAMES, n, p=shares).tolist()
    confidences = (0.2 + 0.8 * rng.beta(*sure, n)).tolist()
    return texts, labels, confidences, int(rng.binomial(n, cut))


def compared(rng: np.random.Generator, path: Path, m: int, n: int, **shifted: Any) -> Drift:
    """n texts that a service has counted beside m that were certified on."""
    counts = Counts(path)
    counts.add("toy", "abc", *sample(rng, n, **shifted))
    counts.write(counts.so_far())
    distribution = counted(read_counts(path), "abc")
    path.unlink()
    return drift(Distribution.of(*sample(rng, m)), distribution, draws=600)


def test_the_same_texts_raise_no_alarm(tmp_path: Path) -> None:
    """And p is as often below a level as it says. The index alone would raise one nearly always."""
    drifts = [
        compared(np.random.default_rng(seed), tmp_path / "counts.jsonl", 150, 90)
        for seed in range(200)
    ]
    # at the level of 0.01 that is promised, 7 or more of 200 have a chance of 1 in 200
    assert sum(each.found in ("changed", "unlike") for each in drifts) <= 6
    assert sum(any(shift.psi > 0.1 for shift in each.shifts) for each in drifts) > 100
    p = np.array([shift.p for each in drifts for shift in each.shifts if shift.measure != "cut"])
    for level in (0.05, 0.2):  # within three standard errors of 600 of them
        assert abs((p <= level).mean() - level) < 3 * math.sqrt(level * (1 - level) / 600)


@pytest.mark.parametrize(
    ("measure", "shifted"),
    [
        ("labels", {"shares": SHARES[::-1]}),
        ("confidence", {"sure": (5, 3)}),
        ("characters", {"long": 5.0}),
        ("cut", {"cut": 0.2}),
    ],
)
def test_other_texts_are_seen_and_the_measure_is_named(
    measure: str, shifted: dict[str, Any], tmp_path: Path
) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        drifted = compared(rng, tmp_path / "counts.jsonl", 400, 300, **shifted)
        assert drifted.found == "unlike"
        assert [each.measure for each in drifted.shifts if each.found == "unlike"] == [measure]


def answered(counts: Any) -> Distribution:
    """Texts of which only the answers differ."""
    answers, n = dict(zip(NAMES, counts.tolist(), strict=True)), int(counts.sum())
    return Distribution(texts=n, answers=answers, confidence=(n,), characters=(n,), cut=0)


def test_the_index_is_its_formula_and_p_that_of_the_chi_squared_test() -> None:
    rng = np.random.default_rng(3)
    before = rng.multinomial(3000, SHARES)
    after = rng.multinomial(2000, np.add(SHARES, (0.02, -0.02, 0, 0, 0, 0)))

    shift = drift(answered(before), answered(after), draws=20_000).shifts[0]
    p, q = (before + 0.5) / (before.sum() + 3), (after + 0.5) / (after.sum() + 3)
    terms = [(b - a) * math.log(b / a) for a, b in zip(p, q, strict=True)]
    assert shift.psi == pytest.approx(sum(terms))
    assert shift.moved[0].name == NAMES[int(np.argmax(terms))]
    expected = chi2_contingency([before, after]).pvalue
    assert 0.005 < expected < 0.5
    assert shift.p == pytest.approx(expected, abs=0.02)
    assert shift.by_chance == pytest.approx(5 * (1 / 3000 + 1 / 2000), rel=0.05)


def test_a_trifle_among_a_million_texts_is_none() -> None:
    rng = np.random.default_rng(0)
    before = answered(rng.multinomial(10**6, SHARES))
    for n in (10**6, 5 * 10**9):  # the second beyond what can be drawn from
        after = answered(rng.multinomial(n, np.add(SHARES, (0.01, -0.01, 0, 0, 0, 0))))
        shift = drift(before, after).shifts[0]
        assert shift.p < 0.001
        assert shift.found == "alike"


def test_more_texts_than_can_be_drawn_from() -> None:
    rng = np.random.default_rng(0)
    shares = (*SHARES[:4], SHARES[4] + SHARES[5], 0.0)
    many = rng.multinomial(5 * 10**9, shares)
    many[-1] = 9  # of a label that no certified text has
    with np.errstate(all="raise"):
        same = drift(answered(rng.multinomial(2000, shares)), answered(many))
        other = drift(answered(rng.multinomial(2000, shares[::-1])), answered(many))
    assert same.shifts[0].p > 0.01
    assert (same.found, other.found) == ("alike", "unlike")


def test_too_few_say_how_many_would_tell() -> None:
    rng = np.random.default_rng(0)
    whole = Distribution.of(*sample(rng, 2000))
    told = [drift(whole, Distribution.of(*sample(rng, n))) for n in (0, 20)]
    assert [(each.found, each.needed) for each in told] == [("too few", 40)] * 2
    shares = np.full(60, 1 / 60)
    names = [f"label {n}" for n in range(60)]

    def of(total: int) -> Distribution:
        texts, _, confidences, cut = sample(rng, total)
        return Distribution.of(texts, rng.choice(names, total, p=shares).tolist(), confidences, cut)

    few = drift(of(2000), of(60))
    assert few.found == "too few"
    assert few.needed is not None
    enough = drift(of(2000), of(math.ceil(few.needed * 1.2)))
    assert (enough.found, enough.needed) == ("alike", None)
    certified = drift(of(60), of(100_000))  # it is the certificate that is too small
    assert (certified.found, certified.needed) == ("too few", None)


# --- the verb


def test_the_verb_says_so_first_and_what_to_do(
    certified: Path, texts: list[str], tmp_path: Path, command: Any
) -> None:
    alike, unlike, few = (tmp_path / f"{name}.csv" for name in ("alike", "unlike", "few"))
    fill(alike, certified, texts)
    fill(unlike, certified, [f"{text} and so on and on and on and on" for text in texts])
    fill(few, certified, texts[:7])
    ended = command("explore", alike, "--against", certified)
    *_, headline, why, step = ended.out.rstrip("\n").split("\n")
    assert ended.status == 0
    assert headline == "The texts still look like those that int8 was certified on."
    hours = sorted({row["hour"] for row in read_rows(alike)})
    begin, end = (datetime.fromisoformat(each) for each in (hours[0], hours[-1]))
    assert why == (
        f"{len(texts)} texts were counted from {begin:%Y-%m-%dT%H:00Z} to "
        f"{end + timedelta(hours=1):%Y-%m-%dT%H:00Z}, beside the 200 of held-out.csv."
    )
    assert step == f"  paretext serve {certified} --log {alike}"

    ended = command("explore", unlike, "--against", certified)
    *_, headline, why, step = ended.out.rstrip("\n").split("\n")
    assert ended.status == 1
    assert headline == "The texts no longer look like those that int8 was certified on."
    assert "Characters (PSI " in why
    parent = certified.with_name("parent")
    assert step == f"  paretext certify {certified} --against {parent} --unlabelled TRAFFIC.csv"

    ended = command("explore", few, "--against", certified, "--json")
    assert ended.status == 3
    record = json.loads(ended.out)
    assert {"artifact", "data", "drift", "first", "identity", "last", "verdict"} <= record.keys()
    assert (record["drift"]["counted"], record["drift"]["needed"]) == (7, 40)
    assert record["verdict"]["command"] == f"paretext explore {few} --against {certified}"


def test_nothing_counted_yet_is_a_sentence_and_no_table(
    certified: Path, tmp_path: Path, command: Any
) -> None:
    counts = Counts(tmp_path / "counts.csv")
    counts.begin("toy", Artifact.load(certified).manifest.identity)
    counts.write(counts.so_far())
    ended = command("explore", counts.path, "--against", certified)
    assert ended.status == 3
    assert ended.out.lstrip().startswith("Too few texts to tell whether int8")
    assert "None has been counted yet. It takes about 40 at the least." in ended.out


def test_counts_are_no_training_texts(
    certified: Path, texts: list[str], tmp_path: Path, command: Any
) -> None:
    fill(tmp_path / "counts.csv", certified, texts[:5])
    refused(command("explore", tmp_path / "counts.csv"), "has counted", "give --against ARTIFACT")


def test_an_hour_ends_an_hour_later_and_an_earlier_day_with_itself() -> None:
    assert module.end_of("2024-02-28T09:00Z") == "2024-02-28T10:00Z"
    assert module.end_of("2024-02-28T23:00Z") == "2024-02-29T00:00Z"
    assert module.end_of("2024-02-28T00:00Z") == "2024-02-29T00:00Z"
    today = datetime.now(UTC).strftime("%Y-%m-%dT")
    assert module.end_of(f"{today}00:00Z") == f"{today}01:00Z"


def test_what_cannot_be_compared_is_one_sentence(
    certified: Path, texts: list[str], tmp_path: Path, command: Any
) -> None:
    path, parent = tmp_path / "counts.csv", certified.with_name("parent")
    fill(path, certified, texts[:50])
    make = f"paretext certify {parent} --against REFERENCE --eval TEXTS.csv"
    refused(command("explore", path, "--against", parent), "has no certificate", make)
    older = command("explore", path, "--against", GOLDEN / "int8")
    refused(older, "is of a version", "make another with: paretext certify")
    other = GOLDEN / "held-out.csv"
    refused(command("explore", other, "--against", certified), "holds no counts of a service")
    refused(command("explore", path, "--against", certified, "--seed", 1), "--seed is for labelled")
    fill(path.with_name("other.csv"), parent, texts[:50])
    ended = command("explore", path.with_name("other.csv"), "--against", certified)
    own = [Artifact.load(each).manifest.identity[:12] for each in (parent, certified)]
    refused(ended, f"counts the answers of toy ({own[0]})", f"and none of {certified} ({own[1]})")
    rows = list(read_rows(path))
    for row, value in (("low", "-1"), ("count", "nan"), ("hour", "once")):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerow({**rows[0], row: value})
        refused(command("explore", path, "--against", certified), "holds no counts of a service")
