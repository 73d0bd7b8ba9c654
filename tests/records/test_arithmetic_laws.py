"""What holds of the findings whatever the numbers are.

Units change nothing; what is worked out from one another has no finding; one number that is changed has the finding
that is meant, and no other; a message holds numbers, and nothing of a patient.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.check import check
from fhir_infusion.records.number import spelling_of
from tests.counts import count
from tests.generators import records, spoiled
from tests.golden_write import goldens
from tests.records.found import CALCULATED, FOUND, ORDERED, Record, given_, order, q, step, weight
from tests.records.samples import changed

if TYPE_CHECKING:
    from collections.abc import Callable

# ---------------------------------------------------------------------------------------------------------- units

UP: Final = {"mg": ("g", Decimal("0.001")), "mL": ("L", Decimal("0.001")), "ug": ("mg", Decimal("0.001")), "h": ("min", Decimal(60)), "min": ("s", Decimal(60))}  # fmt: skip
BELOW: Final = {
    "mL": ("L", Decimal(1000)),
    "min": ("h", Decimal(60)),
    "h": ("d", Decimal(24)),
    "mg": ("g", Decimal(1000)),
}
"""In a numerator and in a denominator: each an exact number of the other unit."""


def in_other_units(part: Any) -> Any:
    """Return a record with every amount and length of time in another unit."""
    if isinstance(part, list):
        return [in_other_units(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {name: value if name == "residue" else in_other_units(value) for name, value in part.items()}
    if "unit" in made and "unit_system" not in made and "value" in made:
        code, factor = other_unit(made["unit"])
        made["unit"] = code
        made.pop("unit_text", None)
        made |= {name: made[name] * factor for name in ("value", "max") if name in made}
    if made.get("period_unit") in UP:
        unit, factor = UP[made["period_unit"]]
        made |= {name: made[name] * factor for name in ("period", "period_max") if name in made} | {"period_unit": unit}
    return made


def other_unit(code: str) -> tuple[str, Decimal]:
    top, *bottom = code.split("/")
    unit, factor = UP.get(top, (top, Decimal(1)))
    for part in bottom:
        below, times = BELOW.get(part, (part, Decimal(1)))
        unit, factor = f"{unit}/{below}", factor * times
    return unit, factor


def kinds(record: Record) -> list[tuple[str, str]]:
    # What our own JSON may not hold is about the codes of units themselves.
    return [(issue.rule, issue.path) for issue in findings(record, as_sent=False)]


GOLDENS: Final = goldens()


@pytest.mark.parametrize("record", [record for record, *_ in FOUND] + [golden.record() for golden in GOLDENS])
def test_units_change_no_finding(record: Record):
    assert kinds(in_other_units(record)) == kinds(record)


@settings(max_examples=count(60, 3000))
@given(records(residue=False))
def test_units_change_no_finding_of_any_record(record: Record):
    assert kinds(in_other_units(record)) == kinds(record)


# ------------------------------------------------------------------------------------------------- worked out, or not


def to(value: Decimal, digits: str) -> Decimal:
    return value.quantize(Decimal(digits), ROUND_HALF_UP)


@st.composite
def consistent_orders(draw: st.DrawFn) -> Record:
    """Orders of a dose by weight in a bag that runs in a time, each number worked out from the others and rounded."""
    kilograms = Decimal(draw(st.integers(100, 1500))) / 10
    per_kg = Decimal(draw(st.integers(10, 500))) / 10
    volume, minutes = draw(st.integers(50, 3000)), draw(st.sampled_from([15, 20, 30, 45, 60, 90, 120, 240, 480, 1000]))
    dose = to(per_kg * kilograms, "0.1")
    rate = to(Decimal(volume * 60) / minutes, "0.1")
    timing = {"duration": {"value": minutes, "unit": "min"}, "frequency": 1, "period": 1, "period_unit": "d"}
    return order(
        step(
            {**ORDERED, "dose": q(per_kg, "mg/kg")},
            {**CALCULATED, "dose": q(dose, "mg"), "rate": q(rate, "mL/h")},
            timing=timing,
            text=f"{dose} mg ({per_kg} mg/kg) in {volume} mL at {rate} mL/h",
            max_rate=q(to(dose / minutes * 20, "0.0001"), "mg/min"),
            max_per_administration=q(to(dose * 4, "0.1"), "mg"),
            max_per_period=[{"numerator": q(to(dose * 4, "0.1"), "mg"), "denominator": q(24, "h")}],
        ),
        preparation={
            "total_volume": q(volume, "mL"),
            "ingredients": [{"drug": {"text": "a"}, "amount": q(dose, "mg")}],
        },
        measurements=[weight(kilograms)],
        infusion_type="intermittent",
    )


@settings(max_examples=count(100, 5000))
@given(consistent_orders())
def test_numbers_that_are_worked_out_from_one_another_have_no_finding(record: Record):
    assert check(record)
    assert findings(record) == ()


FACTORS: Final = st.sampled_from([Decimal("0.1"), Decimal("0.5"), Decimal("0.8"), Decimal("1.25"), Decimal(2)])
IN_DOSING: Final = "steps.0.dosings"
MEANT: Final = {
    f"{IN_DOSING}.1.rate.value": {"rate-duration-volume"},
    "steps.0.timing.duration.value": {"rate-duration-volume"},
    "preparation.total_volume.value": {"rate-duration-volume"},
    "preparation.ingredients.0.amount.value": {"rate-duration-dose"},
    f"{IN_DOSING}.0.dose.value": {"calculated-dose"},
    "measurements.0.value.value": {"calculated-dose"},
    f"{IN_DOSING}.1.dose.value": {"calculated-dose", "rate-duration-dose"},
}
"""The dose calculated is in two relations: the dose by weight, and what the bag runs."""


@settings(max_examples=count(100, 5000))
@given(consistent_orders(), st.sampled_from(sorted(MEANT)), FACTORS)
def test_one_number_changed_has_the_finding_that_is_meant_and_no_other(record: Record, place: str, factor: Decimal):
    spoilt = changed(changed(record, "steps.0.text"), place, at(record, place) * factor)
    assert {issue.rule for issue in findings(spoilt)} == MEANT[place]


@settings(max_examples=count(60, 3000))
@given(consistent_orders(), FACTORS)
def test_a_number_that_only_the_text_says_is_told_of_the_text(record: Record, factor: Decimal):
    dose = record["steps"][0]["dosings"][1]["dose"]["value"]
    spoilt = changed(record, "steps.0.text", f"{dose * factor} mg")
    told = {issue.rule for issue in findings(spoilt)}
    # A quarter of the limit of a day, and half and twice of a dose, are nothing that the record makes.
    assert told == {"text-contradicts"}


def at(record: Any, place: str) -> Any:
    for name in place.split("."):
        record = record[int(name) if name.isdigit() else name]
    return record


@st.composite
def consistent_pca(draw: st.DrawFn) -> Record:
    """Orders of a demand with a background, below a limit that binds."""
    demand, lockout = Decimal(draw(st.integers(1, 50))) / 10, draw(st.integers(5, 20))
    basal = to(demand / 2, "0.01")
    limit = to(demand * (240 // lockout) / 2 + basal * 4, "0.1")
    return order(
        {"role": "basal", "sequence": 1, "dosings": [{"rate": q(basal, "mg/h")}]},
        {
            "role": "demand",
            "sequence": 1,
            "dosings": [{"dose": q(demand, "mg")}],
            "patient_control": {"demand_dose": q(demand, "mg"), "lockout": q(lockout, "min")},
            "max_per_period": [{"numerator": q(limit, "mg"), "denominator": q(4, "h")}],
        },
    )


OF_DEMAND: Final[dict[str, tuple[Callable[[Any], Any], set[str]]]] = {
    "steps.1.patient_control.demand_dose.value": (lambda demand: demand * Decimal("1.5"), {"demand-dose"}),
    "steps.1.dosings.0.dose.value": (lambda dose: dose * 2, {"demand-dose"}),
    "steps.1.patient_control.lockout.value": (lambda lockout: lockout * 6, {"pca-limit"}),
    "steps.1.max_per_period.0.numerator.value": (lambda limit: limit * 10, {"pca-limit"}),
    "steps.0.dosings.0.rate.value": (lambda rate: rate * 100, {"pca-limit"}),
}


@settings(max_examples=count(60, 3000))
@given(consistent_pca(), st.sampled_from(sorted(OF_DEMAND)))
def test_demand_lockout_background_and_limit_go_together(record: Record, place: str):
    assert check(record)
    assert findings(record) == ()
    change, meant = OF_DEMAND[place]
    assert {issue.rule for issue in findings(changed(record, place, change(at(record, place))))} == meant


@st.composite
def consistent_administrations(draw: st.DrawFn) -> Record:
    """Administrations of two to five rates, with the dose and volume of each, in all, and what is left of the bag."""
    strength = Decimal(draw(st.sampled_from([1, 2, 4, 5, 10])))
    start = 0
    segments: list[Record] = []
    for number in range(draw(st.integers(2, 5))):
        rate, minutes = Decimal(draw(st.integers(10, 200)) * 6), draw(st.integers(10, 120))
        volume = rate * minutes / 60
        times = {"start": clock(start), "end": clock(start + minutes)}
        shares = {"volume": q(volume, "mL"), "dose": q(volume * strength, "mg")}
        event = "rate-changed" if number else "started"
        segments.append({"event": event, **times, "rate": q(rate, "mL/h"), **shares})
        start += minutes
    volume = sum((segment["volume"]["value"] for segment in segments), Decimal(0))
    left = Decimal(draw(st.integers(100, 500)))
    return given_(
        when={"start": clock(0), "end": clock(start)},
        segments=segments,
        dose_given=q(volume * strength, "mg"),
        volume_given=q(volume, "mL"),
        waste=[{"amount": q(left * strength, "mg"), "time": clock(start)}],
        preparation={
            "total_volume": q(volume + left, "mL"),
            "final_concentration": {"numerator": q(strength, "mg"), "denominator": q(1, "mL")},
        },
    )


def clock(minutes: int) -> str:
    return f"2024-05-01T{minutes // 60:02}:{minutes % 60:02}:00Z"


OF_GIVEN: Final = {
    "segments.0.rate.value": {"rate-time-volume"},
    "segments.0.dose.value": {"rate-time-dose", "sum-of-segments-dose"},
    "segments.0.volume.value": {"rate-time-volume", "sum-of-segments-volume"},
    "dose_given.value": {"sum-of-segments-dose", "concentration-dose", "more-than-bag"},
    "waste.0.amount.value": {"more-than-bag"},
}


@settings(max_examples=count(60, 3000))
@given(consistent_administrations(), st.sampled_from(sorted(OF_GIVEN)))
def test_rates_times_doses_and_the_bag_of_an_administration_go_together(record: Record, place: str):
    assert check(record)
    assert findings(record) == ()
    assert {issue.rule for issue in findings(changed(record, place, at(record, place) * 1000))} == OF_GIVEN[place]


# --------------------------------------------------------------------------------------------------- what is said of it


@settings(max_examples=count(60, 3000))
@given(records() | spoiled().filter(lambda record: bool(check(record, as_sent=True))))
def test_a_finding_holds_plain_numbers_and_nothing_of_a_person(record: Record):
    told = findings(record)
    said = "\n".join(f"{issue.path} {issue.reason} {issue.accepted}" for issue in told)
    sent = "|".join(map(re.escape, sorted(exponents(record), key=len, reverse=True)))
    ours = re.sub(sent, "", said) if sent else said
    assert not re.search(r"\d[eE][-+]?\d|\bnan\b|\binf\b|Decimal|Fraction", ours)
    marked = {name: marks(value) if name in OF_A_PERSON else value for name, value in record.items()}
    # Who it is changes nothing that is said, so none of it is in what is said.
    assert findings(marked, as_sent=False) == findings(record, as_sent=False)


MARK: Final = "Ingeborg Invented"
OF_A_PERSON: Final = {
    "patient", "performers", "prescriber", "recorder", "reported_by", "notes", "encounter", "location", "order_id",
    "administration_id", "identifiers", "insurance", "order", "group", "based_on",
}  # fmt: skip


def marks(part: Any) -> Any:
    """Return a part with another text wherever it has one."""
    if isinstance(part, dict):
        return {name: marks(value) for name, value in part.items()}
    if isinstance(part, list):
        return [marks(item) for item in part]
    return MARK if isinstance(part, str) else part


def exponents(part: Any) -> set[str]:
    """Return the numbers that the sender wrote with an exponent; they are told as they were written."""
    if isinstance(part, dict | list):
        return {word for item in (part.values() if isinstance(part, dict) else part) for word in exponents(item)}
    return {spelling_of(part)} if isinstance(part, Decimal) and "E" in spelling_of(part).upper() else set()
