"""An administration as several MedicationAdministrations, and back.

FHIR: "each change should be captured as a distinct MedicationAdministration, with a specific rate"
(https://hl7.org/fhir/R4/medicationadministration-definitions.html#MedicationAdministration.dosage.rate_x_).

A record with ``representation: split`` becomes a parent and one child per segment, each a record that goes to FHIR as
one resource:

1. Each child has its segment's dose as ``dose_given``, its times as ``when``, who changed the rate as its performer,
   why it was paused or stopped as its status reason, and the rest of it as its only segment; its ``administration_id``
   is ``<administration_id>#<segment_id>`` and it is ``part_of`` the parent. The site of a child is its segment's, where
   the infusion went on elsewhere.
2. The parent keeps what is said of the whole, and the segments' keys and starts, which tell which parts there are and
   in which order.
3. Where segments carry doses the parent has no dosage at all: its total becomes ``dose_total``, its route, site and
   method stand on the children. Where only a total is known it stays on the parent. So adding up ``dose_given`` over
   the parts counts each milligram once.

``join`` puts together only what ``split`` would make again; anything else stays as it came.
"""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.equality import same
from fhir_infusion.records.residue_rules import escape
from fhir_infusion.records.statuses import NOT_GIVEN

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, Any]

COPIED: Final = ("record", "order", "drug", "medication", "preparation", "patient", "encounter", "measurements")
"""What every child says as its parent does; with the weight, so that a child read alone can be computed with."""

DOSAGE: Final = ("route", "body_site", "body_structure", "site_reference", "method")
"""What stands beside a dose or rate; FHIR has no place for it without one (mad-1)."""

RATES: Final = ("rate", "rate_ratio", "rate_as_stated")

_OF_PARENT: Final = ("segment_id", "start")
_OF_CHILD: Final = frozenset({"segment_id", "start", "end", "dose", "volume", "performer"})
_HALTED: Final = MappingProxyType({"paused": "on-hold", "stopped": "stopped"})


def is_split(administration: Mapping[str, Any]) -> bool:
    """Return whether a record asks to be sent as parts and names all that its parts need."""
    return (
        administration.get("representation") == "split"
        and "administration_id" in administration
        and bool(administration.get("segments"))
        and all("segment_id" in segment and "start" in segment for segment in administration["segments"])
    )


def split(administration: Record, system: str | None = None) -> list[Record]:
    """Return the records that go to FHIR as one resource each: the parent first, then a child per segment.

    ``system`` is the namespace of administration identifiers, for the reference from child to parent. A record that
    is not to be split is returned alone, as it is.
    """
    if not is_split(administration):
        return [administration]
    segments = administration["segments"]
    residue, of_children = _residue_by_part(administration)
    children = [
        _child(administration, segment, system, of_children.get(segment["segment_id"], [])) for segment in segments
    ]
    parent = {name: value for name, value in administration.items() if name not in {"representation", "residue"}}
    parent["segments"] = [{name: segment[name] for name in _OF_PARENT} for segment in segments]
    if residue:
        parent["residue"] = residue
    if any("dose" in segment for segment in segments):
        if "dose_given" in parent:
            parent["dose_total"] = parent.pop("dose_given")
        _without_dosage(parent)
    elif "dose_given" not in parent and any(_has_rate(segment) for segment in segments):
        _without_dosage(parent)
    return [parent, *children]


def join(records: list[Record]) -> list[Record]:
    """Return the records with each complete set of parent and children put together, at the parent's place.

    The order of the records does not matter. What is not exactly what ``split`` makes (a child is missing, changed
    in what it copies from its parent, or there twice) is left as it is. That a resource read alone is ``single`` says
    nothing against it.
    """
    said, records = records, [_alone(record) for record in records]
    times = Counter(record.get("administration_id") for record in records)
    by_id = {
        record["administration_id"]: record
        for record in records
        if "administration_id" in record and times[record["administration_id"]] == 1
    }
    joined: dict[int, Record] = {}
    taken: set[int] = set()
    for record in records:
        children = _children_of(record, by_id)
        whole = _whole(record, children) if children else None
        if whole is not None:
            joined[id(record)] = whole
            taken.update(map(id, children))
    return [
        joined.get(id(record), original)
        for original, record in zip(said, records, strict=True)
        if id(record) not in taken
    ]


