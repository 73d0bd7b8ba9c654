"""Both engines, interpreter and compiled functions, on small documents: lists in two places, choices, contained resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from tests.mapping.kit import KIT, bare, lens_of

if TYPE_CHECKING:
    from fhir_infusion.mapping.lens import Lens

Json = dict[str, Any]

both = pytest.mark.parametrize("interpret", [True, False], ids=["interpreted", "compiled"])


def refused(work: Any, value: Json) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as raised:
        work(value)
    return [(issue.path, issue.reason) for issue in raised.value.issues]


def comes_back(lens: Lens, record: Json, resource: Json) -> None:
    assert lens.write(record).result == resource
    assert bare(lens.read(resource).result) == record


# --- lists in two places ----------------------------------------------------------------------------------------------

ONLY_MANY = """
mapping: concept
between: {internal: Concept, fhir: Extension, release: R4}
uses: [kit]
pairs:
  codings[only]: valueCoding
  codings[many]: {fhir: "extension[url=more][].valueCoding", warn: several}
  text: {drop: true, why: codes only}
"""


@both
def test_a_lone_element_and_several_have_places_of_their_own(*, interpret: bool):
    lens = lens_of(ONLY_MANY, "Extension", interpret=interpret, kit=KIT)
    comes_back(lens, {"codings": [{"code": "a"}]}, {"valueCoding": {"code": "a"}})
    more = [{"url": "more", "valueCoding": {"code": code}} for code in "ab"]
    comes_back(lens, {"codings": [{"code": "a"}, {"code": "b"}]}, {"extension": more})
    assert [finding.reason for finding in lens.read({"extension": more}).findings] == ["several"]
    assert lens.read({"valueCoding": {"code": "a"}}).findings == ()


@both
def test_a_lone_element_where_several_belong_is_refused(*, interpret: bool):
    lens = lens_of(ONLY_MANY, "Extension", interpret=interpret, kit=KIT)
    told = refused(lens.read, {"extension": [{"url": "more", "valueCoding": {"code": "a"}}]})
    assert told == [("Extension.extension", "a single element is not expected in this place")]


@both
def test_a_list_said_in_both_places_is_refused(*, interpret: bool):
    lens = lens_of(ONLY_MANY, "Extension", interpret=interpret, kit=KIT)
    more = [{"url": "more", "valueCoding": {"code": code}} for code in "ab"]
    told = refused(lens.read, {"valueCoding": {"code": "c"}, "extension": more})
    assert "the same is said in another place of this resource" in [reason for _, reason in told]
    with pytest.raises(Refused) as raised:
        lens.read({"valueCoding": {"code": "c"}, "extension": more})
    assert {(one.rule, one.code) for one in raised.value.issues} == {("alternative", "business-rule")}


@both
def test_a_dropped_field_is_told(*, interpret: bool):
    lens = lens_of(ONLY_MANY, "Extension", interpret=interpret, kit=KIT)
    written = lens.write({"codings": [{"code": "a"}], "text": "words"})
    assert written.result == {"valueCoding": {"code": "a"}}
    assert [(line.path, line.state, line.why) for line in written.ledger.exceptions] == [
        ("text", "dropped", "codes only")
    ]


FIRST_REST = """
mapping: concept
between: {internal: Concept, fhir: Extension, release: R4}
uses: [kit]
pairs:
  codings[first]: {fhir: valueCoding, when: text missing}
  codings[rest]: extension[url=more][].valueCoding
  text: extension[url=text].valueString
