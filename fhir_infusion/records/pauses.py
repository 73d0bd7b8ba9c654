"""A pause that only the state says: on-hold, and nothing runs.

UK Core (MedicationAdministration, statusReason): a paused infusion is ``on-hold``, and its dosage has a rate of zero or
is left out; both mean that nothing is given. Where an overlay asks for it, such an administration is read with the
event ``paused`` on its segment. No element of the resource says it, so a residue entry marks it, and it is not written:
what came goes back as it came. That an infusion runs again cannot be known from one resource, and is never said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.parts import DOSAGE, RATES

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, Any]

READING: Final = "pause"
"""How an overlay asks for it."""

MARK: Final = "$pause-by-state"
"""The path of the residue entry of an administration whose pause only its state says."""

PAUSED: Final = "paused"


def is_pause(administration: Mapping[str, Any]) -> bool:
    """Return whether an administration of one resource says by its state alone that it is paused."""
    segments = administration.get("segments", ())
    segment = segments[0] if segments else {}
    if administration.get("status") != "on-hold" or len(segments) > 1 or "dose_total" in administration:
        return False
    if administration.get("record") == "InfusionOrder":
        return False  # an order on hold, of which nothing ever runs
    # A segment that is named is one that we wrote, and these say their event themselves.
    if "event" in segment or not segment.get("segment_id", "~").startswith("~"):
        return False
    return _is_zero(segment) or not _is_dosed(administration, segment)


def marked(administration: Record, release: str) -> Record:
    """Return an administration that ``is_pause`` with its event, and the mark that no element says it."""
    residue = [*administration.get("residue", ()), {"release": release, "path": MARK, "value": True}]
    return told({**administration, "residue": residue})


def told(administration: Record) -> Record:
    """Return a marked administration with its event, where its state still says so; any other as it is."""
    if not _is_marked(administration) or not is_pause(administration):
        return administration
    (segment,) = administration.get("segments") or [{}]
    return {**administration, "segments": [{**segment, "event": PAUSED}]}


def untold(administration: Record) -> Record:
    """Return a marked administration as it was read, without its event; any other, or an edited one, as it is."""
    segments = administration.get("segments", ())
    if len(segments) != 1 or segments[0].get("event") != PAUSED or not _is_marked(administration):
        return administration
    rest = {name: value for name, value in segments[0].items() if name != "event"}
    bare = {name: value for name, value in administration.items() if name != "segments"}
    if rest:
        bare["segments"] = [rest]
    return bare if is_pause(bare) else administration


def _is_marked(administration: Mapping[str, Any]) -> bool:
    return any(entry["path"] == MARK for entry in administration.get("residue", ()))


def _is_zero(segment: Mapping[str, Any]) -> bool:
    stated = segment.get("rate") or segment.get("rate_ratio", {}).get("numerator") or {}
    return stated.get("value") == 0 and "comparator" not in stated


def _is_dosed(administration: Mapping[str, Any], segment: Mapping[str, Any]) -> bool:
    """Return whether there is a dosage, or anything in one that no field holds."""
    return (
        bool(administration.keys() & {"dose_given", "text", *DOSAGE})
        or any(name in segment for name in RATES)
        or any(entry["path"].lstrip("_").startswith("dosage") for entry in administration.get("residue", ()))
    )
