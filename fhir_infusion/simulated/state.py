"""What the server holds: every version of every resource, in the order of writing, and what a search shows of it.

The server's clock may be set; what is written later is then dated earlier. While it goes on undisturbed each write is
dated after the one before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir.json import Resource
from fhir_infusion.records.number import plain

if TYPE_CHECKING:
    from collections.abc import Iterator


BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
TICK: Final = timedelta(milliseconds=1)
STRANGERS: Final = "urn:simulated:stranger"
"""The system of the identifiers of what the simulator itself puts there, as somebody else would."""


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version. ``resource`` is None where it is a deletion; a search shows it from ``shown_from`` on."""

    type: str
    id: str
    number: str
    moment: datetime
    method: str
    resource: Resource | None
    shown_from: float = 0.0


@dataclass
class State:
    """All versions. ``clock`` gives seconds since 1970. Not safe for threads: whoever asks holds a lock."""

    clock: Callable[[], float]
    shift: timedelta = timedelta(0)
    versions: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    journal: list[Version] = field(default_factory=list)
    next_id: int = 1
    _last: datetime = BEGINNING

    def now(self) -> datetime:
        """Return the moment by the server's clock."""
        return datetime.fromtimestamp(self.clock(), UTC) + self.shift

    def jump(self, seconds: float) -> None:
        """Set the server's clock."""
        self.shift += timedelta(seconds=seconds)
        self._last = BEGINNING

    # ------------------------------------------------------------------------------------------------- writing

    def new_id(self, type_: str) -> str:
        """Return an id that no resource of a type has."""
        given = str(self.next_id)
        self.next_id += 1
        return given if (type_, given) not in self.versions else self.new_id(type_)

    def write(self, resource: Resource, id_: str, method: str, hidden: float = 0.0) -> Version:
        """Store a resource under an id as its next version. ``hidden`` is for how long no search shows it."""
        type_ = resource["resourceType"]
        meta = resource.get("meta")
        return self._append(type_, id_, method, {**resource, "meta": meta if isinstance(meta, dict) else {}}, hidden)

    def delete(self, type_: str, id_: str) -> Version:
        """Delete what is there."""
        return self._append(type_, id_, "DELETE", None, 0.0)

    def rewrite(self, type_: str, id_: str, resource: Resource) -> Version:
        """Give the current version other content and a new date, under the versionId that it has."""
        kept = self.versions[type_, id_]
        old = kept.pop()
        self.journal.remove(old)
        return self._append(type_, id_, "PUT", resource, 0.0)

    def forget(self, type_: str, id_: str) -> None:
        """Lose a resource without a trace."""
        for version in self.versions.pop((type_, id_)):
            self.journal.remove(version)

    def undo(self, writes: int, *, reuse_ids: bool) -> list[Version]:
        """Be as it was some writes ago; return what was undone."""
        undone = self.journal[max(0, len(self.journal) - writes) :]
        for version in reversed(undone):
            kept = self.versions[version.type, version.id]
            kept.remove(version)
            if not kept:
                del self.versions[version.type, version.id]
                if reuse_ids and version.id.isdigit():
                    self.next_id = min(self.next_id, int(version.id))
        del self.journal[len(self.journal) - len(undone) :]
        return undone

    def _append(self, type_: str, id_: str, method: str, resource: Resource | None, hidden: float) -> Version:
        kept = self.versions.setdefault((type_, id_), [])
        moment = max(self.now().replace(microsecond=self.now().microsecond // 1000 * 1000), self._last + TICK)
        self._last = moment
        number = str(len(kept) + 1)
        if resource is not None:
            stamp = {"versionId": number, "lastUpdated": moment.isoformat(timespec="milliseconds")}
            meta = {**resource.get("meta", {}), **stamp}
            resource = {"resourceType": type_, **resource, "id": id_, "meta": meta}
        version = Version(type_, id_, number, moment, method, resource, self.clock() + hidden if hidden else 0.0)
        kept.append(version)
        self.journal.append(version)
        return version

    # ------------------------------------------------------------------------------------------------- reading

    def current(self, type_: str, id_: str) -> Version | None:
        """Return the current version, a deletion, too; None where there never was one."""
        kept = self.versions.get((type_, id_))
        return kept[-1] if kept else None

    def shown(self, type_: str) -> Iterator[Version]:
        """Yield of each resource of a type the version that searches show now."""
        now = self.clock()
        for (one, _), kept in self.versions.items():
            if one != type_:
                continue
            visible = [version for version in kept if version.shown_from <= now]
            if visible and visible[-1].resource is not None:
                yield visible[-1]

    def logged(self, type_: str, id_: str = "") -> list[Version]:
        """Return the versions of a type or of one resource that histories show now, newest first."""
        now = self.clock()
        found = [one for one in self.journal if one.type == type_ and id_ in {"", one.id} and one.shown_from <= now]
        return found[::-1]

    def oldest(self, type_: str) -> Version | None:
        """Return the resource of a type that was changed longest ago, and is no stranger's."""
        return next(
            (
                one
                for one in self.journal
                if one.type == type_
                and one.resource is not None
                and self.current(type_, one.id) is one
                and not is_stranger(one)
            ),
            None,
        )

    def strangers(self) -> list[Version]:
        """Return what the simulator put there and is there still, oldest first."""
        return [one for one in self.journal if is_stranger(one) and self.current(one.type, one.id) is one]

    def copied(self) -> State:
        """Return the same state, to be gone back to."""
        versions = {key: list(kept) for key, kept in self.versions.items()}
        return replace(self, versions=versions, journal=list(self.journal))


def identifiers(resource: Resource) -> list[tuple[str, str]]:
    """Return the identifiers of a resource, system and value; what is none is passed over."""
    listed: Any = resource.get("identifier")
    found = []
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, dict) and isinstance(one.get("value"), str):
            system = one.get("system")
            found.append((system if isinstance(system, str) else "", one["value"]))
    return found


def is_stranger(version: Version) -> bool:
    """Say whether the simulator put this there."""
    return version.resource is not None and any(one == STRANGERS for one, _ in identifiers(version.resource))


def stranger(number: int, release: str) -> Resource:
    """Return an order of somebody else."""
    drug = {"text": "a stranger's"}
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": STRANGERS, "value": str(number)}],
        "status": "completed",
        "intent": "order",
        **({"medication": {"concept": drug}} if release == "R5" else {"medicationCodeableConcept": drug}),
        "subject": {"identifier": {"system": "urn:simulated:patient", "value": str(number)}},
    }


