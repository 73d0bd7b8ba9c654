"""Valid records made from the field table, for proofs, tests and benchmarks.

Every field of every type turns up, lists have 0, 1 and 3 or more elements with equal ones among them, numbers have
trailing zeros, exponents and many digits, dates every precision. The source of chance is given by the caller, so an
example is a pure function of it. What the numbers mean is nonsense; that a record passes ``check`` is a law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

from fhir_infusion.records.fields import Field, key_of, table
from fhir_infusion.records.number import from_spelling
from fhir_infusion.records.value_rules import EVENT_TIMINGS, ROLES

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
    made = _Maker(dice).part(type_name, 0)
    made["record"] = type_name
    if not residue:
        made.pop("residue", None)
    return made


# How likely a member is where it may be left out, by depth; what carries much below it has its own.
_LIKELY: Final = (0.24, 0.42, 0.34, 0.3, 0.24, 0.18, 0.12)
_OFTEN: Final[Mapping[tuple[str, str], float]] = MappingProxyType({
    ("InfusionOrder", "steps"): 0.85,
    ("InfusionOrder", "dispense"): 0.3,
    ("InfusionOrder", "authorisations"): 0.25,
    ("InfusionOrder", "resource_id"): 0.3,
    ("InfusionOrder", "order_id"): 0.8,
    ("InfusionOrder", "preparation"): 0.4,
    ("InfusionOrder", "drug"): 0.6,
    ("Administration", "administration_id"): 0.8,
    ("Administration", "segments"): 0.75,
    ("Administration", "preparation"): 0.4,
    ("Administration", "drug"): 0.6,
    ("Administration", "when"): 1.0,
    ("Administration", "performers"): 0.4,
    ("Step", "dosings"): 0.8,
    ("Step", "timing"): 0.55,
    ("Step", "titration"): 0.25,
    ("Step", "patient_control"): 0.25,
    ("Preparation", "ingredients"): 0.6,
    ("Quantity", "value"): 0.97,
    ("Quantity", "unit"): 0.85,
    ("Quantity", "comparator"): 0.25,
    ("Quantity", "unit_system"): 0.12,
    ("Quantity", "unit_text"): 0.35,
    ("Range", "low"): 0.7,
    ("Range", "high"): 0.7,
    ("Ratio", "numerator"): 1.0,
    ("Ratio", "denominator"): 1.0,
    ("PeriodLimit", "numerator"): 1.0,
    ("PeriodLimit", "denominator"): 1.0,
    ("Note", "text"): 1.0,
    ("Occurrence", "timing"): 0.25,
    ("Occurrence", "start"): 0.7,
    ("Residue", "value"): 1.0,
    ("Coding", "code"): 0.8,
    ("Reference", "reference"): 0.6,
    ("Performer", "actor"): 0.85,
})
_NEVER: Final = frozenset({"record"})

_TARGETS: Final[Mapping[str, str]] = MappingProxyType({
    # A type of target that R4 and R5 both allow at this field, else the reference is by urn or identifier alone.
    "prescriber": "Practitioner", "recorder": "Practitioner", "performers": "Practitioner", "actor": "Practitioner",
    "author": "Practitioner", "encounter": "Encounter", "location": "Location", "insurance": "Coverage",
    "pharmacy": "Organization", "manufacturer": "Organization", "order": "MedicationRequest", "device": "Device",
    "medication": "Medication", "replaces": "MedicationRequest", "reason_references": "Condition",
    "detected_issues": "DetectedIssue", "event_history": "Provenance", "based_on": "CarePlan",
    "part_of": "MedicationAdministration", "reported_by": "Practitioner", "witness": "Practitioner",
    "performer": "Practitioner",
})  # fmt: skip

_WORDS: Final = (
    "dobutamine", "Glucose 5 %", "over 30 min", "naïve", "Wärme — 37 °C", "静脈内投与", "a\nsecond line", "0.9 %", "x",
    "1.50 mg", "left forearm", "\"quoted\" \\ text", "PICC, proximal lumen", "🩺 checked",
)  # fmt: skip
_CODES: Final = ("387192002", "47625008", "ordered", "A01.1-b", "two words", "x", "EV")
_SYSTEMS: Final = ("http://snomed.info/sct", "http://loinc.org", "urn:oid:2.16.840.1.113883.6.1", "https://example.org/codes")
_UNITS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "amount": ("mg", "g", "ug", "mL", "mmol", "meq", "[iU]", "10*6.[iU]", "mg/kg", "mg/m2", "mg.min/mL", "{tbl}", "%"),
    "rate": ("mL/h", "mg/h", "ug/kg/min", "[iU]/kg/h", "mL/kg/h", "ml/min", "mg/(24.h)", "/min"),
    "time": ("s", "min", "h", "d", "wk", "mo", "a"),
})
_UNIT_OF_ROLE: Final[Mapping[str, str]] = MappingProxyType({
    "rate": "rate", "rates": "rate", "change": "rate", "time": "time", "not-rate": "amount", "measure": "amount",
})  # fmt: skip
_UNIT_TEXTS: Final = ("as written", "Einheiten", "units", "bag", "vials (50 mg)")
_OTHER_UNIT_SYSTEMS: Final = ("https://example.org/units", "urn:oid:1.2.3")
_AMOUNTS: Final = ("5", "1.50", "250", "0.375", "0.00000001", "2.5", "1e3", "2.50E-2", "123456789.012345678", "10.0", "0.10", "1000000")
_ZEROS: Final = ("0", "0.0", "0.00")
_DATES: Final = ("1961", "1961-04", "1961-04-30", "2000-02-29")
_DATETIMES: Final = (
    "2024", "2024-03", "2024-03-31", "2024-03-31T02:30:00Z", "2024-03-31T02:30:00+02:00", "2024-10-27T02:30:00.123-05:00",
    "2024-05-01T08:00:00.0+13:45", "2024-12-31T23:59:60Z",
)  # fmt: skip
_LATER: Final = ("2025", "2025-06", "2025-06-30", "2025-06-30T12:00:00Z", "2025-06-30T12:00:00.50+09:30")
_TIMES: Final = ("08:00:00", "23:59:59.5", "00:00:00", "13:30:00")
_URIS: Final = ("https://example.org/a", "urn:uuid:5f1d6d9e-7f0b-4c3a-9a53-0d7c5a5d1d10", "http://example.org/b?c=d")
_JSON: Final[tuple[object, ...]] = ("text", True, 3, ["a", {"b": 1}], {"url": "https://example.org/e", "valueString": "x"})


class _Maker:
    """One example in the making: the dice, and a count that makes every key new."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._keys = 0

    def part(self, type_name: str, depth: int, role: str = "", target: str = "") -> Record:
        """Return a valid part of a record; ``role`` is a quantity's, ``target`` a reference's."""
        if type_name == "Quantity":
            return self._quantity(role)
        likely = _LIKELY[min(depth, len(_LIKELY) - 1)]
        made: Record = {}
        for field in table()[type_name].values():
            chance = 1.0 if field.required else _OFTEN.get((type_name, field.name), likely)
            if field.key or field.name in _NEVER or self._dice.random() >= chance:
                continue
            made[field.name] = self._member(type_name, field, depth, role)
        if not made:
            made = self.least(type_name, depth, role)
        for mend in _MEND.get(type_name, ()):
            mend(made, self)
        if type_name in {"Reference", "LogicalReference", "Patient"}:
            self._point(made, "Patient" if type_name == "Patient" else target)
        return made

    def least(self, type_name: str, depth: int, role: str = "") -> Record:
        """Return a part with one member, the first that is simple (else the first at all)."""
        fields = [field for field in table()[type_name].values() if not field.key]
        field = next((field for field in fields if not field.nested), fields[0])
        return {field.name: self._member(type_name, field, depth, role)}

    def _member(self, owner: str, field: Field, depth: int, role: str) -> Any:  # noqa: ANN401  any JSON value
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

    def _one(self, owner: str, field: Field, depth: int, role: str) -> Any:  # noqa: ANN401  any JSON value
        if field.nested:
            return self.part(field.type, depth + 1, role, _TARGETS.get(field.name, ""))
        if field.codes:
            return self.choose(field.codes)
        if (owner, field.name) == ("Timing", "when"):
            return self.choose(_EVENTS)
        return self.choose(_VALUES[field.kind])(self)

    def _quantity(self, role: str) -> Record:
        made: Record = {}
        if self._chance("value"):
            made["value"] = self.number(zero=role in {"rate", "rates", "change", "any", "measure"})
        if role in {"measure", "any"} and self._chance("comparator"):
            made["comparator"] = self.choose(("<", "<=", ">=", ">"))
        kind = _UNIT_OF_ROLE.get(role, "amount")
        if role in {"rate", "rates", "change", "time"} or self._chance("unit"):
            made["unit"] = self.choose(_UNITS[kind])
        if self._chance("unit_text"):
            made["unit_text"] = self.choose(_UNIT_TEXTS) if kind == "amount" else made["unit"]
        if kind == "amount" and "unit" in made and self._chance("unit_system"):
            made |= {"unit": self.choose(_CODES), "unit_system": self.choose(_OTHER_UNIT_SYSTEMS)}
        return made or {"value": self.number()}

    def _chance(self, name: str) -> bool:
        return self._dice.random() < _OFTEN["Quantity", name]

    def _point(self, made: Record, target: str) -> None:
        """Make a reference point to a type that may stand there, or be without one."""
        if "reference" in made:
            made["reference"] = f"{target}/{self._dice.randrange(1000)}" if target else _URIS[1]
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

    def number(self, *, zero: bool = False) -> Any:  # noqa: ANN401  int or Decimal
        """Return a number, more than zero unless ``zero`` may be."""
        spelling = self.choose(_ZEROS if zero and self._dice.randrange(8) == 0 else _AMOUNTS)
        return int(spelling) if spelling.isdigit() else from_spelling(spelling)

    def chance(self, likely: float) -> bool:
        """Return true so often."""
        return self._dice.random() < likely

    def below(self, stop: int) -> int:
        """Return a whole number from 0."""
        return self._dice.randrange(stop)


