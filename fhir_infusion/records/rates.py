"""Whether a unit is per time, which makes a quantity a rate.

Published resources put durations (``20 min``) and doses (``60 mg/m2``) where a rate belongs; only a unit per time is
a rate, whether coded (``mL/h``, ``ug/kg/min``, ``mL/(8.h)``) or in words (``mL/hr``, ``mg/hour``, ``ML/HR``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fhir_infusion.records import units

if TYPE_CHECKING:
    from collections.abc import Mapping

_PER_TIME = re.compile(
    # Nothing is tried twice: of a text that begins so and goes on with blanks each would be, three times over.
    r"/\s*+(?:\(\s*+)?(?:\d++(?:\.\d++)?+[.*\s]?)?\s*+"
    r"(?:s|sec|second|min|minute|h|hr|hour|d|day|wk|week|mo|month|a|year)s?(?![A-Za-z\[])",
)


@lru_cache(maxsize=4096)
def is_per_time(unit: str) -> bool:
    """Return whether a unit, coded or in words, has time in its denominator; what is UCUM is read as UCUM."""
    return units.is_per_time(unit) if units.is_ucum(unit) else _in_words(unit)


@lru_cache(maxsize=4096)
def _in_words(text: str) -> bool:
    return _PER_TIME.search(text.lower()) is not None


def is_rate(quantity: Mapping[str, Any]) -> bool:
    """Return whether a record quantity is a rate: its coded unit decides, else its unit in words."""
    if "unit" in quantity:
        return is_per_time(quantity["unit"])
    text = quantity.get("unit_text")
    return text is not None and (is_per_time(text) or _in_words(text))
