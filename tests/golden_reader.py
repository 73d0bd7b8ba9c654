"""An independent reader of infusion orders and administrations in FHIR JSON, R4 and R5.

It imports nothing of the package and shares no code, table or document with it: what it finds in the FHIR side is what a
stranger would find. Drug, ingredients, dose, rate, unit, route, time, pump and the measurements that a dose rests on are
read from core elements only. Of extensions it reads

* HL7's cross-version extensions, which give R4 what R5 has in core (total volume, further reasons and limits);
* ours, only for what has no published place: role of a step, cycle days and weeks, quantity sufficient, unit number of a
  blood product, filter, least duration, highest rate, titration, lockout and demand dose, demands made and served.

Numbers are never parsed: they stay the text that stands in the file, so ``1.50`` is not ``1.5``. Only :func:`total`
adds, to show that no milligram is counted twice.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

OURS: Final = "https://w3id.org/fhir-infusion/StructureDefinition/"
R5_IN_R4: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
BASES: Final = ("ordered", "calculated")


class Unreadable(ValueError):
    """The resources do not say one thing: the reader will not choose."""


class Number(str):
    """A number as it is written in the file."""

    __slots__ = ()


def parse(text: str) -> Any:
    """Read JSON; numbers become :class:`Number`, their own text."""
    return json.loads(text, parse_float=Number, parse_int=Number)


# ------------------------------------------------------------------------------------------------------ small pieces


def extension(element: Json | None, url: str) -> Json | None:
    """Return the one extension of that URL."""
    found = extensions(element, url)
    if len(found) > 1:
        raise Unreadable(f"several extensions {url}")
    return found[0] if found else None


def extensions(element: Json | None, url: str) -> list[Json]:
    """Return every extension of that URL."""
    return [one for one in (element or {}).get("extension", []) if one["url"] == url]


def value(ext: Json | None) -> Any:
    """Return the value of an extension, whatever its type."""
    if ext is None:
        return None
    values = [ext[name] for name in ext if name.startswith("value")]
    return values[0] if values else None


def words(concept: Json | None) -> str | None:
    """Return the text of a code, else what its first coding displays."""
    if not concept:
        return None
    if "text" in concept:
        return str(concept["text"])
    return next((coding.get("display", coding["code"]) for coding in concept.get("coding", [])), None)


def quantity(given: Json | None) -> str | None:
    """Return ``value unit``: the code of a UCUM unit, else the unit in words."""
    if given is None:
        return None
    if "code" in given and given.get("system") != "http://unitsofmeasure.org":
        raise Unreadable("a coded unit that is not UCUM")
    unit = given.get("code", given.get("unit", ""))
    return f"{given.get('comparator', '')}{given['value']} {unit}".strip()


def ratio(given: Json | None) -> str | None:
    """Return ``numerator / denominator``, as stated."""
    if given is None:
        return None
    return f"{quantity(given['numerator'])} / {quantity(given['denominator'])}"


def range_(given: Json | None) -> str | None:
    """Return ``low to high``."""
    if given is None:
        return None
    return f"{quantity(given.get('low')) or 'any'} to {quantity(given.get('high')) or 'any'}"


def one_of(element: Json, **readers: Any) -> str | None:
    """Read a choice element: at most one of its types may be there."""
    present = [name for name in readers if name in element]
    if len(present) > 1:
        raise Unreadable(f"both {present[0]} and {present[1]}")
    return str(readers[present[0]](element[present[0]])) if present else None


def kept(row: Json) -> Json:
    """Drop what is not stated."""
    return {name: found for name, found in row.items() if found not in (None, [], {})}


def identifier(element: Json, kind: str) -> str | None:
    """Return the business identifier whose system ends in ``kind``."""
    found = [one["value"] for one in element.get("identifier", []) if one["system"].endswith("/" + kind)]
    return str(found[0]) if found else None


def referred(reference: Json | None) -> str | None:
    """Return the business identifier that a logical reference points to."""
    return str(reference["identifier"]["value"]) if reference and "identifier" in reference else None


# ---------------------------------------------------------------------------------------------- what is in the bag


def product(resource: Json) -> tuple[Json, Json | None]:
    """Return the code of the drug and, where there is one, the contained Medication it comes from."""
    medication = resource.get("medication", {})
    reference = resource.get("medicationReference") or medication.get("reference")
    concept = resource.get("medicationCodeableConcept") or medication.get("concept")
    if concept and reference:
        raise Unreadable("both a drug and a reference to one")
    if concept:
        return concept, None
    bag = next(one for one in resource["contained"] if "#" + one["id"] == reference["reference"])
    if bag["resourceType"] != "Medication":
        raise Unreadable("the drug is no Medication")
    return bag["code"], bag


def ingredient(one: Json) -> str:
    """Return ``name strength``, or ``name q.s.``; with the donation or unit number of a blood product."""
    name = words(one.get("itemCodeableConcept") or one.get("item", {}).get("concept"))
    strength = ratio(one.get("strength") or one.get("strengthRatio"))
    sufficient = value(extension(one, OURS + "quantity-sufficient"))
    number = value(extension(extension(one, OURS + "ingredient-batch"), "unitNumber"))
    said = (name, strength, "q.s." if sufficient is True else None, f"unit {number}" if number else None)
    return " ".join(part for part in said if part)


def contents(bag: Json | None) -> Json:
    """Return volume, ingredients in their order, and filter."""
    if bag is None:
        return {}
    volume = bag.get("totalVolume") or value(extension(bag, R5_IN_R4 + "Medication.totalVolume"))
    return {
        "volume": quantity(volume),
        "ingredients": [ingredient(one) for one in bag.get("ingredient", [])],
        "filter": value(extension(bag, OURS + "in-line-filter")),
    }


def measured(resource: Json) -> list[str]:
    """Return what was measured of the patient and used for the dose: the contained Observations referred to."""
    contained = {"#" + one["id"]: one for one in resource.get("contained", [])}
    found = [contained[one["reference"]] for one in resource.get("supportingInformation", []) if "reference" in one]
    return [f"{one['code']['coding'][0]['code']} {quantity(one['valueQuantity'])}" for one in found]


# ----------------------------------------------------------------------------------------------------------- orders


def order(resource: Json) -> Json:
    """Read a MedicationRequest, R4 or R5."""
    if resource["resourceType"] != "MedicationRequest" or resource["intent"] != "order":
        raise Unreadable("no order")
    code, bag = product(resource)
    return kept(
        {
            "id": identifier(resource, "orders"),
            "status": resource["status"],
            "group": resource.get("groupIdentifier", {}).get("value"),
            "patient": referred(resource["subject"]),
            "drug": words(code),
            **contents(bag),
            "measured": measured(resource),
            "steps": [step(one) for one in resource["dosageInstruction"]],
        },
    )


def step(dosage: Json) -> Json:
    """Read one Dosage."""
    own = {url: value(extension(dosage, OURS + url)) for url in ("step-role", "minimum-duration", "max-rate")}
    control = extension(dosage, OURS + "patient-control")
    return kept(
        {
            "sequence": dosage.get("sequence"),
            "role": own["step-role"],
            **doses(dosage),
            **timing(dosage.get("timing", {})),
            "at least": quantity(own["minimum-duration"]),
            "as needed": as_needed(dosage),
            "route": words(dosage.get("route")),
            "site": words(dosage.get("site")),
            "method": words(dosage.get("method")),
            "limits": limits(dosage),
            "max rate": quantity(own["max-rate"]),
            "titration": titration(extension(dosage, OURS + "titration")),
            "demand dose": quantity(value(extension(control, "demandDose"))),
            "lockout": quantity(value(extension(control, "lockout"))),
        },
    )


def doses(dosage: Json) -> Json:
    """Read dose and rate, ordered, calculated and unstated apart."""
    row: Json = {}
    for one in dosage.get("doseAndRate", []):
        kind = [coding["code"] for coding in one.get("type", {}).get("coding", [])]
        basis = next((code for code in BASES if code in kind), None)
        for name, found in (
            ("dose", one_of(one, doseQuantity=quantity, doseRange=range_)),
            ("rate", one_of(one, rateQuantity=quantity, rateRange=range_, rateRatio=ratio)),
        ):
            label = f"{name} {basis}" if basis else name
            if found and label in row:
                raise Unreadable(f"two statements of {label}")
            if found:
                row[label] = found
    return row


def timing(given: Json) -> Json:
    """Read a Timing."""
    repeat = given.get("repeat", {})
    period = repeat.get("boundsPeriod", {})
    cycle = extension(given, OURS + "timing-cycle")
    length = [value(extension(cycle, name)) for name in ("length", "lengthUnit")]
    return {
        "over": spread(repeat, "duration", repeat.get("durationUnit")),
        "times": times(repeat),
        "count": " to ".join(repeat[name] for name in ("count", "countMax") if name in repeat) or None,
        "events": given.get("event"),
        "days": repeat.get("dayOfWeek"),
        "at": repeat.get("timeOfDay"),
        "from": period.get("start"),
        "until": period.get("end"),
        "for": one_of(repeat, boundsDuration=quantity, boundsRange=range_),
        "schedule": words(given.get("code")),
        "days of cycle": [value(one) for one in extensions(cycle, "day")],
        "cycle": " ".join(str(part) for part in length) if None not in length else None,
        "weeks": [value(one) for one in extensions(cycle, "week")],
    }


def spread(repeat: Json, name: str, unit: str | None) -> str | None:
    """Return ``2 to 3 h``, ``2 h``, or nothing."""
    if name not in repeat:
        return None
    top = f" to {repeat[name + 'Max']}" if name + "Max" in repeat else ""
    return f"{repeat[name]}{top} {unit}"


def times(repeat: Json) -> str | None:
    """Return ``1 per 3 wk``."""
    if "frequency" not in repeat:
        return None
    top = f" to {repeat['frequencyMax']}" if "frequencyMax" in repeat else ""
    return f"{repeat['frequency']}{top} per {spread(repeat, 'period', repeat.get('periodUnit'))}"


def as_needed(dosage: Json) -> list[str | None] | str | None:
    """Return the reasons, else whether it is as needed; R4 keeps what it has no element for in HL7's extension."""
    reasons = [dosage["asNeededCodeableConcept"]] if "asNeededCodeableConcept" in dosage else []
    reasons += dosage.get("asNeededFor", [])
    reasons += [value(one) for one in extensions(dosage, R5_IN_R4 + "Dosage.asNeededFor")]
    if reasons:
        return [words(reason) for reason in reasons]
    flag = dosage.get("asNeededBoolean", dosage.get("asNeeded"))
    return None if flag is None else str(flag).lower()


