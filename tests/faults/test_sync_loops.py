"""Changes that could go in circles: two remotes that are read and told, two services that are each other's remote.

Each comes to rest with one resource for each order, equal on all sides, in a bounded number of versions.
"""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from fhir_infusion.config import Remote
from fhir_infusion.store import conflicts, inbox, outbox
from fhir_infusion.sync import peer as sync_peer
from fhir_infusion.sync import pull, sending
from fhir_infusion.web.app import create_app
from tests import exact_json
from tests.counts import seeds
from tests.faults.invariants import LAWS, World, i6
from tests.faults.peer import CUT, DROP, Act, Peer, once
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MR = "MedicationRequest"


def _steps(rate: int) -> list[dict[str, Any]]:
    dosing = {"dosing_id": "rate", "rate": {"value": rate, "unit": "ug/kg/min"}}
    return [{"step_id": "run", "dosings": [dosing]}]


def _said(resource: dict[str, Any]) -> tuple[str, ...]:
    """What all sides have to agree about."""
    name = next(one["value"] for one in resource["identifier"] if one["value"].startswith("A-"))
    rate = resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"]
    notes = sorted(one["text"] for one in resource.get("note", []))
    return (name, resource["status"], str(rate), exact_json.dumps(notes))


def _open(rig: Rig, name: str) -> dict[str, int]:
    def work(tx: Any) -> dict[str, int]:
        waiting = outbox.waiting(tx, name)
        return {"waiting": waiting, "held": len(conflicts.listed(tx, name)), "aside": len(inbox.quarantined(tx, name))}

    return rig.service.store.read(TENANT, work)


# ---------------------------------------------------------------------------------------------------- two remotes


class Between:
    """Our side between two servers, both read and told."""

    def __init__(self, one: Peer, other: Peer, directory: Path) -> None:
        self.rig = open_rig(one, directory / "ours.db", Clock())
        other.clock = one.clock
        second = Remote("other", other.base, deadline_seconds=30, poll_seconds=1)
        settings = self.rig.service.settings
        both = replace(settings, remotes=(*settings.remotes, second))
        self.rig.service = replace(self.rig.service, settings=both)
        self.rig.peer.close()
        self.peers = [sync_peer.Peer(self.rig.service, remote, draw=lambda: 1.0) for remote in both.remotes]
        self.rig.peer = self.peers[0]
        self.servers = (one, other)

    def go_round(self, times: int) -> None:
        for _ in range(times):
            for peer in self.peers:
                sending.push_all(peer, TENANT)
                pull.pull(peer, TENANT)
            self.rig.clock.move(400)

    def written(self) -> int:
        """How many versions there are on all sides."""
        there = sum(len(kept.versions) for server in self.servers for kept in server.resources.values())
        return there + sum(int(one["meta"]["versionId"]) for one in self.rig.all())

    def close(self) -> None:
        self.peers[1].close()
        self.rig.close()


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Between]:
    with ExitStack() as stack:
        first, second = Peer(), Peer(update_create=True)
        for server in (first, second):
            stack.callback(server.close)
        one = Between(first, second, tmp_path)
        stack.callback(one.close)
        yield one


def _edited(server: Peer, draw: random.Random, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    found = [one for one in server.all(MR) if one["status"] == "active"]
    if found:
        one = draw.choice(found)
        server.put({**one, **change(one)}, one["id"])


@pytest.mark.parametrize("seed", seeds(6, 200))
def test_i5_what_changes_at_one_of_two_remotes_reaches_the_other_once_and_comes_to_rest(between: Between, seed: int):
    draw, rig = random.Random(seed), between.rig
    made = 0
    for number in range(12):
        server = draw.choice(between.servers)
        match draw.choice(["place", "note there", "rate here", "stop there", "stop here", "lie", "round"]):
            case "place":
                rig.place(order(f"A-{made}"))
                made += 1
            case "note there":
                text = f"note {number}"
                _edited(server, draw, lambda one: {"note": [*one.get("note", []), {"text": text}]})  # noqa: B023  called at once
            case "stop there":
                _edited(server, draw, lambda _: {"status": "stopped"})
            case "rate here" if made:
                name = f"A-{draw.randrange(made)}"
                if rig.record(name)["status"] == "active":
                    rig.amend({**rig.record(name), "steps": _steps(draw.randrange(6, 50))})
            case "stop here" if made:
                rig.amend({**rig.record(f"A-{draw.randrange(made)}"), "status": "stopped"})
            case "lie":
                act = draw.choice([DROP, CUT, Act(status=500), Act(effect=False, status=503)])
                server.lies.append(once(act, lambda asked: asked.writes and asked.type == MR))
            case _:
                between.go_round(1)
    between.go_round(10)
    before = between.written()
    between.go_round(3)
    assert between.written() == before  # quiet
    assert before <= made * 3 * 3 + made * 2 + 12 * 6
    ours = sorted(map(_said, rig.all()))
    assert len(ours) == made
    for name, server in zip(("peer", "other"), between.servers, strict=True):
        assert sorted(map(_said, server.all(MR))) == ours
        assert _open(rig, name) == {"waiting": False, "held": 0, "aside": 0}
    # I6 counts the deliveries to one remote.
    complaints = [told for law in LAWS if law is not i6 for told in law(World(rig, None))]
    assert not complaints, complaints


# ---------------------------------------------------------------------------------------------------- two services


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object, **__: object) -> None:
        pass


