"""The four verbs of our own JSON interface, the same for orders and administrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import request

from fhir_infusion.actions import find
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.idempotency import idempotency_key
from fhir_infusion.web.negotiation import check_accept, etag, if_match, is_unchanged
from fhir_infusion.web.problems import finding
from fhir_infusion.web.refusals import header_refusal, parameter_refusal, refusal
from fhir_infusion.web.replies import json_reply, unchanged_reply, version_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from fhir_infusion.actions.find import Entry, Written


@dataclass(frozen=True, slots=True)
class Kind:
    """One of our two records: its name, its address, its business identifier, and the two actions that write it."""

    record: str
    path: str
    identifier: str
    place: Callable[..., Written]
    replace: Callable[..., Written]
    fhir_type: str


def post(kind: Kind) -> Response:
    """Store a new record: 201; what was stored before from the same body: 200."""
    check_accept(request, None)
    record = _record(kind)
    written = kind.place(web().service, caller(), record, idempotency_key=idempotency_key(request))
    headers = version_headers(written.entry.version, written.entry.changed_at, _address(kind, written.entry))
    return json_reply(_written(written), 201 if written.created else 200, headers)
