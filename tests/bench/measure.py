"""Timing: each way, bytes to bytes, whole and step by step, beside translation by hand and the naive path.

1. Warm up with orders of their own.
2. In each round, on orders that nothing has seen: ours whole, by hand and naive in turns of a few orders each, so that
   what else the machine does falls on all of them alike; then the steps, on further orders, the mapping and both
   mappings by hand in turns as well.
3. Take the median of the rounds, and of their ratios. The clock is the CPU time of this process: others on the machine do not count.
4. Check every result, untimed: against the record or resource that the order was made from, and a sample by digest
   against a second translation.
"""

from __future__ import annotations

import gc
import hashlib
import time
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.validate import validate
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.records import check
from fhir_infusion.records.arithmetic import findings
from tests.bench import hand_in, hand_in_whole, hand_out, hand_out_whole, naive
from tests.bench.inputs import RELEASE, Input, inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from fhir_infusion.translator import Translator

    Work: TypeAlias = Callable[[Any], Any]

Json = dict[str, Any]

TYPE: Final = "MedicationRequest"
TURN: Final = 10
"""So many inputs are timed at once before another kind of work has its turn."""

SAMPLE: Final = 50
"""So many results are compared by digest with a second translation."""

DIRECTIONS: Final = ("to FHIR", "to internal")
UNCHECKED: Final = "naive, record unchecked"
WHOLE: Final = ("ours", "by hand", "naive", UNCHECKED)
STEPS: Final = {
    "to FHIR": (
        "read JSON",
        "record check",
        "map",
        "texts and ledger",
        "validate and safety gate",
        "findings",
        "write JSON",
    ),
    "to internal": (
        "read JSON",
        "validate and safety gate",
        "map",
        "residue, texts and ledger",
        "record check",
        "findings",
        "write JSON",
    ),
}
HAND_MAP: Final = "map by hand"
"""By hand, as dict building that loses what it does not know."""

HAND_KEEP: Final = "map by hand, keeping"
"""By hand, keeping or refusing what it does not know, and sharing nothing, as the mapping does."""


@dataclass(slots=True)
class Timings:
    """Microseconds of one translation, by direction and by what was timed: one number a round."""

    rounds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    results: int = 0
    digests: list[str] = field(default_factory=list)

    def note(self, direction: str, what: str, microseconds: float) -> None:
        """Keep the number of a round."""
        self.rounds.setdefault((direction, what), []).append(microseconds)

    def of(self, direction: str, what: str) -> float:
        """Return the median of the rounds."""
        return median(self.rounds[direction, what])

    def ratio(self, direction: str, one: str, other: str) -> float:
        """Return the median of the ratios of the rounds: what was timed in turns met the same speed of the machine."""
        pairs = zip(self.rounds[direction, one], self.rounds[direction, other], strict=True)
        return median(first / second for first, second in pairs)


