"""One resource of ours on both sides: what is read of it there and here, and what is demanded of any in a course.

Nothing of the package's own comparing is used.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fhir_infusion.store import audit, conflicts, outbox
from fhir_infusion.store import versions as stored
from fhir_infusion.sync.peer import STOP_ALONE
from tests import exact_json
from tests.faults.invariants import ENDED
from tests.faults.rig import TENANT, Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = frozenset({"id", "meta", "subject", "request", "partOf", "text"})
"""What differs from side to side: ids, references, and what a server says of itself."""


@dataclass(frozen=True)
class About:
    """A resource of ours, by its id here and its business identifier."""

    rig: Rig
    type: str
    id: str
    name: str

    @property
    def aggregate(self) -> str:
        return f"{self.type}/{self.id}"

    def rows(self) -> tuple[outbox.Row, ...]:
        return self.rig.service.store.read(TENANT, lambda tx: outbox.rows(tx, "peer", aggregate=self.aggregate))

    def conflicts(self) -> list[conflicts.Conflict]:
        return [one for one in self.rig.conflicts() if one.aggregate == self.aggregate]

    def ours(self) -> dict[str, Any]:
        return self.rig.resource(self.type, self.id)

    def there(self) -> list[dict[str, Any]]:
        return [one for one in self.rig.there.all(self.type) if self._is_named(one)]

    def versions(self) -> list[dict[str, Any] | None]:
        """Return all versions there, oldest first; empty where there are several resources."""
        kept = [
            kept.versions
            for (type_, _), kept in self.rig.there.resources.items()
            if type_ == self.type and any(one is not None and self._is_named(one) for one in kept.versions)
        ]
        return kept[0] if len(kept) == 1 else []

    def ids(self) -> set[str]:
        """Return the ids of all there that has, or had, its identifier."""
        kept = [
            one for (type_, _), kept in self.rig.there.resources.items() for one in kept.versions if type_ == self.type
        ]
        return {one["id"] for one in kept if one is not None and self._is_named(one)}

    def is_written(self, version: dict[str, Any]) -> bool:
        """Say whether a version there was written by us."""
        return (self.type, version["id"], version["meta"]["versionId"]) in self.rig.there.written

    def _is_named(self, resource: dict[str, Any]) -> bool:
        return any(one["value"] == self.name for one in resource.get("identifier", []))

    def trail(self) -> list[audit.AuditEntry]:
        found, _ = self.rig.service.store.read(
            TENANT, lambda tx: audit.newest(tx, limit=1_000, about=(self.type, self.id))
        )
        return list(reversed(found))

    def alarms(self) -> set[str]:
        return {one.detail for one in self.trail() if one.action == "sync-alert"}

    # --------------------------------------------------------------------------------------------------- demands

    def of_rows(self) -> Iterator[str]:
        """Demand, where nothing is held, that all was sent, and that both sides say the same."""
        ours, (theirs,) = self.ours(), self.there()
        # That it was completed stops nothing: beside what is held, it waits for the person, too.
        may_wait = bool(self.conflicts()) and ours["status"] == "completed"
        if ours["status"] in ENDED and theirs["status"] not in ENDED and not may_wait:
            yield f"ours is {ours['status']} and theirs {theirs['status']}"
        states = {row.state for row in self.rows()}
        if not self.conflicts():
            if not states <= {"acked", "superseded"}:
                yield f"rows end in {sorted(states)}"
            if said(ours) != said(theirs):
                yield "theirs says other than ours"

    def of_history(self, edited: str = "") -> Iterator[str]:
        """Demand that it went forward only there; ``edited`` is the group of elements that they changed."""
        versions = [one for one in self.versions() if one is not None]
        has_ended, at, notes = False, -1, 0
        for number, one in enumerate(versions, 1):
            if has_ended and one["status"] not in ENDED:
                yield f"version {number} there is {one['status']} after it had ended"
            has_ended = has_ended or one["status"] in ENDED
            now = dose_number(one)
            if edited != "clinical":
                if now < at:
                    yield f"version {number} there has dose {now} after {at}"
                at = now
            if len(one.get("note", [])) < notes:
                yield f"version {number} there has fewer notes"
            notes = len(one.get("note", []))
        for number, (one, after) in enumerate(itertools.pairwise(versions), 2):
            if said(one) == said(after):
                yield f"version {number} there says what was there"

    def of_trail(self, *, is_edited: bool, is_hidden: bool) -> Iterator[str]:
        """Demand that the trail tells what arrived, once.

        ``is_edited``: they changed it, too; ``is_hidden``: nothing there may show that something had arrived.
        """
        rows, sent = self.rows(), [one for one in self.trail() if one.action == "sync-sent"]
        whole = sorted(one.version for one in sent if one.detail != STOP_ALONE)
        alone = sorted(one.version for one in sent if one.detail == STOP_ALONE)
        if len(set(whole)) < len(whole) or len(set(alone)) < len(alone):
            yield f"the trail tells of {whole}, alone {alone}"
        stops = {row.version for row in rows if row.lane == "stop"}
        if not set(alone) <= stops:
            yield f"the trail tells of {alone} as stops alone"
        kept = self.rig.service.store.read(TENANT, lambda tx: stored.history(tx, self.type, self.id))
        each = {one.version: said(read(one.text)) for one in kept}
        wrote = {said(one) for one in self.versions() if one is not None and self.is_written(one)}
        arrived = {version for version, one in each.items() if one in wrote}
        if set(whole) - arrived and not is_edited:
            yield f"the trail tells of {whole}, and what arrived is {sorted(arrived)}"
        # What a stop alone made of it may say what the whole stop says; two versions may say the same of the whole,
        # where only a part of it was changed.
        tried = {row.version for row in rows if row.attempt and each[row.version] not in {each[one] for one in whole}}
        if not is_hidden and not alone and arrived & tried:
            yield f"what arrived is {sorted(arrived)}, and the trail tells of {whole}, alone {alone}"

    def story(self) -> list[str]:
        rows = [f"row {r.version} {r.lane} {r.state} {r.last_error_code} {r.attempt}" for r in self.rows()]
        versions = [f"there {number}: {_shortly(one)}" for number, one in enumerate(self.versions(), 1)]
        trail = [f"{one.action} {one.version} {one.detail}" for one in self.trail()]
        return [f"-- {self.name}", *rows, *versions, *trail]


def _shortly(version: dict[str, Any] | None) -> str:
    if version is None:
        return "deleted"
    return str((version["status"], dose_number(version), [one["text"] for one in version.get("note", [])]))


def read(text: str) -> dict[str, Any]:
    """Return JSON with every digit."""
    return cast("dict[str, Any]", exact_json.loads(text))


def dose_number(resource: dict[str, Any]) -> int:
    """Return the number of the change that set the rate; 0 where it is as it was placed, or has none."""
    if resource["resourceType"] == "MedicationAdministration":
        rate = resource.get("dosage", {}).get("rateQuantity", {"value": 5})
    else:
        rate = resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]
    text = str(rate["value"])
    return 0 if text == "5" else int(text.removesuffix(".50"))


def said(resource: dict[str, Any]) -> str:
    """Return what a resource says, without what differs from side to side."""
    kept = {name: resource[name] for name in sorted(resource) if name not in _PLACES}
    tags = resource.get("meta", {}).get("tag", [])
    return exact_json.dumps({**kept, "tag": tags})
