"""The workbench: one page on which an engineer sees a translation, its ledger and its findings.

The page is whole in itself: it loads nothing, and its policy allows nothing but its own script and style (by their
hashes) and requests to this service. What it shows is put in as text, never as markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files

from flask import Response

from fhir_infusion.web.context import web
from fhir_infusion.web.examples import texts


def show() -> Response:
    """Return the page. ``GET /workbench``."""
    page, policy = _page(tuple(sorted(web().service.translator.overlays)))
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": policy, "X-Frame-Options": "DENY"})


@cache
def _page(overlays: tuple[str, ...]) -> tuple[str, str]:
    """Return the page and its Content-Security-Policy."""
    style, script = _read("page.css"), _read("page.js")
    options = "".join(f"<option>{html.escape(name)}</option>" for name in overlays)
    examples = "".join(f'<option value="{html.escape(name)}">{html.escape(_title(name))}</option>' for name in texts())
    # "</" must not stand in a script element, whatever its type.
    data = json.dumps(texts(), ensure_ascii=True).replace("</", "<\\/")
    page = _read("page.html")
    for place, content in (
        ("/*STYLE*/", style),
        ("/*SCRIPT*/", script),
        ("/*EXAMPLES*/", data),
        ("<!--OVERLAYS-->", options),
        ("<!--EXAMPLES-->", examples),
    ):
        page = page.replace(place, content)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def _title(name: str) -> str:
    return name.partition("-")[2].replace("-", ": ", 1)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (files("fhir_infusion.web.workbench") / name).read_text(encoding="utf-8")
