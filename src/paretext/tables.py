"""Rows in, rows out: CSV, TSV, JSON Lines and Parquet, one row at a time.

A row is a dict from column name to value. The suffix of the path says the format, so that nothing
is guessed from the content. Reading and writing stream: memory stays flat however long the file.

    with RowWriter("out.jsonl", columns("in.csv")) as writer:
        for row in read_rows("in.csv"):
            writer.write(row)

Reading lives in `table_reading`, writing in `table_writing`; this module gathers their names.
"""

from __future__ import annotations

from paretext.table_reading import FORMATS, Row, columns, format_of, read_rows, text_lines
from paretext.table_writing import RowWriter

__all__ = ["FORMATS", "Row", "RowWriter", "columns", "format_of", "read_rows", "text_lines"]
