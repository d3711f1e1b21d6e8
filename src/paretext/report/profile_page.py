"""The profile as one self-contained HTML page.

No script. Pictures are SVG inside the page, so that they follow the colours; every picture's
numbers also stand beside it as text. What keeps it self-contained and safe: `page`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paretext.core.escaping import visible
from paretext.core.files import write_text
from paretext.core.ownership import require_own_file
from paretext.core.version import __version__
from paretext.profile.build import faults_said
from paretext.profile.schema import Lengths, Profile
from paretext.report import page
from paretext.report.word_cloud import HEIGHT, WIDTH, word_cloud

MOST_CLASSES = 12
"""Classes with words and clouds of their own on the page; profile.json has all."""
_PAGE, _DATA = "profile.html", "profile.json"
_DATA_MARK = '"format_version": '
_BARS, _CLOUD = 12, 36
_LEVELS = ("mend", "look", "fine")
_ANCHORS = {
    "rows": "classes",
    "classes": "classes",
    "lengths": "lengths",
    "stop words": "stop-words",
    "distinctive words": "words",
    "word forms": "forms",
    "repeats": "repeats",
    "leaks": "repeats",
    "odd characters": "odd",
    "languages": "odd",
    "label errors": "errors",
}
"""Topic of a finding -> section of the page."""


def write_profile(profile: Profile, folder: Path) -> None:
    """Write profile.json and profile.html to `folder`.

    Raises ParetextError where the two are somebody else's, or Jinja2 is not installed.
    """
    with faults_said():
        html = render(profile)
    require_own_profile(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / _DATA, profile.model_dump_json(indent=2) + "\n")
    write_text(folder / _PAGE, html)


def require_own_profile(folder: Path) -> None:
    """ParetextError where a file stands in a profile's place that is none."""
    require_own_file(folder / _PAGE, page.GENERATOR)
    require_own_file(folder / _DATA, _DATA_MARK)


def render(profile: Profile) -> str:
    """The page as HTML."""
    return page.render("profile.html", _values(profile))


def _values(profile: Profile) -> dict[str, Any]:
    rows = sorted(profile.classes.classes, key=lambda row: -row.count)
    drawn = [row.label for row in rows[:MOST_CLASSES]]
    words = profile.distinctive.by_class
    return {
        "profile": profile,
        "anchors": _ANCHORS,
        "version": __version__,
        "levels": {
            level: [each for each in profile.findings if each.level == level] for level in _LEVELS
        },
        "class_rows": rows,
        "most": max(max(row.count, row.count_after) for row in rows),
        "drawn": drawn,
        "histograms": [
            _histogram(lengths)
            for lengths in (profile.words, profile.tokens and profile.tokens.lengths)
            if lengths
        ],
        "words": {label: words[label][:_BARS] for label in drawn},
        "clouds": {
            label: word_cloud([(visible(each.word), each.z) for each in words[label][:_CLOUD]])
            for label in drawn
        },
        "cloud_size": (WIDTH, HEIGHT),
        "most_z": max((each.z for own in words.values() for each in own), default=1.0),
    }


def _histogram(lengths: Lengths) -> dict[str, Any]:
    """Bars in a box of 100 x 100, with their titles."""
    bars, width = lengths.histogram, 100 / len(lengths.histogram)
    most = max(bar.count for bar in bars)
    return {
        "lengths": lengths,
        "bars": [
            {
                "x": i * width,
                "width": width * 0.9,
                "height": 100 * bar.count / most,
                "title": f"{_range(bar.low, bar.high)} {lengths.unit}: {bar.count:,} texts",
            }
            for i, bar in enumerate(bars)
        ],
    }


def _range(low: int, high: int) -> str:
    return str(low) if high == low + 1 else f"{low} to {high - 1}"
