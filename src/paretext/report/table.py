"""The comparison as Markdown, and the sentences that say plainly what each version bought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paretext.certification.wording import BADGES
from paretext.core.markdown import escaped, table
from paretext.measure import ranking
from paretext.measure.cost import times_faster
from paretext.measure.rounds import MOST_SPREAD
from paretext.report import attribution
from paretext.report.numbers import (
    BUSY,
    faster,
    how_much_faster,
    megabytes,
    seconds,
    signed,
    smaller,
    unsigned,
)

if TYPE_CHECKING:
    from paretext.core.records import Interval
    from paretext.measure.comparison import Comparison, Row
    from paretext.measure.standing import Standing

COLUMNS = (
    "version",
    "macro-F1",
    "drop from parent",
    "MB",
    "peak MB",
    "first answer, s",
    "ms/text, batch 1 (p50 / p95)",
    "ms/text, batch 32",
    "texts/s, bulk",
    "faster (1 / 32)",
)


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One tuple of texts a version, under COLUMNS, in the order of cost (`ranking.by_cost`).

    Speed is relative to the first version.
    """
    return [_cells(row, comparison.rows[0]) for row in ranking.versions(comparison.rows)]


def _cells(row: Row, baseline: Row) -> tuple[str, ...]:
    cost = row.cost
    speeds = [
        times_faster(baseline.cost, cost, time) for time in ("batch1_ms_p50", "batch32_ms_per_text")
    ]
    return (
        row.version,
        interval(row.quality.macro_f1),
        row.drops.macro_f1.written(signed) if row.drops else "",
        megabytes(cost.bytes),
        f"{cost.peak_memory_bytes / 1e6:.0f}",
        timed(seconds(cost.first_answer_ms), cost.start_unsteady),
        timed(f"{cost.batch1_ms_p50:.2f} / {cost.batch1_ms_p95:.2f}", cost.unsteady),
        timed(f"{cost.batch32_ms_per_text:.2f}", cost.unsteady),
        timed(f"{cost.bulk_texts_per_second:,.0f}", cost.unsteady),
        " / ".join(map(faster, speeds)),
    )


def timed(text: str, unsteady: str) -> str:
    """A time as text, marked where it is no figure to quote; `notes` says why."""
    return f"{text}*" if unsteady else text


BRIEF = (
    "version",
    "macro-F1",
    "drop [95%]",
    "MB",
    "faster at 1",
    "ms at 1",
    "ms at 32",
    "faster at 32",
    "texts/s",
    "peak MB",
    "first answer, s",
)
"""The most important first: a narrow terminal has no room for the last."""


def brief_cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """The same for a terminal, under BRIEF."""
    rows: list[tuple[str, ...]] = []
    for row, full in zip(ranking.versions(comparison.rows), cells(comparison), strict=True):
        drop = row.drops.macro_f1 if row.drops else None
        at1, at32 = full[9].split(" / ")
        rows.append(
            (
                row.version,
                number(row.quality.macro_f1.estimate),
                drop.written(unsigned) if drop else "",
                full[3],
                at1,
                timed(f"{row.cost.batch1_ms_p50:.2f}", row.cost.unsteady),
                full[7],
                at32,
                full[8],
                full[4],
                full[5],
            )
        )
    return rows


def number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}"


def interval(score: Interval) -> str:
    return score.written("{:.4f}".format)


CERTIFICATES = ("version", "certificate", "against", "broken", "undecided")


