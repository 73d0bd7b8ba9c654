"""Every short course of two orders whose writes go in one Bundle, with every few faults of the Bundle or of an entry.

What is asked of one order is demanded of each of the two: each row stands by itself. They have the same patient, a patient
each, or one who is not there yet.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.sync import looking
from tests.faults.about import About
from tests.faults.explored import (
    CREATING,
    DOSE,
    ERROR,
    MR,
    NOTE,
    READING,
    STOP,
    STOP_DOSE,
    WRITING,
    Course,
    Run,
)
from tests.faults.explored_given import MA
from tests.faults.lockstep import Lockstep, Together
from tests.faults.peer import Act, Asked
from tests.faults.rig import order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ONE_PATIENT, TWO_PATIENTS, NEW_PATIENT = "one patient", "two patients", "a new patient"
PATIENTS: Final = (ONE_PATIENT, TWO_PATIENTS, NEW_PATIENT)
CHANGES: Final = ("", DOSE, STOP, STOP_DOSE, ERROR, NOTE)

WHOLE: Final = {**WRITING, "405": Act(effect=False, status=405), "no entries": Act(status=200, body=b"{}")}
"""What befalls a Bundle."""
ENTRY: Final = {
    **{kind: act for kind, act in WRITING.items() if not act.close},
    "no status": Act(status=1),
    "nothing done, and no status": Act(effect=False, status=1),
}
"""What befalls an entry: it has no connection of its own, and an answer that cannot be read."""


def courses(
    most: int = 1, *, patients: tuple[str, ...] = PATIENTS, rungs: str = "AB", forgets: tuple[bool, ...] = (False,)
) -> Iterator[Course]:
    """Yield all courses of two orders with up to ``most`` changes of each, side by side, pushed in between or not."""
    pairs = [pair for pair in itertools.product(CHANGES, repeat=2) if any(pair)]
    for count in range(most + 1):
        for of_whom, changes in itertools.product(patients, itertools.product(pairs, repeat=count)):
            for pushed in itertools.product((True, False), repeat=count):
                steps = [of_whom]
                for (one, other), is_pushed in zip(changes, pushed, strict=True):
                    made = [f"{name} {number}" for number, name in enumerate((one, other), 1) if name]
                    steps += ["push", *made] if is_pushed else made
                steps.append("push")
                for forget, rung in itertools.product(forgets, rungs):
                    before = ["forget"] if forget else []
                    yield Course(tuple(s for one in steps for s in ([*before, one] if one == "push" else [one])), rung)


class Bundled(Run):
    """One course of several, whose writes go in one Bundle."""

    AT_A_TIME = 2

    def __init__(self, *asked: Any) -> None:
        super().__init__(*asked)
        self.steps = Lockstep()
        self._prepare()

    def _prepare(self) -> None:
        """Have the peer take batches, and what goes together go so the same way each time."""
        rig, steps = self.rig, self.steps
        rig.there.takes_batches = True
        endpoint = rig.peer.endpoint
        asked = {type_: Together(steps, partial(looking.together, endpoint, type_)) for type_ in ("Patient", MR, MA)}
        vars(endpoint).update(_writes=Together(steps, endpoint._together, waits=True), _looks=asked)
        vars(rig.peer)["turn"] = steps.turn
        vars(rig.peer)["_capability"] = None
        rig.peer.capability()

    def _deliver(self, jobs: Sequence[Callable[[], object]]) -> None:
        self.steps.run(jobs)

    # ---------------------------------------------------------------------------------------------------- faults

    def _kinds(self, asked: Asked) -> dict[str, Act]:
        if not asked.writes:
            return READING
        if not asked.type:
            return WHOLE
        own = WRITING if "content-type" in asked.headers else ENTRY
        return {**own, "hidden": CREATING["hidden"]} if asked.method == "POST" else own

    def _of_order(self, about: About) -> Iterator[str]:
        """Demand of an order that they do not change what is demanded of one alone."""
        there = about.there()
        if len(there) != 1:
            yield f"there are {len(there)}"
            return
        yield from about.of_rows()
        yield from about.of_history()
        kinds = [kind for _, kind in self.course.faults]
        yield from about.of_trail(is_edited=False, is_hidden=len(kinds) > 1)
        if about.conflicts():
            yield "a conflict is open"
        if alarms := about.alarms() - {"stop-late", "forbidden"}:
            yield f"alarms {alarms}"


class Two(Run):
    """One course of two orders, of one patient or of two."""

    def __init__(self, *asked: Any) -> None:
        super().__init__(*asked)
        self.orders: list[About] = []

    def _all(self) -> list[About]:
        return self.orders

    # ----------------------------------------------------------------------------------------------------- steps

    def _patients(self) -> list[str]:
        """Return the numbers of the patients: what stands before the point in the number of an order."""
        return [self.name, f"{self.name}b" if self.course.steps[0] == TWO_PATIENTS else self.name]

    def _admit(self) -> None:
        if self.course.steps[0] == NEW_PATIENT:
            return
        for name in dict.fromkeys(self._patients()):
            self._admit_patient(name)

    def _step(self, step: str) -> None:
        if step not in PATIENTS:
            super()._step(step)
            return
        for number, patient in enumerate(self._patients(), 1):
            name = f"{patient}.{number}"
            self.orders.append(About(self.rig, MR, self.rig.place(order(name)).id, name))

    # --------------------------------------------------------------------------------------------------- demands

    def _of_patients(self) -> Iterator[str]:
        """Demand that each patient is there once, and that each order is of its own."""
        patients = self.rig.there.all("Patient")
        named = [one["identifier"][0]["value"] for one in patients]
        wanted = [f"mrn-{name}" for name in dict.fromkeys(self._patients())]
        if sorted(named) != sorted(wanted):
            yield f"patients there are {named}"
        ids = {one["identifier"][0]["value"]: one["id"] for one in patients}
        for about in self.orders:
            mine = ids.get(f"mrn-{about.name.partition('.')[0]}", "")
            subjects = {one["subject"].get("reference") for one in about.versions() if one is not None}
            if subjects - {f"Patient/{mine}"}:
                yield f"{about.name}: its subject is {sorted(subjects)}"


class Pair(Bundled, Two):
    """One course of two orders that we change."""

    def _ours(self, step: str) -> None:
        what, _, number = step.partition(" ")
        self._amend(self.orders[int(number) - 1], what)

    def _complaints(self) -> Iterator[str]:
        yield from self._of_patients()
        for about in self.orders:
            yield from (f"{about.name}: {told}" for told in self._of_order(about))