def _text(maker: _Maker) -> str:
    return maker.choose(_WORDS)


_VALUES: Final[Mapping[str, tuple[Callable[[_Maker], Any], ...]]] = MappingProxyType({
    "string": (_text,),
    "markdown": (_text, lambda _: "# Title\n\n* first\n* second"),
    "code": (lambda maker: maker.choose(_CODES),),
    "uri": (lambda maker: maker.choose(_SYSTEMS + _URIS),),
    "canonical": (lambda maker: maker.choose((*_URIS, "http://example.org/PlanDefinition/p|1.0")),),
    "id": (lambda maker: maker.choose(("a", "order-1.2", "x" * 64)),),
    "date": (lambda maker: maker.choose(_DATES),),
    "dateTime": (lambda maker: maker.choose(_DATETIMES),),
    "time": (lambda maker: maker.choose(_TIMES),),
    "decimal": (lambda maker: maker.number(),),
    "integer": (lambda maker: maker.below(9) + 1,),
    "positiveInt": (lambda maker: maker.below(21) + 1,),
    "unsignedInt": (lambda maker: maker.below(22),),
    "boolean": (lambda maker: maker.chance(0.5),),
    "json": (lambda maker: maker.choose(_JSON),),
})

_EVENTS: Final = tuple(sorted(EVENT_TIMINGS - {"IMD"}))
"""IMD is of R5 alone."""


