"""Page tokens open only the listing that they were made for."""

from __future__ import annotations

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.web.paging import open_token, sign

SECRET = b"k" * 32
QUERY = [("patient", "Patient/1"), ("status", "active")]
BOUNDS = ("created", "1700000000000", "1600000000000", "abc")


def test_a_token_gives_its_bounds_back_whatever_the_order_of_the_parameters():
    token = sign(SECRET, "default", QUERY, BOUNDS)
    assert open_token(SECRET, "default", list(reversed(QUERY)), token) == list(BOUNDS)


@pytest.mark.parametrize(
    ("secret", "tenant", "query"),
    [
        (b"x" * 32, "default", QUERY),
        (SECRET, "other", QUERY),
        (SECRET, "default", [("patient", "Patient/2"), ("status", "active")]),
        (SECRET, "default", QUERY[:1]),
        (SECRET, "default", []),
    ],
    ids=["secret", "tenant", "value", "fewer parameters", "none"],
)
def test_a_token_of_another_listing_is_refused(secret: bytes, tenant: str, query: list[tuple[str, str]]):
    token = sign(SECRET, "default", QUERY, BOUNDS)
    with pytest.raises(Refused) as caught:
        open_token(secret, tenant, query, token)
    assert caught.value.status == 400


@pytest.mark.parametrize("token", ["", "a", "!!!", "AAAA" * 20, "é", "A" * 10_000])
def test_what_is_no_token_is_refused(token: str):
    with pytest.raises(Refused):
        open_token(SECRET, "default", QUERY, token)


def test_changing_any_character_of_a_token_breaks_it():
    token = sign(SECRET, "default", QUERY, BOUNDS)
    for index in range(len(token) - 1):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        with pytest.raises(Refused):
            open_token(SECRET, "default", QUERY, changed)


def test_a_token_shows_nothing_of_the_query():
    import base64  # noqa: PLC0415  used here only

    token = sign(SECRET, "default", [("patient", "CANARY-MRN")], BOUNDS)
    assert b"CANARY" not in base64.urlsafe_b64decode(token + "==")
