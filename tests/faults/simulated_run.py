"""Orders that are amended, stopped and given, told to a simulated server while it misbehaves: one run, and its outcome.

Pushing and pulling take turns with what happens at the bedside; then everything settles, and a person does what an alarm
asks of him: goes on after a restore, and lets our side stand where both had changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fhir_infusion.errors import Refused, Unavailable
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated.server import Simulator
from fhir_infusion.simulated.state import STRANGERS, identifiers
from fhir_infusion.store import aside, audit, endpoints, outbox
from fhir_infusion.sync import restored
from fhir_infusion.sync.resolve import resolve
from tests.faults.rig import ADMINISTRATIONS, ORDERS, TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from fhir_infusion.simulated.scenario import Scenario
    from tests.faults.peer import Peer

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
    rows: dict[str, list[str]]
    """How each of our rows ended, by what it is about: version, lane, state and code."""
    open_conflicts: int = 0

    def alarms(self, name: tuple[str, str]) -> set[str]:
        """Return the alarms about one order or administration, and about the whole peer."""
        return {code for about, code in self.told if self.names.get(about) == name}

    def course(self, name: tuple[str, str]) -> list[str]:
        """Return how the rows of one order or administration ended."""
        return [line for about, lines in self.rows.items() if self.names.get(about) == name for line in lines]


def _steps(rig: Rig, orders: int) -> list[Any]:
    """Return what happens, in order: all are placed, some amended, some given, some stopped."""
    numbers = range(1, orders + 1)
    two = ("5.10", "6.20")
    return [
        *[lambda n=n: rig.place(_order(n)) for n in numbers],
        *[lambda n=n: rig.amend(_order(n, "slower")) for n in numbers if n % 3 == 0],
        *[lambda n=n: rig.give(administration(f"G-{n}", f"A-{n}", "5.10")) for n in numbers if n % 2],
        *[lambda n=n: rig.amend(_order(n, "stop", status="stopped")) for n in numbers if n % 3 == 1],
        *[lambda n=n: rig.change(administration(f"G-{n}", f"A-{n}", *two)) for n in numbers if n % 4 == 1],
        *[lambda n=n: rig.amend(_order(n, "slower still")) for n in numbers if n % 6 == 0],
    ]


def _order(number: int, text: str = "as placed", **members: Any) -> dict[str, Any]:
    rate = fhir_json.read(f'{{"n":{number}.50}}')["n"]
    step = {"step_id": "run", "text": text, "dosings": [{"dosing_id": "rate", "rate": {"value": rate, "unit": "mL/h"}}]}
    return order(f"A-{number}", steps=[step], **members)


def run(scenario: Scenario, database: str, orders: int, release: str = "R4", **options: Any) -> Outcome:
    """Run it all, and return the outcome. One sender, so that a seed gives nearly the same run each time."""
    clock = Clock()
    there = Simulator(scenario, release, clock=lambda: clock.seconds)
    rig = open_rig(
        cast("Peer", there),
        database,
        clock,
        release=release,
        **{"deadline_seconds": 2, "max_bytes": 8_000_000, "senders": 1, **options},
    )
    try:
        for number, step in enumerate(_steps(rig, orders)):
            step()
            if number % 4 == 3:
                rig.push()
                clock.move(1)
            if number % 10 == 9:
                rig.pull()
        quiet = _settled(rig, there, clock)
        return _outcome(rig, there, quiet=quiet)
    finally:
        rig.close()
        there.close()


def _settled(rig: Rig, there: Simulator, clock: Clock) -> bool:
    """Push, pull and do what a person has to do, until nothing changes any more."""
    quiet = 0
    for _ in range(ROUNDS):
        before = _mark(rig, there)
        rig.push()
        rig.pull()
        _person(rig, there)
        clock.move(60)
        waiting = rig.service.store.read(TENANT, lambda tx: outbox.waiting(tx, "peer"))
        paused = rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer"))
        quiet = quiet + 1 if before == _mark(rig, there) and not waiting and not paused else 0
        if quiet >= 4:
            return True
    return False


def _mark(rig: Rig, there: Simulator) -> tuple[int, int, list[str]]:
    return len(there.state.journal), len(rig.alerts()), [row.state for row in rig.rows()]


def _person(rig: Rig, there: Simulator) -> None:
    """Do what a person does upon alarms: go on after a restore, decide what is held, take away what is doubled there."""
    if rig.service.store.read(TENANT, lambda tx: endpoints.paused(tx, "peer")):
        restored.resume(rig.service, "command:7", "peer", "asked their operators")
    for conflict in rig.conflicts():
        try:
            resolve(rig.service, "command:7", conflict.conflict_id, "ours", "the order stands")
        except (Refused, Unavailable):
            continue  # the state changed since, or the peer is left alone; the next round shows it anew
    for about, code in _alarms(rig):
        if code.startswith(("duplicate", "quarantined ambiguous")):
            _undouble(rig, there, *about.split("/"))
    for row in rig.rows():
        if row.state == "duplicate":
            _again(rig, row.seq)


def _again(rig: Rig, seq: int) -> None:
    """Send a row again that was put aside, or give it up where a later one says all that it says."""
    for decide in (aside.replay, aside.skip):
        try:
            rig.service.store.transact(TENANT, partial(decide, seq=seq, reason="one is left there", actor="test"))
        except Refused:
            continue
        return


def _undouble(rig: Rig, there: Simulator, type_: str, id_: str) -> None:
    """Delete at the server all that have the identifier of ours, but the one that is linked, or the oldest."""
    named = set(identifiers(rig.resource(type_, id_)))
    found = [
        id_ for one, id_ in there.state.versions if one == type_ and named & set(identifiers(_now(there, one, id_)))
    ]
    link = rig.link(type_, id_)
    kept = link.remote_id if link is not None and link.remote_id in found else next(iter(found), "")
    for other in found:
        if other != kept:
            there.state.delete(type_, other)


def _alarms(rig: Rig) -> list[tuple[str, str]]:
    """Return the alarms, each with what it is about ("" where that is the whole server)."""
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=100_000))
    return [(f"{one.type}/{one.id}" if one.id else "", one.detail) for one in entries if one.action == "sync-alert"]


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
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    numbers = {}
    for type_, id_ in there.state.versions:
        resource = _now(there, type_, id_)
        for system, value in identifiers(resource):
            if system != STRANGERS:
                found.setdefault((type_, value), []).append(_bare(there, resource))
    for (type_, _, value), number in there.ledger._numbers.items():
        numbers[number] = (type_, value)
    states: dict[str, int] = {}
    rows: dict[str, list[str]] = {}
    for row in rig.rows():
        states[row.state] = states.get(row.state, 0) + 1
        line = f"{row.version} {row.lane} {row.state} {row.last_error_code} {row.attempt}"
        rows.setdefault(row.aggregate, []).append(line)
    return Outcome(
        found,
        here,
        _alarms(rig),
        states,
        there.summary(),
        there.ledger.lines,
        numbers,
        names,
        quiet,
        rows,
        len(rig.conflicts()),
    )


def _bare(there: Simulator, resource: dict[str, Any]) -> dict[str, Any]:
    """Return content that can be compared with another server's: no ids and dates, references by identifier."""
    kept = {name: item for name, item in resource.items() if name not in {"id", "meta"}}
    notes = [one for one in kept.pop("note", []) if not one.get("text", "").startswith(REMARKS)]
    return {name: _led(there, item) for name, item in {**kept, **({"note": notes} if notes else {})}.items()}


