"""Texts as they are searched: https://hl7.org/fhir/R4/search.html#string. Without case, accents and needless spaces."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_KEPT: Final = 201
"""So many characters of a text are kept for search, one more than may be asked for: an exact text is never cut.

Twice as many of four bytes each fit into a row of an index on PostgreSQL (2704 bytes)."""

_PARTS: Final = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
    "Identifier": ("value",),
}


def folded(text: str) -> str:
    """Return a text as it is compared: ``Müller `` is ``muller``."""
    apart = unicodedata.normalize("NFKD", text)
    bare = "".join(sign for sign in apart if not unicodedata.combining(sign))
    # Once more: what folding makes of a sign may itself have parts.
    return " ".join(unicodedata.normalize("NFKD", bare.casefold()).split())


def texts(value: Any, datatype: str) -> Iterator[str]:
    """Yield the texts of a string, or of each part of a name or address."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name in _PARTS.get(datatype, ()):
            parts = value.get(name, ())
            yield from (parts,) if isinstance(parts, str) else (part for part in parts if isinstance(part, str))
