"""What is said of an artifact after its export: its rule, its card, its certificate.

Its folder is made anew beside the old one (large files are linked) and renamed, so that a process
that dies leaves an artifact that loads, and every file has its digest at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from paretext.core import progress
from paretext.core.files import new_folder, sha256, write_text
from paretext.core.locks import changes
from paretext.runtime.card import model_card
from paretext.runtime.manifest import CARD, CERTIFICATE, FileRecord, Manifest
from paretext.runtime.rule import Rule


@changes("folder")
def set_rule(folder: Path, rule: Rule | None) -> None:
    """Write `rule` into the artifact's manifest and card; None takes away the one that it has.

    A certificate in it spoke of other answers, so it goes, which is said. ParetextError if a file
    of the artifact differs from its digest.
    """
    before = Manifest.read(folder)
    before.verify(folder)
    if before.operating == rule:
        return
    after = before.model_copy(update={"operating": rule})
    rewrite(folder, after, {CARD: model_card(after), CERTIFICATE: None})
    if CERTIFICATE in before.files:
        progress.say(
            f"the certificate of {folder} was about the answers before, and is gone; certify again "
            "with: paretext certify"
        )


def rewrite(folder: Path, manifest: Manifest, texts: Mapping[str, str | None]) -> None:
    """Write an artifact's manifest, and files of it by name; None takes a file out."""
    with new_folder(folder) as partial:
        shutil.copytree(folder, partial, copy_function=_link, dirs_exist_ok=True)
        files = {name: each for name, each in manifest.files.items() if name not in texts}
        for name, text in texts.items():
            path = partial / name
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_text(path, text)
                files[name] = FileRecord(sha256=sha256(path), bytes=path.stat().st_size)
        manifest.model_copy(update={"files": files}).write(partial)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)
