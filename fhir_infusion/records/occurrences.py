"""How often a step is given in a length of time, as far as its timing says so: for limits of a period.

Systems say it in many ways: a frequency, times of day, days of the week, meals, exact times, or a code such as Q6H
alone. Where two of them say differently, the larger number counts: which one is meant, a person has to be asked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from fhir_infusion.records.amounts import Amount, amount, longest
from fhir_infusion.records.findings import per_day
from fhir_infusion.records.moments import seconds_of
from fhir_infusion.records.timing_findings import per_day_of_code

Part = Mapping[str, Any]

_DAY: Final = Fraction(86_400)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def times_in(timing: Part, length: Amount) -> Fraction:
    """Return how often a step is given in a length of time, at least once.

    Every 12 h makes two in 24 h, every 36 h makes 4/3 in 48 h, every 5 days makes one in a day. Never more than it is
    to be given in all, nor after its bounds.
    """
    bounds = amount(timing.get("bounds_length"))
    within = (
        min(length.base, bounds.base) if bounds is not None and bounds.dimension == length.dimension else length.base
    )
    times = max((Fraction(1), *_ways(timing, within)))
    count = timing.get("count_max", timing.get("count"))
    return times if count is None else min(times, Fraction(count))


def _ways(timing: Part, within: Fraction) -> Iterator[Fraction]:
    often = per_day(timing)
    a_day = Fraction(max(len(timing.get("times_of_day", ())), len(timing.get("when", ()))))
    if "days_of_week" in timing and (often is None or often >= 1):
        yield max(a_day, often or Fraction(1)) * _days(timing["days_of_week"], within)
    elif often is not None:
        yield (max(a_day, often) if often >= 1 else often) * within / _DAY
    elif a_day:
        yield a_day * max(within / _DAY, Fraction(1))
    elif "cycle_length" not in timing:
        yield from (said * within / _DAY for said in _by_code(timing))
    cycle = longest(timing.get("cycle_length"))
    if often is None and cycle is not None and cycle.base and within >= cycle.base:
        yield len(timing.get("days_of_cycle", ())) * (within / cycle.base)
    if "events" in timing:
        yield Fraction(_together(timing["events"], within))


def _by_code(timing: Part) -> Iterator[Fraction]:
    for coding in timing.get("code", {}).get("codings", ()):
        said = per_day_of_code(coding)
        if said is not None:
            yield said


def _days(named: Sequence[str], within: Fraction) -> Fraction:
    """Return the most of the named days of the week that lie in a length of time, counted in whole days."""
    days = {_DAYS.index(day) for day in named}
    whole = max(int(within // _DAY), 1)
    weeks, rest = divmod(whole, 7)
    most = max(sum((first + day) % 7 in days for day in range(rest)) for first in range(7))
    return Fraction(weeks * len(days) + most)


def _together(events: Sequence[str], within: Fraction) -> int:
    """Return the most of the exact times that lie in a length of time; those without a time of day do not count."""
    moments = sorted(moment for event in events if (moment := seconds_of(event)) is not None)
    return max((bisect_left(moments, first + within, at) - at for at, first in enumerate(moments)), default=0)