def limits(dosage: Json) -> list[str | None]:
    """Return every limit per period."""
    core = dosage.get("maxDosePerPeriod", [])
    found = core if isinstance(core, list) else [core]
    found = found + [value(one) for one in extensions(dosage, R5_IN_R4 + "Dosage.maxDosePerPeriod")]
    return [ratio(one) for one in found]


def titration(ext: Json | None) -> Json:
    """Read how the rate is adjusted."""
    row = {name: quantity(value(extension(ext, name))) for name in ("start", "step", "interval", "floor", "ceiling")}
    goal = {"goal": value(extension(ext, "goal")), "range": range_(value(extension(ext, "goalRange")))}
    return kept({**row, **goal})


# --------------------------------------------------------------------------------------------------- administrations


def administration(resources: Iterable[Json]) -> Json:
    """Read the MedicationAdministrations of one administration: a lone one, or a parent and its children.

    What must be the same on each (patient, order, drug, contents, measurements) is given once; if it differs the reader refuses.
    """
    parts = list(resources)
    common = [shared(one) for one in parts]
    if any(one != common[0] for one in common):
        raise Unreadable("the parts differ in patient, order, drug, contents or measurements")
    counts = extension(parts[0], OURS + "demand-counts")
    demands = {name: value(extension(counts, name)) for name in ("attempts", "deliveries")}
    return kept(
        {
            **common[0],
            "by": [words(one.get("function")) for one in parts[0].get("performer", [])],
            "device": [referred(pointed(one)) for one in parts[0].get("device", [])],
            "total": total(parts),
            "parts": [part(one) for one in parts],
            "demands": kept({**demands, "delivered": quantity(value(extension(counts, "delivered")))}),
        },
    )


