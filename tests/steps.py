"""How much work something is, told by counting and not by a clock: a busy machine makes no difference."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def steps_of(work: Callable[[], object]) -> int:
    """Return how many calls, of Python functions and of built-in ones, a piece of work makes."""
    steps = 0

    def count(_frame: object, event: str, _argument: Any) -> None:
        nonlocal steps
        steps += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return steps
