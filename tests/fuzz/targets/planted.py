"""A target with faults: what finds nothing here would find nothing anywhere."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.number import beyond_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 60
FAULT: Final = "FHIR_INFUSION_PLANTED"
"""The variable that says which fault there is: it raises, or it dawdles, where a number is too long."""


def run(data: bytes) -> None:
    """Fail at what only the branches of the code lead to."""
    if not beyond_limits(data.decode(errors="replace").strip() or "0"):
        return
    if os.environ[FAULT] == "raises":
        raise ValueError("planted")
    begun = time.thread_time()
    while time.thread_time() - begun < 1.2:
        pass


def corpus() -> Iterator[bytes]:
    """Give a number that is right."""
    yield b"1.5"