def _without_keys(value: Any, field: Field) -> Any:  # noqa: ANN401  any JSON value
    """Return an equal element that has no keys in it: a key is used once."""
    if not field.nested:
        return value
    fields, made = table()[field.type], {}
    for name, member in value.items():
        held = fields[name]
        if held.is_list:
            made[name] = [_without_keys(item, held) for item in member]
        elif not held.key:
            made[name] = _without_keys(member, held)
    return made


# ------------------------------------------------------------------------------- what chance alone would get wrong


def _keep_one(*names: str) -> Callable[[Record, _Maker], None]:
    def mend(made: Record, maker: _Maker) -> None:
        stated = [name for name in names if name in made]
        kept = maker.choose(stated) if stated else ""
        for name in stated:
            if name != kept:
                del made[name]

    return mend


def _mend_range(made: Record, maker: _Maker) -> None:
    for limit in made.values():
        _plain(limit, maker)
    if len(made) == 2:
        low, high = made["low"], made["high"]
        if maker.chance(0.7):
            made["high"] = {**low, "value": 1_000_000_000}
        elif "value" in low and "value" in high and low["value"] > high["value"]:
            low["value"], high["value"] = high["value"], low["value"]


def _plain(quantity: Record, maker: _Maker) -> None:
    quantity.pop("comparator", None)
    if not quantity:
        quantity["value"] = maker.number()


def _mend_ratio(made: Record, maker: _Maker) -> None:
    _plain(made["denominator"], maker)
    if not made["denominator"].get("value", 1):
        made["denominator"]["value"] = maker.number()


def _mend_period(made: Record, maker: _Maker) -> None:
    if "end" in made:
        made["end"] = maker.choose(_LATER)


def _mend_span(made: Record, maker: _Maker) -> None:
    if "max" in made:
        made.setdefault("value", maker.number())
    if "value" in made:
        made.setdefault("unit", maker.choose(("min", "h", "d")))


def _mend_timing(made: Record, maker: _Maker) -> None:
    if "count_max" in made:
        made.setdefault("count", maker.below(5) + 1)
    if "period_max" in made:
        made.setdefault("period", maker.number())
    if "period" in made:
        made.setdefault("period_unit", maker.choose(("h", "d", "wk")))
    if "offset" in made and not {"C", "CM", "CD", "CV"}.isdisjoint(made.get("when", ["C"])):
        made["when"] = ["AC", "HS"][: maker.below(2) + 1]
    if "when" in made:
        made.pop("times_of_day", None)


