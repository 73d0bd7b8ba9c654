"""Bring back what was deleted, by an update: https://hl7.org/fhir/R4/http.html#delete allows it, and counts on.

A message that is sent again, or comes late, must not bring an order back to life (hazards H8, H19). So an order or an
administration comes back only for who names the version of its deletion in ``If-Match``, which no earlier message can,
and only in the state in which it was deleted, or as entered in error: nothing becomes active by it. No other server
can do it. An administration comes back with its segments, as it went. What comes along (a Patient …) is brought back
by a plain update.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_infusion.actions import record_administration, rules, transact, whole
from fhir_infusion.actions.transact import Part
from fhir_infusion.errors import BREAKS_RULE, Deleted, Issue, Refused
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.records.statuses import ERROR
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored


def refuse_revival(service: Service, caller: Caller, part: Part, if_match: str | None, origin: str) -> None:
    """Refuse to bring back a resource; ``part`` follows the version that is its deletion.

    Raises:
        Refused: 410 without If-Match, 412 where it does not name the deletion; 422 it may not come back as this.
    """
    deletion = part.previous
    if deletion is None:
        raise TypeError("what is brought back follows its deletion")
    type_ = deletion.type
    if type_ in MAPPED and (if_match is None or origin):
        raise Deleted(type_, deletion.version, deletion.last_updated)
    transact.refuse_unless_current(deletion, if_match, required=False)
    if type_ not in MAPPED:
        return
    old = whole.part_of(service.store.read(caller.tenant, lambda tx: _as_it_was(tx, deletion)))
    field = transact.IDENTITY[type_]
    rules.refuse_other_identity(field, old.get(field), part.record.get(field), may_vanish=False)
    rules.refuse_other_patient(old, part.record)
    before, after = str(old.get("status")), str(part.record.get("status"))
    if after not in {before, ERROR}:
        reason = "what was deleted comes back as it was, so that nobody acts upon it by mistake"
        accepted = f"{before} or {ERROR}"
        raise Refused(Issue("error", "business-rule", "status", reason, accepted, "revived-as-it-was", BREAKS_RULE))


def segments(service: Service, caller: Caller, part: Part) -> list[Part]:
    """Return the segments that went with an administration, as they come back with it: of its patient, drug and order.

    ``part`` follows the version that is its deletion.
    """

    def work(tx: Tx) -> list[tuple[Stored, Stored]]:
        gone = versions.children(tx, part.id, deleted=True) if not part.parent else ()
        return [(one, _as_it_was(tx, one)) for one in gone]

    return [_segment(service, deletion, was, part) for deletion, was in service.store.read(caller.tenant, work)]


def _segment(service: Service, deletion: Stored, was: Stored, parent: Part) -> Part:
    old = whole.part_of(was)
    record = whole.with_copied(old, parent.record)
    if record == old:
        return Part(was.id, was.release, text.read(was.text), old, deletion, parent.id)
    return replace(record_administration.retranslated(service, was, record), previous=deletion)


def _as_it_was(tx: Tx, deletion: Stored) -> Stored:
    """Return the version before a deletion."""
    return transact.known(versions.version(tx, deletion.type, deletion.id, deletion.version - 1), deletion.type)
