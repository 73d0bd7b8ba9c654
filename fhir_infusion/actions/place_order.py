"""Place an order that came as our own JSON. The same order twice is one order.

1. Translate it (which checks it). 2. In one transaction: if its ``order_id`` or the client's key came before with the
same body, answer with the current state; with another body, refuse; else write version 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.actions import transact
from fhir_infusion.actions.transact import HOME, Json, Outcome, Part
from fhir_infusion.store import text

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.errors import Issue
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

TYPE = "MedicationRequest"


def place(service: Service, caller: Caller, record: Json, overlay: str | None = None) -> Outcome:
    """Place an order.

    Raises:
        Refused: it is not right; 422 its order_id or key came with another body before.
        Unavailable: it is not stored.
    """
    record = transact.named(record, TYPE)
    body_hash = text.digest(record)
    record = service.translator.renewed(record, HOME, overlay)
    translated = service.translator.to_fhir(record, HOME, overlay, as_sent=False)
    (resource,) = translated.results
    part = Part(service.new_id(), HOME, resource, service.translator.settled(record, HOME, overlay))

    def work(tx: Tx) -> tuple[bool, Stored]:
        earlier = transact.earlier_effect(service, tx, caller, TYPE, record, body_hash)
        if earlier is not None:
            return False, earlier
        made = transact.write(service, tx, caller, TYPE, part)
        transact.keep_keys(service, tx, caller, TYPE, record, body_hash, made)
        return True, made

    created, stored = service.store.transact(caller.tenant, work)
    return outcome_of(stored, created=created, findings=translated.told)


def outcome_of(stored: Stored, *, created: bool, findings: tuple[Issue, ...]) -> Outcome:
    """Return what is answered for a version of an order."""
    return Outcome(
        created,
        stored.type,
        stored.id,
        stored.version,
        stored.last_updated,
        stored.release,
        stored.text,
        lambda: text.read(stored.record),
        findings,
    )
