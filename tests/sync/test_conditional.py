"""The condition of a conditional create: what is sent names one identifier and no other."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_infusion.actions.conditional import condition, identifier_in, token_value

SYSTEM = "https://example.org/orders"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("ORD-1", "ORD-1"),
        ("ADM-1#seg-1", "ADM-1%23seg-1"),
        ("A&status=active", "A%26status%3Dactive"),
        ("A+B C", "A%2BB%20C"),
        ("100%", "100%25"),
        (r"a|b,c$d\e", "a%5C|b%5C%2Cc%5C%24d%5C%5Ce"),
        ("Ä", "%C3%84"),
    ],
)
def test_a_sign_of_the_number_that_means_something_in_an_address_is_escaped(value: str, sent: str):
    assert condition(SYSTEM, value) == f"identifier={SYSTEM}|{sent}"


@given(system=TEXT, value=TEXT)
def test_what_a_server_reads_from_the_condition_is_the_identifier_to_the_character(system: str, value: str):
    sent = condition(system, value)
    assert parse_qsl(urlsplit(f"https://fhir.example/MedicationRequest?{sent}").query) == [
        ("identifier", token_value(system, value))
    ]
    assert identifier_in(sent) == (system, value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "%", "identifier", "identifier=1", "identifier=|1", "identifier=urn:o|", "identifier=a|b|c"),
        *("identifier=urn:o|1,urn:o|2", "identifier=urn:o|1&identifier=urn:o|2", "identifier=urn:o|1&patient=2"),
        *("patient=1", "_id=1"),
    ],
)
def test_a_condition_other_than_one_identifier_with_its_system_is_none(text: str):
    assert identifier_in(text) is None
