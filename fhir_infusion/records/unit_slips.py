"""Codes that are one letter's case away from the unit that is meant: ``ML`` is a megalitre, ``G`` a gauss.

UCUM tells upper from lower case (https://ucum.org/ucum, 3.1), and many systems write all in one. Such a code is never
changed: whoever sent it is told which unit may be meant. What a case leaves open is no slip: ``MU`` is a million units.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.units import WORDS, is_ucum, same_meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART: Final = re.compile(r"\{[^{}]*\}|[A-Za-z]*\[[^\[\]]*\]|[A-Za-zµμ]+[23]?")
"""An annotation, which is left alone, or the letters of one unit."""

_USED: Final = ("a", "mo", "pg", "uL", "nmol", "umol", "eq", "mosm", "osm", "kcal")
"""What infusions are measured in, besides the units of ``WORDS``. Not ``mU`` and ``m[iU]``: in capitals these are as
usual, and mean a million."""

_MEANT: Final[Mapping[str, str]] = MappingProxyType({
    **WORDS, **{code.lower(): code for code in _USED}, "mcl": "uL", "lb": "[lb_av]", "lbs": "[lb_av]", "u": "U",
    "mmhg": "mm[Hg]", "gtt": "[drp]", "drop": "[drp]", "drops": "[drp]", "sqm": "m2",
})  # fmt: skip
"""Spellings in lower case and what they mean. ``u`` is the mass of an atom to UCUM, and never a dose."""

_UNITS: Final = re.compile(r"(?i)\b(?:milli)?units?\b")
_MILLIUNITS: Final = re.compile(r"(?i)\bmilliunits?\b")


@lru_cache(maxsize=4096)
def meant(code: str) -> str | None:
    """Return the UCUM code that a code differs from in case (or usual spelling) and means another unit, if any."""
    if len(code) > 64:
        return None
    likely = _PART.sub(lambda part: _MEANT.get(part[0].lower(), part[0]), code)
    return likely if is_ucum(likely) and not same_meaning(code, likely) else None


def instead(code: str) -> str | None:
    """Return what would be accepted in place of a code that is not UCUM, where its words say it."""
    if len(code) > 64:
        return None
    code = code.replace(" per ", "/").replace("m²", "m2").replace("m^2", "m2")
    if not _UNITS.search(code):
        return meant(code) or (code if is_ucum(code) else None)
    ways = [_UNITS.sub(unit, _MILLIUNITS.sub(f"m{unit}", code)) for unit in ("[iU]", "U")]
    whole = [meant(way) or way for way in ways]
    return f"{whole[0]} for international units, {whole[1]} for enzyme units" if all(map(is_ucum, whole)) else None
