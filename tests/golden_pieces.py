"""The small pieces of the independent reader: quantities, codes, references, times, as FHIR JSON writes them.

Numbers are never parsed: they stay the text that stands in the file, so ``1.50`` is not ``1.5``. It imports nothing of
the package.
"""

from __future__ import annotations

import json
from typing import Any, Final

Json = dict[str, Any]

OURS: Final = "https://w3id.org/fhir-infusion/StructureDefinition/"
R5_IN_R4: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"


class Unreadable(ValueError):
    """The resources do not say one thing: the reader will not choose."""


class Number(str):
    """A number as it is written in the file."""

    __slots__ = ()


def parse(text: str) -> Any:
    """Read JSON; numbers become :class:`Number`, their own text."""
    return json.loads(text, parse_float=Number, parse_int=Number)


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
