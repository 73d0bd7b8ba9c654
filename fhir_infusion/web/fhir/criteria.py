"""The criteria of conditional interactions: a search, read as strictly as one, that must find one resource at most.

https://hl7.org/fhir/http.html#cond-update, #ccreate, #cdelete. They stand in the query of the address or, for a create,
in the header ``If-None-Exist``. ``Prefer: handling=lenient`` has no effect on them: a criterion that was passed over
would find, and change, what was not meant.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import search
from fhir_infusion.web.context import home_url
from fhir_infusion.web.fhir.common import RELEASES
from fhir_infusion.web.fhir.pages import SHAPING
from fhir_infusion.web.parameters import Parameters, decoded, stated
from fhir_infusion.web.refusals import header_refusal, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from flask import Request

    from fhir_infusion.config import Release
    from fhir_infusion.fhir.search import Query

T = TypeVar("T")

_CRITERIA_OF_ALL: Final = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_has"})


def stated_criteria(request: Request, release: Release, fhir_type: str) -> Query:
    """Return the criteria in the query of the address.

    Raises:
        Refused: 400, there is none, or one that cannot be searched by.
    """
    asked = [pair for pair in stated(request) if pair[0] not in SHAPING]
    if not asked:
        reason = "the address names neither an id nor a criterion"
        raise refusal(400, "required", reason, accepted="an id, or identifier=system|value")
    return _parsed(release, fhir_type, asked)


def if_none_exist(request: Request, release: Release, fhir_type: str) -> Query | None:
    """Return the criteria of what must not exist yet, None without the header.

    Raises:
        Refused: 400, it is no criterion, of another type, or of another server.
    """
    return read_none_exist(request, release, fhir_type, lambda asked: _parsed(release, fhir_type, asked))


def read_none_exist(request: Request, release: Release, fhir_type: str, read: Callable[[Parameters], T]) -> T | None:
    """Return what ``read`` makes of the criteria of what must not exist yet, None without the header.

    The header holds a query, with or without the address before it: ``identifier=a|b``, ``Patient?identifier=a|b``, or
    that below our own base.

    Raises:
        Refused: 400, it is no criterion, of another type, or of another server; what ``read`` raises, as of the header.
    """
    header = request.headers.get("If-None-Exist")
    if header is None:
        return None
    text = header.strip()
    address, mark, query = text.partition("?")
    if not mark or "=" in address:
        # A bare query; what follows a question mark in it is part of a value.
        address, query = "", text
    addresses = {"", fhir_type, *_own(release, fhir_type)}
    if address not in addresses:
        accepted = f"a search for {fhir_type}, URL-encoded, such as identifier=system|value"
        raise header_refusal(400, "invalid", "If-None-Exist", "it is no search for this type on this server", accepted)
    try:
        asked = [pair for pair in decoded(query.encode()) if pair[0] not in SHAPING]
        if not asked:
            accepted = "identifier=system|value"
            raise header_refusal(400, "required", "If-None-Exist", "it names no criterion", accepted)
        names = {*_CRITERIA_OF_ALL, *(one.name for one in search.parameters(fhir_type, release))}
        _refuse_two(query, addresses, names)
        return read(asked)
    except Refused as refused:
        raise _of_the_header(refused) from None


def _refuse_two(query: str, addresses: Collection[str], names: Collection[str]) -> None:
    """Refuse criteria that two headers were joined to on their way, as whoever passes them on may (RFC 9110, 5.3).

    The second would be one more value of the first, which nothing has, and what is there were made again. Where they
    come in two lines ``quiet_worker`` sees it.

    Raises:
        Refused: 400, behind a comma there is a criterion and no value.
    """
    for part in _JOINT.split(query)[1:]:
        address, _, rest = part.partition("?")
        found = _CRITERION.match(rest if address in addresses else part)
        if found and found[1] in names:
            raise header_refusal(400, "value", "If-None-Exist", "it was sent twice", "one such header")


_JOINT: Final = re.compile(r"(?<!\\), *")
_CRITERION: Final = re.compile(r"(_?[A-Za-z][A-Za-z\-]*)(?:[:.][A-Za-z:.\-]*)?=")


def _of_the_header(refused: Refused) -> Refused:
    """Return a refusal of criteria as one of the header they stand in, which the path names before the parameter."""
    name = "http.If-None-Exist"
    bare = (replace(issue, path=issue.path.removeprefix("http.")) for issue in refused.issues)
    return Refused(*(issue.under("http" if issue.path == "If-None-Exist" else name) for issue in bare))


def refuse_query(request: Request) -> None:
    """Refuse criteria where none belong: passed over, they would have the effect that they are to prevent.

    Raises:
        Refused: 400.
    """
    if any(name not in SHAPING for name, _ in stated(request)):
        reason = "this interaction takes no criteria in its address"
        accepted = (
            "the header If-None-Exist for a conditional create; PUT, PATCH or DELETE with criteria and without id"
        )
        raise refusal(400, "not-supported", reason, accepted=accepted)


def _own(release: Release, fhir_type: str) -> set[str]:
    """Return how the address of a type may be written: as a path, or whole."""
    names = [name for name, served in RELEASES.items() if served == release]
    return {f"{home}/fhir/{name}/{fhir_type}" for name in names for home in ("", home_url())}


def _parsed(release: Release, fhir_type: str, asked: Parameters) -> Query:
    for name, _ in asked:
        base = name.partition(":")[0]
        if base.startswith("_") and base not in _CRITERIA_OF_ALL:
            raise refusal(400, "not-supported", "a parameter that shapes a page is no criterion", accepted="criteria")
    return search.parse(fhir_type, release, asked, home_url())
