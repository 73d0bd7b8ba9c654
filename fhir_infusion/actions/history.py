"""What became of a resource, of a type, or of everything: https://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fhir_infusion.actions import release_text, transact
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import history, versions

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.history import Of


@dataclass(frozen=True, slots=True)
class Event:
    """One version: ``text`` is its FHIR JSON in the release asked for, empty for a deletion.

    Where that release cannot say it, ``unsaid`` tells why, without text. ``is_new``: there was no such resource before,
    or a deleted one.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    deleted: bool
    is_new: bool
    text: str
    unsaid: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """Some events, newest first. The next page holds what is older than ``before``; None after the last."""

    events: tuple[Event, ...]
    before: int | None


def page(service: Service, caller: Caller, release: str, of: Of, count: int, before: int | None = None) -> History:
    """Return a page of a history, newest first.

    Raises:
        Refused: 404, this tenant never had the one resource that is asked for.
        Unavailable: the storage cannot be read.
    """

    def work(tx: Tx) -> tuple[history.Page, set[tuple[str, str, int]]]:
        if of.id and versions.current(tx, of.type, of.id) is None:
            raise Refused(transact.not_found(of.type))
        found = history.page(tx, of, count, before)
        return found, {(one.type, one.id, one.version) for one in found.entries if _is_new(tx, one)}

    found, new = service.store.read(caller.tenant, work)
    said = [stored for stored in found.entries if not stored.deleted]
    texts = iter(release_text.texts(service, caller.tenant, said, release))
    events = []
    for stored in found.entries:
        body = "" if stored.deleted else next(texts)
        text, unsaid = (body, ()) if isinstance(body, str) else ("", body.issues)
        key = (stored.type, stored.id, stored.version)
        events.append(Event(*key, stored.last_updated, stored.deleted, key in new, text, unsaid))
    return History(tuple(events), found.before)


def _is_new(tx: Tx, stored: versions.Stored) -> bool:
    if stored.deleted or stored.version == 1:
        return not stored.deleted
    earlier = versions.version(tx, stored.type, stored.id, stored.version - 1)
    return earlier is None or earlier.deleted
