"""What must hold between documents: names that are used, defaults that exist, guards that no change takes away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fhir_infusion.mapping.complaints import near
from fhir_infusion.mapping.document import Mark, Table
from fhir_infusion.records import pauses
from fhir_infusion.records.fields import table as field_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fhir_infusion.mapping.plan import Plan
    from fhir_infusion.mapping.types import Element

DEFAULTS: Final = ("representation",)
"""The fields of an administration that ``defaults`` may set."""

READINGS: Final = (pauses.READING,)
"""What ``readings`` may ask for: what a guide says that several elements mean together."""

PROTECTED: Final[Mapping[str, frozenset[str]]] = {
    "InfusionOrder": frozenset(
        {"status", "doNotPerform", "medicationCodeableConcept", "medicationReference", "medication", "subject"}
        | {"dosageInstruction"}
    ),
    "Administration": frozenset(
        {"status", "medicationCodeableConcept", "medicationReference", "medication", "subject", "dosage"}
    ),
}
"""By record type, the members that hold subject, drug, dose, rate, unit, route, timing, limits and status.

A release has only some of them.
"""


@dataclass(slots=True)
class Names:
    """The systems that documents declare, by place, those beside each, and whether any document uses it."""

    beside: dict[tuple[Mark, str], set[str]] = field(default_factory=dict)
    used: set[tuple[Mark, str]] = field(default_factory=set)

    def note(self, tables: Iterable[Table], used: frozenset[str]) -> None:
        """Take in the systems that one document declares or takes over, and the names that it used."""
        for one in tables:
            systems = one.get("systems") or Table()
            for name in systems:
                place = systems.marks[name], name
                self.beside.setdefault(place, set()).update(systems.keys() - {name})
                if name in used:
                    self.used.add(place)

    def complaints(self) -> list[str]:
        """Return a complaint for each name that nothing uses."""
        return [
            f"{mark}: nothing uses the system '{name}'; accepted: {near(name, others)}, or no such line"
            for (mark, name), others in self.beside.items()
            if (mark, name) not in self.used
        ]


def wrong_defaults(table: Table) -> list[str]:
    """Return a complaint for each default that is no such field, or has a value that the field cannot have."""
    defaults = table.get("defaults") or Table()
    found = []
    for name, value in defaults.items():
        mark = defaults.marks[name]
        if name not in DEFAULTS:
            found.append(f"{mark}: '{name}' is no default; accepted: {near(name, DEFAULTS)}")
            continue
        codes = field_table()["Administration"][name].codes
        if value not in codes:
            found.append(f"{mark}: '{value}' is not a code of {name}; accepted: {near(str(value), codes)}")
    return found


def wrong_readings(table: Table) -> list[str]:
    """Return a complaint for each reading that there is not."""
    return [
        f"{table.marks['readings']}: '{name}' is no reading; accepted: {near(str(name), READINGS)}"
        for name in table.get("readings") or ()
        if name not in READINGS
    ]


def wrong_overlay_name(file: str, table: Table) -> list[str]:
    """Return a complaint where an overlay is asked for by another name than that of its file."""
    stem = file.rpartition("/")[2].removesuffix(".yaml")
    if table["overlay"] == stem:
        return []
    return [f"{table.marks['overlay']}: the overlay of this file is named as the file; accepted: {stem}"]


def unguarded(content: Table, plan: Plan, base: Plan | None, members: Mapping[str, Element]) -> list[str]:
    """Return a complaint where a document takes guarded members out of ``mapped-or-refused``.

    ``base`` is the plan of what it changes. A member that the release does not have needs no guard.
    """
    needed = PROTECTED.get(plan.internal_type, frozenset()) | (base.guarded if base is not None else frozenset())
    mark = content.marks.get("mapped-or-refused", content.mark)
    lost = ", ".join(sorted((needed & members.keys()) - plan.guarded))
    what = "what the pairs do not take of these could change what the patient gets"
    return [f"{mark}: `mapped-or-refused` may be added to only; it lacks {lost}: {what}"] if lost else []
