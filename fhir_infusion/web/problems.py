"""Every failure as a reply: one table from the failure family to a status, and two ways to write it.

FHIR paths get an OperationOutcome (https://hl7.org/fhir/http.html#Status-Codes), ours a problem document (RFC 9457).
Both say path, reason and what would be accepted; neither holds a value from the input. What is not in the table is
a fault of ours: 500, with the correlation id and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from fhir_infusion.errors import Deleted, DocumentError, FhirInfusionError, Issue, Refused, SettingsError, Unavailable
from fhir_infusion.web.negotiation import etag, http_date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_ISSUES: Final = 100
"""An answer names at most so many issues, so that a wrong body cannot be amplified."""

TEXT_SYSTEM: Final = "https://w3id.org/fhir-infusion/CodeSystem/rule"
"""The code system of the rule names in ``OperationOutcome.issue.details``."""

CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="fhir-infusion"'),)
"""What a 401 must carry (RFC 6750 section 3)."""

ALL_OK: Final = Issue("information", "informational", "", "no errors found")
"""What an OperationOutcome says where there is nothing to say; it must hold an issue."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure, ready to be written: the status, the issues (at least one) and extra headers."""

    status: int
    issues: tuple[Issue, ...]
    headers: tuple[tuple[str, str], ...] = ()


def _refused(error: Refused) -> Problem:
    headers = CHALLENGE if error.status == HTTPStatus.UNAUTHORIZED else ()
    return Problem(error.status, error.issues[:MOST_ISSUES], headers)


def _deleted(error: Deleted) -> Problem:
    # https://hl7.org/fhir/http.html#read: the deletion is a version too, which the headers name.
    headers = (("ETag", etag(error.version)), ("Last-Modified", http_date(error.last_updated)))
    return Problem(error.status, error.issues, headers)


def _unavailable(error: Unavailable) -> Problem:
    issue = Issue("error", "transient", "", "the service cannot do this now; the same request may succeed later")
    return Problem(503, (issue,), (("Retry-After", str(error.retry_after)),))


def _document(error: DocumentError) -> Problem:
    return Problem(422, tuple(Issue("error", "business-rule", "", text) for text in error.complaints[:MOST_ISSUES]))


def _settings(error: SettingsError) -> Problem:
    return Problem(422, (Issue("error", "not-supported", "", str(error)),))


def _http(error: HTTPException) -> Problem:
    status = error.code or 500
    if isinstance(error, NotFound):
        return Problem(
            404, (Issue("error", "not-found", "", "there is nothing at this address", "what /docs/api lists"),)
        )
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        issue = Issue("error", "not-supported", "", "the method is not offered here", f"one of {allowed}")
        return Problem(405, (issue,), (("Allow", allowed),))
    if isinstance(error, RequestEntityTooLarge):
        return Problem(413, (Issue("error", "too-long", "", "the body is too large"),))
    return Problem(status, (Issue("error", "structure", "", HTTPStatus(status).phrase.lower()),))


TABLE: Final[dict[type[Exception], Callable[[Any], Problem]]] = {
    Deleted: _deleted,
    Refused: _refused,
    Unavailable: _unavailable,
    DocumentError: _document,
    SettingsError: _settings,
    HTTPException: _http,
}
"""The one table. The order matters where one type is a kind of another: what was deleted is refused, too."""


def problem(error: Exception, correlation_id: str) -> Problem:
    """Return the reply to a failure; anything outside the table is a 500 with nothing but the correlation id."""
    turn = next((turn for kind, turn in TABLE.items() if isinstance(error, kind)), None)
    if turn is not None:
        return turn(error)
    reason = f"the service failed; quote the correlation id {correlation_id}"
    return Problem(500, (Issue("fatal", "exception", "", reason),))


def is_expected(error: Exception) -> bool:
    """Say whether a failure belongs to the family or is an ordinary HTTP refusal, and so needs no stack in the log."""
    return isinstance(error, FhirInfusionError | HTTPException)


def outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """Return the issues as an OperationOutcome, the same in R4, R4B and R5."""
    return {"resourceType": "OperationOutcome", "issue": [_fhir_issue(issue) for issue in issues]}


def _fhir_issue(issue: Issue) -> dict[str, Any]:
    sentence = f"{issue.reason}; accepted: {issue.accepted}" if issue.accepted else issue.reason
    written: dict[str, Any] = {"severity": issue.severity, "code": issue.code}
    if issue.rule:
        written["details"] = {"coding": [{"system": TEXT_SYSTEM, "code": issue.rule}]}
    written["diagnostics"] = sentence
    if issue.path:
        written["expression"] = [issue.path]
    return written


def document(found: Problem, correlation_id: str) -> dict[str, Any]:
    """Return the failure as a problem document with the extension member ``issues`` (RFC 9457 section 3.2)."""
    phrase = HTTPStatus(found.status).phrase
    return {
        "type": "about:blank",
        "title": phrase,
        "status": found.status,
        "detail": found.issues[0].reason,
        "correlation_id": correlation_id,
        "issues": [finding(issue) for issue in found.issues],
    }


def finding(issue: Issue) -> dict[str, Any]:
    """Return one issue in our own JSON; members that say nothing are left out."""
    members = {
        "severity": issue.severity,
        "code": issue.code,
        "path": issue.path,
        "reason": issue.reason,
        "accepted": issue.accepted,
        "rule": issue.rule,
    }
    return {name: value for name, value in members.items() if value}
