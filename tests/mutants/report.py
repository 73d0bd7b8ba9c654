"""What a run says: survivors with their place, each module's rate, and how sure the rate is."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.mutants.operators import Mutant

KILLED = frozenset({"killed", "hangs"})


def interval(killed: int, total: int) -> tuple[float, float]:
    """Return the bounds, in per cent, between which the rate of all mutants lies with 95 % (Wilson's score)."""
    if total == 0:
        return 0.0, 100.0
    z, rate = 1.96, killed / total
    middle = rate + z * z / (2 * total)
    reach = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return tuple(100 * (middle + sign * reach) / (1 + z * z / total) for sign in (-1, 1))  # type: ignore[return-value]


def rate(verdicts: Iterable[str]) -> float:
    """Return how many of a hundred were killed."""
    counted = Counter(verdict in KILLED for verdict in verdicts)
    return 100 * counted[True] / max(1, counted.total())


def lines(verdicts: Mapping[Mutant, str], population: int, seed: int, seconds: float) -> list[str]:
    """Return the report, a line each."""
    of_file: dict[str, list[str]] = defaultdict(list)
    for mutant, verdict in verdicts.items():
        of_file[mutant.file].append(verdict)
    told: list[str] = []
    for file, found in sorted(of_file.items()):
        told.append(f"{file:<48} {_killed(found):>4} of {len(found):>4} killed")
    killed, total = _killed(verdicts.values()), len(verdicts)
    low, high = interval(killed, total)
    hanging = sum(verdict == "hangs" for verdict in verdicts.values())
    told.append(
        f"{killed} of {total} killed ({hanging} by the limit of time), sampled from {population} with seed {seed}: "
        f"{rate(verdicts.values()):.1f} %, with 95 % between {low:.1f} and {high:.1f} %; {seconds / 60:.0f} minutes"
    )
    return told


def _killed(verdicts: Iterable[str]) -> int:
    return sum(verdict in KILLED for verdict in verdicts)


def equivalents(file: Path, mutants: Sequence[Mutant]) -> set[tuple[str, str, str, str, str]]:
    """Return the keys of the mutants that cannot change what the package does.

    Raises:
        ValueError: an entry without a reason, or one that no mutant has any more.
    """
    known = {mutant.key for mutant in mutants}
    found = set()
    with file.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            key = (row["file"], row["where"], row["operator"], row["before"], row["after"])
            if not row["reason"].strip():
                raise ValueError(f"{file.name}: no reason is given for {key}")
            if key not in known:
                raise ValueError(f"{file.name}: there is no such mutant any more: {key}")
            found.add(key)
    return found
