"""How many examples a test takes: few in ``make test``, many in ``make long``.

``FHIR_INFUSION_COUNT`` is ``short`` (the default) or ``long``; anything else is an error, not a silent short run.
"""

from __future__ import annotations

import os

VARIABLE = "FHIR_INFUSION_COUNT"


def chosen() -> str:
    """Return ``short`` or ``long``."""
    name = os.environ.get(VARIABLE, "short")
    if name not in {"short", "long"}:
        raise ValueError(f"{VARIABLE}: accepted are short and long")
    return name


def count(short: int, long: int) -> int:
    """Return the number of examples for this run."""
    return long if chosen() == "long" else short
