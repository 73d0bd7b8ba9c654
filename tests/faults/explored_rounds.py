"""Every short course in which only a round shows what they did, beside a change of ours that may be in doubt.

What they deleted, or changed under a lastUpdated of long ago, is in no part of a feed that is read yet: a round over all
that is linked notices (``sync.rounds``), some with each pull. What is demanded of one order beside a pull is demanded of
each of two here, whichever request fails: what is deleted stays so and is known, and what they said is here in the end.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from fhir_infusion.sync import rounds
from tests.faults.explored import CHANGES, MR, PULL, READING, THEIRS, Course, Ran, Run
from tests.faults.explored_edited import Each
from tests.faults.explored_given import MA
from tests.faults.explored_together import ONE_PATIENT
from tests.faults.peer import Act
from tests.faults.rig import of_theirs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Asked

PURGE: Final = "they:purge"
"""They delete it without a trace."""
EDITS: Final = (*THEIRS, PURGE)
LATER: Final = "later"
"""So much later that a new round may begin, and that what is there by now is none of the newest any more."""
ANOTHER: Final = "another"
"""They make an order of their own, which the next pull shows: the feed has been read beyond ours."""
AT_ONCE: Final = 1
"""So many are asked for with a pull, of three: a round takes three pulls, and goes on behind what was asked for."""
_LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
_NOTHING: Final = Act(status=200, body=b'{"resourceType":"Bundle","type":"searchset"}')
ASKING: Final = {**READING, "not shown": _NOTHING}
"""What befalls a page of the feed."""
ROUND: Final = {**ASKING, "400": Act(effect=False, status=400)}
"""What befalls a search for what is linked."""


def courses(
    *, theirs: tuple[str, ...] = EDITS, rungs: str = "AB", forgets: tuple[bool, ...] = (False,)
) -> Iterator[Course]:
    """Yield all orders in which a change of ours and its push, an edit of theirs and a round come after one another."""
    for change, edit, number in itertools.product(CHANGES, theirs, "12"):
        ours, its, a_round = f"{change} 1", f"{edit} {number}", [LATER, PULL, PULL]
        for order in itertools.permutations(("ours", "push", "theirs", "round")):
            if order.index("push") < order.index("ours"):
                continue
            for forget, rung in itertools.product(forgets, rungs):
                own = ["forget"] if forget else []
                made = {"ours": [ours], "push": [*own, "push"], "theirs": [its], "round": a_round}
                steps = [ONE_PATIENT, "push", LATER, ANOTHER, PULL, *(step for one in order for step in made[one])]
                yield Course((*steps, *own, "push"), rung)


class _Old(Run):
    """One order that they change under a lastUpdated of long ago."""

    def _step(self, step: str) -> None:
        if step == PURGE:
            there = self.order.there()
            super()._theirs("they:delete")
            for one in there:
                self.rig.there.resources.pop((MR, one["id"]))
        else:
            super()._step(step)

    def _put_there(self, changed: dict[str, Any]) -> None:
        self.rig.there.put(changed, changed["id"], at=_LONG_AGO)


class Rounds(Each):
    """One course of two orders of which a round shows what they did."""

    def run(self) -> Ran:
        with patch.object(rounds, "AT_ONCE", AT_ONCE):
            return super().run()

    def _kind(self, steps: tuple[str, ...]) -> type[Run]:  # noqa: ARG002  all are changed in this way
        return _Old

    def _step(self, step: str) -> None:
        if step == LATER:
            self._later()
        elif step == ANOTHER:
            self.rig.there.put(of_theirs(1))
        else:
            super()._step(step)

    def _later(self) -> None:
        self.asked.append(f"- {LATER}")
        self.rig.clock.move(rounds.EVERY.total_seconds())
        self.rig.there.step(rounds.EVERY)

    def _kinds(self, asked: Asked) -> dict[str, Act]:
        if asked.type == MA:
            return {}  # nothing of these is there
        if "_id" in asked.query:
            return ROUND
        return ASKING if "_lastUpdated" in asked.query or "_sort" in asked.query else super()._kinds(asked)

    def _rest(self) -> None:
        """Let two rounds go by, without a fault."""
        for _ in range(2):
            self._later()
            for _ in range(3):
                self._push()
                self.rig.pull()
                self.rig.clock.move(30)
            self._push()
        self.rig.clock.move(2000)
