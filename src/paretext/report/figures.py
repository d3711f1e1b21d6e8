"""How training went and what is confused, as SVG files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from paretext.core.errors import ParetextError
from paretext.core.escaping import visible
from paretext.report.drawing import TOP, ems, fit, write
from paretext.report.pictures import HEIGHT, WIDTH, by_epoch

_LABEL = 12  # pixels, as in picture.css
_LABEL_EMS = 22
_KEY = 250  # pixels that the key to the shades takes
MOST_MATRIX = 20
"""Classes of a confusion matrix that can be read; of more, the largest confusions are drawn."""
_LARGEST, _ROW, _LONGEST_BAR = 15, 26, 260
_PAIR_EMS = 19
"""Width of a class's name in a list of confusions, where two stand beside each other."""


def learning_curves(history: Sequence[Mapping[str, float]], path: Path, title: str) -> None:
    """Write the curves of one training run: loss on the left, macro-F1 on the right.

    Args:
        history: one row per epoch with `epoch`, `train_loss`, `selection_loss` and
            `selection_macro_f1`. The epoch of the highest macro-F1 (the first, if several) is
            marked.
        path: the SVG file to write.
        title: shown above the panels.

    Raises:
        ParetextError: an empty history.
    """
    if not history:
        raise ParetextError("the training history has no rows; train for at least one epoch.")
    # A loss that diverged has no place on the axis.
    finite = [{k: v if math.isfinite(v) else None for k, v in row.items()} for row in history]
    write("curves.svg", path, title, 2 * WIDTH, height=TOP + HEIGHT, panels=by_epoch(finite))


def confusion(counts: npt.ArrayLike, label_names: Sequence[str], path: Path, title: str) -> None:
    """Write a confusion matrix: each cell its count and its share of the true class.

    Colour shows the share and not the count, so that rare classes are as legible as common ones.
    Of more than MOST_MATRIX classes, the largest confusions are drawn as bars, and that is said.

    Args:
        counts: (K, K) counts, rows = truth, columns = prediction.
        label_names: the K names in the order of the class ids.
        path: the SVG file to write.
        title: shown above the matrix.

    Raises:
        ParetextError: counts that are not (K, K) for K names.
    """
    matrix = np.asarray(counts)
    k = len(label_names)
    if matrix.shape != (k, k) or k == 0:
        raise ParetextError(
            f"the confusion matrix has shape {matrix.shape} and there are {k} label names; "
            "give one row, one column and one name per class."
        )
    if k > MOST_MATRIX:
        _largest(matrix.tolist(), [visible(name) for name in label_names], path, title)
        return
    cell = float(np.interp(k, [2, 6, 12, 20], [88, 62, 48, 42]))
    font = float(np.interp(k, [2, 6, 12, 20], [16, 13, 11, 10]))
    font = min(font, 0.85 * cell / max(ems(f"{matrix.max():,}"), ems(">99%")))
    full = [visible(name) for name in label_names]
    shown = [fit(name, _LABEL_EMS) for name in full]
    longest = 1.15 * _LABEL * max(map(ems, shown))
    level = longest < cell
    left, below = longest + 45, 40.0 if level else 40 + 0.65 * longest  # sin 40 degrees
    side, support = k * cell, matrix.sum(axis=1)
    write(
        "confusion.svg",
        path,
        title,
        left + max(side, _KEY) + 20,
        height=TOP + side + below + 40,
        left=left,
        side=side,
        below=below,
        level=level,
        cell=cell,
        font=font,
        cells=[
            {
                "x": column * cell,
                "y": row * cell,
                "count": int(matrix[row, column]),
                "share": percent(int(matrix[row, column]), int(support[row])),
                # Something is never shown as nothing.
                "shade": max(0.08, matrix[row, column] / max(support[row], 1)),
            }
            for row in range(k)
            for column in range(k)
        ],
        lines="".join(
            f"M{at:.1f} 0V{side:.1f}M0 {at:.1f}H{side:.1f}" for at in cell * np.arange(k + 1)
        ),
        names=[{"shown": a, "full": b} for a, b in zip(shown, full, strict=True)],
    )


def confusions(counts: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """(truth, answer, texts) of everything that was answered wrongly, the most frequent first."""
    cells = [
        (i, j, int(count))
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(cells, key=lambda cell: -cell[2])


def _largest(counts: list[list[int]], names: Sequence[str], path: Path, title: str) -> None:
    """Write the largest confusions among many classes, a bar each."""
    cells = confusions(counts)
    wrong, texts = sum(count for _, _, count in cells), sum(map(sum, counts))
    said = f"No answer to {texts:,} texts with {len(names)} classes is wrong."
    if cells:
        said = (
            f"The {min(len(cells), _LARGEST)} most frequent of {len(cells):,} confusions among "
            f"{len(names)} classes; {wrong:,} of {texts:,} answers are wrong."
        )
    rows = [
        {
            "names": [
                {"shown": fit(names[each], _PAIR_EMS), "full": names[each]}
                for each in (truth, answer)
            ],
            "bar": _LONGEST_BAR * count / cells[0][2],
            "count": count,
            "share": percent(count, sum(counts[truth])),
        }
        for truth, answer, count in cells[:_LARGEST]
    ]
    column = 1.15 * _LABEL * _PAIR_EMS
    write(
        "confusions.svg",
        path,
        title,
        max(2 * column + _LONGEST_BAR + 150, 1.15 * _LABEL * ems(said) + 24),
        height=TOP + _ROW * (len(rows) + 1) + 34,
        rows=rows,
        row=_ROW,
        column=column,
        said=said,
    )


def percent(count: int, total: int) -> str:
    """Whole percent, without rounding something to nothing or nearly all to all."""
    if total == 0:
        return "n/a"
    whole = f"{100 * count / total:.0f}%"
    if count and whole == "0%":
        return "<1%"
    return ">99%" if count < total and whole == "100%" else whole
