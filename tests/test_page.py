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

import numpy as np
import pytest
import toy
from strangers import change_manifest

from paretext.core.errors import ParetextError
from paretext.runtime.artifact import Artifact
from paretext.runtime.browser import library
from paretext.runtime.browser import page as pages
from paretext.runtime.browser.page import PROBES, write_page
from paretext.runtime.rule import UNSURE

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


def with_rule(artifact: Path, folder: Path, rule: dict[str, Any] | None) -> Path:
    copy = Path(shutil.copytree(artifact, folder))
    return change_manifest(copy, lambda values: values.update(operating=rule))


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
    assert [text for text, *_ in settings["probes"]] == list(PROBES)
    before, after, longest = (settings[name] for name in ("before", "after", "longest"))
    assert (before, after, settings["integers"]) == ([0], [2], "int64")
    for text, ids, probabilities, answered in settings["probes"]:
        assert ids == artifact._tokenizer.encode(text).ids
        own = artifact._tokenizer.encode(text, add_special_tokens=False).ids
        assert ids == [*before, *own[: longest - 2], *after]
        assert (np.float32(probabilities) == artifact.probabilities([text])[0]).all()
        assert artifact.manifest.labels[answered] == artifact.predict([text])[0]
    assert len(settings["probes"][-1][1]) == longest


def test_its_rule_is_inside_and_said(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "load", lambda _: FAKE)
    rule = {"thresholds": {"joy": 0.5}, "least_probability": 0.4, "least_margin": 0.1}
    folder = with_rule(versions["int8"], tmp_path / "artifact", rule)
    artifact = Artifact.load(folder)
    write_page(artifact, tmp_path / "page.html", tmp_path)
    page = (tmp_path / "page.html").read_text("utf-8")
    settings = json.loads(part(page, "settings"))
    assert settings["least"] == [0.5 if each == "joy" else 0.4 for each in settings["labels"]]
    assert settings["margin"] == 0.1
    names = [*settings["labels"], UNSURE]
    told = [names[answered] for *_, answered in settings["probes"]]
    assert told == artifact.predict(PROBES).tolist()
    assert "joy where its probability is 0.5000 or more" in page
    assert "any other text is unsure" in page


def test_a_page_is_no_stream(versions: dict[str, Path], command: Any) -> None:
    ended = command("page", versions["fp32"], "-o", "-")
    assert ended.status == 2
    assert "a page is a file that a browser opens: give -o page.html in place of -." in ended.err


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


@pytest.mark.skipif(os.name == "nt", reason="npm is a shell script here")
def test_npm_is_not_waited_for_long_and_its_reason_is_said(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho $* > {tmp_path}/asked\necho npm error code EX >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    library_ = tmp_path / "library"
    ended = command("page", versions["fp32"], "-o", tmp_path / "p.html", "--library", library_)
    assert ended.status == 2
    said = " ".join(ended.err.split())
    assert said.startswith("fetching onnxruntime-web@")
    assert "npm cannot fetch onnxruntime-web@1.30.0 (code EX); run 'npm install" in said
    assert "--fetch-retries=1 " in (tmp_path / "asked").read_text()


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

    text = "happy and glad today"
    probabilities = Artifact.load(versions["int8"]).probabilities([text])[0]
    first, second = np.argsort(probabilities)[:-3:-1]
    best, top = toy.LABELS[first], float(probabilities[first])
    lead = top - float(probabilities[second])
    rules: dict[str, dict[str, Any] | None] = {
        "no rule": None,
        "all met": {
            "thresholds": {best: top - SHIFT},
            "least_probability": top - SHIFT,
            "least_margin": max(lead - SHIFT, 0),
        },
        "threshold missed": {"thresholds": {best: top + SHIFT}},
        "probability missed": {"least_probability": top + SHIFT},
        "margin missed": {"least_margin": lead + SHIFT},
    }
    artifacts = {
        name: Artifact.load(with_rule(versions["int8"], tmp_path / name, rule))
        for name, rule in rules.items()
    }
    for name, artifact in artifacts.items():
        write_page(artifact, tmp_path / f"{name}.html", installed[0])
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        for name, artifact in artifacts.items():
            expected = [
                f"{artifact.manifest.labels[each]}{100 * probabilities[each]:.1f}%"
                for each in probabilities.argsort()[::-1]
            ]
            unsure, weight = ask_page(browser, tmp_path / f"{name}.html", text, expected)
            is_unsure = artifact.predict([text])[0] == UNSURE
            assert is_unsure == name.endswith("missed")
            said = f"Unsure: {best} is the most probable, with {100 * top:.1f}% alone."
            assert (unsure, weight) == ((said, "400") if is_unsure else ("", "700")), name
    finally:
        browser.quit()


SHIFT = 0.02
"""Farther from the rule than a browser rounds INT8."""


def ask_page(browser: Any, page: Path, text: str, expected: list[str]) -> tuple[str, str]:
    """What says that the text is unsure, and the weight of the first row, once the rows are those
    expected."""

    def run(code: str) -> Any:
        return browser.execute_script(f"const $ = (id) => document.getElementById(id); {code}")

    def wait_until(code: str, value: object) -> None:
        end = time.monotonic() + 120
        while (seen := run(code)) != value and time.monotonic() < end:
            time.sleep(0.1)
        assert seen == value, run("return $('state').textContent")

    browser.get(page.as_uri())
    wait_until("return document.body.dataset.ready", "yes")
    assert "8 texts are answered as the artifact" in run("return $('check').textContent")
    browser.find_element("id", "text").send_keys(text)
    rows = "[...document.querySelectorAll('tbody tr')].map(each => each.textContent)"
    wait_until(f"return {rows}", expected)
    unsure, weight = run(
        "return [$('unsure').checkVisibility() ? $('unsure').textContent : '',"
        "getComputedStyle(document.querySelector('tbody th')).fontWeight]"
    )
    return unsure, weight
