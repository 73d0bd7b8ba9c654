"""A probe of real servers: what HAPI and Medplum do beside what they state, and that nothing is left of it."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
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

    from tests.real.server import Hapi, Medplum

pytestmark = [pytest.mark.hapi, pytest.mark.timeout(1800)]  # the first start may fetch the server


@contextmanager
def _beside(base: str, folder: Path) -> Iterator[Service]:
    def clock() -> datetime:
        return datetime.now(UTC)

    settings = settings_for(base, folder / "probe.db", deadline_seconds=30)
    store = open_store(settings.database, clock)
    yield Service(store, Translator(library(), settings), clock, lambda: str(uuid.uuid4()), settings)
    store.close()


@pytest.fixture
def service(hapi: Hapi, tmp_path: Path) -> Iterator[Service]:
    with _beside(hapi.base, tmp_path) as one:
        yield one


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


def test_medplum_is_seen_to_round_numbers_and_is_left_as_it_was(medplum: Medplum, tmp_path: Path):
    scratch = "Patient?identifier=urn:fhir-infusion:probe%7C"
    before = len(medplum.all(scratch))
    with _beside(medplum.base, tmp_path) as service:
        report = _probe(service, "whole")
    saw = report["saw"]
    needed = ("create", "read", "identifier-search", "conditional-create", "if-match", "update", "last-updated")
    assert {name: saw[name] for name in needed} == dict.fromkeys(needed, "yes"), report
    # It keeps 1.50 as 1.5, gives one page without a link to the next, and no history.
    lacking = ("decimals", "next-link", "history")
    assert {name: saw[name] for name in lacking} == dict.fromkeys(lacking, "no"), report
    assert (saw["deleted-reads"], report["trouble"], report["needs"], report["left"]) == ("404", "", [], []), report
    assert set(report["rungs"].values()) == {"B"}
    assert set(report["differs"]) == {
        f"{name}: not stated, and so" for name in ("update-create", "identifier-search", "last-updated")
    }
    assert len(medplum.all(scratch)) == before
