"""Valid records made from the field table, for proofs, tests and benchmarks.

Every field of every type turns up, lists have 0, 1 and 3 or more elements with equal ones among them, numbers have
trailing zeros, exponents and many digits, dates every precision. The source of chance is given by the caller, so an
example is a pure function of it. What the numbers mean is nonsense; that a record passes ``check`` is a law.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from fhir_infusion.records.example_mends import MEND
from fhir_infusion.records.example_values import (
    AMOUNTS,
    CODES,
    DATES,
    DATETIMES,
    JSON,
    LIKELY,
    NEVER,
    OFTEN,
    OTHER_UNIT_SYSTEMS,
    SYSTEMS,
    TARGETS,
    TIMES,
    UNIT_OF_ROLE,
    UNIT_TEXTS,
    UNITS,
    URIS,
    WORDS,
    ZEROS,
)
from fhir_infusion.records.fields import Field, key_of, table
from fhir_infusion.records.number import from_spelling
from fhir_infusion.records.quantity_rules import ROLES
from fhir_infusion.records.residue_rules import RELEASES
from fhir_infusion.records.value_rules import EVENT_TIMINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
Record = dict[str, Any]


class Dice(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        ...

    def randrange(self, stop: int, /) -> int:
        """Return a whole number from 0 to below ``stop``."""
        ...


def example(type_name: str, dice: Dice, *, residue: bool = True) -> Record:
    """Return a valid record, ``InfusionOrder`` or ``Administration``; without ``residue`` on demand.

    A few milliseconds at most. An Administration may ask to be split; ``parts.split`` gives what goes to FHIR.
    """
    made = Maker(dice).part(type_name, 0)
    made["record"] = type_name
    if not residue:
        made.pop("residue", None)
    return made


class Maker:
    """One example in the making: the dice, and a count that makes every key new."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._keys = 0

    def part(self, type_name: str, depth: int, role: str = "", target: str = "") -> Record:
        """Return a valid part of a record; ``role`` is a quantity's, ``target`` a reference's."""
        if type_name == "Quantity":
            return self._quantity(role)
        likely = LIKELY[min(depth, len(LIKELY) - 1)]
        made: Record = {}
        for field in table()[type_name].values():
            chance = 1.0 if field.required else OFTEN.get((type_name, field.name), likely)
            if field.key or field.name in NEVER or self._dice.random() >= chance:
                continue
            made[field.name] = self._member(type_name, field, depth, role)
        if not made:
            made = self.least(type_name, depth, role)
        for mend in MEND.get(type_name, ()):
            mend(made, self)
        if type_name in {"Reference", "LogicalReference", "Patient"}:
            self._point(made, "Patient" if type_name == "Patient" else target)
        return made

    def least(self, type_name: str, depth: int, role: str = "") -> Record:
        """Return a part with one member, the first that is simple (else the first at all)."""
        fields = [field for field in table()[type_name].values() if not field.key]
        field = next((field for field in fields if not field.nested), fields[0])
        return {field.name: self._member(type_name, field, depth, role)}

    def _member(self, owner: str, field: Field, depth: int, role: str) -> Any:
        role = ROLES.get((owner, field.name), role if owner == "Range" else "")
        if not field.is_list:
            return self._one(owner, field, depth, role)
        count = (1, 1, 1, 2, 3, 3, 4)[self._dice.randrange(7)]
        made = [self._one(owner, field, depth, role) for _ in range(count)]
        if count > 1 and self._dice.random() < 0.25:
            made[-1] = _without_keys(made[0], field)
        key = key_of(field.type) if field.nested else None
        for element in made:
            if key and self._dice.random() < 0.5:
                element[key] = self.key()
        return made

    def _one(self, owner: str, field: Field, depth: int, role: str) -> Any:
        if field.nested:
            return self.part(field.type, depth + 1, role, TARGETS.get(field.name, ""))
        if field.codes:
            return self.choose(field.codes)
        if (owner, field.name) == ("Timing", "when"):
            return self.choose(_EVENTS)
        if owner == "Residue" and field.name in _OF_RESIDUE:
            return self.choose(_OF_RESIDUE[field.name])
        return self.choose(_VALUES[field.kind])(self)

    def _quantity(self, role: str) -> Record:
        made: Record = {}
        if self._chance("value"):
            made["value"] = self.number(zero=role in {"rate", "rates", "change", "any", "measure"})
        if role in {"measure", "any"} and self._chance("comparator"):
            made["comparator"] = self.choose(("<", "<=", ">=", ">"))
        kind = UNIT_OF_ROLE.get(role, "amount")
        if role in {"rate", "rates", "change", "time", "length"} or self._chance("unit"):
            made["unit"] = self.choose(UNITS[kind])
        if self._chance("unit_text"):
            made["unit_text"] = self.choose(UNIT_TEXTS) if kind == "amount" else made["unit"]
        if kind == "amount" and "unit" in made and self._chance("unit_system"):
            made |= {"unit": self.choose(CODES), "unit_system": self.choose(OTHER_UNIT_SYSTEMS)}
        return made or {"value": self.number()}

    def _chance(self, name: str) -> bool:
        return self._dice.random() < OFTEN["Quantity", name]

    def _point(self, made: Record, target: str) -> None:
        """Make a reference point to a type that may stand there, or be without one."""
        if "reference" in made:
            made["reference"] = f"{target}/{self._dice.randrange(1000)}" if target else URIS[1]
        if "type" in made:
            if target:
                made["type"] = target
            elif len(made) > 1:
                del made["type"]
            else:
                made["type"] = "Practitioner"

    def key(self) -> str:
        """Return a key that this example has not used."""
        self._keys += 1
        return f"k{self._keys}"

    def choose(self, choices: Sequence[T]) -> T:
        """Return one of several."""
        return choices[self._dice.randrange(len(choices))]

    def number(self, *, zero: bool = False) -> Any:
        """Return a number, more than zero unless ``zero`` may be."""
        spelling = self.choose(ZEROS if zero and self._dice.randrange(8) == 0 else AMOUNTS)
        return int(spelling) if spelling.isdigit() else from_spelling(spelling)

    def chance(self, likely: float) -> bool:
        """Return true so often."""
        return self._dice.random() < likely

    def below(self, stop: int) -> int:
        """Return a whole number from 0."""
        return self._dice.randrange(stop)


