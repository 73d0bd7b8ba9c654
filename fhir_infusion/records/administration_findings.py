"""Findings in an administration: rate and time of each segment, sums over segments, dose and volume, counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, differ, of, rounded, shown, stated
from fhir_infusion.records.findings import VOLUME, concentration, finding
from fhir_infusion.records.moments import seconds_between
from fhir_infusion.records.order_findings import preparation_findings, rate_of
from fhir_infusion.records.parts import UNSAID, is_split

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]


def administration_findings(record: Part) -> Iterator[Issue]:
    """Yield the findings in an administration."""
    segments = record.get("segments", ())
    for position, segment in enumerate(segments):
        yield from _rate_and_time(segment, f"segments[{position}]")
    yield from _sum(record, segments, "dose", "dose_given")
    yield from _sum(record, segments, "volume", "volume_given")
    yield from _total(record, segments)
    yield from _dose_in_volume(record)
    yield from _counts(record)
    yield from preparation_findings(record.get("preparation", {}))
    if record["status"] == "not-done" and record.get("dose_given", {}).get("value", 0) > 0:
        said = f"it was not done, and {stated(record['dose_given'])} were given" if amount(record["dose_given"]) else ""
        yield finding("dose_given", said or "it was not done, and a dose is stated", "not-done-dose")
    if "dose_total" in record and "dose_given" in record:
        reason = "it carries a dose, and so do the administrations that are part of it: adding them up counts twice"
        yield finding("dose_given", reason, "dose-twice")


def _rate_and_time(segment: Part, path: str) -> Iterator[Issue]:
    rate = rate_of(segment)
    seconds = seconds_between(segment["start"], segment["end"]) if "start" in segment and "end" in segment else None
    length = of(seconds, "s") if seconds is not None else None
    if rate is None or length is None:
        return
    makes = rate[0].times(length)
    for name in ("volume", "dose"):
        held = amount(segment.get(name))
        if held is not None and held.dimension == makes.dimension and differ(held.base, makes.base):
            how = f"{rate[1]} for {rounded(length.base / 60)} min makes {shown(makes, segment[name]['unit'])}"
            yield finding(f"{path}.{name}", f"{how}; the {name} is {stated(segment[name])}", f"rate-time-{name}")


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
    if not doses or is_split(record) or record["status"] in _NOT_GIVEN or record.keys() & {"dose_given", "dose_total"}:
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


_NOT_GIVEN: Final = frozenset({"entered-in-error", "not-done"})


def _runs(segment: Part) -> bool:
    rate = rate_of(segment)
    return rate is not None and bool(rate[0].base)


def _dose_in_volume(record: Part) -> Iterator[Issue]:
    given, volume = amount(record.get("dose_given")), amount(record.get("volume_given"))
    strength = concentration(record) if given is not None and volume is not None else None
    if given is None or volume is None or strength is None or volume.dimension != VOLUME:
        return
    makes = volume.times(strength)
    if makes.dimension == given.dimension and differ(makes.base, given.base):
        how = f"{stated(record['volume_given'])} of this preparation makes {shown(makes, record['dose_given']['unit'])}"
        yield finding("dose_given", f"{how}; the dose given is {stated(record['dose_given'])}", "concentration-dose")


def _counts(record: Part) -> Iterator[Issue]:
    counts = record.get("demand_counts", {})
    if counts.get("deliveries", 0) > counts.get("attempts", counts.get("deliveries", 0)):
        said = f"{counts['deliveries']} demands were served of {counts['attempts']} made"
        yield finding("demand_counts", said, "demand-counts")
