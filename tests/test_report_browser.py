"""A run's page in a real Chromium: three widths, both themes, sorting by mouse and by keyboard.

Debian's chromium and chromedriver are used where they are installed (`.ci/run` installs them where
it may); nothing is downloaded, and the browser can look up no host.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reporting import make_run

from paretext.measure.comparison import Comparison
from paretext.report.run_page import COLUMNS, write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no chromium and chromedriver here: apt-get install chromium chromium-driver",
    ),
    pytest.mark.slow,
]
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
WIDTHS, THEMES = (360, 768, 1280), ("light", "dark")
READABLE = 4.5
"""WCAG 2.2, 1.4.3: the least contrast of text with what is behind it."""


def started(folder: Path) -> Iterator[Any]:
    """Chromium with its profile in a folder, until it is no longer used."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from started(tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "run"
    make_run(folder)
    write_report(folder)
    return folder


def opened(browser: Any, page: Path, width: int = 1280, theme: str = "light") -> Any:
    """The page at a width and in a theme; whatever was logged before is read away."""
    browser.get_log("browser")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(page.as_uri())
    return browser


def report(run: Path) -> Path:
    return run / "report" / "report.html"


def column(browser: Any, index: int) -> list[str]:
    script = "return [...document.querySelectorAll('table.versions tbody tr')].map(row => "
    return list(browser.execute_script(script + f"row.cells[{index}].dataset.value)"))


def heads(browser: Any) -> list[Any]:
    return list(browser.find_elements("css selector", "table.versions thead th"))


