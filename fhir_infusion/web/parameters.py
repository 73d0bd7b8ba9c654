"""Query parameters, read strictly: what is no text is refused, never searched for with another sign in its place.

https://hl7.org/fhir/search.html#errors; a URL is percent-encoded UTF-8 (RFC 3986 section 2.5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from fhir_infusion.web.refusals import parameter_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Request

    from fhir_infusion.errors import Refused

Parameters = list[tuple[str, str]]

MOST_ON_A_PAGE: Final = 500
USUAL_ON_A_PAGE: Final = 50

_OFFSET: Final = re.compile(r"(T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?) ([0-9]{2}:[0-9]{2})\Z")
"""A moment whose plus sign was not escaped: it arrives as a space, which no moment holds."""
_CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f]")


def stated(request: Request, in_body: Parameters | None = None) -> Parameters:
    """Return the parameters of a request, those of its body last.

    Raises:
        Refused: 400, one of them is not UTF-8, or holds a control character.
    """
    return [*decoded(request.query_string), *(in_body or ())]


def decoded(encoded: bytes) -> Parameters:
    """Return the parameters of a query or a form as it was sent.

    Raises:
        Refused: 400, one of them is not UTF-8, or holds a control character.
    """
    try:
        # Not Flask's reading of them, which takes what is not UTF-8 as it stands, percent signs and all.
        found = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise _no_text() from None
    if any(_CONTROL.search(part) for pair in found for part in pair):
        raise _no_text()
    return [(name, _OFFSET.sub(r"\1+\2", value)) for name, value in found]


def _no_text() -> Refused:
    return parameter_refusal("", "a parameter holds what is no text", "URL-encoded UTF-8 without control characters")


def page_size(name: str, values: Sequence[str]) -> int:
    """Return how many entries a page is to hold; the last value counts.

    Raises:
        Refused: 400, it is not a number from 1.
    """
    if not values:
        return USUAL_ON_A_PAGE
    text = values[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        accepted = f"a number from 1; pages hold {MOST_ON_A_PAGE} at most"
        raise parameter_refusal(name, "it is not a number of entries", accepted)
    return min(int(text), MOST_ON_A_PAGE)
