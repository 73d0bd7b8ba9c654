"""What a pharmacist would ask about: findings with both numbers, never a correction and never a refusal.

``findings`` looks at one record that has the right shape, ``findings_between`` at several of one infusion,
``findings_of_order`` at an administration beside its order. All arithmetic is exact; numbers that should be one may
differ by ``amounts.TOLERANCE``, a limit has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.records.administration_findings import administration_findings
from fhir_infusion.records.check import check
from fhir_infusion.records.crowds import crowd_findings, with_few_measurements
from fhir_infusion.records.demand_findings import demands_of_order
from fhir_infusion.records.findings import finding
from fhir_infusion.records.given_findings import given_of_order
from fhir_infusion.records.not_infusions import not_an_infusion
from fhir_infusion.records.order_findings import order_findings
from fhir_infusion.records.place_findings import place_findings
from fhir_infusion.records.record_rules import RULES
from fhir_infusion.records.rules import broken
from fhir_infusion.records.text_findings import text_findings
from fhir_infusion.records.timing_findings import timing_findings
from fhir_infusion.records.unsaid_findings import unsaid_findings
from fhir_infusion.records.vital_signs import vital_sign_findings, with_vital_signs
from fhir_infusion.records.word_findings import word_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_infusion.errors import Issue

__all__ = ["findings", "findings_between", "findings_of_order"]


def findings(record: Mapping[str, Any], *, as_sent: bool = True) -> tuple[Issue, ...]:
    """Return what is doubtful in a record (one that ``check(record, as_sent=True)`` takes), each as a warning.

    That the numbers are given only in words is for information, and no refusal.

    What our own JSON may not hold but was read from FHIR (a unit that is not UCUM, a unit text that contradicts its
    code …) is among them; ``as_sent=False`` saves the look for it where the record passed ``check`` as our own.
    """
    name = record.get("record") or ("InfusionOrder" if "intent" in record else "Administration")
    specific = order_findings if name == "InfusionOrder" else administration_findings
    doubtful = _as_sent(record, name) if as_sent else ()
    signs = tuple(vital_sign_findings(record))
    record = with_vital_signs(record)
    few = with_few_measurements(record)
    words = (*text_findings(few), *word_findings(record), *timing_findings(record), *unsaid_findings(record))
    told = (*specific(record), *not_an_infusion(record), *words, *crowd_findings(record))
    return (*doubtful, *signs, *place_findings(record), *told)


def findings_between(
    records: Sequence[Mapping[str, Any]], addresses: Sequence[str] = ()
) -> tuple[tuple[int, Issue], ...]:
    """Return what is doubtful between administrations: a parent and its child that both carry a dose.

    Each finding stands with the position of the child. ``addresses`` are those by which the records of a Bundle refer
    to each other besides.
    """
    by_name = {address: position for position, address in enumerate(addresses) if address}
    for position, record in enumerate(records):
        by_name |= {record[name]: position for name in ("administration_id", "resource_id") if name in record}
    return tuple(_doubled(records, by_name))


def findings_of_order(order: Mapping[str, Any], administration: Mapping[str, Any]) -> tuple[Issue, ...]:
    """Return what is doubtful in an administration beside its order: its drug, demands, doses, rates."""
    order = with_few_measurements(order)
    return (*demands_of_order(order, administration), *given_of_order(order, administration))


def _doubled(records: Sequence[Mapping[str, Any]], by_name: Mapping[str, int]) -> Iterator[tuple[int, Issue]]:
    reason = "the administration and the one that it is part of both carry a dose: adding them up counts twice"
    for position, record in enumerate(records):
        parents = {_parent(reference, by_name) for reference in record.get("part_of", ())} - {None, position}
        if "dose_given" in record and any("dose_given" in records[at] for at in parents if at is not None):
            yield position, finding("dose_given", reason, "dose-twice")


def _parent(reference: Mapping[str, Any], by_name: Mapping[str, int]) -> int | None:
    literal = reference.get("reference", "")
    type_, _, id_ = literal.partition("/_history/")[0].rpartition("/")
    found = by_name.get(literal)
    if found is None and type_.rpartition("/")[2] == "MedicationAdministration":
        found = by_name.get(id_)
    return by_name.get(reference.get("identifier", {}).get("value", "")) if found is None else found


def _as_sent(record: Mapping[str, Any], name: str) -> Iterator[Issue]:
    if not check(record, name):
        for place, told in broken(record, name, RULES, lambda *_: True, as_sent=False):
            path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
            yield finding(path, str(told), told.rule, told.accepted)
