"""python CLIENT.py ARTIFACT TEXTS.json ANSWERS.json"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def answer(classify: Callable[[str, list[str]], dict[str, Any]]) -> None:
    artifact, texts, answers = sys.argv[1:]
    answered = classify(artifact, json.loads(Path(texts).read_text(encoding="utf-8")))
    Path(answers).write_text(json.dumps(answered), encoding="utf-8")
