from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.sync import compare

DOSE = {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": Decimal("1.50"), "unit": "mg"}}]}]}
ORDER = {"resourceType": "MedicationRequest", "status": "active", "subject": {"reference": "Patient/1"}, **DOSE}


def _with_dose(value: object) -> dict:
    return {**ORDER, "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": value, "unit": "mg"}}]}]}


@pytest.mark.parametrize(
    ("there", "codes"),
    [
        (ORDER, ()),
        ({**ORDER, "id": "9", "meta": {"versionId": "1"}, "note": [{"text": "x"}]}, ()),
        (_with_dose(Decimal("1.5")), ("dosageInstruction:precision",)),
        (_with_dose(Decimal("15.0")), ("dosageInstruction",)),
        (_with_dose("1.50"), ("dosageInstruction",)),
        (_with_dose(True), ("dosageInstruction",)),  # noqa: FBT003  the value of a table
        ({**ORDER, "status": "completed"}, ("status",)),
        ({**ORDER, "doNotPerform": True}, ("doNotPerform",)),
        ({name: value for name, value in ORDER.items() if name != "subject"}, ("subject",)),
    ],
)
def test_h15_what_a_peer_altered_is_named_without_values(there: dict[str, Any], codes: tuple[str, ...]):
    assert compare.altered(ORDER, there) == codes


def test_identifiers_that_a_peer_adds_are_no_alteration_but_ours_must_be_there():
    ours, theirs = {"system": "s", "value": "1"}, {"system": "t", "value": "2"}
    sent = {**ORDER, "identifier": [ours]}
    assert compare.altered(sent, {**ORDER, "identifier": [theirs, ours]}) == ()
    assert compare.altered(sent, {**ORDER, "identifier": [theirs]}) == ("identifier",)


@pytest.mark.parametrize("type_", ["MedicationRequest", "MedicationAdministration"])
def test_h15_extensions_that_a_peer_drops_or_changes_are_named_and_those_that_it_adds_are_not(type_: str):
    ours, theirs = {"url": "urn:a", "valueDecimal": Decimal("1.50")}, {"url": "urn:b", "valueString": "theirs"}
    sent = {"resourceType": type_, "extension": [ours]}
    assert compare.altered(sent, {"resourceType": type_, "extension": [theirs, ours]}) == ()
    assert compare.altered({"resourceType": type_}, {"resourceType": type_, "extension": [theirs]}) == ()
    assert compare.altered(sent, {"resourceType": type_}) == ("extension",)
    assert compare.altered(sent, {"resourceType": type_, "extension": [theirs]}) == ("extension",)
    rounded = {"resourceType": type_, "extension": [{**ours, "valueDecimal": Decimal("1.5")}]}
    assert compare.altered(sent, rounded) == ("extension:precision",)


def test_content_is_what_is_left_without_what_servers_set_and_without_a_minted_identifier():
    resource = {
        "resourceType": "MedicationRequest",
        "id": "1",
        "meta": {"versionId": "2", "lastUpdated": "x", "source": "#y", "security": [{"code": "R"}]},
        "text": {"status": "generated"},
        "identifier": [{"system": "s", "value": "1"}],
    }
    kept = {"resourceType": "MedicationRequest", "meta": {"security": [{"code": "R"}]}}
    assert compare.content(resource, ("s", "1")) == kept
    assert compare.content(resource) == {**kept, "identifier": [{"system": "s", "value": "1"}]}


def test_values_are_the_same_by_their_spelling_and_by_the_order_of_arrays_only():
    assert compare.same({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})
    assert not compare.same([1, 2], [2, 1])
    assert not compare.same(Decimal("1.50"), Decimal("1.5"))


@pytest.mark.parametrize(
    ("there", "equivalent"),
    [
        (ORDER, True),
        (
            {
                **ORDER,
                "id": "9",
                "meta": {"tag": [{"code": "x"}]},
                "text": {"div": "x"},
                "identifier": [{"value": "1"}],
            },
            True,
        ),
        (_with_dose(Decimal("1.5")), True),
        (_with_dose(Decimal("1.51")), False),
        ({**ORDER, "note": [{"text": "somebody else's"}]}, False),
        ({**ORDER, "priority": "stat"}, False),
        ({name: value for name, value in ORDER.items() if name != "subject"}, False),
    ],
)
def test_f12_what_is_there_is_ours_only_if_it_is_all_of_ours_and_nothing_more(
    there: dict[str, Any], equivalent: object
) -> None:
    assert compare.equivalent(ORDER, there) == equivalent


NAMED = {**ORDER, "identifier": [{"system": "s", "value": "1"}]}


def test_what_is_there_is_somebody_elses_only_if_no_identifier_is_of_both():
    more = {**NAMED, "identifier": [*NAMED["identifier"], {"system": "theirs", "value": "9"}]}
    assert not compare.is_another(NAMED, {**more, "subject": {"reference": "Patient/2"}})
    assert compare.is_another(NAMED, {**NAMED, "identifier": [{"system": "s", "value": "2"}]})
    assert compare.is_another(NAMED, {**ORDER, "subject": {"reference": "Patient/2"}})
    assert not compare.is_another(NAMED, ORDER)


def test_an_answer_speaks_of_another_where_it_has_identifiers_and_not_ours_or_none_and_another_patient():
    moved = {"reference": "Patient/2"}
    other = [{"system": "s", "value": "2"}]
    assert not compare.is_answer_to_another(NAMED, {**NAMED, "subject": moved}, "s", "1")
    assert not compare.is_answer_to_another(NAMED, {**NAMED, "identifier": [*other, *NAMED["identifier"]]}, "s", "1")
    assert compare.is_answer_to_another(NAMED, {**NAMED, "identifier": other}, "s", "1")
    assert not compare.is_answer_to_another(NAMED, ORDER, "s", "1")
    assert compare.is_answer_to_another(NAMED, {**ORDER, "subject": moved}, "s", "1")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (Decimal("1.50"), Decimal("1.5"), True),
        (1, Decimal("1.0"), True),
        (True, 1, False),
        (0, False, False),
        ("1", 1, False),
        (None, 0, False),
        ([1], [1, 1], False),
        ({"a": None}, {}, False),
    ],
)
def test_numbers_are_alike_by_value_and_nothing_else_is_a_number(one: Any, other: Any, alike: bool):  # noqa: FBT001  a column of the table
    assert compare.alike(one, other) is alike


R = {"system": "urn:labels", "code": "R"}
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


@pytest.mark.parametrize(
    ("sent", "kept", "labelled"),
    [
        ({}, {"security": [R]}, True),
        ({}, {"tag": [R]}, True),
        ({"tag": [R]}, {"security": [R], "tag": [R]}, True),
        ({"tag": [R], "security": [R]}, {"security": [R], "tag": [R]}, False),
        ({"tag": [R]}, {}, False),
        ({}, {"tag": [SUBSETTED]}, False),
        ({}, {"versionId": "2", "profile": ["urn:a"]}, False),
        ({}, [], False),
        ({}, {"security": 7, "tag": {}}, False),
    ],
)
def test_a_label_of_theirs_is_one_that_was_not_sent(sent: object, kept: object, *, labelled: bool):
    assert compare.is_labelled({"meta": sent}, {"meta": kept}) is labelled
