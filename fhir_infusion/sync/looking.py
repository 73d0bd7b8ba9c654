"""Looking for resources by identifier, one or several in one search.

Several are told apart by the identifiers that they carry. Where that is not clear, such as for a server that takes
``A-1`` and ``a-1`` for the same, each is looked for by itself: what a server says to one question is what counts.

https://hl7.org/fhir/R4/search.html#combining
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from fhir_infusion.actions.condition import token_value
from fhir_infusion.sync.replies import Listed
from fhir_infusion.sync.shapes import NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.sync.remote import Endpoint
    from fhir_infusion.sync.replies import Entry, Trouble

ENOUGH: Final = 20
"""More matches than this need no counting."""


def alone(endpoint: Endpoint, type_: str, system: str, value: str) -> Listed | Trouble:
    """Return the first page of what has an identifier."""
    return endpoint.search(type_, [("identifier", token_value(system, value)), ("_count", str(ENOUGH))])


def together(endpoint: Endpoint, type_: str, keys: Sequence[tuple[str, str]]) -> list[Listed | Trouble]:
    """Return, for each identifier, what has it: of one search, or of one each where that leaves a question open."""
    if len(keys) == 1:
        return [alone(endpoint, type_, *keys[0])]
    wanted = ",".join(dict.fromkeys(token_value(*key) for key in keys))
    found = endpoint.search(type_, [("identifier", wanted), ("_count", str(ENOUGH * len(keys)))])
    if not isinstance(found, Listed):
        return [found] * len(keys)
    of_each = _told_apart(found, keys)
    if of_each is None:
        return [alone(endpoint, type_, *key) for key in keys]
    return [Listed(tuple(of_each[key]), "", found.date) for key in keys]


def _told_apart(found: Listed, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Entry]] | None:
    if found.following or found.left_out:
        return None
    of_each: dict[tuple[str, str], list[Entry]] = {key: [] for key in keys}
    for entry in found.entries:
        try:
            named = {(one.system, one.value) for one in NAMED.decode(entry.text).identifier or ()}
        except (msgspec.DecodeError, RecursionError):
            return None
        mine = named & of_each.keys()
        if not mine or not entry.stamp.id:
            return None
        for key in mine:
            of_each[key].append(entry)
    return of_each
