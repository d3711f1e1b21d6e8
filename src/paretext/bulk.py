"""Files in, files out: every row with its predicted label and probabilities, in constant memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretext import progress
from paretext.artifact import CHUNK_TEXTS, Artifact
from paretext.data_reading import choose_text_column
from paretext.errors import ParetextError
from paretext.tables import RowWriter, columns, read_rows

LABEL = "predicted_label"


def predict_file(
    artifact: Artifact, source: Path, target: Path, text_column: str | None = None
) -> dict[str, Any]:
    """Write `source`'s rows to `target`, with `predicted_label` and `probability_LABEL` columns.

    Returns the number of rows, of empty and of truncated texts, and the seconds it took. The file
    appears when it is complete. Raises ParetextError for files that cannot be read, a column that
    is not there, and columns that would be written twice.
    """
    begin = time.perf_counter()
    given = columns(source)
    column = choose_text_column(source, text_column)
    added = [LABEL, *(f"probability_{label}" for label in artifact.manifest.labels)]
    if twice := set(given) & set(added):
        raise ParetextError(
            f"{source} already has a column {min(twice)!r}; rename it before predicting."
        )
    rows = read_rows(source)
    empty = truncated = 0
    with RowWriter(target, [*given, *added]) as writer, progress.task("predicting", 0) as advance:
        while chunk := list(itertools.islice(rows, CHUNK_TEXTS)):
            texts = [_text(row.get(column)) for row in chunk]
            empty += sum(not text.strip() for text in texts)
            before = artifact.truncated
            probabilities = artifact.predict_proba(texts)
            truncated += artifact.truncated - before
            names = artifact.classes_[probabilities.argmax(axis=1)]
            for row, name, values in zip(chunk, names, probabilities.tolist(), strict=True):
                writer.write({**row, **dict(zip(added, [str(name), *values], strict=True))})
            advance(len(chunk))
        written = writer.rows
    if truncated:
        longest = artifact.manifest.max_length
        progress.say(f"texts longer than {longest} tokens, their ends cut: {truncated:,}")
    if empty:
        progress.say(f"empty texts, whose labels mean nothing: {empty:,}")
    return {
        "rows": written,
        "empty_texts": empty,
        "truncated_texts": truncated,
        "seconds": time.perf_counter() - begin,
    }


def predict_texts(artifact: Artifact, texts: Sequence[str]) -> list[dict[str, Any]]:
    """For each text its label and every label's probability."""
    labels = artifact.manifest.labels
    return [
        {
            "text": text,
            "label": labels[row.argmax()],
            "probabilities": dict(zip(labels, row, strict=True)),
        }
        for text, row in zip(texts, artifact.predict_proba(texts).astype(float), strict=True)
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)
