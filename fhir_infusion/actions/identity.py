"""Whether two Patients are one person, as far as they say: links between them, and what contradicts. Pure.

https://hl7.org/fhir/R4/patient-definitions.html#Patient.link: ``replaced-by`` stands in the record that is not to be
used any more and names the one that is; ``replaces`` stands in that one and points back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Json = dict[str, Any]

COMPARED: Final = ("name", "birthDate", "gender")
"""What tells persons apart, beside identifiers."""

_PATIENT: Final = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?")


def linked(patient: Json, kind: str) -> tuple[str, ...]:
    """Return the ids of the Patients that a Patient names in links of a kind, each once; "" for what names no id."""
    found = []
    for link in _objects(patient.get("link")):
        other = link.get("other")
        if link.get("type") == kind and isinstance(other, dict):
            found.append(patient_id(str(other.get("reference", ""))))
    return tuple(dict.fromkeys(found))


def is_retired(patient: Json) -> bool:
    """Say whether a Patient names another one that is to be used in its place."""
    return bool(linked(patient, "replaced-by"))


def patient_id(reference: str) -> str:
    """Return the id in a relative reference to a Patient; "" for any other, such as one of another server."""
    match = _PATIENT.fullmatch(reference)
    return match[1] if match else ""


def identifiers(patient: Json) -> tuple[tuple[str, str], ...]:
    """Return system and value of what a Patient is known by, in its order; old identifiers too."""
    return tuple(
        (one["system"], one["value"])
        for one in _objects(patient.get("identifier"))
        if isinstance(one.get("system"), str) and isinstance(one.get("value"), str)
    )


def in_use(patient: Json) -> tuple[str, str] | None:
    """Return the identifier to name a Patient by: a record number first, never an old one; None where it has none."""
    usable = [
        one
        for one in _objects(patient.get("identifier"))
        if one.get("system") and one.get("value") and one.get("use") != "old"
    ]
    if not usable:
        return None
    best = min(usable, key=lambda one: (not _is_record_number(one), _USES.get(str(one.get("use", "")), 2)))
    return str(best["system"]), str(best["value"])


_USES: Final = {"usual": 0, "official": 1, "": 2, "secondary": 3, "temp": 4}


def _is_record_number(identifier: Json) -> bool:
    kind = identifier.get("type")
    return isinstance(kind, dict) and any(one.get("code") == "MR" for one in _objects(kind.get("coding")))


def contradictions(one: Json, other: Json) -> tuple[str, ...]:
    """Return the elements in which two Patients say what one person cannot be; what one leaves out says nothing."""
    found = []
    if _names(one) and _names(other) and not _names(one) & _names(other):
        found.append("name")
    born = [str(patient.get("birthDate", "")) for patient in (one, other)]
    if all(born) and not (born[0].startswith(born[1]) or born[1].startswith(born[0])):
        found.append("birthDate")
    sex = {str(patient.get("gender", "unknown")) for patient in (one, other)} - {"unknown"}
    if len(sex) > 1:
        found.append("gender")
    return tuple(found)


def is_someone_else(before: Json, after: Json) -> bool:
    """Say whether a Patient became another person: a record number stays, and name, birth date and sex all change."""
    return bool(set(identifiers(before)) & set(identifiers(after))) and contradictions(before, after) == COMPARED


def known_as(named: Json, id: str, keys: Collection[tuple[str, str]]) -> bool:
    """Say whether a Reference means the Patient ``id``, known here by ``keys``; a literal of ours decides."""
    literal = str(named.get("reference", ""))
    if literal and not literal.startswith(("http://", "https://", "#", "urn:")):
        return patient_id(literal) == id
    return key_of(named) in keys


def names_two(named: Json, id: str, find: Callable[[str], Json]) -> bool:
    """Say whether a Reference names the Patient ``id`` by its literal and another one by its identifier.

    ``find`` returns a Patient by its id, empty where there is none. Those that are linked count as the same person, and
    of a system of which none has an identifier nothing is known. https://hl7.org/fhir/R4/references.html#logical
    """
    key = key_of(named)
    if key is None:
        return False
    patient = find(id)
    same = [find(one) for kind in ("replaced-by", "replaces", "seealso") for one in linked(patient, kind) if one]
    known = {each for one in (patient, *same) for each in identifiers(one)}
    return key not in known and any(system == key[0] for system, _ in known)


def key_of(named: Json) -> tuple[str, str] | None:
    """Return the identifier by which a Reference names a Patient."""
    identifier = named.get("identifier")
    if not isinstance(identifier, dict) or not identifier.get("system") or not identifier.get("value"):
        return None
    return str(identifier["system"]), str(identifier["value"])


def _names(patient: Json) -> set[str]:
    """Return the names of a Patient, each as its words in order of the alphabet, whichever stands first in writing."""
    found = set()
    for name in _objects(patient.get("name")):
        given = name.get("given")
        parts = [*(given if isinstance(given, list) else []), name.get("family")]
        found |= {_words([name.get("text")]), _words(parts)}
    return found - {""}


def _words(parts: list[Any]) -> str:
    said = " ".join(str(part) for part in parts if part)
    return " ".join(sorted(re.findall(r"\w+", said.casefold())))


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
