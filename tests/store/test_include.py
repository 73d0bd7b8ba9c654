"""What comes along with a page: everything that was asked for, once, and of too much as much as is told."""

import pytest

from tests.store.finding import along, keep

GRAPH = (
    {"resourceType": "Patient", "id": "p", "generalPractitioner": [{"reference": "Practitioner/d"}], "managingOrganization": {"reference": "Organization/h"}},
    {"resourceType": "Practitioner", "id": "d"},
    {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/d"}, "organization": {"reference": "Organization/h"}},
    {"resourceType": "Organization", "id": "h", "partOf": {"reference": "Organization/g"}},
    {"resourceType": "Organization", "id": "g", "partOf": {"reference": "Organization/h"}},
    {"resourceType": "MedicationRequest", "id": "o", "subject": {"reference": "Patient/p"}, "requester": {"reference": "PractitionerRole/r"}, "encounter": {"reference": "Encounter/gone"}},
    {"resourceType": "MedicationRequest", "id": "q", "subject": {"reference": "Patient/p"}, "requester": {"reference": "http://else/Practitioner/d"}},
    {"resourceType": "MedicationAdministration", "id": "m", "request": {"reference": "MedicationRequest/o"}},
    {"resourceType": "MedicationAdministration", "id": "n", "request": {"reference": "MedicationRequest/o"}},
    {"resourceType": "Provenance", "id": "v", "target": [{"reference": "MedicationAdministration/m"}, {"reference": "MedicationRequest/o"}]},
)  # fmt: skip

ASKED = {
    "MedicationRequest?_include=MedicationRequest:patient": ["Patient/p"],
    "MedicationRequest?_include=MedicationRequest:subject:Patient": ["Patient/p"],
    "MedicationRequest?_include=MedicationRequest:subject:Group": [],
    "MedicationRequest?_include=MedicationRequest:encounter": [],
    "MedicationRequest?_include=MedicationRequest:requester": ["PractitionerRole/r"],
    "MedicationRequest?_include=MedicationRequest:*": ["Patient/p", "PractitionerRole/r"],
    "MedicationRequest?_include=*": ["Patient/p", "PractitionerRole/r"],
    "MedicationRequest?_include=MedicationRequest:requester&_include=MedicationRequest:patient": ["PractitionerRole/r", "Patient/p"],
    "MedicationRequest?_include=MedicationRequest:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof": ["Patient/p", "Organization/h", "Organization/g"],
    "MedicationRequest?_revinclude=MedicationAdministration:request": ["MedicationAdministration/m", "MedicationAdministration/n"],
    "MedicationRequest?_revinclude=MedicationAdministration:request&_revinclude:iterate=Provenance:target": ["MedicationAdministration/m", "MedicationAdministration/n", "Provenance/v"],
    "MedicationRequest?_id=q&_revinclude=MedicationAdministration:request": [],
    "MedicationRequest?_revinclude=Provenance:target": ["Provenance/v"],
    "MedicationAdministration?_include=MedicationAdministration:request&_include:iterate=MedicationRequest:patient": ["MedicationRequest/o", "Patient/p"],
    "Patient?_revinclude=MedicationRequest:patient&_revinclude:iterate=MedicationAdministration:request": ["MedicationRequest/o", "MedicationRequest/q", "MedicationAdministration/m", "MedicationAdministration/n"],
    "Organization?_include=Organization:partof": [],
    "Organization?_id=h&_include:iterate=Organization:partof": ["Organization/g"],
    "Organization?_id=h&_revinclude=*": ["Organization/g", "Patient/p", "PractitionerRole/r"],
}  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_what_comes_along_comes_once_and_is_no_match(store, asked):
    keep(store, *GRAPH)
    assert along(store, asked) == (ASKED[asked], True)


def test_of_too_much_as_much_comes_along_as_may_and_that_is_told(store):
    keep(store, *GRAPH)
    asked = "MedicationRequest?_revinclude=MedicationAdministration:request&_include=MedicationRequest:patient"
    assert along(store, asked, most=3) == (
        ["MedicationAdministration/m", "MedicationAdministration/n", "Patient/p"],
        True,
    )
    assert along(store, asked, most=2) == (["MedicationAdministration/m", "MedicationAdministration/n"], False)


def test_nothing_of_another_tenant_comes_along(store):
    keep(store, GRAPH[5], tenant="one")
    keep(store, *GRAPH, tenant="two")
    everything = (
        "MedicationRequest?_include=*&_include:iterate=*&_revinclude=MedicationAdministration:request&_revinclude=*"
    )
    assert along(store, everything, tenant="one") == ([], True)
