"""What the command line's arguments stand for: a recipe with flags over it, checked data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretext.compression.recipe import Recipe
    from paretext.data.tables import OnBadRow
    from paretext.pipeline.splits import Data


def read_data(
    data: str,
    evaluation: str | None,
    selection: str | None,
    text_column: str | None,
    label_column: str | None,
    labels: Path | None,
    on_bad_row: OnBadRow,
    drop_leaks: bool,
    recipe: Recipe,
) -> Data:
    """Read all splits with the label names of the first, and check them."""
    from paretext.data.dataset import Dataset, read_label_names, require_trainable
    from paretext.data.reading import NamedBy
    from paretext.pipeline.splits import prepare

    columns: dict[str, Any] = {
        "text_column": text_column,
        "label_column": label_column,
        "on_bad_row": on_bad_row,
    }
    names = read_label_names(labels) if labels is not None else None
    by = NamedBy.file(labels) if labels is not None else None
    train = Dataset.read(data, label_names=names, named_by=by, **columns)
    by = by or NamedBy.texts(train.name)
    require_trainable(train)  # before the labels of the others are looked up in its own
    others = [
        Dataset.read(
            source, label_names=train.label_names, named_by=by, split="validation", **columns
        )
        if source
        else None
        for source in (evaluation, selection)
    ]
    return prepare(train, others[0], recipe, selection=others[1], leaks_dropped=drop_leaks)
