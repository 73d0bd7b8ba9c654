"""An administration and its segments, which are stored as a parent and its children, as the one record it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_infusion.records import parts
from fhir_infusion.records.statuses import ERROR, NOT_GIVEN
from fhir_infusion.store import text, versions
from fhir_infusion.store.versions import Stored

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from fhir_infusion.store import Tx

Json = dict[str, Any]
TYPE = "MedicationAdministration"


@dataclass(frozen=True, slots=True)
class Family:
    """An administration as it is stored. ``children`` is empty for one that is sent as a single resource."""

    parent: Stored
    children: tuple[Stored, ...] = ()


def family(tx: Tx, stored: Stored) -> Family:
    """Return a resource with its children."""
    if stored.type != TYPE or stored.parent:
        return Family(stored)
    return Family(stored, versions.children(tx, stored.id))


def record_of(found: Family) -> Json:
    """Return the whole record; the parent's alone where parent and children do not belong together."""
    return records_of(found)[0]


def records_of(found: Family) -> list[Json]:
    """Return the whole record, and after it the children that are not a part of it and not entered in error."""
    parent = part_of(found.parent)
    if not found.children:
        return [parent]
    rest = [part_of(child) for child in found.children]
    # What was read from FHIR says of itself that it is single; only together can they be seen to be split.
    joined = parts.join([_unsaid(record) for record in (parent, *rest)])
    own = joined[0] if joined[0].get("representation") == "split" else parent
    identifiers = {record.get("administration_id") for record in joined[1:]}
    alone = [record for record in rest if record.get("administration_id") in identifiers]
    return [own, *(record for record in alone if record.get("status") != ERROR)]


def _unsaid(record: Json) -> Json:
    return {name: value for name, value in record.items() if (name, value) != ("representation", "single")}


def part_of(stored: Stored) -> Json:
    """Return the record of one resource; an empty one for what has none."""
    return text.read(stored.record) if stored.record else {}


def parent_of(tx: Tx, record: Json, system: str) -> Stored | None:
    """Return the administration that a record says it is a segment of, as we name segments; None where it is none."""
    whole, mark, segment = str(record.get("administration_id", "")).rpartition("#")
    if not (whole and mark and segment) or not _refers_to(record.get("part_of", ()), system, whole):
        return None
    parent = versions.alive(versions.by_identifier(tx, TYPE, system, whole))
    return parent if parent is not None and not parent.parent else None


def early_segments(tx: Tx, record: Json, system: str, known: Container[object] = ()) -> list[Stored]:
    """Return the segments of an administration that came before it and stand by themselves, in its order.

    Those whose ``administration_id`` is ``known`` are not looked for.
    """
    identifier = record.get("administration_id")
    named = [
        f"{identifier}#{segment['segment_id']}" for segment in record.get("segments", ()) if "segment_id" in segment
    ]
    wanted = [name for name in named if name not in known] if identifier else []
    found = [versions.alive(versions.by_identifier(tx, TYPE, system, name)) for name in wanted]
    return [
        one
        for one in found
        if one is not None and not one.parent and _refers_to(part_of(one).get("part_of", ()), system, str(identifier))
    ]


def _refers_to(references: Sequence[Json], system: str, value: str) -> bool:
    named = [reference.get("identifier", {}) for reference in references]
    return any(one.get("value") == value and one.get("system", system) == system for one in named)


def with_copied(child: Json, parent: Json) -> Json:
    """Return a child's record that says what its parent says: patient, drug, order, and that nothing was given."""
    changed = {name: value for name, value in child.items() if name not in parts.COPIED or name in parent}
    changed |= {name: parent[name] for name in parts.COPIED if name in parent}
    if parent.get("status") in NOT_GIVEN:
        changed["status"] = parent["status"]
    return changed


def single(record: Json) -> Json:
    """Return a part as it is handed to the translator: as one resource, whatever an overlay prefers."""
    return {**record, "representation": "single"} if len(record.get("segments", ())) > 1 else record
