"""File formats of tables: one file each, registered where it is defined."""

from paretext.data.formats import delimited, jsonl, parquet  # noqa: F401  (they register)
