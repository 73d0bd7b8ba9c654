"""gunicorn's threaded worker, with our answer to what is not HTTP: no word of the request in the reply or the log.

And with threads that stay: after an answer a thread waits a moment for the next request of the same client. gunicorn
gives the connection back to the thread that polls, which gives it to whichever thread is free: two wake-ups of sleeping
threads for each request, that cost as much as a read itself. What only looks takes turns (``web.turns``).
"""

from __future__ import annotations

import select
import signal
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from gunicorn import util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers import gthread
from gunicorn.workers.gthread import ThreadWorker

from fhir_infusion.errors import Issue
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web import logs
from fhir_infusion.web.negotiation import FHIR_JSON
from fhir_infusion.web.patience import STALL_SECONDS, WRITE_SECONDS, Parser, TooSlow
from fhir_infusion.web.problems import Problem, document, outcome
from fhir_infusion.web.replies import PROBLEM_JSON
from fhir_infusion.web.turns import Turns

if TYPE_CHECKING:
    from fhir_infusion.web.server import Server

_TOO_LONG: Final = {
    LimitRequestLine: (HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long", "a search by POST _search"),
    LimitRequestHeaders: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large", "smaller headers"),
}


FIRST_SECONDS: Final = 0.02
"""How long a thread waits for the first bytes of a new connection, which is then watched without one."""

LINGER_SECONDS: Final = 0.5
"""How long a connection that is closed is kept for its client to close it first, so that it reads the answer."""

STAY_MILLISECONDS: Final = 20
"""How long a thread waits for the next request of a client that it has just answered."""

LATER: Final = gthread._DEFER  # type: ignore[attr-defined]  # noqa: SLF001  its word for it; its stubs are older
CLOSED: Final = object()

_LOOKS: Final = frozenset({"GET", "HEAD"})

_ONCE: Final = ("If-None-Exist", "Idempotency-Key")
"""What is no list (RFC 9110 section 5.3). Two lines of it reach the application as one text, joined by a comma that may
stand in either: a condition that nothing meets, or a key that nobody sent, under which a change is made again."""

_TAKEN: Final = ("/fhir", "/api")
"""Where these mean something. HAPI names two ``If-None-Exist`` where it tells ``/hooks`` that something changed."""

FREE_THREADS: Final = 4
"""So many threads never wait for one client only, so that a new one is not kept waiting by those who rest."""


class SentTwice(ParseException):
    """Two lines of a request are headers of one name, of which there may be one."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        super().__init__(name)
        self.name = name


class QuietWorker(ThreadWorker):
    """The worker class of ``serve``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin with no thread that stays."""
        super().__init__(*args, **options)
        self._seats = threading.Semaphore(max(self.cfg.threads - FREE_THREADS, 0))
        self._turns = Turns()

    def init_signals(self) -> None:
        """Take signals as gunicorn does, and SIGHUP as the word to read the mapping documents anew."""
        super().init_signals()
        signal.signal(signal.SIGHUP, lambda *_: cast("Server", self.app).reload_mappings())
        signal.siginterrupt(signal.SIGHUP, False)  # noqa: FBT003  its only form

    def handle(self, conn: Any) -> Any:
        """Answer a request, and those that the same client sends soon after; say whether the connection is kept."""
        if not conn.initialized:
            if not conn.wait_for_data(FIRST_SECONDS):
                return LATER
            conn.parser = Parser(self.cfg, conn.sock, conn.client, self._others_wait)
        kept = super().handle(conn)
        while kept is True and self._stays(conn):
            kept = super().handle(conn)
        if kept is not False:
            return kept
        util.close_graceful(conn.sock, LINGER_SECONDS)
        return CLOSED

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Take a connection back, unless it was closed in its thread.

        To close one that its client leaves open takes gunicorn up to two seconds, in which here, in the thread that
        takes connections, nobody would be served.
        """
        if not fs.cancelled() and fs.exception() is None and fs.result() is CLOSED:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request. One that changes something takes no turn: it waits for the disk together with others."""
        conn.sock.settimeout(WRITE_SECONDS)
        try:
            if req.method not in _LOOKS:
                _refuse_twice(req)
                return super().handle_request(req, conn)
            with self._turns.turn():
                return super().handle_request(req, conn)
        finally:
            conn.parser.unreader.end_by(time.monotonic() + STALL_SECONDS)

    def _others_wait(self) -> bool:
        """Say whether requests wait for a thread."""
        return self.tpool._work_queue.qsize() > 0  # noqa: SLF001  the executor tells no other way

    def _stays(self, conn: Any) -> bool:
        """Say whether the client sends again at once; who waits for a thread goes first."""
        if not self.alive or self._others_wait() or conn.is_http2:
            return False
        if not self._seats.acquire(blocking=False):
            return False
        try:
            poll = select.poll()
            poll.register(conn.sock, select.POLLIN)
            return bool(poll.poll(STAY_MILLISECONDS))
        finally:
            self._seats.release()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002  gunicorn's signature
        """Answer a request that could not be read as HTTP, or that failed outside the application."""
        found = problem_of(exc)
        logs.event("not-http" if found.status < HTTPStatus.INTERNAL_SERVER_ERROR else "fault", failure=exc)
        try:
            util.write_nonblock(client, reply_to(found, is_fhir=req is not None and req.path.startswith("/fhir")))
        except OSError as error:
            logs.event("reply-lost", failure=error)


def _refuse_twice(req: Any) -> None:
    """Refuse a change in which a header stands twice that may stand once.

    Raises:
        SentTwice: with its name.
    """
    if not req.path.startswith(_TAKEN):
        return
    names = [name for name, _ in req.headers]  # gunicorn writes them in capitals
    for name in _ONCE:
        if names.count(name.upper()) > 1:
            raise SentTwice(name)


def problem_of(error: BaseException) -> Problem:
    """Return what is answered to a failure below the application."""
    for kind, (status, reason, accepted) in _TOO_LONG.items():
        if isinstance(error, kind):
            return Problem(status, (Issue("error", "too-long", "", reason, accepted),))
    if isinstance(error, TooSlow):
        reason, accepted = "the request did not come in time", "a request sent at once"
        return Problem(408, (Issue("error", "timeout", "", reason, accepted),))
    if isinstance(error, SentTwice):
        return Problem(400, (Issue("error", "value", f"http.{error.name}", "it was sent twice", "one such header"),))
    if isinstance(error, ParseException):
        return Problem(400, (Issue("error", "structure", "", "the request is not right HTTP", "HTTP/1.1"),))
    return Problem(500, (Issue("fatal", "exception", "", "the service failed"),))


def reply_to(found: Problem, *, is_fhir: bool) -> bytes:
    """Return a whole HTTP response; what was no request names no path, so that it is told as on our own ones."""
    body = fhir_json.write(outcome(found.issues) if is_fhir else document(found, "none"))
    head = (
        f"HTTP/1.1 {int(found.status)} {HTTPStatus(found.status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: {FHIR_JSON if is_fhir else PROBLEM_JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
