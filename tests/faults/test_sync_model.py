"""Orders here and at a peer against a small model, whatever is done on either side and whatever breaks (F27).

Done are: create, amend, give, stop, enter in error, remarks, edits and stops and deletions at the peer, lost answers, lost
requests, late commits, pushes, pulls, deaths at each named step, restarts and replays. At the end both sides rest; they
must say what the model says, and the eight invariants hold (reliability 2.2).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fhir_infusion.actions import find
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import inbox, links
from fhir_infusion.sync import replaying
from tests.counts import count
from tests.faults.dying import POINTS, kill
from tests.faults.invariants import TYPES, Ear, World, check, rest
from tests.faults.peer import CUT, DROP, RESET, Act, Peer, once
from tests.faults.rig import CALLER, TENANT, Clock, administration, open_rig, order
from tests.fresh import folder_in_memory

if TYPE_CHECKING:
    from types import ModuleType

MR, MA = TYPES
STRENGTH = ("active", "stopped", "entered-in-error")
"""Of two endings that met, the later in this list stands."""
LIES = (
    DROP,
    CUT,
    RESET,
    Act(status=500),
    Act(effect=False, status=503),
    Act(effect=False, status=409),
    Act(effect=False, status=429, headers={"Retry-After": "7"}),
    Act(hidden_for=4.0),
    Act(body=b"<html/>", headers={"Content-Type": "text/html"}, status=200),
)
MOST_DEATHS = 3
"""Whoever dies five times over one row has it put aside (F20), which is another test."""

names = st.sampled_from(["A", "B", "C"])


@dataclass
class Order:
    """What the model knows of one order."""

    status: str = "active"
    rate: str = "5.50"
    remarks: set[str] = field(default_factory=set)
    given: list[str] = field(default_factory=list)
    deleted_there: bool = False
    edits_there: int = 0

    def becomes(self, status: str) -> None:
        self.status = max(self.status, status, key=STRENGTH.index)


class Both(RuleBasedStateMachine):
    """Does to both sides what it does to the model."""

    @initialize(update_create=st.booleans(), batches=st.booleans())
    def start(self, *, update_create: bool, batches: bool) -> None:
        self.folder = folder_in_memory()  # a death here is an exception in this process
        self.there = Peer(update_create=update_create)
        self.there.takes_batches = batches
        self.database = self.folder / "rig.db"
        self.rig = open_rig(self.there, self.database, Clock(), deadline_seconds=2)
        self.ear = Ear()
        self.orders: dict[str, Order] = {}
        self.count = 0
        self.deaths = 0

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            rest(self.rig)
            self.compare()
            check(self.rig, self.ear)
        except BaseException as error:
            rows = [(row.aggregate, row.version, row.state, row.last_error_code) for row in self.rig.rows()]
            error.add_note(f"{rows}\n{self.rig.alerts()}")
            raise
        finally:
            self.ear.close()
            self.rig.close()
            self.there.close()
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------------------------------------------ on our side

    @rule(name=names)
    def create(self, name: str) -> None:
        if name not in self.orders:
            self.rig.place(_rated(order(name), "5.50"))
            self.orders[name] = Order()

    @rule(name=names, remark=st.booleans())
    def amend(self, name: str, *, remark: bool) -> None:
        known = self._active(name)
        if known is None:
            return
        record = dict(find.record(self.rig.service, CALLER, MR, self.rig.id_of(MR, name)).record)
        if remark:
            text = self._text("here")
            record["notes"] = [*record.get("notes", []), {"text": text}]
            known.remarks.add(text)
        else:
            known.rate = self._number()
            _rated(record, known.rate)
        self.rig.amend(record)

    @rule(name=names, status=st.sampled_from(STRENGTH[1:]))
    def end(self, name: str, status: str) -> None:
        known = self.orders.get(name)
        if known is None:
            return
        record = find.record(self.rig.service, CALLER, MR, self.rig.id_of(MR, name)).record
        if STRENGTH.index(status) > STRENGTH.index(record["status"]):
            self.rig.amend({**record, "status": status})
            known.becomes(status)

    @rule(name=names)
    def give(self, name: str) -> None:
        known = self._active(name)
        if known is None:
            return
        known.given.append(self._number())
        record = administration(f"G-{name}", name, *known.given)
        if len(known.given) == 1:
            self.rig.give(record)
        else:
            self.rig.change(record)

    # ------------------------------------------------------------------------------------------------- at the peer

    @rule(name=names)
    def remark_there(self, name: str) -> None:
        for known, one in self._seen_there(name):
            text = self._text("there")
            self.there.put({**one, "note": [*one.get("note", []), {"text": text}]})
            known.remarks.add(text)

    @rule(name=names)
    def stop_there(self, name: str) -> None:
        for known, one in self._seen_there(name):
            if one["status"] == "active":
                self.there.put({**one, "status": "stopped"})
                known.becomes("stopped")

    @rule(name=names)
    def delete_there(self, name: str) -> None:
        for known, one in self._seen_there(name):
            if self._is_known_here(one["id"]):
                self.there.delete(MR, one["id"])
                known.deleted_there = True

    def _is_known_here(self, id_: str) -> bool:
        """Say whether its arrival is known here, or can be: by its id, or since a pull has seen it.

        What was deleted before that leaves nothing there that tells it from what never arrived, and is made again.
        """
        read, page = self.rig.service.store.read, partial(inbox.waiting, endpoint="peer", type=MR, limit=100)
        is_linked = read(TENANT, lambda tx: links.by_remote(tx, "peer", MR, id_)) is not None
        return self.there.update_create or is_linked or id_ in {one.received.id for one in read(TENANT, page)}

    def _seen_there(self, name: str) -> list[tuple[Order, dict[str, Any]]]:
        """Return the order as an editor there sees it, who reads and writes within a moment."""
        known = self.orders.get(name)
        if known is None or known.deleted_there:
            return []
        now = self.there.clock()
        seen = [one for one in self.there.all(MR) if one["identifier"][0]["value"] == name]
        seen = [one for one in seen if self.there.resources[MR, one["id"]].visible_at <= now]
        known.edits_there += len(seen)
        return [(known, one) for one in seen]

    # -------------------------------------------------------------------------------------------------- the line

    @rule(act=st.sampled_from(LIES), times=st.integers(1, 2))
    def lie(self, act: Act, times: int) -> None:
        self.there.lies.append(once(act, times=times))

    @rule()
    def push(self) -> None:
        self.rig.push()

    @rule()
    def pull(self) -> None:
        self.rig.pull()

    @rule(seconds=st.sampled_from((0.5, 3, 30)))
    def later(self, seconds: float) -> None:
        self.rig.clock.move(seconds)

    @precondition(lambda self: self.deaths < MOST_DEATHS)
    @rule(where=st.sampled_from(POINTS), seconds=st.sampled_from((1, 20)))
    def die(self, where: tuple[ModuleType, str], seconds: int) -> None:
        self.deaths += 1
        kill(self.rig, *where)
        self.rig.clock.move(seconds)

    @rule()
    def restart(self) -> None:
        self.rig.restart(self.database)

    @rule()
    def replay(self) -> None:
        """Tell everything again that was acknowledged."""
        acked = " ".join(str(row.seq) for row in self.rig.rows() if row.state == "acked")
        if acked:
            replaying.replay(self.rig.service, "command:1", "peer", acked, "after an incident")

    # ---------------------------------------------------------------------------------------------------- the end

    def compare(self) -> None:
        """Demand that both sides say what the model says; what waits for a person is not compared with the peer."""
        world = World(self.rig, None)
        stored = {world.bound(one)[1]: one for one in world.ours()}
        for name, known in self.orders.items():
            ours = fhir_json.read(stored[name].text)
            is_told = world.is_told(stored[name])
            assert is_told or not known.deleted_there, name
            sides = [ours] if is_told else [ours, *world.those_there(stored[name])]
            assert len(sides) == (1 if is_told else 2), (name, len(sides))
            for one in sides:
                assert _dose(one) == known.rate, name
                if one is not ours or not is_told:
                    assert one["status"] == known.status, name
                    assert sorted(note["text"] for note in one.get("note", [])) == sorted(known.remarks), name
            self._given(world, name, known)

    def _given(self, world: World, name: str, known: Order) -> None:
        parts = [one for one in self.rig.there.all(MA) if str(one["identifier"][0]["value"]).startswith(f"G-{name}")]
        told = any(
            world.is_told(one) for one in world.ours() if world.bound(one)[1].partition("#")[0] in {f"G-{name}", name}
        )
        rates = sorted(_dose(one) for one in parts if _dose(one))
        assert told or rates == sorted(known.given), (name, rates, known.given)

    def _active(self, name: str) -> Order | None:
        """Return an order that is active on our side, as somebody here sees it."""
        known = self.orders.get(name)
        return known if known is not None and self.rig.record(name)["status"] == "active" else None

    def _text(self, where: str) -> str:
        self.count += 1
        return f"{where} {self.count}"

    def _number(self) -> str:
        self.count += 1
        return f"{self.count}.50"


def _rated(record: dict[str, Any], rate: str) -> dict[str, Any]:
    value = fhir_json.read(f'{{"n":{rate}}}')["n"]
    record["steps"] = [
        {"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": value, "unit": "ug/kg/min"}}]}
    ]
    return record


def _dose(resource: dict[str, Any]) -> str:
    """Return the rate with every digit, empty where there is none."""
    if resource["resourceType"] == MA:
        rate = resource.get("dosage", {}).get("rateQuantity", {})
    else:
        rate = resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]
    value = rate.get("value")
    return "" if value is None else str(getattr(value, "text", value))


Both.TestCase.settings = settings(
    max_examples=count(20, 5000),
    stateful_step_count=count(20, 40),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestF27BothSidesSayWhatTheModelSays = Both.TestCase