"""


@both
def test_the_first_goes_to_its_place_where_that_may_be_used_and_else_to_the_rest(*, interpret: bool):
    lens = lens_of(FIRST_REST, "Extension", interpret=interpret, kit=KIT)
    more = [{"url": "more", "valueCoding": {"code": code}} for code in "abc"]
    codings = [{"code": code} for code in "abc"]
    comes_back(lens, {"codings": codings}, {"valueCoding": {"code": "a"}, "extension": more[1:]})
    comes_back(lens, {"codings": codings[:1]}, {"valueCoding": {"code": "a"}})
    text = {"url": "text", "valueString": "t"}
    comes_back(lens, {"codings": codings, "text": "t"}, {"extension": [*more, text]})


@both
def test_the_rest_without_its_first_is_refused_where_the_first_has_a_place(*, interpret: bool):
    lens = lens_of(FIRST_REST, "Extension", interpret=interpret, kit=KIT)
    told = refused(lens.read, {"extension": [{"url": "more", "valueCoding": {"code": "a"}}]})
    assert told == [("Extension.extension", "the first of these belongs in a place of its own, which is empty")]
    told = refused(lens.read, {"valueCoding": {"code": "a"}, "extension": [{"url": "text", "valueString": "t"}]})
    assert told == [("Extension.valueCoding.code", "this is not the place for it here")]


def test_the_rest_is_told_under_its_own_index_when_written():
    lens = lens_of(FIRST_REST, "Extension", kit=KIT)
    codings = [{"code": "a"}, {"code": "b"}]
    lines = {line.path: line.to for line in lens.write({"codings": codings}).ledger.lines()}
    assert lines == {"codings[0].code": "valueCoding.code", "codings[1].code": "extension[url=more][].valueCoding.code"}
    assert refused(lens.write, {"codings": [{"code": "a"}, {"speed": 1}]}) == [
        ("codings[1].speed", "this is not a field of the record")
    ]


def test_a_path_behind_brackets_is_read_under_the_index_of_the_record():
    lens = lens_of(FIRST_REST, "Extension", kit=KIT)
    resource = {"valueCoding": {"code": "a"}, "extension": [{"url": "more", "valueCoding": {"code": "b"}}]}
    lines = {line.path: line.to for line in lens.read(resource).ledger.lines() if line.path.endswith("code")}
    assert lines == {
        "Extension.valueCoding.code": "codings[first].code",
        "Extension.extension[0].valueCoding.code": "codings[rest][0].code",
    }


LIST_ALTERNATIVES = """
mapping: concept
between: {internal: Concept, fhir: CodeableConcept, release: R4}
uses: [kit]
pairs:
  text: text
  codings[]:
    - {fhir: "coding[]", when: text exists}
    - {fhir: "extension[url=coding][].valueCoding", when: text missing}
"""


@both
def test_a_list_goes_to_the_first_place_whose_condition_holds(*, interpret: bool):
    lens = lens_of(LIST_ALTERNATIVES, "CodeableConcept", interpret=interpret, kit=KIT)
    comes_back(lens, {"text": "t", "codings": [{"code": "a"}]}, {"text": "t", "coding": [{"code": "a"}]})
    extension = [{"url": "coding", "valueCoding": {"code": "a"}}]
    comes_back(lens, {"codings": [{"code": "a"}]}, {"extension": extension})
    told = refused(lens.read, {"text": "t", "extension": extension})
    assert told == [("CodeableConcept.extension", "this is not the place for it here")]


NO_PLACE = LIST_ALTERNATIVES.replace('    - {fhir: "extension[url=coding][].valueCoding", when: text missing}\n', "")


@both
def test_a_list_that_no_place_takes_is_refused(*, interpret: bool):
    lens = lens_of(NO_PLACE, "CodeableConcept", interpret=interpret, kit=KIT)
    told = refused(lens.write, {"codings": [{"code": "a"}]})
    assert told == [("codings", "no pair of the mapping takes a list of this length in this release")]


# --- slices and criteria ----------------------------------------------------------------------------------------------


@both
def test_a_criterion_through_an_object_is_written_and_asked_for(*, interpret: bool):
    text = """
mapping: m
between: {internal: Identifier, fhir: MedicationRequest, release: R4}
always: {resourceType: MedicationRequest}
pairs:
  value: identifier[assigner.display=us].value
  use: {drop: true, why: w}
  type: {drop: true, why: w}
  system: {drop: true, why: w}
  period: {drop: true, why: w}
  assigner: {drop: true, why: w}
"""
    lens = lens_of(text, "MedicationRequest", interpret=interpret)
    resource = {
        "resourceType": "MedicationRequest",
        "identifier": [{"assigner": {"display": "us"}, "value": "1"}],
    }
    assert lens.write({"value": "1"}).result == resource
    read = lens.read({"resourceType": "MedicationRequest", "identifier": [{"value": "2"}, *resource["identifier"]]})
    assert read.result["value"] == "1"
    assert lens.write(read.result).result["identifier"] == [{"value": "2"}, *resource["identifier"]]


@both
def test_an_element_that_would_be_read_back_as_another_field_is_refused(*, interpret: bool):
    text = """
mapping: m
between: {internal: Concept, fhir: MedicationRequest, release: R4}
always: {resourceType: MedicationRequest}
pairs:
  text: "category[text exists].text"
  codings[]: {fhir: "category[]", pairs: {display: text, code: {drop: true, why: w}, system: {drop: true, why: w}, version: {drop: true, why: w}, user_selected: {drop: true, why: w}}}
