"""Note, in the transaction of a change, who wants to know of it.

Looked at are the subscriptions of the tenant to this type of resource, and of the resource what is at hand: its record
and its index rows. Only the plain form of R4 may ask for more than ``patient`` and ``status``: then the search itself
is asked whether it finds this one resource.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fhir_infusion.actions import rules
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import search as fhir_search
from fhir_infusion.fhir import subscriptions as asking
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.fhir.topics import BASE, FILTERS
from fhir_infusion.store import search, subscriptions, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.search import Entry
    from fhir_infusion.fhir.subscriptions import Filter, Wanted
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

Pairs = tuple[tuple[str, str], ...]

_PLAIN: Final = {
    "status": re.compile(r"[a-z-]+(?:,[a-z-]+)*"),
    "patient": re.compile(r"(?:Patient/)?[A-Za-z0-9.-]{1,64}(?:,(?:Patient/)?[A-Za-z0-9.-]{1,64})*"),
}
"""Values that are compared with the index rows here; whatever else is spelled, the search is asked."""
_SHAPING: Final = frozenset(
    {"_sort", "_count", "_format", "_summary", "_elements", "_total", "_include", "_revinclude"}
)


def record(tx: Tx, changed: Stored, before: Stored | None, now: dict[str, Any], rows: Sequence[Entry]) -> None:
    """Add an event to each subscription that wants to know of a version just written.

    Args:
        tx: the transaction that wrote it.
        changed: the version.
        before: the version that it follows.
        now: its record.
        rows: its index rows.
    """
    if changed.type not in MAPPED:
        return
    stop = changed.type == MAPPED[0] and rules.is_stop(now)
    for id_, release, body, base in subscriptions.listening(tx, changed.type):
        wanted = asking.known(release, body)
        if _happened(wanted.topic, before, now) and _meets(tx, wanted, release, changed, rows, base):
            subscriptions.append(tx, id_, changed, stop=stop)


def check_filters(wanted: Wanted, release: str) -> None:
    """Refuse filters that cannot be searched by, or that the topic does not offer.

    Raises:
        Refused: 400 a parameter or value is not right, 422 the topic is not filtered by it.
    """
    for one in wanted.filters:
        pairs = pairs_of(one)
        if wanted.topic and (not pairs or any(name not in FILTERS for name, _ in pairs)):
            reason, accepted = "the topic is not filtered by this", ", ".join(FILTERS)
            raise Refused(_issue("not-supported", reason, accepted, release))
        if any(name.partition(":")[0] in _SHAPING for name, _ in pairs):
            reason = "what shapes the answer to a search says nothing of a change"
            raise Refused(_issue("not-supported", reason, "parameters that say what is searched for", release))
        fhir_search.parse(one.type, release, pairs)


@lru_cache(maxsize=1024)
def pairs_of(wanted: Filter) -> Pairs:
    """Return the parameters of a filter, decoded."""
    return wanted.pairs or tuple(parse_qsl(wanted.query, keep_blank_values=True))


def _happened(topic: str, before: Stored | None, now: dict[str, Any]) -> bool:
    """Say whether a change is what a topic is about; without a topic every change is."""
    earlier = text.read(before.record) if before is not None and before.record else {}
    match topic.partition("|")[0].removeprefix(f"{BASE}/"):
        case "order-stopped":
            return rules.is_stop(now) and not rules.is_stop(earlier)
        case "reaction-recorded":
            told = now.get("reactions")
            return bool(told) and text.digest(told) != text.digest(earlier.get("reactions", []))
        case _:
            return True


def _meets(tx: Tx, wanted: Wanted, release: str, changed: Stored, rows: Sequence[Entry], base: str) -> bool:
    """Say whether a change meets the filters, which may name us by ``base``, our address as the subscriber knows it."""
    to_ask: list[tuple[str, str]] = []
    for one in wanted.filters:
        for name, value in pairs_of(one):
            plain = _PLAIN.get(name)
            if plain is None or not plain.fullmatch(value):
                to_ask.append((name, value))
            elif not _is_among(name, value.split(","), rows):
                return False
    if not to_ask:
        return True
    # The rows of this version are written by now; the id makes it a look at one resource.
    query = fhir_search.parse(changed.type, release, [("_id", changed.id), *to_ask], base.rpartition("/fhir/")[0])
    return bool(search.page(tx, changed.type, query, 1).entries)


def _is_among(name: str, values: Sequence[str], rows: Sequence[Entry]) -> bool:
    wanted = {f"Patient/{one.removeprefix('Patient/')}" if name == "patient" else one for one in values}
    return any(row.parameter == name and row.value in wanted for row in rows)


def _issue(code: str, reason: str, accepted: str, release: str) -> Issue:
    place = "Subscription.filterBy" if release == "R5" else "Subscription.criteria"
    return Issue("error", code, place, reason, accepted, "subscription", BREAKS_RULE)
