"""The JavaScript of a page: ONNX Runtime for browsers, and what reads tokenizer.json there.

Both are packages of npm's registry, in one version each, and far too large to be a part of this
package. They are read from a folder: that of the user's cache, or one that is given. What is not
there is fetched into it once: by npm where it is installed, which knows its registry; else by plain
HTTPS from the registry that the environment variable NPM_CONFIG_REGISTRY names. Whoever has neither
brings the folder from another machine, where `npm install` made it. What counts is what the
files are: each has to have the digest that stands here, wherever it came from.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.locks import require_folder, temporary_folder

_LARGEST, _SECONDS = 2**27, 120
_PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
"""npm's own is minutes where its registry cannot be reached."""


class _Package(NamedTuple):
    """files: path in the package -> SHA-256."""

    name: str
    version: str
    files: dict[str, str]

    @property
    def wanted(self) -> str:
        return f"{self.name}@{self.version}"


_RUNTIME = _Package(
    "onnxruntime-web",
    "1.30.0",
    {
        "dist/ort.wasm.bundle.min.mjs": (
            "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"
        ),
        "dist/ort-wasm-simd-threaded.wasm": (
            "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
        ),
    },
)
_TOKENIZERS = _Package(
    "@huggingface/tokenizers",
    "0.2.0",
    {
        "dist/tokenizers.min.mjs": (
            "258e46332101335ce8d95aed7745b19ac3b46d37f3e159a89cf894c2ea9b1d3a"
        )
    },
)


class Library(NamedTuple):
    """The contents of the three files."""

    runtime: bytes
    wasm: bytes
    tokenizers: bytes


def cache() -> Path:
    """Where the packages are kept if no folder is given."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "paretext" / "javascript"


def load(folder: Path) -> Library:
    """The library in `folder`, as `npm install` lays it; what is missing is fetched first.

    ParetextError where it can be had nowhere, or a file is another than was tested.
    """
    for package in (_RUNTIME, _TOKENIZERS):
        if not all((_place(folder, package) / name).is_file() for name in package.files):
            require_folder(folder, "packages", "--library")
            _fetch(folder, package)
    read = [
        _read(folder, package, name)
        for package in (_RUNTIME, _TOKENIZERS)
        for name in package.files
    ]
    return Library(*read)


def _place(folder: Path, package: _Package) -> Path:
    return folder / "node_modules" / package.name


def _read(folder: Path, package: _Package, name: str) -> bytes:
    path = _place(folder, package) / name
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != package.files[name]:
        raise ParetextError(
            f"{path} is not that of {package.wanted}, with which pages are tested; delete "
            f"{_place(folder, package)} to have it fetched again, or give another --library."
        )
    return content


def _fetch(folder: Path, package: _Package) -> None:
    progress.say(f"fetching {package.wanted} into {folder}, once")
    with temporary_folder() as scratch:
        content = _by_npm(package, scratch) if shutil.which("npm") else _by_https(package)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for name in package.files:
            try:
                member = archive.extractfile(f"package/{name}")
            except KeyError:
                member = None
            if member is None:
                raise ParetextError(f"the archive of {package.wanted} lacks {name}; {_remedy()}")
            path = _place(folder, package) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.partial")
            partial.write_bytes(member.read())
            partial.replace(path)


def _by_npm(package: _Package, scratch: Path) -> bytes:
    npm = shutil.which("npm") or "npm"
    command = [npm, "pack", "--loglevel=error", *_PATIENCE, package.wanted]
    try:
        done = subprocess.run(
            command, cwd=scratch, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ParetextError(f"npm cannot fetch {package.wanted} ({error}); {_remedy()}") from None
    made = list(scratch.glob("*.tgz"))
    if done.returncode or len(made) != 1:
        said = " ".join(done.stderr.replace("npm error ", "").split())
        reason = said.split(" at ")[0][:200] or "it made no archive"  # no call stack
        raise ParetextError(f"npm cannot fetch {package.wanted} ({reason}); {_remedy()}")
    return made[0].read_bytes()


def _by_https(package: _Package) -> bytes:
    registry = next(
        (value for name, value in os.environ.items() if name.lower() == "npm_config_registry"), ""
    )
    if not registry.startswith("https://"):
        raise ParetextError(
            f"a page needs {package.wanted}, npm is not installed here, and NPM_CONFIG_REGISTRY "
            f"names no registry to fetch it from by HTTPS; {_remedy()}"
        )
    file = f"{package.name.rsplit('/', 1)[-1]}-{package.version}.tgz"
    address = f"{registry.rstrip('/')}/{package.name}/-/{file}"
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_LARGEST)
    except OSError as error:
        raise ParetextError(f"{address} cannot be fetched ({error}); {_remedy()}") from None
    return content


def _remedy() -> str:
    packages = " ".join(each.wanted for each in (_RUNTIME, _TOKENIZERS))
    return (
        f"run 'npm install --ignore-scripts {packages}' in a folder on any machine, and give that "
        "folder here with --library."
    )
