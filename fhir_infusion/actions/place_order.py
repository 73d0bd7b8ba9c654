"""Place an order that came as our own JSON. The same order twice is one order.

1. Translate it (which checks it). 2. In one transaction: if its ``order_id`` or the client's key came before with the
same body, answer with the current state; with another body, refuse; else write version 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.actions import repeated, transact
from fhir_infusion.actions.transact import HOME, Json, Made, Outcome, Part
from fhir_infusion.store import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

TYPE = "MedicationRequest"


def place(service: Service, caller: Caller, record: Json, overlay: str | None = None) -> Outcome:
    """Place an order.

    Raises:
        Refused: it is not right; 422 its order_id or key came with another body before.
        Unavailable: it is not stored.
    """
    return outcome_of(
        repeated.once(service, caller, repeated.MADE, lambda run: run(_placing(service, caller, record, overlay)))
    )


def _placing(service: Service, caller: Caller, record: Json, overlay: str | None) -> Callable[[Tx], Made]:
    record = transact.named(record, TYPE)
    body_hash = text.digest(record)
    record = service.translator.renewed(record, HOME, overlay)
    translated = service.translator.to_fhir(record, HOME, overlay, as_sent=False)
    (resource,) = translated.results
    part = Part(service.new_id(), HOME, resource, service.translator.settled(record, HOME, overlay))

    def work(tx: Tx) -> Made:
        earlier = transact.earlier_effect(service, tx, TYPE, record, body_hash)
        if earlier is not None:
            return Made(earlier, created=False, findings=translated.told)
        made = transact.write(service, tx, caller, TYPE, part)
        transact.keep_key(service, tx, TYPE, record, body_hash, made)
        return Made(made, created=True, findings=translated.told)

    return work


def outcome_of(made: Made) -> Outcome:
    """Return what is answered for a version of an order."""
    stored = made.stored
    return Outcome(
        made.created,
        stored.type,
        stored.id,
        stored.version,
        stored.last_updated,
        stored.release,
        stored.text,
        lambda: text.read(stored.record),
        made.findings,
    )