def certificate_cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One tuple for each version that has a certificate, under CERTIFICATES."""
    badges = [(row.version, row.certificate) for row in ranking.versions(comparison.rows)]
    return [
        (
            name,
            BADGES[badge.verdict],
            badge.reference,
            ", ".join(badge.broken),
            ", ".join(badge.undecided),
        )
        for name, badge in badges
        if badge is not None
    ]


def sentences(comparison: Comparison) -> list[str]:
    """What each version bought and cost against its parent, zeros and noise called by name."""
    said = []
    for row in ranking.versions(comparison.rows):
        if row.parent is None or row.drops is None:
            continue
        parent, drop = comparison.row(row.parent), row.drops.macro_f1
        speed, speed32 = (
            times_faster(parent.cost, row.cost, time)
            for time in ("batch1_ms_p50", "batch32_ms_per_text")
        )
        timed_as = "their times are not compared, since the machine was busy"
        if speed is not None and speed32 is not None:
            timed_as = (
                f"{how_much_faster(speed)} at batch 1 and {how_much_faster(speed32)} at batch 32"
            )
        size = smaller(parent.cost.bytes / row.cost.bytes)
        verdict = (
            "no difference that these texts can show"
            if drop.low <= 0 <= drop.high
            else ("a loss" if drop.estimate > 0 else "a gain")
        )
        said.append(
            f"{row.version} against {row.parent}: {size}, {timed_as}; "
            f"macro-F1 drop {drop.written(signed)}, "
            f"{verdict}; {row.drops.flips.estimate:.2%} of the predictions differ."
        )
        amount = _zeros(row.recipe)
        if amount and not _quantised(row.recipe):
            said.append(
                f"{row.version} has {amount:.1%} zeros, and they buy nothing here: a dense runtime "
                "multiplies by a zero as by any other number, and stores it in as many bytes. "
                "What speed it shows against its parent is noise."
            )
    return said


def _zeros(recipe: Sequence[dict[str, Any]]) -> float:
    """The largest share asked for: pruning again starts with the weights that are zero already."""
    amounts = [step["amount"] for step in recipe if step["step"] == "magnitude_pruning"]
    return float(max(amounts, default=0))


def _quantised(recipe: Sequence[dict[str, Any]]) -> bool:
    return any(step["step"].endswith("_quantization") for step in recipe)


def notes(comparison: Comparison) -> list[str]:
    """What to know of the figures, in sentences: labels without texts, times not to quote."""
    rows = ranking.versions(comparison.rows)
    texts = [sum(counts) for counts in rows[0].quality.confusion]
    without = [label for label, n in zip(comparison.labels, texts, strict=True) if not n]
    said = []
    if without:
        listed = ", ".join(without[:10]) + (" ..." if len(without) > 10 else "")
        most = 1 - len(without) / len(comparison.labels)
        said.append(
            f"{len(without):,} of {len(comparison.labels):,} labels have no text here ({listed}): "
            "F1 and recall of such a label are undefined. Macro-F1 is the mean over all labels and "
            f"counts them as 0, so it is at most {most:.3f} on these texts; balanced accuracy "
            "leaves them out."
        )
    if rows[0].quality.macro_f1.is_withheld:
        few = sum(sum(texts) < 2 for texts in rows[0].quality.confusion)
        said.append(
            f"{few:,} of {len(comparison.labels):,} labels have fewer than two texts: nothing "
            "tells how much the mean over all labels would vary on others, so the intervals of "
            "macro-F1 and balanced accuracy are withheld."
        )
    return [*said, *_disturbed(comparison.rows[0], rows)]


FEW = 2
"""So many reasons are given, whole sentences each."""


def _disturbed(first: Row, rows: Sequence[Row]) -> list[str]:
    """What a mark behind a time or a speed means, a sentence for each kind that there is."""
    said = []
    busy = [f"{row.version}: {row.cost.unsteady}" for row in rows if row.cost.unsteady]
    if busy:
        said.append(
            f"* The machine was busy while these times were taken ({_few(busy)}): they are no "
            "figures to quote. A speed is then the least and the most of any round that was not "
            f"disturbed, and {BUSY} where there are not two of them."
        )
    names = {"batch1_ms_p50": "batch 1", "batch32_ms_per_text": "batch 32"}
    apart = [
        f"{row.version} at {names[time]}: {faster(ratio).rstrip('*')}"
        for row in rows
        if not (row.cost.unsteady or first.cost.unsteady)
        for time in names
        if (ratio := times_faster(first.cost, row.cost, time)) and not ratio.steady
    ]
    if apart:
        said.append(
            f"* How many times faster than {first.version} a version is differs by more than "
            f"{MOST_SPREAD - 1:.0%} between rounds ({_few(apart)}), so the least and the most are "
            f"given, and no figure to quote."
        )
    starts = [f"{e.version}: {e.cost.start_unsteady}" for e in rows if e.cost.start_unsteady]
    if starts:
        said.append(
            f"* The machine was busy at every start ({_few(starts)}): the time to the first answer "
            "is no figure to quote."
        )
    if said:
        said[-1] += " Measure again while nothing else runs (paretext compare RUN)."
    return said


def _few(phrases: Sequence[str]) -> str:
    more = f"; and {len(phrases) - FEW} more" if len(phrases) > FEW else ""
    return "; ".join(phrases[:FEW]) + more


def markdown(comparison: Comparison) -> str:
    """The whole comparison: table, sentences, classes, and what the figures depend on."""
    machine, data = comparison.machine, comparison.data
    first, rows = comparison.rows[0].version, ranking.versions(comparison.rows)
    standing = comparison.standing
    return "\n\n".join(
        [
            "# Comparison",
            *_standing(standing),
            escaped(
                f"{data['texts']:,} texts of {data['name']} (sha256 {data['fingerprint'][:12]}). "
                "Intervals are 95%, by bootstrap; the drop's is paired. Megabytes are the deployed "
                f"files. Speed is relative to {first}; medians of {data['rounds']} interleaved "
                "rounds, tokenisation included. The first answer is timed in a process of its own, "
                "from before any library is loaded; peak memory is all of that process's. Rows "
                f"stand in the order of cost: {ranking.in_words(comparison.rows)}."
            ),
            table(COLUMNS, cells(comparison)),
            *map(escaped, notes(comparison)),
            "\n".join(f"- {escaped(sentence)}" for sentence in sentences(comparison)),
            *_certificates(comparison),
            *_step_by_step(comparison),
            table(
                ("version", "balanced accuracy", "kappa", "accuracy"),
                [
                    (
                        row.version,
                        interval(row.quality.balanced_accuracy),
                        interval(row.quality.kappa),
                        interval(row.quality.accuracy),
                    )
                    for row in rows
                ],
            ),
            "F1 / recall per class:",
            table(
                ("version", *comparison.labels),
                [
                    (
                        row.version,
                        *(
                            "undefined"
                            if math.isnan(recall.estimate)
                            else f"{f1.estimate:.3f} / {recall.estimate:.3f}"
                            for f1, recall in zip(row.quality.f1, row.quality.recall, strict=True)
                        ),
                    )
                    for row in rows
                ],
            ),
            escaped(
                f"Machine: {machine['cpu']} ({', '.join(machine['instruction_sets'])}), "
                f"{machine['threads']} of {machine['cores']} cores, {machine['system']}, Python "
                f"{machine['python']}, "
                + ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
                + "."
            ),
            "",
        ]
    )


def _standing(standing: Standing | None) -> list[str]:
    """What the parent is worth by itself, and first of all where it is worth nothing."""
    if standing is None:
        return []
    said = (
        [] if standing.is_good else [f"**{escaped(standing.headline)}** {escaped(standing.remedy)}"]
    )
    return [*said, escaped(standing.scores)]


def _certificates(comparison: Comparison) -> list[str]:
    rows = certificate_cells(comparison)
    said = "Certificates, each in its artifact (`certificate.json`, and a section of `README.md`):"
    return [f"{said}\n\n{table(CERTIFICATES, rows)}"] if rows else []


def _step_by_step(comparison: Comparison) -> list[str]:
    """A table for each version of several steps."""
    by_version = {
        row.version: attribution.cells(comparison, row.version)
        for row in ranking.versions(comparison.rows)
    }
    return [
        f"{escaped(name)}, step by step, each against the one before:\n\n"
        + table(attribution.COLUMNS, rows)
        for name, rows in by_version.items()
        if rows
    ]
