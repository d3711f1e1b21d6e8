"""compare(): many versions on the same texts -> one table, confusion matrices, a picture."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from paretext.certification.badge import badge_of
from paretext.core.files import new_folder, write_json
from paretext.core.locks import changes
from paretext.core.ownership import require_own_folder
from paretext.data.dataset import Dataset
from paretext.measure import ranking
from paretext.measure.comparison import (
    BASELINE,
    DATA,
    Comparison,
    Version,
    check,
    is_nan,
    measured,
)
from paretext.report.figures import confusion
from paretext.report.table import markdown
from paretext.report.trade_off import TradeOffPoint, trade_off

_FILES = r"comparison\.(csv|json|md)|(confusion-.+|trade-off)\.svg"


@changes("out")
def compare(
    versions: Sequence[Version],
    data: Dataset,
    out: str | Path,
    *,
    threads: int | None = None,
    rounds: int = 5,
    seed: int = 0,
) -> Comparison:
    """Measure all versions on `data` and write the folder `out`.

    It holds comparison.csv, .json and .md, confusion-VERSION.svg for each version, and
    trade-off.svg. Raises ParetextError as `measured` does, and where `out` holds anything but a
    comparison.
    """
    check(versions, data)
    require_own_folder(Path(out), _FILES, DATA, '"machine": ')
    artifacts = [each.target for each in versions if each.target.kind == "artifact"]
    badges = {each.name: badge for each in artifacts if (badge := badge_of(each.folder))}
    comparison = measured(versions, data, threads=threads, rounds=rounds, seed=seed, badges=badges)
    with new_folder(Path(out)) as folder:
        _write(comparison, folder)
    return comparison


def _write(comparison: Comparison, folder: Path) -> None:
    flat = [
        {name: "" if is_nan(value) else value for name, value in row.items()}
        for row in comparison.flat()
    ]
    with (folder / "comparison.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    write_json(folder / DATA, comparison.record())
    (folder / "comparison.md").write_text(markdown(comparison), encoding="utf-8")
    shown = ranking.versions(comparison.rows)
    names = file_names([row.version for row in shown])
    for row, name in zip(shown, names, strict=True):
        picture = folder / f"confusion-{name}.svg"
        confusion(row.quality.confusion, comparison.labels, picture, row.version)
    points = [
        TradeOffPoint(
            name=f"{row.version} (busy)" if row.cost.unsteady else row.version,
            macro_f1=row.quality.macro_f1.estimate,
            macro_f1_low=row.quality.macro_f1.low,
            macro_f1_high=row.quality.macro_f1.high,
            ms_per_text=row.cost.batch1_ms_p50,
            megabytes=row.cost.bytes / 1e6,
            is_baseline=row.version == BASELINE,
        )
        for row in shown
    ]
    texts = comparison.data["texts"]
    trade_off(points, folder / "trade-off.svg", f"Quality on {texts:,} texts against cost")


def file_names(versions: Sequence[str]) -> list[str]:
    """Each version's name as part of a file's name; a number keeps like ones apart."""
    names: list[str] = []
    for version in versions:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", version)
        numbered = [name, *(f"{name}-{number}" for number in range(2, len(names) + 3))]
        names.append(next(each for each in numbered if each not in names))
    return names
