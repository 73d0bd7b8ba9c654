"""What happens to a number of orders on both sides at once, drawn from a seed; and what must be there at the end.

Ours places, amends, gives (rates and bags change) and stops over HTTP; at the other side remarks are made, priorities
are raised and orders are stopped, as soon as an order has arrived there. Each keeps what it was told was done.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import exact_json
from tests.faults import rig
from tests.real.worlds import GIVEN, ORDER, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.real.worlds import Both, Side, World

Json = dict[str, Any]
GOLDEN = Path(__file__).parent.parent / "golden"
RICH = ("33-dobutamine-titration", "34-milrinone-home", "41-ascorbic-acid-scurvy", "19-belimumab")
"""Golden orders that stand alone; every tenth order is one of them."""
PATIENTS = 6
"""So many orders have one patient."""


@dataclass
class Course:
    """One order: what happens to it, and what is known to have been done."""

    name: str
    record: Json
    here: list[str]
    there: list[str]
    id: str = ""
    given: str = ""
    dose: str = ""
    stopped: bool = False
    urgent: bool = False
    remarks: list[str] = field(default_factory=list)
    remarks_given: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)
    done_here: bool = False


class Play:
    """The courses of a world beside one server."""

    def __init__(self, world: World, side: Side, orders: int, seed: int) -> None:
        """Draw what happens; do nothing yet."""
        self.world = world
        self.side = side
        self._draw = random.Random(seed)
        self.courses = [self._course(number) for number in range(orders)]
        self.failures: list[BaseException] = []

    def _course(self, number: int) -> Course:
        draw, name = self._draw, f"{self.side.name}-{number}"
        here = ["amend"] * draw.choice([0, 0, 1, 1, 2])
        if draw.random() < 0.25:
            here = [*here, "give", *draw.choices(["rate", "bag"], k=draw.choice([0, 1, 2]))]
        there = [one for one in ("remark", "urgent") if draw.random() < 0.15]
        if "give" in here and draw.random() < 0.4:
            there.append("remark-given")
        match draw.randrange(6):
            case 0:
                here.append("stop")
            case 1:
                there.append("stop")
        return Course(name, self._record(name, number), here, there)

    def _record(self, name: str, number: int) -> Json:
        if number % 10 == 3:
            path = GOLDEN / RICH[number // 10 % len(RICH)] / "order.json"
            record: Any = exact_json.loads(path.read_text(encoding="utf-8"))
        else:
            record = rig.order(name)
        patient = {**record["patient"], "identifier": self._identifier("patients", f"p-{number // PATIENTS}")}
        del patient["name"]
        record |= {"order_id": name, "patient": {**patient, "name": "Jane Ito"}}
        record.pop("identifiers", None)
        _set_dose(record, f"{number % 7 + 1}.50")
        return dict(record)

    def _identifier(self, kind: str, value: str) -> Json:
        return {"system": f"{self.world.own}/{kind}", "value": f"{self.side.name}-{value}"}

    # ------------------------------------------------------------------------------------------------- two actors

    def threads(self) -> list[threading.Thread]:
        """Return the threads of both sides, not started yet."""
        return [
            threading.Thread(target=self._kept, args=(act,), daemon=True) for act in (self._act_here, self._act_there)
        ]

    def _kept(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as failure:  # noqa: BLE001  told by the test
            self.failures.append(failure)

    def _act_here(self) -> None:
        draw, waiting = random.Random(self._draw.random()), list(self.courses)
        while waiting:
            course = waiting[draw.randrange(min(len(waiting), 25))]
            if not course.id:
                course.id = self.world.serving.place("orders", course.record)
                course.dose = _dose_of(course.record)
            elif course.here:
                self._do_here(course, course.here.pop(0), draw)
            if course.id and not course.here:
                course.done_here = True
                waiting.remove(course)

    def _do_here(self, course: Course, what: str, draw: random.Random) -> None:
        if what == "amend":
            course.dose = f"{draw.randrange(1, 90)}.{draw.randrange(10)}0"
            self.world.serving.change("orders", course.id, lambda record: _set_dose(record, course.dose))
        elif what == "stop":
            self.world.serving.change("orders", course.id, lambda record: record.update(status="stopped"))
            course.stopped = True
        elif what == "give":
            course.rates.append("2.50")
            course.given = self.world.serving.place("administrations", self._administration(course))
        else:
            course.rates.append(f"{draw.randrange(1, 40)}.{draw.randrange(10)}0")
            bag = str(len(course.rates)) if what == "bag" else ""
            self.world.serving.change(
                "administrations", course.given, lambda record: _add_segment(record, course.rates, bag)
            )

    def _administration(self, course: Course) -> Json:
        record = rig.administration(f"{course.name}-given", course.name, course.rates[0])
        record["patient"] = {key: course.record["patient"][key] for key in course.record["patient"]}
        record["drug"] = course.record["drug"]
        record["order"] = {"type": ORDER, "identifier": {"system": self.world.orders, "value": course.name}}
        return record

    def _act_there(self) -> None:
        waiting = [course for course in self.courses if course.there]
        while waiting:
            moved = False
            for course in list(waiting):
                if course.there[0] == "stop" and not course.done_here:
                    continue
                if course.id and self._do_there(course, course.there[0]):
                    course.there.pop(0)
                    moved = True
                if not course.there:
                    waiting.remove(course)
            if not moved:
                time.sleep(0.5)

    def _do_there(self, course: Course, what: str) -> bool:
        if what == "remark-given":
            text = f"seen at the bedside, {course.name}"
            done = bool(course.given) and self.side.edit(
                GIVEN, self.world.administrations, f"{course.name}-given", lambda one: _remarked(one, text)
            )
            course.remarks_given += [text] * done
            return done
        text = f"seen there, {course.name}"
        changes: dict[str, Callable[[Json], Json | None]] = {
            "remark": lambda one: _remarked(one, text),
            "urgent": lambda one: {**one, "priority": "urgent"},
            "stop": lambda one: None if one["status"] == "stopped" else {**one, "status": "stopped"},
        }
        if not self.side.edit(ORDER, self.world.orders, course.name, changes[what]):
            return False
        course.stopped |= what == "stop"
        course.urgent |= what == "urgent"
        course.remarks += [text] * (what == "remark")
        return True

    # --------------------------------------------------------------------------------------------------- the end

    def missing(self, both: Both) -> list[str]:
        """Return what was done on either side and is not there on both."""
        found = []
        for course in self.courses:
            for where, side in (("here", both.here), ("there", both.there)):
                order = side.get(f"orders|{course.name}", {})
                found += [f"{where} {one} of {course.name}" for one in self._lacks(course, order, where)]
                if course.given:
                    parts = [
                        one for name, one in side.items() if name.startswith(f"administrations|{course.name}-given")
                    ]
                    found += [f"{where} {one} of {course.name}" for one in self._lacks_given(course, parts, where)]
        return found

    def _lacks(self, course: Course, order: Json, where: str) -> list[str]:
        notes = [note.get("text") for note in order.get("note", [])]
        written = {*numbers(order, "dosageInstruction", "doseAndRate", "rateQuantity", "value")}
        written |= {*numbers(order, "dosageInstruction", "doseAndRate", "rateRatio", "numerator", "value")}
        written |= {*numbers(order, "dosageInstruction", "doseAndRate", "doseQuantity", "value")}
        checks = {
            "the dose": self._spelled(course.dose, where) in written,
            "the stop": not course.stopped or order.get("status") == "stopped",
            "the urgency": not course.urgent or order.get("priority") == "urgent",
            "the remarks": all(notes.count(text) == 1 for text in course.remarks),
        }
        return [name for name, holds in checks.items() if not holds]

    def _lacks_given(self, course: Course, parts: list[Json], where: str) -> list[str]:
        written = [one for part in parts for one in numbers(part, "dosage", "rateQuantity", "value")]
        written += [one for part in parts for one in numbers(part, "dosage", "rateRatio", "numerator", "value")]
        notes = [note.get("text") for part in parts for note in part.get("note", [])]
        checks = {
            "the rates": all(self._spelled(rate, where) in written for rate in course.rates),
            "the remarks on what was given": all(notes.count(text) == 1 for text in course.remarks_given),
        }
        return [name for name, holds in checks.items() if not holds]

    def _spelled(self, number: str, where: str) -> str:
        """Return how a number is written: as it was, or as JavaScript does."""
        if where == "here" or self.side.exact:
            return number
        return number.rstrip("0").rstrip(".")


def _remarked(resource: Json, text: str) -> Json | None:
    notes = resource.get("note", [])
    return None if any(one.get("text") == text for one in notes) else {**resource, "note": [*notes, {"text": text}]}


def _quantity(record: Json) -> Json:
    dosing: Json = record["steps"][0]["dosings"][0]
    return dict(dosing.get("rate") or dosing["dose"])


def _dose_of(record: Json) -> str:
    value = _quantity(record)["value"]
    return str(getattr(value, "text", value))


def _set_dose(record: Json, text: str) -> None:
    dosing = record["steps"][0]["dosings"][0]
    name = "rate" if "rate" in dosing else "dose"
    dosing[name] = {**dosing[name], "value": exact_json.Written(text)}


def _add_segment(record: Json, rates: list[str], bag: str) -> None:
    """Bring an administration to the last of its rates; a second time nothing is added."""
    segments = record["segments"]
    if len(segments) >= len(rates):
        return
    moment = f"2025-05-01T{8 + len(segments):02}:00:00+02:00"
    segments[-1]["end"] = moment
    one = {
        "segment_id": str(len(segments) + 1),
        "event": "bag-changed" if bag else "rate-changed",
        "start": moment,
        "rate": {"value": exact_json.Written(rates[-1]), "unit": "ug/kg/min"},
    }
    segments.append({**one, **({"bag": {"number": bag}} if bag else {})})
