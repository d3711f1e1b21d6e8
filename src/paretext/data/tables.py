"""Rows in, rows out: CSV, TSV, JSON Lines and Parquet, one row at a time.

A row is a dict from column name to value. The suffix of the path says the format, so that nothing
is guessed from the content. Reading and writing stream: memory stays flat however long the file.

    with RowWriter("out.jsonl", columns("in.csv")) as writer:
        for row in read_rows("in.csv"):
            writer.write(row)

Reading lives in `table_reading` and `table_parquet`, writing in `table_writing`; this module
gathers their names.
"""

from __future__ import annotations

from paretext.data.table_reading import (
    FORMATS,
    column_types,
    columns,
    existing,
    format_of,
    read_rows,
    scan_rows,
    text_lines,
)
from paretext.data.table_rows import BadRow, OnBadRow, Row, is_unicode
from paretext.data.table_writing import RowWriter

__all__ = [
    "FORMATS",
    "BadRow",
    "OnBadRow",
    "Row",
    "RowWriter",
    "column_types",
    "columns",
    "existing",
    "format_of",
    "is_unicode",
    "read_rows",
    "scan_rows",
    "text_lines",
]
