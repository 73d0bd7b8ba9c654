"""Clients as they are: HAPI's for Java, fhirpy and fhirclient, each the whole path against the running service."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models import bundle as smart_bundle
from fhirclient.models import medicationadministration, medicationrequest, patient
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import BaseFHIRError
from requests import HTTPError

from tests import java
from tests.real.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhirclient.server import FHIRServer

pytestmark = [pytest.mark.timeout(1800)]  # the first Java program may fetch its jars

Json = dict[str, Any]
PROJECT = Path(__file__).parent / "hapi"
UCUM = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
DRUG = {"text": "dobutamine"}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    one = Serving(tmp_path_factory.mktemp("clients"), "")
    one.start()
    yield one
    one.stop()


def order(value: str, subject: str) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "https://example.org/orders", "value": value}],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": DRUG,
        "subject": {"reference": subject},
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 15, **UCUM}}]}],
    }


def given(subject: str, request: str) -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "status": "in-progress",
        "medicationCodeableConcept": DRUG,
        "subject": {"reference": subject},
        "request": {"reference": request},
        "effectiveDateTime": "2026-01-02T10:00:00Z",
        "dosage": {"dose": {"value": 15, **UCUM}},
    }


def transaction(subject: str, *numbers: int, prefix: str) -> Json:
    entries = [
        {"resource": order(f"{prefix}-{number}", subject), "request": {"method": "POST", "url": "MedicationRequest"}}
        for number in numbers
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_hapis_java_client_runs_the_whole_path(serving: Serving):
    if reason := java.missing():
        pytest.skip(reason)
    done = subprocess.run(
        ["java", "-cp", java.classpath(PROJECT), "fhirinfusion.HapiClient", f"{serving.base}/fhir/r4"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    seen = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert done.returncode == 0, (seen, done.stderr[-3000:])
    assert (
        seen.items()
        >= {
            "metadata": "4.0.1",
            "conditional create twice": "one patient",
            "conditional create by url": "one patient",
            "transaction": "6 entries, the first 201 Created",
            "search with paging": "5 orders on 3 pages",
            "search with includes": "3 entries",
            "dose": "1.50",
            "update with its version": "2",
            "stale update": "412",
            "history": "2 versions",
            "administration": "2.50",
            "read after delete": "410",
        }.items()
    )


def test_fhirpy_runs_the_whole_path_and_learns_that_an_order_needs_if_match(serving: Serving):
    client = SyncFHIRClient(f"{serving.base}/fhir/r4")
    someone = client.resource("Patient", name=[{"family": "Example"}])
    someone.save()
    subject = f"Patient/{someone.id}"
    client.execute("", method="post", data=transaction(subject, *range(5), prefix="fhirpy"))
    found = client.resources("MedicationRequest").search(patient=someone.id).limit(2).fetch_all()
    assert len({one.id for one in found}) == 5
    gave = client.resource(
        **{"resource_type": "MedicationAdministration"}
        | _without_type(given(subject, found[0].to_reference().reference))
    )
    gave.save()
    gave["status"] = "completed"
    gave.save()
    assert (gave["status"], gave["meta"]["versionId"]) == ("completed", "2")
    history = client.execute(f"MedicationAdministration/{gave.id}/_history", method="get")
    assert [one["resource"]["status"] for one in history["entry"]] == ["completed", "in-progress"]
    changed = found[0]
    changed["priority"] = "urgent"
    with pytest.raises(BaseFHIRError, match="If-Match"):
        changed.save()


def _without_type(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "resourceType"}


def test_fhirclient_runs_the_whole_path_and_learns_that_an_order_needs_if_match(serving: Serving):
    server: FHIRServer = FHIRClient(settings={"app_id": "tests", "api_base": f"{serving.base}/fhir/r4"}).server
    made = patient.Patient({"resourceType": "Patient", "name": [{"family": "Example"}]}).create(server)
    subject = f"Patient/{made['id']}"
    sent = smart_bundle.Bundle(transaction(subject, *range(5), prefix="fhirclient"))
    server.post_json("", sent.as_json())
    search = medicationrequest.MedicationRequest.where({"patient": made["id"], "_count": "2"})
    found = list(search.perform_resources_iter(server))
    assert len({one.id for one in found}) == 5
    gave = medicationadministration.MedicationAdministration(given(subject, f"MedicationRequest/{found[0].id}"))
    gave.id = gave.create(server)["id"]
    gave.status = "completed"
    assert gave.update(server)["meta"]["versionId"] == "2"
    history = server.request_json(f"MedicationAdministration/{gave.id}/_history")
    assert [one["resource"]["status"] for one in history["entry"]] == ["completed", "in-progress"]
    changed = found[0]
    changed.priority = "urgent"
    with pytest.raises(HTTPError) as refused:
        changed.update(server)
    assert refused.value.response.status_code == 400
    (issue,) = json.loads(refused.value.response.text)["issue"]
    assert issue["expression"] == ["If-Match"]
