"""An independent reader of infusion orders and administrations in FHIR JSON, R4 and R5.

It imports nothing of the package and shares no code, table or document with it: what it finds in the FHIR side is what a
stranger would find. Drug, ingredients, dose, rate, unit, route, time, pump and the measurements that a dose rests on are
read from core elements only. Of extensions it reads

* HL7's cross-version extensions, which give R4 what R5 has in core (total volume, further reasons and limits), and its
  extension for the least time between two doses;
* ours, only for what has no published place: role of a step, cycle days and weeks, quantity sufficient, unit number of a
  blood product, filter, least duration, highest rate, titration, lockout and demand dose, demands made and served, what
  a dose was calculated from, the bag of a stretch, waste, reactions, extravasation.

Only :func:`total` adds, to show that no milligram is counted twice.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tests.golden_pieces import (
    OURS,
    R5_IN_R4,
    Json,
    Unreadable,
    as_needed,
    extension,
    extensions,
    identifier,
    kept,
    limits,
    one_of,
    parse,
    quantity,
    range_,
    ratio,
    referred,
    timing,
    titration,
    value,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Unreadable", "administration", "doses", "order", "parse", "quantity", "total"]

GAP: Final = "http://hl7.org/fhir/StructureDefinition/dosage-minimumGapBetweenDose"
BASES: Final = ("ordered", "calculated")


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
        "lot": bag.get("batch", {}).get("lotNumber"),
    }


def measured(resource: Json) -> list[str]:
    """Return what was measured of the patient and used for the dose: the contained Observations referred to."""
    contained = {"#" + one["id"]: one for one in resource.get("contained", [])}
    found = [contained[one["reference"]] for one in resource.get("supportingInformation", []) if "reference" in one]
    return [f"{one['code']['coding'][0]['code']} {quantity(one['valueQuantity'])}{counted(one)}" for one in found]


def counted(observation: Json) -> str:
    """Return what the dose was calculated with, where it is not the value measured."""
    used = quantity(value(extension(observation, OURS + "value-used")))
    return f" counted as {used}" if used else ""


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
            "replaces": referred(resource.get("priorPrescription")),
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
            "apart": quantity(value(extension(dosage, GAP))),
            "as needed": as_needed(dosage),
            "route": words(dosage.get("route")),
            "site": words(dosage.get("site")),
            "method": words(dosage.get("method")),
            "limits": limits(dosage),
            "cap": quantity(dosage.get("maxDosePerAdministration")),
            "cap in life": quantity(dosage.get("maxDosePerLifetime")),
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
        kinds = [value(kind) for kind in extensions(one, OURS + "calculated-from")]
        row |= {"calculated from": kinds} if kinds else {}
    return row


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
            "wasted": [quantity(value(extension(one, "amount"))) for one in extensions(parts[0], OURS + "waste")],
            "reactions": [reaction(one) for one in extensions(parts[0], OURS + "reaction")],
            "extravasation": extravasation(extension(parts[0], OURS + "extravasation")),
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
        "lot": contents(bag).get("lot"),
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
            "bag": bag_of(extension(resource, OURS + "segment")),
        },
    )


def bag_of(segment: Json | None) -> str | None:
    """Return number, lot and unit number of the bag that ran."""
    bag = extension(segment, "bag")
    said = (value(extension(bag, name)) for name in ("number", "lotNumber", "unitNumber"))
    return " ".join(filter(None, said)) or None


def reaction(ext: Json) -> str:
    """Return ``severity manifestation``."""
    said = (value(extension(ext, "severity")), words(value(extension(ext, "manifestation"))))
    return " ".join(part for part in said if part)


def extravasation(ext: Json | None) -> str | None:
    """Return ``volume site``."""
    said = (quantity(value(extension(ext, "volume"))), words(value(extension(ext, "site"))))
    return " ".join(part for part in said if part) or None


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
