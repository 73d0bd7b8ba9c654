"""Every short course of an order and what is given, whose writes go in one Bundle, with every few faults of it.

What is given is of that order, at a change of it; or of another, which was there before. What is demanded of each alone
is demanded of each here: whatever becomes of one entry, the other stands by itself, and names what it belongs to.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from tests.faults.about import About
from tests.faults.explored import CHANGES, ERROR, MR, PULL, STOP, STOP_DOSE, Course
from tests.faults.explored_given import GIVES, OURS, Given
from tests.faults.explored_together import ONE_PATIENT, TWO_PATIENTS, Bundled
from tests.faults.rig import order

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME, OTHER, NEW = "of it", "of another", "of another, beside a new one"
WHOSE: Final = (SAME, OTHER, NEW)
"""Whose the administration is that goes with a change of an order, or with its creation."""
_ENDS: Final = frozenset({STOP, STOP_DOSE, ERROR})


def courses(
    *,
    whose: tuple[str, ...] = WHOSE,
    patients: tuple[str, ...] = (ONE_PATIENT, TWO_PATIENTS),
    rungs: str = "AB",
    forgets: tuple[bool, ...] = (False,),
    pulls: tuple[bool, ...] = (False,),
) -> Iterator[Course]:
    """Yield all courses of an order that changes, or is placed, beside what is given, and then of a change of either."""
    for of_whom, which, give in itertools.product(patients, whose, GIVES):
        if of_whom == TWO_PATIENTS and which == SAME:
            continue
        behind = "" if which == SAME else " 2"
        firsts = ("place 2",) if which == NEW else tuple(one + behind for one in CHANGES)
        thens = ("", *(one + behind for one in CHANGES))
        for first, then, of_given in itertools.product(firsts, thens, ("", *OURS)):
            one, after = first.removesuffix(" 2"), then.removesuffix(" 2")
            if (one in _ENDS and after in _ENDS - {ERROR}) or (one == ERROR and after):
                continue
            for is_turned, is_pushed in itertools.product((False, True), repeat=2):
                steps = [of_whom, "place", *(["place 2"] if which == OTHER else []), "push"]
                steps += [give, first] if is_turned else [first, give]
                steps += ["push"] if is_pushed else []
                steps += [one for one in ((of_given, then) if is_turned else (then, of_given)) if one]
                steps.append("push")
                for forget, pull, rung in itertools.product(forgets, pulls, rungs):
                    before = [*(["forget"] if forget else []), *([PULL] if pull else [])]
                    made = [step for one in steps for step in ([*before, one] if one == "push" else [one])]
                    yield Course(tuple(made), rung)


class Mixed(Bundled, Given):
    """One course of an order and what is given, of it or of another."""

    AT_A_TIME = 3

    def __init__(self, *asked: Any) -> None:
        super().__init__(*asked)
        self.beside: About | None = None
        """The other order, where there is one."""

    def _all(self) -> list[About]:
        return [*super()._all(), *([self.beside] if self.beside is not None else [])]

    def _patient_beside(self) -> str:
        """Return the number of the patient of the other order."""
        return f"{self.name}b" if self.course.steps[0] == TWO_PATIENTS else self.name

    def _admit(self) -> None:
        super()._admit()
        if self.course.steps[0] == TWO_PATIENTS:
            self._admit_patient(self._patient_beside())

    def _step(self, step: str) -> None:
        if step == "place 2":
            self.asked.append(f"- {step}")
            name = f"{self._patient_beside()}.2"
            self.beside = About(self.rig, MR, self.rig.place(order(name)).id, name)
        elif step not in {ONE_PATIENT, TWO_PATIENTS}:
            super()._step(step)

    def _ours(self, step: str) -> None:
        if step.endswith(" 2"):
            assert self.beside is not None
            self._amend(self.beside, step.removesuffix(" 2"))
        else:
            super()._ours(step)

    def _complaints(self) -> Iterator[str]:
        yield from super()._complaints()
        if self.beside is not None:
            subjects = {one["subject"].get("reference") for one in self.beside.versions() if one is not None}
            if subjects - {f"Patient/p-{self._patient_beside()}"}:
                yield f"{self.beside.name}: its subject is {sorted(subjects)}"
            yield from (f"{self.beside.name}: {told}" for told in self._of_order(self.beside))
