"""Amend an order that came, or comes now, as our own JSON.

1. Compare If-Match with the version that is there. 2. Translate. 3. Refuse what an order may not become: another
patient's, another order_id, alive again. 4. Write the next version, unless somebody was faster. An amendment that
changes nothing makes no version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.actions import matching, repeated, rules, transact
from fhir_infusion.actions.place_order import TYPE, outcome_of
from fhir_infusion.actions.transact import Json, Made, Outcome, Part
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx


def amend(
    service: Service, caller: Caller, id: str, record: Json, if_match: str | None, overlay: str | None = None
) -> Outcome:
    """Amend an order.

    Raises:
        Refused: it is not right; 404 there is no such order; 400 If-Match is missing; 412 it is stale; 422 the order
            may not become this.
        Unavailable: it is not stored.
    """

    def begun() -> Callable[[Tx], Made]:
        return _amending(service, caller, id, record, if_match, overlay)

    made = repeated.once(service, caller, repeated.MADE, lambda run: matching.unless_moved(run, begun, if_match))
    return outcome_of(made)


def _amending(
    service: Service, caller: Caller, id: str, record: Json, if_match: str | None, overlay: str | None
) -> Callable[[Tx], Made]:
    found = service.store.read(caller.tenant, lambda tx: versions.current(tx, TYPE, id))
    before = transact.known(found, TYPE)
    transact.refuse_unless_current(before, if_match, required=True)
    # In the release in which it stands: what only that one can say would be lost in another.
    record = service.translator.renewed(transact.named(record, TYPE), before.release, overlay)
    earlier = text.read(before.record)
    as_sent = rules.is_as_before(earlier, record)
    translated = service.translator.to_fhir(record, before.release, overlay, as_sent=as_sent)
    (resource,) = translated.results
    refuse_change(earlier, record, may_vanish=False)
    record = service.translator.settled(record, before.release, overlay)
    part = Part(id, before.release, resource, record, before)
    if transact.unchanged(before, part) and text.digest(earlier) == text.digest(record):
        return lambda _: Made(before, created=False, findings=translated.told)
    return lambda tx: Made(transact.write(service, tx, caller, TYPE, part), created=False, findings=translated.told)


def refuse_change(before: Json, after: Json, *, may_vanish: bool) -> None:
    """Refuse what an order may not become.

    Raises:
        Refused: 422.
    """
    rules.refuse_other_identity("order_id", before.get("order_id"), after.get("order_id"), may_vanish=may_vanish)
    rules.refuse_other_patient(before, after)
    rules.refuse_transition(str(before.get("status")), str(after.get("status")))
