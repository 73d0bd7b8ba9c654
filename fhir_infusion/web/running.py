"""A service with its threads: what ``serve`` runs, and what ends in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.sync.worker import Worker

if TYPE_CHECKING:
    from fhir_infusion.actions.mappings.live import Live
    from fhir_infusion.service import Service


class Running:
    """The service, the worker that keeps peers in step, the mapping documents in use, and the token of this process.

    ``owner_token`` is what another process of this machine shows to have its work done here.
    """

    def __init__(self, service: Service, address: str, live: Live) -> None:
        """Start the worker, and tell other processes where work is taken (``host:port``)."""
        self.service = service
        self.live = live
        self.owner_token = service.store.announce(address)
        self.worker = Worker(service)
        self.worker.start()

    def close(self) -> None:
        """End the worker after what it sends now, then the writer; the lock is given back last."""
        self.worker.stop()
        self.service.store.close()
