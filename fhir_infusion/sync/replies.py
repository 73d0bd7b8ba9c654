"""What a peer's answer means, as one closed set of values.

    Reply
    ├── Written       200/201: the effect is there; with the resource where the peer sent it back
    ├── Found         200 to a read
    ├── Deleted       200, 202, 204 to a delete
    ├── Listed        200 to a search: one page, its entries still raw
    ├── Missing 404 · Gone 410 · NotModified 304
    ├── Clash 409 · Stale 412
    ├── Rejected      400, 422 and any other 4xx: asking again cannot help
    ├── Unauthorized 401 · Forbidden 403 · Redirected 3xx: the endpoint is set up wrongly, no order is to blame
    ├── Throttled     429/503: nothing happened, come back later
    ├── Unsent        no connection, or no token for it: nothing happened
    └── Doubtful      anything else: the effect may or may not be there; verify

A reply holds no text that a peer chose: of an OperationOutcome only the issue codes are kept, because peers quote
patient data in ``diagnostics``. Pure: headers and bytes in, value out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.json import Resource
from fhir_infusion.sync import moments, whole
from fhir_infusion.sync.shapes import BUNDLE, HEAD, LOCATION, BundleEntry, Meta


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which version of which resource an answer speaks of. ``etag`` is as sent, or made of the version id."""

    type: str
    id: str
    version_id: str = ""
    etag: str = ""
    last_updated: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A create or update took effect. ``resource`` is None where the peer did not send it back."""

    status: int
    stamp: Stamp | None
    resource: Resource | None


@dataclass(frozen=True, slots=True)
class Found:
    """A resource was read. ``text`` is its JSON as sent."""

    stamp: Stamp
    resource: Resource
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One match of a search, not read yet: ``text`` is its JSON as sent; the stamp is empty where it has none."""

    stamp: Stamp
    text: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a search. ``following`` is the next link as sent ("" at the end), ``date`` the Date header.

    ``left_out`` are the issue codes with which the peer says that it could not give all that matches. ``total`` is how
    many match on all pages, None where it does not say. ``deleted`` are the ids that a page of a history tells deleted.
    Of a history, which begins with the newest, only the newest state of each resource is kept; ``rows`` is how many
    entries the page had.
    """

    entries: tuple[Entry, ...]
    following: str
    date: str
    left_out: tuple[str, ...] = ()
    total: int | None = None
    deleted: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Deleted:
    """A delete took effect, or will."""


@dataclass(frozen=True, slots=True)
class NotModified:
    """304."""


@dataclass(frozen=True, slots=True)
class Missing:
    """404: never seen, or never ours."""


@dataclass(frozen=True, slots=True)
class Gone:
    """410: it was deleted."""


@dataclass(frozen=True, slots=True)
class Clash:
    """409. With If-Match it is a stale version (HAPI); else something is there already, or a race was lost."""


@dataclass(frozen=True, slots=True)
class Stale:
    """412: If-Match did not hold, or a conditional create met several matches."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The peer will not take this content. ``codes`` are the issue codes of its OperationOutcome."""

    status: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """401: the credentials do not hold."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """403: the credentials do not allow this."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """3xx: never followed, for credentials and patient data go to the configured origin only."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """429 or 503. ``retry_after`` is the header as sent, "" where there was none."""

    retry_after: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """The peer cannot have seen the request. ``why`` names the kind of failure.

    ``code`` is there where it is known what is wrong: of TLS (``tls``), or of the access token (``smart``).
    """

    why: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The effect may or may not be there. ``why`` names the kind of doubt."""

    why: str


Trouble: TypeAlias = (
    NotModified
    | Missing
    | Gone
    | Clash
    | Stale
    | Rejected
    | Unauthorized
    | Forbidden
    | Redirected
    | Throttled
    | Unsent
    | Doubtful
)


