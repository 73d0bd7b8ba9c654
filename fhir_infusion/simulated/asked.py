"""A request as it came and an answer as it goes, without HTTP's machinery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated.query import OFFSET

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource

MEDIA_TYPE: Final = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``interaction`` is "" where the address is of none; header names are lower-case."""

    method: str
    interaction: str
    type: str = ""
    id: str = ""
    version: str = ""
    parts: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Sent:
    """How an answer travels.

    ``close``: the connection is closed "before" the answer, or after ``share`` of the body. ``pause`` seconds come
    before the request is done, ``stand`` seconds after ``first`` bytes of the body, ``drip`` seconds after each
    ``piece``.
    """

    close: str = ""
    share: float = 1.0
    pause: float = 0.0
    first: int = -1
    stand: float = 0.0
    piece: int = 0
    drip: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``effect`` is what was done: created, updated, deleted, or "" for nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    effect: str = ""
    id: str = ""
    identifiers: tuple[tuple[str, str], ...] = ()
    sent: Sent = Sent()


def asked_of(method: str, target: str, headers: Mapping[str, str], root: str = "/fhir") -> Asked:
    """Return what a request line asks; the body comes later."""
    url = urlsplit(target)
    inside = url.path == root or url.path.startswith(f"{root}/")
    parts = tuple(unquote(part) for part in url.path.removeprefix(root).split("/") if part) if inside else ("?",)
    query = tuple(parse_qsl(url.query, keep_blank_values=True))
    interaction, type_, id_, version = _interaction(method, parts, any(name == OFFSET for name, _ in query))
    return Asked(method, interaction, type_, id_, version, parts, query, headers)


def _interaction(method: str, parts: tuple[str, ...], is_next: bool) -> tuple[str, str, str, str]:  # noqa: C901, FBT001, PLR0911  each return is one row of FHIR's table
    match (method, *parts):
        case ("GET", "metadata"):
            return "capabilities", "", "", ""
        case ("GET", "$export", *_) | ("DELETE", "$export", _):
            return "export", "", "", ""
        case ("POST",):
            return "batch", "", "", ""
        case ("GET", type_) | ("POST", type_, "_search"):
            return "next-page" if is_next else "search-type", type_, "", ""
        case ("POST", type_):
            return "create", type_, "", ""
        case ("GET", type_, "_history"):
            return "next-page" if is_next else "history-type", type_, "", ""
        case ("GET", type_, id_):
            return "read", type_, id_, ""
        case ("PUT", type_, id_):
            return "update", type_, id_, ""
        case ("DELETE", type_, id_):
            return "delete", type_, id_, ""
        case ("GET", type_, id_, "_history"):
            return "next-page" if is_next else "history-instance", type_, id_, ""
        case ("GET", type_, id_, "_history", version):
            return "vread", type_, id_, version
    return "", "", "", ""


def of_resource(status: int, resource: Resource, headers: Mapping[str, str] | None = None, **known: Any) -> Answer:
    """Return an answer with a resource as its body."""
    return Answer(status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, fhir_json.write(resource), **known)


def outcome(code: str, reason: str) -> Resource:
    """Return an OperationOutcome with one error."""
    issue = {"severity": "error", "code": code, "diagnostics": reason}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def refused(status: int, code: str, reason: str) -> Answer:
    """Return an answer that says why nothing was done."""
    return of_resource(status, outcome(code, reason))
