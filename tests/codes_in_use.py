"""The codes that the project uses: each pair of a system and a code, where it stands, and the names given to it there.

What is looked through: the code tables and documents of ``mappings/``, the definitions of ``profiles/``, the golden
folders, the examples of the workbench and of the manuals, the closed lists of the record, and the codes that
``fhir_infusion/`` itself knows. Systems below example.org are invented and have no publisher.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from ucumvert.parser import get_ucum_parser

from fhir_infusion.fhir import subset
from fhir_infusion.records import (
    fields,
    not_infusions,
    timing_findings,
    units,
    value_rules,
    vital_signs,
    word_findings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
OURS: Final = "https://w3id.org/fhir-infusion/CodeSystem/"
INVENTED: Final = re.compile(r"https://([a-z.]+\.)?example\.org/")
UCUM: Final = units.UCUM
_THO: Final = "http://terminology.hl7.org/CodeSystem/"
_FHIR: Final = "http://hl7.org/fhir/"

CLOSED: Final = {
    # The systems that the closed lists of the record are from, by record type and field.
    "InfusionOrder.status": _FHIR + "CodeSystem/medicationrequest-status",
    "InfusionOrder.intent": _FHIR + "CodeSystem/medicationrequest-intent",
    "InfusionOrder.priority": _FHIR + "request-priority",
    "InfusionOrder.care_setting": OURS + "care-setting",
    "InfusionOrder.infusion_type": OURS + "infusion-type",
    "Administration.status": _THO + "medication-admin-status",
    "Administration.care_setting": OURS + "care-setting",
    "Identifier.use": _FHIR + "identifier-use",
    "Group.relation": OURS + "group-relation",
    "Preparation.status": _FHIR + "CodeSystem/medication-status",
    "Patient.sex": _FHIR + "administrative-gender",
    "Measurement.kind": OURS + "measurement-kind",
    "Step.role": OURS + "step-role",
    "Quantity.comparator": _FHIR + "quantity-comparator",
    "Segment.event": OURS + "segment-event",
    "Reaction.severity": _FHIR + "reaction-event-severity",
    "Ingredient.role": OURS + "ingredient-role",
    "Timing.period_unit": UCUM,
    "Timing.days_of_week": _FHIR + "days-of-week",
    "Dosing.basis": _THO + "dose-rate-type",
    "Dosing.calculated_from": OURS + "measurement-kind",
    "Span.unit": UCUM,
}
OF_OUR_JSON: Final = {
    "InfusionOrder.record",
    "Administration.record",
    "Administration.representation",
}
"""Closed lists that never stand in FHIR."""

_WRITTEN: Final = re.compile(r'"system":\s*"([^"]+)",\s*"code":\s*"([^"]+)"(?:,\s*"display":\s*"([^"]+)")?')
_AT_SLEEP_OR_MEALS: Final = re.compile("HS|WAKE|[AP]?C[MDV]?")
"""The daily events that FHIR takes from HL7 v3; it defines the others itself."""


@dataclass
class Use:
    """Where a code stands, and the names that it is given there."""

    places: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def in_use() -> dict[tuple[str, str], Use]:
    """Return every pair of system and code with its use; units are codes of UCUM."""
    found: dict[tuple[str, str], Use] = defaultdict(Use)
    for system, code, name, place in (
        *_of_files(),
        *_of_tables(),
        *_of_documents(),
        *_of_the_record(),
        *_of_the_rules(),
    ):
        if not INVENTED.match(system):
            use = found[system, code]
            use.places.add(place)
            use.names.update({name} if name else ())
    return found


Found = tuple[str, str, str, str]
"""System, code, the name given or an empty text, the place."""


def _of_files() -> Iterator[Found]:
    folders = ("tests/golden", "profiles", "fhir_infusion")
    for path in sorted(one for folder in folders for one in (ROOT / folder).rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for found in (*_below(content), *(_units(content) if "record" in content else ())):
            yield (*found, str(path.relative_to(ROOT)))
    for path in sorted(
        one for folder in ("", "mappings", "profiles", "tests/golden") for one in (ROOT / folder).glob("*.md")
    ):
        for system, code, name in _WRITTEN.findall(path.read_text(encoding="utf-8")):
            yield system, code, name, str(path.relative_to(ROOT))


def _below(value: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the codes in a JSON value: codings, quantities of FHIR, concepts of code systems and value sets."""
    if isinstance(value, list):
        for item in value:
            yield from _below(item)
    if not isinstance(value, dict):
        return
    if isinstance(value.get("system"), str):
        if isinstance(value.get("code"), str):
            yield value["system"], value["code"], value.get("display", "")
        yield from _concepts(value["system"], value.get("concept", []))
    if value.get("resourceType") == "CodeSystem":
        yield from _concepts(value["url"], value["concept"])
    for inner in value.values():
        yield from _below(inner)


