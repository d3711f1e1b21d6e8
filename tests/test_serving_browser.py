"""The service's page in a real Chromium, at a desk's width and a phone's, in both themes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
from test_report_browser import READABLE, THEMES, _contrast, pytestmark, started

pytest.importorskip("fastapi", reason="paretext[serve] is not installed")
import uvicorn

from paretext.runtime.artifact import Artifact
from paretext.serving.app import application
from paretext.serving.server import listen
from paretext.serving.service import Claim, Service
from paretext.serving.settings import Limits

__all__ = ["pytestmark"]
WIDTHS = (390, 1280)
SENTENCE = "int8 may replace fp32: on texts like these it loses at most 0.71% of macro-F1."
CLAIM = Claim(
    "holds",
    SENTENCE,
    {"precision=0.9": {"joy": 0.9, "sad": 0.01}, "fpr=0.01": {"joy": 0.0, "fear": 0.0, "sad": 0.0}},
)
TOKEN = "open-sesame-open-sesame"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from started(tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module")
def pages(versions: dict[str, Path]) -> Iterator[dict[str, str]]:
    """Addresses of a service that anybody may ask, and of one that wants a token."""
    artifact = Artifact.load(versions["int8"], threads=1)
    addresses, servers, threads = {}, [], []
    for name, token in (("open", None), ("locked", TOKEN)):
        service = Service(
            {"emotions": artifact, "bare": artifact}, {"emotions": CLAIM}, Limits(), token
        )
        at = listen("127.0.0.1", 0)
        addresses[name] = f"http://127.0.0.1:{at.getsockname()[1]}/"
        server = uvicorn.Server(uvicorn.Config(application(service, log=False), log_level="error"))
        servers.append(server)
        threads.append(threading.Thread(target=server.run, args=([at],), daemon=True))
        threads[-1].start()
    yield addresses
    for server in servers:
        server.should_exit = True
    for thread in threads:
        thread.join(20)


def opened(browser: Any, address: str, width: int = 1280, theme: str = "light") -> Any:
    browser.get_log("browser")
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(address)
    return browser


def until(condition: Callable[[], Any]) -> Any:
    """What it finds, as soon as it finds something."""
    end = time.monotonic() + 20
    while not (value := condition()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return value


def said(browser: Any, element: str) -> str:
    return str(browser.find_element("id", element).text)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_text_is_answered_as_it_is_typed(
    browser: Any, pages: dict[str, str], versions: dict[str, Path], width: int, theme: str
) -> None:
    opened(browser, pages["open"], width, theme)
    until(lambda: said(browser, "sentence") == SENTENCE)
    assert said(browser, "verdict") == "Certificate: holds"
    text = toy.dataset(4, seed=7).texts[1]
    browser.find_element("id", "text").send_keys(text)
    artifact = Artifact.load(versions["int8"])
    label, share = artifact.predict([text])[0], artifact.probabilities([text])[0].max()
    until(lambda: said(browser, "answer").startswith(f"{label} {100 * share:.1f}%"))
    until(lambda: "ms in the server" in said(browser, "latency"))
    rows = [row.text.split("\n") for row in browser.find_elements("css selector", "#labels li")]
    assert len(rows) == 3
    shares = [float(row[-1].rstrip("%")) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert len(browser.find_elements("css selector", "rect.least")) == 2
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert wide[0] <= wide[1] == width
    for element in ("name", "answer", "sentence", "latency", "verdict"):
        ink, paper = browser.execute_script(
            f"const c = e => getComputedStyle(e); return [c(document.getElementById('{element}'))"
            ".color, c(document.body).backgroundColor]"
        )
        assert _contrast(ink, paper) >= READABLE, (element, ink, paper)
    fields = browser.find_elements("css selector", "textarea, select, input")
    assert all(each.size["height"] >= 44 for each in fields if each.is_displayed())
    assert browser.get_log("browser") == []
    if folder := os.environ.get("PARETEXT_SHOTS"):
        browser.save_screenshot(f"{folder}/serve-{width}-{theme}.png")


def test_thresholds_and_models_can_be_chosen(browser: Any, pages: dict[str, str]) -> None:
    opened(browser, pages["open"])
    until(lambda: said(browser, "sentence"))
    browser.find_element("id", "text").send_keys("happy and glad")
    until(lambda: said(browser, "answer"))
    browser.find_element("css selector", "#point option[value='fpr=0.01']").click()
    until(lambda: len(browser.find_elements("css selector", "li.reached")) == 3)
    assert "unsure" not in said(browser, "answer")
    browser.find_element("css selector", "#model option[value='bare']").click()
    until(lambda: said(browser, "verdict") == "No certificate")
    until(lambda: not browser.find_elements("css selector", "li.reached"))
    assert not browser.find_element("id", "points").is_displayed()
    assert browser.get_log("browser") == []


def test_a_refusal_stands_in_place_of_the_former_answer(
    browser: Any, pages: dict[str, str]
) -> None:
    opened(browser, pages["open"])
    until(lambda: said(browser, "sentence"))
    browser.find_element("id", "text").send_keys("happy and glad")
    until(lambda: said(browser, "answer"))
    assert browser.find_element("id", "legend").is_displayed()
    text = "const t = document.getElementById('text'); t.value = 'a'.repeat(70000);"
    browser.execute_script(f"{text} t.dispatchEvent(new Event('input'))")
    until(lambda: "has 70,000 characters" in said(browser, "problem"))
    for element in ("answer", "labels", "latency", "legend"):
        assert said(browser, element) == "", element
    if folder := os.environ.get("PARETEXT_SHOTS"):
        browser.save_screenshot(f"{folder}/serve-refused.png")


def test_a_token_is_asked_for_and_kept_nowhere(browser: Any, pages: dict[str, str]) -> None:
    opened(browser, pages["locked"], 390)
    wanted = "The token is missing or wrong; type it into the field Token and press Enter."
    until(lambda: said(browser, "problem") == wanted)
    field, text = (browser.find_element("id", each) for each in ("token", "text"))
    field.send_keys("wrong-wrong\n")
    text.send_keys("not asked yet")
    assert said(browser, "problem") == wanted
    text.clear()
    field.clear()
    field.send_keys(f"{TOKEN}\t")
    until(lambda: said(browser, "verdict") == "Certificate: holds")
    assert said(browser, "problem") == ""
    text.send_keys("<img src=x onerror=alert(1)>")
    until(lambda: said(browser, "answer"))
    field.clear()
    field.send_keys("wrong-wrong")
    text.send_keys(" more")
    until(lambda: said(browser, "problem") == wanted)
    assert said(browser, "answer") == ""
    assert browser.execute_script("return [document.cookie, localStorage.length]") == ["", 0]
    if folder := os.environ.get("PARETEXT_SHOTS"):
        browser.save_screenshot(f"{folder}/serve-token.png")
