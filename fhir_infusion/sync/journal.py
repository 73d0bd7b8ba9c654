"""What one attempt asked its peer and how that answered: kept in the thread that makes it, then on disk (``attempts``).

A note holds method, type and id at the peer, and the names of what is asked for: no values, and of a Patient no id.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fhir_infusion.store.attempts import Asked
from fhir_infusion.sync.replies import Answer, Doubtful, Unsent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RUNNING: Final = threading.local()


@contextmanager
def kept() -> Iterator[None]:
    """Keep what is asked inside; ``notes`` returns it. Within another, it is kept there."""
    if getattr(_RUNNING, "notes", None) is not None:
        yield
        return
    _RUNNING.notes = []
    try:
        yield
    finally:
        _RUNNING.notes = None


def notes() -> tuple[Asked, ...]:
    """Return what this attempt has asked until now; nothing outside of ``kept``."""
    return tuple(getattr(_RUNNING, "notes", None) or ())


def note(
    method: str, address: str, headers: Mapping[str, str], answer: Answer | Unsent | Doubtful, since: float
) -> None:
    """Note a request, where notes are kept.

    ``address`` is the URL behind the base, ``since`` the moment of ``time.monotonic`` at which it began.
    """
    running = getattr(_RUNNING, "notes", None)
    if running is not None:
        ms = round(1000 * (time.monotonic() - since))
        running.append(Asked(_told(method, address, headers), _class(answer), ms))


def _told(method: str, address: str, headers: Mapping[str, str]) -> str:
    url = urlsplit(address)
    path = url.path.strip("/")
    if path.startswith("Patient/"):
        path = "Patient/…"
    asked = ",".join(one.partition("=")[0] for one in url.query.split("&") if one)
    conditions = [name for name in ("If-None-Exist", "If-None-Match", "If-Match") if name in headers]
    return " ".join([method, path + (f"?{asked}" if asked else ""), *conditions])


def _class(answer: Answer | Unsent | Doubtful) -> str:
    match answer:
        case Answer():
            return str(answer.status)
        case Unsent():
            return f"not sent: {answer.why}"
        case Doubtful():
            return f"in doubt: {answer.why}"
