"""Every short course in which they set what was given to another status, after it has ended here and there.

Nothing that has ended here goes on here by that, and what was entered in error here was not given after all: what is
there says so in the end, or a person is told of it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import versions as stored
from tests.faults.about import About, read
from tests.faults.explored import PULL, Course
from tests.faults.explored_given import GIVE_SPLIT, GIVES, MA, Given
from tests.faults.invariants import ENDED
from tests.faults.rig import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator

AGAIN: Final = "they:again:"
"""They set the last of what is given, the rate where each has a resource of its own."""
WHOLE: Final = "they:again whole:"
"""They set the whole where each rate has a resource of its own."""
STATUSES: Final = ("in-progress", "on-hold", "completed", "stopped", "entered-in-error")
_ENDS: Final = ("given:stopped", "given:completed", "given:entered-in-error")
_ERROR: Final = "entered-in-error"


def courses(
    *,
    gives: tuple[str, ...] = GIVES,
    rungs: str = "ABC",
    forgets: tuple[bool, ...] = (False,),
    pulls: tuple[bool, ...] = (False, True),
) -> Iterator[Course]:
    """Yield all courses of what is given and ends here, after a change or before one, and is set anew there after that."""
    for give, before, end, after in itertools.product(
        gives, ("", "given:rate", "given:note"), _ENDS, ("", "given:note", "given:rate", _ENDS[2])
    ):
        if end == after:
            continue
        changes = [give, *(one for one in (before, end, after) if one)]
        sides = [AGAIN, WHOLE] if give == GIVE_SPLIT else [AGAIN]
        for pushed in itertools.product((True, False), repeat=len(changes)):
            steps = ["place"]
            for one, is_pushed in zip(changes, pushed, strict=True):
                steps += ["push", one] if is_pushed else [one]
            steps.append("push")
            first = steps.index("push", steps.index(end)) + 1
            for at, side, status in itertools.product(range(first, len(steps) + 1), sides, STATUSES):
                if f"given:{status}" in changes and status == _ERROR:
                    continue
                for forget, pull, rung in itertools.product(forgets, pulls, rungs):
                    own = [*(["forget"] if forget else []), *([PULL] if pull else [])]
                    made = [*steps[:at], f"{side}{status}", *steps[at:]]
                    yield Course(tuple(s for one in made for s in ([*own, one] if one == "push" else [one])), rung)


class GivenRevived(Given):
    """One course of what is given, and ended, and they set anew."""

    def _step(self, step: str) -> None:
        what, _, status = step.rpartition(":")
        if f"{what}:" in {AGAIN, WHOLE}:
            self.asked.append(f"- {step}")
            self._set(self._parts()[-1 if f"{what}:" == AGAIN else 0], status)
        else:
            super()._step(step)

    def _set(self, about: About, status: str) -> None:
        found = about.there()
        if len(found) != 1 or found[0]["status"] not in ENDED or found[0]["status"] == status:
            self.refused = True
            return
        self.edit = (status, len(about.versions()), False)
        self.rig.there.put({**found[0], "status": status}, found[0]["id"])

    def _complaints(self) -> Iterator[str]:
        yield from self.astray
        for about in self._parts():
            yield from (f"{about.name}: {told}" for told in self._of_ended(about))

    def _of_ended(self, about: About) -> Iterator[str]:
        there = about.there()
        if len(there) != 1:
            yield f"there are {len(there)}"
            return
        kept = self.rig.service.store.read(TENANT, lambda tx: stored.history(tx, MA, about.id))
        ours = [read(one.text)["status"] for one in reversed(kept)]
        if any(_back(ours[:number]) for number in range(1, len(ours) + 1)):
            yield f"ours goes {ours}"
        theirs = [one for one in about.versions() if one is not None]
        said = [one["status"] for one in theirs]
        for number in range(1, len(said)):
            if about.is_written(theirs[number]) and _back(said[: number + 1]) and said[number] != said[number - 1]:
                yield f"version {number + 1} there is {said[number]} by us after {said[:number]}"
        if about.conflicts():
            if "conflict" not in about.alarms():
                yield "a conflict is open without an alarm"
        elif said[-1] != ours[-1]:
            yield f"it is {said[-1]} there and {ours[-1]} here, and nobody is told; alarms {about.alarms()}"


def _back(statuses: list[str]) -> bool:
    """Say whether the last of these goes on after an end, or says no more that it was an error."""
    *before, last = statuses
    return (last not in ENDED and bool(ENDED & set(before))) or (last != _ERROR and _ERROR in before)