WITHOUT_EFFECT: Final = (Rejected, Unauthorized, Forbidden, Redirected, Throttled, Unsent, Missing)
"""After these nothing was done of what was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that arrived whole. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def of_write(answer: Answer, type_: str, id_: str = "") -> Written | Trouble:
    """Say what the answer to a create (no ``id_``) or an update means."""
    if answer.status not in {200, 201, 204}:
        return trouble(answer)
    if not answer.body.strip():
        return Written(answer.status, _located(answer, type_, id_), None)
    resource = _resource(answer)
    if resource is None:
        return Doubtful("unreadable answer")
    if resource.get("resourceType") == "OperationOutcome":
        return Written(answer.status, _located(answer, type_, id_), None)
    if resource.get("resourceType") != type_ or (id_ and resource.get("id") != id_):
        return Doubtful("another resource was answered")
    stamp = _stamp(resource, answer)
    return Written(answer.status, stamp, resource) if stamp.id else Doubtful("no id in the answer")


def of_delete(answer: Answer) -> Deleted | Trouble:
    """Say what the answer to a delete means."""
    return Deleted() if answer.status in {200, 202, 204} else trouble(answer)


def of_read(answer: Answer, type_: str, id_: str) -> Found | Trouble:
    """Say what the answer to a read means."""
    if answer.status != 200:
        return trouble(answer)
    resource = _resource(answer)
    if resource is None or resource.get("resourceType") != type_ or (id_ and resource.get("id") != id_):
        return Doubtful("unreadable answer")
    return Found(_stamp(resource, answer), resource, answer.body.decode())


def of_search(answer: Answer, type_: str) -> Listed | Trouble:
    """Say what the answer to a search means; entries of other types (included ones) are passed over."""
    if answer.status != 200:
        return trouble(answer)
    try:
        bundle = BUNDLE.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Doubtful("unreadable answer")
    if bundle.resource_type != "Bundle" or bundle.type not in {"searchset", "history"}:
        return Doubtful("not a search result")
    if fault := whole.fault_of(answer.body, bundle, type_):
        return Doubtful(fault)
    following = [link.url for link in bundle.link or () if link.relation == "next"]
    entries: list[Entry] = []
    left_out: list[str] = []
    deleted: list[str] = []
    known: dict[str, str] = {}
    for entry in bundle.entry or ():
        if entry.request is not None and entry.request.method == "DELETE":
            newest = [id_ for id_ in _deleted(entry, type_) if id_ not in known]
            deleted += newest
            known.update(dict.fromkeys(newest, ""))
            continue
        mode, raw = entry.search.mode if entry.search else "match", bytes(entry.resource)
        if mode == "include":
            continue
        found = entry_of(raw)
        if mode == "outcome" or not raw or found.stamp.type == "OperationOutcome":
            left_out += whole.left_out_of(raw) if raw else [whole.INCOMPLETE]
            continue
        if found.stamp.type not in {type_, ""} or (bundle.type == "history" and is_older(found.stamp, known)):
            continue
        entries.append(found)
        known |= {found.stamp.id: found.stamp.last_updated} if found.stamp.id else {}
    date, codes = answer.headers.get("date", ""), tuple(dict.fromkeys(left_out))
    first = following[0] if following else ""
    return Listed(tuple(entries), first, date, codes, bundle.total, tuple(deleted), len(bundle.entry or ()))


def is_older(stamp: Stamp, known: Mapping[str, str]) -> bool:
    """Say whether a history showed a newer state before: its order says so, unless the dates say otherwise (H7).

    ``known`` are the ids that it showed, with their lastUpdated. Of two that contradict, both are looked at.
    """
    return stamp.id in known and not moments.is_before(known[stamp.id], stamp.last_updated)


def trouble(answer: Answer) -> Trouble:
    """Say what an answer means that does not report success."""
    status = answer.status
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in {429, 503}:
        return Throttled(answer.headers.get("retry-after", ""))
    if 300 <= status < 400:
        return Redirected()
    if 400 <= status < 500 and status not in {408, 425}:
        return Rejected(status, _codes(answer))
    return Doubtful(f"status {status}")


_BY_STATUS: Final[Mapping[int, Trouble]] = {
    304: NotModified(),
    401: Unauthorized(),
    403: Forbidden(),
    404: Missing(),
    409: Clash(),
    410: Gone(),
    412: Stale(),
}


# ------------------------------------------------------------------------------------------------ reading bodies


def _resource(answer: Answer) -> Resource | None:
    try:
        return fhir_json.read(answer.body, _LIMITS)
    except Refused:
        return None


_LIMITS: Final = fhir_json.Limits(body=2**40, bundle=2**40, entries=2**31, elements=2**31, depth=64, text=2**31)
"""A peer's answer is bounded by the endpoint's byte cap; what we keep of it passes the usual limits later."""


def _codes(answer: Answer) -> tuple[str, ...]:
    resource = _resource(answer)
    issues: Any = resource.get("issue") if resource and resource.get("resourceType") == "OperationOutcome" else None
    if not isinstance(issues, list):
        return ()
    codes = [issue.get("code") for issue in issues[:20] if isinstance(issue, dict)]
    return tuple(dict.fromkeys(code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)))


_CODE: Final = re.compile(r"[a-z-]{1,30}")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def _located(answer: Answer, type_: str, id_: str) -> Stamp | None:
    """Return the stamp that Location and ETag give, or None: then the resource has to be looked for."""
    match = LOCATION.search(answer.headers.get("location", answer.headers.get("content-location", "")))
    etag = answer.headers.get("etag", "")
    if match and match[1] == type_ and id_ in {"", match[2]}:
        version = match[3] or _opaque(etag)
        return Stamp(type_, match[2], version, etag or _etag(version))
    return Stamp(type_, id_, _opaque(etag), etag) if id_ and etag else None


def _stamp(resource: Resource, answer: Answer) -> Stamp:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    etag = answer.headers.get("etag", "")
    version = str(meta.get("versionId", "")) or _opaque(etag)
    return Stamp(
        str(resource.get("resourceType", "")),
        _id(resource.get("id")),
        version,
        etag or _etag(version),
        str(meta.get("lastUpdated", "")),
    )


def _deleted(entry: BundleEntry, type_: str) -> list[str]:
    """Return the id of what an entry of a history says was deleted, none where it is of another type."""
    places = (entry.request.url if entry.request else "", entry.full_url)
    found = [match for match in map(LOCATION.search, places) if match and match[1] == type_]
    return [found[0][2]] if found else []


def deletions_of(raw: bytes, types: Sequence[str]) -> list[tuple[str, str]] | None:
    """Return type and id of what a Bundle of deletions names, of some types; None where it cannot be read."""
    try:
        bundle = BUNDLE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    gone = [entry for entry in bundle.entry or () if entry.request is not None and entry.request.method == "DELETE"]
    return [(type_, id_) for entry in gone for type_ in types for id_ in _deleted(entry, type_)]


def entry_of(raw: bytes) -> Entry:
    """Return a resource, not read yet."""
    # What is not UTF-8 becomes an escape that JSON does not know: the strict reader will refuse it, not read it as "?".
    text = raw.decode("utf-8", "backslashreplace")
    try:
        head = HEAD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Entry(Stamp("", ""), text)
    meta = head.meta or Meta()
    version = meta.version_id or ""
    return Entry(Stamp(head.resource_type, _id(head.id), version, _etag(version), meta.last_updated or ""), text)


def content_version(text: str) -> str:
    """Return what stands for the version id of a resource that has none: a digest of its text."""
    return "sha256-" + hashlib.sha256(text.encode()).hexdigest()[:40]


def _id(value: object) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _etag(version: str) -> str:
    return f'W/"{version}"' if version else ""
