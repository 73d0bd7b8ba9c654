"""What most tests of synchronising start from; a file that wants another peer or rig makes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.store import audit
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, open_rig

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
    """Everything on our side, with that server as its peer; the audit trail is whole at the end."""
    one = open_rig(there, database, Clock())
    yield one
    assert one.service.store.read(TENANT, audit.verify) == ()
    one.close()
