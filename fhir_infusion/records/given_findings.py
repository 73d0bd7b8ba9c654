"""Findings in an administration beside its order: more than the order's limits, or a slip of ten.

What is given differs from what was ordered for many good reasons (titrated, rounded to vials, stopped early, another
concentration), so only what is above a limit that each step of the order states is told, what is ten times as much as
anything ordered, a completed dose that is a tenth of it, and another route. Whose weight and preparation: those of the
administration, else those of the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, differ, rounded, shown, stated
from fhir_infusion.records.comparisons import above
from fhir_infusion.records.conversions import as_kind, as_rate, rate_of
from fhir_infusion.records.drug_findings import another_drug
from fhir_infusion.records.findings import VOLUME_RATE, concentration, finding
from fhir_infusion.records.moments import is_after, seconds_between
from fhir_infusion.records.not_infusions import SNOMED
from fhir_infusion.records.word_findings import ROUTES

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_SLIP: Final = 10
_RUN: Final = frozenset({"completed", "stopped", "in-progress", "on-hold"})
_BY_THE_CLOCK: Final = frozenset({"continuous", "pca"})
_AT_ONCE: Final = frozenset({"bolus"})
"""Events of segments that run at another rate than the rest on purpose."""


def given_of_order(order: Part, record: Part) -> Iterator[Issue]:
    """Yield where the drug, the dose or a rate of an administration is not, or is beyond, what its order says."""
    steps: Sequence[Part] = order.get("steps", ())
    if record["status"] not in _RUN:
        return
    yield from another_drug(order, record)
    yield from _ended(order, record)
    if not steps:
        return
    beside = {**{name: order[name] for name in ("measurements", "preparation") if name in order}, **record}
    yield from _dose(beside, steps, whole=order.get("infusion_type") not in _BY_THE_CLOCK and "part_of" not in record)
    yield from _rates(order, beside, steps)
    yield from _too_short(record, steps)
    yield from _route(record, steps)


def _dose(record: Part, steps: Sequence[Part], *, whole: bool) -> Iterator[Issue]:
    """``whole``: what is given is to be all of a dose, not the bag of a day or a part of an administration."""
    given = record.get("dose_given", record.get("dose_total"))
    held = amount(given)
    if given is None or held is None or not held.base or any("patient_control" in step for step in steps):
        return
    place = "dose_given" if "dose_given" in record else "dose_total"
    dosed = [step for step in steps if any(dosing.keys() & _DOSES for dosing in step.get("dosings", ()))]
    caps = [step["max_per_administration"] for step in dosed if "max_per_administration" in step]
    if caps and len(caps) == len(steps):
        told = [above(record, "the dose given", given, cap) for cap in caps]
        if all(told):
            yield finding(place, f"{told[0]} ordered", "beyond-order")
            return
    if len(dosed) < len(steps):  # a rate without a dose gives any amount
        return
    found = [list(_doses(record, step, held)) for step in dosed]
    if not all(found):
        return
    most = sum((max(made.base for _, made in step) for step in found), Fraction(0))
    least = min(made.base for step in found for _, made in step)
    less = whole and record["status"] == "completed" and held.base * _SLIP <= least
    if less or held.base >= most * _SLIP > 0:
        how = ", ".join(dict.fromkeys(words for step in found for words, _ in step))
        yield finding(place, f"the dose given is {stated(given)}; ordered is {how}", "beyond-order")


def _ended(order: Part, record: Part) -> Iterator[Issue]:
    """Something ran by an order that nothing may run by: never, or since it changed its state, or it runs still.

    What was given before a stop is charted after it, too; where it is not said when an order was stopped or held, only
    what is still running is told.
    """
    state = order.get("status", "")
    if state in _NEVER:
        yield finding("order", f"something was given, and its order is {state}", "order-ended", "an active order")
    elif state in _HALTED:
        since, start = order.get("status_changed_at"), _start(record)
        later = since is not None and start is not None and is_after(start, since)
        if later or record["status"] == "in-progress":
            said = f"it began after its order was {state}" if later else f"it is running, and its order is {state}"
            yield finding("order", said, "order-ended", "an active order")


def _start(record: Part) -> str | None:
    when = record.get("when", {})
    found: str | None = when.get("start", when.get("at"))
    return found


_NEVER: Final = frozenset({"draft", "cancelled", "entered-in-error"})
"""Cancelled is "withdrawn before any administrations have occurred" (FHIR); what had begun is stopped."""
_HALTED: Final = frozenset({"stopped", "on-hold", "ended"})
_DOSES: Final = frozenset({"dose", "dose_range"})


def _doses(record: Part, step: Part, held: Amount) -> Iterator[tuple[str, Amount]]:
    for dosing in step.get("dosings", ()):
        for quantity in (dosing.get("dose"), *dosing.get("dose_range", {}).values()):
            if quantity is not None:
                yield from as_kind(record, quantity, held.dimension)


def _rates(order: Part, record: Part, steps: Sequence[Part]) -> Iterator[Issue]:
    limits = [step["max_rate"] for step in steps if "max_rate" in step]
    everywhere = len(limits) == len(steps)
    for position, segment in enumerate(record.get("segments", ())):
        rate, quantity = rate_of(segment), as_rate(segment)
        if rate is None or quantity is None or not rate.base or segment.get("event") in _AT_ONCE:
            continue
        place = f"segments[{position}].{'rate' if 'rate' in segment else 'rate_ratio'}"
        same = _is_of_the_same(order, record)
        told = [above(record, "the rate", quantity, limit) if same or not _is_volume(limit) else "" for limit in limits]
        if everywhere and all(told):
            yield finding(place, f"{told[0]} ordered", "beyond-order")
            continue
        ordered = [made for one in _ordered(steps) for made in as_kind(record, one, rate.dimension)]
        if ordered and all(rate.base >= made.base * _SLIP > 0 for _, made in ordered):
            how, made = max(ordered, key=lambda one: one[1].base)
            said = f"the rate is {stated(quantity)}; the largest ordered is {how}"
            told_in = "" if made.code == quantity["unit"] else f", which makes {shown(made, quantity['unit'])}"
            yield finding(place, f"{said}{told_in}", "beyond-order")


def _too_short(record: Part, steps: Sequence[Part]) -> Iterator[Issue]:
    """A whole dose took, pauses included, as long as the shortest time that each step of the order allows."""
    when, least = record.get("when", {}), [step["minimum_duration"] for step in steps if "minimum_duration" in step]
    if record["status"] != "completed" or "part_of" in record or not {"start", "end"} <= when.keys():
        return
    took = seconds_between(when["start"], when["end"])
    allowed = [amount(length) for length in least]
    if took is None or len(least) < len(steps) or not all(length and _is_less(took, length.base) for length in allowed):
        return
    said = f"it took {rounded(took / 60)} min; ordered is at least {', '.join(dict.fromkeys(map(stated, least)))}"
    yield finding("when", said, "beyond-order")


def _route(record: Part, steps: Sequence[Part]) -> Iterator[Issue]:
    """Another route than any step orders, where all of them are known: IV instead of intrathecal."""
    given, ordered = _way(record), [_way(step) for step in steps]
    if given and all(ordered) and given not in ordered:
        said = f"the route is {given}; ordered is {', '.join(dict.fromkeys(ordered))}"
        yield finding("route", said, "beyond-order")


def _way(part: Part) -> str:
    codings = part.get("route", {}).get("codings", ())
    return next(
        (ROUTES[one["code"]] for one in codings if one.get("system") == SNOMED and one.get("code") in ROUTES), ""
    )


def _is_less(took: Fraction, length: Fraction) -> bool:
    return took < length and differ(took, length)


def _ordered(steps: Sequence[Part]) -> Iterator[Part]:
    """Yield all that an order says of its rates: as ordered, calculated, titrated, limited."""
    for step in steps:
        for dosing in step.get("dosings", ()):
            rate = as_rate(dosing)
            yield from (rate,) if rate is not None and "rate_range" not in dosing else ()
            yield from dosing.get("rate_range", {}).values()
        titration = step.get("titration", {})
        yield from (titration[name] for name in ("start", "ceiling") if name in titration)
        if "max_rate" in step:
            yield step["max_rate"]


def _is_of_the_same(order: Part, record: Part) -> bool:
    """Return whether a volume of the order's preparation holds as much of the drug as one of what was given."""
    asked, got = concentration(order), concentration(record)
    return asked is None or got is None or not differ(asked.base, got.base)


def _is_volume(limit: Part) -> bool:
    held = amount(limit)
    return held is not None and held.dimension == VOLUME_RATE
