"""Creating a resource exactly once on a server that may or may not help: the create ladder.

    A  update-as-create   PUT to an id that follows from the business identifier: uniqueness is a primary key
    B  conditional create POST with If-None-Exist, then a look whether there is one
    C  neither            a look, POST, a look: the server is weak, and labelled so

No server is taken at its word: conditional creates have doubled resources on most of them. The caller has already
looked by identifier and found none; it holds the only claim on this resource here.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.statuses import ERROR
from fhir_infusion.sync import statement
from fhir_infusion.sync.replies import Doubtful, Entry, Found, Listed, Missing, Trouble, Written
from fhir_infusion.sync.shapes import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.sync.remote import Endpoint

Rung: TypeAlias = Literal["A", "B", "C"]

OTHERS: Final = Doubtful("others than asked for")
"""What is found does not carry the identifier: who does not know how to search by it gives all that there is."""


@dataclass(frozen=True, slots=True)
class One:
    """Exactly one resource has the identifier."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Absent:
    """None has it (or none is visible yet)."""


@dataclass(frozen=True, slots=True)
class Several:
    """Two or more have it: none is picked."""

    ids: tuple[str, ...]


def rung_of(capability: Resource, type_: str, failing: str = "") -> Rung:
    """Return the highest rung that a CapabilityStatement offers for a type, but for those in ``failing``."""
    stated = statement.of_type(capability, type_)
    if stated.get("updateCreate") is True and "A" not in failing:
        return "A"
    return "B" if stated.get("conditionalCreate") is True and "B" not in failing else "C"


def failing_of(can: Mapping[str, Any] | None) -> str:
    """Return the rungs, such as ``AB``, that the report of a probe says do not hold."""
    saw = (can or {}).get("saw", {})
    trials = {"A": "update-create", "B": "conditional-create"}
    return "".join(rung for rung, name in trials.items() if saw.get(name) == "no")


def client_id(system: str, value: str) -> str:
    """Return the id that a resource gets on rung A: the same for the same identifier, today and after a restore."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{system}|{value}"))


def look(endpoint: Endpoint, type_: str, system: str, value: str) -> One | Absent | Several | Trouble:
    """Look for the resource that has an identifier."""
    reply = endpoint.look(type_, system, value)
    if not isinstance(reply, Listed):
        return reply
    found = {entry.stamp.id: entry for entry in reply.entries}
    if "" in found or reply.left_out:
        return Doubtful("unreadable match")
    by_id = {id_: entry for id_, entry in found.items() if _is_named(entry, system, value)}
    if len(by_id) < len(found) and (reply.following or not by_id):
        return OTHERS
    if len(by_id) > 1:
        # A second one that was entered in error is none: a person, or `duplicates`, has ended it.
        standing = [entry for entry in by_id.values() if not _is_error(entry)]
        if len(standing) != 1 or reply.following:
            return Several(tuple(sorted(by_id)))
        return One(standing[0])
    return One(next(iter(by_id.values()))) if by_id else Absent()


def _is_named(entry: Entry, system: str, value: str) -> bool:
    """Say whether it carries the identifier; true where that cannot be read.

    A server may find ``a-1`` for ``A-1``: that may be another patient's (hazard H10).
    """
    try:
        listed = NAMED.decode(entry.text).identifier or ()
    except (msgspec.DecodeError, RecursionError):
        return True
    return (system, value) in {(one.system, one.value) for one in listed}


def _is_error(entry: Entry) -> bool:
    try:
        return bool(fhir_json.read(entry.text).get("status") == ERROR)
    except Refused:
        return False


def taken(endpoint: Endpoint, type_: str, system: str, value: str) -> Written | Trouble | None:
    """Return what has the id already that a resource gets on rung A, or why that is not known; None where nothing has.

    A search may not show what is there, nor what was deleted: a PUT would write over what they changed, or bring it
    back to life (hazard H8). That it is refused there by ``If-None-Match`` is not relied on.
    """
    there = endpoint.read(type_, client_id(system, value))
    if isinstance(there, Found):
        return Written(200, there.stamp, there.resource)
    return None if isinstance(there, Missing) else there


def create(  # noqa: PLR0913  where, how, what, and what was looked for
    endpoint: Endpoint, rung: Rung, resource: Resource, system: str, value: str, *, is_free: bool = False
) -> Written | Several | Trouble:
    """Create a resource of which a look has just found none; ``is_free``: nor has anything its id (``taken``)."""
    body = {name: content for name, content in resource.items() if name != "id"}
    type_ = resource["resourceType"]
    if rung == "A":
        there = None if is_free else taken(endpoint, type_, system, value)
        return endpoint.update({**body, "id": client_id(system, value)}) if there is None else there
    reply = endpoint.create(body, (system, value) if rung == "B" else None)
    if not isinstance(reply, Written):
        return reply
    after = look(endpoint, type_, system, value)
    return after if isinstance(after, Several) else reply


def left_by(endpoint: Endpoint, type_: str, reply: Written) -> Found | Trouble:
    """Return what a write left there: as the answer to it says, or, where that says nothing of it, as it is read."""
    if reply.stamp is None:
        return Doubtful("no id in the answer")
    if reply.resource is None:
        return endpoint.read(type_, reply.stamp.id)
    return Found(reply.stamp, reply.resource, fhir_json.write(reply.resource).decode())
