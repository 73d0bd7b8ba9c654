"""Every short course of one order, with every few faults at every request: what is tried, and what is demanded of it.

A course is what happens on both sides, in order; a fault meets the n-th request of it. Courses and faults are enumerated,
never drawn: a run tells which requests it made, and each of these is the place of one more fault.

Nothing of the package's own comparing is used. The requests go to the stub without a socket, and rows are delivered one
by one as a sender would, so that a run takes milliseconds; the order of what happens is the same.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from fhir_infusion.actions import amend_order, find
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import audit, conflicts, outbox
from fhir_infusion.store import versions as stored
from fhir_infusion.sync import retry, sending
from fhir_infusion.sync.peer import STOP_ALONE
from fhir_infusion.sync.replies import Answer, Doubtful
from tests import exact_json
from tests.faults.invariants import ENDED
from tests.faults.peer import CUT, DROP, RESET, Act, Asked, Peer
from tests.faults.rig import CALLER, MRN, TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MR: Final = "MedicationRequest"
HIDDEN: Final = 30.0
"""Seconds for which a search does not show what was created, or does not find the patient."""

# ---------------------------------------------------------------------------------------------------------- what is tried

DOSE, STOP, STOP_DOSE, ERROR, NOTE = "dose", "stop", "stop+dose", "error", "note"
PULL: Final = "pull"
CHANGES: Final = (DOSE, STOP, STOP_DOSE, ERROR, NOTE)
THEIRS: Final = {
    "they:note": "union",
    "they:tag": "meta",
    "they:dose": "clinical",
    "they:stopped": "status",
    "they:on-hold": "status",
    "they:completed": "status",
    "they:delete": "all",
}
"""What they may do, with the group of elements that it changes."""
GROUPS: Final = {
    DOSE: {"clinical"},
    STOP: {"status"},
    STOP_DOSE: {"status", "clinical"},
    ERROR: {"status"},
    NOTE: {"union"},
}

_THEIR_DOSE: Final = 9

WRITING: Final = {
    "lost": DROP,
    "500": Act(effect=False, status=500),
    "503": Act(effect=False, status=503),
    "403": Act(effect=False, status=403),
    "412": Act(effect=False, status=412),
    "cut": CUT,
    "reset": RESET,
    "500 after": Act(status=500),
}
CREATING: Final = {"hidden": Act(hidden_for=HIDDEN), "hidden and lost": Act(close="before", hidden_for=HIDDEN)}
READING: Final = {"500": WRITING["500"], "503": WRITING["503"], "403": WRITING["403"]}
AWAY: Final = "away"
"""All that is asked about patients fails for a while."""


@dataclass(frozen=True)
class Course:
    """What happens, in order, and on which rung of the ladder; ``faults`` are numbers of requests, with what is done."""

    steps: tuple[str, ...]
    rung: str = "B"
    gap: float = 0.0
    faults: tuple[tuple[int, str], ...] = ()


@dataclass
class Ran:
    """What came of a course: which faults each of its requests could have, and what is wrong."""

    requests: list[tuple[str, ...]]
    complaints: list[str]
    story: list[str] = field(default_factory=list)
    refused: bool = False


def courses(
    most: int = 2,
    *,
    theirs: tuple[str, ...] = (),
    rungs: str = "ABC",
    gaps: tuple[float, ...] = (0.0,),
    forgets: tuple[bool, ...] = (False, True),
    pulls: tuple[bool, ...] = (False,),
) -> Iterator[Course]:
    """Yield all courses of up to ``most`` changes of ours, with a push after each or not, and an edit of theirs between.

    ``forgets``: nothing is remembered of them before a push, as in a new process; ``pulls``: before it, theirs is pulled.
    """
    for count in range(1, most + 1):
        for changes in itertools.product(CHANGES, repeat=count):
            if any(
                one in {STOP, STOP_DOSE, ERROR} and after in {STOP, STOP_DOSE}
                for one, after in itertools.pairwise(changes)
            ):
                continue
            if ERROR in changes[:-1]:
                continue
            for pushed in itertools.product((True, False), repeat=count):
                steps = ["place"]
                for one, is_pushed in zip(changes, pushed, strict=True):
                    steps += ["push", one] if is_pushed else [one]
                steps.append("push")
                for with_theirs in _with_theirs(steps, theirs):
                    for forget, pull, rung, gap in itertools.product(forgets, pulls, rungs, gaps):
                        before = [*(["forget"] if forget else []), *([PULL] if pull else [])]
                        made = [s for one in with_theirs for s in ([*before, one] if one == "push" else [one])]
                        yield Course(tuple(made), rung, gap)


def _with_theirs(steps: list[str], theirs: tuple[str, ...]) -> Iterator[list[str]]:
    if not theirs:
        yield steps
        return
    first = steps.index("push") + 1
    for at in range(first, len(steps) + 1):
        for one in theirs:
            yield [*steps[:at], one, *steps[at:]]


def explore(
    bench: Bench, course: Course, faults: int, kinds: frozenset[str] | None = None
) -> Iterator[tuple[Course, Ran]]:
    """Run a course with every way of up to so many faults, of these ``kinds`` (None: all)."""
    ran = bench.run(course)
    yield course, ran
    if not faults or ran.refused:
        return
    first = course.faults[-1][0] + 1 if course.faults else 0
    for number in range(first, len(ran.requests)):
        for kind in ran.requests[number]:
            if kinds is None or kind in kinds:
                more = replace(course, faults=(*course.faults, (number, kind)))
                yield from explore(bench, more, faults - 1, kinds)


# ------------------------------------------------------------------------------------------------------------ how it runs


class Bench:
    """Runs courses one after another, many on one store: each has an order and a patient of its own."""

    RUNS: Final = 150
    """So many courses have one store; with more it grows slow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._rig: Rig | None = None
        self._left = 0
        self.there = Peer()

    def close(self) -> None:
        self._end()
        self.there.close()

    def _end(self) -> None:
        if self._rig is not None:
            self._rig.close()
            self._rig = None

    def run(self, course: Course) -> Ran:
        if PULL in course.steps:
            self._left = 0  # what is asked then depends on what was taken before
        rig = self._fresh(course.rung)
        one = _Run(rig, course, f"A-{next(self._numbers)}")
        ran = one.run()
        if ran.complaints or not one.is_clean:
            self._left = 0  # what is left there would be in the way of the next
        return ran

    def _fresh(self, rung: str) -> Rig:
        self._left -= 1
        if self._rig is None or self._left < 0:
            self._end()
            self._rig = open_rig(self.there, self._folder / f"{next(self._numbers)}.db", Clock())
            self._left = self.RUNS
        rig, there = self._rig, self.there
        rig.clock.move(3600)
        there.update_create, there.conditional = rung == "A", rung != "C"
        there.resources.clear()
        there.lies.clear()
        there.asked.clear()
        there.written.clear()
        rig.peer.forget()
        rig.peer.told_first("")
        vars(rig.peer)["_circuit"] = retry.CLOSED
        vars(rig.peer.endpoint)["_once"] = partial(_once, there)
        return rig


