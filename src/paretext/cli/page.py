"""The verb page."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from paretext.cli.commands import Json
from paretext.core.errors import ParetextError
from paretext.core.settings import Settings


class Page(Settings):
    artifact: Path = Field(title="ARTIFACT", description="An artifact's folder, or a run's.")
    out: Path = Field(Path("page.html"), description="File to write.")
    library: Path | None = Field(
        None,
        title="FOLDER",
        description="Where the JavaScript is, or is fetched to (default: the user's cache).",
    )


def page(asked: Page, json: Json = False) -> None:
    """Make one HTML page that holds the artifact and answers what is typed, with no server.

    The text stays on the reader's machine: the page may connect to nothing. Inside are the graph,
    ONNX Runtime for browsers and a tokenizer; before it answers, the page checks on a few texts
    that it answers as the artifact does.

    Example: paretext page runs/emotion/artifacts/small -o page.html
    """
    from paretext.cli.chosen import artifact_of
    from paretext.cli.console import dump_with, pairs, show_verdict
    from paretext.cli.endings import of_page
    from paretext.cli.standard import STANDARD
    from paretext.runtime.artifact import Artifact
    from paretext.runtime.browser.library import cache
    from paretext.runtime.browser.page import write_page

    if asked.out == STANDARD:
        raise ParetextError(
            "a page is a file that a browser opens: give -o page.html in place of -."
        )
    artifact = artifact_of(asked.artifact, "holds")
    written = write_page(Artifact.load(artifact), asked.out, asked.library or cache())
    verdict = of_page(artifact, asked.out, written)
    if json:
        dump_with(verdict, written)
        return
    packed = written["packed"]
    library = sum(packed[name] for name in ("wasm", "runtime", "tokenizers"))
    sizes = {
        "page": written["bytes"],
        "of it the model": packed["model"],
        "its tokenizer": packed["tokenizer"],
        "JavaScript and WebAssembly": library,
    }
    pairs({name: _shown(size) for name, size in sizes.items()}, title=str(asked.out))
    show_verdict(verdict)


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"
