"""What is read of a transaction before it begins serves in it only where it still holds then."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import reading
from tests.web.conftest import FHIR, Client, Json, exact
from tests.web.test_bundle import BASE, bundle, entry, locations

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

NUMBER: Json = {"system": "https://hospital.example.org/patients", "value": "P-1"}
BY_NUMBER = "Patient?identifier=https://hospital.example.org/patients|P-1"
URN = "urn:uuid:6c0b6a2e-7a0f-4a55-8f6e-3d2b1f6f8a01"


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something done once, after the resources of a transaction were read and before it begins."""
    acts = [act]
    ahead = reading.ahead

    def read(*given: Any) -> Any:
        found = ahead(*given)
        if acts:
            acts.pop()()
        return found

    monkeypatch.setattr("fhir_infusion.actions.reading.ahead", read)


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Have each call of a function noted, and done; return the notes."""
    calls: list[object] = []
    function: Callable[..., Any] = pkgutil.resolve_name(name)

    def noted(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return function(*given, **named)

    monkeypatch.setattr(name, noted)
    return calls


def patient(client: Client, *numbers: Json) -> Json:
    made: Json = exact(client.post(f"{BASE}/Patient", {"resourceType": "Patient", "identifier": [*numbers]}, FHIR))
    return made


def test_h10_a_conditional_reference_leads_to_whoever_has_the_number_when_the_order_is_written(
    client: Client, resource: Json, monkeypatch: pytest.MonkeyPatch
):
    first, second = patient(client, NUMBER), patient(client, {**NUMBER, "value": "P-2"})

    def exchange() -> None:
        for one, number in ((first, "P-3"), (second, "P-1")):
            changed = {"resourceType": "Patient", "id": one["id"], "identifier": [{**NUMBER, "value": number}]}
            assert client.put(f"{BASE}/Patient/{one['id']}", changed, FHIR).status_code == 200

    meanwhile(monkeypatch, exchange)
    order = {**resource, "subject": {"reference": BY_NUMBER}}
    (made,) = locations(client.post(BASE, bundle(entry("POST", "MedicationRequest", order)), FHIR))
    assert exact(client.get(f"{BASE}/{made}"))["subject"] == {"reference": f"Patient/{second['id']}"}


def test_h10_an_order_names_the_patient_whom_another_created_meanwhile(
    client: Client, resource: Json, monkeypatch: pytest.MonkeyPatch
):
    made: list[Json] = []
    meanwhile(monkeypatch, lambda: made.append(patient(client, NUMBER)))
    condition = BY_NUMBER.partition("?")[2]
    new = entry("POST", "Patient", {"resourceType": "Patient", "identifier": [NUMBER]}, URN, ifNoneExist=condition)
    order = entry("POST", "MedicationRequest", {**resource, "subject": {"reference": URN}})
    _, location = locations(client.post(BASE, bundle(new, order), FHIR))
    assert exact(client.get(f"{BASE}/{location}"))["subject"] == {"reference": f"Patient/{made[0]['id']}"}
    assert exact(client.get(f"{BASE}/Patient?_summary=count"))["total"] == 1


def test_the_resources_of_a_transaction_are_read_and_linked_once(
    client: Client, resource: Json, monkeypatch: pytest.MonkeyPatch
):
    read = counted(monkeypatch, "fhir_infusion.translator.Translator.to_internal")
    linked = counted(monkeypatch, "fhir_infusion.actions.do_together.rewritten")
    person = entry("POST", "Patient", {"resourceType": "Patient"}, URN)
    order = entry("POST", "MedicationRequest", {**resource, "subject": {"reference": URN}})
    assert client.post(BASE, bundle(person, order), FHIR).status_code == 200
    assert (len(read), len(linked)) == (1, 2)


def test_doses_are_compared_only_for_who_is_told_of_it(client: Client, resource: Json, monkeypatch: pytest.MonkeyPatch):
    asked = counted(monkeypatch, "fhir_infusion.translator.computed")
    other = {**resource, "identifier": [{**resource["identifier"][0], "value": "another"}]}
    assert client.post(f"{BASE}/MedicationRequest", resource, FHIR).status_code == 201
    assert not asked
    told = client.post(f"{BASE}/MedicationRequest", other, FHIR, Prefer="return=OperationOutcome")
    assert (told.status_code, len(asked)) == (201, 1)