def _text(maker: Maker) -> str:
    return maker.choose(WORDS)


_VALUES: Final[Mapping[str, tuple[Callable[[Maker], Any], ...]]] = MappingProxyType(
    {
        "string": (_text,),
        "markdown": (_text, lambda _: "# Title\n\n* first\n* second"),
        "code": (lambda maker: maker.choose(CODES),),
        "uri": (lambda maker: maker.choose(SYSTEMS + URIS),),
        "canonical": (lambda maker: maker.choose((*URIS, "http://example.org/PlanDefinition/p|1.0")),),
        "id": (lambda maker: maker.choose(("a", "order-1.2", "x" * 64)),),
        "date": (lambda maker: maker.choose(DATES),),
        "dateTime": (lambda maker: maker.choose(DATETIMES),),
        "time": (lambda maker: maker.choose(TIMES),),
        "decimal": (lambda maker: maker.number(),),
        "integer": (lambda maker: maker.below(9) + 1,),
        "positiveInt": (lambda maker: maker.below(21) + 1,),
        "unsignedInt": (lambda maker: maker.below(22),),
        "boolean": (lambda maker: maker.chance(0.5),),
        "json": (lambda maker: maker.choose(JSON),),
    }
)

_OF_RESIDUE: Final[Mapping[str, tuple[str, ...]]] = {
    "release": RELEASES,
    "path": ("extension[]", "_status", "note[k1].extension", "text", "contained[a%5Bb].note[~0f3a].id"),
}
"""What residue is of, and its places."""

_EVENTS: Final = tuple(sorted(EVENT_TIMINGS - {"IMD"}))
"""IMD is of R5 alone."""


def _without_keys(value: Any, field: Field) -> Any:
    """Return an equal element that has no keys in it: a key is used once."""
    if not field.nested:
        return value
    fields, made = table()[field.type], {}
    for name, member in value.items():
        held = fields[name]
        if held.type == "BodyStructure":
            continue  # it is named by its key, which is used
        if held.is_list:
            made[name] = [_without_keys(item, held) for item in member]
        elif not held.key:
            made[name] = _without_keys(member, held)
    return made
