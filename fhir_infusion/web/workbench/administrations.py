"""What is drawn of an order and all that was given of it: each administration beside the occasion it carries out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import course
from fhir_infusion.records.amounts import amount, rounded
from fhir_infusion.records.moments import interval
from fhir_infusion.records.statuses import NOT_GIVEN
from fhir_infusion.web.workbench.charts import Chart, chart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_infusion.records.course import Course

Json = dict[str, Any]

MOST_CHARTS: Final = 8
MOST_ROWS: Final = 200

_BESIDE: Final = ("measurements", "preparation")
"""What an administration is computed with from its order, where it does not say it itself."""


@dataclass(frozen=True, slots=True)
class Given:
    """A row of what was given of an order; the last two count what came before it too, and are empty where unknown."""

    name: str
    began: str
    ended: str
    status: str
    volume: str
    dose: str
    volumes: str
    doses: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """The charts, how many more there would be, and the list of what was given, the first at the beginning."""

    charts: tuple[Chart, ...] = ()
    more: int = 0
    given: tuple[Given, ...] = ()


def drawn(order: Json | None, administrations: Sequence[Json], shown: Json | None) -> Drawn:
    """Return what is drawn: of an order all that was given of it, of an administration (``shown``) that alone."""
    ordered = sorted(administrations, key=_moment)
    planned = course.planned(order) if order is not None else ()
    wanted = [shown] if shown is not None else [one for one in ordered if one.get("status") not in NOT_GIVEN]
    beside: Json = {name: order[name] for name in _BESIDE if order is not None and name in order}
    found = [(one, _occasion_of(order, planned, one)) for one in wanted]
    made: list[tuple[Json | None, Course | None, str]] = []
    for position, one in enumerate(planned):
        mine = [each for each, at in found if at == position]
        made += [(each, one, "") for each in mine]
        if not mine and (shown is None or found[0][1] is None):
            made.append((None, one, f"Planned{_steps(one, len(planned))}"))
    alone: list[tuple[Json | None, Course | None, str]] = [(each, None, "") for each, at in found if at is None]
    made = [*alone, *made] if shown is not None else [*made, *alone]
    charts = []
    for given, beside_it, title in made[:MOST_CHARTS]:
        note = _when(order, beside_it) if beside_it is not None else ""
        if given is not None:
            charts.append(chart(*_together(given, ordered, beside_it, note, beside)))
        elif beside_it is not None:
            charts.append(chart(title, note, [("planned", beside_it)]))
    rows = tuple(islice(_rows(ordered), MOST_ROWS)) if len(ordered) > 1 else ()
    return Drawn(tuple(charts), max(0, len(made) - MOST_CHARTS), rows)


def _together(
    given: Json, ordered: Sequence[Json], planned: Course | None, note: str, beside: Json
) -> tuple[str, str, list[tuple[str, Course]]]:
    courses = [("planned", planned)] if planned is not None else []
    title = "Planned and given" if planned is not None else "Given"
    if len(ordered) > 1:
        title += f", {ordered.index(given) + 1} of {len(ordered)}: {_name(given)}"
    began = f"began {_began(given)}" if _began(given) else ""
    said = ", ".join(filter(None, (str(given.get("status", "")), began)))
    return (
        title,
        "; ".join(filter(None, (f"given: {said}" if said else "", f"planned: {note}" if note else ""))),
        [*courses, ("given", course.given({**beside, **given}))],
    )


def _steps(one: Course, count: int) -> str:
    """Return which steps of the order it is of, where there are several charts."""
    if count < 2 or not one.steps:
        return ""
    first, last = one.steps[0], one.steps[-1]
    return f": steps[{first}]" if first == last else f": steps[{first}] to steps[{last}]"


def _occasion_of(order: Json | None, planned: Sequence[Course], given: Json) -> int | None:
    """Return which occasion an administration carries out: the only one, or the only one of its day."""
    if order is None or len(planned) < 2:
        return 0 if planned else None
    day = _began(given)[:10]
    timings = [order["steps"][one.steps[0]].get("timing", {}) for one in planned]
    named = [at for at, timing in enumerate(timings) if day in {event[:10] for event in timing.get("events", ())}]
    if not named and len(day) == 10:
        named = [at for at, timing in enumerate(timings) if _is_within(day, timing.get("bounds_period", {}))]
    return named[0] if len(named) == 1 else None


def _is_within(day: str, period: Mapping[str, str]) -> bool:
    start, end = period.get("start", "")[:10], period.get("end", "9999-12-31")[:10]
    return len(start) == len(end) == 10 and start <= day <= end


def _when(order: Json | None, one: Course) -> str:
    """Return when a planned course happens, in words: ``4 times, every 3 wk``."""
    if order is None or not one.steps:
        return ""
    step = order["steps"][one.steps[-1]]
    timing = step.get("timing", {})
    said = [step["role"]] if "role" in step and len(one.steps) == 1 else []
    if "count" in timing:
        times = f"{timing['count']} to {timing['count_max']}" if "count_max" in timing else str(timing["count"])
        said.append("once" if times == "1" else f"{times} times")
    elif "events" in timing:
        said.append("once" if len(timing["events"]) == 1 else f"at {len(timing['events'])} stated times")
    if "period" in timing and "period_unit" in timing:
        said.append(_often(timing))
    if "days_of_cycle" in timing:
        length = timing.get("cycle_length", {})
        of = f" of {rounded(Fraction(length['value']))} {length['unit']}" if {"value", "unit"} <= length.keys() else ""
        said.append(f"on {_list('day', timing['days_of_cycle'])} of the cycle{of}")
    if "weeks" in timing:
        said.append(f"in {_list('week', timing['weeks'])}")
    if "once" not in said and said[-1:] != [step.get("role")] and said:
        said.append("drawn is one of them")
    return ", ".join(said)


def _often(timing: Mapping[str, Any]) -> str:
    """Return how often, in words: ``every 3 weeks``, ``3 times in 1 week``."""
    period = rounded(Fraction(timing["period"]))
    upper = f" to {rounded(Fraction(timing['period_max']))}" if "period_max" in timing else ""
    unit = f"{_UNITS[timing['period_unit']]}{'' if period == '1' and not upper else 's'}"
    times, most = str(timing.get("frequency", 1)), f" to {timing['frequency_max']}" if "frequency_max" in timing else ""
    if times == "1" and not most:
        return f"every {unit}" if period == "1" and not upper else f"every {period}{upper} {unit}"
    return f"{times}{most} times in {period}{upper} {unit}"


_UNITS: Final[Mapping[str, str]] = {
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "wk": "week",
    "mo": "month",
    "a": "year",
}


def _list(what: str, numbers: Sequence[int]) -> str:
    return f"{what}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _rows(ordered: Sequence[Json]) -> Iterator[Given]:
    """Yield each administration with what was given until its end, as stated; what is not given adds nothing."""
    sums = {"volume_given": _Sum(), "dose_given": _Sum()}
    for one in ordered:
        is_given = one.get("status") not in NOT_GIVEN
        own = {name: each.add(one.get(name), is_given=is_given) for name, each in sums.items()}
        when = one.get("when", {})
        yield Given(
            _name(one),
            _began(one),
            when.get("end", ""),
            one.get("status", ""),
            own["volume_given"],
            own["dose_given"],
            *(str(each) for each in sums.values()),
        )


class _Sum:
    """Adds up stated amounts exactly, in the unit of the first."""

    def __init__(self) -> None:
        self.base, self.unit, self.is_all, self.is_wrong = Fraction(0), "", True, False

    def add(self, quantity: Mapping[str, Any] | None, *, is_given: bool) -> str:
        """Add an amount, and return it in words."""
        held = amount(quantity)
        if not is_given:
            return "nothing"
        if held is None or quantity is None:
            self.is_all = False
            return ""
        first = amount({"value": 1, "unit": self.unit}) if self.unit else held
        self.unit = self.unit or quantity["unit"]
        if first is None or first.dimension != held.dimension:
            self.is_wrong = True
        self.base += held.base
        return f"{course.spelled(held.base, quantity['unit'])} {quantity['unit']}"

    def __str__(self) -> str:
        if self.is_wrong or not self.unit:
            return ""
        return f"{'' if self.is_all else 'at least '}{course.spelled(self.base, self.unit)} {self.unit}"


def _name(one: Json) -> str:
    return str(one.get("administration_id") or one.get("resource_id") or "administration")


def _began(one: Json) -> str:
    when = one.get("when", {})
    starts = [segment["start"] for segment in one.get("segments", ()) if "start" in segment]
    return str(when.get("start") or when.get("at") or next(iter(starts), ""))


def _moment(one: Json) -> tuple[datetime, str]:
    found = interval(_began(one)) if _began(one) else None
    return (found[0] if found is not None else datetime.max.replace(tzinfo=UTC)), _name(one)
