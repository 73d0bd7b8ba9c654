"""History of a resource, of a type and of everything: https://hl7.org/fhir/http.html#history.

Newest first, deletions among them (an entry without resource). What cannot be said in this release stands at its place
with the reasons as ``response.outcome``. ``_since`` and ``_at`` narrow it down; a page continues at the next link,
which carries a signed key, so that what changes meanwhile is neither skipped nor repeated. ``_summary`` and
``_elements`` hold for each version, as for a read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from flask import request

from fhir_infusion.actions import history
from fhir_infusion.fhir import shape
from fhir_infusion.fhir.dates import Stretch, stretch
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.store.history import Of
from fhir_infusion.store.tx import instant, to_ms
from fhir_infusion.web import problems
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir import pages
from fhir_infusion.web.fhir.common import base_url, known_type, release_of, shaped
from fhir_infusion.web.negotiation import check_accept, etag
from fhir_infusion.web.parameters import Parameters, stated
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.history import Event
    from fhir_infusion.config import Release

_NARROWING: Final = ("_since", "_at")
_NEWEST_FIRST: Final = "-_lastUpdated"


def of_resource(release: str, fhir_type: str, resource_id: str) -> Response:
    """Return the history of one resource, which may be deleted by now."""
    return _answer(release_of(release), known_type(fhir_type), resource_id)


def of_type(release: str, fhir_type: str) -> Response:
    """Return the history of all resources of a type."""
    return _answer(release_of(release), known_type(fhir_type))


def of_all(release: str) -> Response:
    """Return the history of everything."""
    return _answer(release_of(release))


def _answer(release: Release, fhir_type: str = "", resource_id: str = "") -> Response:
    check_accept(request, release)
    asked = stated(request)
    _refuse_unknown(asked)
    narrowing = [pair for pair in asked if pair[0] in _NARROWING]
    shaping = [pair for pair in asked if pair[0] in shape.PARAMETERS]
    wanted = _shape(release, fhir_type, shaping)
    path = "/".join(part for part in (fhir_type, resource_id, "_history") if part)
    base = base_url(release)
    listing = pages.Pages(f"{base}/{path}", f"{release}/{path}", asked, narrowing + shaping, pages.size(asked))
    before = map(int, listing.begin())
    since, at = _stretch("_since", narrowing), _stretch("_at", narrowing)
    of = Of(fhir_type, resource_id, since.start if since else None, at)
    found = history.page(web().service, caller(), release, of, listing.count, *before)
    links = listing.links(None if found.before is None else [str(found.before)])
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "history", "link": links}
    if found.events:
        bundle["entry"] = [_entry(base, event, release, wanted) for event in found.events]
    return fhir_reply(bundle, release)


def _shape(release: Release, fhir_type: str, asked: Parameters) -> shape.Shape:
    """Return how much of each version is asked for; elements are named of one type.

    Raises:
        Refused: 400, it is not offered.
    """
    if not fhir_type and any(name == "_elements" for name, _ in asked):
        accepted = "_summary, or the history of one type"
        raise parameter_refusal("_elements", "elements are those of one type", accepted, "not-supported")
    found = shape.parse(fhir_type or MAPPED[0], release, asked)
    if found.summary == "count":
        raise parameter_refusal("_summary", "a history is not counted", "true, text, data, false")
    return found


def _entry(base: str, event: Event, release: Release, wanted: shape.Shape) -> dict[str, Any]:
    """Return the entry of one version; https://hl7.org/fhir/bundle.html#history."""
    place = f"{event.type}/{event.id}"
    # Under whose id it was created is not kept: the first version stands as a create.
    method = "DELETE" if event.deleted else "POST" if event.version == 1 else "PUT"
    status = "204" if event.deleted else "201" if event.is_new else "200"
    response: dict[str, Any] = {
        "status": "406" if event.unsaid else status,
        "etag": etag(event.version),
        "lastModified": instant(to_ms(event.last_updated)),
    }
    entry: dict[str, Any] = {"fullUrl": f"{base}/{place}"}
    if event.text:
        entry["resource"] = cast("Any", msgspec.Raw(shaped(event.text, release, wanted)))
    if event.unsaid:
        response["outcome"] = problems.outcome(event.unsaid)
    entry["request"] = {"method": method, "url": event.type if method == "POST" else place}
    return {**entry, "response": response}


def _refuse_unknown(asked: Parameters) -> None:
    for name, value in asked:
        if name not in {*_NARROWING, *shape.PARAMETERS, *pages.OURS, "_sort"}:
            accepted = ", ".join((*_NARROWING, "_count", *shape.PARAMETERS))
            raise parameter_refusal("", "a history has no such parameter", accepted, "not-supported")
        if name == "_sort" and value != _NEWEST_FIRST:
            raise parameter_refusal(name, "a history is given newest first", _NEWEST_FIRST, "not-supported")


def _stretch(name: str, asked: Parameters) -> Stretch | None:
    """Return the stretch of time that a parameter names, None where it is not asked for."""
    values = [value for given, value in asked if given == name]
    if not values:
        return None
    found = stretch(values[0]) if len(values) == 1 else None
    if found is None:
        accepted = "one moment: YYYY[-MM[-DD[Thh:mm:ss[.sss]Z]]]"
        raise parameter_refusal(name, "it is not one moment", accepted)
    return found
