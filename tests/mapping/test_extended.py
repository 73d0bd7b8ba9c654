"""An element that holds an extension which is not understood: an edit of it is told, an edit elsewhere is not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from tests.golden_write import RELEASES, goldens, resources_of, translator

Json = dict[str, Any]

UNKNOWN: Json = {"url": "https://example.org/confirmed-by-phone", "valueBoolean": True}
MORE: Json = {"url": "https://example.org/checked-twice", "valueBoolean": True}
RULE = "edited-extension"


def request() -> Json:
    """Return a request whose dose, timing and dosage may hold more than is understood."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "medicationCodeableConcept": {"text": "dobutamine"},
        "dosageInstruction": [
            {
                "sequence": 1,
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [
                    {
                        "doseQuantity": {"value": 250, "system": "http://unitsofmeasure.org", "code": "mg"},
                        "rateQuantity": {"value": 5, "system": "http://unitsofmeasure.org", "code": "mL/h"},
                    }
                ],
            }
        ],
    }


def read(resource: Json, release: str = "R4") -> Json:
    """Return the record of a resource, as our JSON carries it."""
    made = translator().to_internal(deepcopy(resource), release).results[0]
    return fhir_json.read(fhir_json.write(made))


def told(record: Json, release: str = "R4") -> list[str]:
    """Return the places of what is told when the record is written."""
    return [issue.path for issue in translator().to_fhir(record, release).findings if issue.rule == RULE]


def dosing(record: Json) -> Json:
    return record["steps"][0]["dosings"][0]  # type: ignore[no-any-return]  # an object


def held(element: str) -> Json:
    """Return a request in which that element holds an unknown extension."""
    made = request()
    step = made["dosageInstruction"][0]
    place = {
        "rate": step["doseAndRate"][0].get("rateQuantity"),
        "timing": step["timing"],
        "dosage": step,
        "order": made,
    }
    place[element]["extension"] = [deepcopy(UNKNOWN)]
    return made


@pytest.mark.parametrize("release", ["R4", "R4B"])
@pytest.mark.parametrize("element", ["rate", "timing", "dosage", "order"])
def test_an_unedited_element_is_told_of_nowhere(element: str, release: str):
    record = read(held(element), release)
    assert told(record, release) == []


def test_an_edited_rate_that_holds_an_unknown_extension_is_told_with_its_place():
    record = read(held("rate"))
    dosing(record)["rate"]["value"] = 7
    (path,) = told(record)
    assert path.startswith("dosageInstruction[")
    assert path.endswith("rateQuantity")
    (written,) = translator().to_fhir(record, "R4").results
    assert written["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["extension"] == [UNKNOWN], "it is not lost"


def test_an_edit_beside_the_element_is_not_told():
    record = read(held("rate"))
    dosing(record)["dose"]["value"] = 200
    record["status"] = "on-hold"
    assert told(record) == []


def test_an_edit_anywhere_within_the_element_is_told():
    record = read(held("dosage"))
    dosing(record)["dose"]["value"] = 200
    (path,) = told(record)
    assert path.startswith("dosageInstruction[")
    assert path.count(".") == 0


def test_an_edit_of_a_resource_that_holds_an_unknown_extension_itself_is_not_told():
    record = read(held("order"))
    dosing(record)["dose"]["value"] = 200
    assert told(record) == []


def test_several_extensions_in_one_element_are_told_once_and_those_of_two_elements_twice():
    resource = held("rate")
    step = resource["dosageInstruction"][0]
    step["doseAndRate"][0]["rateQuantity"]["extension"].append(MORE)
    step["timing"]["extension"] = [deepcopy(UNKNOWN)]
    record = read(resource)
    dosing(record)["rate"]["value"] = 7
    assert len(told(record)) == 1
    record["steps"][0]["timing"]["frequency"] = 2
    assert len(told(record)) == 2


def test_a_removed_element_is_told_by_the_ledger_alone():
    record = read(held("rate"))
    del dosing(record)["rate"]
    assert told(record) == []
    lost = [line.path for line in translator().to_fhir(record, "R4").exceptions if line.state == "dropped"]
    assert any("rateQuantity" in path for path in lost)


def test_strict_mode_refuses_the_edit():
    record = read(held("rate"))
    dosing(record)["rate"]["value"] = 7
    with pytest.raises(Refused) as refused:
        translator().to_fhir(record, "R4", strict=True)
    assert RULE in {issue.rule for issue in refused.value.issues}


def test_a_record_written_for_another_release_is_not_asked():
    record = read(held("rate"))
    dosing(record)["rate"]["value"] = 7
    assert told(record, "R5") == [], "the extension does not go there, which the ledger tells"


def test_lists_that_were_reordered_are_not_edited():
    resource = request()
    first = resource["dosageInstruction"][0]
    second = deepcopy(first) | {"sequence": 2}
    first["doseAndRate"][0]["rateQuantity"]["extension"] = [deepcopy(UNKNOWN)]
    second["doseAndRate"][0]["rateQuantity"]["extension"] = [deepcopy(MORE)]
    resource["dosageInstruction"].append(second)
    record = read(resource)
    record["steps"].reverse()
    assert told(record) == []
    dosing(record)["rate"]["value"] = 7
    assert len(told(record)) == 1


@pytest.mark.parametrize("release", RELEASES)
def test_no_golden_resource_with_unknown_extensions_everywhere_is_told_unedited(release: str):
    asked = 0
    for golden in goldens():
        for resource in resources_of(fhir_json.read(golden.fhir(release).read_bytes())):
            record = translator().to_internal(_with_unknown(resource), release).results[0]
            assert told(record, release) == []
            asked += any(entry["path"] == "$extended" for entry in record["residue"])
    assert asked > 50


def _with_unknown(value: Any) -> Any:
    """Return a resource with an unknown extension in every dosage, timing and quantity."""
    if isinstance(value, list):
        return [_with_unknown(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: _with_unknown(inner) for name, inner in value.items()}
    if {"value", "code"} <= made.keys() or "repeat" in made or "doseAndRate" in made:
        made["extension"] = [*made.get("extension", ()), deepcopy(UNKNOWN)]
    return made
