"""How many examples a test takes: few in ``make test``, many in ``make long``.

``FHIR_INFUSION_COUNT`` is ``short`` (the default) or ``long``; anything else is an error, not a silent short run.
"""

from __future__ import annotations

import os

VARIABLE = "FHIR_INFUSION_COUNT"
SEEDS = "FHIR_INFUSION_SEEDS"
"""``FIRST:END``: the seeds of this run where a test goes through seeds, so that a long run goes on where one ended."""


def chosen() -> str:
    """Return ``short`` or ``long``."""
    name = os.environ.get(VARIABLE, "short")
    if name not in {"short", "long"}:
        raise ValueError(f"{VARIABLE}: accepted are short and long")
    return name


def seeds(short: int, long: int) -> range:
    """Return the seeds of this run: the first so many, or those that are asked for.

    Raises:
        ValueError: what is asked for is not ``FIRST:END``.
    """
    asked = os.environ.get(SEEDS)
    if asked is None:
        return range(count(short, long))
    first, _, end = asked.partition(":")
    return range(int(first), int(end))


def count(short: int, long: int) -> int:
    """Return the number of examples for this run."""
    return long if chosen() == "long" else short
