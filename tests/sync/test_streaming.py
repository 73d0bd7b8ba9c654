"""Lines out of pieces: whole ones, however they are cut, and nothing held of one above the cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_infusion.sync import addresses
from fhir_infusion.sync.remote.streaming import TooLong, split


@given(st.lists(st.binary(max_size=30).filter(lambda one: b"\n" not in one and not one.endswith(b"\r"))), st.data())
def test_lines_are_the_same_wherever_they_are_cut(lines: list[bytes], data: st.DataObject):
    text = b"".join(one + data.draw(st.sampled_from([b"\n", b"\r\n"])) for one in lines)
    pieces, rest = [], text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        pieces.append(rest[:size])
        rest = rest[size:]
    assert list(split(pieces, 31)) == lines


def test_the_last_line_needs_no_end_and_an_empty_file_has_none():
    assert list(split([b"a\nb"], 9)) == [b"a", b"b"]
    assert list(split([b"a\nb\n"], 9)) == [b"a", b"b"]
    assert list(split([], 9)) == []


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_line_above_the_cap_is_named_once_and_the_next_ones_are_whole(size: int):
    text = b"12345\n" + b"x" * 50 + b"\n123\n" + b"y" * 6
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    assert list(split(pieces, 5)) == [b"12345", TooLong(), b"123", TooLong()]


def test_an_address_of_the_endpoint_in_another_spelling_is_asked_at_the_configured_base():
    own = addresses.own
    assert own("https://h.example/fhir", "https://H.example:443/fhir//x/1?a=b") == "https://h.example/fhir/x/1?a=b"
    assert own("https://h.example/fhir", "x/1") == "https://h.example/fhir/x/1"
    assert own("https://h.example/fhir", "https://h.example/fhirx/1") is None