class Door:
    """A port that is open before it is known what serves behind it."""

    def __init__(self) -> None:
        self.app: Any = None
        self.server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()
        self.lies: list[Callable[[dict[str, Any]], bool]] = []
        """Each says of a request whether its answer is lost."""

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        answer = list(self.app(environ, start))
        if any(lie(environ) for lie in self.lies):
            environ["werkzeug.socket"].close()
            raise ConnectionError
        return answer

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/fhir/r4"

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Rig, Rig]]:
    """Two services, each the remote of the other."""
    with ExitStack() as stack:
        doors = [Door(), Door()]
        for door in doors:
            stack.callback(door.close)
        clock = Clock()
        rigs = []
        for number, door in enumerate(reversed(doors)):
            there = cast("Peer", SimpleNamespace(base=door.base, clock=None))
            rigs.append(open_rig(there, tmp_path / f"{number}.db", clock))
            stack.callback(rigs[-1].close)
        for door, rig in zip(doors, rigs, strict=True):
            door.app = create_app(rig.service)
        yield rigs[0], rigs[1]


def _round(rigs: tuple[Rig, Rig], times: int) -> None:
    for _ in range(times):
        for rig in rigs:
            rig.push()
            rig.pull()
        rigs[0].clock.move(100)


def _versions(rigs: tuple[Rig, Rig]) -> list[int]:
    return [int(one["meta"]["versionId"]) for rig in rigs for type_ in (MR, "Patient") for one in rig.all(type_)]


@pytest.mark.parametrize("seed", seeds(4, 200))
def test_i5_two_services_that_are_each_others_remote_come_to_rest_and_say_the_same(pair: tuple[Rig, Rig], seed: int):
    draw = random.Random(seed)
    made = 0
    for _ in range(10):
        rig = draw.choice(pair)
        known = sorted(_said(one)[0] for one in rig.all() if one["status"] == "active")
        match draw.choice(["place", "place", "rate", "stop", "round"]):
            case "place":
                rig.place(order(f"A-{made}"))
                made += 1
            case "rate" if known:
                name = draw.choice(known)
                rig.amend({**rig.record(name), "steps": _steps(draw.randrange(6, 50))})
            case "stop" if known:
                name = draw.choice(known)
                rig.amend({**rig.record(name), "status": "stopped"})
            case _:
                _round(pair, 1)
    _round(pair, 8)
    before = _versions(pair)
    _round(pair, 3)
    assert _versions(pair) == before
    assert max(before) <= 2 + 10
    one, other = (sorted(map(_said, rig.all())) for rig in pair)
    assert len(one) == len(other) == made
    held = [_open(rig, "peer") for rig in pair]
    assert not any(each["waiting"] or each["aside"] for each in held)
    stopped = [{said[0] for said in side if said[1] == "stopped"} for side in (one, other)]
    assert stopped[0] == stopped[1]  # a stop is on both sides, held or not
    if not any(each["held"] for each in held):
        assert one == other


def test_h5_an_order_placed_on_both_services_at_once_is_one_order_on_each(pair: tuple[Rig, Rig]):
    for rig in pair:
        rig.place(order("A-1"))
    _round(pair, 6)
    before = _versions(pair)
    _round(pair, 3)
    assert _versions(pair) == before
    assert [len(rig.all()) for rig in pair] == [1, 1]
    assert [_open(rig, "peer") for rig in pair] == [{"waiting": False, "held": 0, "aside": 0}] * 2


def test_h6_an_order_stopped_on_one_service_and_amended_on_the_other_at_once_is_stopped_on_both(pair: tuple[Rig, Rig]):
    one, other = pair
    one.place(order("A-1"))
    _round(pair, 4)
    one.amend({**one.record("A-1"), "status": "stopped"})
    other.amend({**other.record("A-1"), "steps": _steps(9)})
    _round(pair, 8)
    before = _versions(pair)
    _round(pair, 3)
    assert _versions(pair) == before
    assert [_said(rig.all()[0])[1] for rig in pair] == ["stopped", "stopped"]


@pytest.mark.parametrize("pulls", [True, False], ids=["pulled first", "met when sending"])
def test_h7_a_version_that_waits_is_not_sent_over_what_both_sides_say_by_now(between: Between, pulls: bool):  # noqa: FBT001
    rig, (server, _) = between.rig, between.servers
    rig.place(order("A-1"))
    between.go_round(3)
    for rate in (9, 10):
        rig.amend({**rig.record("A-1"), "steps": _steps(rate)})
    (now,) = server.all(MR)
    dosing = exact_json.loads(exact_json.dumps(now["dosageInstruction"]).replace('"value": 5', '"value": 10'))
    server.put({**now, "dosageInstruction": dosing}, now["id"])
    if pulls:
        rig.pull()
    between.go_round(4)
    rates = [_said(one)[2] for one in server.history(MR, now["id"]) if one is not None]
    assert rates == ["5", "10", *["10"] * (len(rates) - 2)]