# --- how it looks


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wrong_and_nothing_overflows(
    browser: Any, run: Path, width: int, theme: str
) -> None:
    for page in (report(run), run / "profile" / "profile.html"):
        opened(browser, page, width, theme)
        # Closed parts too: what is hidden at first must fit as well.
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        widths = browser.execute_script(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert widths[0] <= widths[1] == width
        assert browser.get_log("browser") == []


def test_the_versions_fit_a_desk_and_keep_their_names_on_a_phone(browser: Any, run: Path) -> None:
    box = "const box = document.querySelector('table.versions').parentElement; "
    name = "const name = box.querySelector('tbody th').getBoundingClientRect(); "
    opened(browser, report(run), 1280)
    assert browser.execute_script(f"{box}return box.scrollWidth <= box.clientWidth")
    opened(browser, report(run), 390)
    script = f"{box}box.scrollLeft = 200; {name}return [box.scrollLeft, name.left, name.right]"
    scrolled, left, right = browser.execute_script(script)
    assert scrolled == 200
    assert 0 <= left < right < 195  # half of the screen is left to the numbers
    links = "return [...document.querySelectorAll('nav a')].map(a => a.getBoundingClientRect())"
    assert all(each["right"] <= 390 for each in browser.execute_script(links))


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_what_is_behind_it(browser: Any, run: Path, theme: str) -> None:
    opened(browser, report(run), 1280, theme)
    pairs = browser.execute_script(_COLOURS)
    assert len(pairs) > 15
    for selector, ink, paper in pairs:
        assert _contrast(ink, paper) >= READABLE, (selector, ink, paper)
    papers = {paper for selector, _, paper in pairs if selector == "h1"}
    assert papers == {"rgb(255, 255, 255)" if theme == "light" else "rgb(15, 20, 25)"}


_COLOURS = """
const wanted = ["h1", "h2", "p.soft", "nav a", ".lead", ".tile dt", ".tile dd", ".note",
  "thead th button", ".versions small", ".versions tbody th", ".badge.undecided", ".badge.broken",
  "tr.chosen td", "summary", ".forest small.worse", ".matrix td.s0", ".matrix td.s1",
  ".matrix td.s10", ".matrix td.s9", ".plot figcaption", ".mark", "footer"];
const behind = element => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (!/, 0\\)$|transparent/.test(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
};
const solid = colour => {  // color-mix() is computed to another notation
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return "rgb(" + [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)].join(", ") + ")";
};
return wanted.flatMap(selector => {
  const element = document.querySelector(selector);
  if (!element) return [];
  return [[selector, solid(getComputedStyle(element).color), solid(behind(element))]];
});
"""


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2: (lighter + 0.05) / (darker + 0.05), by relative luminance."""
    light = sorted((_luminance(one), _luminance(other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# --- what it does


def test_every_column_sorts_both_ways(browser: Any, run: Path) -> None:
    opened(browser, report(run))
    for index, (name, first) in enumerate(COLUMNS):
        for way in (first, "ascending" if first == "descending" else "descending"):
            heads(browser)[index].find_element("tag name", "button").click()
            sorts = [head.get_attribute("aria-sort") for head in heads(browser)]
            assert sorts == [way if i == index else None for i in range(len(COLUMNS))]
            values = [value for value in column(browser, index) if value]
            assert column(browser, index)[: len(values)] == values  # what has no value is last
            expected = sorted(values, key=_key, reverse=way == "descending")
            assert list(map(_key, values)) == list(map(_key, expected)), name
            said = browser.find_element("id", "sorted").get_attribute("textContent")
            assert said == f"Sorted by {name}, {way}."
    assert browser.get_log("browser") == []


def _key(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def test_the_rows_are_those_of_the_comparison_however_sorted(browser: Any, run: Path) -> None:
    opened(browser, report(run))
    megabytes = [name for name, _ in COLUMNS].index("MB")
    heads(browser)[megabytes].find_element("tag name", "button").click()
    rows = [row for row in Comparison.read(run / "comparison").flat() if "." not in row["version"]]
    expected = [row["version"] for row in sorted(rows, key=lambda row: row["bytes"])]
    assert column(browser, 1) == expected


@pytest.mark.parametrize("key", ["\ue007", " "])  # Enter, Space
def test_the_keyboard_sorts(browser: Any, run: Path, key: str) -> None:
    opened(browser, report(run))
    button = heads(browser)[2].find_element("tag name", "button")
    before = column(browser, 2)
    button.send_keys(key)
    assert heads(browser)[2].get_attribute("aria-sort") == "descending"
    assert column(browser, 2) == sorted(before, key=float, reverse=True)
    assert browser.switch_to.active_element == button


def test_marks_can_be_reached_and_say_their_version(browser: Any, run: Path) -> None:
    opened(browser, report(run))
    points = browser.find_elements("css selector", ".plot .point")
    assert len(points) == 3 * 6
    for point in points[:6]:
        tip = point.find_element("css selector", ".tip")
        title = point.find_element("css selector", "title").get_attribute("textContent")
        assert str(point.get_attribute("aria-label")).startswith(title)
        assert tip.value_of_css_property("visibility") == "hidden"
        browser.execute_script("arguments[0].focus()", point)
        assert tip.value_of_css_property("visibility") == "visible"
        version = tip.find_element("css selector", ".name").get_attribute("textContent")
        assert title.startswith(f"{version}: macro-F1 0.")


def test_it_reads_the_same_without_script(browser: Any, run: Path) -> None:
    opened(browser, report(run))
    with_script = browser.find_element("tag name", "main").text
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, report(run))
        assert browser.find_elements("css selector", "thead button") == []
        assert browser.find_element("tag name", "main").text == with_script
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_policy_stops_what_slipped_through(browser: Any, run: Path, tmp_path: Path) -> None:
    """A page into which somebody wrote a script of their own does not run it."""
    html = report(run).read_text(encoding="utf-8")
    bad = html.replace("</main>", "<script>document.title = 'taken'</script></main>")
    (tmp_path / "bad.html").write_text(bad, encoding="utf-8")
    opened(browser, tmp_path / "bad.html")
    assert browser.title == "run: report"
    assert [each for each in browser.get_log("browser") if "Content Security" in each["message"]]


def test_a_half_finished_run_is_a_page_too(browser: Any, run: Path, tmp_path: Path) -> None:
    half = Path(shutil.copytree(run, tmp_path / "half"))
    for name in ("comparison", "certificates", "artifacts", "parent.json"):
        path = half / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_report(half)
    opened(browser, report(half), 360, "dark")
    assert "nothing is measured yet" in browser.find_element("tag name", "main").text
    assert browser.get_log("browser") == []