def shared(resource: Json) -> Json:
    """Read what a parent and its children have in common."""
    if resource["resourceType"] != "MedicationAdministration":
        raise Unreadable("no administration")
    code, bag = product(resource)
    return {
        "patient": referred(resource["subject"]),
        "order": referred(resource.get("request")),
        "drug": words(code),
        "ingredients": contents(bag).get("ingredients"),
        "measured": measured(resource),
    }


def part(resource: Json) -> Json:
    """Read one MedicationAdministration."""
    dosage = resource.get("dosage", {})
    if dosage and not dosage.keys() & {"dose", "rateRatio", "rateQuantity"}:
        raise Unreadable("a dosage without dose and rate (R4 mad-1)")
    return kept(
        {
            "id": identifier(resource, "administrations"),
            "part of": next((referred(one) for one in resource.get("partOf", [])), None),
            "status": resource["status"],
            "because": [words(one) for one in resource.get("statusReason", [])],
            "when": moment(resource),
            "dose": quantity(dosage.get("dose")),
            "rate": one_of(dosage, rateQuantity=quantity, rateRatio=ratio),
            "route": words(dosage.get("route")),
            "site": words(dosage.get("site")),
            "method": words(dosage.get("method")),
            "changed by": who(resource) if "partOf" in resource else None,
        },
    )


def who(resource: Json) -> str | None:
    """Return the identifier of the one who performed a part; R5 wraps the Reference in a CodeableReference."""
    actors = [pointed(one["actor"]) for one in resource.get("performer", [])]
    return ", ".join(str(referred(actor)) for actor in actors) or None


def pointed(given: Json) -> Json:
    """Return the Reference of an element that R5 wraps in a CodeableReference."""
    inner = given.get("reference")
    return inner if isinstance(inner, dict) else given


def moment(resource: Json) -> str | None:
    """Return the moment, or ``start to end``; R5 spells the element with one r."""
    period = resource.get("effectivePeriod") or resource.get("occurencePeriod")
    if period:
        return f"{period.get('start', '')} to {period.get('end', '')}".strip()
    at = resource.get("effectiveDateTime") or resource.get("occurenceDateTime")
    return str(at) if at else None


def total(resources: Iterable[Json]) -> str | None:
    """Add the doses of all parts: what a receiver counts who sums ``dosage.dose`` over a search result."""
    found = [
        quantity(one["dosage"]["dose"]) or ""
        for one in resources
        if "dose" in one.get("dosage", {}) and one["status"] != "entered-in-error"
    ]
    units = {dose.split(" ", 1)[1] for dose in found}
    if len(units) > 1:
        raise Unreadable("doses in several units")
    amount = sum((Decimal(dose.split(" ", 1)[0]) for dose in found), Decimal(0))
    return f"{amount.normalize():f} {units.pop()}" if found else None
