"""GET /: a page that asks the service, all in one file, and nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse


def routes() -> APIRouter:
    """GET /."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, tags=["page"])
    async def page() -> HTMLResponse:
        """The page."""
        return HTMLResponse(html(), headers=headers())

    return router


@cache
def html() -> str:
    """The page's source."""
    return (files("paretext.serving") / "page.html").read_text(encoding="utf-8")


@cache
def headers() -> dict[str, str]:
    """A policy under which the page's own script and style run, and no others."""
    allowed = {tag: _digests(tag) for tag in ("script", "style")}
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors 'none'; "
        f"script-src {allowed['script']}; style-src {allowed['style']}"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _digests(tag: str) -> str:
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", html(), re.S)
    digests = (hashlib.sha256(each.encode()).digest() for each in contents)
    return " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
