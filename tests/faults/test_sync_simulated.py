"""Our synchronising against the server that we ship to misbehave: what it promises holds under every kind of fault.

The server's own state and its ledger are the truth. What nobody harmed there ends as it does without any fault; what was
harmed there (altered, doubled, deleted, lost by a restore) has an alarm.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.simulated.kinds import KINDS
from fhir_infusion.simulated.scenario import EXAMPLE, Ability, Scenario, load, parse
from tests.counts import count
from tests.faults.simulated_run import MR, Outcome, run

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = {
    "altered-content": ("altered ",),
    "double-create": ("duplicate", "quarantined ambiguous-identifier"),
    "deleted": ("gone",),
    "restore": ("restored",),
    "same-version": ("restored",),
}
"""Which alarm tells what was harmed there."""

WIRE = """
seed = {seed}
server = {{ update_create = {update_create}, transactions = {transactions}, total = false, page_size = 7 }}
fault = [
  {{ kind = "lost-answer", when = {{ probability = 0.03 }} }},
  {{ kind = "request-lost", when = {{ probability = 0.03 }} }},
  {{ kind = "cut-answer", when = {{ probability = 0.03 }} }},
  {{ kind = "cut-request", when = {{ probability = 0.03 }} }},
  {{ kind = "status", status = 500, effect = true, when = {{ probability = 0.03 }} }},
  {{ kind = "status", status = 504, when = {{ probability = 0.02 }} }},
  {{ kind = "storm", retry_after = "seconds", seconds = 2, when = {{ probability = 0.02 }} }},
  {{ kind = "conflict-after-effect", when = {{ probability = 0.05 }} }},
  {{ kind = "bad-body", how = "html", when = {{ probability = 0.02 }} }},
  {{ kind = "bad-body", how = "empty", when = {{ probability = 0.02 }} }},
  {{ kind = "late-commit", seconds = 5, when = {{ probability = 0.05 }} }},
  {{ kind = "no-next", when = {{ probability = 0.1 }} }},
  {{ kind = "expired-next", when = {{ probability = 0.1 }} }},
  {{ kind = "concurrent-editor", when = {{ interaction = "update", probability = 0.1 }} }},
]
"""
"""Faults of which nothing may remain, drawn at random."""


@cache
def _twin(folder: Path, orders: int, ability: Ability, release: str = "R4") -> Outcome:
    return run(Scenario(ability=ability), f"sqlite:///{folder}/twin-{orders}-{release}.db", orders, release)


def _harmed(outcome: Outcome) -> dict[tuple[str, str], set[str]]:
    """Return what the server did to the content of which of our resources, by its ledger."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in outcome.lines:
        kind = line["fault"].partition(" ")[2]
        if kind in EXPECTED:
            touched = [number for one in line["touched"] for number in one["identifiers"]]
            for number in [*touched, *line["identifiers"]]:
                found.setdefault(outcome.numbers[number], set()).add(kind)
    return found


def _is_told(outcome: Outcome, name: tuple[str, str], kinds: set[str]) -> bool:
    """Say whether an alarm stands for it: its own, or one of the whole server."""
    alarms = [*outcome.alarms(name), *(code for about, code in outcome.told if not about)]
    return any(code.startswith(EXPECTED[kind]) for kind in kinds for code in alarms)


def _check(outcome: Outcome, twin: Outcome) -> None:
    """Hold an outcome against the one without faults."""
    assert outcome.quiet, outcome.states
    assert outcome.open_conflicts == 0
    harmed = _harmed(outcome)
    for name, as_it_should in twin.there.items():
        found = outcome.there.get(name, [])
        if found != as_it_should:
            differs = [m for one in found for m in as_it_should[0] if one.get(m) != as_it_should[0][m]]
            how = [(m, found[0].get(m), as_it_should[0][m]) for m in differs]
            assert name in harmed, (name, len(found), how, outcome.course(name))
            assert _is_told(outcome, name, harmed[name]), (name, harmed[name], outcome.told)
    assert {name: len(found) for name, found in outcome.there.items() if len(found) > 1} == {}
    for name, kinds in harmed.items():
        if kinds - {"restore", "same-version"}:
            assert _is_told(outcome, name, kinds - {"restore", "same-version"}), (name, kinds, outcome.told)
    for (type_, value), ours in outcome.here.items():
        if type_ == MR and ours["status"] == "stopped" and "deleted" not in harmed.get((type_, value), ()):
            assert {one["status"] for one in outcome.there[type_, value]} == {"stopped"}, value


@pytest.mark.slow
@pytest.mark.timeout(count(300, 3600))
@pytest.mark.parametrize("release", ["R4", "R5"])
def test_every_fault_of_the_example_loses_nothing_doubles_nothing_and_hides_nothing_i1_i2_i4(
    tmp_path: Path, release: str
):
    plan = load(EXAMPLE, release)
    assert {fault.kind.name for fault in plan.faults} == KINDS.keys()
    orders = count(20, 200)
    twin = _twin(tmp_path, orders, plan.ability, release)
    assert (twin.quiet, twin.told, set(twin.states)) == (True, [], {"acked"} | ({"superseded"} & set(twin.states)))
    assert [len(found) for found in twin.there.values()] == [1] * len(twin.there)
    outcome = run(plan, f"sqlite:///{tmp_path}/faults.db", orders, release)
    assert [name for name, told in outcome.summary["faults"].items() if not told] == []
    _check(outcome, twin)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(count(3, 40)))
def test_faults_at_random_leave_the_state_that_there_is_without_them_f6_f7_f9_f10_f13_f15_f16(
    tmp_path: Path, seed: int
):
    allowed = {"update_create": seed % 2, "transactions": seed % 4 < 2}
    plan = parse(
        WIRE.format(seed=seed, **{name: str(bool(it)).lower() for name, it in allowed.items()}), "R4", "random"
    )
    outcome = run(plan, f"sqlite:///{tmp_path}/faults.db", 8)
    _check(outcome, _twin(tmp_path, 8, plan.ability))
