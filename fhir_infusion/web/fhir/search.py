"""Search by GET and POST, with paging: https://hl7.org/fhir/http.html#search, https://hl7.org/fhir/search.html.

- A parameter that is not known is refused (400); under ``Prefer: handling=lenient`` it is passed over, and the self
  link does not name it: that link tells what was really asked.
- What matches and cannot be said in this release stands at its place as an outcome that names it.
- What comes along stands behind the matches, as ``include``; of too much the last entry tells.
- A page continues after a key that the next link carries, signed and bound to tenant and query. Nothing is counted, so
  there is no ``Bundle.total`` unless ``_total`` asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from flask import request

from fhir_infusion.actions import find
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import search as fhir_search
from fhir_infusion.fhir import shape
from fhir_infusion.store import include
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_bytes
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.fhir import pages
from fhir_infusion.web.fhir.common import base_url, known_type, release_of, shaped
from fhir_infusion.web.negotiation import check_accept, check_form, preferences
from fhir_infusion.web.parameters import Parameters, decoded, stated
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Request, Response

    from fhir_infusion.actions.find import Found
    from fhir_infusion.config import Release


def get(release: str, fhir_type: str) -> Response:
    """Search by GET."""
    return _answer(release_of(release), known_type(fhir_type), [])


def post(release: str, fhir_type: str) -> Response:
    """Search by POST: what is searched for stands in the body, so that it stands in no log of a proxy."""
    return _answer(release_of(release), known_type(fhir_type), form(request))


def form(request: Request) -> Parameters:
    """Return the parameters in the body of a search by POST.

    Raises:
        Refused: 415 the body is no form, 400 it holds what is no text.
    """
    check_form(request)
    return decoded(read_bytes(request))


def _answer(release: Release, fhir_type: str, in_body: Parameters) -> Response:
    check_accept(request, release, in_body)
    given = stated(request, in_body)
    asked = _understood(release, fhir_type, [pair for pair in given if pair[0] not in pages.OURS])
    wanted, shaping = (
        [pair for pair in asked if pair[0] not in shape.PARAMETERS],
        shape.parse(fhir_type, release, asked),
    )
    count = 0 if shaping.summary == "count" else pages.size(given, none=True)
    here = base_url(release)
    listing = pages.Pages(f"{here}/{fhir_type}", f"{release}/{fhir_type}", given, asked, count)
    page = find.search(web().service, caller(), release, fhir_type, wanted, count, listing.begin(), home_url())
    total = {} if page.total is None else {"total": page.total}
    links = listing.links(page.after)
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", **total, "link": links}
    entries = [bundle_entry(here, found, "match", _shaped(found, release, shaping)) for found in page.entries]
    # _elements names elements of what is searched for, not of what comes along.
    beside = shape.Shape() if shaping.elements else shaping
    entries += [bundle_entry(here, found, "include", _shaped(found, release, beside)) for found in page.along]
    told = [
        *(() if page.is_all_along else (TOO_MANY,)),
        *((_PASSED_OVER,) if any(pair not in asked for pair in given if pair[0] not in pages.OURS) else ()),
    ]
    if told:
        entries.append({"resource": problems.outcome(told), "search": {"mode": "outcome"}})
    if entries:
        bundle["entry"] = entries
    return fhir_reply(bundle, release, in_body=in_body)


TOO_MANY: Final = Issue(
    "warning",
    "too-costly",
    "",
    "more comes along with this page than is given at once; what is missing is left out",
    f"a smaller _count, or a search of its own; at most {include.MOST} come along",
    "search",
)


_PASSED_OVER: Final = Issue(
    "warning",
    "not-supported",
    "",
    "parameters that are not known were passed over, as handling=lenient asks: more may be found than was asked for",
    "those that the self link holds",
    "search",
)


def _shaped(found: Found, release: Release, asked: shape.Shape) -> bytes:
    """Return the text of a resource, or what of it is asked for; what says that it cannot be said is whole."""
    return found.text.encode() if found.unsaid else shaped(found.text, release, asked)


def bundle_entry(here: str, found: Found, mode: str, text: bytes = b"") -> dict[str, Any]:
    """Return the entry of a match or of what came along, whole where ``text`` does not say how much of it.

    What this release cannot say is told of at its place.
    """
    if found.unsaid:
        return {"resource": problems.outcome(found.unsaid), "search": {"mode": "outcome"}}
    return {
        "fullUrl": f"{here}/{found.type}/{found.id}",
        "resource": cast("Any", msgspec.Raw(text or found.text.encode())),
        "search": {"mode": mode},
    }


def _understood(release: Release, fhir_type: str, asked: Parameters) -> Parameters:
    """Return what is searched for; under lenient handling without what is not known."""
    if not preferences(request).lenient:
        return asked
    return [pair for pair in asked if _is_known(release, fhir_type, pair)]


def _is_known(release: Release, fhir_type: str, pair: tuple[str, str]) -> bool:
    if pair[0] in shape.PARAMETERS:
        return True
    try:
        fhir_search.parse(fhir_type, release, [pair])
    except Refused as error:
        # A wrong value is refused even then: passing over it would find what was not asked for.
        return any(issue.code != "not-supported" for issue in error.issues)
    return True
