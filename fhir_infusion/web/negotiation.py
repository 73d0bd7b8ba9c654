"""What a request asks for in its headers: media types, preferences and conditions, read strictly.

Clauses: https://hl7.org/fhir/http.html#mime-type, #version-parameter, #ops, #concurrency; RFC 9110 sections 12 and 13;
RFC 7240 (Prefer).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from werkzeug.http import parse_accept_header, parse_options_header

from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.web.refusals import header_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Request

FHIR_JSON: Final = "application/fhir+json"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
FHIR_VERSIONS: Final[Mapping[str, str]] = {name: release.mime_version for name, release in RELEASES.items()}
"""Release to the value of the media type parameter ``fhirVersion``."""

Return = Literal["minimal", "representation", "OperationOutcome"]

_ETAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{1,64})"')
_FORMATS: Final = frozenset({"json", JSON, FHIR_JSON})


@dataclass(frozen=True, slots=True)
class Preferences:
    """What ``Prefer`` asks: the body of the answer to a write, and whether unknown parameters may be passed over.

    ``is_async``: the answer may come later, at another address (``respond-async``).
    """

    body: Return | None
    lenient: bool
    is_async: bool = False


def check_content_type(request: Request, release: str | None, more: tuple[str, ...] = ()) -> str:
    """Refuse a body that is not JSON in UTF-8, is encoded, or is of another FHIR release than the path.

    ``release`` is None on our own routes, where ``application/json`` is asked for; ``more`` are media types that are
    taken beside those. Returns the media type. Raises ``Refused`` (415).
    """
    accepted = ", ".join((*more, JSON if release is None else FHIR_JSON))
    _check_encoding(request)
    media, options = _media_type(request.headers.get("Content-Type", ""))
    if media not in ({JSON, *more} if release is None else {JSON, FHIR_JSON, *more}):
        reason = "the body is not declared as JSON" if media else "the media type of the body is not stated"
        raise header_refusal(415, "not-supported", "Content-Type", reason, accepted)
    _check_charset(options)
    if release is not None and not _same_release(options, release):
        raise _wrong_release(415, "Content-Type", release)
    return media


def check_form(request: Request) -> None:
    """Refuse a body that is not a form in UTF-8, or is encoded. Where no media type is stated it is one.

    Raises ``Refused`` (415).
    """
    _check_encoding(request)
    media, options = _media_type(request.headers.get("Content-Type", ""))
    if media not in {FORM, ""}:
        raise header_refusal(415, "not-supported", "Content-Type", "it is not declared as a form", FORM)
    _check_charset(options)


def _media_type(stated: str) -> tuple[str, dict[str, str]]:
    """Return a media type, whose case says nothing (RFC 9110 section 8.3.1), with its options."""
    media, options = parse_options_header(stated)
    return media.lower(), options


def _check_encoding(request: Request) -> None:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise header_refusal(415, "not-supported", "Content-Encoding", "an encoded body is not taken", "identity")


def _check_charset(options: Mapping[str, str]) -> None:
    if options.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise header_refusal(415, "not-supported", "Content-Type", "the character set is not UTF-8", "charset=utf-8")


def check_accept(request: Request, release: str | None, in_body: Sequence[tuple[str, str]] = ()) -> None:
    """Refuse a request whose ``_format`` or ``Accept`` asks for something other than our JSON.

    ``in_body`` are the parameters in the body of a search, which count as those of the address do.

    Raises ``Refused`` (406). ``_format`` wins over ``Accept`` (https://hl7.org/fhir/http.html#parameters).
    """
    wanted = (JSON,) if release is None else (FHIR_JSON, JSON)
    if release is not None:
        formats = [*request.args.getlist("_format"), *(value for name, value in in_body if name == "_format")]
        for stated in formats:
            _check_format(stated, release)
        if formats:
            return
    header = request.headers.get("Accept", "")
    if not header.strip():
        return
    wrong_version = False
    for value, quality in parse_accept_header(header):
        media, options = _media_type(value)
        if quality <= 0 or not _matches(media, wanted):
            continue
        if release is None or _same_release(options, release):
            return
        wrong_version = True
    if wrong_version and release is not None:
        raise _wrong_release(406, "Accept", release)
    raise header_refusal(406, "not-supported", "Accept", "none of the media types asked for is offered", wanted[0])


def _check_format(stated: str, release: str) -> None:
    # A plus sign that was not escaped arrives as a space.
    media, options = _media_type(stated.replace(" ", "+"))
    if media not in _FORMATS:
        raise header_refusal(406, "not-supported", "_format", "the format is not offered", "json")
    if not _same_release(options, release):
        raise _wrong_release(406, "_format", release)


def _matches(media: str, wanted: tuple[str, ...]) -> bool:
    return media in wanted or media in {"*/*", "application/*"} or (media == "application/problem+json")


def _same_release(options: Mapping[str, str], release: str) -> bool:
    stated = options.get("fhirversion")
    return stated is None or stated == FHIR_VERSIONS[release]


def _wrong_release(status: int, name: str, release: str) -> Exception:
    accepted = f"fhirVersion={FHIR_VERSIONS[release]}, or the path of the other release"
    return header_refusal(status, "not-supported", name, "fhirVersion is not the release of this path", accepted)


def preferences(request: Request) -> Preferences:
    """Read ``Prefer``. What is not known, or was said before, is passed over, as RFC 7240 section 2 asks."""
    body: Return | None = None
    lenient = is_async = False
    for part in ",".join(request.headers.getlist("Prefer")).replace(";", ",").split(","):
        name, _, value = (piece.strip().strip('"') for piece in part.partition("="))
        if name.lower() == "return":
            body = body or _RETURNS.get(value.lower())
        elif name.lower() == "handling":
            lenient = value.lower() == "lenient"
        elif name.lower() == "respond-async":
            is_async = True
    return Preferences(body, lenient, is_async)


_RETURNS: Final[Mapping[str, Return]] = {
    "minimal": "minimal",
    "representation": "representation",
    "operationoutcome": "OperationOutcome",
}


def if_match(request: Request) -> str | None:
    """Return the version named by ``If-Match``, None where the header is absent.

    Raises ``Refused`` (400) where it does not name exactly one version: ``*`` or a list would let a writer overwrite
    what it has not read, and so would a moment (``If-Unmodified-Since``), in whose second there may be two.
    """
    header = request.headers.get("If-Match")
    if header is None:
        if "If-Unmodified-Since" in request.headers:
            reason = "a change on condition of a moment is not made"
            raise header_refusal(400, "not-supported", "If-Unmodified-Since", reason, "If-Match")
        return None
    found = _ETAG.fullmatch(header.strip())
    if found is None:
        raise header_refusal(400, "value", "If-Match", "it does not name one version", 'the ETag that was read: W/"1"')
    return found[1]


_CONDITIONS: Final = "If-None-Exist for a create, If-None-Match for an update, If-Match for what is there"


def refuse_conditions(request: Request, *names: str, accepted: str = _CONDITIONS) -> None:
    """Refuse (400) conditions that a change knows nothing of: passed over, it would be done where they do not hold."""
    for name in names:
        if name in request.headers:
            raise header_refusal(400, "not-supported", name, "this interaction takes no such condition", accepted)


def creates_only(request: Request) -> bool:
    """Say whether an update is to create only: ``If-None-Match: *`` (RFC 9110 section 13.1.2).

    Raises ``Refused`` (400) where it names versions: an update that others may have overtaken names one in If-Match.
    """
    header = request.headers.get("If-None-Match")
    if header is not None and header.strip() != "*":
        raise header_refusal(400, "value", "If-None-Match", "an update takes no versions in it", "*, or If-Match")
    return header is not None


def is_unchanged(request: Request, etag: str, changed_at: datetime | None) -> bool:
    """Say whether ``If-None-Match``, or else ``If-Modified-Since``, tells that the reader has this state already.

    A moment of HTTP has no fraction: who read in the second of a change may have read what was before it, so that only
    a later one tells, or that of a first version (RFC 9110 section 8.8.2.2).
    """
    header, opaque = request.headers.get("If-None-Match"), etag.removeprefix("W/")
    if header is not None:
        return header.strip() == "*" or opaque in (part.strip().removeprefix("W/") for part in header.split(","))
    since = request.headers.get("If-Modified-Since")
    if since is None or changed_at is None:
        return False
    second = changed_at.replace(microsecond=0)
    with suppress(TypeError, ValueError):
        moment = parsedate_to_datetime(since)
        return second < moment or (second == moment and opaque == '"1"')
    return False


def etag(version: object) -> str:
    """Return the weak ETag of a version (https://hl7.org/fhir/http.html#versioning)."""
    return f'W/"{version}"'


def http_date(moment: datetime) -> str:
    """Return an aware moment in the form of ``Last-Modified``; its fraction of a second is cut."""
    return _http_date(moment.astimezone(UTC).replace(microsecond=0))


@lru_cache(maxsize=256)
def _http_date(second: datetime) -> str:
    return format_datetime(second, usegmt=True)
