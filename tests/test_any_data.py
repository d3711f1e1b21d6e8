"""The main job on odd texts ends in a table or in one sentence, by the script that tries them all.

`benchmarks/any_data.py` does the same with every set there, and with real ones, each in a process
of its own.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import script

SETS = {
    "emoji alone": "a table of 4 versions",
    "evaluation of one class": "a table of 4 versions",
    "200 classes": "a table of 4 versions",
    "one text a class": "before training: .* 1 of 'class 0', .* and 25 more (30 of 30 labels)",
    "nothing shared": "before training: .* tfidf has nothing to learn from",
    "blank but one": "before training: .* with no text",
    "evaluation with a new label": "before training: .* 'is this'",
}


@pytest.fixture(scope="module", name="script")
def _script() -> ModuleType:
    return script("any_data")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SETS)
def test_the_main_job_ends(name: str, script: ModuleType, command: Any, tmp_path: Path) -> None:
    def start(words: list[str], log: Path, seconds: float) -> int:
        ended = command(*words)
        log.write_text(ended.out + ended.err, encoding="utf-8")
        return int(ended.status)

    (job,) = (each for each in script.generated() if each.name == name)
    row = script.ended(job, tmp_path, 800, start)
    assert row["well"], row
    parts = SETS[name].split(".*")
    assert all(part.strip() in row["outcome"] for part in parts), row
