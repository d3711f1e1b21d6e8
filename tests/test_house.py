"""The import contract of pyproject.toml: what it is there to stop, it stops."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = Path(sys.executable).with_name("lint-imports")
IN_A_CIRCLE = {
    "measure/one.py": "from paretext.measure import two\n",
    "measure/two.py": "from paretext.measure import one\n",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the sources with the contract."""
    shutil.copytree(ROOT / "src" / "paretext", tmp_path / "src" / "paretext")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(house: Path) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(house / "src")}
    ended = subprocess.run(
        [LINT, "--no-cache"], cwd=house, env=environment, capture_output=True, text=True
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    ("added", "broken"),
    [
        ({}, None),
        ({"measure/added.py": "from paretext.report.table import markdown\n"}, "beneath it BROKEN"),
        (
            {"core/added.py": "def f():\n    from paretext.data import dataset\n"},
            "beneath it BROKEN",
        ),
        (IN_A_CIRCLE, "in a circle BROKEN"),
        ({"attic/__init__.py": "", "attic/added.py": ""}, "attic"),
    ],
    ids=["as it is", "upwards", "upwards, inside a function", "in a circle", "a room in no list"],
)
def test_the_contract_stops_it(house: Path, added: dict[str, str], broken: str | None) -> None:
    for name, text in added.items():
        path = house / "src" / "paretext" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    status, said = lint(house)
    assert (status == 0) is (broken is None), said
    assert broken is None or broken in said


def test_the_root_holds_rooms_alone() -> None:
    files = {path.name for path in (ROOT / "src" / "paretext").iterdir() if path.is_file()}
    assert files <= {"__init__.py", "__main__.py", "py.typed"}
