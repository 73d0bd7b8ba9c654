"""The vocabulary of rules that go across fields, and how a record is walked to find all that are broken.

A rule is a generator over one part of a record (a dict of the rule's record type, whose read fields have the right
shape) that yields one ``Broken`` per fault. The rules themselves stand in ``value_rules`` and ``record_rules``.

``as_sent`` says that the record was read from FHIR. What is only asked of our own JSON (rules with ``own``) is then
let pass; ``arithmetic`` reports it as a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

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

    def __new__(cls, reason: str, *, code: str, accepted: str = "", rule: str = "", status: int = BREAKS_FHIR) -> Told:
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


def broken(
    record: object, type_name: str, rules: Rules, shaped: Callable[[str, str, object], bool], *, as_sent: bool
) -> Iterator[Broken]:
    """Yield every fault of a record, with places from its top.

    ``shaped(type name, field name, value)`` tells whether a field's value has the right shape; a rule that reads a
    misshapen field is silent, because the misshape is already told.
    """
    keys: dict[str, Place] = {}
    yield from _walk(record, type_name, (), rules, shaped, keys, as_sent=as_sent)


def _walk(  # noqa: PLR0913  one recursion, its state passed on
    part: object,
    type_name: str,
    at: Place,
    rules: Rules,
    shaped: Callable[[str, str, object], bool],
    keys: dict[str, Place],
    *,
    as_sent: bool,
) -> Iterator[Broken]:
    if not isinstance(part, dict):
        return
    fields = table()[type_name]

    def readable(name: str) -> bool:
        return shaped(type_name, name, part[name]) if name in part else not fields[name].required

    for rule in rules.get(type_name, ()):
        if not (rule.own and as_sent) and all(map(readable, rule.reads)):
            yield from (Broken(at + place, told) for place, told in rule.find(part))
    for name, value in part.items():
        field = fields.get(name)
        if field is None:
            continue
        if field.key and isinstance(value, str):
            yield from _repeated(value, (*at, name), keys)
        elif field.nested and field.is_list and isinstance(value, list):
            for position, item in enumerate(value):
                yield from _walk(item, field.type, (*at, name, position), rules, shaped, keys, as_sent=as_sent)
        elif field.nested:
            yield from _walk(value, field.type, (*at, name), rules, shaped, keys, as_sent=as_sent)


def _repeated(key: str, at: Place, keys: dict[str, Place]) -> Iterator[Broken]:
    if keys.setdefault(key, at) is not at:
        yield breaks_fhir(at, "this key is used elsewhere in the record", "a key that is used once", UNIQUE, "duplicate")
