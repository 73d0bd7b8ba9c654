"""The index rows of a resource: what a search looks at instead of the resource itself.

A row is made under the name that every release gives to a parameter, so that what was written in R4 is found in R5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fhir_infusion.fhir.dates import BEGINNING, END, Stretch, stretch
from fhir_infusion.fhir.parameters import IDENTIFIER, PARAMETERS, Parameter
from fhir_infusion.fhir.references import literal_type, without_version

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Entry:
    """One index row.

    A token has ``system`` and ``value``; a reference has ``value`` (``Patient/7``, or the absolute address without its
    version); a date covers ``start`` up to, not including, ``end`` in milliseconds since 1970 UTC.
    """

    parameter: str
    kind: Literal["token", "reference", "date"]
    system: str = ""
    value: str = ""
    start: int = 0
    end: int = 0


def entries(resource: dict[str, Any], release: str) -> tuple[Entry, ...]:  # noqa: ARG001  see below
    """Return the index rows of a resource that has been validated.

    ``release`` is the one it is written in: element names of the releases do not overlap in meaning, so that it is
    not needed yet, but whoever indexes knows it and a later release may.
    """
    found: dict[Entry, None] = {}
    for parameter in PARAMETERS.get(resource.get("resourceType", ""), (IDENTIFIER,)):
        for path in parameter.paths:
            for value in _values(resource, path.split(".")):
                found.update(dict.fromkeys(_ROWS[parameter.type](parameter, value)))
    return tuple(found)


def _values(node: Any, names: list[str]) -> Iterator[Any]:
    """Yield every value at a path, lists taken apart."""
    if isinstance(node, list):
        for item in node:
            yield from _values(item, names)
    elif not names:
        if node is not None:
            yield node
    elif isinstance(node, dict) and names[0] in node:
        yield from _values(node[names[0]], names[1:])


def _tokens(parameter: Parameter, value: Any) -> Iterator[Entry]:
    """Yield the rows of a code, Coding, CodeableConcept or Identifier."""
    if isinstance(value, str):
        yield Entry(parameter.name, "token", "", value)
    elif isinstance(value, dict):
        for coding in value.get("coding", (value,)):
            code = coding.get("value", coding.get("code"))
            if code is not None:
                yield Entry(parameter.name, "token", coding.get("system", ""), code)


def _references(parameter: Parameter, value: Any) -> Iterator[Entry]:
    """Yield the rows of a Reference: where it points, and the identifier it gives."""
    reference = value.get("reference", "")
    spelled = literal_type(reference) or value.get("type", "")
    # What is not one of the parameter's targets (a Group as `patient`) is not found by it; what does not say is.
    if spelled and parameter.targets and spelled not in parameter.targets:
        return
    if reference and not reference.startswith("#"):
        yield Entry(parameter.name, "reference", "", without_version(reference))
    for row in _tokens(parameter, value["identifier"]) if "identifier" in value else ():
        yield Entry(f"{parameter.name}:identifier", "token", row.system, row.value)


def _dates(parameter: Parameter, value: Any) -> Iterator[Entry]:
    """Yield the row of a date, dateTime, Period or Timing."""
    covered = _hull(value)
    if covered is not None:
        yield Entry(parameter.name, "date", start=covered.start, end=covered.end)


def _hull(value: Any) -> Stretch | None:
    """Return the stretch that a date, a Period or all of a Timing covers."""
    if isinstance(value, str):
        return stretch(value)
    if "event" in value or "repeat" in value:
        parts = [_hull(event) for event in value.get("event", ())]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        known = [part for part in (*parts, _hull(bounds) if bounds else None) if part is not None]
        return Stretch(min(part.start for part in known), max(part.end for part in known)) if known else None
    start, end = (stretch(value[name]) if name in value else None for name in ("start", "end"))
    if start is None and end is None:
        return None
    return Stretch(start.start if start else BEGINNING, end.end if end else END)


_ROWS = {"token": _tokens, "reference": _references, "date": _dates}
