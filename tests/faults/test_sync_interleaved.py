"""Both sides change one order, in any interleaving, over a line that lies: reliability F6, F7, F12, invariants I1 to I5."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import amend_order, find
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import audit, links
from fhir_infusion.sync.resolve import Keep, resolve
from tests.counts import seeds
from tests.faults.dying import POINTS, kill
from tests.faults.peer import CUT, DROP, RESET, Act, Peer, once
from tests.faults.rig import CALLER, TENANT, Clock, Rig, administration, open_rig, order
from tests.fresh import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests import postgresql

MR, MA = "MedicationRequest", "MedicationAdministration"

LIES = (DROP, CUT, RESET, Act(status=500), Act(effect=False, status=503), Act(effect=False, status=409))


class Both:
    """One order, and the remarks that each side has written on it so far."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.chance = random.Random(seed)
        self.written: set[str] = set()
        self.stopped = False

    def ours(self) -> None:
        """Add a remark on our side."""
        (id_,) = self.rig.ids()
        now = find.record(self.rig.service, CALLER, "MedicationRequest", id_)
        text = f"ours {len(self.written)}"
        notes = [*now.record.get("notes", []), {"text": text}]
        amend_order.amend(self.rig.service, CALLER, id_, {**now.record, "notes": notes}, str(now.version))
        self.written.add(text)

    def stop(self) -> None:
        """Stop the order on our side, and add nothing more to it."""
        (id_,) = self.rig.ids()
        now = find.record(self.rig.service, CALLER, "MedicationRequest", id_)
        if now.record["status"] == "active":
            amend_order.amend(self.rig.service, CALLER, id_, {**now.record, "status": "stopped"}, str(now.version))
            self.stopped = True

    def theirs(self) -> None:
        """Add a remark on their side, as an editor does that reads and writes within a moment."""
        for there in self.rig.there.all("MedicationRequest"):
            text = f"theirs {len(self.written)}"
            self.rig.there.put({**there, "note": [*there.get("note", []), {"text": text}]})
            self.written.add(text)

    def lie(self) -> None:
        self.rig.there.lies.append(once(self.chance.choice(LIES)))

    def run(self, steps: int) -> None:
        """Do so many things in a random order, then let everything settle."""
        actions = [self.ours, self.theirs, self.rig.push, self.rig.pull, self.lie, self.later]
        for _ in range(steps):
            self.chance.choice(actions)()
        if self.chance.random() < 0.3:
            self.stop()
        for _ in range(6):
            self.rig.settle()
            self.rig.pull()

    def later(self) -> None:
        self.rig.clock.move(self.chance.choice((0.5, 3, 30)))


def _texts(resource: dict[str, Any]) -> list[str]:
    return sorted(one["text"] for one in resource.get("note", []))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_f12_no_remark_of_either_side_is_lost_or_doubled_and_both_sides_end_equal(folder: Path):
    for seed in seeds(20, 1000):
        there = Peer(update_create=seed % 2 == 0)
        rig = open_rig(there, folder / f"{seed}.db", Clock())
        rig.place(order("A-1"))
        both = Both(rig, seed)
        both.run(10)
        (remote,) = there.all("MedicationRequest")
        (ours,) = rig.all()
        states = [(row.state, row.last_error_code) for row in rig.rows()]
        assert _texts(remote) == _texts(ours) == sorted(both.written), (seed, states)
        assert remote["status"] == ours["status"] == ("stopped" if both.stopped else "active"), (seed, states)
        assert rig.conflicts() == [], seed
        sent, rows = len(there.writes()), len(rig.rows())
        for _ in range(3):
            rig.clock.move(600)
            rig.settle()
            rig.pull()
        assert (len(there.writes()), len(rig.rows())) == (sent, rows), seed
        rig.close()
        there.close()


