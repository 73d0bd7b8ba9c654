"""A store, the actions and one lying peer, with a clock that a test moves: what the fault tests share."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import accept_resource, amend_order, find, place_order, record_administration
from fhir_infusion.actions.caller import Caller
from fhir_infusion.config import Remote, Settings
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.service import Service
from fhir_infusion.store import audit, inbox, links, open_store, outbox
from fhir_infusion.store import conflicts as held
from fhir_infusion.sync import peer as sync_peer
from fhir_infusion.sync import pull, sending
from fhir_infusion.translator import Translator, load_library
from tests.faults.peer import Peer
from tests.fresh import lay_down

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fhir_infusion.actions.transact import Outcome
    from fhir_infusion.mapping.library import Library
    from fhir_infusion.store.links import Link
    from fhir_infusion.store.outbox import Row

TENANT = "default"
CALLER = Caller(TENANT, "test")
ORDERS = "urn:test:orders"
ADMINISTRATIONS = "urn:test:administrations"
MRN = "urn:test:mrn"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2025, 5, 1, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    @property
    def seconds(self) -> float:
        return self.at.timestamp()


@cache
def library() -> Library:
    """Return the mapping library, loaded once for all tests."""
    return load_library(Settings(order_system=ORDERS, administration_system=ADMINISTRATIONS))


def settings_for(base: str, database: Path | str, **options: Any) -> Settings:
    """Return settings with one remote called ``peer``; ``database`` is the path of SQLite's file, or a URL."""
    remote = Remote("peer", base, **{"deadline_seconds": 30, "poll_seconds": 1, **options})
    return Settings(
        database=database if isinstance(database, str) else f"sqlite:///{database}",
        order_system=ORDERS,
        administration_system=ADMINISTRATIONS,
        remotes=(remote,),
    )


def order(order_id: str, **members: Any) -> dict[str, Any]:
    """Return a dobutamine order as our JSON."""
    return {
        "record": "InfusionOrder",
        "order_id": order_id,
        "status": "active",
        "intent": "order",
        "patient": {
            "identifier": {"system": MRN, "value": f"mrn-{order_id.partition('.')[0]}"},
            "name": "Jane Ito",
            "birth_date": "1970-01-02",
            "sex": "female",
        },
        "drug": {
            "codings": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "3616"}],
            "text": "dobutamine",
        },
        "steps": [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": 5, "unit": "ug/kg/min"}}]}],
        **members,
    }


def of_theirs(number: int, **members: Any) -> dict[str, Any]:
    """Return an order as another server has it, which was made there."""
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "urn:theirs", "value": str(number)}],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"identifier": {"system": MRN, "value": "mrn-9"}},
        **members,
    }


def administration(administration_id: str, order_id: str, *rates: int | str) -> dict[str, Any]:
    """Return an administration with one segment for each rate, the last one running."""
    hours = [f"2025-05-01T{8 + number:02}:00:00+02:00" for number in range(len(rates) + 1)]
    segments = [
        {
            "segment_id": str(number + 1),
            "event": "started" if not number else "rate-changed",
            "start": hours[number],
            **({"end": hours[number + 1]} if number + 1 < len(rates) else {}),
            "rate": {
                "value": rate if isinstance(rate, int) else fhir_json.read(f'{{"n":{rate}}}')["n"],
                "unit": "ug/kg/min",
            },
        }
        for number, rate in enumerate(rates)
    ]
    placed = order(order_id)
    return {
        "record": "Administration",
        "administration_id": administration_id,
        "representation": "split",
        "status": "in-progress",
        "patient": placed["patient"],
        "order": {"type": "MedicationRequest", "identifier": {"system": ORDERS, "value": order_id}},
        "drug": placed["drug"],
        "when": {"start": hours[0]},
        "segments": segments,
    }


