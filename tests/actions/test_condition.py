"""The condition of a conditional create: what is sent names one identifier and no other."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_infusion.actions.condition import condition, token_value
from fhir_infusion.fhir import search

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
    (criterion,) = search.parse("MedicationRequest", "R4", [("identifier", token_value(system, value))]).criteria
    assert isinstance(criterion, search.Criterion)
    (wanted,) = criterion.values
    assert (wanted.system, wanted.value) == (system, value)