def _units(value: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the units in a record, where UCUM goes without saying."""
    if isinstance(value, dict) and isinstance(value.get("unit"), str) and "unit_system" not in value:
        yield UCUM, value["unit"], ""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _units(inner)


def _concepts(system: str, concepts: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for concept in concepts:
        yield system, concept["code"], concept.get("display", "")


def _of_tables() -> Iterator[Found]:
    for path in sorted((ROOT / "mappings" / "codes").glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        for side, codes in (("source", table["map"]), ("target", table["map"].values())):
            for code in codes:
                yield table[side], str(code), "", f"mappings/codes/{path.name}"


def _of_documents() -> Iterator[Found]:
    """Yield what the documents fix: the status of what a dose depends on."""
    for path in sorted((ROOT / "mappings").glob("*/*.yaml")):
        for part in (yaml.safe_load(path.read_text(encoding="utf-8")).get("fragments") or {}).values():
            always = part.get("always", {}) if part else {}
            if always.get("resourceType") == "Observation":
                yield _FHIR + "observation-status", always["status"], "", str(path.relative_to(ROOT))


def _of_the_record() -> Iterator[Found]:
    for name, each in fields.table().items():
        for one in each.values():
            place = f"{name}.{one.name}"
            if place not in OF_OUR_JSON:
                for code in one.codes:
                    yield CLOSED[place], code, "", place


def _of_the_rules() -> Iterator[Found]:
    for code in value_rules.EVENT_TIMINGS:
        of_v3 = _AT_SLEEP_OR_MEALS.fullmatch(code)
        yield _THO + "v3-TimingEvent" if of_v3 else _FHIR + "event-timing", code, "", "value_rules"
    for code in timing_findings.SAYS:
        yield timing_findings.ABBREVIATIONS, code, "", "timing_findings"
    for code in vital_signs.KINDS:
        yield vital_signs.LOINC, code, "", "vital_signs"
    for code in word_findings.ROUTES:
        yield not_infusions.SNOMED, code, "", "word_findings"
    for code in not_infusions.NOT_RUN:
        yield not_infusions.SNOMED, code, "", "not_infusions"
    for drug, codes in not_infusions.INJECTED.items():
        for system, code in codes.items():
            yield system, code, "", f"not_infusions: {drug}"
    yield subset.SUBSETTED["system"], subset.SUBSETTED["code"], "", "subset"
    for code in {*units.WORDS.values(), *units.REPAIRS.values()}:
        yield UCUM, code, "", "units"


def atoms(unit: str) -> set[str]:
    """Return the atoms of UCUM that a unit is built of: ``ug/kg/min`` of g and min."""
    tree = get_ucum_parser().parse(unit)
    return {str(part.children[-1]) for part in tree.find_data("simple_unit")} - set("1234567890")


@cache
def rows() -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows of SOURCES.csv by system and code."""
    with (ROOT / "mappings" / "codes" / "SOURCES.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    made = {(row["system|code"].rpartition("|")[0], row["system|code"].rpartition("|")[2]): row for row in found}
    assert len(made) == len(found)
    return made
