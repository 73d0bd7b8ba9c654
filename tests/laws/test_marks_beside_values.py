"""What stands beside a simple value (`_name`) goes back only beside that very value: an edit leaves no old one in it."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.mapping import interpret_write
from fhir_infusion.mapping.compile import interpreted
from fhir_infusion.mapping.trace import Recorder
from fhir_infusion.records.number import from_spelling
from tests.laws.kit import Json, each_release, lens, through_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.mapping.trace import Line

both = pytest.mark.parametrize("interpret", [True, False], ids=["interpreted", "compiled"])

EDITED = "the value that it stood beside was edited"
UCUM = "http://unitsofmeasure.org"


def said(words: str) -> Json:
    """Return what stands beside a text: an id, and the text in another language."""
    parts = [{"url": "lang", "valueCode": "nl"}, {"url": "content", "valueString": words}]
    return {
        "id": "t",
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/translation", "extension": parts}],
    }


def order(release: str) -> Json:
    drug = {
        "coding": [{"id": "c1", "system": "http://a.example", "code": "1", "display": "one", "_display": said("een")}],
        "text": "one",
        "_text": said("een"),
    }
    uncertain = {"extension": [{"url": "https://a.example/uncertainty", "valueDecimal": 6}]}
    dose = {"value": 6, "_value": uncertain, "unit": "mg", "_unit": said("mg"), "system": UCUM, "code": "mg"}
    return {
        "resourceType": "MedicationRequest",
        "language": "en",
        "_language": said("Engels"),
        "status": "active",
        "_status": said("actief"),
        "intent": "order",
        **({"medication": {"concept": drug}} if release == "R5" else {"medicationCodeableConcept": drug}),
        "subject": {"reference": "Patient/1", "display": "P", "_display": said("P.")},
        "encounter": {"reference": "Encounter/1", "display": "E", "_display": said("E.")},
        "dosageInstruction": [
            {
                "id": "s1",
                "text": "6 mg iv",
                "_text": said("6 mg intraveneus"),
                "patientInstruction": "6 mg",
                "_patientInstruction": said("zes mg"),
                "doseAndRate": [{"id": "d1", "doseQuantity": dose}],
            }
        ],
    }


def unedited(_: Json) -> None:
    """Leave the record as it is."""


def edited(
    release: str, edit: Callable[[Json], Any], *, interpret: bool, given: Json | None = None
) -> tuple[Json, list[Line]]:
    """Return what is written of the order after an edit of its record, and the lines of what was dropped."""
    here = lens("InfusionOrder", release)
    record = through_text(here.read(given or order(release)).result)
    edit(record)
    written = here.write(record)
    if interpret:
        _, writer = interpreted(here.plan)
        assert writer(written.source)[0] == written.result
    return written.result, [line for line in written.ledger.exceptions if line.state == "dropped"]


@both
@each_release
def test_what_stands_beside_a_value_comes_back_where_nothing_was_edited(release: str, *, interpret: bool):
    assert edited(release, unedited, interpret=interpret) == (order(release), [])


@each_release
def test_both_engines_keep_what_stands_beside_a_value_alike(release: str):
    here = lens("InfusionOrder", release)
    reader, _ = interpreted(here.plan)
    kept = {entry["path"]: entry["value"] for entry in here.read(order(release)).result["residue"]}
    assert {path: value for path, _, value in reader(order(release))[1]} == {
        path: value for path, value in kept.items() if not path.startswith("$")
    }
    assert kept["_status~"] == {"of": kept["_status~"]["of"], "mark": said("actief")}


@both
@each_release
def test_an_edited_dose_stands_in_no_translation_of_a_text(release: str, *, interpret: bool):
    def edit(record: Json) -> None:
        record["steps"][0]["dosings"][0]["dose"]["value"] = 12

    resource, lines = edited(release, edit, interpret=interpret)
    wanted = order(release)["dosageInstruction"][0]
    for name in ("text", "_text", "patientInstruction", "_patientInstruction"):
        del wanted[name]
    wanted["doseAndRate"][0]["doseQuantity"] = {
        "value": 12, "unit": "mg", "_unit": said("mg"), "system": UCUM, "code": "mg",
    }  # fmt: skip
    assert resource == {**order(release), "dosageInstruction": [wanted]}
    assert [(line.path, line.why) for line in lines if line.path.startswith("dosage")] == [
        ("dosageInstruction[s1].doseAndRate[d1].doseQuantity._value", EDITED),
        ("dosageInstruction[s1]._text", EDITED),
        ("dosageInstruction[s1]._patientInstruction", EDITED),
    ]


@both
@each_release
def test_an_edited_unit_keeps_no_translation_of_the_old_one(release: str, *, interpret: bool):
    def edit(record: Json) -> None:
        record["steps"][0]["dosings"][0]["dose"].update(unit="g", unit_text="g")

    resource, _ = edited(release, edit, interpret=interpret)
    dose = order(release)["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    assert resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] == {
        "value": 6, "_value": dose["_value"], "unit": "g", "system": UCUM, "code": "g",
    }  # fmt: skip


@both
@each_release
def test_another_drug_has_no_translation_of_the_old_display(release: str, *, interpret: bool):
    def edit(record: Json) -> None:
        record["drug"]["codings"][0].update(code="2", display="two")

    resource, lines = edited(release, edit, interpret=interpret)
    drug = resource["medication"]["concept"] if release == "R5" else resource["medicationCodeableConcept"]
    assert drug["coding"] == [{"id": "c1", "system": "http://a.example", "code": "2", "display": "two"}]
    assert [line.why for line in lines if line.path.endswith("coding[c1]._display")] == [EDITED]


@both
@each_release
def test_a_mark_beside_a_code_of_a_table_goes_with_the_code(release: str, *, interpret: bool):
    resource, lines = edited(release, lambda record: record.update(status="on-hold"), interpret=interpret)
    wanted = {name: value for name, value in order(release).items() if name != "_status"}
    assert resource == {**wanted, "status": "on-hold"}
    assert [(line.path, line.why) for line in lines] == [("_status", EDITED)]


@both
@each_release
@pytest.mark.parametrize(("value", "comes_back"), [("6.0", True), ("6", False), ("6.00", False)])
def test_a_number_counts_as_it_is_spelled(release: str, value: str, *, comes_back: bool, interpret: bool):
    given = order(release)
    given["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = from_spelling("6.0")

    def edit(record: Json) -> None:
        record["steps"][0]["dosings"][0]["dose"]["value"] = from_spelling(value)

    resource, _ = edited(release, edit, interpret=interpret, given=given)
    dose = resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    assert ("_value" in dose) is comes_back


@both
@each_release
def test_the_reason_for_the_absence_of_a_value_goes_where_there_is_one(release: str, *, interpret: bool):
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    given = {**order(release), "_authoredOn": absent}
    resource, _ = edited(release, unedited, interpret=interpret, given=given)
    assert resource == given
    resource, lines = edited(
        release, lambda record: record.update(ordered_at="2026-01-02"), interpret=interpret, given=given
    )
    assert (resource["authoredOn"], "_authoredOn" in resource) == ("2026-01-02", False)
    assert ("_authoredOn", "the value that was absent is there now") in [(line.path, line.why) for line in lines]


@both
@each_release
def test_a_repaired_unit_comes_back_with_what_stands_in_and_beside_it(release: str, *, interpret: bool):
    given = order(release)
    dose = given["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    dose |= {
        "unit": "mcg",
        "code": "mcg",
        "_code": said("mcg"),
        "extension": [{"url": "https://a.example/x", "valueCode": "x"}],
    }
    assert edited(release, unedited, interpret=interpret, given=deepcopy(given)) == (given, [])


@each_release
def test_the_ledger_says_that_a_mark_is_carried_and_that_a_repaired_unit_is_mapped(release: str):
    given = order(release)
    given["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] = {"value": 6, "system": UCUM, "code": "mcg"}
    lines = lens("InfusionOrder", release).read(given).ledger.exceptions
    states = {line.path.rpartition(".")[2]: line.state for line in lines}
    assert (states["_text"], states["_status"], states["doseQuantity"]) == ("carried", "carried", "mapped")


def test_the_interpreter_writes_a_line_for_what_it_drops():
    here = lens("InfusionOrder", "R4")
    record = here.read(order("R4")).result
    recorder = Recorder()
    interpret_write.write(here.plan, {**record, "status": "on-hold"}, recorder)
    assert [line.path for line in recorder.lines if line.why == EDITED] == ["_status"]
