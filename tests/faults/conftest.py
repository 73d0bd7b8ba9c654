"""What most tests of synchronising start from; a file that wants another peer or rig makes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.invariants import demanded
from tests.faults.peer import Peer
from tests.faults.rig import Clock, Rig, open_rig

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def there() -> Iterator[Peer]:
    """A server that tells the truth until a test gives it lies."""
    one = Peer()
    yield one
    one.close()


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    """Everything on our side, with that server as its peer; at the end both rest, and the eight invariants hold (S3).

    They are asked on SQLite; the audit trail is whole on either database.
    """
    with demanded(open_rig(there, database, Clock()), asked=database.startswith("sqlite")) as one:
        yield one
