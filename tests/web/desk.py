"""What waits for a person, at the desk of one: a service beyond loopback with a conflict, and tokens of three."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.store import audit
from fhir_infusion.web.app import create_app
from fhir_infusion.web.tokens import add_token
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order
from tests.web.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

MR = "MedicationRequest"
PATH = "/api/sync/conflicts"
WHY = "asked the ward"


@dataclass(frozen=True)
class Desk:
    """A service beyond loopback with a conflict, and the tokens of who may ask."""

    rig: Rig
    client: Client
    tokens: dict[str, str]

    def get(self, path: str, who: str = "operator") -> TestResponse:
        return self.client.get(path, authorization=f"Bearer {self.tokens[who]}")

    def post(self, path: str, who: str = "operator", **fields: str | list[str]) -> TestResponse:
        """Send a form."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return self.client.flask.post(path, data=fields, headers=headers)

    def resolve(self, id_: str, keep: str, who: str = "operator", **headers: str) -> TestResponse:
        headers["authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.post(f"{PATH}/{id_}/resolve", {"keep": keep, "reason": WHY}, **headers)

    def held(self) -> str:
        (one,) = self.rig.conflicts()
        return one.conflict_id

    def there(self) -> dict[str, Any]:
        (resource,) = self.rig.there.all(MR)
        return resource

    def change_there(self, text: str, **members: Any) -> None:
        there = self.there()
        self.rig.there.put({**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": text}], **members})

    def texts(self) -> tuple[str, str]:
        ours = self.rig.resource(MR, self.rig.ids()[0])
        return ours["dosageInstruction"][0]["text"], self.there()["dosageInstruction"][0]["text"]

    def trail(self, *actions: str) -> list[tuple[str, str, str]]:
        entries = self.rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
        return [(entry.action, entry.client, entry.detail) for entry in entries if entry.action in actions]


@contextmanager
def open_desk(database: str, tmp_path: Path) -> Iterator[Desk]:
    """Give a desk; at its end everything is closed."""
    there = Peer()
    rig = open_rig(there, database, Clock())
    path = tmp_path / "tokens.toml"
    path.touch()
    roles = (("operator", TENANT, True), ("plain", TENANT, False), ("elsewhere", "other", True))
    tokens = {name: add_token(path, name, tenant, "2026-01-02", operator=role)[1] for name, tenant, role in roles}
    service = replace(rig.service, settings=replace(rig.service.settings, host="10.0.0.5", tokens=path))
    one = Desk(rig, Client(create_app(service).test_client(use_cookies=False)), tokens)
    rig.place(order("A-1"))
    rig.settle()
    one.change_there("theirs")
    rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}]))
    assert rig.settle(rounds=3) == ["acked", "conflict"]
    yield one
    rig.close()
    there.close()
