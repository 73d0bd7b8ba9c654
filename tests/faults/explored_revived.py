"""Every short course in which they set active again what has ended there: it never lives again here by itself.

What is there ends in the end, or a person is told of it: nobody there acts by it without somebody here knowing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import versions as stored
from tests.faults.about import read
from tests.faults.explored import DOSE, ERROR, MR, NOTE, PULL, STOP, STOP_DOSE, Course, Run
from tests.faults.invariants import ENDED
from tests.faults.rig import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator

REVIVALS: Final = ("they:active", "they:on-hold")
_ENDS: Final = (STOP, STOP_DOSE, ERROR)


def courses(
    *, rungs: str = "ABC", forgets: tuple[bool, ...] = (False,), pulls: tuple[bool, ...] = (False, True)
) -> Iterator[Course]:
    """Yield all courses of an order that ends here, after a change or before one, and is revived there after that."""
    for before, end, after in itertools.product(("", DOSE, NOTE), _ENDS, ("", NOTE, ERROR)):
        changes = [one for one in (before, end, after) if one]
        if changes.count(ERROR) > 1 or (end == ERROR and after):
            continue
        for pushed in itertools.product((True, False), repeat=len(changes)):
            steps = ["place"]
            for one, is_pushed in zip(changes, pushed, strict=True):
                steps += ["push", one] if is_pushed else [one]
            steps.append("push")
            ended = steps.index(end)
            for at in range(steps.index("push", ended) + 1, len(steps) + 1):
                for revival, forget, pull, rung in itertools.product(REVIVALS, forgets, pulls, rungs):
                    made = [*steps[:at], revival, *steps[at:]]
                    own = [*(["forget"] if forget else []), *([PULL] if pull else [])]
                    yield Course(tuple(s for one in made for s in ([*own, one] if one == "push" else [one])), rung)


class Revived(Run):
    """One course of an order that they revive."""

    def _step(self, step: str) -> None:
        if step in REVIVALS:
            self._revive(step.removeprefix("they:"))
        else:
            super()._step(step)

    def _revive(self, status: str) -> None:
        found = self.order.there()
        if len(found) != 1 or found[0]["status"] not in ENDED:
            self.refused = True
            return
        (now,) = found
        self.edit = (status, len(self.order.versions()), self.rig.link_state(self.order.aggregate) == "")
        self.rig.there.put({**now, "status": status}, now["id"])

    def _complaints(self) -> Iterator[str]:
        kept = self.rig.service.store.read(TENANT, lambda tx: stored.history(tx, MR, self.order.id))
        ours = [read(one.text)["status"] for one in reversed(kept)]
        there = self.order.there()
        if len(there) != 1:
            yield f"there are {len(there)}"
            return
        ended = next(number for number, status in enumerate(ours) if status in ENDED)
        if set(ours[ended:]) - ENDED:
            yield f"ours goes {ours}"
        has_ended = False
        for number, one in enumerate(self.order.versions(), 1):
            assert one is not None
            if has_ended and one["status"] not in ENDED and self.order.is_written(one):
                yield f"version {number} there is {one['status']} by us after it had ended"
            has_ended = has_ended or one["status"] in ENDED
        if there[0]["status"] not in ENDED and not self.order.conflicts():
            yield f"it is {there[0]['status']} there, and nobody is told; alarms {self.order.alarms()}"
        if self.order.conflicts() and "conflict" not in self.order.alarms():
            yield "a conflict is open without an alarm"
