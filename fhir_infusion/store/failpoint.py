"""Named places where a test can let the process die, as a power cut would: no cleanup, no flush.

``FHIR_INFUSION_TEST_FAILPOINT=store.before-commit`` ends the process at the first pass, ``store.before-commit:7`` at
the seventh. Without the variable a pass costs one comparison.
"""

from __future__ import annotations

import os
from typing import Final

EXIT_STATUS: Final = 77

_NAME, _, _COUNT = os.environ.get("FHIR_INFUSION_TEST_FAILPOINT", "").partition(":")
_left = int(_COUNT or 1)


def reach(name: str) -> None:
    """End the process here, at once, where the environment says so."""
    global _left  # noqa: PLW0603  one count for the whole process is what is meant
    if name != _NAME:
        return
    _left -= 1
    if _left <= 0:
        os._exit(EXIT_STATUS)
