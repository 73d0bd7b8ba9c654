"""The loop that forgets what is kept for a while only: one thread of one process on a database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import forget
from fhir_infusion.errors import FhirInfusionError
from fhir_infusion.sync.peer import LOG

if TYPE_CHECKING:
    from fhir_infusion.service import Service

HOUSEKEEPING_SECONDS: Final = 3_600.0


class Housekeeper:
    """``start``, then ``stop``."""

    def __init__(self, service: Service, seconds: float = HOUSEKEEPING_SECONDS) -> None:
        """Prepare. ``seconds`` lie between two rounds, of which the first is done at the start."""
        self._service = service
        self._seconds = seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def stop(self, seconds: float = 35.0) -> None:
        """End after what is being forgotten now."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with self._service.store.alone("housekeeping") as is_alone:
                    forgotten = forget.answers(self._service) if is_alone else 0
                if forgotten:
                    LOG.info("answers forgotten", extra={"code": str(forgotten)})
            except FhirInfusionError as error:
                LOG.warning("housekeeping failed", extra={"code": type(error).__name__})
            except Exception as error:  # noqa: BLE001  a round that fails must not end the thread
                LOG.error("housekeeping failed", extra={"code": type(error).__name__})
            self._ending.wait(self._seconds)