def child_status(segment: Mapping[str, Any], status: str) -> str:
    """Return the status of a segment's own MedicationAdministration; ``status`` is that of the whole.

    A pause is on-hold, an ended segment completed, a running one in-progress; a segment that never ended in an
    infusion that did has the state of the infusion.
    """
    if status in NOT_GIVEN:
        return status
    event = segment.get("event", "")
    if event in _HALTED:
        return _HALTED[event]
    return "completed" if "end" in segment or event == "completed" else status


def is_total_unsaid(administration: Mapping[str, Any]) -> bool:
    """Return whether the only segment of what goes out as one resource says a dose, and the whole says none."""
    segments = administration.get("segments", ())
    return (
        len(segments) == 1
        and bool(segments[0].get("dose", {}).get("value"))
        and not administration.keys() & {"dose_given", "dose_total"}
        and administration.get("status") not in NOT_GIVEN
        and not is_split(administration)
    )


def with_total(administration: Record) -> Record:
    """Return a record whose only segment says the dose with that as its dose in all, where receivers look for it."""
    said = any(entry["path"] == UNSAID for entry in administration.get("residue", ()))
    if said or not is_total_unsaid(administration):
        return administration
    return {**administration, "dose_given": administration["segments"][0]["dose"]}


UNSAID: Final = "$no-total"
"""The residue entry of a record that was read from a resource whose segment alone says its dose: it stays so."""


def undosed(part: Record) -> Record:
    """Return a part without all that is its dosage in FHIR: dose, rate, route, site, method and text."""
    rest = {name: value for name, value in part.items() if name not in ("dose_given", "text", *DOSAGE)}
    segments = [
        {name: value for name, value in segment.items() if name not in RATES} for segment in rest.pop("segments", ())
    ]
    residue = [entry for entry in rest.pop("residue", ()) if not entry["path"].lstrip("_").startswith("dosage")]
    if any(segments):
        rest["segments"] = [segment for segment in segments if segment]
    return {**rest, "residue": residue} if residue else rest


def _child(administration: Record, segment: Record, system: str | None, residue: list[Record]) -> Record:
    identifier = administration["administration_id"]
    parent = {"value": identifier} if system is None else {"system": system, "value": identifier}
    copied = COPIED + DOSAGE if is_dosed(segment) else COPIED
    child = {name: administration[name] for name in copied if name in administration}
    child["administration_id"] = f"{identifier}#{segment['segment_id']}"
    child["part_of"] = [{"type": "MedicationAdministration", "identifier": parent}]
    child["status"] = child_status(segment, administration["status"])
    child["when"] = {name: segment[name] for name in ("start", "end") if name in segment}
    if "dose" in segment:
        child["dose_given"] = segment["dose"]
    if "volume" in segment:
        child["volume_given"] = segment["volume"]
    if "performer" in segment:
        child["performers"] = [{"actor": segment["performer"]}]
    rest = {name: value for name, value in segment.items() if name not in _OF_CHILD}
    if _halts(segment, child) and "reason" in rest:
        child["status_reasons"] = [rest.pop("reason")]
    if "body_site" in rest and is_dosed(segment):
        child["body_site"] = rest.pop("body_site")
    if rest:
        child["segments"] = [rest]
    for entry in residue:
        if entry["path"] == _RESOURCE_ID:
            child["resource_id"] = entry["value"]
        else:
            child.setdefault("residue", []).append(entry)
    return child


def _children_of(record: Record, by_id: Mapping[str, Record]) -> list[Record]:
    """Return the children that a record names as its own, in its order; nothing where one is not there."""
    identifier, segments = record.get("administration_id"), record.get("segments", [])
    if identifier not in by_id or any(segment.keys() != set(_OF_PARENT) for segment in segments):
        return []
    children = [by_id.get(f"{identifier}#{segment['segment_id']}") for segment in segments]
    return [child for child in children if child is not None] if None not in children else []


