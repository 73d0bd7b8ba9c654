"""The course of an administration: its segments, what was given at once, and what was given at a time not stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records import units
from fhir_infusion.records.amounts import amount, differ, rounded, shown, stated
from fhir_infusion.records.conversions import is_of_a_part
from fhir_infusion.records.course_parts import NOTHING, Course, Portion, Span, Stretch, given_at
from fhir_infusion.records.course_rates import Rates, Unknown
from fhir_infusion.records.course_sums import course_of
from fhir_infusion.records.findings import VOLUME
from fhir_infusion.records.moments import seconds_between

if TYPE_CHECKING:
    from fractions import Fraction

Part = Mapping[str, Any]

_HALTS: Final = frozenset({"paused", "stopped", "completed"})
"""Events after which nothing runs, where no rate says otherwise."""

_NOT_GIVEN: Final = frozenset({"not-done", "entered-in-error"})
_IN_ALL: Final = {"dose": "dose_given", "volume": "volume_given"}
_RATED: Final = frozenset({"rate", "rate_ratio", "rate_as_stated", "rate_text"})
_NAMES: Final = ("volume", "dose")


def given(administration: Part) -> Course:
    """Return the course of an administration that has the shape of a record."""
    status = administration.get("status")
    if status in _NOT_GIVEN:
        return Course((), (Unknown("status", f"the status is {status}: nothing counts as given"),))
    found = _Given(administration)
    found.read()
    made = course_of(administration, found.stretches, found.portions, found.unknown, found.begins)
    return replace(made, unknown=(*made.unknown, *_not_all(administration, made)))


def _not_all(administration: Part, made: Course) -> Iterator[Unknown]:
    """Yield where what is known of the course is not what the administration says was given in all."""
    for name in _IN_ALL.values():
        whole = amount(administration.get(name))
        kind = "volume" if whole is not None and whole.dimension == VOLUME else "drug"
        totals = made.totals(kind)
        if whole is None or not totals or administration.get("status") == "in-progress":
            continue
        unit = units.parse(made.unit if kind == "drug" else "mL")
        ran = totals[-1].high
        if unit is None or unit.dimension != whole.dimension:
            continue
        if differ(ran, whole.base) and not is_of_a_part(administration, ran, whole.base, whole.dimension):
            said = shown(replace(whole, base=ran), administration[name]["unit"])
            yield Unknown(name, f"{stated(administration[name])} are stated in all; what is drawn makes {said}")


class _Given:
    """Reads an administration."""

    def __init__(self, administration: Part) -> None:
        self.record = administration
        self.stretches: list[Stretch] = []
        self.portions: list[Portion] = []
        self.unknown: list[Unknown] = []
        when = administration.get("when", {})
        self.segments: Sequence[Part] = administration.get("segments", ())
        if len(self.segments) == 1 and "start" not in self.segments[0]:
            whole = {name: administration[own] for name, own in _IN_ALL.items() if own in administration}
            if "demand_counts" in administration:
                whole = {}  # what demands delivered is in it
            times = {name: when[name] for name in ("start", "end") if name in when}
            self.segments = [{**times, **whole, **self.segments[0]}]
        starts = [segment["start"] for segment in self.segments if "start" in segment]
        self.begins = next(iter(starts), when.get("start", when.get("at", "")))
        self.times = [self._times(segment) for segment in self.segments]

    def read(self) -> None:
        """Take in all segments, or the whole where there are none, and what was given on demand."""
        for position, segment in enumerate(self.segments):
            self._segment(position, segment, f"segments[{position}]")
        counts = self.record.get("demand_counts", {})
        if self.segments and "delivered" in counts:
            self._demands(counts)
        elif not self.segments:
            self._whole()

    def _times(self, segment: Part) -> tuple[Fraction | None, Fraction | None]:
        if not self.begins or "start" not in segment:
            return None, None
        start = seconds_between(self.begins, segment["start"])
        return start, seconds_between(self.begins, segment["end"]) if "end" in segment else None

    def _segment(self, position: int, segment: Part, path: str) -> None:
        start, end = self.times[position]
        if start is None or (end is not None and end < start):
            why = "no time of day says when it began" if start is None else "it ends before it begins"
            self.unknown.append(Unknown(path, why))
            return
        found = Rates(self.record, path)
        found.take(segment)
        is_rated = bool(segment.keys() & _RATED)
        if found.is_empty and not is_rated and self._is_portion(position, segment, (start, end)):
            return
        self._fill(found, segment, end - start if end is not None else None)
        if found.is_empty:
            self.unknown += found.unknown or [
                Unknown(path, "no rate is stated, and no amount with the time that it took")
            ]
            return
        if end is None and segment.get("event") not in _HALTS:
            self.unknown.append(Unknown(path, "no end is stated: how much of it ran is not known"))
        if end is None and found.is_halted:
            end = start
        self.unknown += found.doubts
        self.stretches.append(Stretch(path, start, end, found.volume, found.drug, found.said))

    def _fill(self, found: Rates, segment: Part, length: Fraction | None) -> None:
        """Take the amounts of a segment over its time, or none where its event says that nothing ran."""
        halts = segment.get("event") in _HALTS and not segment.keys() & (_RATED | set(_NAMES))
        if found.is_empty and halts:
            found.halted(segment["event"])
        elif length is not None and length > 0:
            for name in _NAMES:
                if name in segment:
                    found.spread({"dose": segment[name]}, length, f"{rounded(length / 60)} min")

    def _is_portion(self, position: int, segment: Part, times: tuple[Fraction, Fraction | None]) -> bool:
        """Take in an amount without a rate that was given at once, or while other segments ran."""
        start, end = times
        is_bolus = end == start or (end is None and segment.get("event") == "bolus")
        others = [one for at, one in enumerate(self.times) if at != position]
        meanwhile = end is not None and any(
            one[0] is not None and one[1] is not None and one[0] < end and start < one[1] for one in others
        )
        if not (is_bolus or meanwhile):
            return False
        last = (start, start) if is_bolus or end is None else (end, end)
        words = "at once" if is_bolus else "within this time, when is not stated"
        made = self._portion(segment, _NAMES, f"segments[{position}]", ((start, start), last), words)
        self.portions += [made] if made is not None else []
        return made is not None

    def _portion(
        self, holder: Part, names: Sequence[str], path: str, spans: tuple[Span, Span], words: str
    ) -> Portion | None:
        """Return what a holder says in volume and in dose as one portion."""
        made = [
            one for name in names if name in holder and (one := given_at(self.record, holder[name], path, spans, words))
        ]
        if not made:
            return None
        volume = next((one.volume for one in made if one.volume is not None), None)
        drug = next((one.drug for one in reversed(made) if one.drug is not None), None)
        return replace(made[-1], volume=volume, drug=drug)

    def _whole(self) -> None:
        """Take in the amounts of an administration without segments."""
        when = self.record.get("when", {})
        end = seconds_between(self.begins, when.get("end", self.begins)) if self.begins else None
        if end is None or end < 0 or not self.record.keys() & set(_IN_ALL.values()):
            self.unknown.append(Unknown("segments", "no rate is stated: there is no segment"))
            return
        running = "end" not in when and "at" not in when
        words = "within this time; how fast is not stated" if end or running else "at once"
        spans = ((NOTHING, NOTHING), (end, end))
        made = self._portion(self.record, ("volume_given", "dose_given"), "dose_given", spans, words)
        self.portions += [made] if made is not None else []
        if end or running or made is None:
            self.unknown.append(Unknown("segments", "no rate is stated: there is no segment"))

    def _demands(self, counts: Part) -> None:
        """Take in what demands delivered, at times that nobody states, unless segments say it already."""
        path, delivered = "demand_counts.delivered", counts["delivered"]
        ends = [end for _, end in self.times if end is not None]
        made = (
            given_at(self.record, delivered, path, ((NOTHING, NOTHING), (max(ends), max(ends))), "on demand")
            if ends
            else None
        )
        whole = amount(self.record.get("dose_given"))
        if made is None or whole is None:
            self.unknown.append(Unknown(path, f"{stated(delivered)} given on demand cannot be added to what ran"))
            return
        kind = "volume" if whole.dimension == VOLUME else "drug"
        ran = course_of(self.record, self.stretches, self.portions, [], self.begins).totals(kind)
        held = made.volume if kind == "volume" else made.drug
        without = ran[-1].low if ran else NOTHING
        with_them = without + held.low if held is not None else without
        if abs(with_them - whole.base) < abs(without - whole.base):
            self.portions.append(replace(made, said=f"{made.said}, at times that are not stated"))