# ------------------------------------------------------------------------------------------------ altering content


def noted(resource: Resource, text: str) -> Resource:
    """Return a resource with a note more."""
    notes = resource.get("note")
    return {**resource, "note": [*(notes if isinstance(notes, list) else []), {"text": text}]}


def rounded(value: Any) -> Any:
    """Return a tree whose numbers have lost the zeros at their end: 1.50 is 1.5."""
    if isinstance(value, dict):
        return {name: rounded(member) for name, member in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, bool) or not hasattr(value, "as_tuple"):
        return value
    return plain(value.normalize())


def without_extensions(value: Any) -> Any:
    """Return a tree without extensions; what held nothing else is gone."""
    if isinstance(value, dict):
        kept = {name: without_extensions(item) for name, item in value.items() if name != "extension"}
        return {name: item for name, item in kept.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [item for item in map(without_extensions, value) if item != {}]
    return value


def redosed(resource: Resource) -> Resource | None:
    """Return a resource whose first dose or rate is doubled, None where it has none."""
    changed = copy.deepcopy(resource)
    for name in ("dosageInstruction", "dosage"):
        if _double(changed.get(name)):
            return changed
    return None


def _double(node: Any) -> bool:
    if isinstance(node, list):
        return any(_double(item) for item in node)
    if not isinstance(node, dict):
        return False
    for name, item in node.items():
        is_amount = name.startswith(("dose", "rate")) and isinstance(item, dict) and "value" in item
        if is_amount:
            item["value"] = item["value"] * 2
            return True
    return any(_double(item) for item in node.values())
