"""Findings on doses by weight, body surface and AUC: does the calculated number follow from the ordered one?

AUC: Calvert's formula, dose in mg = AUC x (GFR + 25), AUC in mg.min/mL and GFR in mL/min, GFR at most 125.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import GFR_CAP, Amount, amount, differ, of, per_body, shown, stated
from fhir_infusion.records.comparisons import are_alike
from fhir_infusion.records.conversions import MASS, as_kind, as_rate, for_this_body, is_pump_step
from fhir_infusion.records.equality import same
from fhir_infusion.records.findings import VOLUME_RATE, concentration, finding, measured, named_by, occasions

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_AUC: Final = (("g", 1), ("m", -3), ("s", 1))
_TOO_MUCH: Final = 5
"""What is ordered is never so many times its cap on purpose: a cap takes the rest, it does not mend a slip of ten."""

_LARGEST: Final = Fraction(21, 100)
"""Body surface by formula and as stated may differ by 10 %, its square by 21 %: the formulas differ that much."""

_KINDS: Final[Mapping[str, tuple[tuple[tuple[str, int], ...], ...]]] = {
    "height": ((("m", 1),),),
    "body-surface-area": ((("m", 2),),),
    "gfr": (VOLUME_RATE, (("m", 1), ("s", -1))),
    "creatinine-clearance": (VOLUME_RATE, (("m", 1), ("s", -1))),
    "target-auc": (_AUC, (("m", -3), ("mol", 1), ("s", 1))),
}
"""The dimensions of a measurement that is no weight; a clearance may be per body surface."""


def body_findings(record: Part, step: Part, path: str) -> Iterator[Issue]:
    """Yield where an ordered and a calculated dose or rate of one step do not follow from each other."""
    dosings = step.get("dosings", ())
    for at, calculated in enumerate(dosings):
        for ordered in dosings:
            stated_so = ordered.get("basis") == "ordered" and calculated.get("basis") == "calculated"
            if ordered is calculated or not (stated_so or ("basis" not in ordered and "basis" not in calculated)):
                continue
            for name, member, asked, got in _pairs(ordered, calculated):
                if stated_so or _is_for_the_body(asked, got):
                    place = (name, f"{path}.dosings[{at}].{member}")
                    yield from _follows(record, step, calculated, (asked, got), place)


def twice_findings(step: Part, path: str) -> Iterator[Issue]:
    """Yield where a step says two doses, or two rates, of one kind, and nothing says which of them is to be given."""
    dosings = step.get("dosings", ())
    for at, dosing in enumerate(dosings[1:], start=1):
        for first in dosings[:at]:
            if first.get("basis") != dosing.get("basis"):
                continue
            for name, member, asked, got in _pairs(first, dosing):
                one, other = amount(asked), amount(got)
                if one is None or other is None or not are_alike(asked, got):
                    continue
                if differ(one.base, other.base) and _are_of_one_basis(first, dosing):
                    said = f"the {name} is {stated(got)}; beside it stands {stated(asked)}, and nothing says which"
                    yield finding(f"{path}.dosings[{at}].{member}", said, "two-amounts", "one, or the basis of each")


def _are_of_one_basis(first: Part, other: Part) -> bool:
    """Return whether two statements of the same basis say the same of it in other codes and in words."""
    return all(same(first.get(name), other.get(name)) for name in ("basis_codings", "basis_text"))


def _pairs(ordered: Part, calculated: Part) -> Iterator[tuple[str, str, Part, Part]]:
    """Yield what two dosings both say: the dose, and the rate as a quantity or ratio."""
    if "dose" in ordered and "dose" in calculated:
        yield "dose", "dose", ordered["dose"], calculated["dose"]
    rates = [as_rate(dosing) for dosing in (ordered, calculated) if "rate_range" not in dosing]
    if len(rates) == 2 and rates[0] is not None and rates[1] is not None:
        yield "rate", "rate" if "rate" in calculated else "rate_ratio", rates[0], rates[1]


def _is_for_the_body(asked: Part, got: Part) -> bool:
    """Return whether, where nobody says which was ordered, one is per kg or m2 or an AUC, the other what it makes.

    A drug rate beside the pump's is looked at by itself.
    """
    wanted, held = amount(asked), amount(got)
    return (
        held is not None
        and held.dimension != VOLUME_RATE
        and wanted is not None
        and (per_body(asked["unit"]) is not None or (wanted.dimension == _AUC and held.dimension == MASS))
        and per_body(got["unit"]) is None
    )


def _follows(
    record: Part, step: Part, calculated: Part, both: tuple[Part, Part], place: tuple[str, str]
) -> Iterator[Issue]:
    (ordered, said), (name, path) = both, place
    asked, got = amount(ordered), amount(said)
    if asked is None or got is None:
        return
    days = occasions(step.get("timing", {})) if name == "dose" else 1
    answers = list(_expected(named_by(record, calculated), ordered, asked, got))
    caps = _caps(record, step, name, got)
    for _, makes in answers:
        reached = min([makes.base, *(cap for cap in caps if makes.base < cap * _TOO_MUCH)])
        # 2 g/kg may be ordered for all the days of a cycle together, and what is calculated be the dose of each.
        if not differ(reached, got.base) or (days > 1 and not differ(reached, got.base * days)):
            return
        if name == "rate" and is_pump_step({"rate": said}, got.base, reached):
            return
    word = "calculated is" if calculated.get("basis") == "calculated" else "beside it stands"
    for how, makes in answers[:1]:
        reason = f"{how} makes {shown(makes, said['unit'])}; {word} {stated(said)}"
        yield finding(path, reason, "calculated-dose")


def _caps(record: Part, step: Part, name: str, got: Amount) -> list[Fraction]:
    """Return what the calculated dose or rate is capped at: 12 [iU]/kg/h, at most 1000 [iU]/h of the bag."""
    if name == "rate":
        return [cap.base for _, cap in as_kind(record, step["max_rate"], got.dimension)] if "max_rate" in step else []
    cap = amount(step.get("max_per_administration"))
    return [cap.base] if cap is not None and cap.dimension == got.dimension else []


def _expected(record: Part, quantity: Part, asked: Amount, got: Amount) -> Iterator[tuple[str, Amount]]:
    """Yield each way in which the ordered amount makes the calculated one, in words, and what it makes."""
    if per_body(quantity["unit"]) is None:
        if asked.dimension == got.dimension:
            yield f"ordered {stated(quantity)}", asked
        elif asked.dimension == _AUC and got.dimension == MASS:
            yield from _calvert(record, quantity)
        else:
            yield from _through_volume(record, asked, got, stated(quantity))
        return
    for how, makes in for_this_body(record, quantity):
        if makes.dimension == got.dimension:
            yield how, makes
        else:
            yield from _through_volume(record, makes, got, how)


def _through_volume(record: Part, rate: Amount, got: Amount, how: str) -> Iterator[tuple[str, Amount]]:
    """A drug rate and the pump's volume rate are one through the concentration."""
    strength = concentration(record) if got.dimension == VOLUME_RATE else None
    if strength is not None and strength.base:
        makes = rate.times(strength, -1)
        if makes.dimension == VOLUME_RATE:
            yield f"{how} of this preparation", makes


