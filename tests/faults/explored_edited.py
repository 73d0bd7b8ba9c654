"""Every short course of two orders whose writes go in one Bundle while they change one of them, with every few faults.

Each order has a run of its own (``explored.Run``), which knows what was done to it: what is demanded of it alone is
demanded of it beside the other, and what they change of one is no matter of the other.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tests.faults.explored import ERROR, PULL, STOP, STOP_DOSE, THEIRS, Course, Run
from tests.faults.explored_revived import Revived
from tests.faults.explored_together import PATIENTS, Bundled, Two
from tests.faults.explored_together import courses as of_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

REVIVE: Final = "they:active"
EDITS: Final = (*THEIRS, REVIVE)
_ENDS: Final = (STOP, STOP_DOSE, ERROR)


def courses(
    most: int = 1,
    *,
    theirs: tuple[str, ...] = EDITS,
    patients: tuple[str, ...] = PATIENTS,
    rungs: str = "AB",
    forgets: tuple[bool, ...] = (False,),
    pulls: tuple[bool, ...] = (False,),
) -> Iterator[Course]:
    """Yield all courses of two orders with up to ``most`` changes of each, and an edit of theirs after the first push."""
    for course in of_ours(most, patients=patients, rungs=rungs):
        steps = list(course.steps)
        for at in range(steps.index("push") + 1, len(steps) + 1):
            for what, number in itertools.product(theirs, "12"):
                if what == REVIVE and not {f"{one} {number}" for one in _ENDS} & set(steps[:at]):
                    continue
                edited = [*steps[:at], f"{what} {number}", *steps[at:]]
                for forget, pull in itertools.product(forgets, pulls):
                    before = [*(["forget"] if forget else []), *([PULL] if pull else [])]
                    made = [step for one in edited for step in ([*before, one] if one == "push" else [one])]
                    yield replace(course, steps=tuple(made))


class Each(Two):
    """One course of two orders that they change, too."""

    def __init__(self, *asked: Any) -> None:
        super().__init__(*asked)
        self.each: list[Run] = []

    def _step(self, step: str) -> None:
        what, _, number = step.rpartition(" ")
        if number not in {"1", "2"}:
            super()._step(step)
            if step in PATIENTS:
                self._begin()
            return
        self.asked.append(f"- {step}")
        one = self.each[int(number) - 1]
        one._step(what)
        self.refused |= one.refused
        self.edit = one.edit or self.edit

    def _begin(self) -> None:
        """Give each order a run, with the steps that are about it."""
        for number, about in enumerate(self.orders, 1):
            mine = tuple(step.removesuffix(f" {number}") for step in self.course.steps if step.endswith(f" {number}"))
            run = self._kind(mine)(self.rig, replace(self.course, steps=mine), about.name)
            run.order = about
            self.each.append(run)

    def _kind(self, steps: tuple[str, ...]) -> type[Run]:
        """Return what runs an order to which this happens."""
        return Revived if REVIVE in steps else Run

    def _complaints(self) -> Iterator[str]:
        yield from self._of_patients()
        for one in self.each:
            yield from (f"{one.name}: {told}" for told in one._complaints())


class Edited(Bundled, Each):
    """The same where what goes together goes in one Bundle."""
