"""A plain HTTP client of the simulated server: the standard library's, so that nothing of ours is between."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fhir_infusion.simulated.scenario import Scenario, parse
from fhir_infusion.simulated.server import Simulator
from tests import exact_json

ORDER = (
    '{"resourceType":"MedicationRequest","identifier":[{"system":"urn:o","value":"%s"}],"status":"active",'
    '"extension":[{"url":"urn:e","valueString":"x"}],"dosageInstruction":[{"text":"t","doseAndRate":[{"rateQuantity":'
    '{"value":1.50,"unit":"mL/h"}}]}]}'
)


@dataclass
class Got:
    """An answer as it came; ``whole`` is False where the connection ended before its end."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True

    @property
    def resource(self) -> Any:
        return exact_json.loads(self.body.decode())

    @property
    def plain(self) -> Any:
        return json.loads(self.body)


CLOSED = Got(0, whole=False)


class There:
    """A simulated server whose clock the test moves, and a client of it."""

    def __init__(self, faults: str = "", release: str = "R4") -> None:
        self.at = 1_700_000_000.0
        scenario = parse(faults, release, "test") if faults else Scenario()
        self.simulator = Simulator(scenario, release, clock=lambda: self.at)

    def close(self) -> None:
        self.simulator.close()

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Got:
        """Send one request on a connection of its own; header names with _ for -."""
        url = urlsplit(self.simulator.base)
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 0, timeout=5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        target = path if path.startswith("/_") else f"/fhir/{path}" if path else "/fhir"
        try:
            connection.request(method, target, body or None, {"Content-Type": "application/fhir+json", **named})
            answer = connection.getresponse()
            known = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return Got(answer.status, known, answer.read())
            except http.client.IncompleteRead as error:
                return Got(answer.status, known, error.partial, whole=False)
        except (http.client.RemoteDisconnected, ConnectionError):
            return CLOSED
        finally:
            connection.close()

    def place(self, value: str = "1", **headers: str) -> Got:
        return self.ask("POST", "MedicationRequest", ORDER % value, **headers)

    def found(self, query: str = "") -> list[Any]:
        got = self.ask("GET", f"MedicationRequest?{query}")
        assert got.status == 200, got
        return [entry["resource"] for entry in got.resource.get("entry", [])]

    def faults(self) -> list[str]:
        """Return the faults told so far, by the ledger."""
        return [line["fault"].partition(" ")[2] for line in self.simulator.ledger.lines if line["fault"]]