def _calvert(record: Part, auc: Part) -> Iterator[tuple[str, Amount]]:
    clearance = measured(record, "gfr", "creatinine-clearance")
    if clearance is None or clearance[1].dimension != VOLUME_RATE:
        return
    unit = units.parse("mL/min") or units.ONE
    rate = clearance[1].base / unit.factor
    target = of(auc["value"], auc["unit"])
    per = units.parse("mg.min/mL") or units.ONE
    mass = (target.base / per.factor if target else Fraction(0)) * (min(rate, GFR_CAP) + 25)
    capped = " (counted as 125 mL/min)" if rate > GFR_CAP else ""
    makes = of(mass, "mg")
    if makes is not None:
        yield f"AUC {stated(auc)} at a GFR of {stated(clearance[0])}{capped}", makes


def surface_findings(record: Part) -> Iterator[Issue]:
    """Yield where the body surface stated is far from what height and weight give (Mosteller)."""
    if "measurements" not in record:
        return
    surface, height = measured(record, "body-surface-area"), measured(record, "height")
    weight = measured(record, "actual-weight")
    if surface is None or height is None or weight is None:
        return
    if (surface[1].dimension, height[1].dimension, weight[1].dimension) != ((("m", 2),), (("m", 1),), MASS):
        return
    # Mosteller: square of the surface = cm x kg / 3600; squares are compared, so that no root is taken.
    square = height[1].base * 100 * weight[1].base / 1000 / 3600
    stated_square = surface[1].base ** 2
    if abs(square - stated_square) > _LARGEST * max(square, stated_square):
        said = f"{stated(height[0])} and {stated(weight[0])} do not make a body surface of {stated(surface[0])}"
        yield finding("measurements", said, "body-surface")


def measurement_findings(record: Part) -> Iterator[Issue]:
    """Yield where a measurement has a unit of something else, so that no dose is checked by it: a surface of 1.8 kg."""
    for at, measurement in enumerate(record.get("measurements", ())):
        kind = measurement.get("kind", "")
        expected = (MASS,) if kind.endswith("-weight") else _KINDS.get(kind)
        for name in ("value", "value_used"):
            held = amount(measurement.get(name))
            if expected is None or held is None or not held.dimension or held.dimension in expected:
                continue
            said = f"{stated(measurement[name])} is no {kind.replace('-', ' ')}"
            yield finding(f"measurements[{at}].{name}", said, "measurement-unit", "a unit of this kind of measurement")
