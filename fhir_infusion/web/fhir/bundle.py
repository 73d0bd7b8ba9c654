"""Batch and transaction: https://hl7.org/fhir/R4/http.html#transaction.

Each entry is a request of its own, with every rule of its interaction. In a *batch* each stands or falls alone. A
*transaction* is one piece of work of the store: 1. each entry that writes gets its id, 2. references between entries
are replaced, 3. the entries are done in the order of the standard, each seeing what those before it did, 4. all of it
is kept, or none: the first that is refused undoes the others, and its reasons are the answer.

What is sent again has its effect once under an ``Idempotency-Key``: a transaction as a whole, a batch entry by entry,
so that one that was cut short is completed. Without a key a transaction has so where it creates an order or
administration with a business identifier; else what it creates needs ``ifNoneExist``.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from flask import request

from fhir_infusion.actions import accept_resource, do_together, repeated
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import bundle as asking
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.store.tx import instant, to_ms
from fhir_infusion.web import bodies, problems
from fhir_infusion.web.context import caller, correlation_id, home_url, web
from fhir_infusion.web.fhir.common import base_url, release_of
from fhir_infusion.web.fhir.inner import answer, outer
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, etag, preferences, refuse_conditions
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask import Response

    from fhir_infusion.actions.transact import Outcome
    from fhir_infusion.fhir.bundle import Asked
    from fhir_infusion.service import Service
    from fhir_infusion.web.fhir.inner import Outer

MOST_BYTES: Final = fhir_json.LIMITS.bundle

MOST_TOLD: Final = 64 * 1024 * 1024
"""Bytes of answers after which a Bundle reads no more: a thousand entries may ask for a thousand pages."""


def post(release: str) -> Response:
    """Do what the entries of a Bundle ask for."""
    served = release_of(release)
    check_accept(request, served)
    refuse_conditions(request, "If-None-Exist", "If-Match", "If-None-Match")
    bundle, faults = bodies.read_bundle(request, served, MOST_BYTES)
    kind = asking.read_kind(bundle)
    who = with_key(caller(), request, bundle)
    within = outer(f"/fhir/{release}", who.key)
    entries: list[Any] = bundle.get("entry", [])
    home, room, unnamed = base_url(served), Room(), asking.unnamed(entries)
    if kind == "transaction":
        asked = [asking.read_entry(entry, place, kind, served, home) for place, entry in enumerate(entries)]

        bare, is_short = caller(), 0 <= (request.content_length or -1) <= bodies.MOST_BYTES
        makes_plainly = is_short and (not within.prefer or preferences(request).body == "minimal")

        def run(one: Asked, service: Service) -> dict[str, Any]:
            asking.refuse_unnamed(one, unnamed)
            if makes_plainly and _is_plain(one):
                return _made(accept_resource.create(service, bare, served, cast("dict[str, Any]", one.body)))
            room.demand(one)
            return room.taken(one, *answer(within, one, service), home)

        answers = do_together.transaction(web().service, who, served, bundle, asked, run, home_url())
    else:
        repeated.begin(web().service, who)
        names = {str(one.get("fullUrl", "")) for one in entries if isinstance(one, dict)}
        urns = {name for name in names if name.startswith("urn:")}

        def read(entry: Any, place: int) -> Asked:
            if place in faults:
                raise Refused(*faults[place])
            one = asking.apart(asking.read_entry(entry, place, "batch", served, home), urns)
            asking.refuse_unnamed(one, unnamed)
            return one

        answers = [_alone(within, partial(read, entry, place), room, home) for place, entry in enumerate(entries)]
    reply: dict[str, Any] = {"resourceType": "Bundle", "type": f"{kind}-response"}
    if answers:
        reply["entry"] = answers
    return fhir_reply(reply, served)


class Room:
    """How much the answers of a Bundle may still hold together. What changes something is always told of."""

    def __init__(self) -> None:
        """Begin with all of it."""
        self._left = MOST_TOLD

    def demand(self, asked: Asked) -> None:
        """Refuse (413) to read on where there is no room left."""
        if asked.method == "GET" and self._left <= 0:
            reason = "the answers of this Bundle are too large together"
            raise refusal(413, "too-costly", reason, accepted=f"{MOST_TOLD} bytes; the rest in a Bundle of its own")

    def taken(self, asked: Asked, reply: Response, changed_at: datetime | None, home: str) -> dict[str, Any]:
        """Return the entry that tells of a reply, which takes its room.

        That to HEAD is the reply to GET without its resource (https://hl7.org/fhir/R4/http.html#head).
        """
        entry = told(reply, changed_at, home)
        if asked.method != "HEAD":
            self._left -= reply.calculate_content_length() or 0
        else:
            entry.pop("resource", None)
        return entry


def _alone(within: Outer, read: Callable[[], Asked], room: Room, home: str) -> dict[str, Any]:
    """Return the answer to an entry of a batch, whatever becomes of it."""
    try:
        asked = read()
        room.demand(asked)
        return room.taken(asked, *answer(within, asked), home)
    except Exception as error:  # one bad entry is told of at its place and keeps no other from being done
        if not problems.is_expected(error):
            raise
        found = problems.problem(error, correlation_id())
        return {"response": {"status": _status(found.status), "outcome": problems.outcome(found.issues)}}


def _is_plain(one: Asked) -> bool:
    """Say whether an entry creates and says nothing else, of which its route would have to make something.

    Its body was read and the caller asked who it is with the Bundle, so that the route has nothing left to do but the
    create itself; going there all the same took an eighth of the time of a transaction.
    """
    is_create = one.method == "POST" and one.path in SERVED and not one.query and not one.conditions
    return is_create and isinstance(one.body, dict) and one.body.get("resourceType") == one.path


def _made(written: Outcome) -> dict[str, Any]:
    """Return the entry that tells of a create, as ``told`` does of the reply to one where no body is asked for."""
    response: dict[str, Any] = {
        "status": _status(201 if written.created else 200),
        "location": f"{written.type}/{written.id}/_history/{written.version}",
        "etag": etag(written.version),
        "lastModified": instant(to_ms(written.last_updated)),
    }
    if not written.text:
        response["outcome"] = problems.outcome(written.findings)
    return {"response": response}


def told(reply: Response, changed_at: datetime | None, home: str) -> dict[str, Any]:
    """Return the entry that tells of a reply: its status, where the version lies and since when, and its body."""
    response: dict[str, Any] = {"status": _status(reply.status_code)}
    location = reply.headers.get("Location", "").removeprefix(f"{home}/")
    if location:
        response["location"] = location
    if "ETag" in reply.headers:
        response["etag"] = reply.headers["ETag"]
    if changed_at is not None:
        # "This has to match the same time in the meta header", https://hl7.org/fhir/R4/bundle-definitions.html.
        response["lastModified"] = instant(to_ms(changed_at))
    body = reply.get_data()
    if not body:
        return {"response": response}
    raw = cast("Any", msgspec.Raw(body))
    if body.startswith(_OUTCOME):
        return {"response": {**response, "outcome": raw}}
    return {"resource": raw, "response": response}


_OUTCOME: Final = b'{"resourceType":"OperationOutcome"'


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
