"""Which redirects say that a resource has another id now."""

from __future__ import annotations

import pytest

from fhir_infusion.sync.addresses import leads_to_another

BASE = "https://fhir.example/r4"


@pytest.mark.parametrize(
    ("path", "location", "leads"),
    [
        ("/MedicationRequest/7", "MedicationRequest/8", True),
        ("/MedicationRequest/7", f"{BASE}/MedicationRequest/8/_history/3", True),
        ("/MedicationRequest/7", f"{BASE}/MedicationRequest/7/", False),
        ("/MedicationRequest/7", f"{BASE}/MedicationRequest/7/_history/2", False),
        ("/MedicationRequest/7", f"{BASE}/Patient/8", False),
        ("/MedicationRequest/7", "https://elsewhere.example/r4/MedicationRequest/8", False),
        ("/MedicationRequest/7", "", False),
        ("/MedicationRequest/7", f"{BASE}/MedicationRequest?identifier=7", False),
        ("/MedicationRequest/7", f"{BASE}/MedicationRequest/$everything", False),
        ("/MedicationRequest/_history?_count=5", f"{BASE}/MedicationRequest/8", False),
        ("/MedicationRequest/$export", f"{BASE}/MedicationRequest/8", False),
        ("/_operations/export-7", f"{BASE}/_operations/export-8", False),
        ("/jobs/7", f"{BASE}/jobs/8", False),
        ("/MedicationRequest", f"{BASE}/MedicationRequest/8", False),
        ("/metadata", f"{BASE}/MedicationRequest/8", False),
    ],
)
def test_only_the_address_of_a_resource_leads_to_one_of_its_type_with_another_id(
    path: str, location: str, *, leads: bool
):
    assert leads_to_another(BASE, path, location) == leads
