"""A search of what is few and at hand whole: subscriptions, topics and definitions.

https://hl7.org/fhir/http.html#search. Each parameter is a token or uri; commas part alternatives, and all parameters
must hold. A page continues behind an id that the next link carries, signed and bound to tenant and query, as in every
search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import request

from fhir_infusion.web.fhir import pages
from fhir_infusion.web.fhir.common import base_url
from fhir_infusion.web.fhir.search import form
from fhir_infusion.web.negotiation import check_accept, preferences
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.config import Release
    from fhir_infusion.web.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Listed:
    """One resource, and the values that it has of each parameter."""

    id: str
    resource: dict[str, Any]
    values: Mapping[str, AbstractSet[str]]


def answer(release: Release, type_: str, names: Sequence[str], known: Sequence[Listed]) -> Response:
    """Return a page of those that meet what is asked for, in the order of their ids.

    Args:
        release: in which they are said.
        type_: of all of them.
        names: the parameters that there are.
        known: all that may be told to the caller.

    Raises:
        Refused: 400, a parameter is not known, or the page is not of this search.
    """
    in_body = form(request) if request.method == "POST" else []
    check_accept(request, release, in_body)
    given = stated(request, in_body)
    asked = _understood(names, [pair for pair in given if pair[0] not in pages.OURS])
    here = f"{base_url(release)}/{type_}"
    listing = pages.Pages(here, f"{release}/{type_}", given, asked, pages.size(given, none=True))
    after = listing.begin()
    found = sorted((one for one in known if meets(one.values, asked)), key=lambda one: one.id)
    rest = [one for one in found if not after or one.id > after[0]]
    page = rest[: listing.count]
    links = listing.links([page[-1].id] if page and len(rest) > len(page) else None)
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
    if page:
        bundle["entry"] = [
            {"fullUrl": f"{here}/{one.id}", "resource": one.resource, "search": {"mode": "match"}} for one in page
        ]
    return fhir_reply(bundle, release, in_body=in_body)


def criteria(names: Sequence[str], asked: Parameters) -> Parameters:
    """Return parameters that find one of what is listed, read strictly: none is passed over.

    Raises:
        Refused: 400, one is not known, or says nothing.
    """
    for name, value in asked:
        if name not in names:
            raise parameter_refusal("", "there is no such parameter", ", ".join(names), "not-supported")
        if not all(value.split(",")):
            raise parameter_refusal(name, "it has no value", "a value, or several with commas between them")
    return asked


def meets(values: Mapping[str, AbstractSet[str]], asked: Parameters) -> bool:
    """Say whether what has these values meets every parameter."""
    return all(not values[name].isdisjoint(value.split(",")) for name, value in asked)


def _understood(names: Sequence[str], asked: Parameters) -> Parameters:
    if not preferences(request).lenient and any(name not in names for name, _ in asked):
        raise parameter_refusal("", "there is no such parameter", ", ".join(names), "not-supported")
    return [pair for pair in asked if pair[0] in names]
