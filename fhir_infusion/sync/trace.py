"""What happened to one order, and to the administrations of it, here and at each peer, in order: ``sync trace``.

Told are moments, states, codes, methods and the classes of answers: nothing of the content of a resource, so that a
trace can be shown to whoever asks why something did not arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import rules
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.records.statuses import STOPS
from fhir_infusion.store import attempts, endpoints, outbox, trace, versions
from fhir_infusion.store.attempts import Asked
from fhir_infusion.store.text import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.attempts import Attempt
    from fhir_infusion.store.audit import AuditEntry
    from fhir_infusion.store.links import Link
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.store.versions import Stored

ORDER: Final = "MedicationRequest"
ADMINISTRATION: Final = "MedicationAdministration"
_WRITES: Final = frozenset({"create", "update", "delete"})
_TOLD_ELSEWHERE: Final = _WRITES | {"sync-sent"}
"""A version and an attempt tell of these."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, or with the kind ``now`` how it stands. ``endpoint`` is empty where it was here."""

    at: datetime
    resource: str
    endpoint: str
    kind: str
    version: int
    text: str
    requests: tuple[Asked, ...] = ()


def trace_of(service: Service, tenant: str, order: str) -> tuple[Event, ...]:
    """Return what happened to an order and its administrations, in order, then how each stands now.

    ``order`` is its id, ``MedicationRequest/id``, its ``order_id``, or ``system|value``.

    Raises:
        Refused: 404 there is no such order.
        Unavailable: the store cannot serve now.
    """
    system = service.settings.order_system

    def events(tx: Tx) -> list[Event]:
        stored = _found(tx, order, system)
        found = list(_of(tx, stored))
        for id_ in trace.administrations(tx, stored.id):
            given = versions.current(tx, ADMINISTRATION, id_)
            found += _of(tx, given) if given is not None else []
        return found

    found = service.store.read(tenant, events)
    return tuple(sorted(found, key=_order))


def short_names(events: Sequence[Event]) -> dict[str, str]:
    """Return a short name for each resource of a trace: ``order``, ``given-1``, … in the order of the events."""
    names: dict[str, str] = {}
    for event in events:
        count = sum(name.startswith("given") for name in names.values()) + 1
        names.setdefault(event.resource, f"given-{count}" if event.resource.startswith(ADMINISTRATION) else "order")
    return names


@dataclass(frozen=True, slots=True)
class Since:
    """What happened to one resource since a moment; ``stops`` are sentences about stops that went through meanwhile."""

    events: tuple[Event, ...]
    stops: tuple[str, ...]


def since(service: Service, tenant: str, aggregate: str, endpoint: str, moment: datetime) -> Since:
    """Return what happened to a resource since it was held with one endpoint: a stop does not wait for a person.

    Raises:
        Unavailable: the store cannot serve now.
    """
    type_, _, id_ = aggregate.partition("/")

    def told(tx: Tx) -> Since:
        stored = versions.current(tx, type_, id_)
        if stored is None:
            return Since((), ())
        events = sorted((one for one in _of(tx, stored) if one.kind == "now" or one.at >= moment), key=_order)
        return Since(tuple(events), tuple(_stops(tx, stored, endpoint, moment)))

    return service.store.read(tenant, told)


def _stops(tx: Tx, stored: Stored, endpoint: str, moment: datetime) -> Iterator[str]:
    if not stored.deleted and stored.last_updated >= moment and _status(stored) in STOPS:
        yield f"Here it is {_status(stored)} since {stored.last_updated.isoformat(timespec='seconds')}."
    for row in outbox.rows(tx, endpoint, limit=10_000, aggregate=stored.aggregate):
        if row.lane == "stop" and row.enqueued >= moment:
            arrived = row.state == "acked"
            yield f"Our stop, version {row.version}, {'has arrived there' if arrived else f'is {row.state}'}."


def _order(event: Event) -> tuple[bool, datetime]:
    """Sorting keeps the order of what has the same moment: a version before its row, a row before its attempts."""
    return event.kind == "now", event.at


def _found(tx: Tx, order: str, order_system: str) -> Stored:
    named, _, value = order.rpartition("|")
    found = versions.by_identifier(tx, ORDER, named, value) if named else None
    found = found or versions.current(tx, ORDER, order.removeprefix(f"{ORDER}/"))
    found = found or versions.by_identifier(tx, ORDER, order_system, order)
    if found is None:
        accepted = "the id of an order, its order_id, or system|value of its identifier"
        raise Refused(Issue("error", "not-found", "", "there is no such order", accepted, status=404))
    return found


