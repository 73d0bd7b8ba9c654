"""How fast a step or segment runs, as volume and as drug: as stated, or reckoned with the reasons in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from fhir_infusion.records.amounts import Amount, Dimension, amount, ratio, rounded, stated
from fhir_infusion.records.conversions import absolute
from fhir_infusion.records.findings import VOLUME, VOLUME_RATE, concentration, named_by

Part = Mapping[str, Any]

_NOTHING: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Flow:
    """An amount per second in base units: from ``low`` to ``high``, which are one where it is no range."""

    low: Fraction
    high: Fraction
    dimension: Dimension

    def over(self, seconds: Fraction) -> tuple[Fraction, Fraction]:
        """Return what runs in a time, in base units."""
        return self.low * seconds, self.high * seconds


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be computed: the place in the record, and why."""

    path: str
    reason: str


class Rates:
    """What is known of the rate of one step or segment: as volume and as drug."""

    def __init__(self, record: Part, path: str) -> None:
        self.record, self.path = record, path
        self.volume: Flow | None = None
        self.drug: Flow | None = None
        self.said = ""
        self.is_halted = False
        self.unknown: list[Unknown] = []
        self.doubts: list[Unknown] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of it."""
        return self.volume is None and self.drug is None

    def take(self, dosing: Part) -> None:
        """Take in the rate of a dosing or segment; what is stated directly stands before what is reckoned."""
        record = named_by(self.record, dosing)
        if "rate" in dosing:
            self._between(
                record, dosing["rate"], dosing["rate"], stated(dosing["rate"]) if amount(dosing["rate"]) else ""
            )
        elif "rate_range" in dosing:
            low, high = dosing["rate_range"].get("low"), dosing["rate_range"].get("high")
            self._range(record, low, high)
        elif "rate_ratio" in dosing:
            made = ratio(dosing["rate_ratio"])
            if made is None:
                self._tell("its rate cannot be computed with: it is not in UCUM units")
            else:
                top, bottom = dosing["rate_ratio"]["numerator"], dosing["rate_ratio"]["denominator"]
                self._set([made], f"{stated(top)} per {stated(bottom)}", is_stated=True)
        elif dosing.keys() & {"rate_as_stated", "rate_text"}:
            self._tell("its rate is stated in words or in a unit that is not per time")

    def titrated(self, titration: Part, most: Part | None) -> None:
        """Make the rate a range from the floor (or the start) to the ceiling, where the step is titrated."""
        if not titration.keys() & {"step", "ceiling", "floor"}:
            return
        low = titration.get("floor", titration.get("start"))
        high = titration.get("ceiling", most)
        if low is None or high is None:
            self.doubts.append(Unknown(self.path, "it is titrated, and no highest rate is stated: drawn as it starts"))
            return
        before, self.volume, self.drug, words = (self.volume, self.drug), None, None, self.said
        self.said = ""
        self._range(self.record, low, high)
        if self.is_empty:
            (self.volume, self.drug), self.said = before, words
            self.doubts.append(
                Unknown(self.path, "it is titrated, and its limits cannot be computed: drawn as it starts")
            )
        elif words:
            self.said = f"{words} at first; titrated, {self.said}"

    def halted(self, event: str) -> None:
        """Nothing runs: the event says it."""
        self.volume, self.drug = Flow(_NOTHING, _NOTHING, VOLUME_RATE), Flow(_NOTHING, _NOTHING, ())
        self.said, self.is_halted = f"0 ({event})", True

    def spread(self, dosing: Part, seconds: Fraction, words: str) -> None:
        """Take a dose over its time where no rate says it."""
        record = named_by(self.record, dosing)
        if "dose" in dosing:
            sizes = list(absolute(record, dosing["dose"]))
            found = [_per(made, seconds) for _, made in sizes]
            said = f"{sizes[0][0]} in {words}" if sizes else ""
            self._set(found, said)
        elif "dose_range" in dosing:
            ends = [list(absolute(record, dosing["dose_range"].get(name, {}))) for name in ("low", "high")]
            if all(len(one) == 1 for one in ends):
                made = [_per(end[0][1], seconds) for end in ends]
                self._set(made, f"{ends[0][0][0]} to {ends[1][0][0]} in {words}")

    def time_for(self, dose: Part) -> Fraction | None:
        """Return how long a dose takes at the rate, where both are certain."""
        held = amount(dose)
        flow = self.volume if held is not None and held.dimension == VOLUME else self.drug
        if held is None or flow is None or flow.low != flow.high or not flow.low:
            return None
        if _per(held, Fraction(1)).dimension != flow.dimension:
            return None
        self.said += f"; {stated(dose)} takes {rounded(held.base / flow.low / 60)} min"
        return held.base / flow.low

    def _range(self, record: Part, low: Part | None, high: Part | None) -> None:
        if low is None or high is None or amount(low) is None or amount(high) is None:
            self._tell("its rate is a range without two ends that can be computed with")
            return
        self._between(record, low, high, f"{stated(low)} to {stated(high)}")

    def _between(self, record: Part, low: Part, high: Part, words: str) -> None:
        ends = [list(absolute(record, one)) for one in ((low,) if low is high else (low, high))]
        if not words:
            self._tell("its rate cannot be computed with: it is not a plain UCUM quantity")
        elif not all(ends):
            self._tell(f"{words} is per size of the patient, and no such measurement is stated")
        elif any(len({made.base for _, made in end}) > 1 for end in ends):
            self._tell(f"{words} is per size of the patient, and several that it may mean are stated")
        else:
            self._set([end[0][1] for end in ends], words, is_stated=True)

    def _set(self, found: Sequence[Amount], words: str, *, is_stated: bool = False) -> None:
        """Take in amounts per second, one or low and high, in both kinds as far as the concentration tells."""
        if not found or found[0].dimension != found[-1].dimension or dict(found[0].dimension).get("s") != -1:
            return
        strength = concentration(self.record)
        is_volume = found[0].dimension == VOLUME_RATE
        other = [one.times(strength, 1 if is_volume else -1) for one in found] if strength and strength.base else []
        volumes, drugs = (found, other) if is_volume else (other, found)
        before = (self.volume, self.drug)
        if volumes and volumes[0].dimension == VOLUME_RATE and (self.volume is None or (is_volume and not self._exact)):
            self.volume = Flow(volumes[0].base, volumes[-1].base, VOLUME_RATE)
            self._exact = is_volume
        if drugs and (self.drug is None or (not is_volume and not self._own)):
            self.drug = Flow(drugs[0].base, drugs[-1].base, drugs[0].dimension)
            self._own = not is_volume
        used = is_stated or before != (self.volume, self.drug)
        if used and words and words not in self.said:
            self.said = f"{self.said}, {words}" if self.said else words

    _exact = False
    _own = False

    def _tell(self, reason: str) -> None:
        self.unknown.append(Unknown(self.path, reason))


def _per(made: Amount, seconds: Fraction) -> Amount:
    return made.times(Amount(seconds, (("s", 1),), "s"), -1)
