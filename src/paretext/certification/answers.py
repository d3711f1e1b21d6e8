"""Answers that others gave: a table of predictions, matched with the texts that have the truth.

What `paretext predict -o` writes, or any table with a column of answers, of probabilities, or both:

    answers          predicted_label, prediction, predicted, answer, or a usual name of labels
    probabilities    probability_LABEL, p(LABEL), prob_LABEL or p_LABEL, one column a label; or
                     columns that are called like the labels

Rows are matched by their texts, by an id where there are no texts, and else by their place.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import sha256
from paretext.core.wording import first_few
from paretext.data.columns import LABEL_NAMES, TEXT_NAMES, shown
from paretext.data.dataset import Dataset
from paretext.data.given import Given, open_given
from paretext.data.reading import Label, NamedBy, name_labels, named_rows
from paretext.data.tables import BadRow
from paretext.data.values import label_name, label_problem, label_value
from paretext.measure.metrics import FloatArray

ID_NAMES = ("id", "text_id", "row_id", "uid", "guid", "key", "row", "index")
_ANSWERS = ("predicted_label", "prediction", "predicted", "answer")
_PATTERNS = (r"probability_(.+)", r"p\((.+)\)", r"prob_(.+)", r"p_(.+)")
_SUM = 1e-3
"""What a row of probabilities may be off 1: they are written with six digits."""


@dataclass(frozen=True)
class Truth:
    """Labelled texts with what rows can be matched by: their texts, their ids, or neither."""

    data: Dataset
    keys: Mapping[str, tuple[str, ...]]
    """ "text" and "id", as far as there are any, -> (n,) values."""

    @property
    def has_texts(self) -> bool:
        return "text" in self.keys


@dataclass(frozen=True)
class Answers:
    """One model's answers to n texts."""

    name: str
    digest: str
    probabilities: FloatArray
    """(n, K); 1 for the answer where there are no probabilities."""
    only_labels: bool


def read_truth(
    given: Given,
    names: Sequence[str] | None,
    text_column: str | None,
    label_column: str | None,
    named_by: NamedBy | None,
) -> Truth:
    """The texts and labels; of labels without texts, numbers or ids take the texts' place."""
    if isinstance(given, Dataset):
        return Truth(given if names is None else given.named(names), {"text": given.texts})
    if _is_plain(given):
        labels = [Label(n, label_value(each)) for n, each in enumerate(_listed(given), 1)]
        label_names, ids = name_labels(labels, names, None, "the labels", named_by)
        numbers = tuple(f"row {label.row}" for label in labels)
        return Truth(Dataset(numbers, np.array(ids), label_names, "the labels"), {})
    source = open_given(given, "validation")
    id_column = next((each for each in source.columns if each.lower() in ID_NAMES), None)
    texts = text_column or any(each.lower() in TEXT_NAMES for each in source.columns)
    column = text_column if texts or id_column is None else id_column
    data = Dataset.read(
        given,
        text_column=column,
        label_column=label_column,
        label_names=names,
        split="validation",
        named_by=named_by,
    )
    keys: dict[str, tuple[str, ...]] = {}
    if column is None or column != id_column:
        keys["text"] = data.texts
    if id_column is not None:
        keys["id"] = tuple(str(_row(each)[id_column]) for each in source.rows([id_column]))
    return Truth(data, keys)


def label_names_of(given: Given) -> tuple[str, ...] | None:
    """The labels that a table's columns of probabilities name; None where it has none."""
    if _is_plain(given) or _is_matrix(given):
        return None
    columns = open_given(given, "validation").columns
    for pattern in _PATTERNS:
        labels = [match[1] for each in columns if (match := re.fullmatch(pattern, each))]
        if len(labels) > 1:
            return tuple(labels)
    return None


