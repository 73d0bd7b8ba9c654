"""What the commands that look at a remote share: a service that reads and translates, and handing over in parts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fhir_infusion.cli.build import clock, new_id, reading_store
from fhir_infusion.service import Service
from fhir_infusion.sync.mending import AT_ONCE
from fhir_infusion.sync.peer import Peer
from fhir_infusion.translator import open_translator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fhir_infusion.config import Settings


@contextmanager
def comparing(settings: Settings, remote: str) -> Iterator[Peer]:
    """Give a remote to look at, beside whoever writes the database; nothing can be written by it.

    Raises ``SettingsError``, ``DocumentError`` or ``Unavailable``.
    """
    section = settings.remote(remote)
    with reading_store(settings) as store:
        peer = Peer(Service(store, open_translator(settings), clock, new_id, settings), section)
        try:
            yield peer
        finally:
            peer.close()


def in_parts(names: Sequence[object], most: int = AT_ONCE) -> list[str]:
    """Return names with spaces between, so many at a time that the work on them ends in time."""
    return [" ".join(map(str, names[start : start + most])) for start in range(0, len(names), most)]
