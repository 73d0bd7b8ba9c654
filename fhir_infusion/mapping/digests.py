"""Short digests of record values, by which a text is known to tell what it told."""

from __future__ import annotations

import re
from typing import Any, Final
from zlib import crc32

import msgspec

from fhir_infusion.records.number import Spelled, spelling_of


def _unknown(value: Any) -> str:
    if isinstance(value, Spelled):
        return spelling_of(value)
    message = f"a record holds no {type(value).__name__}"
    raise TypeError(message)


_ENCODE = msgspec.json.Encoder(order="sorted", decimal_format="string", enc_hook=_unknown)


def digest_of(value: Any) -> int:
    """Return the digest of a value; numbers count as they are spelled, object order does not."""
    return crc32(_ENCODE.encode(value))


_DERIVED: Final = re.compile(rb'"[a-z_]+_id":"~(?!~)[^"\\]*",|,?"[a-z_]+_id":"~(?!~)[^"\\]*"')
"""A member with a derived key, and one comma beside it; within a text of JSON each quote has a backslash before it."""


def digest_of_said(value: Any) -> int:
    """Return the digest of what a part of a record says: a derived key finds it again, and says nothing."""
    written = _ENCODE.encode(value)
    return crc32(_DERIVED.sub(b"", written) if b'_id":"~' in written else written)
