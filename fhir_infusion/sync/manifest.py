"""The three requests of a bulk export beside its files: kick-off, status, and the end; what their answers mean.

Of a peer's words only a number is kept: how many percent are done.

https://hl7.org/fhir/uv/bulkdata/export.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote

from fhir_infusion.sync import replies
from fhir_infusion.sync.replies import Answer, Doubtful, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.sync.remote import Endpoint

Kind: TypeAlias = Literal["output", "deleted", "error"]
KINDS: Final[tuple[Kind, ...]] = ("output", "deleted", "error")
"""In the order in which they are read."""

NOT_THERE: Final = frozenset({400, 404, 405, 406, 422, 501})
"""Answers to a kick-off by which a server has no such operation, or not with our parameters."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The peer has begun an export; ``url`` is where it is asked for."""

    url: str


@dataclass(frozen=True, slots=True)
class NotOffered:
    """The peer has no bulk export of what is wanted."""


@dataclass(frozen=True, slots=True)
class Running:
    """Not ready yet. ``retry_after`` is the header as sent, ``percent`` None where the peer does not say."""

    retry_after: str
    percent: int | None


@dataclass(frozen=True, slots=True)
class File:
    """A file of an export. ``count`` is how many lines it has, None where the peer does not say."""

    kind: Kind
    type: str
    url: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The manifest: the state of which moment the files hold, by the peer's clock."""

    transaction_time: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A manifest that is not followed, and why."""

    why: str


def kick_off(endpoint: Endpoint, types: Sequence[str]) -> Begun | NotOffered | Trouble:
    """Ask for an export of some types."""
    asked = (("_type", ",".join(types)), ("_outputFormat", "application/fhir+ndjson"))
    query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in asked)
    answer = endpoint.ask("GET", f"{endpoint.base}/$export?{query}", {"Prefer": "respond-async"})
    if not isinstance(answer, Answer):
        return answer
    if answer.status in NOT_THERE:
        return NotOffered()
    if answer.status != 202:
        return Doubtful("the export was not answered with 202") if answer.status == 200 else replies.trouble(answer)
    url = endpoint.own(answer.headers.get("content-location", ""))
    if not answer.headers.get("content-location") or url is None:
        return Doubtful("the address of the export is not one of this endpoint")
    return Begun(url)


def look(endpoint: Endpoint, url: str) -> Running | Ready | Unusable | Trouble:
    """Ask how far an export is."""
    answer = endpoint.ask("GET", url, {"Accept": "application/json"})
    if not isinstance(answer, Answer):
        return answer
    if answer.status == 202:
        percent = _PERCENT.search(answer.headers.get("x-progress", ""))
        return Running(answer.headers.get("retry-after", ""), min(100, int(percent[1])) if percent else None)
    return read(endpoint, answer.body) if answer.status == 200 else replies.trouble(answer)


_PERCENT: Final = re.compile(r"\b(\d{1,3})(?:\.\d+)? ?%")


def end(endpoint: Endpoint, url: str) -> None:
    """Say that an export is needed no more. Whether the peer took that matters to its disk only."""
    endpoint.ask("DELETE", url, {"Accept": "application/json"})


def read(endpoint: Endpoint, body: bytes) -> Ready | Unusable | Doubtful:
    """Read a manifest."""
    try:
        manifest = json.loads(body)
    except (ValueError, RecursionError):
        return Doubtful("unreadable answer")
    moment = manifest.get("transactionTime") if isinstance(manifest, dict) else None
    if not isinstance(moment, str):
        return Doubtful("no manifest")
    if any(isinstance(one, dict) and one.get("relation") == "next" for one in _listed(manifest.get("link"))):
        return Unusable("its list of files goes on elsewhere, which was not asked for")
    files: list[File] = []
    for kind in KINDS:
        for one in _listed(manifest.get(kind)):
            if not isinstance(one, dict) or not isinstance(one.get("url"), str) or not isinstance(one.get("type"), str):
                return Doubtful("no manifest")
            url = endpoint.own(one["url"])
            if url is None:
                return Unusable("a file lies at an address that is not of this endpoint")
            count = one.get("count")
            files.append(File(kind, one["type"], url, count if type(count) is int else None))
    return Ready(moment, tuple(files))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
