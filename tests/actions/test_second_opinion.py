"""fhir.resources as a second opinion on a share of what is accepted."""

from __future__ import annotations

import logging
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import second_opinion
from fhir_infusion.store import text

if TYPE_CHECKING:
    import pytest


def _service(share: str) -> Any:
    return SimpleNamespace(
        settings=SimpleNamespace(strict_sample=Decimal(share)),
    )


WRONG: dict[str, Any] = {"resourceType": "MedicationRequest", "status": "JaneQPatient\n", "intent": 5}


def test_a_disagreement_is_logged_with_places_and_without_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        second_opinion.ask(_service("1"), WRONG, "R4", text.digest(WRONG))
    (entry,) = caplog.records
    assert entry.__dict__["resource"] == "MedicationRequest"
    assert "MedicationRequest" in entry.__dict__["code"]
    assert "JaneQPatient" not in str(entry.__dict__)


def test_nothing_is_asked_where_the_share_is_zero(caplog: pytest.LogCaptureFixture) -> None:
    second_opinion.ask(_service("0"), WRONG, "R4", text.digest(WRONG))
    assert not caplog.records


def test_about_the_share_that_the_settings_name_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def told(_resource: object, release: str) -> tuple[()]:
        asked.append(release)
        return ()

    monkeypatch.setattr(second_opinion, "check_with_models", told)
    service = _service("0.25")
    for number in range(4000):
        resource = {**WRONG, "id": f"id-{number}"}
        second_opinion.ask(service, resource, "R5", text.digest(resource))
    assert 800 < len(asked) < 1200