class Wild:
    """Two orders and an administration, changed on both sides in what they say, in their doses and in their status."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.chance = random.Random(seed)
        self.count = 0
        self.notes: dict[str, tuple[set[str], set[str]]] = {}
        self.stopped: set[str] = set()
        self.asked = False

    # ------------------------------------------------------------------------------------------------ changes

    def ours(self) -> None:
        """Change something of an order, or the rate of the administration, on our side."""
        if self.chance.random() < 0.3:
            return self._our_rate()
        id_ = self.chance.choice(self.rig.ids(MR))
        now = find.record(self.rig.service, CALLER, MR, id_)
        record = dict(now.record)
        if self.chance.random() < 0.5:
            text = self._note(id_, 0)
            record["notes"] = [*record.get("notes", []), {"text": text}]
        if self.chance.random() < 0.6:
            record["steps"] = _rated(self._number())
        if self.chance.random() < 0.15 and record["status"] == "active":
            record["status"] = "stopped"
            self.stopped.add(f"{MR}/{id_}")
        amend_order.amend(self.rig.service, CALLER, id_, record, str(now.version))
        return None

    def _our_rate(self) -> None:
        id_ = self.rig.id_of(MA, "G-1")
        record = find.record(self.rig.service, CALLER, MA, id_).record
        if not all("rate" in one for one in record.get("segments", [{}])):
            return  # they wrote on a segment, so that it stands by itself
        segments = [{**one, "rate": {**one["rate"], "value": self._number()}} for one in record["segments"]]
        self.rig.change({**record, "segments": segments})

    def theirs(self) -> None:
        """Change something of what they have, as an editor does that reads and writes within a moment."""
        there = self.chance.choice(self._there() or [{}])
        if not there:
            return
        aggregate = self._aggregate(there)
        changed = dict(there)
        if self.chance.random() < 0.6:
            changed["note"] = [*there.get("note", []), {"text": self._note(aggregate.partition("/")[2], 1)}]
        if self.chance.random() < 0.6:
            changed |= _dosed_there(there, self._number())
        if self.chance.random() < 0.1 and there["status"] == "active":
            changed["status"] = "stopped"
            self.stopped.add(aggregate)
        self.rig.there.put(changed)

    def _there(self) -> list[dict[str, Any]]:
        linked = [one for type_ in (MR, MA) for one in self.rig.there.all(type_) if self._aggregate(one)]
        return sorted(linked, key=lambda one: str(one["resourceType"] + one["id"]))

    def _aggregate(self, there: dict[str, Any]) -> str:
        """Return what we have of it, empty where its create is not linked yet."""
        type_, id_ = there["resourceType"], there["id"]
        found = self.rig.service.store.read(TENANT, lambda tx: links.by_remote(tx, "peer", type_, id_))
        return found.aggregate if found is not None else ""

    def _note(self, id_: str, side: int) -> str:
        self.count += 1
        text = f"{('ours', 'theirs')[side]} {self.count}"
        self.notes.setdefault(id_, (set(), set()))[side].add(text)
        return text

    def _number(self) -> Any:
        self.count += 1
        return fhir_json.read(f'{{"n":{self.count}.50}}')["n"]

    # ------------------------------------------------------------------------------------------------- the line

    def lie(self) -> None:
        self.rig.there.lies.append(once(self.chance.choice(LIES)))

    def later(self) -> None:
        self.rig.clock.move(self.chance.choice((0.5, 3, 30)))

    def kill(self) -> None:
        """Let the process die at one of its steps, and another one go on: with what is on disk, and nothing else."""
        kill(self.rig, *self.chance.choice(POINTS))
        self.rig.clock.move(self.chance.choice((1, 20)))

    def run(self, steps: int) -> None:
        """Do so many things in a random order, then let everything settle."""
        actions = [
            self.ours,
            self.ours,
            self.theirs,
            self.theirs,
            self.rig.push,
            self.rig.pull,
            self.kill,
            self.lie,
            self.later,
        ]
        for _ in range(steps):
            self.chance.choice(actions)()
        self.settle()

    def settle(self) -> None:
        self.rig.there.lies.clear()
        before, quiet = self._state(), 0
        for _ in range(12):
            self.rig.clock.move(20)
            self.rig.settle()
            self.rig.pull()
            now = self._state()
            quiet = quiet + 1 if now == before else 0
            if quiet == 2:
                return
            before = now
        raise AssertionError("it does not settle")

    def _state(self) -> tuple[object, ...]:
        """Return what changes as long as anything does."""
        ours = [one["meta"]["versionId"] for type_ in (MR, MA) for one in self.rig.all(type_)]
        return (self.rig.states(), ours, len(self.rig.there.writes()))

    # --------------------------------------------------------------------------------------------------- judging

    def judge(self, *, decided: bool) -> None:
        """Compare both sides: what is not held is equal and whole; of what is, no side has lost or doubled its own."""
        waiting = {one.aggregate for one in self.rig.conflicts()}
        if waiting:  # what depends on what is held goes after it
            waiting |= {row.aggregate for row in self.rig.rows() if row.state == "pending"}
        there = self._there()
        assert len(there) == len({self._aggregate(one) for one in there}) == 4
        for theirs in there:
            aggregate = self._aggregate(theirs)
            type_, _, id_ = aggregate.partition("/")
            ours = self.rig.resource(type_, id_)
            own, other = self.notes.get(id_, (set(), set()))
            here, away = _texts(ours), _texts(theirs)
            assert (len(here), len(away)) == (len(set(here)), len(set(away))), aggregate
            if aggregate in waiting:
                assert own <= set(here), aggregate
                assert other <= set(away), aggregate
            else:
                assert _dose(ours) == _dose(theirs), aggregate
                assert here == away, aggregate
                assert ours["status"] == theirs["status"], aggregate
                if not decided:
                    assert set(here) == own | other, aggregate
            if aggregate in self.stopped:
                assert (ours["status"], theirs["status"]) == ("stopped", "stopped"), aggregate

    def decide(self) -> int:
        """Let a person decide everything that is held, either way, as it is shown; return how much it was."""
        held = self.rig.conflicts()
        for one in held:
            keep: Keep = self.chance.choice(("ours", "theirs"))
            for _ in range(2):
                try:
                    resolve(self.rig.service, "command:7", one.conflict_id, keep, "asked the ward")
                    break
                except Refused as refused:
                    keep = keep if refused.status == 409 else "ours"
            self.settle()
        return len(held)


def _rated(number: Any) -> list[dict[str, Any]]:
    rate = {"value": number, "unit": "ug/kg/min"}
    return [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": rate}]}]


def _dosed_there(there: dict[str, Any], number: Any) -> dict[str, Any]:
    """Return the dosage of theirs with another rate, nothing where it has none."""
    if there["resourceType"] == MA:
        dosage = there.get("dosage", {})
        if "rateQuantity" not in dosage:
            return {}
        return {"dosage": {**dosage, "rateQuantity": {**dosage["rateQuantity"], "value": number}}}
    first, *rest = there["dosageInstruction"]
    dose = first["doseAndRate"][0]
    rated = {**dose, "rateQuantity": {**dose["rateQuantity"], "value": number}}
    return {"dosageInstruction": [{**first, "doseAndRate": [rated]}, *rest]}


def _dose(resource: dict[str, Any]) -> str:
    """Return the rate with every digit."""
    if resource["resourceType"] == MA:
        rate = resource.get("dosage", {}).get("rateQuantity", {})
    else:
        rate = resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]
    value = rate.get("value")
    return str(getattr(value, "text", value))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder for databases. A death here is an exception in this process: what the disk keeps is not asked."""
    with in_memory() as one:
        yield one