def _mend_step(made: Record, _maker: _Maker) -> None:
    if made.get("as_needed") is False:
        made.pop("as_needed_for", None)


def _mend_ingredient(made: Record, maker: _Maker) -> None:
    if "drug" not in made and "reference" not in made:
        made["drug"] = maker.part("Concept", 3)


def _mend_performer(made: Record, maker: _Maker) -> None:
    if "actor" not in made and "actor_concept" not in made:
        made["actor"] = maker.part("Reference", 3, target="Practitioner")


def _mend_substitution(made: Record, maker: _Maker) -> None:
    if "allowed" not in made and "allowed_kind" not in made:
        made["allowed"] = maker.chance(0.5)


def _mend_patient(made: Record, maker: _Maker) -> None:
    if not made.keys() & {"reference", "identifier", "other_identifiers", "name"}:
        made["identifier"] = maker.part("Identifier", 3)


def _mend_occurrence(made: Record, maker: _Maker) -> None:
    period = made.keys() & {"start", "end"}
    kept = "timing" if "timing" in made else "at" if "at" in made and (not period or maker.chance(0.6)) else ""
    if kept:
        for name in [name for name in made if name != kept]:
            del made[name]
    else:
        made.pop("at", None)
        _mend_period(made, maker)


def _mend_drug(made: Record, maker: _Maker) -> None:
    if "medication" in made and not made.keys() & {"drug", "preparation"}:
        return
    made.pop("medication", None)
    if "drug" not in made and "preparation" not in made:
        if maker.chance(0.5):
            made["drug"] = maker.part("Concept", 2)
        else:
            made["medication"] = maker.part("Reference", 2, target="Medication")


def _mend_measurements(made: Record, maker: _Maker) -> None:
    if "preparation" in made and maker.chance(0.5):
        made["preparation"]["preparation_id"] = maker.key()
    used = {made.get("preparation", {}).get("preparation_id", "preparation")}
    for measurement in made.get("measurements", ()):
        if measurement.get("measurement_id", measurement["kind"]) in used:
            measurement["measurement_id"] = maker.key()
        used.add(measurement.get("measurement_id", measurement["kind"]))


def _mend_order(made: Record, _maker: _Maker) -> None:
    if "do_not_perform" in made:
        made["do_not_perform"] = False


def _mend_administration(made: Record, maker: _Maker) -> None:
    if made.get("representation") == "split":
        if "segments" in made:
            _mend_split(made, maker)
        else:
            made["representation"] = "single"
    if made.keys() & {"text", "route", "body_site", "method"} and made.get("representation") != "split":
        made.setdefault("dose_given", maker.part("Quantity", 1, role="amount"))
    if made.get("representation") == "split" and not any("dose" in segment for segment in made["segments"]):
        made.setdefault("dose_given", maker.part("Quantity", 1, role="amount"))


def _mend_split(made: Record, maker: _Maker) -> None:
    made.setdefault("administration_id", "administration-1")
    made.pop("dose_total", None)
    for segment in made["segments"]:
        segment.setdefault("segment_id", maker.key())
        segment.setdefault("start", "2024-03-31T02:30:00Z")
    if any("dose" in segment for segment in made["segments"]):
        made.pop("text", None)


_MEND: Final[Mapping[str, tuple[Callable[[Record, _Maker], None], ...]]] = MappingProxyType({
    "Range": (_mend_range,),
    "Ratio": (_mend_ratio,),
    "PeriodLimit": (_mend_ratio,),
    "Period": (_mend_period,),
    "Span": (_mend_span,),
    "Timing": (_keep_one("bounds_period", "bounds_length", "bounds_range"), _mend_timing),
    "Step": (_mend_step,),
    "Dosing": (_keep_one("dose", "dose_range"), _keep_one("rate", "rate_range", "rate_ratio", "rate_as_stated")),
    "Segment": (_keep_one("rate", "rate_ratio", "rate_as_stated"), _mend_period),
    "Ingredient": (_keep_one("strength", "amount", "strength_concept"), _keep_one("drug", "reference"), _mend_ingredient),
    "Performer": (_mend_performer,),
    "Substitution": (_keep_one("allowed", "allowed_kind"), _mend_substitution),
    "Note": (_keep_one("author", "author_name"),),
    "Patient": (_mend_patient,),
    "Occurrence": (_mend_occurrence,),
    "InfusionOrder": (_mend_drug, _mend_measurements, _mend_order),
    "Administration": (_mend_drug, _mend_measurements, _mend_administration),
})