def _named(there: Simulator, type_: str, id_: str) -> list[str]:
    """Return the identifiers of a resource, also of one that the server has lost since."""
    numbers = {number: value for (_, _, value), number in there.ledger._numbers.items()}
    known = [one for line in there.ledger.lines for one in (line, *line["touched"])]
    told = (one["identifiers"] for one in known if (one["type"], one["id"]) == (type_, id_) and one["identifiers"])
    found = [value for _, value in identifiers(_now(there, type_, id_))]
    return found or [numbers[number] for number in next(told, [])]


def _now(there: Simulator, type_: str, id_: str) -> dict[str, Any]:
    now = there.state.current(type_, id_)
    return (now.resource if now is not None else None) or {}


def _led(there: Simulator, node: Any) -> Any:
    if isinstance(node, list):
        return [_led(there, item) for item in node]
    if not isinstance(node, dict):
        return node
    led = {name: _led(there, item) for name, item in node.items()}
    if isinstance(node.get("reference"), str) and "/" in node["reference"]:
        type_, _, id_ = node["reference"].partition("/")
        led["reference"] = _named(there, type_, id_)
    logical = node.get("identifier")
    if isinstance(logical, dict) and logical.get("value") in led.get("reference", []):
        del led["reference"]  # what it names by identifier; where the target is gone there is no literal one
    return led
