"""What the statuses of orders and administrations mean, said once for all who ask. Pure.

The life of a request and of an event: https://hl7.org/fhir/R4/request.html#statemachine and
https://hl7.org/fhir/R4/event.html#statemachine.
"""

from __future__ import annotations

from typing import Final

ERROR: Final = "entered-in-error"

STOPS: Final = frozenset({"stopped", "cancelled", "ended", ERROR})
"""States that other servers must learn before anything else."""

ENDED: Final = frozenset({"completed", "not-done"}) | STOPS
"""States of what nobody acts upon any more; of ``unknown`` nobody can say."""

NOT_GIVEN: Final = frozenset({ERROR, "not-done"})
"""States of an administration that hold for each of its segments, and of which no dose counts."""
