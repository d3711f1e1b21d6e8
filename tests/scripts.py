"""The scripts of `benchmarks/`, which are no package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def script(name: str) -> ModuleType:
    """The script of that name; the test that asks is skipped where benchmarks/ was left out."""
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    if not path.is_file():
        pytest.skip("benchmarks/ is not part of this distribution")
    spec = importlib.util.spec_from_file_location(f"script_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # where dataclasses look for it
    sys.path.append(str(path.parent))  # as Python does for a script
    spec.loader.exec_module(loaded)
    return loaded
