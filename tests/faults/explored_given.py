"""Every short course of an order and of what is given of it, with every few faults: what is tried, and demanded.

The causal order is patient, order, administration: an administration is there only beside its order, names it, and has
every digit of its rates; nothing of it is lost or doubled, or comes back to life.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import find, record_administration, whole
from fhir_infusion.errors import Refused
from fhir_infusion.store import versions
from fhir_infusion.sync.verdicts import HIDDEN_FOR
from tests import exact_json
from tests.faults.about import About, dose_number, read
from tests.faults.explored import CREATING, DOSE, ERROR, MR, PULL, STOP, Course, Run, rate
from tests.faults.invariants import ENDED
from tests.faults.rig import CALLER, TENANT, administration, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored
    from tests.faults.peer import Act, Asked

MA: Final = "MedicationAdministration"

GIVE, GIVE_SPLIT = "give", "give split"
GIVES: Final = (GIVE, GIVE_SPLIT)
"""In one resource, and in one for each rate beside the whole."""
NEW_PATIENT: Final = "a new patient"
"""What a course begins with where the patient is not there yet."""
OURS: Final = ("given:rate", "given:next", "given:stopped", "given:entered-in-error", "given:completed", "given:note")
CHANGES: Final = (*OURS, DOSE, STOP, ERROR)
THEIRS: Final = {
    "they:given:note": "union",
    "they:given:rate": "clinical",
    "they:given:stopped": "status",
    "they:given:completed": "status",
    "they:given:delete": "all",
    "they:delete": "order",
    "they:note": "order",
}
_GROUPS: Final = {
    "given:rate": "clinical",
    "given:next": "clinical",
    "given:stopped": "status",
    "given:completed": "status",
    "given:entered-in-error": "status",
    "given:note": "union",
}
_THEIR_RATE: Final = 9


def courses(
    most: int = 1,
    *,
    gives: tuple[str, ...] = GIVES,
    theirs: tuple[str, ...] = (),
    rungs: str = "ABC",
    forgets: tuple[bool, ...] = (False,),
    pulls: tuple[bool, ...] = (False,),
    is_new: bool = False,
) -> Iterator[Course]:
    """Yield all courses of an order, what is given of it, and up to ``most`` changes of either.

    A push comes after each or not; with ``theirs`` one edit of theirs comes somewhere after the first push; ``is_new``:
    the patient is not there yet.
    """
    for count in range(most + 1):
        for give, changes in itertools.product(gives, itertools.product(CHANGES, repeat=count)):
            for pushed in itertools.product((True, False), repeat=count + 1):
                steps = ["place"]
                for one, is_pushed in zip((give, *changes), pushed, strict=True):
                    steps += ["push", one] if is_pushed else [one]
                steps.append("push")
                places = range(steps.index("push") + 1, len(steps) + 1) if theirs else ()
                edited = [[*steps[:at], one, *steps[at:]] for at in places for one in theirs] if theirs else [steps]
                for with_theirs, forget, pull, rung in itertools.product(edited, forgets, pulls, rungs):
                    before = [*(["forget"] if forget else []), *([PULL] if pull else [])]
                    made = [step for one in with_theirs for step in ([*before, one] if one == "push" else [one])]
                    yield Course(((NEW_PATIENT,) if is_new else ()) + tuple(made), rung)


class Given(Run):
    """One course of an order and what is given of it."""

    def __init__(self, *asked: Any) -> None:
        super().__init__(*asked)
        self.given = ""
        """The id of what is given here, once it is."""
        self.mine: list[str] = []
        """What we did to it."""
        self.their: tuple[str, int, bool] | None = None
        """As ``edit``, of what is given."""
        self.astray: list[str] = []

    @property
    def number_given(self) -> str:
        return self.name.replace("A-", "G-")

    def _all(self) -> list[About]:
        return [self.order, *self._parts()]

    def _parts(self) -> list[About]:
        """Return what is given: the whole first, then each rate where these are resources of their own."""
        if not self.given:
            return []
        family = self.rig.service.store.read(TENANT, self._family)
        return [self._about(one) for one in (family.parent, *family.children)]

    def _family(self, tx: Tx) -> whole.Family:
        parent = versions.current(tx, MA, self.given)
        assert parent is not None
        return whole.family(tx, parent)

    def _about(self, stored: Stored) -> About:
        (identifier,) = read(stored.text)["identifier"]
        return About(self.rig, MA, stored.id, identifier["value"])

    def _admit(self) -> None:
        if self.course.steps[0] != NEW_PATIENT:
            super()._admit()

    def _patients_there(self) -> set[str]:
        """Return references to all there who have the number of the patient."""
        mrn = order(self.name)["patient"]["identifier"]["value"]
        return {f"Patient/{one['id']}" for one in self.rig.there.all("Patient") if one["identifier"][0]["value"] == mrn}

    # ----------------------------------------------------------------------------------------------------- steps

    def _step(self, step: str) -> None:
        if step in THEIRS:
            self.asked.append(f"- {step}")
            self._theirs(step)
        elif step != NEW_PATIENT:
            super()._step(step)

    def _ours(self, step: str) -> None:
        if step in GIVES:
            kind = "split" if step == GIVE_SPLIT else "single"
            record = {**administration(self.number_given, self.name, 5), "representation": kind}
            self.given = self.rig.give(record).id
        elif step in OURS:
            self._regiven(step)
        else:
            super()._ours(step)

    def _regiven(self, step: str) -> None:
        """Change what is given, as somebody here who sees it as it is now."""
        found = find.record(self.rig.service, CALLER, MA, self.given)
        record: dict[str, Any] = dict(found.record)
        self.number += 1
        what = step.removeprefix("given:")
        if what == "rate":
            *before, last = record["segments"]
            record["segments"] = [*before, {**last, "rate": {**last["rate"], "value": rate(self.number)}}]
        elif what == "next":
            *before, last = record["segments"]
            hour = f"2025-05-01T{8 + self.number:02}:00:00+02:00"
            following: dict[str, Any] = {"segment_id": f"n{self.number}", "event": "rate-changed", "start": hour}
            following["rate"] = {"value": rate(self.number), "unit": "ug/kg/min"}
            record["segments"] = [*before, {**last, "end": hour}, following]
        elif what == "note":
            record["notes"] = [*record.get("notes", []), {"text": f"ours {self.number}"}]
        else:
            record["status"] = what
        try:
            record_administration.amend(self.rig.service, CALLER, self.given, record, str(found.version))
            self.mine.append(step)
        except Refused:
            self.refused = True

    def _theirs(self, step: str) -> None:
        if not step.startswith("they:given:"):
            super()._theirs(step)
            return
        parts = self._parts()
        found = parts[-1].there() if parts else []
        if len(found) != 1 or found[0]["status"] in ENDED:
            self.refused = True
            return
        (now,), rig = found, self.rig
        kept = rig.there.resources[MA, now["id"]]
        self.their = (step, len(kept.versions), rig.link_state(parts[-1].aggregate) == "")
        what, changed = step.removeprefix("they:given:"), dict(now)
        if what == "delete":
            rig.there.delete(MA, now["id"])
            return
        if what == "note":
            changed["note"] = [*now.get("note", []), {"text": "theirs"}]
        elif what == "rate":
            dosage = read(exact_json.dumps(now))["dosage"]
            dosage["rateQuantity"]["value"] = rate(_THEIR_RATE)
            changed["dosage"] = dosage
        else:
            changed["status"] = what
        rig.there.put(changed, now["id"])

    def _is_edited(self) -> bool:
        return super()._is_edited() or self.their is not None

    # ---------------------------------------------------------------------------------------------------- faults

    def _kinds(self, asked: Asked) -> dict[str, Act]:
        """Return what may befall a request; a patient in doubt is waited for ``verdicts.HIDDEN_FOR``, and no longer."""
        kinds = super()._kinds(asked)
        if asked.writes and asked.type == "Patient":
            shortly = replace(CREATING["hidden and lost"], hidden_for=HIDDEN_FOR.total_seconds() - 1)
            return {**kinds, "hidden and lost": shortly}
        return kinds

    def _lie(self, asked: Asked) -> Act | None:
        act = super()._lie(asked)
        if asked.writes and asked.type == MA and not self.refused and (act is None or act.effect):
            self.astray += self._astray(asked.body)
        return act

    def _astray(self, body: dict[str, Any]) -> Iterator[str]:
        """Demand of what is about to be there that it names its order, the whole it is part of, and the patient.

        An order that they deleted may still be named: as it was there, or by its number alone.
        """
        orders = {f"{MR}/{id_}" for id_ in self.order.ids()}
        is_gone = self.edit is not None and self.edit[0] == "they:delete"
        wanted = {
            "subject": self._patients_there(),
            "request": orders | ({""} if is_gone else set()),
        }
        if "partOf" in body:
            wanted["partOf"] = {f"{MA}/{id_}" for id_ in About(self.rig, MA, "", self.number_given).ids()}
        for element, there in wanted.items():
            named = body.get(element, {})
            said = (named[0] if isinstance(named, list) else named).get("reference", "")
            if said not in there:
                yield f"{element} is {said!r} where {sorted(there)} is there"

    # --------------------------------------------------------------------------------------------------- demands

    def _complaints(self) -> Iterator[str]:
        yield from super()._complaints()
        yield from self.astray
        if (patients := len(self._patients_there())) != 1:
            yield f"there are {patients} of the patient"
        for about in self._parts():
            yield from (f"{about.name}: {told}" for told in self._of_part(about))

    def _of_part(self, about: About) -> Iterator[str]:
        is_last = about.name == self._parts()[-1].name
        their = self.their if is_last else None
        there = about.there()
        if their is not None and their[0] == "they:given:delete":
            if there and not their[2]:
                yield "it is there again"
            link = self.rig.link(MA, about.id)
            if not there and (link is None or not link.is_gone):
                yield "it is gone there, and no link knows"
            return
        if len(there) != 1:
            yield f"there are {len(there)}"
            return
        group = THEIRS[their[0]] if their else ""
        yield from about.of_rows()
        yield from about.of_history(group)
        kinds = [kind for _, kind in self.course.faults]
        is_hidden = group in {"clinical", "status"} or (kinds.count("lost") > 1 and len(set(kinds)) > 1)
        yield from about.of_trail(is_edited=their is not None, is_hidden=is_hidden)
        if their is None:
            if about.conflicts():
                yield "a conflict is open"
            if alarms := about.alarms() - {"stop-late", "forbidden"}:
                yield f"alarms {alarms}"
        else:
            yield from self._of_theirs(about, their, there[0])

    def _of_theirs(self, about: About, their: tuple[str, int, bool], theirs: dict[str, Any]) -> Iterator[str]:
        """Demand that both changes stand where they are of different groups, else that one is held, or a stop stands."""
        group, mine = THEIRS[their[0]], {_GROUPS[one] for one in self.mine}
        if about.conflicts():
            if group not in mine and not (their[2] and group == "clinical"):
                yield f"a conflict is open about {[one.fields for one in about.conflicts()]}"
            return
        ours = about.ours()
        for side, one in (("ours", ours), ("theirs", theirs)):
            if their[0] == "they:given:note" and {"text": "theirs"} not in one.get("note", []):
                yield f"{side} lacks their note"
            if group == "clinical" and "clinical" not in mine and dose_number(one) != _THEIR_RATE:
                yield f"{side} lacks their rate"
            if group == "status" and one["status"] not in ENDED:
                yield f"{side} is {one['status']}"
