"""Wards that place orders, amend, give and stop over HTTP whatever breaks, each until it is acknowledged."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests import exact_json
from tests.faults.rig import ADMINISTRATIONS, ORDERS, administration, order

if TYPE_CHECKING:
    from tests.faults.rig import Rig
    from tests.real.serving import Serving

MR, MA = "MedicationRequest", "MedicationAdministration"
REMOTE = f"""
order_system = "{ORDERS}"
administration_system = "{ADMINISTRATIONS}"

[remotes.peer]
base_url = "{{base}}"
poll_seconds = 1
deadline_seconds = 5
"""
"""The settings of a service whose remote is the lying server."""


@dataclass
class Known:
    """What the ward was told is kept of one order."""

    id: str
    rate: str
    status: str = "active"
    given: list[str] = field(default_factory=list)


class Ward(threading.Thread):
    """One patient's orders, one thing after the other; what happens follows from the name alone."""

    def __init__(self, serving: Serving, name: str, orders: int) -> None:
        super().__init__(name=name, daemon=True)
        self._serving = serving
        self._orders = orders
        self._draw = random.Random(name)
        self.known: dict[str, Known] = {}
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for number in range(self._orders):
                self._one(f"{self.name}.{number}")
        except BaseException as failure:  # noqa: BLE001  told by the test
            self.failure = failure

    def _one(self, name: str) -> None:
        id_ = self._serving.place("orders", _rated(order(name), "1.50"))
        self.known[name] = known = Known(id_, "1.50")
        for _ in range(self._draw.randrange(3)):
            rate = f"{self._draw.randrange(1, 90)}.{self._draw.randrange(10)}0"
            self._serving.change("orders", id_, partial(_rated, rate=rate))
            known.rate = rate
        if self._draw.random() < 0.4:
            self._give(name, known)
        if self._draw.random() < 0.4:
            self._serving.change("orders", id_, lambda record: record.update(status="stopped"))
            known.status = "stopped"

    def _give(self, name: str, known: Known) -> None:
        given = self._serving.place("administrations", administration(f"{name}-given", name, "2.50"))
        known.given.append("2.50")
        if self._draw.random() < 0.5:
            rates = ("2.50", "3.70")
            later = administration(f"{name}-given", name, *rates)["segments"]
            self._serving.change("administrations", given, lambda record: record.update(segments=later))
            known.given.append("3.70")

    def missing(self, rig: Rig) -> list[str]:
        """Return what was acknowledged and is not there: on our side as it was sent, and at the peer."""
        there = {type_: rig.there.all(type_) for type_ in (MR, MA)}
        found = []
        for name, known in self.known.items():
            record = rig.record(name)
            rate = record["steps"][0]["dosings"][0]["rate"]["value"]
            if (record["status"], str(rate)) != (known.status, known.rate):
                found.append(f"{name} is here as {record['status']} at {rate}, not {known.status} at {known.rate}")
            (order_there,) = [one for one in there[MR] if _is_named(one, name)]
            texts = exact_json.dumps(order_there)
            if order_there["status"] != known.status or f'"value": {known.rate}' not in texts:
                found.append(f"{name} is not there as {known.status} at {known.rate}")
            parts = exact_json.dumps([one for one in there[MA] if _is_named(one, f"{name}-given")])
            found += [f"{name} was given at {one}, not there" for one in known.given if f'"value": {one}' not in parts]
        return found


def _rated(record: dict[str, Any], rate: str) -> dict[str, Any]:
    dosing = record["steps"][0]["dosings"][0]
    dosing["rate"] = {**dosing["rate"], "value": exact_json.Written(rate)}
    return record


def _is_named(resource: dict[str, Any], name: str) -> bool:
    return any(one.get("value", "").partition("#")[0] == name for one in resource["identifier"])
