"""The eight invariants of reliability 2.2, asked of a rig once it has come to rest; and runs without a fault beside it.

Both sides are read as they are: ours by the store, theirs from the memory of the stub. Nothing of the package's own
comparing is used, so that its faults show.

I1 nothing lost, I2 nothing doubled, I3 in order, I4 no stopped order active there, I5 quiet, I6 one row of the audit
trail for each effect, I7 no patient data in what is told, I8 numbers as they are written. What a person was told of
(a conflict, a row put aside, a quarantined version, a tombstone) is not lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from fhir_infusion.actions import find
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import aside, audit, conflicts, endpoints, inbox, links, outbox, versions
from fhir_infusion.sync.inspecting import line_of
from fhir_infusion.sync.peer import STOP_ALONE
from fhir_infusion.sync.status import status
from tests import exact_json
from tests.faults.peer import Peer
from tests.faults.rig import ADMINISTRATIONS, CALLER, ORDERS, TENANT, Clock, Rig, open_rig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.store import Tx
    from fhir_infusion.store.audit import AuditEntry
    from fhir_infusion.store.versions import Stored
    from tests.faults.peer import Lie


class Harmed(Protocol):
    """What happens on both sides; where it is harmed, a fault is among it, and what a person does about it."""

    def __call__(self, rig: Rig, *, is_harmed: bool) -> None:
        """Let it happen."""


TYPES = ("MedicationRequest", "MedicationAdministration")
ENDED = frozenset({"completed", "stopped", "cancelled", "ended", "entered-in-error", "not-done"})
MERGED = frozenset({"acked", "superseded", "conflict"})
CANARIES = ("Jane", "Ito", "1970-01-02", "mrn-", "dobutamine", "CANARY")
"""What no listing, log or row of the trail may hold: the orders of ``rig.order`` have all of these."""
_COMPARED = ("status", "priority", "doNotPerform", "dosageInstruction", "dosage")


class Ear(logging.Handler):
    """Hears what the package logs, with everything that is told beside the message."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        logging.getLogger("fhir_infusion").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        told = {name: value for name, value in vars(record).items() if name not in {"pathname", "filename", "module"}}
        self.heard.append(f"{record.getMessage()} {told}")

    def close(self) -> None:
        logging.getLogger("fhir_infusion").removeHandler(self)
        super().close()


def check(rig: Rig, ear: Ear | None = None, *, rests: bool = True, is_restored: bool = False) -> None:
    """Let the rig come to rest, and demand all eight; ``rests=False`` takes it as it is.

    ``is_restored``: our database was a backup, whose trail knows nothing of what was sent after it.
    """
    if rests:
        rest(rig)
    world = World(rig, ear)
    world.is_restored = is_restored
    complaints = [f"{law.__name__.upper()}: {told}" for law in LAWS for told in law(world)]
    assert not complaints, "\n".join(complaints)


@contextmanager
def demanded(rig: Rig, *, asked: bool = True) -> Iterator[Rig]:
    """Give a rig and close it; where ``asked``, all eight are demanded of it in between, once the test is done."""
    ear = Ear()
    try:
        yield rig
        assert rig.service.store.read(TENANT, audit.verify) == ()
        if asked:
            check(rig, ear)
    finally:
        ear.close()
        rig.close()


def rest(rig: Rig) -> None:
    """No lie is told any more, the waits are over, and both directions run until nothing moves."""
    rig.there.lies.clear()
    rig.there.shown.clear()
    rig.there.left_out.clear()
    rig.there.double_create, rig.there.between_pages, rig.there.expire_pages = False, None, 0
    rig.there.sorts, rig.there.gives_next = True, True
    for _ in range(6):
        before = _counted(rig)
        rig.clock.move(1000)
        rig.settle()
        rig.pull()
        rig.settle()
        if _counted(rig) == before:
            return


