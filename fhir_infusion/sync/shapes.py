"""What is read of a peer's Bundle, entry by entry, before a resource in it is read as a whole."""

from __future__ import annotations

import re
from typing import Final

import msgspec


class Link(msgspec.Struct):
    """A link of a Bundle."""

    relation: str = ""
    url: str = ""


class Search(msgspec.Struct):
    """Why an entry is in a search result."""

    mode: str = "match"


class Request(msgspec.Struct):
    """What was asked, in a history."""

    method: str = ""
    url: str = ""


class BundleEntry(msgspec.Struct, rename={"full_url": "fullUrl"}):
    """An entry, its resource not read yet."""

    resource: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    search: Search | None = None
    request: Request | None = None
    full_url: str = ""


class Bundle(msgspec.Struct, rename={"resource_type": "resourceType"}):
    """A Bundle."""

    resource_type: str = ""
    type: str = ""
    total: int | None = None
    link: list[Link] | None = None
    entry: list[BundleEntry] | None = None


class Meta(msgspec.Struct, rename="camel"):
    """What is needed of meta."""

    version_id: str | None = None
    last_updated: str | None = None


class Head(msgspec.Struct, rename={"resource_type": "resourceType"}):
    """What is needed of a resource."""

    resource_type: str = ""
    id: str | None = None
    meta: Meta | None = None


class Issue(msgspec.Struct):
    """An issue, without its texts."""

    severity: str = ""
    code: str = ""


class Outcome(msgspec.Struct):
    """An OperationOutcome."""

    issue: list[Issue] | None = None


class Identifier(msgspec.Struct):
    """What an identifier is looked for by."""

    system: str = ""
    value: str = ""


class Named(msgspec.Struct):
    """What a resource is called by others."""

    identifier: list[Identifier] | None = None


LOCATION: Final = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?$"
)
"""Type, id and version in an address, wherever its server is."""

OUTCOME: Final = msgspec.json.Decoder(Outcome)
BUNDLE: Final = msgspec.json.Decoder(Bundle)
HEAD: Final = msgspec.json.Decoder(Head)
NAMED: Final = msgspec.json.Decoder(Named)


def named_in(raw: bytes | str) -> set[tuple[str, str]]:
    """Return system and value of each identifier of a resource; of one that cannot be read so, none."""
    try:
        return {(one.system, one.value) for one in NAMED.decode(raw).identifier or ()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return set()


class Response(msgspec.Struct):
    """What came of an entry of a batch."""

    status: str = ""
    location: str = ""
    etag: str = ""
    outcome: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class BatchEntry(msgspec.Struct):
    """An entry of the answer to a batch."""

    resource: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    response: Response | None = None


class Batch(msgspec.Struct, rename={"resource_type": "resourceType"}):
    """The answer to a batch."""

    resource_type: str = ""
    type: str = ""
    entry: list[BatchEntry] | None = None


BATCH: Final = msgspec.json.Decoder(Batch)
