"""The chart of an infusion: its course laid out on a plane, in whole units of a drawing 1800 wide.

Time goes to the right. The rate is a line, a range of rates an area between two; below stand the volume and the dose
that have run by each moment. Planned and given both begin at the left, whenever that was. What the drawing shows stands
in a table too, and what it cannot show in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import course
from fhir_infusion.records.amounts import rounded
from fhir_infusion.records.course import Unknown
from fhir_infusion.records.number import spelling_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fhir_infusion.records.course import Course, Flow

Json = dict[str, Any]

WIDTH: Final = 1800
_LEFT: Final = 190
_RIGHT: Final = 1770
_TOP: Final = 60
_RATE: Final = 320
_TOTAL: Final = 200
_BETWEEN: Final = 96

MOST_CHARTS: Final = 6
MOST_ROWS: Final = 200
"""Rows of the table below a chart; the chart itself draws all."""

_STEPS: Final = (Fraction(1), Fraction(2), Fraction(5), Fraction(10))
_VOLUME: Final = "mL"
_TIMES: Final = ((Fraction(3 * 3600), "min"), (Fraction(4 * 86_400), "h"), (None, "d"))
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
    """A drawing, the table of the same numbers, and what could not be drawn."""

    title: str
    told: str
    height: int
    times: tuple[Tick, ...]
    time_unit: str
    panels: tuple[Panel, ...]
    rows: tuple[Row, ...]
    more_rows: int
    unknown: tuple[tuple[str, Unknown], ...]
    dose_unit: str


def charts(order: Json | None, administration: Json | None) -> tuple[Chart, ...]:
    """Return the charts of an order, an administration, or both: planned beside given where that is one course."""
    planned = list(course.planned(order)) if order is not None else []
    courses: list[list[tuple[str, Course]]] = [[("planned", one)] for one in planned]
    if administration is not None:
        beside = {name: value for name, value in (order or {}).items() if name in {"measurements", "preparation"}}
        given = ("given", course.given({**beside, **administration}))
        if len(courses) == 1:
            courses[0].append(given)
        else:
            courses.insert(0, [given])
    return tuple(_Drawing(one).chart() for one in courses[:MOST_CHARTS])


class _Drawing:
    """Lays out one chart."""

    def __init__(self, courses: Sequence[tuple[str, Course]]) -> None:
        self.courses = courses
        self.unit = next((one.unit for _, one in courses if one.unit), "")
        ends = [at for _, one in courses for each in one.stretches for at in (each.start, each.end) if at is not None]
        last = max(ends, default=Fraction(0))
        self.is_open = any(each.end is None for _, one in courses for each in one.stretches)
        self.until = (last * Fraction(6, 5) if self.is_open else last) or Fraction(3600)
        self.time_unit = next(unit for most, unit in _TIMES if most is None or self.until <= most)
        self.bottom = _TOP

    def chart(self) -> Chart:
        panels: list[Panel] = []
        kinds = [kind for kind in ("volume", "drug") if self._is_known(kind)]
        panels += [self._rates(kind) for kind in kinds[:1]]
        for kind in kinds:
            totals = self._totals(kind)
            panels += [totals] if totals is not None else []
        rows = [row for name, one in self.courses for row in self._rows(name, one)]
        unknown = tuple((name, each) for name, one in self.courses for each in one.unknown)
        title = " and ".join(name for name, _ in self.courses).capitalize()
        second = _SECONDS[self.time_unit]
        step = _nice(self.until / second)
        times = tuple(Tick(self._x(at * second), _number(at)) for at in _marks(step, self.until / second))
        return Chart(
            title,
            self._told(),
            self.bottom,
            times,
            self.time_unit,
            tuple(panels),
            tuple(rows[:MOST_ROWS]),
            max(0, len(rows) - MOST_ROWS),
            unknown,
            self.unit,
        )

    def _is_known(self, kind: str) -> bool:
        if kind == "drug" and not self.unit:
            return False
        return any(getattr(each, kind) is not None for _, one in self.courses for each in one.stretches)

    def _code(self, kind: str) -> str:
        return _VOLUME if kind == "volume" else self.unit

    def _rates(self, kind: str) -> Panel:
        code = f"{self._code(kind)}/h"
        flows = [(name, each, getattr(each, kind)) for name, one in self.courses for each in one.stretches]
        most = max((flow.high for _, _, flow in flows if flow is not None), default=Fraction(0)) or Fraction(1)
        top, bottom = self._place(_RATE)
        y = _Axis(most, top, bottom)
        shapes: list[Shape] = []
        for name, one in self.courses:
            shapes += self._areas(name, one, kind, y)
            shapes += [Shape("line", name, d) for d in self._lines(one, kind, y)]
            for each in one.stretches:
                flow: Flow | None = getattr(each, kind)
                if each.end is None and flow is not None:
                    shapes.append(Shape("open", name, self._open(each, flow, y)))
        return Panel(f"Rate in {code}", top, bottom, y.ticks(code), _given_first(shapes))

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
        found = [(name, one.totals(kind)) for name, one in self.courses]
        if not any(len(totals) > 1 for _, totals in found):
            return None
        most = max((each.high for _, totals in found for each in totals), default=Fraction(0)) or Fraction(1)
        top, bottom = self._place(_TOTAL)
        y = _Axis(most, top, bottom)
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
        what, code = "Volume" if kind == "volume" else "Dose", self._code(kind)
        return Panel(f"{what} run by then, in {code}", top, bottom, y.ticks(code), _given_first(shapes))

    def _rows(self, name: str, one: Course) -> Iterable[Row]:
        volumes, doses = ({each.at: each for each in one.totals(kind)} for kind in ("volume", "drug"))
        kind = "volume" if self._is_known("volume") else "drug"
        for each in one.stretches:
            flow: Flow | None = getattr(each, kind)
            code = f"{self._code(kind)}/h"
            rate = _range(flow.low, flow.high, code) if flow is not None and (kind == "volume" or self.unit) else ""
            end = each.end if each.end is not None else None
            volume, dose = (totals.get(end) if end is not None else None for totals in (volumes, doses))
            yield Row(
                name,
                each.path,
                self._time(each.start),
                self._time(end) if end is not None else "",
                rate,
                _range(volume.low, volume.high, _VOLUME) if volume is not None else "",
                _range(dose.low, dose.high, self.unit) if dose is not None and self.unit else "",
                each.said,
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
            count = len(one.stretches)
            words = f"{name.capitalize()}: {count} {'stretch' if count == 1 else 'stretches'}"
            for kind in ("volume", "drug"):
                totals = one.totals(kind) if self._is_known(kind) else ()
                if len(totals) > 1:
                    last = totals[-1]
                    words += f", {_range(last.low, last.high, self._code(kind))} by {self._time(last.at)}"
            sentences.append(words + ".")
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
    """Places numbers between the bottom (zero) and the top of a panel."""

    def __init__(self, most: Fraction, top: int, bottom: int) -> None:
        self.most, self.top, self.bottom = most, top, bottom

    def __call__(self, value: Fraction) -> int:
        return self.bottom - round((self.bottom - self.top) * value / self.most)

    def ticks(self, code: str) -> tuple[Tick, ...]:
        """Return the marks: at round numbers of the unit."""
        most = Fraction(course.number(self.most, code))
        one = self.most / most if most else Fraction(1)
        return tuple(Tick(self(at * one), _number(at)) for at in _marks(_nice(most, 4), most))


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


def _range(low: Fraction, high: Fraction, code: str) -> str:
    ends = [spelling_of(course.number(one, code)) for one in (low, high)]
    return f"{' to '.join(dict.fromkeys(ends))} {code}"
