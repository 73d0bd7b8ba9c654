"""Take a site's own JSON and store what it says, through the same actions as our own.

Orders are placed, administrations recorded. Rows of a feed that arrive for an administration that is stored are put
among its rows by their keys, and what they say together becomes its next version. The same again changes nothing; a
row that came before with another content is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import find, place_order, record_administration
from fhir_infusion.actions.formats import checked, format_named, to_format
from fhir_infusion.actions.transact import Outcome
from fhir_infusion.actions.whole import TYPE
from fhir_infusion.errors import Refused
from fhir_infusion.mapping.formats.groups import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.actions.find import FoundRecord
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.service import Service

_TRIES: Final = 3
"""How often a merge begins anew where somebody else changed the administration in between."""
_STALE: Final = 412
_KEY: Final = "http.Idempotency-Key"
"""The path of an issue of the whole request: its key came with another one."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one record of the input: its outcome, or why it was refused."""

    outcome: Outcome | None = None
    refused: Refused | None = None


def place(service: Service, caller: Caller, name: str, value: Any) -> Iterator[Placed]:
    """Store each record of a site's JSON, one after the other, each in a transaction of its own.

    Raises:
        Refused: there is no such format, the input cannot be taken apart into records, or the caller's key came with
            another request.
        Unavailable: the storage cannot be written.
    """
    one = format_named(service.translator, name)
    objects = one.apart(value)
    for number, each in enumerate(objects, 1):
        own = replace(caller, key=f"{caller.key}#{number}") if caller.key and number > 1 else caller
        try:
            yield Placed(_placed(service, own, one, each))
        except Refused as refused:
            if any(issue.path == _KEY for issue in refused.issues):
                raise
            yield Placed(refused=refused)


def _placed(service: Service, caller: Caller, one: Format, each: Any) -> Outcome:
    feed = one.given.group if isinstance(one.given.group, Feed) else None
    if feed is not None and feed.problems(each) and (number := one.number_of(each)):
        # What these rows undo may be stored.
        return _recorded(service, caller, one, each, number)
    record = checked(service.translator, one.read_one(each)).results[0]
    if one.record == "InfusionOrder":
        return place_order.place(service, caller, record)
    if feed is None:
        return record_administration.place(service, caller, record)
    return _recorded(service, caller, one, each, str(record.get("administration_id", "")))


def _recorded(service: Service, caller: Caller, one: Format, each: Any, number: str) -> Outcome:
    """Record an administration, or put its rows among those of the one that is stored."""
    for _ in range(_TRIES - 1):
        try:
            return _merged(service, caller, one, each, number)
        except Refused as refused:
            if refused.status != _STALE:
                raise
    return _merged(service, caller, one, each, number)


def _merged(service: Service, caller: Caller, one: Format, each: Any, number: str) -> Outcome:
    before = _stored(service, caller, number)
    if before is None:
        record = checked(service.translator, one.read_one(each)).results[0]
        return record_administration.place(service, caller, record)
    rows = to_format(service.translator, one.name, [before.record]).values
    (whole,) = one.apart(one.merged(rows, one.rows_of(each)))
    merged = checked(service.translator, one.read_one(whole)).results[0]
    kept = {name: before.record[name] for name in ("resource_id",) if name in before.record}
    return record_administration.amend(service, caller, before.id, {**merged, **kept}, str(before.version))


def _stored(service: Service, caller: Caller, administration_id: str) -> FoundRecord | None:
    """Return the stored administration of an identifier, if there is one."""
    if not administration_id:
        return None
    asked = [("administration_id", administration_id)]
    page = find.records(service, caller, TYPE, asked, 1)
    return page.entries[0] if page.entries else None
