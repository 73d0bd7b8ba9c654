"""gunicorn's threaded worker, with our answer to what is not HTTP: no word of the request in the reply or the log."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from gunicorn import util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from fhir_infusion.errors import Issue
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web import logs
from fhir_infusion.web.problems import Problem, document
from fhir_infusion.web.replies import PROBLEM_JSON

_TOO_LONG: Final = {
    LimitRequestLine: (HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long", "a search by POST _search"),
    LimitRequestHeaders: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large", "smaller headers"),
}


class QuietWorker(ThreadWorker):
    """The worker class of ``serve``."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002  gunicorn's signature
        """Answer a request that could not be read as HTTP, or that failed outside the application."""
        found = problem_of(exc)
        logs.event("not-http" if found.status < HTTPStatus.INTERNAL_SERVER_ERROR else "fault", failure=exc)
        try:
            util.write_nonblock(client, reply_to(found))
        except OSError as error:
            logs.event("reply-lost", failure=error)


def problem_of(error: BaseException) -> Problem:
    """Return what is answered to a failure below the application."""
    for kind, (status, reason, accepted) in _TOO_LONG.items():
        if isinstance(error, kind):
            return Problem(status, (Issue("error", "too-long", "", reason, accepted),))
    if isinstance(error, ParseException):
        return Problem(400, (Issue("error", "structure", "", "the request is not right HTTP", "HTTP/1.1"),))
    return Problem(500, (Issue("fatal", "exception", "", "the service failed"),))


def reply_to(found: Problem) -> bytes:
    """Return a whole HTTP response."""
    body = fhir_json.write(document(found, "none"))
    head = (
        f"HTTP/1.1 {int(found.status)} {HTTPStatus(found.status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: {PROBLEM_JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
