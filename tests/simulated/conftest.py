"""What the tests of the simulated server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulated.client import There

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def start() -> Iterator[Callable[..., There]]:
    """Start servers; they are closed at the end."""
    begun: list[There] = []

    def one(faults: str = "", release: str = "R4") -> There:
        begun.append(There(faults, release))
        return begun[-1]

    yield one
    for there in begun:
        there.close()
