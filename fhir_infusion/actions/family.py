"""Write a version of a resource with what goes with it: a segment's administration, an administration's segments.

The segments of an administration are resources of their own, which come one by one and in any order. Whatever is
written of one, the others follow in the same transaction: a segment that changes gives its administration a new version
too, and what changes in all of an administration (its drug or order, or that it was an error) goes to each segment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_infusion.actions import record_administration, revive, rules, transact, whole
from fhir_infusion.actions.transact import Json, Part
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

Work = Callable[["Tx"], "Stored"]


def first(service: Service, caller: Caller, type: str, part: Part, origin: str) -> Work:
    """Return the work that writes the first version; a segment and its whole go together, whichever came first."""
    system = transact.system_of(service, type)

    def work(tx: Tx) -> Stored:
        parent = whole.parent_of(tx, part.record, system) if type == whole.TYPE else None
        if parent is None:
            made = transact.write(service, tx, caller, type, part, origin)
            for early in whole.early_segments(tx, part.record, system) if type == whole.TYPE else ():
                if rules.fits(part.record, whole.part_of(early)):
                    versions.adopt(tx, early, made.id)
            return made
        if not origin:
            rules.refuse_misfit(whole.part_of(parent), None, part.record)
        else:
            rules.refuse_other_patient(whole.part_of(parent), part.record)
        before = whole.record_of(whole.family(tx, parent))
        child = replace(part, parent=parent.id)
        made = transact.write(service, tx, caller, type, child, origin)
        _renew(service, tx, caller, parent, before)
        return made

    return work


def following(service: Service, caller: Caller, type: str, part: Part, origin: str) -> Work:
    """Return the work that writes the next version, and the versions of parent or children that go with it."""
    before = part.previous
    if before is None:
        raise TypeError("a change follows a version")
    family = service.store.read(caller.tenant, lambda tx: whole.family(tx, before))
    back = revive.segments(service, caller, part) if before.deleted and type == whole.TYPE else []
    # Translated here, outside the transaction; nobody can change a child without giving its parent a new version.
    copied = [
        record_administration.retranslated(service, child, record)
        for child in family.children
        if (record := whole.with_copied(whole.part_of(child), part.record)) != whole.part_of(child)
        and rules.may_become(str(whole.part_of(child).get("status")), str(record.get("status")))
    ]

    def work(tx: Tx) -> Stored:
        now = versions.current(tx, type, part.id)
        if now is None or now.version != before.version:
            raise versions.Moved
        if not before.deleted and transact.unchanged(before, part) and not copied:
            return now
        parent = versions.current(tx, type, before.parent) if before.parent else None
        if parent is not None and not origin:
            earlier_part = None if before.deleted else whole.part_of(before)
            rules.refuse_misfit(whole.part_of(transact.known(parent, type)), earlier_part, part.record)
        earlier = whole.record_of(whole.family(tx, parent)) if parent else {}
        stored = transact.write(service, tx, caller, type, part, origin)
        for child in (*back, *copied):
            # The endpoint that the change came from does not know yet what it means for the segments.
            transact.write(service, tx, caller, type, child)
        if parent is not None:
            _renew(service, tx, caller, parent, earlier)
        return stored

    return work


def _renew(service: Service, tx: Tx, caller: Caller, parent: Stored, before: Json) -> None:
    """Give a parent a new version where the whole administration is another one now; every endpoint is told."""
    if text.digest(whole.record_of(whole.family(tx, parent))) == text.digest(before):
        return
    same = Part(parent.id, parent.release, text.read(parent.text), whole.part_of(parent), parent)
    transact.write(service, tx, caller, whole.TYPE, same)
