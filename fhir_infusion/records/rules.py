"""The vocabulary of rules that go across fields, and how a record is walked to find all that are broken.

A rule is a generator over one part of a record (a dict of the rule's record type, whose read fields have the right
shape) that yields one ``Broken`` per fault. The rules themselves stand in ``value_rules`` and ``record_rules``.

``as_sent`` says that the record was read from FHIR. What is only asked of our own JSON (rules with ``own``) is then
let pass; ``arithmetic`` reports it as a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Self

from fhir_infusion.errors import BREAKS_FHIR, BREAKS_RULE
from fhir_infusion.records.fields import table

Part = Mapping[str, Any]
"""One part of a record in its interchange form."""

Place = tuple[str | int, ...]
"""Where in a part: field names and positions."""


class Told(str):
    """The reason of a refusal, with what an issue needs besides; a ``str`` so that marshmallow carries it."""

    __slots__ = ("accepted", "code", "rule", "status")

    code: str
    accepted: str
    rule: str
    status: int

    def __new__(cls, reason: str, *, code: str, accepted: str = "", rule: str = "", status: int = BREAKS_FHIR) -> Self:
        """Make the message; ``code`` is of http://hl7.org/fhir/issue-type."""
        told = super().__new__(cls, reason)
        told.code, told.accepted, told.rule, told.status = code, accepted, rule, status
        return told


class Broken(NamedTuple):
    """One fault: where, below the part that the rule looks at, and what."""

    place: Place
    told: Told


class Rule(NamedTuple):
    """One rule of one record type. It runs only where all the fields that it ``reads`` have the right shape.

    ``quick`` is an expression over ``part`` for the generated check: where it is true, ``find`` finds nothing (a test
    holds that), so the check need not call it. Its names are those of ``value_rules.QUICK``.
    """

    reads: tuple[str, ...]
    find: Callable[[Part], Iterator[Broken]]
    own: bool = False
    quick: str = "False"


def breaks_fhir(place: Place, reason: str, accepted: str, rule: str, code: str = "invariant") -> Broken:
    """Return a fault that breaks base FHIR or our format (400)."""
    return Broken(place, Told(reason, code=code, accepted=accepted, rule=rule))


def breaks_rule(place: Place, reason: str, accepted: str, rule: str, code: str = "business-rule") -> Broken:
    """Return a fault that breaks a safety or business rule (422)."""
    return Broken(place, Told(reason, code=code, accepted=accepted, rule=rule, status=BREAKS_RULE))


Rules = Mapping[str, tuple[Rule, ...]]

UNIQUE: Final = "unique-key"


Shaped = Callable[[str, str, object], bool]
"""Takes a record type, a field of it and a value; tells whether the value has the right shape."""


def broken(record: object, type_name: str, rules: Rules, shaped: Shaped, *, as_sent: bool) -> Iterator[Broken]:
    """Yield every fault of a record, with places from its top.

    A rule that reads a misshapen field is silent, because the misshape is already told.
    """
    keys: dict[str, Place] = {}
    for part, held, at in _parts(record, type_name, ()):
        yield from (Broken(at + place, told) for place, told in _broken(part, held, rules, shaped, as_sent=as_sent))
        key = next((field.name for field in table()[held].values() if field.key), "")
        if isinstance(part.get(key), str):
            yield from _repeated(part[key], (*at, key), keys)


def _broken(part: Part, type_name: str, rules: Rules, shaped: Shaped, *, as_sent: bool) -> Iterator[Broken]:
    fields = table()[type_name]

    def readable(name: str) -> bool:
        return shaped(type_name, name, part[name]) if name in part else not fields[name].required

    for rule in rules.get(type_name, ()):
        if not (rule.own and as_sent) and all(map(readable, rule.reads)):
            yield from rule.find(part)


def _parts(part: object, type_name: str, at: Place) -> Iterator[tuple[Part, str, Place]]:
    """Yield a part and every part in it, each with its type and place; what has no shape of a part is passed by."""
    if not isinstance(part, dict):
        return
    yield part, type_name, at
    for name, field in table()[type_name].items():
        value = part.get(name)
        if field.nested and field.is_list and isinstance(value, list):
            for position, item in enumerate(value):
                yield from _parts(item, field.type, (*at, name, position))
        elif field.nested:
            yield from _parts(value, field.type, (*at, name))


def _repeated(key: str, at: Place, keys: dict[str, Place]) -> Iterator[Broken]:
    if keys.setdefault(key, at) is not at:
        yield breaks_fhir(at, "this key is used elsewhere in the record", "a key of its own", UNIQUE, "duplicate")
