"""Findings in an administration: rate and time of each segment, sums over segments, dose and volume, counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, differ, of, rounded, shown, stated
from fhir_infusion.records.bag_findings import preparation_findings
from fhir_infusion.records.conversions import NOTHING, contradiction, rate_of
from fhir_infusion.records.crowds import with_few_measurements
from fhir_infusion.records.demand_findings import counts_findings
from fhir_infusion.records.findings import VOLUME, concentration, finding
from fhir_infusion.records.moments import is_after, seconds_between
from fhir_infusion.records.parts import UNSAID, is_split
from fhir_infusion.records.statuses import NOT_GIVEN

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]


def administration_findings(record: Part) -> Iterator[Issue]:
    """Yield the findings in an administration."""
    record, segments = with_few_measurements(record), record.get("segments", ())
    for position, segment in enumerate(segments):
        length = _length(segment)
        if length is not None:
            yield from _rate_and_time(record, segment, length, segment, f"segments[{position}].")
    yield from _alone(record, segments)
    yield from _without_an_end(record, segments)
    yield from _sum(record, segments, "dose", "dose_given")
    yield from _sum(record, segments, "volume", "volume_given")
    yield from _total(record, segments)
    yield from _dose_in_volume(record)
    yield from _from_the_bag(record, segments)
    yield from _units_given(record)
    yield from counts_findings(record)
    yield from preparation_findings(record.get("preparation", {}))
    if record["status"] == "not-done" and record.get("dose_given", {}).get("value", 0) > 0:
        said = f"it was not done, and {stated(record['dose_given'])} were given" if amount(record["dose_given"]) else ""
        yield finding("dose_given", said or "it was not done, and a dose is stated", "not-done-dose")
    if "dose_total" in record and "dose_given" in record:
        reason = "it carries a dose, and so do the administrations that are part of it: adding them up counts twice"
        yield finding("dose_given", reason, "dose-twice")


def _length(part: Part) -> Amount | None:
    """Return the time from start to end, where both say the time of day."""
    seconds = seconds_between(part["start"], part["end"]) if "start" in part and "end" in part else None
    return of(seconds, "s") if seconds is not None and seconds > 0 else None


def _alone(record: Part, segments: Sequence[Part]) -> Iterator[Issue]:
    """One resource says its rate in its only segment and the rest of itself; a child of a split one is such."""
    length = _length(record.get("when", {})) if len(segments) == 1 else None
    # Demands and the doses of a clinician run beside the rate; what is stopped or still runs had pauses unsaid.
    if length is None or "demand_counts" in record or record["status"] != "completed" or _length(segments[0]):
        return
    given = {name: record[total] for name, total in _IN_ALL.items() if total in record and name not in segments[0]}
    yield from _rate_and_time(record, segments[0], length, given, "")


def _without_an_end(record: Part, segments: Sequence[Part]) -> Iterator[Issue]:
    """How long the last rate ran is known by its own end, or by that of the whole; a moment has none."""
    last = segments[-1] if record["status"] == "completed" and segments else {}
    is_begun = "start" in last and "end" not in last and last.get("event") not in _OVER
    if is_begun and not record.get("when", {}).keys() & {"end", "at"}:
        reason = "it is completed, and nothing says when its last segment ended"
        yield finding(f"segments[{len(segments) - 1}]", reason, "segment-end", "an end")


_OVER: Final = frozenset({"completed", "stopped"})
_IN_ALL: Final = {"volume": "volume_given", "dose": "dose_given"}


def _rate_and_time(record: Part, segment: Part, length: Amount, given: Part, path: str) -> Iterator[Issue]:
    """Rate x time is the volume; or, where no volume is stated or it is right, the dose."""
    for name in ("volume", "dose"):
        held = amount(given.get(name))
        found = contradiction(record, segment, length, held) if held is not None else None
        if found is not None:
            how, through, makes = found
            told = f"{how} for {rounded(length.base / 60)} min{through} makes {shown(makes, given[name]['unit'])}"
            place = f"{path}{name}" if path else _IN_ALL[name]
            yield finding(place, f"{told}; the {name} is {stated(given[name])}", f"rate-time-{name}")
            return


def _sum(record: Part, segments: Sequence[Part], name: str, total: str) -> Iterator[Issue]:
    """The segments add up to the total, where every segment that ran says its share.

    Doses add up exactly, or the parts of it that are sent say another dose than the total; and where these carry
    doses, one that says none is missing from every sum.
    """
    whole = amount(record.get(total))
    shares = [amount(segment[name]) for segment in segments if name in segment]
    silent = any(name not in segment and _runs(segment) for segment in segments)
    if whole is None or not shares or any(share is None or share.dimension != whole.dimension for share in shares):
        return
    makes = Amount(sum((share.base for share in shares if share), Fraction(0)), whole.dimension, "")
    other = makes.base != whole.base if name == "dose" else differ(makes.base, whole.base)
    if name == "dose" and is_split(record):
        silent = False
    if other and (not silent or makes.base > whole.base):
        told = shown(makes, record[total]["unit"])
        if told == stated(record[total]):
            told = f"not quite {told}"
        yield finding(
            total, f"the segments make {told}; in all it is {stated(record[total])}", f"sum-of-segments-{name}"
        )


def _total(record: Part, segments: Sequence[Part]) -> Iterator[Issue]:
    """A single resource has its dose in ``dosage.dose``, which only ``dose_given`` says."""
    doses = [amount(segment["dose"]) for segment in segments if "dose" in segment]
    if not doses or is_split(record) or record["status"] in NOT_GIVEN or record.keys() & {"dose_given", "dose_total"}:
        return
    if len(segments) == 1 and not any(entry["path"] == UNSAID for entry in record.get("residue", ())):
        return  # it goes out as the total
    said = "the segments carry doses"
    if all(dose is not None and doses[0] is not None and dose.dimension == doses[0].dimension for dose in doses):
        makes = sum((dose.base for dose in doses if dose), Fraction(0))
        if not makes:
            return
        unit = next(segment["dose"]["unit"] for segment in segments if "dose" in segment)
        said = f"the segments make {shown(Amount(makes, doses[0].dimension, ''), unit)}" if doses[0] else said
    reason = f"{said}; no total is stated, so that who adds up the doses of administrations counts none of it"
    yield finding("dose_given", reason, "dose-total-missing", "dose_given")


def _runs(segment: Part) -> bool:
    rate = rate_of(segment)
    return rate is not None and bool(rate.base)


def _dose_in_volume(record: Part) -> Iterator[Issue]:
    given, volume = amount(record.get("dose_given")), amount(record.get("volume_given"))
    strength = concentration(record) if given is not None and volume is not None else None
    if given is None or volume is None or strength is None or volume.dimension != VOLUME:
        return
    makes = volume.times(strength)
    if makes.dimension == given.dimension and differ(makes.base, given.base):
        how = f"{stated(record['volume_given'])} of this preparation makes {shown(makes, record['dose_given']['unit'])}"
        yield finding("dose_given", f"{how}; the dose given is {stated(record['dose_given'])}", "concentration-dose")


def _from_the_bag(record: Part, segments: Sequence[Part]) -> Iterator[Issue]:
    """What was given and what was left of it is not more than the bag held; with another bag nobody knows."""
    preparation = record.get("preparation", {})
    total = amount(preparation.get("total_volume"))
    if total is None or any(segment.get("event") == "bag-changed" for segment in segments[1:]):
        return
    strength = concentration(record)
    drug = total.times(strength) if strength is not None else total
    wasted = [(entry["amount"], rest) for entry in _left_over(record) if (rest := amount(entry.get("amount")))]
    for name in ("volume_given", "dose_given"):
        given = amount(record.get(name))
        most = next((held for held in (total, drug) if given is not None and held.dimension == given.dimension), None)
        if given is None or most is None:
            continue
        left = [(quantity, rest) for quantity, rest in wasted if rest.dimension == most.dimension]
        makes = Amount(given.base + sum((rest.base for _, rest in left), NOTHING), most.dimension, "")
        if makes.base > most.base and differ(makes.base, most.base):
            unit = record[name]["unit"]
            parts = [f"{stated(record[name])} given", *(f"{stated(quantity)} wasted" for quantity, _ in left)]
            said = f"{' and '.join(parts)} make {shown(makes, unit)}" if left else parts[0]
            yield finding(name, f"{said}; the preparation holds {shown(most, unit)}", "more-than-bag")
            return


def _left_over(record: Part) -> Iterator[Part]:
    """Yield what was wasted of the bag: what went before the start was the rest of a vial, or run through the line."""
    when = record.get("when", {})
    start = when.get("start", when.get("at"))
    for entry in record.get("waste", ()):
        if start is None or "time" not in entry or not is_after(start, entry["time"]):
            yield entry


def _units_given(record: Part) -> Iterator[Issue]:
    """Counted units, such as those of blood, are as many as there are unit numbers; less where it was stopped."""
    dose = record.get("dose_given", {})
    given = amount(dose)
    if given is None or not dose["unit"].startswith("{"):
        return
    numbers = sum("unit_number" in entry for entry in record.get("preparation", {}).get("ingredients", ()))
    if numbers and (given.base > numbers or (record["status"] == "completed" and given.base < numbers)):
        units = "unit number is" if numbers == 1 else "unit numbers are"
        yield finding("dose_given", f"{stated(dose)} given; {numbers} {units} recorded", "unit-numbers")
