"""The names that configs give to networks of our own, known without PyTorch."""

from __future__ import annotations

from typing import Literal

COMPACT = "paretext-compact"
FACTORISED = "paretext-factorised"
NGRAMS = "paretext-ngrams"
CONVOLUTIONAL = "paretext-convolutional"
RECURRENT = "paretext-recurrent"
Cell = Literal["gru", "lstm"]