@dataclass
class Rig:
    """Everything on our side."""

    service: Service
    peer: sync_peer.Peer
    clock: Clock
    there: Peer
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    acknowledged: list[tuple[str, str, int, str]] = field(default_factory=list)
    """Type, id, version and text of what a caller was told to be kept."""

    def place(self, record: dict[str, Any]) -> Outcome:
        return self._noted(place_order.place(self.service, CALLER, record))

    def amend(self, record: dict[str, Any]) -> Outcome:
        id_ = self.id_of("MedicationRequest", record["order_id"])
        now = find.read(self.service, CALLER, "R4", "MedicationRequest", id_)
        return self._noted(amend_order.amend(self.service, CALLER, id_, record, str(now.version)))

    def give(self, record: dict[str, Any]) -> Outcome:
        return self._noted(record_administration.place(self.service, CALLER, record))

    def change(self, record: dict[str, Any]) -> Outcome:
        id_ = self.id_of("MedicationAdministration", record["administration_id"])
        now = find.read(self.service, CALLER, "R4", "MedicationAdministration", id_)
        return self._noted(record_administration.amend(self.service, CALLER, id_, record, str(now.version)))

    def accept(self, resource: dict[str, Any]) -> Outcome:
        return self._noted(accept_resource.create(self.service, CALLER, "R4", resource))

    def _noted(self, outcome: Outcome) -> Outcome:
        self.acknowledged.append((outcome.type, outcome.id, outcome.version, outcome.text))
        return outcome

    def id_of(self, type_: str, value: str) -> str:
        system = ORDERS if type_ == "MedicationRequest" else ADMINISTRATIONS
        (entry,) = find.search(self.service, CALLER, "R4", type_, [("identifier", f"{system}|{value}")], 5).entries
        return entry.id

    def resource(self, type_: str, id_: str) -> dict[str, Any]:
        return fhir_json.read(find.read(self.service, CALLER, "R4", type_, id_).text)

    def record(self, order_id: str) -> dict[str, Any]:
        """Return an order of ours as our JSON."""
        return find.record(self.service, CALLER, "MedicationRequest", self.id_of("MedicationRequest", order_id)).record

    def ids(self, type_: str = "MedicationRequest") -> list[str]:
        """Return the ids of all our resources of a type, in the order in which they came."""
        return [one.id for one in find.search(self.service, CALLER, "R4", type_, [], 1000).entries]

    def all(self, type_: str = "MedicationRequest") -> list[dict[str, Any]]:
        return [self.resource(type_, id_) for id_ in self.ids(type_)]

    def push(self) -> int:
        """Push what is due now."""
        return sending.push_all(self.peer, TENANT)

    def settle(self, rounds: int = 60, step: float = 5.0) -> list[str]:
        """Push, moving the clock, until nothing is open; return the states of all rows in order."""
        for _ in range(rounds):
            self.push()
            if not self.service.store.read(TENANT, lambda tx: outbox.waiting(tx, "peer")):
                break
            self.clock.move(step)
        return self.states()

    def pull(self) -> tuple[pull.Pulled, ...]:
        return pull.pull(self.peer, TENANT)

    def rows(self) -> tuple[Row, ...]:
        return self.service.store.read(TENANT, lambda tx: outbox.rows(tx, "peer", limit=1000))

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def link(self, type_: str, id_: str) -> Link | None:
        return self.service.store.read(TENANT, lambda tx: links.get(tx, "peer", f"{type_}/{id_}"))

    def link_state(self, aggregate: str) -> str:
        """Return how the link of one of ours was made, or that it is gone."""
        type_, _, id_ = aggregate.partition("/")
        found = self.link(type_, id_)
        return found.ladder if found is not None else ""

    def link_of(self, remote_id: str, type_: str = "MedicationRequest") -> str:
        """Return the id of ours that is linked to one of theirs."""
        found = self.service.store.read(TENANT, lambda tx: links.by_remote(tx, "peer", type_, remote_id))
        assert found is not None
        return found.aggregate.partition("/")[2]

    def alerts(self) -> list[str]:
        entries = self.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=10_000))
        return [entry.detail for entry in entries if entry.action == "sync-alert"]

    def conflicts(self) -> list[held.Conflict]:
        return list(self.service.store.read(TENANT, lambda tx: held.listed(tx, "peer")))

    def quarantined(self) -> list[inbox.Quarantined]:
        return list(self.service.store.read(TENANT, lambda tx: inbox.quarantined(tx, "peer")))

    def restart(self, database: Path | str) -> None:
        """Close the store and open it again, as a new process would."""
        self.peer.close()
        self.service.store.close()
        again = open_rig(self.there, database, self.clock, self.peer.remote)
        self.service, self.peer = again.service, again.peer

    def close(self) -> None:
        self.peer.close()
        self.service.store.close()


def open_rig(
    there: Peer,
    database: Path | str,
    clock: Clock,
    remote: Remote | None = None,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    **options: Any,
) -> Rig:
    """Open a store and a peer of ours for that server."""
    there.clock = lambda: clock.seconds
    settings = settings_for(there.base, database, **options)
    if remote is not None:
        settings = Settings(**{**{name: getattr(settings, name) for name in settings.__slots__}, "remotes": (remote,)})
    store = open_store(lay_down(settings.database), clock)
    service = Service(store, Translator(library(), settings), clock, new_id, settings)
    return Rig(service, sync_peer.Peer(service, settings.remotes[0], draw=lambda: 1.0), clock, there)
