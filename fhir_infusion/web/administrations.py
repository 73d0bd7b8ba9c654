"""``/api/administrations``: administrations in our own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

from fhir_infusion.actions import find as stored
from fhir_infusion.actions import record_administration
from fhir_infusion.records.ingredients_given import as_json, ingredients_given
from fhir_infusion.web import ours
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response

KIND: Final = ours.Kind(
    record="Administration",
    fhir_type="MedicationAdministration",
    path="/api/administrations",
    filters={
        "administration_id": "The identifier that the sender gave the administration.",
        "order": "The order that was carried out: a reference, or an identifier (system|value).",
    },
    place=record_administration.place,
    amend=record_administration.amend,
)


def post() -> Response:
    """Record an administration."""
    return ours.post(KIND)


def find() -> Response:
    """List administrations."""
    return ours.find_all(KIND)


def get(resource_id: str) -> Response:
    """Read an administration."""
    return ours.get(KIND, resource_id)


def amounts(resource_id: str) -> Response:
    """Compute what was given of each ingredient: derived from the record, which does not hold it.

    ``{id, version, amounts: [{path, drug, amount, exact, how}], not_computed: [{path, drug, reason}]}``
    """
    check_accept(request, None)
    found = stored.record(web().service, caller(), KIND.fhir_type, resource_id)
    body = {"id": found.id, "version": str(found.version), **as_json(ingredients_given(found.record))}
    return json_reply(body)


def resolved(resource_id: str) -> Response:
    """Read an administration with what its references lead to."""
    return ours.get_resolved(KIND, resource_id)


def put(resource_id: str) -> Response:
    """Change an administration."""
    return ours.put(KIND, resource_id)
