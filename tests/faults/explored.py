"""Every short course of one order, with every few faults at every request: what is tried, and what is demanded of it.

A course is what happens on both sides, in order; a fault meets the n-th request of it. Courses and faults are enumerated,
never drawn: a run tells which requests it made, and each of these is the place of one more fault.

Nothing of the package's own comparing is used. The requests go to the stub without a socket, and rows are delivered one
by one as a sender would, so that a run takes milliseconds; the order of what happens is the same.
"""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import delete

from fhir_infusion.actions import amend_order, find
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import outbox
from fhir_infusion.store.tables import LINKS
from fhir_infusion.sync import retry, sending
from fhir_infusion.sync.replies import Answer, Doubtful
from tests import exact_json
from tests.faults.about import About, dose_number, read
from tests.faults.invariants import ENDED
from tests.faults.peer import CUT, DROP, RESET, Act, Asked, Peer
from tests.faults.rig import CALLER, MRN, TENANT, Clock, Rig, open_rig, order
from tests.fresh import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fhir_infusion.store import conflicts

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


def demand(bench: Bench, found: Iterator[Course], faults: int, kinds: frozenset[str] | None) -> None:
    """Run courses with every way of up to so many faults; demand that none has a complaint."""
    runs, failed = 0, []
    for course in found:
        for tried, ran in explore(bench, course, faults, kinds):
            runs += 1
            if ran.complaints:
                failed.append("\n  ".join([str(tried), *ran.complaints, *ran.story]))
    assert runs
    assert not failed, f"{len(failed)} of {runs} runs:\n" + "\n".join(failed[:5])


def demand_in_memory(kind: type[Run], found: Iterator[Course], faults: int, kinds: frozenset[str] | None) -> None:
    """Demand it of courses on a bench of their own; no process ends here and no disk is looked at."""
    with in_memory() as folder:
        bench = Bench(folder, kind)
        demand(bench, found, faults, kinds)
        bench.close()


# ------------------------------------------------------------------------------------------------------------ how it runs


class Bench:
    """Runs courses one after another, many on one store: each has an order and a patient of its own."""

    RUNS: Final = 150
    """So many courses have one store; with more it grows slow."""

    def __init__(self, folder: Path, kind: type[Run] | None = None) -> None:
        """Prepare; ``kind`` is what a course is run by."""
        self._folder, self._kind = folder, kind or Run
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
        one = self._kind(rig, course, f"A-{next(self._numbers)}")
        ran = one.run()
        if ran.complaints or not one.is_clean:
            self._left = 0  # what is left there would be in the way of the next
        return ran

    def _new_id(self) -> str:
        """Return ids that come in order, the same each time: a round asks for what is linked in their order."""
        return str(uuid.UUID(int=next(self._numbers)))

    def _fresh(self, rung: str) -> Rig:
        self._left -= 1
        if self._rig is None or self._left < 0:
            self._end()
            self._rig = open_rig(self.there, self._folder / f"{next(self._numbers)}.db", Clock(), new_id=self._new_id)
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
        rig.service.store.transact(TENANT, lambda tx: tx.connection.execute(delete(LINKS)))  # nor does any lead there
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
        read(body.decode()) if body else {},
    )
    status, sent, resource, act = there.answer(asked)
    if act is not None and act.close:
        return Doubtful("connection lost")
    text = exact_json.dumps(resource).encode() if resource is not None else b""
    if act is not None and act.body is not None:
        text = act.body
    return Answer(status, {"content-type": "application/fhir+json", **{k.lower(): v for k, v in sent.items()}}, text)


