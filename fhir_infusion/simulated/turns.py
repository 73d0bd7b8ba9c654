"""Which request is told which fault: by counting, and by numbers drawn from the seed, so that a run can be repeated.

Each fault counts the requests that fit it, whether it is told or another. The first fault of the file whose turn it is
is told; one that is counted (``nth``, ``every``, ``times``) and had to give way is told at the next request that fits.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fhir_infusion.simulated.scenario import Fault

if TYPE_CHECKING:
    from fhir_infusion.simulated.scenario import When


@dataclass(slots=True)
class _Turn:
    """How far one fault is. ``owed`` are the requests to come that it is still to befall."""

    fault: Fault
    chance: random.Random
    seen: int = 0
    begun: int = 0
    owed: int = 0
    told: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """What is known of a request before its body is read. ``number`` counts all requests, from 1."""

    number: int
    seconds: float
    method: str
    interaction: str
    type: str


@dataclass(slots=True)
class Turns:
    """The turns of all faults. Not safe for threads: whoever asks holds a lock."""

    faults: Sequence[Fault]
    seed: int
    _turns: list[_Turn] = field(init=False)

    def __post_init__(self) -> None:
        """Give each fault numbers of its own, so that adding one does not change what is drawn for another."""
        self._turns = [_Turn(one, random.Random(f"{self.seed} {one.number}")) for one in self.faults]  # noqa: S311  chance, no secret

    def next(self, fit: Fit) -> Fault | None:
        """Return the fault that befalls a request, None where none does."""
        chosen: _Turn | None = None
        for turn in self._turns:
            when = turn.fault.when
            if not _fits(when, fit):
                continue
            turn.seen += 1
            if not turn.owed and _begins(turn):
                turn.begun += 1
                turn.owed = when.run
            if turn.owed and chosen is None:
                chosen = turn
            elif turn.owed and not _is_counted(when):
                turn.owed -= 1
        if chosen is None:
            return None
        chosen.owed -= 1
        chosen.told += 1
        return chosen.fault

    def give_back(self, fault: Fault) -> None:
        """Take note that a fault could not befall the request that it was chosen for."""
        turn = self._turns[fault.number - 1]
        turn.told -= 1
        if _is_counted(fault.when):
            turn.owed += 1

    def told(self) -> dict[str, int]:
        """Return how often each fault was told, by its number and kind."""
        return {f"{turn.fault.number} {turn.fault.kind.name}": turn.told for turn in self._turns}

    def draw(self, fault: Fault) -> float:
        """Return a number from 0 to 1 of a fault's own."""
        return self._turns[fault.number - 1].chance.random()


def _is_counted(when: When) -> bool:
    return bool(when.nth or when.every or when.times)


def _fits(when: When, fit: Fit) -> bool:
    return (
        fit.interaction in when.interaction
        and (not when.method or fit.method in when.method)
        and (not when.type or fit.type in when.type)
        and when.from_request <= fit.number <= when.to_request
        and when.from_seconds <= fit.seconds <= when.to_seconds
    )


def _begins(turn: _Turn) -> bool:
    when = turn.fault.when
    drawn = turn.chance.random() if when.probability < 1 else 0.0
    if when.times and turn.begun >= when.times:
        return False
    if when.nth:
        return turn.seen in when.nth
    if when.every:
        return turn.seen % when.every == 0
    return drawn < when.probability