def _whole(parent: Record, children: list[Record]) -> Record | None:
    whole = {**parent, "representation": "split"}
    if "dose_total" in whole:
        whole["dose_given"] = whole.pop("dose_total")
    first = next((child for child in children if has_dosage(child)), {})
    if "dose_given" not in parent:
        whole |= {name: first[name] for name in DOSAGE if name in first}
    site = whole.get("body_site")
    whole["segments"] = [
        _segment(index, child, site) for index, child in zip(parent["segments"], children, strict=True)
    ]
    residue = [*parent.get("residue", []), *_residue_of_parts(parent["segments"], children)]
    if residue:
        whole["residue"] = residue
    return whole if same(split(whole, _system(children[0])), [parent, *children]) else None


def _alone(record: Record) -> Record:
    return {name: value for name, value in record.items() if (name, value) != ("representation", "single")}


def _segment(index: Record, child: Record, site: Record | None) -> Record:
    segment = {**index, **child.get("when", {}), **(child["segments"][0] if child.get("segments") else {})}
    for performer in child.get("performers", ()):
        segment["performer"] = performer.get("actor")
    for name, own in (("dose_given", "dose"), ("volume_given", "volume")):
        if name in child:
            segment[own] = child[name]
    if _halts(segment, child):
        for reason in child.get("status_reasons", ()):
            segment["reason"] = reason
    if "body_site" in child and not same(child["body_site"], site):
        segment["body_site"] = child["body_site"]
    return segment


def _halts(segment: Mapping[str, Any], child: Mapping[str, Any]) -> bool:
    """Return whether the child's status is that of its own segment, whose reason then is the reason of the status."""
    return bool(child["status"] == _HALTED.get(segment.get("event", "")))


def is_dosed(segment: Mapping[str, Any]) -> bool:
    """Return whether a segment's own resource has a dosage: a dose or a rate."""
    return "dose" in segment or _has_rate(segment)


def has_dosage(part: Mapping[str, Any]) -> bool:
    """Return whether what goes out as one resource has a dose or a rate, beside which route, site and method stand."""
    segments = part.get("segments", ())
    return "dose_given" in part or (len(segments) == 1 and _has_rate(segments[0]))


def _system(child: Record) -> str | None:
    (parent,) = child.get("part_of") or [{}]
    return parent.get("identifier", {}).get("system") if isinstance(parent, dict) else None


def _without_dosage(parent: Record) -> None:
    for name in DOSAGE:
        parent.pop(name, None)


def _has_rate(segment: Mapping[str, Any]) -> bool:
    return any(name in segment for name in RATES)


# A child may have been read with an id or residue of its own. In the joined record it is a residue entry whose path
# begins with the segment's key.

_RESOURCE_ID: Final = "id"


def _prefix(segment_id: str) -> str:
    return f"segments[{escape(segment_id)}]."


def _residue_of_parts(segments: list[Record], children: list[Record]) -> list[Record]:
    entries = []
    for segment, child in zip(segments, children, strict=True):
        own = list(child.get("residue", []))
        if "resource_id" in child:
            own.insert(
                0, {"release": own[0]["release"] if own else "R4", "path": _RESOURCE_ID, "value": child["resource_id"]}
            )
        entries += [{**entry, "path": _prefix(segment["segment_id"]) + entry["path"]} for entry in own]
    return entries


def _residue_by_part(administration: Record) -> tuple[list[Record], dict[str, list[Record]]]:
    of_children: dict[str, list[Record]] = {}
    own = []
    for entry in administration.get("residue", []):
        for segment in administration["segments"]:
            prefix = _prefix(segment["segment_id"])
            if entry["path"].startswith(prefix):
                rest = {**entry, "path": entry["path"].removeprefix(prefix)}
                of_children.setdefault(segment["segment_id"], []).append(rest)
                break
        else:
            own.append(entry)
    return own, of_children
