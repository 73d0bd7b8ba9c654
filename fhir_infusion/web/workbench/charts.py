"""The chart of an infusion: its course laid out on a plane, in whole units of a drawing 1800 wide.

Time goes to the right. The rate is a line, a range of rates an area between two; what is given at once is an upright
line, and a demand that may be made a short one. Below stand the volume and the dose that have run by each moment, as an
area where it may be more or less. Planned and given both begin at the left, whenever that was. What the drawing shows
stands in a table too, and what it cannot show in words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Final

from fhir_infusion.records import course
from fhir_infusion.records.amounts import rounded
from fhir_infusion.records.course import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fhir_infusion.records.course import Course, Flow, Held, Total

WIDTH: Final = 1800
_LEFT: Final = 190
_RIGHT: Final = 1770
_TOP: Final = 60
_RATE: Final = 320
_TOTAL: Final = 200
_BETWEEN: Final = 96

MOST_ROWS: Final = 200
"""Rows of the table below a chart; the chart itself draws all."""

_STEPS: Final = (Fraction(1), Fraction(2), Fraction(5), Fraction(10))
_VOLUME: Final = "mL"
_TIMES: Final = ((Fraction(3 * 3600), "min"), (Fraction(4 * 86_400), "h"), (None, "d"))
_SHORTEST: Final = Fraction(600)
"""How long a drawing is where all is given at once."""

_SLOW: Final = Decimal("0.1")
_NO_RATE: Final = "not stated"
_SECONDS: Final = {"min": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Shape:
    """A line or an area: which course it is of, and where it goes (the ``d`` of an SVG path)."""

    kind: str
    of: str
    d: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis, and its number."""

    at: int
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: its title with the unit, from ``top`` to ``bottom``, its marks on both axes and its shapes."""

    title: str
    top: int
    bottom: int
    ticks: tuple[Tick, ...]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: numbers as text, empty where they are not known."""

    of: str
    path: str
    start: str
    end: str
    rate: str
    volume: str
    dose: str
    said: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, the table of the same numbers, and what could not be drawn.

    ``title`` names what is drawn, ``note`` says when it happens. ``kinds`` are the kinds of its shapes.
    """

    title: str
    note: str
    told: str
    height: int
    times: tuple[Tick, ...]
    time_unit: str
    panels: tuple[Panel, ...]
    rows: tuple[Row, ...]
    more_rows: int
    unknown: tuple[tuple[str, Unknown], ...]
    of: tuple[str, ...]
    kinds: frozenset[str]


def chart(title: str, note: str, courses: Sequence[tuple[str, Course]]) -> Chart:
    """Return the chart of one or two courses, each with its name: ``planned`` or ``given``."""
    return _Drawing(courses).chart(title, note)


class _Drawing:
    """Lays out one chart."""

    def __init__(self, courses: Sequence[tuple[str, Course]]) -> None:
        self.courses = courses
        self.unit = next((one.unit for _, one in courses if one.unit), "")
        ends = [at for _, one in courses for each in one.stretches for at in (each.start, each.end) if at is not None]
        ends += [at for _, one in courses for each in one.portions for at in (*each.first, *(each.last or ()))]
        ends += [one.until for _, one in courses if one.until is not None]
        last = max(ends, default=Fraction(0))
        self.is_open = any(each.end is None for _, one in courses for each in one.stretches)
        self.until = (last * Fraction(6, 5) if self.is_open else last) or _SHORTEST
        self.time_unit = next(unit for most, unit in _TIMES if most is None or self.until <= most)
        self.bottom = _TOP

    def chart(self, title: str, note: str) -> Chart:
        panels: list[Panel] = []
        kinds = [kind for kind in ("volume", "drug") if self._is_known(kind)]
        rated = sorted(kinds, key=lambda kind: -sum(1 for _, flow, _ in self._flows(kind) if flow is not None))
        panels += [self._rates(kind) for kind in rated[:1] if any(flow for _, flow, _ in self._flows(kind))]
        for kind in kinds:
            totals = self._totals(kind)
            panels += [totals] if totals is not None else []
        rows = [row for name, one in self.courses for row in self._rows(name, one, rated[0] if rated else "volume")]
        unknown = tuple((name, each) for name, one in self.courses for each in one.unknown)
        second = _SECONDS[self.time_unit]
        step = _nice(self.until / second)
        times = tuple(Tick(self._x(at * second), _number(at)) for at in _marks(step, self.until / second))
        return Chart(
            title,
            note,
            self._told(),
            self.bottom,
            times,
            self.time_unit,
            tuple(panels),
            tuple(rows[:MOST_ROWS]),
            max(0, len(rows) - MOST_ROWS),
            unknown,
            tuple(dict.fromkeys(name for name, _ in self.courses)),
            frozenset(shape.kind for panel in panels for shape in panel.shapes),
        )

    def _is_known(self, kind: str) -> bool:
        if kind == "drug" and not self.unit:
            return False
        return any(
            getattr(each, kind) is not None for _, one in self.courses for each in (*one.stretches, *one.portions)
        )

    def _code(self, kind: str) -> str:
        return _VOLUME if kind == "volume" else self.unit

    def _flows(self, kind: str) -> Iterable[tuple[str, Flow | None, course.Stretch]]:
        return ((name, getattr(each, kind), each) for name, one in self.courses for each in one.stretches)

    def _ramps(self, kind: str) -> Iterable[tuple[str, course.Portion, Fraction, Fraction]]:
        """Yield what runs evenly in a time that is a range, with its lowest and its highest rate."""
        for name, one in self.courses:
            for each in one.portions:
                held: Held | None = getattr(each, kind)
                if held is not None and each.last is not None and each.first[1] > each.first[0]:
                    low, high = (span[1] - span[0] for span in (each.last, each.first))
                    yield name, each, held.low / low, held.high / high

    def _rate_code(self, kind: str) -> str:
        """Return the unit of the rates: per hour, and per day where an hour runs less than a tenth of a millilitre."""
        most = max((flow.high for _, flow, _ in self._flows(kind) if flow is not None), default=Fraction(0))
        is_slow = kind == "volume" and 0 < course.number(most, f"{_VOLUME}/h") < _SLOW
        return f"{self._code(kind)}/{'d' if is_slow else 'h'}"

    def _rates(self, kind: str) -> Panel:
        code = self._rate_code(kind)
        highest = [flow.high for _, flow, _ in self._flows(kind) if flow is not None]
        most = max([*highest, *(high for *_, high in self._ramps(kind))], default=Fraction(0)) or Fraction(1)
        top, bottom = self._place(_RATE)
        y = _Axis(most, code, top, bottom)
        shapes: list[Shape] = []
        for name, one in self.courses:
            shapes += self._areas(name, one, kind, y)
            shapes += [Shape("line", name, d) for d in self._lines(one, kind, y)]
            for each in one.stretches:
                flow: Flow | None = getattr(each, kind)
                if each.end is None and flow is not None:
                    shapes.append(Shape("open", name, self._open(each, flow, y)))
            for portion in one.portions:
                if portion.is_at_once:
                    shapes.append(Shape("once", name, f"M{self._x(portion.first[0])} {bottom}V{top}"))
                elif portion.is_demand:
                    shapes.append(Shape("demand", name, f"M{self._x(portion.first[0])} {bottom}v{-_RATE // 6}"))
        for name, ramp, low, high in self._ramps(kind):
            left, middle, right = (self._x(at) for at in (ramp.first[0], ramp.first[1], (ramp.last or ramp.first)[1]))
            shapes.append(Shape("area", name, f"M{left} {y(low)}V{y(high)}H{middle}V{y(low)}Z"))
            shapes.append(Shape("area", name, f"M{middle} {bottom}V{y(low)}H{right}V{bottom}Z"))
        return Panel(f"Rate in {code}", top, bottom, y.ticks(), _given_first(shapes))

    def _areas(self, name: str, one: Course, kind: str, y: _Axis) -> Iterable[Shape]:
        for each in one.stretches:
            flow: Flow | None = getattr(each, kind)
            if flow is not None and flow.low != flow.high:
                left, right = self._x(each.start), self._x(each.end if each.end is not None else self.until)
                yield Shape("area", name, f"M{left} {y(flow.low)}V{y(flow.high)}H{right}V{y(flow.low)}Z")

    def _lines(self, one: Course, kind: str, y: _Axis) -> Iterable[str]:
        """Yield a line for each row of stretches that follow each other without a gap."""
        d, reached = "", None
        for each in one.stretches:
            flow: Flow | None = getattr(each, kind)
            if flow is None or each.end is None or flow.low != flow.high:
                continue
            if each.start != reached:
                if d:
                    yield d
                d = f"M{self._x(each.start)} {y(flow.low)}"
            d += f"V{y(flow.low)}H{self._x(each.end)}"
            reached = each.end
        if d:
            yield d

    def _open(self, each: course.Stretch, flow: Flow, y: _Axis) -> str:
        return f"M{self._x(each.start)} {y(flow.low)}H{self._x(self.until)}"

    def _totals(self, kind: str) -> Panel | None:
        found = [(name, self._shown_totals(one, kind)) for name, one in self.courses]
        if not any(len(totals) > 1 for _, totals in found):
            return None
        most = max((each.high for _, totals in found for each in totals), default=Fraction(0)) or Fraction(1)
        top, bottom = self._place(_TOTAL)
        what, code = "Volume" if kind == "volume" else "Dose", self._code(kind)
        y = _Axis(most, code, top, bottom)
        shapes: list[Shape] = []
        for name, totals in found:
            if len(totals) < 2:
                continue
            upper = "L".join(f"{self._x(one.at)} {y(one.high)}" for one in totals)
            if any(one.low != one.high for one in totals):
                lower = "L".join(f"{self._x(one.at)} {y(one.low)}" for one in reversed(totals))
                shapes.append(Shape("area", name, f"M{upper}L{lower}Z"))
            else:
                shapes.append(Shape("line", name, f"M{upper}"))
        return Panel(f"{what} run by then, in {code}", top, bottom, y.ticks(), _given_first(shapes))

    def _shown_totals(self, one: Course, kind: str) -> tuple[Total, ...]:
        """Return the sums; of what is given at once and nothing else, up to the right of the drawing."""
        totals = one.totals(kind)
        if totals and totals[0].at == totals[-1].at < self.until and not one.stretches:
            return (*totals, replace(totals[-1], at=self.until))
        return totals

    def _rows(self, name: str, one: Course, kind: str) -> Iterable[Row]:
        sums = [{each.at: each for each in one.totals(what)} for what in ("volume", "drug")]
        code = self._rate_code(kind)
        rates = {id(each): _range(low, high, code) for _, each, low, high in self._ramps(kind)}
        for each in one.stretches:
            flow: Flow | None = getattr(each, kind)
            rate = _range(flow.low, flow.high, code) if flow is not None and (kind == "volume" or self.unit) else ""
            yield self._row(name, each.path, (each.start, each.end), (rate, each.said), sums)
        for (path, is_demand), group in groupby(one.portions, key=lambda portion: (portion.path, portion.is_demand)):
            found = list(group)
            first, end = found[0], found[-1].last or found[-1].first
            said = f"{_count(len(found), 'dose', 'doses')} at most: {first.said}" if is_demand else first.said
            rate = rates.get(id(first), "on demand" if is_demand else "at once" if first.is_at_once else _NO_RATE)
            yield self._row(name, path, (first.first[0], end[1]), (rate, said), sums)

    def _row(
        self,
        name: str,
        path: str,
        times: tuple[Fraction, Fraction | None],
        words: tuple[str, str],
        sums: Sequence[dict[Fraction, Total]],
    ) -> Row:
        (start, end), (rate, said) = times, words
        volume, dose = (totals.get(end) if end is not None else None for totals in sums)
        return Row(
            name,
            path,
            self._time(start),
            self._time(end) if end is not None else "",
            rate,
            _range(volume.low, volume.high, _VOLUME) if volume is not None else "",
            _range(dose.low, dose.high, self.unit) if dose is not None and self.unit else "",
            said,
        )

    def _time(self, seconds: Fraction) -> str:
        """Return a time in words: ``10 min``, ``4 h 20 min``, ``1 d 4 h``."""
        if self.time_unit == "min":
            return f"{rounded(seconds / 60)} min"
        whole, part = ("h", "min") if self.time_unit == "h" else ("d", "h")
        count, rest = divmod(seconds, _SECONDS[whole])
        words = [f"{count} {whole}"] if count else []
        words += [f"{rounded(rest / _SECONDS[part])} {part}"] if rest or not count else []
        return " ".join(words)

    def _told(self) -> str:
        """Return the chart in a sentence for each course, for who cannot see it."""
        sentences = []
        for name, one in self.courses:
            demands = sum(1 for each in one.portions if each.is_demand)
            parts = [_count(len(one.stretches), "stretch", "stretches")]
            others = len(one.portions) - demands
            parts += [_count(others, "amount without a rate", "amounts without a rate")] if others else []
            parts += [f"at most {_count(demands, 'demand', 'demands')}"] if demands else []
            for kind in ("volume", "drug"):
                totals = one.totals(kind) if self._is_known(kind) else ()
                if len(totals) > 1:
                    last = totals[-1]
                    parts.append(f"{_range(last.low, last.high, self._code(kind))} by {self._time(last.at)}")
            sentences.append(f"{name.capitalize()}: {', '.join(parts)}.")
        return " ".join(sentences)

    def _place(self, height: int) -> tuple[int, int]:
        top = self.bottom + (_BETWEEN if self.bottom > _TOP else 0)
        self.bottom = top + height
        return top, self.bottom

    def _x(self, seconds: Fraction) -> int:
        return _LEFT + round((_RIGHT - _LEFT) * seconds / self.until)


def _given_first(shapes: list[Shape]) -> tuple[Shape, ...]:
    """Return the shapes so that the dashes of what was planned lie on what was given, and neither hides the other."""
    return tuple(sorted(shapes, key=lambda shape: shape.of == "planned"))


class _Axis:
    """Places numbers between the bottom (zero) and the top of a panel, which is the first mark that none is above."""

    def __init__(self, most: Fraction, code: str, top: int, bottom: int) -> None:
        number = Fraction(course.number(most, code))
        step = _nice(number, 4)
        self.marks = _marks(step, number + step if number % step else number)
        self.one, self.top, self.bottom = most / number, top, bottom
        self.most = self.marks[-1] * self.one

    def __call__(self, value: Fraction) -> int:
        return self.bottom - round((self.bottom - self.top) * value / self.most)

    def ticks(self) -> tuple[Tick, ...]:
        """Return the marks: at round numbers of the unit."""
        return tuple(Tick(self(at * self.one), _number(at)) for at in self.marks)


def _marks(step: Fraction, most: Fraction) -> list[Fraction]:
    return [step * at for at in range(int(most / step) + 1)]


def _nice(most: Fraction, marks: int = 8) -> Fraction:
    """Return a step of 1, 2 or 5 times a power of ten that gives no more than so many marks."""
    step = Fraction(1)
    while step * marks < most:
        step *= 10
    while step * marks / 10 >= most:
        step /= 10
    return next(step * part / 10 for part in _STEPS if step * part / 10 * marks >= most)


def _number(value: Fraction) -> str:
    return rounded(value)


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _range(low: Fraction, high: Fraction, code: str) -> str:
    ends = [course.spelled(one, code) for one in (low, high)]
    return f"{' to '.join(dict.fromkeys(ends))} {code}"
