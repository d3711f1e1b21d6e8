"""What the command line's arguments stand for: a recipe with flags over it, checked data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretext.compression.recipe import Recipe
    from paretext.data.tables import OnBadRow
    from paretext.pipeline.splits import Data


def read_unlabelled(path: Path | None, text_column: str | None, on_bad_row: OnBadRow) -> list[str]:
    """The texts of a file that needs no labels; none without a file."""
    from paretext.data.reading import read_texts

    return [] if path is None else read_texts(path, text_column, on_bad_row)


def parents_labels(parent: Path, labels: Path | None) -> tuple[str, ...]:
    """The label names of a trained parent, which the data is read with.

    ParetextError where a file of label names says otherwise: a model's outputs have their order
    already, and data in another one would teach and measure the wrong labels.
    """
    from paretext.core.errors import ParetextError
    from paretext.data.dataset import read_label_names
    from paretext.models.pretrained import label_names

    names = label_names(str(parent))
    given = names if labels is None else read_label_names(labels)
    if given != names:
        raise ParetextError(
            f"{labels} has the labels {', '.join(given[:10])}, and {parent} has "
            f"{', '.join(names[:10])}, 0 first; leave --labels out, the model names its own."
        )
    return names


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
    names: tuple[str, ...] | None = None,
    model: Path | None = None,
) -> Data:
    """Read all splits with the label names of the first, and check them.

    names: those of a trained model, the folder `model`.
    """
    from paretext.data.dataset import Dataset, read_label_names, require_trainable
    from paretext.data.reading import NamedBy
    from paretext.pipeline.splits import prepare

    columns: dict[str, Any] = {
        "text_column": text_column,
        "label_column": label_column,
        "on_bad_row": on_bad_row,
    }
    if labels is not None:
        names = read_label_names(labels)
    by = NamedBy.file(labels) if labels is not None else None
    if model is not None and names is not None:
        by = NamedBy.model(model, names)
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
