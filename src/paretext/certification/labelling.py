"""to_label.csv: the flipped texts in random order, to be labelled by somebody who sees no answer.

Both answers are hidden, since whoever sees them leans towards one. A part of the file is enough if
it is a random part, so labels count from the top of the random order down to the first text without
one; what stands below a gap may have been chosen for being easy. Where nobody can tell, the label
is "?".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of
from paretext.data.columns import shown
from paretext.data.dataset import Dataset
from paretext.data.reading import Label, NamedBy, name_labels
from paretext.data.tables import RowWriter, columns, read_rows
from paretext.data.values import is_blank, label_name
from paretext.measure.metrics import IntArray

COLUMNS = ("row", "text", "label")
UNCLEAR = "?"


class Asked:
    """The flipped texts of `data`, in the order in which they are to be labelled."""

    def __init__(self, data: Dataset, flipped: IntArray, seed: int) -> None:
        self.data = data
        self.order: IntArray = np.random.default_rng(seed).permutation(flipped)
        self.rows: list[int] = data.rows_at(self.order).tolist()
        self.texts = data.texts_at(self.order)
        self.digest = digest_of([self.rows, self.texts])

    def write(self, path: Path) -> None:
        """Ask for the labels; a file that has some already is left as it is, and that is said."""
        if path.exists() and (there := self._labels_in(path)):
            progress.say(
                f"{path} has {there:,} labels and is left as it is; give it with --labels-for"
            )
            return
        with RowWriter(path, COLUMNS) as writer:
            for row, text in zip(self.rows, self.texts, strict=True):
                writer.write({"row": row, "text": text, "label": ""})

    def _labels_in(self, path: Path) -> int:
        """ParetextError for a file that is not ours to write over."""
        if not {*COLUMNS} <= {*columns(path)}:
            raise ParetextError(
                f"{path} is there and was not made by paretext; move it away, or give another "
                "--out."
            )
        known = {*zip(map(str, self.rows), self.texts, strict=True)}
        labelled = [each for each in read_rows(path) if not is_blank(str(each["label"]))]
        if any((str(each["row"]), each["text"]) not in known for each in labelled):
            raise ParetextError(
                f"{path} has labels for other flips; move it away, so that they are not lost, or "
                "give another --out."
            )
        return len(labelled)

    def read(self, path: str | Path) -> IntArray:
        """(s,) the labels of the first s texts of the order: class ids, -1 where nobody can tell.

        Raises ParetextError, one sentence, for texts that were changed, rows that are none of
        these or stand twice, and labels that no model answers.
        """
        lacking = next((each for each in COLUMNS if each not in columns(path)), None)
        if lacking is not None:
            raise ParetextError(
                f"{path} has no column {lacking!r}; give back the file that --unlabelled wrote, "
                "with its labels filled in."
            )
        places = {str(row): place for place, row in enumerate(self.rows)}
        first: dict[int, int] = {}
        given: dict[int, str] = {}
        for line, each in enumerate(read_rows(path), 1):
            place = places.get(_whole(each["row"]))
            if place is None:
                raise ParetextError(
                    f"{path}, row {line} is of the text in row {each['row']} of {self.data.name}, "
                    "which both models answer alike: it is of other models or other texts, so give "
                    "the file that these wrote."
                )
            if each["text"] != self.texts[place]:
                raise ParetextError(
                    f"{path}, row {line} has the text {shown(str(each['text']))}, and row "
                    f"{each['row']} of {self.data.name} is {shown(self.texts[place])}; only the "
                    "labels may be filled in."
                )
            if place in first:
                raise ParetextError(
                    f"{path} has the text of row {each['row']} twice, in its rows {first[place]} "
                    f"and {line}; keep the one with the right label."
                )
            first[place] = line
            if not is_blank(label := str(each["label"] if each["label"] is not None else "")):
                given[place] = label_name(label)
        return self._prefix(given, first, path)

    def _prefix(self, given: dict[int, str], lines: dict[int, int], path: str | Path) -> IntArray:
        if not given:
            raise ParetextError(
                f"{path} has no label at all; fill in the column 'label', from the top, with "
                f"names such as {self.data.label_names[0]!r}."
            )
        names, known = self.data.label_names, {}
        by = NamedBy("the models lack", f"mend it, or write {UNCLEAR} where nobody can tell")
        told = [Label(lines[at], label) for at, label in given.items() if label != UNCLEAR]
        if told:
            _, ids = name_labels(told, names, None, str(path), by)
            places = [at for at, label in given.items() if label != UNCLEAR]
            known = dict(zip(places, ids, strict=True))
        count = next((at for at in range(len(self.rows)) if at not in given), len(self.rows))
        if count < len(given):
            progress.say(
                f"{path}: {len(given) - count:,} labels below the first gap are not counted, since "
                "only an unbroken beginning of the random order is a random part; fill the gap, "
                f"with {UNCLEAR} where nobody can tell"
            )
        return np.array([known.get(at, -1) for at in range(count)], np.int64)


def _whole(row: object) -> str:
    """A row's number as text; spreadsheets and pandas write "3.0"."""
    return str(row).removesuffix(".0")
