"""Short digests of record values, by which a text is known to tell what it told."""

from __future__ import annotations

from typing import Any
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
