"""Which addresses belong to an endpoint. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def own(base: str, link: str) -> str | None:
    """Return the absolute URL of a link where it stays below ``base``, spelled as that is; else None.

    Compared are scheme, host and port as parsed, and whole path segments: ``https://fhir.example.evil`` begins with
    ``https://fhir.example`` but is another host, ``/fhir-admin`` begins with ``/fhir`` but is another path.
    """
    try:
        url, ours = urlsplit(urljoin(base + "/", link)), urlsplit(base)
        same = _origin(url) == _origin(ours)
    except ValueError:
        return None
    if not same or url.username or url.password or "\\" in link or any(ord(c) <= 32 for c in link):
        return None
    segments = [unquote(part) for part in url.path.split("/")]
    wanted = [unquote(part) for part in ours.path.split("/") if part]
    if any(part in {".", ".."} or "/" in part for part in segments):
        return None
    if [part for part in segments if part][: len(wanted)] != wanted:
        return None
    if url.geturl().startswith(base):
        return url.geturl()
    # The same origin in another spelling: what is asked begins with the base as it was configured.
    rest = "/".join([part for part in url.path.split("/") if part][len(wanted) :])
    query = f"?{url.query}" if url.query else ""
    return f"{base}/{rest}{query}" if rest else base + query


def leads_to_another(base: str, path: str, location: str) -> bool:
    """Say whether the address of a resource, ``path`` below ``base``, leads to one of its type with another id."""
    url = own(base, location)
    if url is None:
        return False
    asked, named = (_RESOURCE.fullmatch(part) for part in (path, url.removeprefix(base)))
    return asked is not None and named is not None and asked[1] == named[1] and asked[2] != named[2]


_RESOURCE: Final = re.compile(r"/([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?/?")
"""No other address is one of a resource: not that of an export under way, of an operation, or of a search."""


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    port = url.port if url.port is not None else {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme.lower(), (url.hostname or "").lower(), port
