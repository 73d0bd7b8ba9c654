"""What is stored through changed documents, before they go live: the versions as they were received, newest first.

Each is read into a record, and its record is written as a resource of its release, by the documents in use and by the
changed ones. It reads only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import transact, whole
from fhir_infusion.actions.mappings.turning import Compared, compare, turn
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.store import audit, history, text
from fhir_infusion.store.versions import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.service import Service
    from fhir_infusion.store import Store, Tx
    from fhir_infusion.translator import Translator

Json = dict[str, Any]
AT_ONCE: Final = 100
"""Versions read on one snapshot."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which versions of a tenant: the newest ``last`` or all, of a type where one is named, since a moment.

    ``since`` is in ms since 1970 UTC.
    """

    tenant: str
    last: int | None
    type: str = ""
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the changed documents make of one version: ``read`` of the message, ``written`` of its record."""

    stored: Stored
    read: Compared
    written: Compared

    @property
    def state(self) -> str:
        """Return ``same``, ``changed``, ``refused now``, ``refused before`` or ``refused`` (by both)."""
        both = (self.read, self.written)
        if any(one.refused_now for one in both):
            return "refused now"
        if any(one.refused_before for one in both):
            return "refused before"
        if any(one.state == "changed" for one in both):
            return "changed"
        return "refused" if any(one.state == "refused" for one in both) else "same"

    def in_words(self) -> str:
        """Return where the two differ, or are refused; no values."""
        ways = (("record", self.read), ("resource", self.written))
        return "; ".join(f"{name}: {found.in_words()}" for name, found in ways if found.state != "same")

    def document(self) -> Json:
        """Return the same as JSON, without values."""
        named = {"resource": self.stored.aggregate, "version": self.stored.version, "release": self.stored.release}
        return {**named, "state": self.state, "read": self.read.document(), "written": self.written.document()}


STATES: Final = ("same", "changed", "refused now", "refused before", "refused")


def versions(store: Store, wanted: Wanted) -> Iterator[Stored]:
    """Return the versions, newest first: those of types that have a record, without deletions.

    Raises:
        Unavailable: the storage cannot be read now.
    """
    return islice(_versions(store, wanted), wanted.last)


def _versions(store: Store, wanted: Wanted) -> Iterator[Stored]:
    of, before = history.Of(wanted.type, since=wanted.since), None
    while True:
        page = store.read(wanted.tenant, partial(history.page, of=of, count=AT_ONCE, before=before))
        yield from (one for one in page.entries if one.type in MAPPED and not one.deleted)
        before = page.before
        if before is None:
            return


def replay(stored: Stored, old: Translator, new: Translator, overlay: str | None) -> Replayed:
    """Translate a version with both sets of documents, there and back."""
    received = transact.without_server_elements(text.read(stored.text))
    record = whole.single(whole.part_of(stored))
    read, written = (
        compare(*(turn(one, given, stored.release, overlay, as_sent=as_sent) for one in (old, new)))
        for given, as_sent in ((received, None), (record, True))
    )
    return Replayed(stored, read, written)


def note_shown(service: Service, client: str, tenant: str, shown: str) -> Json:
    """Note in the audit trail that ``client`` is shown these versions; ``shown`` names one a line: ``Type/id/version``.

    Raises:
        Refused: 400, a line is no version.
        Unavailable: nothing can be noted now.
    """
    named = [line.split("/") for line in shown.splitlines()]
    if not all(len(parts) == 3 and parts[2].isdecimal() for parts in named):
        raise Refused(Issue("error", "value", "shown", "a line names no version", "Type/id/version", status=400))

    def work(tx: Tx) -> None:
        for type_, id_, version in named:
            audit.write(tx, "read", client, type_, id_, int(version), "mapping replay")

    service.store.transact(tenant, work)
    return {"noted": len(named)}