def _once(there: Peer, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer | Doubtful:
    """Ask the stub without a socket, in place of ``Endpoint._once``."""
    parted = urlsplit(url)
    parts = [part for part in parted.path.removeprefix("/fhir").split("/") if part]
    asked = Asked(
        method,
        parts[0] if parts else "",
        parts[1] if len(parts) > 1 else "",
        dict(parse_qsl(parted.query)),
        {name.lower(): value for name, value in headers.items()},
        _read(body.decode()) if body else {},
    )
    status, sent, resource, act = there.answer(asked)
    if act is not None and act.close:
        return Doubtful("connection lost")
    text = exact_json.dumps(resource).encode() if resource is not None else b""
    return Answer(status, {"content-type": "application/fhir+json", **{k.lower(): v for k, v in sent.items()}}, text)


class _Run:
    """One course on a rig."""

    def __init__(self, rig: Rig, course: Course, name: str) -> None:
        self.rig, self.course, self.name = rig, course, name
        self.requests: list[tuple[str, ...]] = []
        self.asked: list[str] = []
        self.faults = dict(course.faults)
        self.away_until = 0.0
        self.is_over = False
        self.edit: tuple[str, int, bool] | None = None
        """What they did, upon which number of versions, and whether we did not know by then that it is there."""
        self.is_upon_theirs = False
        """Whether our last change of the dose was made upon theirs."""
        self.refused = False
        self.number = 0
        self.aggregate = ""
        self.is_clean = True

    def run(self) -> Ran:
        rig, there = self.rig, self.rig.there
        mrn = order(self.name)["patient"]["identifier"]["value"]
        there.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": mrn}]}, f"p-{self.name}")
        there.lies.append(self._lie)
        for step in self.course.steps:
            self._step(step)
            rig.clock.move(self.course.gap)
        for _ in range(60):
            self._push()
            if not any(row.state in outbox.WAITING for row in self._rows()):
                break
            rig.clock.move(20)
        self.is_over = True
        rig.clock.move(2000)
        for _ in range(2):
            self._push()
            if self.edit is not None:
                rig.pull()
                self._push()
            rig.clock.move(2000)
        complaints = [] if self.refused else list(self._complaints())
        self.is_clean = all(row.state in {"acked", "superseded"} for row in self._rows()) and not self._conflicts()
        return Ran(self.requests, complaints, self._story() if complaints else [], self.refused)

    # ---------------------------------------------------------------------------------------------------- faults

    def _lie(self, asked: Asked) -> Act | None:
        if asked.type == "metadata" or self.is_over:
            return None
        number = len(self.requests)
        kinds: dict[str, Act] = READING
        if asked.writes:
            kinds = {**WRITING, **CREATING} if asked.method == "POST" or not asked.headers.get("if-match") else WRITING
        self.requests.append((*kinds, *([AWAY] if asked.type == "Patient" else [])))
        kind = self.faults.get(number, "")
        self.asked.append(
            f"{number} {asked.method} {asked.type}/{asked.id} {asked.headers.get('if-match', '')} {asked.body.get('status', '')} {kind}"
        )
        if kind == AWAY:
            self.away_until = self.rig.clock.seconds + HIDDEN
        if asked.type == "Patient" and self.rig.clock.seconds < self.away_until:
            return READING["500"]
        return kinds[kind] if kind and kind != AWAY else None

    # ----------------------------------------------------------------------------------------------------- steps

    def _step(self, step: str) -> None:
        self.asked.append(f"- {step}")
        if step == "place":
            made = self.rig.place(order(self.name))
            self.aggregate = f"{MR}/{made.id}"
        elif step == "push":
            self._push()
        elif step == PULL:
            self.rig.pull()
        elif step == "forget":
            self.rig.peer.forget()
        elif step in THEIRS:
            self._theirs(step)
        else:
            self._ours(step)

    def _push(self) -> None:
        """Deliver what is due, one by one."""
        rig = self.rig
        while rig.peer.allows(anew=True):
            rows = rig.service.store.transact(
                TENANT, lambda tx: outbox.claim(tx, "peer", "explorer", 1, sending.LEASE_SECONDS, 1)
            )
            if not rows:
                return
            for row in rows:
                sending._deliver(rig.peer, TENANT, row)

    def _ours(self, step: str) -> None:
        service, id_ = self.rig.service, self.aggregate.partition("/")[2]
        found = find.record(service, CALLER, MR, id_)
        record = found.record
        self.number += 1
        if step in {DOSE, STOP_DOSE}:
            (dosing,) = record["steps"][0]["dosings"]
            self.is_upon_theirs = str(dosing["rate"]["value"]) == str(_rate(_THEIR_DOSE))
            dosing["rate"]["value"] = _rate(self.number)
        if step in {STOP, STOP_DOSE}:
            record["status"] = "stopped"
        if step == ERROR:
            record["status"] = "entered-in-error"
        if step == NOTE:
            record["notes"] = [*record.get("notes", []), {"text": f"ours {self.number}"}]
        try:
            amend_order.amend(service, CALLER, id_, record, str(found.version))
        except Refused:
            self.refused = True

    def _theirs(self, step: str) -> None:
        found = self._there()
        if len(found) != 1:
            self.refused = True
            return
        (now,) = found
        if (step == "they:on-hold" and now["status"] in ENDED) or now["status"] == "entered-in-error":
            self.refused = True  # brought back to life by them: another matter
            return
        changed = dict(now)
        kept = self.rig.there.resources[MR, now["id"]]
        is_linked = self.rig.link_state(self.aggregate) != ""
        self.edit = (step, len(kept.versions), not is_linked)
        what = step.removeprefix("they:")
        if what == "delete":
            self.rig.there.delete(MR, now["id"])
            return
        if what == "note":
            changed["note"] = [*now.get("note", []), {"text": "theirs"}]
        elif what == "tag":
            changed["meta"] = {**now["meta"], "tag": [{"system": "urn:test:tag", "code": "seen"}]}
        elif what == "dose":
            (instruction,) = _read(exact_json.dumps(now))["dosageInstruction"]
            instruction["doseAndRate"][0]["rateQuantity"]["value"] = _rate(_THEIR_DOSE)
            changed["dosageInstruction"] = [instruction]
        else:
            changed["status"] = what
        if exact_json.dumps(changed) == exact_json.dumps(now):
            self.refused = True
            return
        self.rig.there.put(changed, now["id"])

    # --------------------------------------------------------------------------------------------------- demands

    def _rows(self) -> tuple[outbox.Row, ...]:
        return self.rig.service.store.read(TENANT, lambda tx: outbox.rows(tx, "peer", aggregate=self.aggregate))

    def _conflicts(self) -> list[conflicts.Conflict]:
        return [one for one in self.rig.conflicts() if one.aggregate == self.aggregate]

    def _there(self) -> list[dict[str, Any]]:
        return [
            one for one in self.rig.there.all(MR) if any(i["value"] == self.name for i in one.get("identifier", []))
        ]

    def _trail(self) -> list[audit.AuditEntry]:
        about = (MR, self.aggregate.partition("/")[2])
        found, _ = self.rig.service.store.read(TENANT, lambda tx: audit.newest(tx, limit=1_000, about=about))
        return list(reversed(found))

    def _versions(self) -> list[dict[str, Any] | None]:
        kept = [kept.versions for (type_, _), kept in self.rig.there.resources.items() if type_ == MR]
        return kept[0] if len(kept) == 1 else []

    def _complaints(self) -> Iterator[str]:
        rows, there = self._rows(), self._there()
        ours = self.rig.resource(MR, self.aggregate.partition("/")[2])
        held = self._conflicts()
        if self.edit is not None and self.edit[0] == "they:delete":
            yield from self._of_deleted(there)
            return
        if len(there) != 1:
            yield f"there are {len(there)}"
            return
        (theirs,) = there
        if ours["status"] in ENDED and theirs["status"] not in ENDED:
            yield f"ours is {ours['status']} and theirs {theirs['status']}"
        states = {row.state for row in rows}
        if not held:
            if not states <= {"acked", "superseded"}:
                yield f"rows end in {sorted(states)}"
            if _said(ours) != _said(theirs):
                yield "theirs says other than ours"
        yield from self._of_history()
        trail = self._trail()
        yield from self._of_trail(rows, trail)
        alarms = {one.detail for one in trail if one.action == "sync-alert"}
        if self.edit is None:
            if held:
                yield "a conflict is open"
            if alarms - {"stop-late", "forbidden"}:
                yield f"alarms {alarms}"
        else:
            yield from self._of_edit(ours, theirs, held)

    def _of_history(self) -> Iterator[str]:
        versions = [one for one in self._versions() if one is not None]
        has_ended, place, notes = False, -1, 0
        edited = THEIRS[self.edit[0]] if self.edit else ""
        for number, one in enumerate(versions, 1):
            if has_ended and one["status"] not in ENDED:
                yield f"version {number} there is {one['status']} after it had ended"
            has_ended = has_ended or one["status"] in ENDED
            at = _place(one)
            if edited != "clinical":
                if at < place:
                    yield f"version {number} there has dose {at} after {place}"
                place = at
            if len(one.get("note", [])) < notes:
                yield f"version {number} there has fewer notes"
            notes = len(one.get("note", []))
        for number, (one, after) in enumerate(itertools.pairwise(versions), 2):
            if _said(one) == _said(after):
                yield f"version {number} there says what was there"

    def _of_trail(self, rows: tuple[outbox.Row, ...], trail: list[audit.AuditEntry]) -> Iterator[str]:
        sent = [one for one in trail if one.action == "sync-sent"]
        whole = sorted(one.version for one in sent if one.detail != STOP_ALONE)
        alone = sorted(one.version for one in sent if one.detail == STOP_ALONE)
        if len(set(whole)) < len(whole) or len(set(alone)) < len(alone):
            yield f"the trail tells of {whole}, alone {alone}"
        stops = {row.version for row in rows if row.lane == "stop"}
        if not set(alone) <= stops:
            yield f"the trail tells of {alone} as stops alone"
        type_, _, id_ = self.aggregate.partition("/")
        kept = self.rig.service.store.read(TENANT, lambda tx: stored.history(tx, type_, id_))
        said = {one.version: _said(_read(one.text)) for one in kept}
        wrote = {
            _said(one)
            for one in self._versions()
            if one is not None and (MR, one["id"], one["meta"]["versionId"]) in self.rig.there.written
        }
        arrived = {version for version, each in said.items() if each in wrote}
        if set(whole) - arrived and not self.edit:
            yield f"the trail tells of {whole}, and what arrived is {sorted(arrived)}"
        # Their change stands where ours had, or what a stop alone made of it says what the whole stop says: then nothing
        # there shows that it had arrived.
        kinds = [kind for _, kind in self.course.faults]
        is_hidden = self.edit is not None and THEIRS[self.edit[0]] in {"clinical", "status"}
        is_hidden |= bool(alone) or (kinds.count("lost") > 1 and len(set(kinds)) > 1)
        tried = {row.version for row in rows if row.attempt}
        if not is_hidden and (arrived & tried) - set(whole):
            yield f"what arrived is {sorted(arrived)}, and the trail tells of {whole}, alone {alone}"

    def _of_deleted(self, there: list[dict[str, Any]]) -> Iterator[str]:
        assert self.edit is not None
        if there and not self.edit[2]:
            yield "it is there again"
        if len(there) > 1:
            yield f"there are {len(there)}"
        link = self.rig.link(MR, self.aggregate.partition("/")[2])
        if not there and (link is None or not link.is_gone):
            yield "it is gone there, and no link knows"

    def _of_edit(self, ours: dict[str, Any], theirs: dict[str, Any], held: list[conflicts.Conflict]) -> Iterator[str]:
        """Demand that both changes stand where they are of different groups, else what the table of ``conflicts`` says."""
        assert self.edit is not None
        what, upon, in_doubt = self.edit
        group = THEIRS[what]
        changes = [one for one in self.course.steps if one in CHANGES]
        if held:
            # What they made of the dose of a create in doubt may as well be another's entry: a person decides.
            may_be_held = group in {"clinical", "status"} and group in set().union(*(GROUPS[one] for one in changes))
            if not may_be_held and not (in_doubt and group == "clinical"):
                yield f"a conflict is open about {[one.fields for one in held]}"
            return
        for side, one in (("ours", ours), ("theirs", theirs)):
            notes = [f"ours {number}" for number, change in enumerate(changes, 1) if change == NOTE]
            notes += ["theirs"] if what == "they:note" else []
            if [text for text in notes if {"text": text} not in one.get("note", [])]:
                yield f"{side} lacks a note"
            if what == "they:tag" and not one.get("meta", {}).get("tag"):
                yield f"{side} lacks their tag"
        yield from self._of_dose(_place(theirs), upon, changes, is_theirs=group == "clinical")
        yield from self._of_status(theirs["status"], what, changes)

    def _of_dose(self, place: int, upon: int, changes: list[str], *, is_theirs: bool) -> Iterator[str]:
        """Demand the last dose; theirs where it was given upon the last of ours, for that was no conflict."""
        mine = max((number for number, one in enumerate(changes, 1) if "clinical" in GROUPS[one]), default=0)
        is_theirs &= not self.is_upon_theirs
        before = self._versions()[upon - 1]
        if is_theirs and (before is None or _place(before) != mine):
            yield f"both changed the dose, and none is held: there is {place}"
        elif place != (_THEIR_DOSE if is_theirs else mine):
            yield f"the dose there is {place}"

    def _of_status(self, status: str, what: str, changes: list[str]) -> Iterator[str]:
        is_theirs = THEIRS[what] == "status"
        if ERROR in changes:
            wanted = {"entered-in-error"}
        elif {STOP, STOP_DOSE} & set(changes):
            wanted = set(ENDED) if is_theirs else {"stopped"}
        else:
            wanted = {what.removeprefix("they:")} if is_theirs else {"active"}
        if status not in wanted:
            yield f"theirs is {status}"

    def _story(self) -> list[str]:
        rows = [f"row {r.version} {r.lane} {r.state} {r.last_error_code} {r.attempt}" for r in self._rows()]
        versions = [
            f"there {n}: {'deleted' if v is None else (v['status'], _place(v), [one['text'] for one in v.get('note', [])])}"
            for n, v in enumerate(self._versions(), 1)
        ]
        trail = [f"{one.action} {one.version} {one.detail}" for one in self._trail()]
        return [*self.asked, *rows, *versions, *trail]


def _read(text: str) -> dict[str, Any]:
    return cast("dict[str, Any]", exact_json.loads(text))


def _rate(number: int) -> Any:
    return fhir_json.read(f'{{"n":{number}.50}}')["n"]


def _place(resource: dict[str, Any]) -> int:
    """Return the number of the change that set the rate; 0 where it is as it was placed."""
    text = str(resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"])
    return 0 if text == "5" else int(text.removesuffix(".50"))


def _said(resource: dict[str, Any]) -> str:
    kept = {name: resource[name] for name in sorted(resource) if name not in {"id", "meta", "subject", "text"}}
    tags = resource.get("meta", {}).get("tag", [])
    return exact_json.dumps({**kept, "tag": tags})
