"""``Patient/…/$everything``: https://hl7.org/fhir/R4/patient-operation-everything.html.

Everything about the infusions of a patient: the Patient, the orders and what was given of them as matches, and with
these whatever they refer to as includes. Page by page; what several of them refer to stands on the page of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import find
from fhir_infusion.fhir.dates import stretch
from fhir_infusion.fhir.served import MAPPED, SERVED
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.fhir import inputs, pages
from fhir_infusion.web.fhir.common import base_url, release_of
from fhir_infusion.web.fhir.search import TOO_MANY, bundle_entry
from fhir_infusion.web.negotiation import check_accept, preferences
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response

    from fhir_infusion.actions.find import Found
    from fhir_infusion.config import Release
    from fhir_infusion.web.parameters import Parameters

PARAMETERS: Final = ("_since", "_type", "_count")


def get(release: str, resource_id: str) -> Response:
    """Return a page of everything."""
    return _answer(release_of(release), resource_id, [])


def post(release: str, resource_id: str) -> Response:
    """The same, asked for by Parameters; the pages after the first are fetched by their links."""
    served = release_of(release)
    is_empty = not (request.content_length or request.content_type)
    in_body = [] if is_empty else inputs.texts(read_object(request, served), PARAMETERS, ("_type",))
    return _answer(served, resource_id, in_body)


def _answer(served: Release, resource_id: str, in_body: Parameters) -> Response:
    check_accept(request, served)
    service, who = web().service, caller()
    given = _understood([*stated(request), *in_body])
    asked = [pair for pair in given if pair[0] in {"_since", "_type"}]
    here, path = base_url(served), f"Patient/{resource_id}/$everything"
    listing = pages.Pages(f"{here}/{path}", f"{served}/{path}", given, asked, pages.size(given))
    begin, count = listing.begin(), listing.count
    patient = find.read(service, who, served, "Patient", resource_id)
    matches: list[Found] = [] if begin else [patient]
    along: list[Found] = []
    is_all = True
    at: Sequence[str] | None = begin or [MAPPED[0]]
    wanted = _criteria(resource_id, asked)
    while at is not None and len(matches) < count:
        type_, *after = at
        page = find.search(service, who, served, type_, wanted, count - len(matches), after, home_url())
        matches += page.entries
        along += page.along
        is_all = is_all and page.is_all_along
        at = [type_, *page.after] if page.after is not None else _next(type_)
    types = _types(asked)
    own = {(one.type, one.id) for one in (*matches, patient)}
    infusions = [one for one in matches if one.type in MAPPED]
    further, is_rest = find.named_in(service, who, served, infusions, {*own, *((one.type, one.id) for one in along)})
    beside = {(one.type, one.id): one for one in (*along, *further) if (one.type, one.id) not in own}
    entries = [bundle_entry(here, one, "match") for one in matches if one.type in types or not types]
    entries += [bundle_entry(here, one, "include") for one in beside.values() if one.type in types or not types]
    if not (is_all and is_rest):
        entries.append({"resource": problems.outcome((TOO_MANY,)), "search": {"mode": "outcome"}})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": listing.links(at)}
    if entries:
        bundle["entry"] = entries
    return fhir_reply(bundle, served)


def _next(type_: str) -> list[str] | None:
    following = MAPPED[MAPPED.index(type_) + 1 :]
    return [following[0]] if following else None


def _criteria(resource_id: str, asked: Parameters) -> Parameters:
    since = [("_lastUpdated", f"ge{value}") for name, value in asked if name == "_since"]
    return [("patient", f"Patient/{resource_id}"), ("_include", "*"), ("_include:iterate", "*"), *since]


def _types(asked: Parameters) -> set[str]:
    return {one for name, value in asked if name == "_type" for one in value.split(",")}


def _understood(given: Parameters) -> Parameters:
    known = {*PARAMETERS, *pages.OURS}
    if not preferences(request).lenient and any(name not in known for name, _ in given):
        raise parameter_refusal("", "there is no such parameter", ", ".join(PARAMETERS), "not-supported")
    for name, value in given:
        if name == "_since" and stretch(value) is None:
            raise parameter_refusal(name, "it is not one moment", "YYYY[-MM[-DD[Thh:mm:ss[.sss]Z]]]")
        if name == "_type" and not set(value.split(",")) <= set(SERVED):
            raise parameter_refusal(name, "it names a type that is not served", ", ".join(SERVED))
    return [pair for pair in given if pair[0] in known]
