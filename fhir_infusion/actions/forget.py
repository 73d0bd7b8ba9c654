"""Forget what is kept for a while only: the answers under an ``Idempotency-Key`` that are older than the setting says.

Nothing that was acknowledged goes with them: orders, administrations, their versions, their business identifiers and
the audit trail stay for ever. A request that comes again after that is a new one; an order with a business identifier
is found by that, and is not made twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import audit, idempotency
from fhir_infusion.store.tx import to_ms

if TYPE_CHECKING:
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

AT_ONCE: Final = 1_000
"""Answers in one transaction: others that write wait for a moment only."""
WHO: Final = "housekeeping"
"""The name in the audit trail."""


def answers(service: Service) -> int:
    """Forget the answers that are older than ``answers_days``, of every tenant; return how many.

    Each piece of work leaves a row in the audit trail of its tenant, with the number.

    Raises:
        Unavailable: the store cannot serve now; what was forgotten before stays forgotten.
    """
    before = to_ms(service.clock() - timedelta(days=service.settings.answers_days))

    def work(tx: Tx) -> int:
        gone = idempotency.forget(tx, before, AT_ONCE)
        if gone:
            audit.write(tx, "answers-forgotten", WHO, detail=str(gone))
        return gone

    forgotten = 0
    for tenant in service.store.read("", lambda tx: idempotency.tenants_with_old(tx, before)):
        while gone := service.store.transact(tenant, work):
            forgotten += gone
    return forgotten
