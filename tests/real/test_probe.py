"""A probe of a real server: what HAPI does beside what it states, and that nothing is left of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.service import Service
from fhir_infusion.store import open_store
from fhir_infusion.sync import works
from fhir_infusion.sync.peer import Peer
from fhir_infusion.translator import Translator
from tests.faults.rig import library, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.real.server import Hapi

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(1800)]  # the first start may fetch the server


@pytest.fixture
def service(hapi: Hapi, tmp_path: Path) -> Iterator[Service]:
    def clock() -> datetime:
        return datetime.now(UTC)

    settings = settings_for(hapi.base, tmp_path / "probe.db", deadline_seconds=30)
    store = open_store(settings.database, clock)
    yield Service(store, Translator(library(), settings), clock, lambda: str(uuid.uuid4()), settings)
    store.close()


def _probe(service: Service, way: str) -> dict[str, Any]:
    return works.do(service, "probe", {"remote": "peer", "way": way})


def test_hapi_does_what_sync_needs_and_is_left_as_it_was(service: Service, hapi: Hapi):
    scratch = "Patient?identifier=urn:fhir-infusion:probe%7C"
    before = len(hapi.all(scratch))
    report = _probe(service, "whole")
    saw = report["saw"]
    needed = ("create", "read", "identifier-search", "conditional-create", "if-match", "update", "last-updated", "sort")
    assert {name: saw[name] for name in needed} == dict.fromkeys(needed, "yes"), report
    also = ("decimals", "version-id", "next-link", "delete", "history", "history-deletions")
    assert {name: saw[name] for name in also} == dict.fromkeys(also, "yes"), report
    assert (report["trouble"], report["needs"], report["left"]) == ("", [], []), report
    assert report["states"]["release"] == "R4"
    assert abs(saw["date-skew-seconds"]) <= 2
    assert saw["deleted-reads"] == "410"
    assert len(hapi.all(scratch)) == before
    # It takes an update that creates, which it does not state: nothing that is stated fails.
    assert report["differs"] == ["update-create: not stated, and so"], report
    peer = Peer(service, service.settings.remote("peer"))
    assert peer.rung("MedicationRequest") == report["rungs"]["MedicationRequest"]
    peer.close()


def test_a_probe_that_only_reads_makes_nothing_in_hapi(service: Service, hapi: Hapi):
    before = hapi.call("GET", "_history?_summary=count").json["total"]
    report = _probe(service, "read-only")
    assert hapi.call("GET", "_history?_summary=count").json["total"] == before
    assert (report["trouble"], report["needs"]) == ("", [])
    assert report["saw"]["search MedicationRequest"] == report["saw"]["history"] == "yes"
