"""The refusals that only HTTP knows, each built in one place: status, issue code, reason, what would be accepted."""

from __future__ import annotations

from fhir_infusion.errors import Issue, Refused


def refusal(status: int, code: str, reason: str, *, path: str = "", accepted: str = "") -> Refused:
    """Return a refusal with one issue; ``code`` is of http://hl7.org/fhir/issue-type."""
    return Refused(Issue("error", code, path, reason, accepted, "", status))


def header_refusal(status: int, code: str, name: str, reason: str, accepted: str) -> Refused:
    """Return a refusal of one request header."""
    return refusal(status, code, reason, path=f"http.{name}", accepted=accepted)


def parameter_refusal(name: str, reason: str, accepted: str, code: str = "invalid") -> Refused:
    """Return a refusal (400) of one query parameter. ``name`` must be a name of ours, never one that was sent."""
    return refusal(400, code, reason, path=f"http.{name}" if name else "", accepted=accepted)


def not_found(what: str, accepted: str) -> Refused:
    """Return a 404; ``what`` names the kind of thing, never which one, ``accepted`` says where those are listed."""
    return refusal(404, "not-found", f"there is no such {what}", accepted=accepted)
