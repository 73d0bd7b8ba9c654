"""Search by GET and POST, with paging: https://hl7.org/fhir/http.html#search, https://hl7.org/fhir/search.html.

- A parameter that is not known is refused (400); under ``Prefer: handling=lenient`` it is passed over, and the self
  link does not name it: that link tells what was really asked.
- What matches and cannot be said in this release stands at its place as an outcome that names it.
- A page continues after a key that the next link carries, signed and bound to tenant and query. Nothing is counted, so
  there is no ``Bundle.total``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

import msgspec
from flask import request
from werkzeug.http import parse_options_header

from fhir_infusion.actions import find
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import search as fhir_search
from fhir_infusion.web import paging, problems
from fhir_infusion.web.bodies import read_bytes
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.fhir.common import RELEASES, base_url, known_type, release_of
from fhir_infusion.web.negotiation import check_accept, preferences
from fhir_infusion.web.parameters import Parameters, decoded, page_size, stated
from fhir_infusion.web.refusals import header_refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.find import Found
    from fhir_infusion.config import Release

OURS: Final = frozenset({"_count", "_format", paging.PARAMETER})
"""Parameters that shape the answer; the others say what is searched for."""


def get(release: str, fhir_type: str) -> Response:
    """Search by GET."""
    return _answer(release_of(release), known_type(fhir_type), [])


def post(release: str, fhir_type: str) -> Response:
    """Search by POST: what is searched for stands in the body, so that it stands in no log of a proxy."""
    served = release_of(release)
    known = known_type(fhir_type)
    media, _ = parse_options_header(request.headers.get("Content-Type", ""))
    if media not in {"application/x-www-form-urlencoded", ""}:
        accepted = "application/x-www-form-urlencoded"
        raise header_refusal(415, "not-supported", "Content-Type", "a search is sent as a form", accepted)
    return _answer(served, known, decoded(read_bytes(request)))


def _answer(release: Release, fhir_type: str, in_body: Parameters) -> Response:
    check_accept(request, release)
    given = stated(request, in_body)
    asked = _understood(release, fhir_type, [pair for pair in given if pair[0] not in OURS])
    count = page_size("_count", [value for name, value in given if name == "_count"])
    service, who = web().service, caller()
    bound_to = [("", f"{release}/{fhir_type}"), *asked]
    tokens = [value for name, value in given if name == paging.PARAMETER]
    after = paging.open_token(service.store.secret, who.tenant, bound_to, tokens[-1]) if tokens else []
    page = find.search(service, who, release, fhir_type, relative(release, fhir_type, asked), count, after)
    here = f"{base_url(release)}/{fhir_type}"
    sized = [*asked, ("_count", str(count))]
    links = [_link("self", here, [*sized, *((paging.PARAMETER, token) for token in tokens[-1:])])]
    if page.after is not None:
        token = paging.sign(service.store.secret, who.tenant, bound_to, page.after)
        links.append(_link("next", here, [*sized, (paging.PARAMETER, token)]))
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if page.entries:
        bundle["entry"] = [_entry(here, found) for found in page.entries]
    return fhir_reply(bundle, release)


def _entry(here: str, found: Found) -> dict[str, Any]:
    """Return the entry of one match; what this release cannot say is told of at its place."""
    if found.unsaid:
        return {"resource": problems.outcome(found.unsaid), "search": {"mode": "outcome"}}
    return {
        "fullUrl": f"{here}/{found.id}",
        # The text as it is stored, every digit of it.
        "resource": cast("Any", msgspec.Raw(found.text.encode())),
        "search": {"mode": "match"},
    }


def relative(release: Release, fhir_type: str, asked: Parameters) -> Parameters:
    """Return what is searched for with references below our own address made relative, as they are kept."""
    references = {one.name for one in fhir_search.parameters(fhir_type, release) if one.type == "reference"}
    own = re.compile(rf"(^|,){re.escape(home_url())}/fhir/(?:{'|'.join(RELEASES)})/")
    return [
        (name, own.sub(r"\1", value) if name.partition(":")[0] in references and ":identifier" not in name else value)
        for name, value in asked
    ]


def _understood(release: Release, fhir_type: str, asked: Parameters) -> Parameters:
    """Return what is searched for; under lenient handling without what is not known."""
    if not preferences(request).lenient:
        return asked
    return [pair for pair in asked if _is_known(release, fhir_type, pair)]


def _is_known(release: Release, fhir_type: str, pair: tuple[str, str]) -> bool:
    try:
        fhir_search.parse(fhir_type, release, [pair])
    except Refused as error:
        # A wrong value is refused even then: passing over it would find what was not asked for.
        return any(issue.code != "not-supported" for issue in error.issues)
    return True


def _link(relation: str, address: str, parameters: Parameters) -> dict[str, str]:
    return {"relation": relation, "url": f"{address}?{urlencode(parameters)}"}