def read_answers(given: Given, truth: Truth, what: str) -> Answers:
    """A model's answers to the texts of `truth`, in their order; what: it is called so where it
    has no file.

    Raises ParetextError, one sentence, for answers to other texts, labels that are not known, and
    probabilities that are none.
    """
    names, n = truth.data.label_names, len(truth.data)
    if _is_matrix(given):
        values = np.asarray(given, np.float64)
        if values.shape != (n, len(names)):
            raise ParetextError(
                f"{what} has the shape {values.shape}, and there are {n:,} texts and {len(names)} "
                "labels; give a row a text and a column a label, in the order of 'labels'."
            )
        return _of_array(what, _checked(values, what), only_labels=False)
    if _is_plain(given):
        answers = _listed(given)
        if len(answers) != n:
            raise ParetextError(
                f"{what} has {len(answers):,} answers, and there are {n:,} texts; give one a text."
            )
        return _of_array(what, _one_hot(answers, names, what), only_labels=True)
    source = open_given(given, "validation")
    name = source.name if isinstance(given, str | Path) else what
    rows = [_row(each) for each in source.rows(None)]
    order = _matched(rows, source.columns, truth, name)
    columns = _probability_columns(source.columns, names, name)
    label = _answer_column(source.columns)
    if not columns and label is None:
        raise ParetextError(
            f"{name} has no column of answers (its columns are {first_few(source.columns, 8)}); "
            f"call it predicted_label, or give probabilities as probability_{names[0]}, ..."
        )
    if columns:
        probabilities = _checked([[_number(row[each]) for each in columns] for row in rows], name)
    if label is not None:
        answered = _one_hot([row[label] for row in rows], names, name)
        if columns:
            _require_agreement(probabilities, answered, names, name)
        else:
            probabilities = answered
    probabilities = probabilities[order]
    if isinstance(given, str | Path) and Path(given).is_file():
        return Answers(Path(given).stem, sha256(Path(given)), probabilities, not columns)
    return _of_array(what, probabilities, only_labels=not columns)


def _of_array(name: str, probabilities: FloatArray, *, only_labels: bool) -> Answers:
    digest = hashlib.sha256(np.ascontiguousarray(probabilities, "<f8").tobytes()).hexdigest()
    return Answers(name, digest, probabilities, only_labels)


def _matched(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], truth: Truth, name: str
) -> list[int]:
    """(n,) the row of each text."""
    usual = {"text": TEXT_NAMES, "id": ID_NAMES}
    wanted, n = truth.data, len(truth.data)
    for kind, keys in truth.keys.items():
        column = next((each for each in columns if each.lower() in usual[kind]), None)
        if column is not None:
            return _by_key([str(row[column]) for row in rows], keys, name, wanted.name, kind)
    if len(rows) != n:
        raise ParetextError(
            f"{name} has {len(rows):,} rows and no texts to match them by, and {wanted.name} has "
            f"{n:,} texts; give one row a text, or a column of texts."
        )
    progress.say(f"{name} has no texts: row 1 is matched with row 1 of {wanted.name}, and so on")
    return list(range(n))


def _by_key(
    keys: Sequence[str], wanted: Sequence[str], name: str, whose: str, kind: str
) -> list[int]:
    if tuple(keys) == tuple(wanted):
        return list(range(len(keys)))
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    asked = Counter(wanted)
    missing = [place for place, key in enumerate(wanted) if key not in places]
    if len({*missing}) == len(wanted):
        raise ParetextError(
            f"{name} answers other texts than {whose}: none of its {len(keys):,} {kind}s is "
            "there; give the predictions for these."
        )
    if twice := next((at for key, at in places.items() if len(at) > max(asked[key], 1)), None):
        raise ParetextError(
            f"{name} has the {kind} {shown(keys[twice[0]])} in "
            f"{named_rows([at + 1 for at in twice])}, and {whose} has it "
            f"{asked[keys[twice[0]]]} times; keep one row a text."
        )
    if missing:
        raise ParetextError(
            f"{name} has no answer to {len(missing):,} of the {len(wanted):,} texts of {whose}, "
            f"{shown(wanted[missing[0]])} for one; give the predictions for all of them."
        )
    if more := [key for key in places if key not in asked]:
        raise ParetextError(
            f"{name} answers {len(more):,} texts that {whose} lacks, {shown(more[0])} for one; "
            "give the predictions for these texts alone."
        )
    if short := next((key for key, count in asked.items() if len(places[key]) < count), None):
        raise ParetextError(
            f"{name} has the {kind} {shown(short)} {len(places[short])} times, and {whose} has it "
            f"{asked[short]} times; give a row for each."
        )
    return [places[key].pop(0) for key in wanted]


