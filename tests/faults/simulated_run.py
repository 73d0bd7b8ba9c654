"""Orders that are amended, stopped and given, told to a simulated server while it misbehaves: one run, and its outcome.

Pushing and pulling take turns with what happens at the bedside; then everything settles, and a person does what an alarm
asks of him: goes on after a restore, and lets our side stand where both had changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Refused, Unavailable
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.service import Service
from fhir_infusion.simulated.server import Simulator
from fhir_infusion.simulated.state import STRANGERS, identifiers
from fhir_infusion.store import audit, endpoints, outbox
from fhir_infusion.sync import restored
from fhir_infusion.sync.resolve import resolve
from tests.faults.rig import ADMINISTRATIONS, ORDERS, TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from fhir_infusion.simulated.scenario import Scenario

MR, MA = "MedicationRequest", "MedicationAdministration"
ROUNDS = 400
REMARKS = ("a concurrent editor", "the same version")
"""How the notes begin that the simulator adds as somebody else."""


@dataclass
class Outcome:
    """What a run led to. Content is by type and identifier; ``told`` are the alarms, each with what it is about."""

    there: dict[tuple[str, str], list[dict[str, Any]]]
    here: dict[tuple[str, str], dict[str, Any]]
    told: list[tuple[str, str]]
    states: dict[str, int]
    summary: dict[str, Any]
    lines: list[dict[str, Any]]
    numbers: dict[int, tuple[str, str]]
    names: dict[str, tuple[str, str]]
    quiet: bool
    open_conflicts: int = 0
    touched: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def alarms(self, name: tuple[str, str]) -> set[str]:
        """Return the alarms about one order or administration, and about the whole peer."""
        return {code for about, code in self.told if self.names.get(about) == name}


class Ward:
    """So many orders, and what happens to them, the same in each run."""

    def __init__(self, rig: Rig, orders: int) -> None:
        self.rig = rig
        self.orders = orders

    def steps(self) -> list[Any]:
        """Return what happens, in order: all are placed, then a third amended, a third given, a third stopped."""
        numbers = range(1, self.orders + 1)
        return [
            *[lambda n=n: self.rig.place(_order(n)) for n in numbers],
            *[lambda n=n: self.rig.amend(_order(n, text="slower")) for n in numbers if n % 3 == 0],
            *[lambda n=n: self.rig.give(administration(f"G-{n}", f"A-{n}", "5.10")) for n in numbers if n % 2],
            *[lambda n=n: self.rig.amend(_order(n, text="stop", status="stopped")) for n in numbers if n % 3 == 1],
            *[lambda n=n: self.rig.change(administration(f"G-{n}", f"A-{n}", "5.10", "6.20")) for n in numbers if n % 4 == 1],
            *[lambda n=n: self.rig.amend(_order(n, text="slower still")) for n in numbers if n % 6 == 0],
        ]  # fmt: skip


def _order(number: int, text: str = "as placed", **members: Any) -> dict[str, Any]:
    rate = fhir_json.read(f'{{"n":{number}.50}}')["n"]
    step = {"step_id": "run", "text": text, "dosings": [{"dosing_id": "rate", "rate": {"value": rate, "unit": "mL/h"}}]}
    return order(f"A-{number}", steps=[step], **members)


def run(scenario: Scenario, database: str, orders: int, release: str = "R4", **options: Any) -> Outcome:
    """Run it all, and return the outcome."""
    clock = Clock()
    there = Simulator(scenario, release, clock=lambda: clock.seconds)
    rig = open_rig(there, database, clock, release=release, **{"deadline_seconds": 2, "max_bytes": 8_000_000, **options})
    try:
        for number, step in enumerate(Ward(rig, orders).steps()):
            _later(step)
            if number % 4 == 3:
                rig.push()
                clock.move(1)
            if number % 10 == 9:
                rig.pull()
        quiet = _settled(rig, clock)
        return _outcome(rig, there, quiet=quiet)
    finally:
        rig.close()
        there.close()


def _later(step: Any) -> None:
    """Do what is done at the bedside; what may not be done any more (the order was ended by them) is not."""
    step()


def _settled(rig: Rig, clock: Clock) -> bool:
    """Push, pull and do what a person has to do, until nothing changes any more."""
    quiet = 0
    for _ in range(ROUNDS):
        before = _mark(rig)
        rig.push()
        rig.pull()
        _person(rig)
        clock.move(20)
        waiting = rig.service.store.read(TENANT, lambda tx: outbox.waiting(tx, "peer"))
        paused = rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer"))
        quiet = quiet + 1 if before == _mark(rig) and not waiting and not paused else 0
        if quiet >= 4:
            return True
    return False


def _mark(rig: Rig) -> Any:
    return len(rig.there.state.journal), len(rig.alerts()), [row.state for row in rig.rows()], rig.there.clock()  // 10**9


def _person(rig: Rig) -> None:
    if rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer")):
        restored.resume(rig.service, "command:7", "peer", "asked their operators")
    for conflict in rig.conflicts():
        try:
            resolve(rig.service, "command:7", conflict.conflict_id, "ours", "the order stands")
        except (Refused, Unavailable):
            continue  # the state changed since; the next round shows it anew


def _outcome(rig: Rig, there: Simulator, *, quiet: bool) -> Outcome:
    systems = {MR: ORDERS, MA: ADMINISTRATIONS}
    names = {}
    here = {}
    for type_, system in systems.items():
        for id_ in rig.ids(type_):
            resource = rig.resource(type_, id_)
            value = next((v for s, v in identifiers(resource) if s == system), "")
            names[f"{type_}/{id_}"] = (type_, value)
            here[type_, value] = resource
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=100_000))
    told = [(f"{one.type}/{one.id}" if one.id else "", one.detail) for one in entries if one.action == "sync-alert"]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    numbers = {}
    for type_, id_ in there.state.versions:
        now = there.state.current(type_, id_)
        for system, value in identifiers((now.resource if now else None) or {}):
            if system != STRANGERS:
                found.setdefault((type_, value), []).append(_bare(there, now.resource))
    for (type_, _, value), number in there.ledger._numbers.items():
        numbers[number] = (type_, value)
    states: dict[str, int] = {}
    for row in rig.rows():
        states[row.state] = states.get(row.state, 0) + 1
    return Outcome(
        found, here, told, states, there.summary(), there.ledger.lines, numbers, names, quiet, len(rig.conflicts())
    )


def _bare(there: Simulator, resource: dict[str, Any]) -> dict[str, Any]:
    """Return content that can be compared with another server's: no ids and dates, references by identifier."""
    kept = {name: item for name, item in resource.items() if name not in {"id", "meta"}}
    notes = [one for one in kept.pop("note", []) if not one.get("text", "").startswith(REMARKS)]
    return _led(there, {**kept, **({"note": notes} if notes else {})})


def _led(there: Simulator, node: Any) -> Any:
    if isinstance(node, list):
        return [_led(there, item) for item in node]
    if not isinstance(node, dict):
        return node
    led = {name: _led(there, item) for name, item in node.items()}
    if isinstance(node.get("reference"), str) and "/" in node["reference"]:
        type_, _, id_ = node["reference"].partition("/")
        now = there.state.current(type_, id_)
        led["reference"] = identifiers((now.resource if now else None) or {})
    return led
