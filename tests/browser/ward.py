"""A service as an operator runs it beside the server that is shipped to misbehave, with what waits for a person."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_infusion.simulated.scenario import parse
from fhir_infusion.simulated.server import Simulator
from fhir_infusion.web.tokens import add_token
from tests import exact_json
from tests.faults.rig import ADMINISTRATIONS, ORDERS, administration, order
from tests.real.server import call
from tests.real.serving import Serving, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MR = "MedicationRequest"
HOSTILE = '<img src=x onerror="document.title=1">'
"""What the other side writes into a dosage."""

_SCENARIO = """
server = { update_create = false }
fault = [{ kind = "status", status = 422, when = { interaction = "create", type = "MedicationRequest", nth = 2 } }]
"""
"""The second order that comes there is refused: by itself, for faults are none of an entry of a batch."""


@dataclass(frozen=True)
class Ward:
    """``token`` is an operator's, empty where the service runs open."""

    serving: Serving
    there: Simulator
    token: str

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """Ask the service, and return its JSON."""
        stated = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        text = None if body is None else exact_json.dumps(body)
        reply = self.serving.call(method, path, text, {**stated, **headers})
        assert reply.status in {200, 201}, reply.text
        return reply.json

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return the orders at the server by their own identifier."""
        found = call(f"{self.there.base}/{MR}?_count=50", "GET").json.get("entry", [])
        return {one["resource"]["identifier"][0]["value"]: one["resource"] for one in found}

    def change_there(self, value: str, text: str) -> None:
        """Change the words of a dosage as somebody else does."""
        now = self.orders()[value]
        changed = {**now, "dosageInstruction": [{**now["dosageInstruction"][0], "text": text}]}
        reply = call(f"{self.there.base}/{MR}/{now['id']}", "PUT", changed)
        assert reply.status == 200, reply.text


@contextmanager
def open_ward(folder: Path, *, with_tokens: bool = False) -> Iterator[Ward]:
    """Give a ward: A-1 was changed on both sides and is given, A-2 was refused there. Everything is ended at its end."""
    there = Simulator(parse(_SCENARIO, "R4", "ward.toml"))
    token, more = "", ""
    if with_tokens:
        _, token = add_token(folder / "tokens.toml", "operator", "default", "2026-01-02", operator=True)
        more = f'tokens = "{folder / "tokens.toml"}"\n'
    settings = f"""{more}order_system = "{ORDERS}"
administration_system = "{ADMINISTRATIONS}"
[remotes.hospital]
base_url = "{there.base}"
poll_seconds = 3600
bundle_size = 1
"""
    serving = Serving(folder, settings)
    try:
        serving.start()
        ward = Ward(serving, there, token)
        placed = ward.ask("POST", "/api/orders", order("A-1"))
        eventually(lambda: "A-1" in ward.orders())
        ward.ask("POST", "/api/administrations", administration("G-1", "A-1", "5.10", "6.20"))
        ward.ask("POST", "/api/orders", order("A-2"))
        ward.change_there("A-1", HOSTILE)
        amended = order("A-1", steps=[{**placed["record"]["steps"][0], "text": "slower, 1.50 mL/h"}])
        ward.ask("PUT", f"/api/orders/{placed['id']}", amended, **{"If-Match": f'W/"{placed["version"]}"'})
        eventually(lambda: ward.ask("GET", "/api/sync/conflicts")["items"])
        eventually(lambda: _is_dead(ward))
        yield ward
    finally:
        serving.kill()
        there.close()


def _is_dead(ward: Ward) -> bool:
    headers = {"Authorization": f"Bearer {ward.token}"} if ward.token else {}
    return 'fhir_infusion_sync_dead{endpoint="hospital"} 1' in ward.serving.call("GET", "/metrics", None, headers).text
