"""Codes that are one letter's case away from the unit that is meant: ``ML`` is a megalitre, ``G`` a gauss.

UCUM tells upper from lower case (https://ucum.org/ucum, 3.1), and many systems write all in one. Such a code is never
changed: whoever sent it is told which unit may be meant. What a case leaves open is no slip: ``MU`` is a million units.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.units import REPAIRED, is_ucum, same_meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART: Final = re.compile(r"\{[^{}]*\}|[A-Za-z]*\[[^\[\]]*\]|[A-Za-z]+[23]?")
"""An annotation, which is left alone, or the letters of one unit."""

_USED: Final = (
    *("pg", "ng", "ug", "mg", "g", "kg", "uL", "mL", "dL", "L", "s", "min", "h", "d", "wk", "mo", "a", "cm", "m2"),
    *("nmol", "umol", "mmol", "mol", "meq", "eq", "mosm", "osm", "kcal", "[iU]"),
)
"""What infusions are measured in. Not ``mU`` and ``m[iU]``: in capitals these are as usual, and mean a million."""

_MEANT: Final[Mapping[str, str]] = MappingProxyType({
    **{spelling.lower(): code for spelling, (code, _) in REPAIRED.items()},
    **{code.lower(): code for code in _USED},
    "gm": "g", "mcl": "uL", "u": "U",
})  # fmt: skip
"""Spellings in lower case and what they mean. ``u`` is the mass of an atom to UCUM, and never a dose."""


@lru_cache(maxsize=4096)
def meant(code: str) -> str | None:
    """Return the UCUM code that a code differs from in case (or usual spelling) and means another unit, if any."""
    if len(code) > 64:
        return None
    likely = _PART.sub(lambda part: _MEANT.get(part[0].lower(), part[0]), code)
    return likely if is_ucum(likely) and not same_meaning(code, likely) else None