"""
    lens = lens_of(text, "MedicationRequest", interpret=interpret)
    told = refused(lens.write, {"codings": [{"display": "a"}]})
    assert told == [("category", "an element of this list would be read back as another field")]


# --- drops of the resource --------------------------------------------------------------------------------------------

DROPS = """
mapping: period
between: {internal: Period, fhir: Timing.repeat, release: R4}
drop: {count: {why: counted elsewhere}}
pairs: {start: boundsPeriod.start, end: boundsPeriod.end}
"""


@both
def test_an_element_that_a_document_drops_is_told_and_does_not_come_back(*, interpret: bool):
    lens = lens_of(DROPS, "Timing.repeat", interpret=interpret)
    read = lens.read({"boundsPeriod": {"start": "2024"}, "count": 3})
    assert read.result == {"start": "2024"}
    assert [(line.path, line.state, line.why) for line in read.ledger.exceptions] == [
        ("Timing.repeat.count", "dropped", "counted elsewhere")
    ]
    assert lens.read({"boundsPeriod": {"start": "2024"}}).ledger.exceptions == ()


# --- quantities -------------------------------------------------------------------------------------------------------


@both
def test_a_quantity_that_no_codec_takes_is_refused_with_what_they_take(*, interpret: bool):
    text = """
mapping: m
between: {internal: PeriodLimit, fhir: Ratio, release: R4}
pairs:
  numerator: {fhir: numerator, as: rate}
  denominator: {fhir: denominator, as: not-rate}
"""
    lens = lens_of(text, "Ratio", interpret=interpret)
    resource = {
        "numerator": {"value": 1, "unit": "mL"},
        "denominator": {"value": 1, "system": "http://unitsofmeasure.org", "code": "mL/h"},
    }
    assert [path for path, _ in refused(lens.read, resource)] == ["Ratio.numerator", "Ratio.denominator"]
    with pytest.raises(Refused) as raised:
        lens.write({"numerator": {"value": 1, "unit": "mL"}})
    assert raised.value.issues[0].accepted == "a quantity whose unit is per time, such as mL/h"


# --- beside a primitive -----------------------------------------------------------------------------------------------


@both
def test_an_extension_beside_a_primitive_holds_a_field_and_leaves_the_rest_as_it_was(*, interpret: bool):
    text = """
mapping: period
between: {internal: Period, fhir: Period, release: R4}
pairs:
  start: start
  end: _start.extension[url=urn:end].valueDateTime
"""
    lens = lens_of(text, "Period", interpret=interpret)
    resource: Json = {"start": "2024", "_start": {"extension": [{"url": "urn:end", "valueDateTime": "2025"}]}}
    comes_back(lens, {"start": "2024", "end": "2025"}, resource)
    marked = {"start": "2024", "_start": {"id": "i", "extension": [{"url": "urn:x"}, *resource["_start"]["extension"]]}}
    read = lens.read(marked).result
    assert bare(read) == {"start": "2024", "end": "2025"}
    assert lens.write(read).result == marked


# --- contained resources ----------------------------------------------------------------------------------------------

CONTAINED = """
mapping: m
between: {internal: VascularAccess, fhir: MedicationRequest, release: R4}
always: {resourceType: MedicationRequest}
mapped-or-refused: [medicationReference]
uses: [kit]
pairs:
  access: {fhir: medicationReference->Medication.code, pairs: {"codings[]": "coding[]", text: text}}
  lumen: medicationReference->Medication.batch.lotNumber
  device: {fhir: medicationReference, pairs: {reference: reference, type: type, display: display, identifier: {drop: true, why: w}}}
