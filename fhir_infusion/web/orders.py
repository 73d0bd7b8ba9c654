"""``/api/orders``: infusion orders in our own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import amend_order, place_order
from fhir_infusion.web import ours

if TYPE_CHECKING:
    from flask import Response

KIND: Final = ours.Kind(
    record="InfusionOrder",
    fhir_type="MedicationRequest",
    path="/api/orders",
    filters={"order_id": "The identifier that the sender gave the order."},
    place=place_order.place,
    amend=amend_order.amend,
)


def post() -> Response:
    """Place an order."""
    return ours.post(KIND)


def find() -> Response:
    """List orders."""
    return ours.find_all(KIND)


def get(resource_id: str) -> Response:
    """Read an order."""
    return ours.get(KIND, resource_id)


def resolved(resource_id: str) -> Response:
    """Read an order with what its references lead to."""
    return ours.get_resolved(KIND, resource_id)


def put(resource_id: str) -> Response:
    """Change an order."""
    return ours.put(KIND, resource_id)
