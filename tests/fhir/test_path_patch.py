"""FHIRPath Patch: the five operations, the paths, exact numbers, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import path_patch

ORDER = """{"resourceType":"MedicationRequest","id":"a","status":"active","intent":"order",
"identifier":[{"system":"s1","value":"1"},{"system":"s2","value":"2","use":"official"}],
"medicationCodeableConcept":{"text":"dobutamine"},"subject":{"reference":"Patient/7"},
"note":[{"text":"one"},{"text":"two"},{"text":"three"}],
"extension":[{"url":"http://x.example/a","valueString":"A"},{"url":"http://x.example/b","valueDecimal":1.50}],
"dosageInstruction":[
{"id":"s1","sequence":1,"doseAndRate":[{"doseQuantity":{"value":400.0,"unit":"mg"},"rateQuantity":{"value":2.50,"unit":"mL/h"}}]},
{"id":"s2","sequence":2,"text":"second","doseAndRate":[{"rateRatio":{"numerator":{"value":1.0},"denominator":{"value":1}}}]}]}"""
PATIENT = """{"resourceType":"Patient","birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"t","valueDateTime":"1970"}]},
"name":[{"given":["A",null,"C"],"_given":[null,{"extension":[{"url":"u","valueCode":"masked"}]}]}],"active":true}"""


def operation(kind: str, **parts: Any) -> dict[str, Any]:
    """One operation; a value is given as (name, value) such as ("valueCode", "stat")."""
    written: list[dict[str, Any]] = [{"name": "type", "valueCode": kind}]
    for name, value in parts.items():
        key = "valueInteger" if isinstance(value, int) else "valueString"
        content = value if isinstance(value, dict) else {key: value}
        written.append({"name": name, **content})
    return {"name": "operation", "part": written}


def patched(resource: str, *operations: dict[str, Any], release: str = "R4") -> dict[str, Any]:
    parameters = {"resourceType": "Parameters", "parameter": list(operations)}
    return path_patch.apply(path_patch.read(parameters), fhir_json.read(resource), release)


def at(resource: Any, *path: str | int) -> Any:
    for name in path:
        resource = resource[name]
    return resource


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("MedicationRequest.dosageInstruction[0].doseAndRate[0].dose.value", (0, "doseQuantity", "value")),
        ("dosageInstruction[0].doseAndRate[0].dose.ofType(Quantity).value", (0, "doseQuantity", "value")),
        ("dosageInstruction[0].doseAndRate[0].dose.as(Quantity).value", (0, "doseQuantity", "value")),
        ("dosageInstruction[0].doseAndRate.dose.ofType(FHIR.Quantity).value", (0, "doseQuantity", "value")),
        ("dosageInstruction.first().doseAndRate.first().rate.value", (0, "rateQuantity", "value")),
        ("dosageInstruction.where(id = 's1').doseAndRate.dose.value", (0, "doseQuantity", "value")),
        ("dosageInstruction.where(sequence = 1).doseAndRate.dose.value", (0, "doseQuantity", "value")),
        ("dosageInstruction.where(doseAndRate.dose.value = 400).doseAndRate.dose.value", (0, "doseQuantity", "value")),
        ("dosageInstruction.where(text.exists().not()).doseAndRate.dose.value", (0, "doseQuantity", "value")),
        ("dosageInstruction.where(sequence = 1 and id = 's1').doseAndRate.dose.value", (0, "doseQuantity", "value")),
        ("dosageInstruction.where(id != 's2').doseAndRate.dose.value", (0, "doseQuantity", "value")),
        (
            "dosageInstruction.where(text.exists()).doseAndRate.rate.numerator.value",
            (1, "rateRatio", "numerator", "value"),
        ),
        (
            "dosageInstruction.last().doseAndRate.rate.ofType(Ratio).numerator.value",
            (1, "rateRatio", "numerator", "value"),
        ),
        ("  dosageInstruction [ 1 ] . doseAndRate.rate.numerator.value ", (1, "rateRatio", "numerator", "value")),
    ],
)
def test_a_path_leads_to_the_one_place_that_it_names(path: str, place: tuple[Any, ...]):
    made = patched(ORDER, operation("replace", path=path, value={"valueDecimal": Decimal("7.250")}))
    number, *rest = place
    expected = fhir_json.read(ORDER)
    at(expected, "dosageInstruction", number, "doseAndRate", 0, *rest[:-1])[rest[-1]] = Decimal("7.250")
    assert fhir_json.write(made) == fhir_json.write(expected)


def test_an_extension_is_reached_by_its_url_and_a_decimal_keeps_every_digit():
    path = "extension('http://x.example/b').value"
    made = patched(ORDER, operation("replace", path=path, value={"valueDecimal": Decimal("2.500")}))
    assert fhir_json.write(made["extension"]) == (
        b'[{"url":"http://x.example/a","valueString":"A"},{"url":"http://x.example/b","valueDecimal":2.500}]'
    )
    assert b'"value":400.0' in fhir_json.write(made)


def test_the_type_of_a_choice_follows_the_value_that_replaces_it():
    value = {"valueReference": {"reference": "Medication/1"}}
    made = patched(ORDER, operation("replace", path="MedicationRequest.medication", value=value))
    assert "medicationCodeableConcept" not in made
    assert made["medicationReference"] == {"reference": "Medication/1"}
    path = "extension('http://x.example/b').value"
    made = patched(ORDER, operation("replace", path=path, value={"valueString": "B"}))
    assert made["extension"][1] == {"url": "http://x.example/b", "valueString": "B"}


def test_add_sets_an_element_appends_to_a_list_and_builds_what_has_no_type_of_its_own():
    note = {"part": [{"name": "text", "valueMarkdown": "four"}]}
    dispense = {
        "part": [
            {"name": "numberOfRepeatsAllowed", "valueUnsignedInt": 2},
            {"name": "quantity", "valueQuantity": {"value": Decimal("1.50"), "unit": "bag"}},
            {"name": "validityPeriod", "part": [{"name": "start", "valueDateTime": "2026-01-01"}]},
        ]
    }
    limit = {"valueQuantity": {"value": Decimal("5.0"), "unit": "mL/h"}}
    made = patched(
        ORDER,
        operation("add", path="MedicationRequest", name="priority", value={"valueCode": "stat"}),
        operation("add", path="MedicationRequest", name="note", value=note),
        operation("add", path="MedicationRequest", name="category", value={"valueCodeableConcept": {"text": "home"}}),
        operation("add", path="MedicationRequest", name="dispenseRequest", value=dispense),
        operation("add", path="MedicationRequest.dosageInstruction[1].doseAndRate[0]", name="dose", value=limit),
    )
    assert made["priority"] == "stat"
    assert made["note"][-1] == {"text": "four"}
    assert made["category"] == [{"text": "home"}]
    assert made["dispenseRequest"] == {
        "numberOfRepeatsAllowed": 2,
        "quantity": {"value": Decimal("1.50"), "unit": "bag"},
        "validityPeriod": {"start": "2026-01-01"},
    }
    assert made["dosageInstruction"][1]["doseAndRate"][0]["doseQuantity"] == limit["valueQuantity"]


def test_items_are_inserted_moved_and_deleted_in_place():
    value = {"valueAnnotation": {"text": "zero"}}
    first = patched(ORDER, operation("insert", path="MedicationRequest.note", index=0, value=value))
    assert [note["text"] for note in first["note"]] == ["zero", "one", "two", "three"]
    last = patched(ORDER, operation("insert", path="note", index=3, value=value))
    assert [note["text"] for note in last["note"]] == ["one", "two", "three", "zero"]
    moved = patched(ORDER, operation("move", path="MedicationRequest.note", source=0, destination=2))
    assert [note["text"] for note in moved["note"]] == ["two", "three", "one"]
    gone = patched(ORDER, operation("delete", path="MedicationRequest.note[1]"))
    assert [note["text"] for note in gone["note"]] == ["one", "three"]
    by_value = patched(ORDER, operation("delete", path="identifier.where(system = 's2' and use = 'official')"))
    assert by_value["identifier"] == [{"system": "s1", "value": "1"}]


def test_deleting_what_is_not_there_changes_nothing_and_what_is_emptied_is_gone():
    assert patched(ORDER, operation("delete", path="MedicationRequest.encounter")) == fhir_json.read(ORDER)
    emptied = patched(ORDER, *[operation("delete", path="MedicationRequest.note[0]")] * 3)
    assert "note" not in emptied


def test_the_twin_of_a_primitive_goes_with_it():
    gone = patched(PATIENT, operation("delete", path="Patient.birthDate"))
    assert "birthDate" not in gone
    assert "_birthDate" not in gone
    new = patched(PATIENT, operation("replace", path="Patient.birthDate", value={"valueDate": "1971"}))
    assert (new["birthDate"], "_birthDate" in new) == ("1971", False)
    one = patched(PATIENT, operation("delete", path="Patient.name[0].given[0]"))
    assert one["name"] == [{"given": [None, "C"], "_given": [{"extension": [{"url": "u", "valueCode": "masked"}]}]}]
    moved = patched(PATIENT, operation("move", path="Patient.name[0].given", source=1, destination=0))
    assert moved["name"][0]["given"] == [None, "A", "C"]
    assert moved["name"][0]["_given"][:2] == [{"extension": [{"url": "u", "valueCode": "masked"}]}, None]
    more = patched(PATIENT, operation("insert", path="Patient.name[0].given", index=1, value={"valueString": "B"}))
    assert more["name"][0]["given"] == ["A", "B", None, "C"]
    assert more["name"][0]["_given"] == [None, None, {"extension": [{"url": "u", "valueCode": "masked"}]}]
    path = "Patient.birthDate.extension('t').value"
    inner = patched(PATIENT, operation("replace", path=path, value={"valueDateTime": "1971"}))
    assert inner["_birthDate"] == {"extension": [{"url": "t", "valueDateTime": "1971"}]}


def test_r5_has_its_own_elements():
    resource = """{"resourceType":"MedicationRequest","status":"active","medication":{"concept":{"text":"a"}}}"""
    value = {"valueString": "b"}
    made = patched(resource, operation("replace", path="medication.concept.text", value=value), release="R5")
    assert made["medication"] == {"concept": {"text": "b"}}
    with pytest.raises(Refused):
        patched(resource, operation("add", path="MedicationRequest", name="medicationReference", value=value))


@pytest.mark.parametrize(
    "one",
    [
        operation(
            "replace", path="MedicationRequest.encounter", value={"valueReference": {"reference": "Encounter/1"}}
        ),
        operation("replace", path="MedicationRequest.note", value={"valueAnnotation": {"text": "x"}}),
        operation("replace", path="MedicationRequest", value={"valueString": "x"}),
        operation("replace", path="MedicationRequest.medication", value={"valueString": "x"}),
        operation("replace", path="MedicationRequest.medicationCodeableConcept.text", value={"valueString": "x"}),
        operation("delete", path="MedicationRequest.note"),
        operation("delete", path="MedicationRequest"),
        operation("add", path="MedicationRequest", name="status", value={"valueCode": "draft"}),
        operation("add", path="MedicationRequest", name="medication", value={"valueReference": {"reference": "M/1"}}),
        operation("add", path="MedicationRequest", name="nothing", value={"valueString": "x"}),
        operation("add", path="MedicationRequest.status", name="extension", value={"valueExtension": {"url": "x"}}),
        operation("add", path="MedicationRequest.encounter", name="display", value={"valueString": "x"}),
        operation("add", path="MedicationRequest.note", name="time", value={"valueDateTime": "2026"}),
        operation("insert", path="MedicationRequest.note", index=4, value={"valueAnnotation": {"text": "x"}}),
        operation("insert", path="MedicationRequest.status", index=0, value={"valueCode": "draft"}),
        operation("insert", path="MedicationRequest.note[0]", index=0, value={"valueAnnotation": {"text": "x"}}),
        operation("move", path="MedicationRequest.note", source=3, destination=0),
        operation("move", path="MedicationRequest.note", source=0, destination=3),
    ],
)
def test_an_operation_that_cannot_be_done_is_422_and_names_its_place(one: dict[str, Any]):
    harmless = operation("delete", path="MedicationRequest.encounter")
    with pytest.raises(Refused) as caught:
        patched(ORDER, harmless, one)
    (issue,) = caught.value.issues
    assert (issue.status, issue.code, issue.path) == (422, "processing", "Parameters.parameter[1]")


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "note[",
        "note[-1]",
        "note[1.5]",
        "note[99999999999]",
        "note..text",
        "note.where(text = )",
        "note.where()",
        "note.where(text ~ 'x')",
        "note.repeat(text)",
        "note.trace('x')",
        "note | identifier",
        "%resource",
        "note.where(text.matches('(a+)+$'))",
        "note.where(value = 1e99999)",
        "'text'",
        "note.first(1)",
        "a.where(" * 6 + "a = 1" + ")" * 6,
        "a" * 1_001,
        "note.text'",
    ],
)
def test_what_is_no_path_of_the_subset_is_400(path: str):
    with pytest.raises(Refused) as caught:
        patched(ORDER, operation("delete", path=path))
    assert caught.value.status == 400


VALUE = {"valueString": "x"}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"parameter": {}},
        {"parameter": [], "unknown": 1},
        {"parameter": ["operation"]},
        {"parameter": [{"name": "other", "part": []}]},
        {"parameter": [{"name": "operation"}]},
        {"parameter": [{"name": "operation", "part": {}}]},
        {"parameter": [operation("merge", path="note")]},
        {"parameter": [operation("delete")]},
        {"parameter": [operation("delete", path="note", name="x")]},
        {"parameter": [operation("delete", path=5)]},
        {"parameter": [operation("insert", path="note", index="0", value=VALUE)]},
        {"parameter": [operation("insert", path="note", index=-1, value=VALUE)]},
        {"parameter": [operation("replace", path="note", value={})]},
        {"parameter": [operation("replace", path="note", value={"valueString": "a", "valueCode": "b"})]},
        {"parameter": [operation("replace", path="note", value={"other": "a"})]},
        {"parameter": [operation("replace", path="note", value={"part": [{"valueString": "a"}]})]},
        {"parameter": [operation("delete", path="note", unknown="x")]},
        {"parameter": [{"name": "operation", "part": operation("delete", path="note")["part"] * 2}]},
        {"parameter": [operation("delete", path="note")] * 1_001},
    ],
)
def test_what_is_no_patch_is_400(parameters: dict[str, Any]):
    with pytest.raises(Refused) as caught:
        path_patch.read({"resourceType": "Parameters", **parameters})
    assert caught.value.status == 400