def _probability_columns(columns: Sequence[str], names: Sequence[str], name: str) -> list[str]:
    """The column of each label; none where there are no probabilities."""
    for pattern in _PATTERNS:
        by_label = {
            label_name(match[1]): each
            for each in columns
            if (match := re.fullmatch(pattern, each)) and match[1]
        }
        known = [by_label.get(label_name(each)) for each in names]
        if any(known):
            pairs = zip(names, known, strict=True)
            lacking = next((each for each, column in pairs if not column), None)
            if lacking is not None:
                raise ParetextError(
                    f"{name} has no column of the probability of {lacking!r}, and has "
                    f"{shown(next(filter(None, known)))}; give one a label."
                )
            return [each for each in known if each]
    plain = {label_name(each): each for each in columns}
    known = [plain.get(label_name(each)) for each in names]
    return [each for each in known if each] if all(known) else []


def _answer_column(columns: Sequence[str]) -> str | None:
    for usual in (*_ANSWERS, *LABEL_NAMES):
        if column := next((each for each in columns if each.lower() == usual), None):
            return column
    return None


def _one_hot(answers: Sequence[Any], names: Sequence[str], name: str) -> FloatArray:
    labels = []
    for row, answer in enumerate(answers, 1):
        if problem := label_problem(answer):
            raise ParetextError(f"{name}, row {row} has {problem}; give every text an answer.")
        labels.append(Label(row, label_value(answer)))
    by = NamedBy("the truth lacks", "mend the rows, or give all label names with --labels")
    _, ids = name_labels(labels, names, None, name, by)
    one_hot: FloatArray = np.eye(len(names))[ids]
    return one_hot


def _checked(values: Any, name: str) -> FloatArray:
    """(n, K) probabilities, each row's sum 1 to the last digit."""
    probabilities = np.asarray(values, np.float64)
    bad = ~np.isfinite(probabilities).all(axis=1) | (probabilities < -_SUM).any(axis=1)
    if bad.any():
        raise ParetextError(
            f"{name}, row {int(bad.argmax()) + 1} has a probability that is none; give numbers "
            "from 0 to 1."
        )
    sums = probabilities.sum(axis=1)
    if (off := np.abs(sums - 1) > _SUM).any():
        row = int(off.argmax())
        raise ParetextError(
            f"{name}, row {row + 1} has probabilities that sum to {sums[row]:.4g}; give those of "
            "all labels, which sum to 1 (scores need a softmax first)."
        )
    return np.asarray(probabilities / sums[:, None])


def _require_agreement(
    probabilities: FloatArray, answered: FloatArray, names: Sequence[str], name: str
) -> None:
    """The answer is the likeliest label, or nearly."""
    given = (probabilities * answered).sum(axis=1)
    if (off := probabilities.max(axis=1) - given > 1e-4).any():
        row = int(off.argmax())
        raise ParetextError(
            f"{name}, row {row + 1} answers {names[answered[row].argmax()]!r}, and the likeliest "
            f"by its probabilities is {names[probabilities[row].argmax()]!r}; leave out the column "
            "of answers or those of probabilities, whichever is not meant."
        )


def _row(row: Any) -> Mapping[str, Any]:
    assert not isinstance(row, BadRow)  # a source opened to fail has none
    return dict(row)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _is_matrix(given: Given) -> bool:
    return getattr(given, "ndim", 0) == 2 and not hasattr(given, "columns")


def _is_plain(given: Given) -> bool:
    """Whether it is one label a text, and no table."""
    if isinstance(given, str | Path | Mapping) or hasattr(given, "columns"):
        return False
    if isinstance(given, list | tuple):
        nested = (Mapping, list, tuple)
        return not any(isinstance(each, nested) or getattr(each, "ndim", 0) for each in given)
    return getattr(given, "ndim", 0) == 1 or hasattr(given, "to_list")


def _listed(given: Given) -> list[Any]:
    for name in ("tolist", "to_list"):
        if hasattr(given, name):
            return list(getattr(given, name)())
    return list(given)
