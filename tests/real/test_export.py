"""HAPI's own bulk export and Subscriptions: all that it has is loaded, and what changes there is fetched at once."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.real.serving import Serving, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.server import Hapi

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(1800)]  # the first start may fetch the server

SETTINGS = """
order_system = "{own}/orders"
administration_system = "{own}/administrations"
[remotes.hapi]
base_url = "{hapi}"
direction = "pull"
poll_seconds = 3600
deadline_seconds = 20
hook_base = "http://127.0.0.1:{port}"
hook_token_file = "{token}"
"""


def an_order(own: str, patient: str, number: int) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": f"{own}/theirs", "value": str(number)}],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"reference": f"Patient/{patient}"},
        "dosageInstruction": [{"text": f"as told, {number}"}],
    }


def ours(database: Path, own: str) -> int:
    """Return how many of these orders are here."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        (found,) = connection.execute(
            "select count(distinct id) from versions where type = 'MedicationRequest' and text like ?",
            (f"%{own}/theirs%",),
        ).fetchone()
    return int(found)


def test_all_that_hapi_exports_is_loaded_once_and_what_changes_then_is_told_and_fetched_at_once_s7_s8(
    hapi: Hapi, tmp_path: Path
):
    own = f"https://run-{uuid4()}.example"
    token = tmp_path / "hook.token"
    token.write_text("hook-secret-of-this-run-0123456789")
    serving = Serving(tmp_path, "")
    settings = SETTINGS.format(own=own, hapi=hapi.base, port=serving.port, token=token)
    (tmp_path / "settings.toml").write_text(settings, encoding="utf-8")
    patient = hapi.call("POST", "Patient", {"resourceType": "Patient", "identifier": [{"system": own, "value": "p"}]})
    id_ = patient.json["id"]
    for number in range(30):
        assert hapi.call("POST", "MedicationRequest", an_order(own, id_, number)).status == 201
    loaded = serving.run("sync", "load", "hapi")
    assert loaded.wait(600) == 0, serving.log.read_text()
    assert ours(tmp_path / "service.db", own) == 30
    serving.start()
    try:
        told = serving.run("sync", "subscribe", "hapi")
        assert told.wait(120) == 0, serving.log.read_text()
        here = f"http://127.0.0.1:{serving.port}/"
        mine = [one for one in hapi.everything("Subscription") if one["channel"]["endpoint"].startswith(here)]
        assert len(mine) == 2
        eventually(
            lambda: all(hapi.call("GET", f"Subscription/{one['id']}").json["status"] == "active" for one in mine), 60
        )
        created = hapi.call("POST", "MedicationRequest", an_order(own, id_, 30))
        eventually(lambda: ours(tmp_path / "service.db", own) == 31, 60)
        changed = {**created.json, "status": "stopped"}
        assert hapi.call("PUT", f"MedicationRequest/{created.json['id']}", changed).status == 200
        search = f"/fhir/r4/MedicationRequest?status=stopped&identifier={own}/theirs|30"
        eventually(lambda: json.loads(serving.call("GET", search).text).get("entry"), 60)
        ended = serving.run("sync", "subscribe", "hapi", "--off")
        assert ended.wait(120) == 0, serving.log.read_text()
        assert not {one["id"] for one in mine} & {one["id"] for one in hapi.everything("Subscription")}
    finally:
        serving.stop()
