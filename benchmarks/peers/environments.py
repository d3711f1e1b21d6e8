"""One virtual environment for each set of requirements, kept until the requirements change.

Where packages come from is pip's own configuration; every environment gets torch first, in the one
version of all peers, and the rest under that constraint, so that no tool pulls in another build.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

TORCH = "torch==2.13.0"


class NotInstalled(Exception):
    """The reason, in pip's words."""


def environment(name: str, spec: dict[str, Any], root: Path) -> Path:
    """The interpreter of environment `name`; made anew unless it was made from this `spec`.

    spec: `requirements`; `torch` (default true): whether it needs torch at all; `no_deps`:
    requirements to install without what they ask for.
    """
    folder = (root / name).absolute()
    stamp, python = folder / "requirements.json", folder / "bin" / "python"
    wanted = json.dumps({"python": sys.version, "torch": TORCH, **spec}, sort_keys=True)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    limits = folder / "constraints.txt"
    limits.write_text(TORCH + "\n", encoding="utf-8")
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(limits)]
    if spec.get("torch", True):
        _run([*install, TORCH])
    _run([*install, *spec["requirements"]])
    if spec.get("no_deps"):
        _run([*install, "--no-deps", *spec["no_deps"]])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if line.lstrip().lower().startswith("error")]
        raise NotInstalled("; ".join((errors or lines)[-2:])[:300])
