"""``Patient/…/$everything``: https://hl7.org/fhir/R4/patient-operation-everything.html.

Everything about the infusions of a patient: the Patient, the orders and what was given of them as matches, and with
these whatever they refer to as includes. Page by page; what several of them refer to stands on the page of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import find
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.web import paging
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.fhir.common import base_url, release_of
from fhir_infusion.web.fhir.search import bundle_entry, bundle_link
from fhir_infusion.web.negotiation import check_accept, preferences
from fhir_infusion.web.parameters import page_size, stated
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response

    from fhir_infusion.actions.find import Found
    from fhir_infusion.web.parameters import Parameters

PARAMETERS: Final = ("_since", "_type", "_count")
_KNOWN: Final = (*PARAMETERS, "_format", "_pretty", paging.PARAMETER)


def get(release: str, resource_id: str) -> Response:
    """Return a page of everything."""
    served = release_of(release)
    check_accept(request, served)
    service, who = web().service, caller()
    given = _understood()
    count = page_size("_count", [value for name, value in given if name == "_count"])
    asked = [pair for pair in given if pair[0] in {"_since", "_type"}]
    here = base_url(served)
    address = f"{here}/Patient/{resource_id}/$everything"
    bound_to = [("", f"{served}/Patient/{resource_id}/$everything"), *asked]
    tokens = [value for name, value in given if name == paging.PARAMETER]
    begin = paging.open_token(service.store.secret, who.tenant, bound_to, tokens[-1]) if tokens else []
    patient = find.read(service, who, served, "Patient", resource_id)
    matches: list[Found] = [] if begin else [patient]
    along: list[Found] = []
    at: Sequence[str] | None = begin or [MAPPED[0]]
    wanted = _criteria(resource_id, asked)
    while at is not None and len(matches) < count:
        type_, *after = at
        page = find.search(service, who, served, type_, wanted, count - len(matches), after, home_url())
        matches += page.entries
        along += page.along
        at = [type_, *page.after] if page.after is not None else _next(type_)
    links = [bundle_link("self", address, [*asked, ("_count", str(count)), *((paging.PARAMETER, t) for t in tokens)])]
    if at is not None:
        token = paging.sign(service.store.secret, who.tenant, bound_to, at)
        links.append(bundle_link("next", address, [*asked, ("_count", str(count)), (paging.PARAMETER, token)]))
    types = _types(asked)
    own = {(one.type, one.id) for one in (*matches, patient)}
    beside = {(one.type, one.id): one for one in along if (one.type, one.id) not in own}
    entries = [bundle_entry(here, one, "match") for one in matches if one.type in types or not types]
    entries += [bundle_entry(here, one, "include") for one in beside.values() if one.type in types or not types]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
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


def _understood() -> Parameters:
    given = stated(request)
    if not preferences(request).lenient and any(name not in _KNOWN for name, _ in given):
        raise parameter_refusal("", "there is no such parameter", ", ".join(PARAMETERS), "not-supported")
    return [pair for pair in given if pair[0] in _KNOWN]
