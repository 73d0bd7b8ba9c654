"""The index rows of a resource: what a search looks at instead of the resource itself.

A row is made under the name that every release gives to a parameter, so that what was written in R4 is found in R5.
Beside its own rows a parameter may have some under ``name:identifier`` (of a reference), ``name:of-type`` (of an
identifier), ``name:text`` (the words beside a code) and ``name:present``: there is a value, but none to compare.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fhir_infusion.fhir import amounts, words
from fhir_infusion.fhir.dates import BEGINNING, END, Stretch, stretch
from fhir_infusion.fhir.parameters import Parameter, Path, Step, indexed
from fhir_infusion.fhir.references import literal_type, resource_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["token", "reference", "uri", "date", "string", "quantity"]


class Entry(NamedTuple):
    """One index row.

    A token has ``system`` and ``value``; a reference ``value`` (``Patient/7``, or the absolute address without its
    version), a uri ``value``; a date covers ``start`` up to, not including, ``end`` in milliseconds since 1970 UTC; a
    string has ``value``, as it is compared, and ``text``, as it is; a quantity is from ``low`` to ``high`` in ``unit``.
    """

    parameter: str
    kind: Kind
    system: str = ""
    value: str = ""
    start: int = 0
    end: int = 0
    text: str = ""
    unit: str = ""
    low: str = ""
    high: str = ""


def entries(resource: dict[str, Any], release: str) -> tuple[Entry, ...]:  # noqa: ARG001  see below
    """Return the index rows of a resource that has been validated.

    ``release`` is the one it is written in: element names of the releases do not overlap in meaning, so that it is
    not needed yet, but whoever indexes knows it and a later release may.
    """
    found: dict[Entry, None] = {}
    for reading in _readings(resource.get("resourceType", "")):
        parameter = reading.parameter
        there = False
        rows: list[Entry] = []
        for path in reading.paths:
            if path.type == "is-true":
                rows += _is_true(parameter, resource, path.steps[0].name)
            elif path.steps[0].name in resource:
                for value in _values(resource, path.steps):
                    there = there or not reading.refers or _is_meant(parameter, value)
                    rows += reading.rows(parameter, value, path.type)
        if rows:
            found.update(dict.fromkeys(rows))
        if there and not any(row.parameter in reading.values for row in rows):
            found[Entry(f"{parameter.key}:present", "token", value="true")] = None
    return tuple(found)


class _Reading(NamedTuple):
    """How one parameter is read: where, by what, and under which names its own rows are."""

    parameter: Parameter
    paths: tuple[Path, ...]
    refers: bool
    rows: Callable[[Parameter, Any, str], Iterator[Entry]]
    values: tuple[str, str]


@cache
def _readings(resource_type: str) -> tuple[_Reading, ...]:
    return tuple(
        _Reading(one, one.paths, one.kind == "reference", _ROWS[one.kind], (one.key, f"{one.key}:identifier"))
        for one in indexed(resource_type)
    )


def _values(node: Any, steps: tuple[Step, ...]) -> list[Any]:
    """Return every value at a path, lists taken apart."""
    nodes = [node]
    for step in steps:
        inner: list[Any] = []
        for one in nodes:
            value = one.get(step.name) if isinstance(one, dict) else None
            if isinstance(value, list):
                inner += value
            elif value is not None:
                inner.append(value)
        nodes = [one for one in inner if _has(one, step)] if step.field else inner
    return nodes


def _has(value: Any, step: Step) -> bool:
    """Tell whether a value's field is what the path asks for: as a text, or as a code."""
    if not isinstance(value, dict):
        return False
    field = value.get(step.field)
    if isinstance(field, dict):
        return any(coding.get("code") == step.value for coding in field.get("coding", ()))
    return bool(field == step.value)


def _is_true(parameter: Parameter, resource: dict[str, Any], choice: str) -> Iterator[Entry]:
    """Yield whether a choice such as ``deceased`` is there and is not false."""
    values = (value for name, value in resource.items() if name.startswith(choice))
    said = any(value is not False for value in values)
    yield Entry(parameter.key, "token", value="true" if said else "false")


