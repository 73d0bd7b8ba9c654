"""``/api/administrations``: administrations in our own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import record_administration
from fhir_infusion.web import ours

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


def put(resource_id: str) -> Response:
    """Change an administration."""
    return ours.put(KIND, resource_id)
