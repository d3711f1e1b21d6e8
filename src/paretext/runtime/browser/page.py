"""write_page(): an artifact becomes one HTML file that answers what is typed into it.

In the file are the graph, the tokenizer, ONNX Runtime compiled to WebAssembly and tokenizers.js
(`library`), each packed by gzip and written in base64; the browser unpacks them. So the page
needs no server and no network, and it may not use one: its content security policy allows the
script whose digest it names, what that script unpacks, and no connection.

What the browser computes is not taken on trust. The page holds a few texts with the artifact's own
tokens and answers; it asks itself those first, and answers nothing if one has another token, or
comes out otherwise than rounding allows. Where the artifact has a rule of when an answer stands
(`runtime/rule.py`), so has the page.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from paretext.core.errors import cannot_write
from paretext.core.files import write_text
from paretext.core.ownership import require_own_file
from paretext.core.wording import first_few
from paretext.runtime.artifact import Artifact, prepare, token_ids
from paretext.runtime.browser.library import load
from paretext.runtime.manifest import TOKENIZER
from paretext.runtime.rule import Rule, answers

GENERATOR = '<meta name="generator" content="paretext">'
PROBES = (
    "This is a short text, and nothing is wrong with it.",
    "LOUD, so loud!!! @user https://t.co/x #tag 1,234.50",
    "caf\u00e9 cafe\u0301 \u4f60\u597d \u0441\u043f\u0430\u0441\u0438\u0431\u043e "
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u05e9\u05dc\u05d5\u05dd",
    "\U0001f602\U0001f44d\U0001f3fd \u2764\ufe0f \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "  two  blanks\tand a line\nbreak ",
    "don't can't it's we'll [MASK] <s> </s> [SEP]",
    "unbelievably antidisestablishmentarianism " + "a" * 120,
    "one two three four five six seven eight nine ten " * 60,
)
"""Texts of all the kinds that tokenizers read differently; the last one is cut."""
_MOST_NAMED = 3
_FLOAT, _QUANTISED = 1e-4, 0.05
"""How far a probability may be from the artifact's: as between two processors."""


def write_page(artifact: Artifact, out: Path, library: Path) -> dict[str, Any]:
    """Write the page; its size and what is in it, in bytes.

    library: the folder of the JavaScript (`library.load`).
    Raises ParetextError where `out` is somebody else's file, or the library is not to be had.
    """
    require_own_file(out, GENERATOR)
    contents = load(library)
    packed = {
        "model": _packed((artifact.folder / artifact.manifest.model).read_bytes()),
        "tokenizer": _packed((artifact.folder / TOKENIZER).read_bytes()),
        "wasm": _packed(contents.wasm),
        "runtime": _packed(contents.runtime),
        "tokenizers": _packed(contents.tokenizers),
    }
    page = _page(artifact, packed)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, page)
    except OSError as problem:
        raise cannot_write(out, problem) from None
    return {
        "page": str(out),
        "bytes": out.stat().st_size,
        "artifact_bytes": _bytes_of(artifact),
        "packed": {name: len(each) for name, each in packed.items()},
    }


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _bytes_of(artifact: Artifact) -> int:
    return sum(each.bytes for each in artifact.manifest.files.values())


def _page(artifact: Artifact, packed: dict[str, str]) -> str:
    manifest = artifact.manifest
    script, style = _read("page.js"), _read("page.css")
    settings = json.dumps(_settings(artifact), ensure_ascii=False, separators=(",", ":"))
    values = {
        "POLICY": (
            f"default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"style-src {_allowed(style)}; script-src {_allowed(script)} blob: 'wasm-unsafe-eval'"
        ),
        "NAME": html.escape(manifest.name),
        "ABOUT": html.escape(_about(artifact)),
        "SIZE": f"{_bytes_of(artifact) / 1e6:.1f} MB",
        "SETTINGS": settings.replace("<", "\\u003c"),
        "STYLE": style,
        "SCRIPT": script,
        **{name.upper(): each for name, each in packed.items()},
    }
    parts = re.split("@@([A-Z]+)@@", _read("page.html"))
    megabytes = sum(map(len, (*parts, *values.values()))) / 1e6
    values["PAGE"] = f"{megabytes:.1f} MB"
    return "".join(values[part] if odd % 2 else part for odd, part in enumerate(parts))


def _about(artifact: Artifact) -> str:
    """What it answers, and when, where it has a rule."""
    about = f"{len(artifact.manifest.labels):,} labels, answered in this page"
    if (rule := artifact.manifest.operating) is None:
        return about
    return f"{about}: {first_few(rule.sentences(), _MOST_NAMED)}; any other text is unsure"


def _settings(artifact: Artifact) -> dict[str, Any]:
    """What the script has to know, and what it is asked first."""
    manifest = artifact.manifest
    tokenizer = Tokenizer.from_file(str(artifact.folder / TOKENIZER))
    prepare(tokenizer, manifest.max_length, manifest.split_special_tokens)
    before, after = _around(tokenizer)
    rule = manifest.operating or Rule()
    probed = [artifact.probabilities([text]) for text in PROBES]
    return {
        "labels": manifest.labels,
        "least": [rule.least(label) for label in manifest.labels],
        "margin": rule.least_margin or 0,
        "integers": manifest.integers,
        "longest": manifest.max_length,
        "side": (tokenizer.truncation or {}).get("direction", "right"),
        "pad": manifest.pad_id,
        "split": manifest.split_special_tokens,
        "before": before,
        "after": after,
        "allowed": _QUANTISED if manifest.is_quantised else _FLOAT,
        "probes": [
            [
                text,
                token_ids(tokenizer.encode(text), manifest.pad_id),
                [float(str(each)) for each in probabilities[0]],  # exact, and as short as may be
                int(answers(probabilities, manifest.labels, rule)[0]),
            ]
            for text, probabilities in zip(PROBES, probed, strict=True)
        ],
    }


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids that are put before a text's own, and those behind."""
    encoding = tokenizer.encode("a")
    added = encoding.special_tokens_mask
    own = added.index(0) if 0 in added else len(added)
    end = len(added) - added[::-1].index(0) if 0 in added else len(added)
    return encoding.ids[:own], encoding.ids[end:]


def _read(name: str) -> str:
    return (resources.files("paretext.runtime.browser") / name).read_text(encoding="utf-8")


def _allowed(code: str) -> str:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"