def _tokens(parameter: Parameter, value: Any, datatype: str) -> Iterator[Entry]:
    """Yield the rows of a code, Coding, CodeableConcept, Identifier, ContactPoint or boolean."""
    key = parameter.key
    if isinstance(value, bool):
        yield Entry(key, "token", value="true" if value else "false")
    elif isinstance(value, str):
        yield Entry(key, "token", value=value)
    elif isinstance(value, dict):
        for coding in value.get("coding", (value,)):
            code = coding.get("value", coding.get("code"))
            # The system of a ContactPoint is a kind (phone), not the address of a code system.
            system = "" if datatype == "ContactPoint" else coding.get("system", "")
            if isinstance(code, str):
                yield Entry(key, "token", system, code)
        yield from _words_of(key, value)
        if datatype == "Identifier":
            yield from _of_type(key, value)


def _words_of(key: str, value: dict[str, Any]) -> Iterator[Entry]:
    """Yield the rows of the words beside a code: https://hl7.org/fhir/R4/search.html#token, ``:text``."""
    kind = value.get("type")
    said = [value.get("text"), value.get("display"), kind.get("text") if isinstance(kind, dict) else None]
    said += [coding.get("display") for coding in value.get("coding", ())]
    for text in said:
        if isinstance(text, str):
            yield _text(f"{key}:text", text)


def _of_type(key: str, identifier: dict[str, Any]) -> Iterator[Entry]:
    """Yield the rows of an identifier with its type: https://hl7.org/fhir/R4/search.html#token, ``:of-type``."""
    for coding in identifier.get("type", {}).get("coding", ()):
        if "code" in coding and "value" in identifier:
            value = f"{coding['code']}|{identifier['value']}"
            yield Entry(f"{key}:of-type", "token", coding.get("system", ""), value)


def _references(parameter: Parameter, value: Any, datatype: str) -> Iterator[Entry]:  # noqa: ARG001  as the others
    """Yield the rows of a Reference: where it points, the identifier it gives, and its words."""
    if isinstance(value, str):
        value = {"reference": value}
    reference = value.get("reference", "")
    if not isinstance(reference, str):
        return  # an R5 CodeableReference where R4 has a Reference; another path of the parameter reads it
    if not _is_meant(parameter, value):
        return
    key = parameter.key
    if reference and not reference.startswith("#"):
        yield Entry(key, "reference", "", resource_named(reference))
    if "identifier" in value:
        for row in _tokens(parameter, value["identifier"], ""):
            if row.parameter == key:
                yield Entry(f"{key}:identifier", "token", row.system, row.value)
    if isinstance(value.get("display"), str):
        yield _text(f"{key}:text", value["display"])


def _is_meant(parameter: Parameter, value: Any) -> bool:
    """Tell whether a Reference is one of the parameter: a Group is none as ``patient``, what does not say is one."""
    reference = value.get("reference", "") if isinstance(value, dict) else value
    if not isinstance(reference, str):
        return False
    spelled = literal_type(reference) or (value.get("type", "") if isinstance(value, dict) else "")
    return not (spelled and parameter.targets and spelled not in parameter.targets)


def _uris(parameter: Parameter, value: Any, datatype: str) -> Iterator[Entry]:
    """Yield the row of a uri; of a canonical with its version also the row without."""
    if isinstance(value, str):
        yield Entry(parameter.key, "uri", value=value)
        if datatype == "canonical" and "|" in value:
            yield Entry(parameter.key, "uri", value=value.partition("|")[0])


def _strings(parameter: Parameter, value: Any, datatype: str) -> Iterator[Entry]:
    """Yield the rows of a string, HumanName or Address."""
    for text in words.texts(value, datatype):
        yield _text(parameter.key, text)


def _text(key: str, text: str) -> Entry:
    return Entry(key, "string", value=words.folded(text)[: words.MOST_KEPT], text=text[: words.MOST_KEPT])


def _quantities(parameter: Parameter, value: Any, datatype: str) -> Iterator[Entry]:
    """Yield the rows of a Quantity or Range."""
    if isinstance(value, dict) and (datatype == "Range" or "value" in value):
        for unit, low, high in amounts.spans(value, datatype):
            yield Entry(parameter.key, "quantity", unit=unit, low=low, high=high)


def _dates(parameter: Parameter, value: Any, datatype: str) -> Iterator[Entry]:  # noqa: ARG001  as the others
    """Yield the row of a date, dateTime, Period or Timing."""
    covered = _hull(value)
    if covered is not None:
        yield Entry(parameter.key, "date", start=covered.start, end=covered.end)


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


_ROWS = {
    "token": _tokens,
    "reference": _references,
    "uri": _uris,
    "date": _dates,
    "string": _strings,
    "quantity": _quantities,
}
