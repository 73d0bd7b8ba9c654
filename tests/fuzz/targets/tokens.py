"""Page tokens and bearer tokens: only ours open, and what is signed is what is read."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Refused
from fhir_infusion.web import paging, tokens
from tests.store.helpers import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 256

_SECRET: Final = b"s" * 32
_QUERY: Final = (("status", "active"), ("patient", "Patient/7"))
_BOUNDS: Final = (("newest", "17", "0", "2024-05-01", "a"), ("name", "3", "1", "\u00e9\U0001f600"), ("x",))
_SIGNED: Final = {paging.sign(_SECRET, TENANT, _QUERY, bounds): list(bounds) for bounds in _BOUNDS}


def run(data: bytes) -> None:
    """Open a page token and a bearer token: only ours are, and what is signed is what is read."""
    text = data.decode(errors="surrogateescape")
    assert tokens.find_token({"3f9a1c20": _KEPT}, text) is None
    with suppress(Refused):
        bounds = paging.open_token(_SECRET, TENANT, _QUERY, text)
        assert bounds in _SIGNED.values()
        # Base64 passes over what is not of its alphabet; beyond that, only the token itself opens.
        assert any(base64.urlsafe_b64decode(f"{one}===") == base64.urlsafe_b64decode(f"{text}===") for one in _SIGNED)
    query = [(text[:3], text[3:])]
    made = paging.sign(_SECRET, TENANT, query, text.split(","))
    assert paging.open_token(_SECRET, TENANT, query, made) == text.split(",")
    for wrong in ([], [(text[:3], f"{text[3:]}x")]):
        assert not _opens(TENANT, wrong, made)
    assert not _opens("another", query, made)


def _opens(tenant: str, query: list[tuple[str, str]], token: str) -> bool:
    try:
        paging.open_token(_SECRET, tenant, query, token)
    except Refused:
        return False
    return True


_KEPT: Final = tokens.Token("3f9a1c20", "a", TENANT, "2025-05-01", "0" * 32, "0" * 64)


def corpus() -> Iterator[bytes]:
    """Give tokens of ours, and what looks like one."""
    yield from (token.encode() for token in _SIGNED)
    yield b"fhirinf_3f9a1c20_" + b"A" * 43
    yield b"a,b"