@pytest.fixture
def fresh(database: str, request: pytest.FixtureRequest, folder: Path) -> Callable[[int], str]:
    """Give an empty database for each number, of the kind that the test has; the one before is given up."""

    def made(number: int) -> str:
        if database.startswith("sqlite"):
            for before in folder.iterdir():
                before.unlink()
            return f"sqlite:///{folder}/{number}.db"
        server: postgresql.Server = request.getfixturevalue("postgresql_server")
        return server.emptied()

    return made


@pytest.mark.slow
@pytest.mark.timeout(86_400)
def test_f12_h6_h17_doses_status_and_administrations_changed_on_both_sides_are_merged_or_held_and_a_stop_flows(
    fresh: Callable[[int], str],
):
    # What is held is rare in any one of them; were it never, nothing would be shown of it.
    asked = seeds(20, 10_000)
    assert sum(interleave(fresh(seed), seed, seed % 2 == 0) for seed in asked) or len(asked) < 20


def interleave(database: str, seed: int, update_create: bool) -> int:  # noqa: FBT001  passed on by position
    """Run one interleaving and judge it; return how many conflicts a person had to decide."""
    there = Peer(update_create=update_create)
    rig = open_rig(there, database, Clock())
    try:
        for name in ("A-1", "A-2"):
            rig.place(order(name))
        rig.give(administration("G-1", "A-1", 5))
        wild = Wild(rig, seed)
        wild.run(14)
        wild.judge(decided=False)
        held = wild.decide()
        wild.judge(decided=True)
        assert rig.conflicts() == []
        sent, rows = len(there.writes()), len(rig.rows())
        wild.settle()
        assert (len(there.writes()), len(rig.rows())) == (sent, rows)
        assert rig.service.store.read(TENANT, audit.verify) == ()
    except BaseException as error:
        error.add_note(f"seed {seed}: {[(row.aggregate, row.state, row.last_error_code) for row in rig.rows()]}")
        raise
    finally:
        rig.close()
        there.close()
    return held
