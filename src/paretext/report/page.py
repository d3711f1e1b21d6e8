"""Self-contained HTML pages: one file, no network, light or dark as the reader's system is.

A content security policy in the page itself forbids the browser every load, and every style and
script but the page's own, which it names by their SHA-256 (W3C, *Content Security Policy Level 3*,
section 6.7.2): text from data that slipped through the escaping would still not run. So there are
no `style` attributes either; what a picture's geometry needs stands in SVG attributes.

Jinja2 escapes everything that comes from data, and the filter `visible` shows what would otherwise
act on the reader (`escaping`).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from paretext.core.errors import ParetextError
from paretext.core.escaping import visible
from paretext.report.numbers import faster, megabytes, seconds, signed, smaller

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


GENERATOR = '<meta name="generator" content="paretext">'
"""In every page: it is ours, and may be written anew."""


def render(template: str, values: Mapping[str, Any], script: str = "") -> str:
    """The page NAME.html of `templates/`, with page.css, NAME.css and the script's file in it.

    Raises ParetextError where Jinja2 is not installed.
    """
    environment = _environment()
    style = _read("page.css") + _read("pictures.css") + _read(template.replace(".html", ".css"))
    code = _read(script) if script else ""
    policy = f"default-src 'none'; style-src {_allowed(style)}; img-src data:; base-uri 'none'"
    if code:
        policy += f"; script-src {_allowed(code)}"
    return str(
        environment.get_template(template).render(
            # Our own files, not data: escaped, they would no longer be style and script.
            policy=_own(policy),
            style=_own(style),
            script=_own(code),
            **values,
        )
    )


def picture(template: str, values: Mapping[str, Any]) -> str:
    """The picture NAME.svg of `templates/`, in the light page's colours.

    The colours are written out, because viewers other than browsers know no variables of CSS.
    """
    colours = dict(re.findall(r"--(\w+):(#\w+)", _read("page.css").split("}")[0]))
    style = _read("pictures.css") + _read("picture.css")
    style = re.sub(r"var\(--(\w+)\)", lambda match: colours[match[1]], style)
    return str(_environment().get_template(template).render(style=_own(style), **values))


@functools.cache  # a job writes many pictures, and a template takes longer to compile than to fill
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise ParetextError(
            'the page needs Jinja2, which is not installed: pip install "paretext[train]".'
        ) from None
    environment = Environment(
        loader=PackageLoader("paretext.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "share": lambda share: f"{share:.1%}",
        "count": lambda count: f"{count:,}",
        "megabytes": megabytes,
        "faster": faster,
        "seconds": seconds,
        "signed": signed,
        "smaller": smaller,
        "fixed": lambda value, digits: f"{value:,.{digits}f}",
        "quote": quote,
    }
    return environment


def _own(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)


def _read(name: str) -> str:
    return (resources.files("paretext.report") / "templates" / name).read_text(encoding="utf-8")


def _allowed(code: str) -> str:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"
