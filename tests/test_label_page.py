"""The page to label on, in a real Chromium: a key a label, undo, search, what is kept and saved."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

from test_report_browser import browser, pytestmark  # noqa: F401  (a fixture)

from paretext.data.tables import read_rows
from paretext.report.label_page import write_label_page

HOW = ("lost", "late", "new")
MANY = (
    *(f"{what}_{how}" for what in ("card", "cash", "pin") for how in HOW),
    "refund",
    "top_up_lost",
)
TEXT = 'My "card" <b>is</b>, {},\nlost & \u202efound'


def write(path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "text", "label"))
        writer.writerows((7 * i + 1, TEXT.format(i), "") for i in range(6))
    return path


def test_labels_are_given_by_keys_kept_and_saved(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    from selenium.webdriver.common.keys import Keys

    path = write(tmp_path / "to_label.csv")
    url = write_label_page(path, MANY, 4, "paretext certify x").as_uri()
    browser.execute_cdp_cmd(
        "Page.setDownloadBehavior",
        {"behavior": "allow", "downloadPath": str(tmp_path / "saved")},
    )
    browser.get(url)

    def at(name: str) -> Any:
        return browser.find_element("id", name)

    def press(key: str) -> None:
        browser.switch_to.active_element.send_keys(key)

    assert at("text").text == TEXT.format(0).replace("\u202e", "<U+202E>")
    for key in ("1", "a", "?", "3", Keys.BACKSPACE):
        press(key)
    assert at("place").text == "Text 4 of 6 (row 22)"
    press("/")
    press("up lost")
    assert at("found").text == "Enter: top_up_lost"
    shown = [each.text for each in browser.find_elements("css selector", "#labels button")]
    assert [each for each in shown if each] == ["b top_up_lost".replace(" ", "\n")]
    press(Keys.ENTER)
    press(Keys.ESCAPE)
    assert at("done").text == "4 labelled, enough to try"
    browser.get(url)  # which knows them still
    assert at("place").text == "Text 5 of 6 (row 29)"
    for width in (1280, 390):
        browser.set_window_size(width, 844)
        script = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.execute_script(script) <= 0
    at("save").click()
    saved = tmp_path / "saved" / "to_label.csv"
    for _ in range(100):
        if saved.exists():
            break
        time.sleep(0.05)
    rows = list(read_rows(saved))
    assert [(row["row"], row["text"]) for row in rows] == [
        (row["row"], row["text"]) for row in read_rows(path)
    ]
    assert [row["label"] for row in rows] == ["card_lost", "refund", "?", "top_up_lost", "", ""]
    assert not browser.get_log("browser")
