"""A site with its side is a BodyStructure that HL7's bodySite extension points to."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import differences
from tests.golden_write import translator

Json = dict[str, Any]

BODY_SITE = "http://hl7.org/fhir/StructureDefinition/bodySite"
ARM: Json = {
    "resourceType": "BodyStructure",
    "id": "arm",
    "location": {"text": "arm"},
    "locationQualifier": [{"text": "left"}, {"text": "upper"}],
    "patient": {"reference": "Patient/1"},
}
ARM_IN_R5: Json = {
    "resourceType": "BodyStructure",
    "id": "arm",
    "includedStructure": [{"structure": {"text": "arm"}, "qualifier": [{"text": "left"}, {"text": "upper"}]}],
    "patient": {"reference": "Patient/1"},
}
READ: Json = {
    "structure_id": "arm",
    "location": {"text": "arm"},
    "qualifiers": [{"text": "left"}, {"text": "upper"}],
    "patient": {"reference": "Patient/1"},
}


def order(release: str, *references: str, arm: Json | None = None) -> Json:
    concept = {"text": "dobutamine"}
    contained = arm or (ARM if release == "R4" else ARM_IN_R5)
    return {
        "resourceType": "MedicationRequest",
        "contained": [deepcopy(contained)] if any(one == "#arm" for one in references) else [],
        "status": "active",
        "intent": "order",
        **({"medicationCodeableConcept": concept} if release == "R4" else {"medication": {"concept": concept}}),
        "subject": {"reference": "Patient/1"},
        "dosageInstruction": [
            {
                "sequence": number,
                "site": {"extension": [{"url": BODY_SITE, "valueReference": {"reference": reference}}]},
                "doseAndRate": [{"doseQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "mg"}}],
            }
            for number, reference in enumerate(references, 1)
        ],
    }


def read(resource: Json, release: str) -> Json:
    """Read a resource, asserting that it comes back equal and that both readers agree."""
    given = {name: value for name, value in resource.items() if value != []}
    lens = translator().lens(release, "MedicationRequest")
    record = lens.read(given).result
    assert list(differences(given, lens.write(record).result)) == []
    again = translator().to_internal(given, release).results[0]
    assert list(differences(given, translator().to_fhir(again, release, as_sent=True).results[0])) == []
    return record


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_site_and_its_side_are_read(release: str):
    (step,) = read(order(release, "#arm"), release)["steps"]
    assert step["body_structure"] == READ
    assert "body_site" not in step


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_two_steps_at_one_site_share_one_structure(release: str):
    one, two = read(order(release, "#arm", "#arm"), release)["steps"]
    assert one["body_structure"] == READ
    assert two["site_reference"] == {"reference": "#arm"}


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_a_structure_elsewhere_stays_a_reference(release: str):
    (step,) = read(order(release, "BodyStructure/5"), release)["steps"]
    assert step["site_reference"] == {"reference": "BodyStructure/5"}


def test_through_r5_the_side_comes_back():
    record = read(order("R4", "#arm"), "R4")
    five = translator().lens("R5", "MedicationRequest").write(record).result
    assert five["contained"] == [ARM_IN_R5]
    back = translator().lens("R5", "MedicationRequest").read(five).result
    assert back["steps"][0]["body_structure"] == READ


def test_several_structures_of_r5_are_not_one_site_and_none_is_chosen():
    both = {**ARM_IN_R5, "includedStructure": [{"structure": {"text": "arm"}}, {"structure": {"text": "hand"}}]}
    with pytest.raises(Refused) as refusal:
        read(order("R5", "#arm", arm=both), "R5")
    assert [issue.path.rpartition("->")[2] for issue in refusal.value.issues] == ["BodyStructure.includedStructure[1]"]
