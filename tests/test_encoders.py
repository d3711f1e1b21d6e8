"""A handful of odd architectures through the script that walks every one of them."""

from __future__ import annotations

from types import ModuleType

import pytest
from scripts import script

SHAPES = ("layers", "heads", "width")
REFUSED = {
    "gpt2": ("layers", "it knows albert"),  # no padding token, padded on the left
    "longformer": ("export", "PyTorch cannot export"),
    "bart": ("load", "is an encoder-decoder model (bart)"),
    "xlnet": ("load", "padded on the right"),
    "mixtral": ("layers", "it knows albert"),  # each token has experts of its own
}


@pytest.fixture(scope="module", name="script")
def _script() -> ModuleType:
    return script("encoders")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_architecture_works_or_says_why_not(name: str, script: ModuleType) -> None:
    row = script.walk(name)
    assert script.faults(row) == [], row
    cell, words = REFUSED[name]
    assert words in row["cells"][cell]
    if cell in SHAPES:
        refused = {cell for cell, said in row["cells"].items() if said}
        assert refused == {*SHAPES}
        assert set(row["cells"]) == {*script.CELLS}


def test_what_is_no_sentence_is_a_fault(script: ModuleType) -> None:
    said = {
        "good": "this cannot be; use that.",
        "raw": f"{script.FAULT}RuntimeError: sizes must match.",
        "no remedy": "it cannot be.",
        "two lines": "it cannot be;\nuse that.",
        "works": "",
    }
    assert script.faults({"cells": said}) == ["raw", "no remedy", "two lines"]
    page = script.markdown([{"architecture": "bert", "cells": {"load": said["good"]}, "moved": {}}])
    assert "| bert | 1 |" in page
    assert "\n1. this cannot be; use that.\n" in page
