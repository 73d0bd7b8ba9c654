r"""The condition that we send with a create, ``identifier=system|value``: in ``If-None-Exist`` and a Bundle's entry.

https://hl7.org/fhir/R4/http.html#ccreate. It is the query of a search, so it is escaped twice: ``\ | , $`` as a search
value (https://hl7.org/fhir/R4/search.html#escaping), and the whole as part of an address. Left as it is, the ``&`` or
``#`` of an order number would end the number, and another order, found by the rest, would be taken for this one.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_ESCAPED: Final = re.compile(r"([\\|,$])")
_LEFT_AS_THEY_ARE: Final = "|:/@!'()*;~-._"
"""Signs that mean nothing in a query: the system stays readable."""


def token_value(system: str, value: str) -> str:
    r"""Return ``system|value`` as the value of a token parameter, with ``\ | , $`` escaped."""
    return "|".join(_ESCAPED.sub(r"\\\1", part) for part in (system, value))


def condition(system: str, value: str) -> str:
    """Return the condition that no resource has this identifier yet, ready to be sent."""
    return "identifier=" + quote(token_value(system, value), safe=_LEFT_AS_THEY_ARE)
