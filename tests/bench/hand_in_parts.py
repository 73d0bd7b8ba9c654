"""Quantities, concepts and references read by hand, keeping what is not known; see ``hand_in_whole``."""

from __future__ import annotations

from typing import Any, Final

from tests.bench.hand_out import UCUM

Json = dict[str, Any]
Path = tuple[Any, Any]
Left = list[tuple[Path, Any]]

QUANTITY: Final = frozenset({"value", "unit", "system", "code"})
CONCEPT: Final = frozenset({"coding", "text"})
CODING: Final = frozenset({"system", "version", "code", "display"})
IDENTIFIER: Final = frozenset({"use", "system", "value"})
REFERENCE: Final = frozenset({"reference", "type", "identifier", "display"})
SYSTEM_CODE: Final = frozenset({"system", "code"})
NUMERATOR: Final = frozenset({"numerator", "denominator"})


def keep(fhir: Json, known: frozenset[str], path: Any, left: Left) -> None:
    """Keep the members that are not known aside."""
    left.extend(((path, name), value) for name, value in fhir.items() if name not in known)


def copied(fhir: Json, known: frozenset[str], path: Any, left: Left) -> Json:
    """Copy the members that are known, keep the others aside."""
    if fhir.keys() <= known:
        return fhir.copy()
    keep(fhir, known, path, left)
    return {name: value for name, value in fhir.items() if name in known}


def spelled(path: Any) -> str:
    """Return a path as text."""
    outer, name = path
    if outer is None:
        return str(name)
    return f"{spelled(outer)}[{name}]" if isinstance(name, int) else f"{spelled(outer)}.{name}"


def quantity_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a quantity."""
    quantity = {"value": fhir["value"]}
    system = fhir.get("system")
    if "code" in fhir:
        quantity["unit"] = fhir["code"]
        if system is None:
            left.append(((path, "system"), None))
    if "unit" in fhir:
        quantity["unit_text"] = fhir["unit"]
    if system is not None and system != UCUM:
        quantity["unit_system"] = system
    if not fhir.keys() <= QUANTITY:
        keep(fhir, QUANTITY, path, left)
    return quantity


def ratio_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a ratio."""
    if len(fhir) != 2:
        keep(fhir, NUMERATOR, path, left)
    return {
        "numerator": quantity_in(fhir["numerator"], (path, "numerator"), left),
        "denominator": quantity_in(fhir["denominator"], (path, "denominator"), left),
    }


def concept_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a concept."""
    concept: Json = {}
    if "coding" in fhir:
        inner = (path, "coding")
        concept["codings"] = [copied(coding, CODING, inner, left) for coding in fhir["coding"]]
    if "text" in fhir:
        concept["text"] = fhir["text"]
    if not fhir.keys() <= CONCEPT:
        keep(fhir, CONCEPT, path, left)
    return concept


def coded_in(fhir: Json, system: str, path: Path, left: Left) -> tuple[str, str | None]:
    """Read a concept that holds one code of a system: the code, and the text beside it."""
    code = ""
    for coding in fhir["coding"]:
        if not code and coding.get("system") == system:
            code = coding["code"]
            if len(coding) != 2:
                keep(coding, SYSTEM_CODE, (path, "coding"), left)
        else:
            left.append(((path, "coding"), coding))
    if not fhir.keys() <= CONCEPT:
        keep(fhir, CONCEPT, path, left)
    return code, fhir.get("text")


def reference_in(fhir: Json, path: Path, left: Left) -> Json:
    """Read a reference by identifier."""
    reference = copied(fhir, REFERENCE, path, left)
    if "identifier" in fhir:
        reference["identifier"] = copied(fhir["identifier"], IDENTIFIER, (path, "identifier"), left)
    return reference
