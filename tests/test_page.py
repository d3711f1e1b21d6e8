"""The page of an artifact: what is in it, what it may not do, and how its JavaScript is come by.

In Chromium it is tested where the JavaScript is (the user's cache, or the folder that PARETEXT_NODE
names): no test fetches anything.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import os
import re
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from strangers import change_manifest

from paretext.core.errors import ParetextError
from paretext.runtime.artifact import Artifact
from paretext.runtime.browser import library
from paretext.runtime.browser import page as pages
from paretext.runtime.browser.page import PROBES, write_page

FAKE = library.Library(b"export const runtime = 1;", b"\0asm", b"export const tokenizers = 2;")


@pytest.fixture
def made(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Artifact, str]:
    monkeypatch.setattr(pages, "load", lambda _: FAKE)
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "artifact"))
    labels = ["</script><script>alert(1)</script>", "joy", "sad"]
    change_manifest(folder, lambda values: values.update(name="<b>int8</b>", labels=labels))
    artifact = Artifact.load(folder)
    contents = write_page(artifact, tmp_path / "page.html", tmp_path)
    assert contents["bytes"] == (tmp_path / "page.html").stat().st_size
    return artifact, (tmp_path / "page.html").read_text("utf-8")


def part(page: str, name: str) -> str:
    (script,) = re.findall(rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', page, re.S)
    return str(script)


def test_everything_is_inside_as_it_was(made: tuple[Artifact, str]) -> None:
    artifact, page = made
    unpacked = {
        name: gzip.decompress(base64.b64decode(part(page, name)))
        for name in ("model", "tokenizer", "wasm", "runtime", "tokenizers")
    }
    assert unpacked["model"] == (artifact.folder / artifact.manifest.model).read_bytes()
    assert unpacked["tokenizer"] == (artifact.folder / "tokenizer.json").read_bytes()
    assert (unpacked["runtime"], unpacked["wasm"], unpacked["tokenizers"]) == FAKE


def test_the_policy_allows_its_own_script_and_no_connection(made: tuple[Artifact, str]) -> None:
    page = made[1]
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="(.*?)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert not {"connect-src", "img-src", "frame-src"} & rules.keys()
    for kind, code in (("script", "script type=.module."), ("style", "style")):
        (content,) = re.findall(rf"<{code}>(.*?)</", page, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{kind}-src"].split()[0] == f"'sha256-{digest}'"
    assert not re.findall(r"(?:src|href)=", page)


def test_what_comes_from_data_is_text(made: tuple[Artifact, str]) -> None:
    artifact, page = made
    assert page.count("<script") == 7
    assert f"<h1>{html.escape(artifact.manifest.name)}</h1>" in page
    assert json.loads(part(page, "settings"))["labels"] == list(artifact.manifest.labels)


def test_it_is_asked_what_the_artifact_answered(made: tuple[Artifact, str]) -> None:
    """The script puts the tokens of a text together from these: as the artifact reads it."""
    artifact, page = made
    settings = json.loads(part(page, "settings"))
    assert [text for text, _, _ in settings["probes"]] == list(PROBES)
    before, after, longest = (settings[name] for name in ("before", "after", "longest"))
    assert (before, after, settings["integers"]) == ([0], [2], "int64")
    for text, ids, probabilities in settings["probes"]:
        assert ids == artifact._tokenizer.encode(text).ids
        own = artifact._tokenizer.encode(text, add_special_tokens=False).ids
        assert ids == [*before, *own[: longest - 2], *after]
        assert probabilities == pytest.approx(artifact.probabilities([text])[0], abs=1e-6)
    assert len(settings["probes"][-1][1]) == longest


def test_somebody_elses_file_stays(versions: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>mine</html>")
    with pytest.raises(ParetextError, match="was not made by paretext"):
        write_page(Artifact.load(versions["fp32"]), tmp_path / "page.html", tmp_path)


def test_a_library_that_is_another_or_not_to_be_had(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    asked = ("page", versions["fp32"], "-o", tmp_path / "page.html", "--library", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in [name for name in os.environ if name.lower() == "npm_config_registry"]:
        monkeypatch.delenv(name)
    ended = command(*asked)
    assert ended.status == 2
    said = " ".join(ended.err.split())
    assert "npm is not installed here" in said
    assert "npm install --ignore-scripts onnxruntime-web@" in said
    for package in ("onnxruntime-web", "@huggingface/tokenizers"):
        for name in (
            "ort.wasm.bundle.min.mjs",
            "ort-wasm-simd-threaded.wasm",
            "tokenizers.min.mjs",
        ):
            path = tmp_path / "node_modules" / package / "dist" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("another")
    ended = command(*asked)
    assert ended.status == 2
    assert "is not that of onnxruntime-web@" in " ".join(ended.err.split())
    assert not (tmp_path / "page.html").exists()


def test_a_library_is_fetched_once_by_https(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"export const found = 1;"
    package = library._Package(
        "@scope/thing", "1.2.3", {"dist/x.mjs": hashlib.sha256(content).hexdigest()}
    )
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/dist/x.mjs")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    asked: list[str] = []

    def urlopen(address: str, **_: Any) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(archive.getvalue())

    monkeypatch.setattr(library.urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://registry.invalid/")
    monkeypatch.setattr(library, "_RUNTIME", package)
    monkeypatch.setattr(library, "_TOKENIZERS", package._replace(files={}))
    monkeypatch.setattr(library, "Library", lambda *files: files)
    assert library.load(tmp_path / "kept") == (content,)
    assert library.load(tmp_path / "kept") == (content,)
    assert asked == ["https://registry.invalid/@scope/thing/-/thing-1.2.3.tgz"]


CHROMIUM, DRIVER = (
    shutil.which("chromium") or shutil.which("google-chrome"),
    shutil.which("chromedriver"),
)


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here")
def test_it_answers_in_chromium(versions: dict[str, Path], tmp_path: Path) -> None:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    folders = [library.cache(), Path(os.environ.get("PARETEXT_NODE") or tmp_path)]
    installed = [each for each in folders if (each / "node_modules" / "onnxruntime-web").is_dir()]
    if not installed:
        pytest.skip("the page's JavaScript is not here: paretext page fetches it")
    from test_report_browser import FLAGS

    artifact, page = Artifact.load(versions["int8"]), tmp_path / "page.html"
    write_page(artifact, page, installed[0])
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        browser.get(page.as_uri())
        end = time.monotonic() + 120
        while time.monotonic() < end and not browser.execute_script(
            "return document.body.dataset.ready || document.querySelector('#state.bad')"
        ):
            time.sleep(0.1)
        said = browser.execute_script("return document.getElementById('check').textContent")
        assert "8 texts are answered as the artifact answers them" in said
        text = "happy and glad today"
        browser.find_element("id", "text").send_keys(text)
        answer = artifact.probabilities([text])[0]
        expected = [
            f"{artifact.manifest.labels[each]}{100 * answer[each]:.1f}%"
            for each in answer.argsort()[::-1]
        ]
        rows: list[str] = []
        while time.monotonic() < end and rows != expected:
            rows = browser.execute_script(
                "return [...document.querySelectorAll('tbody tr')].map(each => each.textContent)"
            )
            time.sleep(0.1)
        assert rows == expected
    finally:
        browser.quit()
