"""What of a resource an answer holds: https://hl7.org/fhir/R4/search.html#summary, #elements. Pure.

What is left out is told by the tag SUBSETTED. What must be there, and what changes the meaning of all else, stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import subset
from fhir_infusion.fhir.elements import type_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_infusion.fhir.elements import Table
    from fhir_infusion.fhir.json import Resource

Summary = Literal["false", "true", "text", "data", "count"]

PARAMETERS: Final = ("_summary", "_elements")
_ALWAYS: Final = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked for; ``elements`` is empty where it is not by name."""

    summary: Summary = "false"
    elements: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.summary == "false" and not self.elements


_WHOLE: Final = Shape()


def parse(resource_type: str, release: str, asked: Sequence[tuple[str, str]]) -> Shape:
    """Read ``_summary`` and ``_elements``.

    Raises:
        Refused: 400, one is not offered, or not together with another parameter.
    """
    if not asked:
        return _WHOLE
    summaries = [value for name, value in asked if name == "_summary"]
    named = [one.strip() for name, value in asked if name == "_elements" for one in value.split(",")]
    if named and summaries and summaries != ["false"]:
        _refuse("_elements", "both _elements and _summary", "one of them")
    if len(set(summaries)) > 1 or not set(summaries) <= set(get_args(Summary)):
        _refuse("_summary", "not a summary that is offered", ", ".join(get_args(Summary)))
    if summaries == ["text"] and any(name.startswith(("_include", "_revinclude")) for name, _ in asked):
        _refuse("_summary", "text is not given with what comes along", "true, data, count or false")
    known = {one for element in type_table(release, resource_type)[resource_type].values() for one in _names(element)}
    if set(named) - known - _ALWAYS:
        _refuse("_elements", "not elements of this type", ", ".join(sorted(known)))
    return Shape(cast("Summary", summaries[0]) if summaries else "false", tuple(named))


def shaped(resource: Resource, release: str, shape: Shape) -> Resource:
    """Return what of a resource is asked for, with the tag; all of it without."""
    if shape.is_whole:
        return resource
    kind = resource["resourceType"]
    table = type_table(release, kind)
    if shape.summary == "true":
        found = _summary(resource, kind, table)
    else:
        found = {name: value for name, value in resource.items() if _stays(name.removeprefix("_"), table[kind], shape)}
    return subset.marked(found)


def _stays(name: str, elements: Mapping[str, Any], shape: Shape) -> bool:
    element = elements.get(name)
    if shape.summary == "data":
        return name != "text"
    if name in _ALWAYS or (element is not None and element.required):
        return True
    if shape.summary == "text":
        return name == "text"
    return element is not None and bool(set(_names(element)) & set(shape.elements))


def _summary(node: Mapping[str, Any], kind: str, table: Table) -> dict[str, Any]:
    """Return the elements of the summary, and of the parts of a type those that are in it."""
    elements = table[kind]
    found: dict[str, Any] = {}
    for name, value in node.items():
        element = elements.get(name.removeprefix("_"))
        if name not in _ALWAYS and (element is None or not (element.in_summary or element.required)):
            continue
        found[name] = value
        if element is not None and element.type.startswith(f"{kind}."):
            parts = value if isinstance(value, list) else [value]
            kept = [_summary(part, element.type, table) for part in parts]
            found[name] = kept if isinstance(value, list) else kept[0]
    return found


def _names(element: Any) -> tuple[str, str]:
    return element.name, element.path_name


def _refuse(name: str, reason: str, accepted: str) -> None:
    raise Refused(Issue("error", "invalid", name, reason, accepted, "search"))
