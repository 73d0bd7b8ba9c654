"""Subscriptions of each form, and a service that runs with its worker and a clock that goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fhir_infusion.config import Settings
from fhir_infusion.fhir.subscriptions import BACKPORT
from fhir_infusion.fhir.topics import BASE
from fhir_infusion.service import Service
from fhir_infusion.store import open_store
from fhir_infusion.sync.worker import Worker
from fhir_infusion.web.app import create_app
from tests.web.conftest import FHIR, Client, exact

if TYPE_CHECKING:
    from fhir_infusion.translator import Translator

Json = dict[str, Any]


def plain(endpoint: str, criteria: str = "MedicationRequest?status=active", **channel: Any) -> Json:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to be told",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": endpoint, **channel},
    }


def backported(endpoint: str, topic: str = "order-changed", content: str = "id-only", *filters: str) -> Json:
    found = plain(endpoint, f"{BASE}/{topic}", payload=FHIR)
    content_is = {"url": f"{BACKPORT}/backport-payload-content", "valueCode": content}
    found["channel"]["_payload"] = {"extension": [content_is]}
    if filters:
        found["_criteria"] = {
            "extension": [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": one} for one in filters]
        }
    return found


def topical(endpoint: str, topic: str = "order-changed", content: str = "id-only", **more: Any) -> Json:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "topic": f"{BASE}/{topic}",
        "channelType": {"code": "rest-hook"},
        "endpoint": endpoint,
        "content": content,
        "contentType": FHIR,
        **more,
    }


class Live:
    """A running service: the application, its worker, and a restart of both on the same database."""

    def __init__(self, database: str, translator: Translator, **changes: Any) -> None:
        settings = replace(Settings(), database=database, **changes)
        self._make = lambda: Service(
            open_store(settings.database, lambda: datetime.now(UTC)),
            translator,
            lambda: datetime.now(UTC),
            lambda: str(uuid4()),
            settings,
        )
        self._begin()

    def _begin(self) -> None:
        self.service = self._make()
        self.worker = Worker(self.service)
        self.worker.start()
        app = create_app(self.service, "", self.worker)
        self.client = Client(app.test_client(use_cookies=False))

    def restart(self) -> None:
        self.close()
        self._begin()

    def close(self) -> None:
        self.worker.stop()
        self.service.store.close()

    def subscribe(self, body: Json, release: str = "r5") -> str:
        """Subscribe, and return the address."""
        reply = self.client.post(f"/fhir/{release}/Subscription", body, FHIR)
        assert reply.status_code == 201, reply.data
        return f"/fhir/{release}/Subscription/{exact(reply)['id']}"

    def status(self, address: str) -> str:
        return str(exact(self.client.get(address))["status"])