class World:
    """Both sides as they are now."""

    def __init__(self, rig: Rig, ear: Ear | None) -> None:
        self.rig = rig
        self.ear = ear
        self.is_restored = False
        # Nothing is sent to it until a person resumes it, and an alarm says so.
        self.is_paused = bool(rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer")))
        self.rows = rig.service.store.read(TENANT, _rows)
        self.trail = rig.service.store.read(TENANT, _trail)

    def ours(self) -> Iterator[Stored]:
        """Yield the newest version of each order and administration of ours."""
        for entry in {(one.type, one.id): one for one in self.trail if one.action == "create" and one.type in TYPES}:
            stored = self.read(lambda tx, key=entry: versions.current(tx, *key))  # type: ignore[misc]  # a key of its own
            if stored is not None:
                yield stored

    def read(self, work: Callable[[Tx], Any]) -> Any:
        return self.rig.service.store.read(TENANT, work)

    def bound(self, stored: Stored) -> tuple[str, str]:
        found = self.read(lambda tx: versions.identifier_of(tx, stored.type, stored.id))
        return (found.system, found.value)

    def those_there(self, stored: Stored) -> list[dict[str, Any]]:
        """Return what carries the identifier of one of ours there, entered in error or not."""
        system, value = self.bound(stored)
        return [
            one
            for one in self.rig.there.all(stored.type)
            if any((i.get("system"), i.get("value")) == (system, value) for i in one.get("identifier", []))
        ]

    def is_told(self, stored: Stored) -> bool:
        """Say whether a person was told of this resource, in a way that stays until it is decided."""
        return self.is_paused or self.is_told_itself(stored)

    def is_told_itself(self, stored: Stored) -> bool:
        """Say the same without what is told of the whole peer: that it is paused excuses no double."""
        link = self.read(lambda tx: links.get(tx, "peer", stored.aggregate))
        held = self.read(lambda tx: conflicts.open_of(tx, "peer", stored.aggregate))
        last = self.read(lambda tx: aside.newest(tx, "peer", stored.aggregate))
        is_aside = last is not None and last.state in aside.ASIDE
        return held is not None or is_aside or (link is not None and link.is_gone)

    def waits_for_told(self, stored: Stored) -> bool:
        """Say whether it waits for another one that must be there first, and a person was told of that."""
        waiting = {row.depends_on for row in self.rows if row.aggregate == stored.aggregate and row.state == "pending"}
        return any(one.aggregate in waiting and self.is_told(one) for one in self.ours())

    def as_told(self, stored: Stored) -> dict[str, Any]:
        """Return a resource of ours in the release of the peer."""
        release = self.rig.peer.remote.release
        if stored.release == release:
            return _resource(stored)
        return _read(find.read(self.rig.service, CALLER, release, stored.type, stored.id).text)

    def alarms(self, stored: Stored) -> list[str]:
        return [one.detail for one in self.trail if one.action == "sync-alert" and one.id == stored.id]


def _rows(tx: Tx) -> list[Any]:
    return list(outbox.rows(tx, "peer", limit=1_000_000))


def _trail(tx: Tx) -> tuple[AuditEntry, ...]:
    return audit.entries(tx, limit=1_000_000)


# ---------------------------------------------------------------------------------------------------- the laws


def i1(world: World) -> Iterator[str]:
    """Nothing is lost: what was acknowledged is here, what is here arrived there, what is there was taken."""
    for type_, id_, number, text in world.rig.acknowledged:
        kept = world.read(lambda tx, key=(type_, id_, number): versions.version(tx, *key))  # type: ignore[misc]
        if kept is None or (kept.text != text and kept.release == "R4" and text):
            yield f"{type_}/{id_} version {number} was acknowledged and is not here as it was"
    yield from _not_there(world)
    if world.rig.peer.remote.direction != "push":
        yield from _not_taken(world)


def _not_there(world: World) -> Iterator[str]:
    queued = {row.aggregate for row in world.rows}
    for stored in world.ours():
        if stored.deleted or stored.aggregate not in queued or world.is_told(stored):
            continue
        there = world.those_there(stored)
        there = [one for one in there if one["status"] != "entered-in-error"] or there
        if not there:
            if not world.waits_for_told(stored):
                yield f"{stored.aggregate} is not there"
        elif _signature(there[0], numbers=False) != _signature(world.as_told(stored), numbers=False):
            told = {alarm.partition("-")[0].partition(" ")[0] for alarm in world.alarms(stored)}
            # Where it is not certain who the patient is, only a stop goes out: it has arrived, and nothing else has to.
            is_stopped = there[0]["status"] == world.as_told(stored)["status"]
            if "altered" not in told and not ("patient" in told and is_stopped):
                yield f"{stored.aggregate} is there otherwise than here, and nobody was told"


def _not_taken(world: World) -> Iterator[str]:
    for type_ in TYPES:
        for one in world.rig.there.all(type_):
            key = (type_, one["id"])
            linked = world.read(lambda tx, key=key: links.by_remote(tx, "peer", *key))  # type: ignore[misc]
            state = world.read(lambda tx, key=(*key, one["meta"]["versionId"]): inbox.state(tx, "peer", *key))  # type: ignore[misc]
            is_seen = state in {"quarantined", "conflict", "history"}
            if linked is None and not is_seen and not _is_held(world, one):
                yield f"{type_}/{one['id']} there was not taken ({state})"


def i2(world: World) -> Iterator[str]:
    """Nothing is doubled: one resource there for each identifier of ours, unless a person was told."""
    for stored in world.ours():
        standing = [one for one in world.those_there(stored) if one["status"] != "entered-in-error"]
        told = world.is_told_itself(stored) or any("ambiguous-identifier" in one.detail for one in world.trail)
        if len(standing) > 1 and not told:
            yield f"{stored.aggregate} is there {len(standing)} times"
    named = Counter(world.bound(stored) for stored in world.ours())
    yield from (f"{key} is here {number} times" for key, number in named.items() if number > 1)


def i3(world: World) -> Iterator[str]:
    """In order: what we wrote into the peer's history of a resource goes forward only."""
    for stored in world.ours():
        kept = reversed(world.read(lambda tx, key=(stored.type, stored.id): versions.history(tx, *key)))  # type: ignore[misc]
        ours = [_signature(_resource(one)) for one in kept if not one.deleted]
        for there in world.those_there(stored):
            last = 0
            for one in world.rig.there.history(stored.type, there["id"]):
                if one is None or (stored.type, one["id"], one["meta"]["versionId"]) not in world.rig.there.written:
                    continue
                at = [number for number, each in enumerate(ours) if each == _signature(one)]
                if at and at[-1] < last:
                    yield f"{stored.aggregate} version {at[-1] + 1} came there after version {last + 1}"
                last = min((number for number in at if number >= last), default=last)


def i4(world: World) -> Iterator[str]:
    """What has ended here is not active there."""
    for stored in world.ours():
        if stored.deleted or _resource(stored)["status"] not in ENDED or not _is_linked(world, stored):
            continue
        for there in world.those_there(stored):
            if there["status"] not in ENDED and not world.is_told(stored):
                yield f"{stored.aggregate} has ended here and is {there['status']} there"


def i5(world: World) -> Iterator[str]:
    """Quiet: three further rounds write nothing on either side."""
    before = _counted(world.rig)
    for _ in range(3):
        world.rig.clock.move(600)
        world.rig.push()
        world.rig.pull()
    after = _counted(world.rig)
    yield from (f"{name}: {before[name]} then {after[name]}" for name in before if before[name] != after[name])


def i6(world: World) -> Iterator[str]:
    """One row of the trail for each version here, and for each delivery that arrived; the chain is whole."""
    yield from world.read(audit.verify)
    here = Counter(
        (one.type, one.id, one.version) for one in world.trail if one.action in {"create", "update", "delete"}
    )
    for stored in world.ours():
        for number in range(1, stored.version + 1):
            if here[stored.type, stored.id, number] != 1:
                yield f"{stored.aggregate} version {number} has {here[stored.type, stored.id, number]} rows"
    yield from _deliveries(world)


def _deliveries(world: World) -> Iterator[str]:
    # Of a version of which the stop went ahead alone, what else it says may have followed.
    sent = [one for one in world.trail if one.action == "sync-sent"]
    arrived = [(f"{one.type}/{one.id}", one.version) for one in sent if one.detail != STOP_ALONE]
    alone = {(f"{one.type}/{one.id}", one.version) for one in sent} - set(arrived)
    stops = {(row.aggregate, row.version) for row in world.rows if row.lane == "stop"}
    yield from (f"{name} version {version} is no stop, and one arrived" for name, version in sorted(alone - stops))
    again = Counter((f"{one.type}/{one.id}", one.version) for one in world.trail if "acked -> pending" in one.detail)
    acked = Counter((row.aggregate, row.version) for row in world.rows if row.state == "acked")
    # One that was in doubt may have been found beneath a change of theirs: it is not acknowledged, and arrived. What
    # became of its row then is the business of the merge.
    tried = {(row.aggregate, row.version) for row in world.rows if row.attempt and row.state in MERGED}
    # What took a stop and did not do it is told, and the stop put aside.
    tried |= {(row.aggregate, row.version) for row in world.rows if row.lane == "stop" and row.state == "dead"}
    for key, number in Counter(arrived).items():
        # Each row that is acknowledged tells of one: a version that a person decides for is told in a row of its own.
        if number > max(1, acked[key]) + again[key]:
            yield f"{key[0]} version {key[1]} has {number} rows of a delivery"
        if key not in tried:
            yield f"{key[0]} version {key[1]} has a row of a delivery that never was"
    wrote = [asked for asked in world.rig.there.asked if asked.writes]
    for type_ in TYPES:
        number, asked_for = (
            sum(aggregate.startswith(f"{type_}/") for aggregate, _ in arrived),
            sum(asked.type == type_ for asked in wrote),
        )
        if number > asked_for:
            yield f"{number} rows of deliveries of {type_}, and {asked_for} requests to write"
    for stored in world.ours():
        is_silent = stored.aggregate not in {f"{one.type}/{one.id}" for one in sent}
        if world.is_restored or not is_silent or not _is_linked(world, stored) or world.is_told(stored):
            continue
        if any(asked.type == stored.type and _names(asked.body, world.bound(stored)) for asked in wrote):
            yield f"{stored.aggregate} was written there and no row tells of it"


def i7(world: World) -> Iterator[str]:
    """No patient data in logs, trail, codes and listings."""
    told: dict[str, list[str]] = {
        "the log": world.ear.heard if world.ear is not None else [],
        "the trail": [f"{one.action} {one.client} {one.detail}" for one in world.trail],
        "the outbox": [str(line_of(TENANT, row)) for row in world.rows],
        "the quarantine": [str(one) for one in world.rig.quarantined()],
        "the conflicts": [str(one.fields) for one in world.rig.conflicts()],
        "the status": [str(status(world.rig.service))],
    }
    for where, lines in told.items():
        for line in lines:
            yield from (f"{where} holds {canary}: {line[:200]}" for canary in CANARIES if canary in line)


def i8(world: World) -> Iterator[str]:
    """Numbers and dates there are written as ours are, or the alteration was told."""
    for stored in world.ours():
        if stored.deleted or world.is_told(stored) or not _is_linked(world, stored):
            continue
        for there in world.those_there(stored):
            ours, theirs = _signature(_resource(stored)), _signature(there)
            same_values = _signature(_resource(stored), numbers=False) == _signature(there, numbers=False)
            told = any(alarm.startswith(("altered", "precision-kept")) for alarm in world.alarms(stored))
            if same_values and ours != theirs and not told:
                yield f"{stored.aggregate} has numbers there that are written otherwise"


LAWS = (i1, i2, i3, i4, i5, i6, i7, i8)


# ------------------------------------------------------------------------------------------------------ twins


def twin(
    database: Callable[[], str],
    scenario: Callable[[Rig], None],
    *lies: Callable[[], Lie],
    **options: Any,
) -> None:
    """Run a scenario without and with lies of the peer; demand the invariants of both, and equal ends.

    A lie is made anew for its run, since it counts how often it was told.
    """

    def lied_to(rig: Rig, *, is_harmed: bool) -> None:
        rig.there.lies += [lie() for lie in lies if is_harmed]
        scenario(rig)

    twins(database, lied_to, **options)


def twins(
    database: Callable[[], str],
    scenario: Harmed,
    *,
    is_restored: bool = False,
    but: frozenset[str] = frozenset(),
    **options: Any,
) -> None:
    """Run a scenario as it should be and harmed; demand the invariants of both, and equal ends.

    ``database`` gives an empty one each time; ``is_restored`` says that the harm puts ours back to a backup; ``but`` are
    values of identifiers that need not be equal there, for nobody makes again what was deleted there.
    """
    ends = []
    for is_harmed in (False, True):
        there, ear = Peer(**options), Ear()
        rig = open_rig(there, database(), Clock())
        try:
            scenario(rig, is_harmed=is_harmed)
            check(rig, ear, is_restored=is_restored and is_harmed)
            ends.append(end_of(rig, but))
        finally:
            rig.close()
            there.close()
            ear.close()
    assert ends[0] == ends[1]


def end_of(rig: Rig, but: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Return what each side holds in the end, without ids, moments and references, which differ from run to run.

    What is there and has an identifier of ``but`` is left out.
    """
    here = [_read(fhir_json.write(one).decode()) for type_ in TYPES for one in rig.all(type_)]
    there = [one for type_ in (*TYPES, "Patient") for one in rig.there.all(type_)]
    there = [one for one in there if but.isdisjoint(known["value"] for known in one.get("identifier", []))]
    return {"here": sorted(map(_plain, here)), "there": sorted(map(_plain, there))}


# ---------------------------------------------------------------------------------------------------- reading


def _resource(stored: Stored) -> dict[str, Any]:
    return _read(stored.text)


def _read(text: str) -> dict[str, Any]:
    return cast("dict[str, Any]", exact_json.loads(text))


def _signature(resource: dict[str, Any], *, numbers: bool = True) -> str:
    kept = {name: resource[name] for name in _COMPARED if name in resource}
    return exact_json.dumps(_ordered(kept, numbers=numbers))


def _ordered(value: Any, *, numbers: bool) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name], numbers=numbers) for name in sorted(value)}
    if isinstance(value, list):
        return [_ordered(one, numbers=numbers) for one in value]
    if not numbers and hasattr(value, "normalize"):
        return str(value.normalize())
    return value


def _plain(resource: dict[str, Any]) -> str:
    left_out = {"id", "meta", "text"}
    kept = {name: _without_places(value) for name, value in resource.items() if name not in left_out}
    return exact_json.dumps(_ordered(kept, numbers=True))


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(one) for name, one in value.items() if name != "reference"}
    return [_without_places(one) for one in value] if isinstance(value, list) else value


def _names(body: dict[str, Any], key: tuple[str, str]) -> bool:
    return any((one.get("system"), one.get("value")) == key for one in body.get("identifier", []))


def _is_linked(world: World, stored: Stored) -> bool:
    link = world.read(lambda tx: links.get(tx, "peer", stored.aggregate))
    return link is not None and not link.is_gone


def _is_held(world: World, there: dict[str, Any]) -> bool:
    """Say whether one of theirs that carries an identifier of ours waits for a person, or for a row of ours."""
    for one in there.get("identifier", []):
        if one.get("system") in {ORDERS, ADMINISTRATIONS}:
            key = (there["resourceType"], one["system"], one["value"])
            ours = world.read(lambda tx, named=key: versions.by_identifier(tx, *named))  # type: ignore[misc]
            return ours is not None and world.is_told(ours)
    return False


def _counted(rig: Rig) -> dict[str, int]:
    store = rig.service.store
    return {
        "versions there": sum(len(kept.versions) for kept in rig.there.resources.values()),
        "requests to write": len(rig.there.writes()),
        "rows of the outbox": len(store.read(TENANT, _rows)),
        "rows of the trail": len(store.read(TENANT, _trail)),
    }
