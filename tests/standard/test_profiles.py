"""Each rule of our profiles and each binding of our extensions: a sample that passes and one that fails."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.standard.hl7 import errors
from tests.standard.test_definitions import host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.standard.hl7 import Hl7

pytestmark = [pytest.mark.hl7, pytest.mark.timeout(1800)]

Json = dict[str, Any]

ROOT = Path(__file__).parents[2] / "profiles"
BASE = "https://w3id.org/fhir-infusion/StructureDefinition/"
ORDER, GIVEN = "infusion-order", "infusion-administration"
STEP = "dosageInstruction[0]"
DOSING = f"{STEP}.doseAndRate[0]"


def quantity(value: float, code: str) -> Json:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": code}


def sample(profile: str, release: str) -> Json:
    """Return a resource that obeys a profile."""
    order = profile == ORDER
    concept = {"text": "dobutamine"}
    made: Json = {
        "resourceType": "MedicationRequest" if order else "MedicationAdministration",
        "meta": {"profile": [f"{BASE}{profile}-{release.lower()}"]},
        "identifier": [{"system": "https://example.org/ids", "value": "1"}],
        "status": "active" if order else "completed",
        "subject": {"reference": "Patient/p1"},
        **({"medicationCodeableConcept": concept} if release == "R4" else {"medication": {"concept": concept}}),
    }
    if order:
        dosing = {"doseQuantity": quantity(250, "mg"), "rateQuantity": quantity(5, "mL/h")}
        return {**made, "intent": "order", "dosageInstruction": [{"doseAndRate": [dosing]}]}
    when = "effectiveDateTime" if release == "R4" else "occurenceDateTime"
    dosage = {"dose": quantity(250, "mg"), "rateQuantity": quantity(5, "mL/h")}
    return {**made, when: "2026-03-01T08:00:00Z", "dosage": dosage}


def ratio(amount: Json, time: Json) -> Json:
    return {"numerator": amount, "denominator": time}


_BARE = {"value": 5}
_TEXT_ONLY = {"value": 5, "unit": "mg"}
_MODIFIER = [{"url": "https://example.org/modifier", "valueBoolean": True}]
_IDENTIFIER = {"system": "https://example.org/ids", "value": "1"}

GENERAL = {
    "identifier.min": ("identifier", [_IDENTIFIER, {**_IDENTIFIER, "value": "2"}], None),
    "identifier.system.min": ("identifier", [_IDENTIFIER], [{"value": "1"}]),
    "identifier.value.min": ("identifier", [_IDENTIFIER], [{"system": "https://example.org/ids"}]),
    "modifierExtension.max": ("modifierExtension", None, _MODIFIER),
    "inf-subject": ("subject", {"identifier": _IDENTIFIER}, {"display": "a patient"}),
}
RATES = {
    "inf-rate-unit": ("rateQuantity", quantity(2, "ug/kg/min"), quantity(2, "h")),
    "inf-rate-ratio": (
        "rateRatio",
        ratio(quantity(500, "mL"), quantity(4, "h")),
        ratio(quantity(500, "mL"), quantity(4, "mL")),
    ),
}
RULES: dict[str, dict[str, tuple[str, Any, Any]]] = {
    ORDER: {
        **GENERAL,
        "doNotPerform.fixed": ("doNotPerform", False, True),
        "dosageInstruction.min": ("dosageInstruction", [{"text": "5 mL/h"}], None),
        "dosageInstruction.modifierExtension.max": (f"{STEP}.modifierExtension", None, _MODIFIER),
        "inf-dose-unit": (f"{DOSING}.doseQuantity", quantity(1, "[iU]"), _TEXT_ONLY),
        **{rule: (f"{DOSING}.{name}", good, bad) for rule, (name, good, bad) in RATES.items()},
    },
    GIVEN: {
        **GENERAL,
        "inf-dose-unit": ("dosage.dose", quantity(1, "[iU]"), _TEXT_ONLY),
        **{rule: (f"dosage.{name}", good, bad) for rule, (name, good, bad) in RATES.items()},
        "inf-not-done": ("dosage", None, {"dose": quantity(250, "mg")}),
        "inf-not-done-reason": ("statusReason", [{"text": "refused"}], None),
    },
}
FURTHER = {
    "a dose as a range in words": (ORDER, f"{DOSING}.doseRange", {"low": quantity(1, "mg"), "high": _TEXT_ONLY}),
    "a rate as a range of times": (ORDER, f"{DOSING}.rateRange", {"low": quantity(1, "h"), "high": quantity(2, "h")}),
    "a rate without a unit": (ORDER, f"{DOSING}.rateQuantity", _BARE),
    "a rate that was given without a unit": (GIVEN, "dosage.rateQuantity", _BARE),
}
"""Other faults that the same rules find."""


def put(resource: Json, place: str, value: Any) -> Json:
    """Return a resource with another value in a place; ``None`` takes away what is there."""
    made = deepcopy(resource)
    *way, name = place.replace("[0]", "").split(".")
    holder: Any = made
    for step in way:
        holder = holder[step]
        holder = holder[0] if isinstance(holder, list) else holder
    for other in [other for other in holder if other[:4] == name[:4] in {"rate", "dose"}]:
        del holder[other]
    holder.pop(name, None)
    if value is not None:
        holder[name] = value
    return made


def base(profile: str, rule: str, release: str) -> Json:
    """Return what the samples of a rule are made of."""
    made = sample(profile, release)
    if rule.startswith("inf-not-done"):
        made |= {"status": "not-done", "statusReason": [{"text": "refused"}]}
        del made["dosage"]
    return made


def rules_of(definition: Json) -> Iterator[str]:
    """Name the rules that a profile adds: its constraints, and what must, may not or may only be one thing."""
    for element in definition["differential"]["element"]:
        place = element["path"].partition(".")[2]
        yield from (constraint["key"] for constraint in element.get("constraint", ()))
        yield from (f"{place}.{what}" for what in ("min", "max") if what in element)
        yield from (f"{place}.fixed" for name in element if name.startswith("fixed"))


CASES = [(profile, rule, release) for profile in RULES for rule in RULES[profile] for release in ("R4", "R5")]


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("profile", RULES)
def test_every_rule_of_a_profile_has_its_samples(profile: str, release: str):
    path = ROOT / release.lower() / f"StructureDefinition-{profile}-{release.lower()}.json"
    assert sorted(rules_of(json.loads(path.read_text(encoding="utf-8")))) == sorted(RULES[profile])


@pytest.mark.parametrize(("profile", "rule", "release"), CASES)
def test_a_rule_passes_what_obeys_it_and_finds_what_breaks_it(hl7: Hl7, profile: str, rule: str, release: str):
    place, good, bad = RULES[profile][rule]
    start = base(profile, rule, release)
    passed, failed = hl7.validate([put(start, place, good), put(start, place, bad)], release)
    assert errors(passed) == []
    assert errors(failed)
    if rule.startswith("inf-"):
        assert any(rule in found.rule or rule in found.message for found in errors(failed)), errors(failed)


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("fault", FURTHER)
def test_a_fault_of_the_same_kind_is_found_in_every_form(hl7: Hl7, fault: str, release: str):
    profile, place, wrong = FURTHER[fault]
    (found,) = hl7.validate([put(sample(profile, release), place, wrong)], release)
    assert any("inf-" in one.rule + one.message for one in errors(found))


# --- bindings ---------------------------------------------------------------------------------------------------------


HL7S = {
    "administrative-gender": ("male", "female", "other", "unknown"),
    "reaction-event-severity": ("mild", "moderate", "severe"),
    "units-of-time": ("s", "min", "h", "d", "wk", "mo", "a"),
}
"""Value sets that HL7 defines."""


def codes_of(value_set: str) -> list[str]:
    """Return the codes of a value set; one of ours is a whole code system."""
    name = value_set.rsplit("/", 1)[-1]
    if name in HL7S:
        return list(HL7S[name])
    system = json.loads((ROOT / f"CodeSystem-{name}.json").read_text(encoding="utf-8"))
    return [concept["code"] for concept in system["concept"]]


def bindings() -> Iterator[tuple[str, str]]:
    """Yield the file and the value set of each required binding to a code."""
    for path in sorted(ROOT.glob("StructureDefinition-*.json")):
        for element in json.loads(path.read_text(encoding="utf-8"))["differential"]["element"]:
            if element.get("binding", {}).get("strength") == "required":
                yield path.name, element["binding"]["valueSet"]


def coded(definition: Json, value_set: str, code: str) -> Json:
    """Return an extension that holds a code in the element that is bound to a value set, and what it needs besides."""
    elements = {element["id"]: element for element in definition["differential"]["element"]}
    (bound,) = (one for one in elements.values() if one.get("binding", {}).get("valueSet") == value_set)
    return {"url": definition["url"], **_content(elements, "Extension", bound["id"], value_set, code)}


def _content(elements: dict[str, Json], at: str, bound: str, value_set: str, code: str) -> Json:
    """Return the value of an extension, or the parts that lead to what is bound or must be there."""
    value = elements.get(f"{at}.value[x]", {})
    if value.get("type"):
        kind = value["type"][0]["code"]
        system = value_set.replace("/ValueSet/", "/CodeSystem/")
        concept = {"coding": [{"system": system, "code": code}]}
        held = {"code": code, "CodeableConcept": concept} if value["id"] == bound else ANY
        return {f"value{kind[0].upper()}{kind[1:]}": held[kind]}
    prefix = f"{at}.extension:"
    names = [name.removeprefix(prefix) for name in elements if name.startswith(prefix)]
    parts = []
    for name in names:
        needed = elements[prefix + name].get("min") if "." not in name else False
        if "." not in name and (needed or bound.startswith(f"{prefix}{name}.")):
            parts.append({"url": name, **_content(elements, prefix + name, bound, value_set, code)})
    return {"extension": parts}


ANY: Json = {
    "string": "1",
    "code": "x",
    "Identifier": _IDENTIFIER,
    "Quantity": quantity(1, "mg"),
    "dateTime": "2026",
    "CodeableConcept": {"text": "x"},
    "unsignedInt": 1,
}


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize(("file", "value_set"), list(bindings()))
def test_a_binding_takes_every_code_of_its_value_set_and_no_other(hl7: Hl7, file: str, value_set: str, release: str):
    definition = json.loads((ROOT / file).read_text(encoding="utf-8"))
    codes = [*codes_of(value_set), "no-such-code"]
    found = hl7.validate([host(coded(definition, value_set, code), release) for code in codes], release)
    # What is wrong with the place is another fault, and not asked here.
    about = [[one for one in errors(each) if "CONTEXT" not in one.rule.upper()] for each in found]
    assert about[:-1] == [[] for _ in codes[:-1]]
    assert about[-1]
