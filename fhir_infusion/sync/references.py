"""The references inside a resource: finding them, and reading what a literal reference says. Pure.

https://hl7.org/fhir/R4/references.html#literal. A relative reference means something on one server only; sent to
another it would point at somebody else's patient (hazard H10). So each is looked at before a resource crosses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.fhir.json import Resource

ELSEWHERE: Final = "https://w3id.org/fhir-infusion/sid/literal-reference"
"""Identifier system of a reference that is literal on our side and has no business identifier: its text is kept as
the value, so that it points nowhere on the other server and nothing of it is lost."""

_NAMED: Final = r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})"
_RELATIVE: Final = re.compile(rf"{_NAMED}(?:/_history/[A-Za-z0-9\-.]{{1,64}})?(?:#.*)?")
_ABSOLUTE: Final = re.compile(rf"/{_NAMED}(?:/_history/[^/#]+)?(?:#.*)?$")
_ANYWHERE: Final = re.compile(r"#|[A-Za-z][A-Za-z0-9+.\-]*:")
_TARGET: Final = {
    "subject": "Patient",
    "request": "MedicationRequest",
    "partOf": "",
    "priorPrescription": "MedicationRequest",
    "encounter": "Encounter",
    "context": "Encounter",
    "medicationReference": "Medication",
    "requester": "Practitioner",
    "recorder": "Practitioner",
}


@dataclass(frozen=True, slots=True)
class Relative:
    """``Type/id``, without a version."""

    type: str
    id: str

    @property
    def text(self) -> str:
        """Return it as a reference writes it."""
        return f"{self.type}/{self.id}"


Change: TypeAlias = "Callable[[str, Resource], Resource]"
"""Takes the top-level element that a Reference stands in, and the Reference; returns what is to stand there."""


def relative(reference: str, base: str = "") -> Relative | None:
    """Return what a reference names on the server it belongs to: relative as it is, absolute where below ``base``."""
    if base and reference.startswith(base + "/"):
        reference = reference[len(base) + 1 :]
    match = _RELATIVE.fullmatch(reference)
    return Relative(match[1], match[2]) if match else None


def identifier_of(reference: Resource) -> tuple[str, str] | None:
    """Return the system and value by which a Reference names its target logically, where both are there."""
    identifier = reference.get("identifier")
    if not isinstance(identifier, dict):
        return None
    system, value = identifier.get("system"), identifier.get("value")
    if isinstance(system, str) and isinstance(value, str) and system and value and system != ELSEWHERE:
        return system, value
    return None


def target_type(element: str, reference: Resource) -> str:
    """Return the type of a Reference's target: as it says itself, as its literal says, or as its element allows."""
    said = reference.get("type")
    if isinstance(said, str) and said:
        return said.rpartition("/")[2]
    literal = relative(str(reference.get("reference", "")))
    if literal is not None:
        return literal.type
    match = _ABSOLUTE.search(str(reference.get("reference", "")))
    return match[1] if match else _TARGET.get(element, "")


def stands_alone(text: str) -> bool:
    """Say whether a reference means the same wherever it is read: something contained, or an absolute address."""
    return _ANYWHERE.match(text) is not None


def changed(resource: Resource, change: Change) -> Resource:
    """Return a resource in which each Reference (contained resources included) is what ``change`` made of it."""
    return {name: _changed(value, name, change) for name, value in resource.items()}


def found(resource: Resource) -> Iterator[tuple[str, Resource]]:
    """Yield each Reference with the top-level element it stands in."""
    pairs: list[tuple[str, Resource]] = []

    def note(element: str, reference: Resource) -> Resource:
        pairs.append((element, reference))
        return reference

    changed(resource, note)
    yield from pairs


def _changed(value: Any, element: str, change: Change) -> Any:
    if isinstance(value, list):
        return [_changed(one, element, change) for one in value]
    if not isinstance(value, dict):
        return value
    if _is_reference(value):
        inner = {name: _changed(one, element, change) for name, one in value.items()}
        return change(element, inner)
    return {name: _changed(one, element, change) for name, one in value.items()}


def _is_reference(value: Resource) -> bool:
    """Say whether an object is a Reference: of all FHIR types only it has a text ``reference``, or one ``identifier``.

    (A resource has a list of identifiers, but for a few types that have one: these have a ``resourceType``.)
    """
    return isinstance(value.get("reference"), str) or (
        isinstance(value.get("identifier"), dict) and "resourceType" not in value
    )
