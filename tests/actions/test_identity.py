"""Whether two Patients are one person, as far as they say: a table of what contradicts, and what names whom."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.actions import identity

JANE: dict[str, Any] = {
    "identifier": [{"system": "urn:mrn", "value": "1"}],
    "name": [{"family": "Ito", "given": ["Jane", "M."]}],
    "birthDate": "1970-01-02",
    "gender": "female",
}


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, ()),
        ({"name": [{"text": "ITO, Jane M"}]}, ()),
        ({"name": [{"family": "Roe"}, {"text": "jane m. ito"}]}, ()),
        ({"name": [{"family": "Ito", "given": ["Jane"]}]}, ("name",)),
        ({"name": [{"text": "Jane M. Ito", "family": "Roe"}]}, ()),
        ({"name": []}, ()),
        ({"name": None}, ()),
        ({"name": [{"use": "usual"}]}, ()),
        ({"birthDate": "1970"}, ()),
        ({"birthDate": "1970-01"}, ()),
        ({"birthDate": "1970-02"}, ("birthDate",)),
        ({"birthDate": "1971-01-02"}, ("birthDate",)),
        ({"gender": "unknown"}, ()),
        ({"gender": "other"}, ("gender",)),
        ({"name": [{"text": "Max Roe"}], "birthDate": "1955", "gender": "male"}, ("name", "birthDate", "gender")),
    ],
)
def test_h10_what_contradicts_is_named_and_what_is_left_out_says_nothing(
    changed: dict[str, Any], wrong: tuple[str, ...]
):
    other = {**JANE, **changed}
    assert identity.contradictions(JANE, other) == wrong
    assert identity.contradictions(other, JANE) == wrong
    assert identity.contradictions({}, other) == ()
    assert identity.is_someone_else(JANE, other) == (len(wrong) == 3)


def test_h10_another_person_is_one_whose_number_stays():
    other = {"name": [{"text": "Max Roe"}], "birthDate": "1955-01-01", "gender": "male"}
    assert not identity.is_someone_else(JANE, other)
    assert not identity.is_someone_else(JANE, {**other, "identifier": [{"system": "urn:mrn", "value": "2"}]})
    assert identity.is_someone_else(JANE, {**other, "identifier": JANE["identifier"]})


@pytest.mark.parametrize(
    ("named", "is_meant"),
    [
        ({"reference": "Patient/7"}, True),
        ({"reference": "Patient/7/_history/2"}, True),
        ({"reference": "Patient/8", "identifier": {"system": "urn:mrn", "value": "1"}}, False),
        ({"reference": "http://elsewhere/Patient/7"}, False),
        ({"reference": "http://elsewhere/Patient/7", "identifier": {"system": "urn:mrn", "value": "1"}}, True),
        ({"identifier": {"system": "urn:mrn", "value": "1"}}, True),
        ({"identifier": {"value": "1"}}, False),
        ({"display": "Jane Ito"}, False),
        ({}, False),
    ],
)
def test_h10_a_reference_means_a_patient_by_its_id_or_by_an_identifier(named: dict[str, Any], is_meant: object):
    assert identity.known_as(named, "7", {("urn:mrn", "1")}) == is_meant


@pytest.mark.parametrize(
    "link", [None, {}, [None], [{"type": "replaced-by"}], [{"type": "seealso", "other": {}}], ["x"]]
)
def test_a_link_that_says_nothing_names_nobody(link: object):
    assert identity.linked({"link": link}, "replaced-by") == ()