class Run:
    """One course on a rig."""

    AT_A_TIME: ClassVar = 1
    """So many rows are claimed together, and one more where it is a stop."""

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
        self.order = About(rig, MR, "", name)
        self.is_clean = True

    def run(self) -> Ran:
        rig = self.rig
        self._admit()
        rig.there.lies.append(self._lie)
        for step in self.course.steps:
            self._step(step)
            rig.clock.move(self.course.gap)
        for _ in range(60):
            self._push()
            if not self._open():
                break
            rig.clock.move(20)
        self.is_over = True
        self._rest()
        complaints = [] if self.refused else list(self._complaints())
        self.is_clean = all(
            all(row.state in {"acked", "superseded"} for row in one.rows()) and not one.conflicts()
            for one in self._all()
        )
        return Ran(self.requests, complaints, self._story() if complaints else [], self.refused)

    def _rest(self) -> None:
        """Let what is over now come to rest, without a fault."""
        self.rig.clock.move(2000)
        for _ in range(2):
            self._push()
            if self._is_edited():
                self.rig.pull()
                self._push()
            self.rig.clock.move(2000)

    def _is_edited(self) -> bool:
        """Say whether they changed anything, which a pull brings."""
        return self.edit is not None

    def _admit(self) -> None:
        """Have the patient there before anything is placed."""
        self._admit_patient(self.name)

    def _admit_patient(self, name: str) -> None:
        """Have a patient there, by the number that orders of this name give."""
        mrn = [{"system": MRN, "value": f"mrn-{name}"}]
        self.rig.there.put({"resourceType": "Patient", "identifier": mrn}, f"p-{name}")

    # ---------------------------------------------------------------------------------------------------- faults

    def _kinds(self, asked: Asked) -> dict[str, Act]:
        """Return what may befall a request."""
        if not asked.writes:
            return READING
        return {**WRITING, **CREATING} if asked.method == "POST" or not asked.headers.get("if-match") else WRITING

    def _lie(self, asked: Asked) -> Act | None:
        if asked.type == "metadata" or self.is_over:
            return None
        number = len(self.requests)
        kinds = self._kinds(asked)
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
            self.order = About(self.rig, MR, made.id, self.name)
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
        """Deliver what is due, so many at a time."""
        rig = self.rig
        while rig.peer.allows(anew=True):
            rows = rig.service.store.transact(
                TENANT, lambda tx: outbox.claim(tx, "peer", "explorer", self.AT_A_TIME, sending.LEASE_SECONDS, 1)
            )
            if not rows:
                return
            self._deliver([partial(sending._deliver, rig.peer, TENANT, row) for row in rows])

    def _deliver(self, jobs: Sequence[Callable[[], object]]) -> None:
        for job in jobs:
            job()

    def _ours(self, step: str) -> None:
        self._amend(self.order, step)

    def _amend(self, about: About, step: str) -> None:
        """Change an order of ours, as somebody here who sees it as it is now."""
        service = self.rig.service
        found = find.record(service, CALLER, MR, about.id)
        record = self._changed(found.record, step)
        try:
            amend_order.amend(service, CALLER, about.id, record, str(found.version))
        except Refused:
            self.refused = True

    def _changed(self, record: Any, step: str) -> Any:
        """Return a record with a change of ours; a number that it sets is this change's own."""
        self.number += 1
        if step in {DOSE, STOP_DOSE}:
            (dosing,) = record["steps"][0]["dosings"]
            self.is_upon_theirs = str(dosing["rate"]["value"]) == str(rate(_THEIR_DOSE))
            dosing["rate"]["value"] = rate(self.number)
        if step in {STOP, STOP_DOSE}:
            record["status"] = "stopped"
        if step == ERROR:
            record["status"] = "entered-in-error"
        if step == NOTE:
            record["notes"] = [*record.get("notes", []), {"text": f"ours {self.number}"}]
        return record

    def _theirs(self, step: str) -> None:
        found = self.order.there()
        if len(found) != 1:
            self.refused = True
            return
        (now,) = found
        if (step == "they:on-hold" and now["status"] in ENDED) or now["status"] == "entered-in-error":
            self.refused = True  # brought back to life by them: another matter
            return
        changed = dict(now)
        kept = self.rig.there.resources[MR, now["id"]]
        is_linked = self.rig.link_state(self.order.aggregate) != ""
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
            (instruction,) = read(exact_json.dumps(now))["dosageInstruction"]
            instruction["doseAndRate"][0]["rateQuantity"]["value"] = rate(_THEIR_DOSE)
            changed["dosageInstruction"] = [instruction]
        else:
            changed["status"] = what
        if exact_json.dumps(changed) == exact_json.dumps(now):
            self.refused = True
            return
        self._put_there(changed)

    def _put_there(self, changed: dict[str, Any]) -> None:
        """Keep there what they made of it."""
        self.rig.there.put(changed, changed["id"])

    # --------------------------------------------------------------------------------------------------- demands

    def _open(self) -> bool:
        """Say whether anything waits yet."""
        return any(row.state in outbox.WAITING for about in self._all() for row in about.rows())

    def _all(self) -> list[About]:
        """Return all of ours that the course is about."""
        return [self.order]

    def _complaints(self) -> Iterator[str]:
        there = self.order.there()
        if self.edit is not None and self.edit[0] == "they:delete":
            yield from self._of_deleted(there)
            return
        if len(there) != 1:
            yield f"there are {len(there)}"
            return
        held = self.order.conflicts()
        yield from self.order.of_rows()
        group = THEIRS[self.edit[0]] if self.edit else ""
        yield from self.order.of_history(group)
        # Their change stands where ours had: then nothing there shows that it had arrived.
        kinds = [kind for _, kind in self.course.faults]
        is_hidden = group in {"clinical", "status"} or (kinds.count("lost") > 1 and len(set(kinds)) > 1)
        yield from self.order.of_trail(is_edited=self.edit is not None, is_hidden=is_hidden)
        if self.edit is None:
            if held:
                yield "a conflict is open"
            if alarms := self.order.alarms() - {"stop-late", "forbidden"}:
                yield f"alarms {alarms}"
        else:
            yield from self._of_edit(self.order.ours(), there[0], held)

    def _of_deleted(self, there: list[dict[str, Any]]) -> Iterator[str]:
        assert self.edit is not None
        if there and not self.edit[2]:
            yield "it is there again"
        if len(there) > 1:
            yield f"there are {len(there)}"
        link = self.rig.link(MR, self.order.id)
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
        yield from self._of_dose(dose_number(theirs), upon, changes, is_theirs=group == "clinical")
        yield from self._of_status(theirs["status"], what, changes)

    def _of_dose(self, place: int, upon: int, changes: list[str], *, is_theirs: bool) -> Iterator[str]:
        """Demand the last dose; theirs where it was given upon the last of ours, for that was no conflict."""
        mine = max((number for number, one in enumerate(changes, 1) if "clinical" in GROUPS[one]), default=0)
        is_theirs &= not self.is_upon_theirs
        before = self.order.versions()[upon - 1]
        if is_theirs and (before is None or dose_number(before) != mine):
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
        return [*self.asked, *(line for about in self._all() for line in about.story())]


def rate(number: int) -> Any:
    """Return a rate that is this change's own, with a digit to lose."""
    return fhir_json.read(f'{{"n":{number}.50}}')["n"]
