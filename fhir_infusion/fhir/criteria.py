"""One parameter of a search, read strictly: its name with modifiers, chains and ``_has``, and its values.

https://hl7.org/fhir/R4/search.html#modifiers, #chaining, #has. What is not known is refused, never passed over: a
search that ignores ``patient=`` returns everybody.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import wanted
from fhir_infusion.fhir.exact import name_in_path
from fhir_infusion.fhir.parameters import TYPES, parameters
from fhir_infusion.fhir.query import Chain, Condition, Criterion, Either, Has, Match, Missing, Wanted
from fhir_infusion.fhir.wanted import Here, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fhir_infusion.fhir.parameters import Parameter

OF_EVERY_TYPE: Final = ("_id", "_lastUpdated")

_MOST_LINKS: Final = 3
"""So many resources may lie between what is searched for and what is asked of it."""

_MODIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("missing", "not", "text"),
    "reference": ("missing", "identifier"),
    "string": ("missing", "exact", "contains"),
    "uri": ("missing", "above", "below"),
    "date": ("missing",),
    "quantity": ("missing",),
}


def modifiers(parameter: Parameter, release: str) -> tuple[str, ...]:
    """Return the modifiers that a parameter takes, types of resources aside."""
    more: list[str] = []
    if "Identifier" in parameter.types() and parameter.kind == "token":
        more.append("of-type")
    if release == "R5" and parameter.kind == "token":
        more.append("code-text")
    if release == "R5" and parameter.kind == "reference":
        more.append("text")
    return (*_MODIFIERS[parameter.kind], *more)


def criterion(resource_type: str, name: str, value: str, here: Here, links: int = 0) -> Condition:
    """Read one parameter of a search.

    Raises:
        Refused: 400 ``not-supported`` for a parameter or modifier that is not known, ``too-costly`` for too long a
            chain, ``invalid`` for a value that cannot be read.
    """
    if links > _MOST_LINKS:
        raise Refused(Issue("error", "too-costly", "", "too long a chain", f"at most {_MOST_LINKS} links", "search"))
    if name.startswith("_has:"):
        return _has(resource_type, name, value, here, links)
    head, dot, rest = name.partition(".")
    base, colon, modifier = head.partition(":")
    if colon and not modifier:
        unknown(name_in_path(base), "a colon without a modifier", "the name alone, or with a modifier behind the colon")
    if dot and base not in OF_EVERY_TYPE:
        return _chain(_known(resource_type, base, here), modifier, (rest, value), here, links)
    if base in OF_EVERY_TYPE:
        return _of_every_type(base, modifier or rest, value)
    return _plain(_known(resource_type, base, here), modifier, value, here)


def _known(resource_type: str, name: str, here: Here) -> Parameter:
    known = {parameter.name: parameter for parameter in parameters(resource_type, here.release)}
    parameter = known.get(name)
    if parameter is None:
        accepted = ", ".join((*OF_EVERY_TYPE, *known))
        unknown(name_in_path(name), "there is no such parameter", accepted)
    return parameter


def _of_every_type(name: str, modifier: str, value: str) -> Criterion:
    if modifier:
        unknown(name, "a modifier that is not offered", name)
    values = wanted.split(name, value)
    if name == "_id":
        return Criterion("_id", "id", tuple(map(wanted.resource_id, values)))
    return Criterion("_lastUpdated", "lastUpdated", tuple(wanted.date(name, item) for item in values))


def _plain(parameter: Parameter, modifier: str, value: str, here: Here) -> Condition:
    """Read a parameter of the resource itself."""
    name, offered = parameter.name, modifiers(parameter, here.release)
    # Where any type may be meant, each that is kept can be named, as in a chain.
    types = (parameter.targets or sorted(TYPES)) if parameter.kind == "reference" else ()
    if modifier and modifier not in offered and modifier not in types:
        unknown(name, "a modifier that is not offered", ", ".join((*offered, *types)))
    if modifier == "missing":
        return Missing(parameter.key, parameter.kind, wanted.yes_or_no(name, value))
    values = wanted.split(name, value)
    if parameter.kind == "token":
        return _token(parameter, modifier, values)
    if parameter.kind == "reference":
        return _reference(parameter, modifier, values, here)
    how: Match = _MATCHES.get(modifier, "starts" if parameter.kind == "string" else "")
    return Criterion(parameter.key, parameter.kind, tuple(_value(parameter, item, how) for item in values), match=how)


_MATCHES: Final[Mapping[str, Match]] = MappingProxyType(
    {"exact": "exact", "contains": "contains", "above": "above", "below": "below"}
)


def _value(parameter: Parameter, value: str, how: Match) -> Wanted:
    """Read a value that needs no more than itself to be understood."""
    match parameter.kind:
        case "date":
            return wanted.date(parameter.name, value)
        case "quantity":
            return wanted.quantity(parameter.name, value)
        case "uri":
            return wanted.uri(parameter.name, value)
        case _:
            return wanted.string(parameter.name, value, exact=how == "exact")


def _token(parameter: Parameter, modifier: str, values: list[str]) -> Condition:
    name, key = parameter.name, parameter.key
    match modifier:
        case "text":
            texts = tuple(wanted.string(name, item, exact=False) for item in values)
            return Criterion(f"{key}:text", "string", texts, match="starts")
        case "of-type":
            typed = tuple(wanted.typed_identifier(name, item) for item in values)
            return Criterion(f"{key}:of-type", "token", typed)
        case "code-text":
            return Criterion(key, "token", tuple(map(wanted.plain, values)), match="code-text")
        case _:
            codes = tuple(wanted.token(parameter, item) for item in values)
            return Criterion(key, "token", codes, negated=modifier == "not")


def _reference(parameter: Parameter, modifier: str, values: list[str], here: Here) -> Condition:
    """Read a reference: its modifier is the type it points to, or ``identifier`` for a business identifier."""
    name, key = parameter.name, parameter.key
    if modifier == "identifier":
        return Criterion(f"{key}:identifier", "token", tuple(wanted.token(parameter, item) for item in values))
    if modifier == "text":
        texts = tuple(wanted.string(name, item, exact=False) for item in values)
        return Criterion(f"{key}:text", "string", texts, match="starts")
    targets = (modifier,) if modifier else parameter.targets
    found = (one for item in values for one in wanted.references(name, targets, item, here))
    return Criterion(key, "reference", tuple(found))


def _chain(parameter: Parameter, modifier: str, asked: tuple[str, str], here: Here, links: int) -> Condition:
    """Read ``patient.identifier``, ``subject:Patient.name``: what is asked of the resource that is referred to."""
    rest, value = asked
    if parameter.kind != "reference":
        unknown(parameter.name, "a chain through what is no reference", "a parameter of type reference")
    if modifier and parameter.targets and modifier not in parameter.targets:
        unknown(parameter.name, "a modifier that is not offered", ", ".join(parameter.targets))
    targets = [one for one in ((modifier,) if modifier else parameter.targets) if one in TYPES]
    if not targets:
        unknown(parameter.name, "the type that is referred to is not named or not kept", f"{parameter.name}:Type.…")
    found: list[Condition] = []
    refused: Refused | None = None
    for target in targets:
        try:
            found.append(Chain(parameter.key, target, criterion(target, rest, value, here, links + 1)))
        except Refused as error:
            refused = refused or error
    if not found and refused is not None:
        raise refused
    if rest == "identifier":
        # A reference that gives the identifier says it of what it refers to, whether that is kept here or not.
        found.insert(0, _reference(parameter, "identifier", wanted.split(parameter.name, value), here))
    return found[0] if len(found) == 1 else Either(tuple(found))


def _has(resource_type: str, name: str, value: str, here: Here, links: int) -> Condition:
    """Read ``_has:MedicationAdministration:request:status``: what is asked of a resource that refers to this one."""
    _, source, through, *rest = (*name.split(":", 3), "", "")
    if source not in TYPES or not rest[0]:
        unknown("_has", "not a type that is kept, its reference and its parameter", "_has:Type:reference:parameter")
    parameter = _known(source, through, here)
    if parameter.kind != "reference" or (parameter.targets and resource_type not in parameter.targets):
        unknown("_has", "the parameter does not refer to this type", "a reference to it")
    return Has(source, parameter.key, criterion(source, rest[0], value, here, links + 1))
