"""Both sides change one order, in any interleaving, over a line that lies: reliability F6, F7, F12, invariants I1 to I5."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import amend_order, find
from tests.counts import count
from tests.faults.peer import CUT, DROP, RESET, Act, Peer, once
from tests.faults.rig import CALLER, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from pathlib import Path

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
@pytest.mark.parametrize("update_create", [True, False])
def test_f12_no_remark_of_either_side_is_lost_or_doubled_and_both_sides_end_equal(
    tmp_path: Path, update_create: object
):
    for seed in range(count(20, 500)):
        there = Peer(update_create=bool(update_create))
        rig = open_rig(there, tmp_path / f"{seed}.db", Clock())
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