def measure(translator: Translator, count: int, rounds: int, seed: int) -> Timings:
    """Translate ``count`` distinct orders each way, in so many rounds, and as many again step by step.

    Raises:
        AssertionError: a result is not what it should be.
    """
    timings = Timings()
    each = max(count // rounds, 1)
    made = inputs(translator, 2 * each * rounds, seed)
    assert len({one.fhir for one in made}) == len({one.internal for one in made}) == len(made), (
        "inputs that are distinct"
    )
    warm = inputs(translator, min(60, each), seed + 1)
    _round(translator, warm, warm, Timings())
    for number in range(rounds):
        whole = made[2 * each * number : 2 * each * number + each]
        steps = made[2 * each * number + each : 2 * each * (number + 1)]
        _round(translator, whole, steps, timings)
    return timings


def _round(translator: Translator, whole: Sequence[Input], steps: Sequence[Input], timings: Timings) -> None:
    ways: dict[str, tuple[Work, Work]] = {
        "ours": (ours_to_fhir(translator), ours_to_internal(translator)),
        "by hand": (by_hand_to_fhir, by_hand_to_internal),
        "naive": (naive.to_fhir, naive.to_internal),
        UNCHECKED: (naive.to_fhir_unchecked, naive.to_internal_unchecked),
    }
    for index, direction in enumerate(DIRECTIONS):
        given = [one.internal if index == 0 else one.fhir for one in whole]
        results = _in_turns(timings, direction, {name: way[index] for name, way in ways.items()}, given)
        _check(translator, direction, whole, results, timings)
    _steps_to_fhir(translator, [one.internal for one in steps], timings)
    _steps_to_internal(translator, [one.fhir for one in steps], timings)


def _timed(timings: Timings, direction: str, what: str, work: Work, given: Sequence[Any]) -> list[Any]:
    """Time one kind of work over the inputs; return its results, all of them kept."""
    gc.collect()
    start = time.process_time_ns()
    results = [work(one) for one in given]
    spent = time.process_time_ns() - start
    timings.note(direction, what, spent / 1000 / len(given))
    return results


def _in_turns(
    timings: Timings, direction: str, works: dict[str, Work], given: Sequence[Any], prepare: Work = lambda one: one
) -> dict[str, list[Any]]:
    """Time several kinds of work over the inputs, each in turn; what ``prepare`` makes of an input is not timed."""
    results: dict[str, list[Any]] = {name: [] for name in works}
    spent = dict.fromkeys(works, 0)
    gc.collect()
    for first in range(0, len(given), TURN):
        for name, work in works.items():
            turn = [prepare(one) for one in given[first : first + TURN]]
            start = time.process_time_ns()
            made = [work(one) for one in turn]
            spent[name] += time.process_time_ns() - start
            results[name] += made
    for name in works:
        timings.note(direction, name, spent[name] / 1000 / len(given))
    return results


# --- the ways ---------------------------------------------------------------------------------------------------------


def ours_to_fhir(translator: Translator) -> Work:
    """Return our whole path: strict JSON, record check, mapping, residue, ledger, validation, findings, JSON."""
    return lambda body: fhir_json.write(translator.to_fhir(fhir_json.read(body), RELEASE).results[0])


def ours_to_internal(translator: Translator) -> Work:
    """Return our whole path: strict JSON, invariants, safety gate, mapping, residue, ledger, findings, JSON."""
    return lambda body: fhir_json.write(translator.to_internal(fhir_json.read(body), RELEASE).results[0])


DECODE: Final = msgspec.json.Decoder(float_hook=Decimal).decode
ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode


def by_hand_to_fhir(body: bytes) -> bytes:
    """Translate by hand, bytes to bytes, with nothing checked."""
    return ENCODE(hand_out.to_fhir(DECODE(body)))


def by_hand_to_internal(body: bytes) -> bytes:
    """Translate by hand, bytes to bytes, with nothing checked."""
    return ENCODE(hand_in.to_internal(DECODE(body)))


# --- the steps --------------------------------------------------------------------------------------------------------


def _steps_to_fhir(translator: Translator, bodies: list[bytes], timings: Timings) -> None:
    lens, way = translator.lens(RELEASE, TYPE), DIRECTIONS[0]
    records = _timed(timings, way, "read JSON", fhir_json.read, bodies)
    _timed(timings, way, "record check", check.refuse, records)
    works: dict[str, Work] = {
        "map": lens._write,
        "whole lens": lens.write,
        HAND_MAP: hand_out.to_fhir,
        HAND_KEEP: hand_out_whole.to_fhir,
    }
    results = _in_turns(timings, way, works, bodies, fhir_json.read)
    _check_keeping(results[HAND_MAP], [(one, ()) for one in results[HAND_KEEP]])
    resources = [one.result for one in results["whole lens"]]
    _timed(timings, way, "validate and safety gate", lambda resource: validate(resource, RELEASE), resources)
    _timed(timings, way, "findings", lambda record: findings(record, as_sent=False), records)
    _timed(timings, way, "write JSON", fhir_json.write, resources)
    _rest_of_lens(timings, way, "texts and ledger")


def _steps_to_internal(translator: Translator, bodies: list[bytes], timings: Timings) -> None:
    lens, way = translator.lens(RELEASE, TYPE), DIRECTIONS[1]
    resources = _timed(timings, way, "read JSON", fhir_json.read, bodies)
    _timed(timings, way, "validate and safety gate", lambda resource: validate(resource, RELEASE), resources)
    works: dict[str, Work] = {
        "map": lens._read,
        "whole lens": lens.read,
        HAND_MAP: hand_in.to_internal,
        HAND_KEEP: hand_in_whole.to_internal,
    }
    results = _in_turns(timings, way, works, bodies, fhir_json.read)
    _check_keeping(results[HAND_MAP], results[HAND_KEEP])
    records = [one.result for one in results["whole lens"]]
    _timed(timings, way, "record check", check.check, records)
    _timed(timings, way, "findings", lambda record: findings(record, as_sent=False), records)
    _timed(timings, way, "write JSON", fhir_json.write, records)
    _rest_of_lens(timings, way, "residue, texts and ledger")


def _rest_of_lens(timings: Timings, way: str, name: str) -> None:
    """What a lens does beside the compiled function cannot be called alone: it is the difference."""
    timings.note(way, name, max(timings.rounds[way, "whole lens"][-1] - timings.rounds[way, "map"][-1], 0))


# --- the results ------------------------------------------------------------------------------------------------------


def _check(
    translator: Translator, direction: str, whole: Sequence[Input], results: dict[str, list[bytes]], timings: Timings
) -> None:
    """Check every result of a round; a naive one may lose digits, and nothing else."""
    out = direction == DIRECTIONS[0]
    for number, one in enumerate(whole):
        wanted = fhir_json.read(one.fhir if out else one.internal)
        ours = fhir_json.read(results["ours"][number])
        by_hand = fhir_json.read(results["by hand"][number])
        assert not list(differences(wanted, bare(ours))), f"ours, {direction}"
        assert not list(differences(wanted, by_hand)), f"by hand, {direction}"
        for name in ("naive", UNCHECKED):
            made = msgspec.json.decode(results[name][number])
            assert made == msgspec.json.decode(fhir_json.write(wanted)), f"{name}, {direction}"
    again = (ours_to_fhir if out else ours_to_internal)(translator)
    sample = [one.internal if out else one.fhir for one in whole[:SAMPLE]]
    digest = _digest(results["ours"][: len(sample)])
    assert digest == _digest([again(body) for body in sample]), "the same translation a second time"
    timings.digests.append(digest)
    timings.results += sum(map(len, results.values()))


def _check_keeping(losing: Sequence[Json], keeping: Sequence[tuple[Json, Sequence[Any]]]) -> None:
    """Check that both ways by hand give the same, and that there was nothing to keep."""
    for one, (other, left) in zip(losing, keeping, strict=True):
        assert not left, "by hand, keeping"
        assert not list(differences(one, other)), "by hand, keeping"


def _digest(texts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(texts)).hexdigest()[:16]
