"""More doses in one step, or measurements of one patient, than any order has: compared with each other up to a number.

Each is compared with each, so a record of thousands, which nobody wrote for a patient, would take minutes. What is not
compared is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.findings import finding

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

MOST: Final = 20
"""So many doses of one step, and measurements of one record, are compared with each other."""


def crowd_findings(record: Part) -> Iterator[Issue]:
    """Yield where a step has more doses, or a record more measurements, than are compared with each other."""
    if len(record.get("measurements", ())) > MOST:
        yield _told("measurements", "measurements")
    for at, step in enumerate(record.get("steps", ())):
        if len(step.get("dosings", ())) > MOST:
            yield _told(f"steps[{at}].dosings", "doses and rates of one step")


def _told(path: str, what: str) -> Issue:
    reason = f"only the first {MOST} {what} are compared with each other"
    return finding(f"{path}[{MOST}]", reason, "not-compared", f"{MOST} or fewer")


def with_few_measurements(record: Part) -> Part:
    """Return a record with no more measurements than doses are compared with."""
    measurements = record.get("measurements", ())
    return {**record, "measurements": measurements[:MOST]} if len(measurements) > MOST else record


def with_few_doses(step: Part) -> Part:
    """Return a step with no more doses and rates than are compared with each other."""
    dosings = step.get("dosings", ())
    return {**step, "dosings": dosings[:MOST]} if len(dosings) > MOST else step