"""


@both
def test_a_reference_is_followed_and_kept_where_no_record_object_owns_the_resource(*, interpret: bool):
    lens = lens_of(CONTAINED, "MedicationRequest", interpret=interpret, kit=KIT)
    resource = {
        "resourceType": "MedicationRequest",
        "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "x"}, "batch": {"lotNumber": "7"}}],
        "medicationReference": {"reference": "#m"},
    }
    comes_back(lens, {"access": {"text": "x"}, "lumen": "7", "device": {"reference": "#m"}}, resource)


@both
def test_what_is_left_over_in_a_contained_resource_comes_back_and_a_guarded_element_is_refused(*, interpret: bool):
    lens = lens_of(CONTAINED, "MedicationRequest", interpret=interpret, kit=KIT)
    medication = {
        "resourceType": "Medication",
        "id": "m",
        "meta": {"versionId": "1"},
        "extension": [{"url": "urn:x", "valueCode": "x"}],
        "code": {"text": "x", "coding": [{"code": "c", "extension": [{"url": "urn:y", "valueCode": "y"}]}]},
    }
    resource: Json = {
        "resourceType": "MedicationRequest",
        "contained": [{"resourceType": "Patient", "id": "p"}, medication, {"resourceType": "Patient", "id": "a"}],
        "medicationReference": {"reference": "#m", "display": "d"},
    }
    assert lens.write(lens.read(resource).result).result == resource
    resource["contained"][1] = {**medication, "status": "active"}
    told = refused(lens.read, resource)
    assert [path for path, _ in told] == ["MedicationRequest.medicationReference->Medication.status"]


@both
def test_a_reference_to_another_type_is_not_followed(*, interpret: bool):
    lens = lens_of(CONTAINED, "MedicationRequest", interpret=interpret, kit=KIT)
    resource: Json = {
        "resourceType": "MedicationRequest",
        "contained": [{"resourceType": "Substance", "id": "m", "code": {"text": "x"}}],
        "medicationReference": {"reference": "#m"},
    }
    read = lens.read(resource).result
    assert bare(read) == {"device": {"reference": "#m"}}
    assert lens.write(read).result == resource


OWNED = """
mapping: m
between: {internal: VascularAccess, fhir: MedicationRequest, release: R4}
always: {resourceType: MedicationRequest}
uses: [kit]
pairs:
  access: {fhir: medicationReference->Medication.code, pairs: {"codings[]": "coding[]", text: text}}
  lumen: groupIdentifier.value
  device: {fhir: subject->Patient, pairs: {reference: birthDate, type: {drop: true, why: w}, display: {drop: true, why: w}, identifier: {drop: true, why: w}}}
"""


@both
def test_a_record_object_that_is_a_contained_resource_owns_its_id(*, interpret: bool):
    text = OWNED.replace("reference: birthDate", "reference: language")
    lens = lens_of(text, "MedicationRequest", interpret=interpret, kit=KIT)
    patient = {"resourceType": "Patient", "id": "device", "language": "de"}
    resource = {"resourceType": "MedicationRequest", "subject": {"reference": "#device"}, "contained": [patient]}
    comes_back(lens, {"device": {"reference": "de"}}, resource)
    named = {**resource, "subject": {"reference": "#p"}, "contained": [{**patient, "id": "p"}]}
    comes_back(lens, {"device": {"reference_id": "p", "reference": "de"}}, named)
    others = [{"resourceType": "Patient", "id": name} for name in "az"]
    between = {**resource, "contained": [others[0], patient, others[1]]}
    assert lens.write(lens.read(between).result).result == between
    empty = {**resource, "contained": [{"resourceType": "Patient", "id": "device"}]}
    comes_back(lens, {"device": {"reference_id": "device"}}, empty)


@both
def test_a_display_of_what_was_edited_since_does_not_go_back_and_has_a_line(*, interpret: bool):
    text = OWNED.replace("reference: birthDate", "reference: language")
    lens = lens_of(text, "MedicationRequest", interpret=interpret, kit=KIT)
    resource: Json = {
        "resourceType": "MedicationRequest",
        "subject": {"reference": "#device", "display": "d"},
        "contained": [{"resourceType": "Patient", "id": "device", "language": "de"}],
    }
    read = lens.read(resource).result
    assert lens.write(read).result == resource
    edited = lens.write({**read, "device": {"reference": "fr"}})
    assert edited.result["subject"] == {"reference": "#device"}
    assert [(line.path, line.state) for line in edited.ledger.exceptions] == [("subject.display", "dropped")]


@both
def test_a_condition_on_the_fhir_side_decides_reading_and_not_writing(*, interpret: bool):
    text = DROPS.replace("start: boundsPeriod.start,", 'start: {fhir: boundsPeriod.start, when: "fhir:count exists"},')
    lens = lens_of(text, "Timing.repeat", interpret=interpret)
    assert lens.write({"start": "2024"}).result == {"boundsPeriod": {"start": "2024"}}
    assert bare(lens.read({"boundsPeriod": {"start": "2024"}, "count": 3}).result) == {"start": "2024"}
