"""The four verbs of our own JSON interface, the same for orders and administrations.

An answer is ``{id, version, record, findings}``; ``id`` is ``Resource.id``, ours, and unrelated to the sender's
identifier, by which a list can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import find, resolve
from fhir_infusion.actions.formats import to_format
from fhir_infusion.actions.transact import Outcome
from fhir_infusion.records.arithmetic import findings
from fhir_infusion.web import listing
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept, etag, if_match, is_unchanged, refuse_conditions
from fhir_infusion.web.problems import finding
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import json_reply, unchanged_reply, version_headers

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.actions.find import FoundRecord

PARAMETERS: Final[Mapping[str, str]] = {
    "patient": "A reference (Patient/7) or an identifier (system|value).",
    "status": "A status of the record; several separated by commas.",
    "changed_since": "An instant: what changed then or later, oldest change first.",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of our two records: its name and type in FHIR, its address, and the two actions that write it.

    ``filters`` are the parameters of a list besides ``PARAMETERS``.
    """

    record: str
    fhir_type: str
    path: str
    filters: Mapping[str, str]
    place: Callable[..., Outcome]
    amend: Callable[..., Outcome]


CONDITIONS: Final = "an identifier in the record, or an Idempotency-Key, for what is new; If-Match for what is there"


def post(kind: Kind) -> Response:
    """Store a new record: 201; what was stored before from the same body: 200 with the state of now."""
    check_accept(request, None)
    refuse_conditions(request, "If-None-Exist", "If-Match", "If-None-Match", accepted=CONDITIONS)
    record = _record(kind)
    written = kind.place(web().service, with_key(caller(), request, record), record)
    return _written(kind, written)


def put(kind: Kind, resource_id: str) -> Response:
    """Store a new version of a record that was read before."""
    check_accept(request, None)
    refuse_conditions(request, "If-None-Exist", "If-None-Match", accepted=CONDITIONS)
    record = _record(kind)
    asking = with_key(caller(), request, record)
    written = kind.amend(web().service, asking, resource_id, record, if_match(request))
    return _written(kind, written)


def get(kind: Kind, resource_id: str) -> Response:
    """Return a record with its version; with ``format=NAME`` as the JSON of that site, rows as an array."""
    check_accept(request, None)
    name = request.args.get("format")
    found = find.record(web().service, caller(), kind.fhir_type, resource_id)
    if name is not None:
        values = to_format(web().service.translator, name, [{**found.record, "record": kind.record}]).values
        return json_reply(
            values[0] if len(values) == 1 else values, headers=version_headers(found.version, found.last_updated)
        )
    if is_unchanged(request, etag(found.version), found.last_updated):
        return unchanged_reply(found.version)
    return json_reply(_entry(found), headers=version_headers(found.version, found.last_updated))


def get_resolved(kind: Kind, resource_id: str) -> Response:
    """Return a record with what its references lead to: derived, so without a version to change it by.

    ``{id, version, record, findings}``
    """
    check_accept(request, None)
    found = resolve.read(web().service, caller(), kind.fhir_type, resource_id)
    issues = findings(found.record, as_sent=True)
    return json_reply({**_entry(found), "findings": [finding(issue) for issue in issues]})


def find_all(kind: Kind) -> Response:
    """Return a page of the records that meet every parameter, and the address of the next one."""
    check_accept(request, None)
    asked = listing.asked(kind.path, {**kind.filters, **PARAMETERS})
    found = find.records(web().service, caller(), kind.fhir_type, asked.filters, asked.count, asked.after)
    return listing.reply(asked, [_entry(entry) for entry in found.entries], found.after)


def _record(kind: Kind) -> dict[str, Any]:
    record = read_object(request, None, home=home_url())
    if "resourceType" in record:
        reason = "a FHIR resource, where JSON of ours is taken"
        accepted = f"the same at /fhir/r4/{kind.fhir_type}, in R5 at /fhir/r5; or what /api/translate makes of it"
        raise refusal(400, "structure", reason, path="resourceType", accepted=accepted)
    stated = record.setdefault("record", kind.record)
    if stated != kind.record:
        raise refusal(400, "structure", "this address takes another record", path="record", accepted=kind.record)
    return record


def _entry(found: FoundRecord) -> dict[str, Any]:
    return {"id": found.id, "version": str(found.version), "record": found.record}


def _written(kind: Kind, written: Outcome) -> Response:
    body = {
        "id": written.id,
        "version": str(written.version),
        "record": written.record,
        "findings": [finding(issue) for issue in written.findings],
    }
    address = f"{home_url()}{kind.path}/{written.id}"
    headers = version_headers(written.version, written.last_updated, address)
    return json_reply(body, 201 if written.created else 200, headers)