def _of(tx: Tx, stored: Stored) -> Iterator[Event]:
    audited = trace.audited(tx, stored.type, stored.id)
    written = {one.version: one for one in _written(tx, stored, audited)}
    yield from written.values()
    rows = outbox.rows(tx, limit=10_000, aggregate=stored.aggregate)
    for row in rows:
        lane = ", to go first: it stops the order" if row.lane == "stop" else ""
        # Moments of versions go up even where the clock does not.
        at = max(row.enqueued, written[row.version].at) if row.version in written else row.enqueued
        yield Event(at, row.aggregate, row.endpoint, "queued", row.version, f"waits to be told{lane}")
    yield from _attempts(attempts.of(tx, stored.aggregate), rows)
    links = trace.links_of(tx, stored.aggregate)
    for link in links:
        for one in trace.taken(tx, link.endpoint, stored.type, link.remote_id):
            codes = f" ({one.codes})" if one.codes else ""
            text = f"their version {one.version} of {one.last_updated or 'no stated moment'} came: {one.state}{codes}"
            yield Event(one.received, stored.aggregate, link.endpoint, "received", 0, text)
    for entry in audited:
        if entry.action not in _TOLD_ELSEWHERE:
            endpoint = entry.client.removeprefix("sync:") if entry.client.startswith("sync:") else ""
            text = f"{entry.detail}" if endpoint else f"{entry.detail} (by {entry.client})"
            yield Event(entry.at, stored.aggregate, endpoint, entry.action, entry.version, text)
    yield from _now(tx, stored, rows, links)


def _written(tx: Tx, stored: Stored, audited: Sequence[AuditEntry]) -> Iterator[Event]:
    written = {entry.version: entry for entry in audited if entry.action in _WRITES}
    for one in reversed(versions.history(tx, stored.type, stored.id)):
        entry = written.get(one.version)
        status = "deleted" if one.deleted else _status(one)
        by = f", {entry.action} by {entry.client}" + (f" {entry.detail}" if entry.detail else "") if entry else ""
        yield Event(one.last_updated, stored.aggregate, "", "version", one.version, f"{status}{by}")


def _status(stored: Stored) -> str:
    record: dict[str, Any] = read(stored.record) if stored.record else {}
    return str(record.get("status", "without status"))


def _attempts(made: Sequence[Attempt], rows: Sequence[Row]) -> Iterator[Event]:
    counts: dict[int, int] = {}
    known = {row.seq: row for row in rows}
    for one in made:
        for lost in range(counts.get(one.seq, 0) + 1, one.attempt):
            text = f"attempt {lost}: nothing is known; the process ended before it wrote anything"
            yield Event(one.begun, one.aggregate, one.endpoint, "attempt", one.version, text)
        counts[one.seq] = one.attempt
        verdict = one.state + (f" ({one.code})" if one.code else "")
        if one.state == "sent":
            row = known.get(one.seq)
            goes_on = row is not None and row.state == "sent" and row.attempt == one.attempt
            verdict = "is on its way" if goes_on else "sent, and the process ended before an answer was noted"
        text = f"attempt {one.attempt}: {verdict}"
        yield Event(one.begun, one.aggregate, one.endpoint, "attempt", one.version, text, one.requests)


def _now(tx: Tx, stored: Stored, rows: Sequence[Row], known: Sequence[Link]) -> Iterator[Event]:
    links = {link.endpoint: link for link in known}
    newest = {row.endpoint: row for row in rows}
    for endpoint in sorted({*links, *newest}):
        link, row = links.get(endpoint), newest.get(endpoint)
        there = _place(stored, link)
        told = f"; version {row.version} is {row.state}" if row is not None else ""
        why = f" ({row.last_error_code})" if row is not None and row.last_error_code else ""
        waits = row is not None and row.state in {"pending", "unknown"} and row.not_before > tx.now
        until = f", waits until {row.not_before.isoformat()}" if row is not None and waits else ""
        text = f"{there}{told}{why}{until}{_trouble(tx, endpoint)}"
        yield Event(tx.now, stored.aggregate, endpoint, "now", stored.version, text)
    if not links and not newest:
        text = f"version {stored.version}; no remote is told of it"
        yield Event(tx.now, stored.aggregate, "", "now", stored.version, text)


def _place(stored: Stored, link: Link | None) -> str:
    """Say where a resource is over there, and whether it still is."""
    if link is None or not link.remote_id:
        return "not known there"
    place = f"{stored.type}/{link.remote_id}"
    if link.is_gone:
        gone = "deleted there" if link.ladder == "gone" else "not known there any more; `sync replay` sends it again"
        danger = "" if stored.deleted or rules.has_ended(_status(stored)) else ", and not ended here"
        return f"{gone} (it was {place}){danger}"
    version = f" with our version {link.last_acked_version}" if link.last_acked_version else ""
    doubt = ", not compared since the remote was resumed" if link.doubted else ""
    return f"there as {place}{version}{doubt}"


def _trouble(tx: Tx, endpoint: str) -> str:
    """Say what holds back everything for a remote."""
    known = endpoints.known(tx, endpoint)
    if known.why:
        return f"; the remote is paused: {known.why}, see `sync resume`"
    return f"; trouble with the remote: {known.trouble}" if known.trouble else ""
