"""Edits on either of two servers, one R4 and one R5, that are kept in step with each other through us."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests import exact_json
from tests.faults import rig
from tests.real.worlds import ORDER

if TYPE_CHECKING:
    from tests.real.worlds import Both, Side, World

Json = dict[str, Any]
OWN = "https://example.org/fhir/StructureDefinition/own-remark"
"""An extension that only the server knows on which it was written."""


@dataclass
class Known:
    """What is known to have been done to one order, whichever side did it."""

    name: str
    id: str
    dose: str
    status: str = "active"
    priority: str = "routine"
    remarks: list[str] = field(default_factory=list)
    residue: dict[str, str] = field(default_factory=dict)


class Edits:
    """Orders of ours, edited in turns on two sides."""

    def __init__(self, world: World, seed: int) -> None:
        """Prepare; place nothing yet."""
        self.world = world
        self.orders: list[Known] = []
        self._draw = random.Random(seed)
        self._numbers = iter(range(1, 1_000_000))

    def place(self, orders: int) -> None:
        for number in range(orders):
            name = f"between-{number}"
            record = rig.order(name, priority="routine")
            record["patient"]["identifier"] = {"system": f"{self.world.own}/patients", "value": f"between-{number % 2}"}
            record["steps"][0]["dosings"][0]["rate"]["value"] = exact_json.Written(f"{number + 1}.50")
            self.orders.append(Known(name, self.world.serving.place("orders", record), f"{number + 1}.50"))

    def edit(self, known: Known, side: Side) -> None:
        """Change one order there, in one or two places at once."""
        changes = self._draw.sample(["dose", "priority", "remark", "residue", "status"], k=self._draw.choice([1, 1, 2]))
        number = next(self._numbers)

        def change(resource: Json) -> Json:
            for what in changes:
                resource = getattr(self, f"_{what}")(resource, known, side, number)
            return resource

        assert side.edit(ORDER, self.world.orders, known.name, change)

    def _dose(self, resource: Json, known: Known, _: Side, number: int) -> Json:
        known.dose = f"{number}.{self._draw.randrange(10)}0"
        quantity = resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]
        quantity["value"] = exact_json.Written(known.dose)
        return resource

    def _priority(self, resource: Json, known: Known, _: Side, number: int) -> Json:
        known.priority = ["urgent", "asap", "stat", "routine"][number % 4]
        return {**resource, "priority": known.priority}

    def _remark(self, resource: Json, known: Known, side: Side, number: int) -> Json:
        text = f"remark {number} at {side.name}"
        known.remarks = [*known.remarks, text] if text not in known.remarks else known.remarks
        return {**resource, "note": [*resource.get("note", []), {"text": text}]}

    def _residue(self, resource: Json, known: Known, side: Side, number: int) -> Json:
        known.residue[side.name] = f"{side.name} {number}"
        others = [one for one in resource.get("extension", []) if one["url"] != f"{OWN}-{side.name}"]
        own = {"url": f"{OWN}-{side.name}", "valueString": known.residue[side.name]}
        return {**resource, "extension": [*others, own]}

    def _status(self, resource: Json, known: Known, _: Side, number: int) -> Json:
        known.status = "on-hold" if number % 2 else "active"
        return {**resource, "status": known.status}

    def missing(self, side: Side, both: Both) -> list[str]:
        """Return what was done on either side and is not here and at this side."""
        found = []
        for known in self.orders:
            for where, resource in (
                ("here", both.here[f"orders|{known.name}"]),
                ("there", both.there[f"orders|{known.name}"]),
            ):
                quantity = resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]
                notes = sorted(note["text"] for note in resource.get("note", []))
                own = [
                    one["valueString"] for one in resource.get("extension", []) if one["url"] == f"{OWN}-{side.name}"
                ]
                residue = [known.residue[side.name]] if side.name in known.residue else []
                checks = {
                    "dose": exact_json.dumps(quantity["value"]) == known.dose,
                    "status": resource["status"] == known.status,
                    "priority": resource["priority"] == known.priority,
                    "remarks": notes == sorted(known.remarks),
                    "residue": own == residue,
                }
                found += [f"{where} {side.name} {known.name}: {one}" for one, holds in checks.items() if not holds]
        return found
