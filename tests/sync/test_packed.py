"""A packed body comes whole or not at all, however its bytes arrive and however it ends."""

from __future__ import annotations

import gzip
import io

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from fhir_infusion.sync.remote import reading
from fhir_infusion.sync.remote.reading import CutError, pieces

TEXT = b'{"resourceType":"MedicationRequest","id":"1"}\n' * 5000


def _answer(body: bytes, coding: str = "gzip") -> requests.Response:
    response = requests.Response()
    headers = {"Content-Encoding": coding} if coding else {}
    response.status_code, response.headers = 200, requests.structures.CaseInsensitiveDict(headers)
    response.raw = HTTPResponse(io.BytesIO(body), headers, preload_content=False)
    return response


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4), st.integers(1, 3000), st.integers(0, 600))
def test_what_was_packed_in_one_or_several_members_comes_out_as_it_went_in(
    parts: list[bytes], size: int, zeros: int
) -> None:
    packed = b"".join(map(gzip.compress, parts)) + b"\0" * zeros
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "PIECE", size)
        assert b"".join(pieces(_answer(packed))) == b"".join(parts)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
@pytest.mark.parametrize("left", [1, 8, 9, 100, 300])
def test_f10_a_packed_file_that_is_cut_is_not_taken_for_whole(coding: str, left: int) -> None:
    packed = gzip.compress(TEXT)
    with pytest.raises(CutError, match="not whole"):
        b"".join(pieces(_answer(packed[:-left], coding)))


@pytest.mark.parametrize("body", [gzip.compress(TEXT)[:-8] + b"12345678", b"<html>", gzip.compress(TEXT) + b"more"])
def test_f10_what_is_spoiled_or_no_gzip_is_not_taken_for_whole(body: bytes) -> None:
    with pytest.raises(CutError, match="not whole"):
        b"".join(pieces(_answer(body)))


def test_f10_what_unpacks_to_more_than_is_taken_is_left_early() -> None:
    given: list[int] = []
    with pytest.raises(CutError, match="too long"):
        given.extend(map(len, pieces(_answer(gzip.compress(b" " * 50_000_000)), most=1_000_000)))
    assert 0 < sum(given) <= 1_000_000


@pytest.mark.parametrize("coding", ["gzip", "", "identity"])
def test_an_empty_body_is_whole_and_what_is_not_packed_comes_as_it_is(coding: str) -> None:
    assert list(pieces(_answer(b"", coding))) == []
    assert coding == "gzip" or b"".join(pieces(_answer(TEXT, coding))) == TEXT
