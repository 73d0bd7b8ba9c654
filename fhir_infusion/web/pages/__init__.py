"""What all pages for people have in common: their frame, their style and script, and what they may do.

A page is whole in itself: it loads nothing, and its policy allows nothing but our own style and script (by their
hashes) and requests to this service. Templates stand beside what fills them, anywhere below ``fhir_infusion/web``;
Jinja escapes whatever is put into them, so what was sent is shown as text, never as markup.

Pages are reached by a browser, which sends no token by itself, and there are no cookies. Where tokens are configured a
page that is asked for without one is the form ``sign_in.html``; its script keeps the token for as long as the tab is
open, shows it with each request, and puts the ``main`` of each answer in the place of the one before.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from flask import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from fhir_infusion.web.problems import Problem

STYLES: Final = ("pages/style.css", "workbench/page.css", "console/page.css", "docs/page.css")
SCRIPTS: Final = ("pages/script.js", "workbench/page.js", "workbench/held.js")
"""What stands in every page, whichever it is, so that one page can take the place of another."""


def page(template: str, status: int = 200, **values: object) -> Response:
    """Return the page made of a template, such as ``console/remotes.html``, and of what it shows."""
    text = _templates().get_template(template).render(values, style=_style(), script=_script())
    return Response(
        text,
        status,
        mimetype="text/html",
        headers={"Content-Security-Policy": _policy(), "X-Frame-Options": "DENY", "Vary": "Authorization", **_OWN},
    )


_OWN: Final = {"Referrer-Policy": "same-origin"}
"""With ``no-referrer`` a browser says ``Origin: null`` of a form (https://fetch.spec.whatwg.org/#append-a-request-origin-header),
and the gate could not tell a form of ours from one of another site."""


def problem(found: Problem) -> Response:
    """Return the page that says what was refused, and why; where a token is missing, the form that asks for one."""
    asks = found.status in {401, 403} and found.issues[0].path == "http.Authorization"
    reply = page("pages/sign_in.html" if asks else "pages/problem.html", found.status, issues=found.issues)
    reply.headers.extend(found.headers)
    return reply


@cache
def _templates() -> Environment:
    # The place of a fault is in the text of the template; an undefined name must fail, never print nothing.
    made = Environment(
        loader=PackageLoader("fhir_infusion", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["short"] = short
    return made


def short(path: str) -> str:
    """Return a path without what most of its extensions' addresses have in common: ``extension[url=…/group]``."""
    return _ADDRESS.sub("…/", path)


_ADDRESS: Final = re.compile(r"https?://[^\]\s]*/(?=[^\]\s/]+)")


@cache
def _style() -> Markup:
    return Markup(_joined(STYLES))  # noqa: S704  our own files


@cache
def _script() -> Markup:
    return Markup(_joined(SCRIPTS))  # noqa: S704  our own files


@cache
def _policy() -> str:
    return (
        f"default-src 'none'; script-src '{_hash(_script())}'; style-src '{_hash(_style())}'; connect-src 'self'; "
        "img-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join((files("fhir_infusion") / "web" / name).read_text(encoding="utf-8") for name in names)
