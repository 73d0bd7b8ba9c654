"""Record what was given, and amend it, as our own JSON.

A ``split`` administration is stored as a parent and one child per segment, each a MedicationAdministration of its own.
All of them change in one transaction: of the children only those whose own content changed get a new version, and the
parent with them. A segment that is gone leaves a child that is entered in error; nothing is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.actions import matching, repeated, rules, transact, whole
from fhir_infusion.actions.transact import HOME, Json, Made, Outcome, Part
from fhir_infusion.actions.whole import TYPE, Family
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.records import parts
from fhir_infusion.records.arithmetic import findings_between, findings_of_order
from fhir_infusion.records.statuses import ERROR
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored


def place(service: Service, caller: Caller, record: Json, overlay: str | None = None) -> Outcome:
    """Record an administration. The same one twice is one.

    Raises:
        Refused: it is not right; 422 its administration_id or key came with another body before, or its order is none.
        Unavailable: it is not stored.
    """
    return outcome_of(
        repeated.once(service, caller, repeated.MADE, lambda run: run(_placing(service, caller, record, overlay)))
    )


def _placing(service: Service, caller: Caller, record: Json, overlay: str | None) -> Callable[[Tx], Made]:
    record = transact.named(record, TYPE)
    body_hash = text.digest(record)
    record = service.translator.renewed(record, HOME, overlay)
    pairs, findings = _translated(service, record, HOME, overlay, as_sent=False)
    parent_id = service.new_id()
    made = [
        Part(parent_id if not number else service.new_id(), HOME, resource, part, parent=parent_id if number else "")
        for number, (part, resource) in enumerate(pairs)
    ]

    def work(tx: Tx) -> Made:
        earlier = transact.earlier_effect(service, tx, TYPE, record, body_hash)
        if earlier is not None:
            return _made(whole.family(tx, earlier), findings)
        stored, *segments = [transact.write(service, tx, caller, TYPE, part) for part in made]
        transact.keep_key(service, tx, TYPE, record, body_hash, stored)
        family = Family(stored, tuple(segments))
        return _made(family, (*findings, *beside(service, tx, family, record)), created=True)

    return work


def _made(family: Family, findings: tuple[Issue, ...], *, created: bool = False) -> Made:
    return Made(family.parent, created, findings, family.children)


def amend(
    service: Service, caller: Caller, id: str, record: Json, if_match: str | None, overlay: str | None = None
) -> Outcome:
    """Amend an administration as a whole.

    Raises:
        Refused: it is not right; 404 there is none; 400 If-Match is missing; 412 it is stale; 422 it may not become
            this, or it is a segment of another one.
        Unavailable: it is not stored.
    """

    def begun() -> Callable[[Tx], Made]:
        return _amending(service, caller, id, record, if_match, overlay)

    made = repeated.once(service, caller, repeated.MADE, lambda run: matching.unless_moved(run, begun, if_match))
    return outcome_of(made)


def _amending(
    service: Service, caller: Caller, id: str, record: Json, if_match: str | None, overlay: str | None
) -> Callable[[Tx], Made]:
    family = service.store.read(caller.tenant, lambda tx: _family(tx, id))
    before = whole.part_of(family.parent)
    transact.refuse_unless_current(family.parent, if_match, required=True)
    record = service.translator.renewed(transact.named(record, TYPE), family.parent.release, overlay)
    own_id = before.get("administration_id")
    rules.refuse_other_identity("administration_id", own_id, record.get("administration_id"), may_vanish=False)
    rules.refuse_other_patient(before, record)
    rules.refuse_transition(str(before.get("status")), str(record.get("status")))
    # In the release in which it stands: what only that one can say would be lost in another.
    as_sent = rules.is_as_before(whole.record_of(family), record)
    pairs, findings = _translated(service, record, family.parent.release, overlay, as_sent=as_sent)
    changes = _changes(service, family, pairs, overlay)
    if not changes:
        return lambda _: _made(family, findings)

    def work(tx: Tx) -> Made:
        for part in changes:
            transact.write(service, tx, caller, TYPE, part)
        family = _family(tx, id)
        return _made(family, (*findings, *beside(service, tx, family, record)))

    return work


def outcome_of(made: Made) -> Outcome:
    """Return what is answered for an administration."""
    parent = made.stored
    return Outcome(
        made.created,
        TYPE,
        parent.id,
        parent.version,
        parent.last_updated,
        parent.release,
        parent.text,
        lambda: whole.record_of(Family(parent, made.segments)),
        made.findings,
    )


def beside(
    service: Service, tx: Tx, family: Family, record: Json | None = None, *, refuse: bool = True
) -> tuple[Issue, ...]:
    """Return what is to be said about an administration beside its order, its parent and its segments.

    That both an administration and one that it is part of carry a dose is told once. ``record`` is the whole, where
    it is at hand; of an order there is nothing to say.

    Raises:
        Refused: with each of them, where the settings refuse findings and ``refuse`` is set; nothing is stored then.
    """
    stored = family.parent
    if stored.type != TYPE:
        return ()
    own = whole.part_of(stored)
    children = [whole.part_of(child) for child in family.children]
    doubled = tuple(issue for _, issue in findings_between([{**own, "resource_id": stored.id}, *children]))[:1]
    found = (*_order_findings(service, tx, record or own), *doubled)
    if refuse:
        service.translator.gate(found)
    return (*found, *_unknown_order(service, tx, record or own), *_strays(service, tx, own, children))


def _unknown_order(service: Service, tx: Tx, record: Json) -> tuple[Issue, ...]:
    """Return that an administration names an order by our own id, or in our own system, that is not here.

    Never a refusal: what was given has to be recorded, and its order may be under way.
    """
    reference = record.get("order", {})
    identifier = reference.get("identifier", {})
    own = service.settings.order_system
    is_ours = str(reference.get("reference", "")).startswith("MedicationRequest/") or (
        "reference" not in reference and "value" in identifier and identifier.get("system", own) == own
    )
    if not is_ours or transact.named_order(service, tx, record) is not None:
        return ()
    reason = "the order that this administration carries out is not known here: nothing was compared with it"
    accepted = "the id or the number of an order that is here"
    return (Issue("warning", "business-rule", "order", reason, accepted, "order-unknown"),)


def _strays(service: Service, tx: Tx, own: Json, children: list[Json]) -> tuple[Issue, ...]:
    """Return that a segment came before its administration and is not taken for its own."""
    known = {child.get("administration_id") for child in children}
    if not whole.early_segments(tx, own, transact.system_of(service, TYPE), known):
        return ()
    reason = "a segment of it came before and says another patient, drug or order: it stays by itself"
    accepted = "the segment as the administration says, or entered in error"
    return (Issue("warning", "business-rule", "segments", reason, accepted, "segment"),)


def _order_findings(service: Service, tx: Tx, record: Json) -> tuple[Issue, ...]:
    """Return what an administration says otherwise than its order, and that its parent carries a dose too."""
    stored = transact.named_order(service, tx, record)
    order = text.read(stored.record) if stored is not None and not stored.deleted else None
    fitting = (*transact.patient_findings([order], record), *findings_of_order(order, record)) if order else ()
    if stored is not None and stored.deleted:
        fitting = (_ORDER_DELETED,)
    found = (_referred(service, tx, reference) for reference in record.get("part_of", ()))
    parents = {stored.id: {**whole.part_of(stored), "resource_id": stored.id} for stored in found if stored is not None}
    own = {**record, "part_of": [{"reference": f"{TYPE}/{name}"} for name in parents]}
    own.pop("resource_id", None)
    doubled = (issue for position, issue in findings_between([own, *parents.values()]) if position == 0)
    return (*fitting, *doubled)


_ORDER_DELETED = Issue(
    "warning",
    "business-rule",
    "order",
    "the order that this administration carries out was deleted",
    "an order that stands",
    "order-deleted",
)


def _referred(service: Service, tx: Tx, reference: Json) -> Stored | None:
    """Return the administration that a reference names, None where it is not one of ours."""
    type_, _, id_ = str(reference.get("reference", "")).partition("/")
    identifier = reference.get("identifier", {})
    found = None
    if type_ == TYPE and id_:
        found = versions.current(tx, TYPE, id_.partition("/")[0])
    elif "value" in identifier:
        system = identifier.get("system", service.settings.administration_system)
        found = versions.by_identifier(tx, TYPE, system, identifier["value"])
    return versions.alive(found)


def in_error(service: Service, child: Stored, overlay: str | None = None) -> Part:
    """Return the change that enters a child in error: without dosage, which the earlier version keeps.

    What it said was given is said elsewhere now, and a search that does not ask for the status would count it twice.
    """
    return retranslated(service, child, {**parts.undosed(whole.part_of(child)), "status": ERROR}, overlay)


def retranslated(service: Service, child: Stored, record: Json, overlay: str | None = None) -> Part:
    """Return the change of a child to another record, in the release in which it is written."""
    (resource,) = service.translator.to_fhir(whole.single(record), child.release, overlay, as_sent=True).results
    return Part(child.id, child.release, resource, record, child, child.parent)


def _family(tx: Tx, id: str) -> Family:
    stored = transact.known(versions.current(tx, TYPE, id), TYPE)
    if stored.parent:
        reason = "this is one segment of an administration, which is amended as a whole"
        accepted = "the id of the administration that it is part of"
        raise Refused(Issue("error", "business-rule", "", reason, accepted, "segment", BREAKS_RULE))
    return whole.family(tx, stored)


def _translated(
    service: Service, record: Json, release: str, overlay: str | None, *, as_sent: bool
) -> tuple[list[tuple[Json, Json]], tuple[Issue, ...]]:
    """Return each part's record with its resource, the parent first, and the findings."""
    translated = service.translator.to_fhir(record, release, overlay, as_sent=as_sent)
    if len(translated.results) > 1:
        # An overlay may have said so in the record's place.
        record = {**record, "representation": "split"}
    own = parts.split(parts.with_total(record), service.settings.administration_system)
    kept = [service.translator.settled(part, release, overlay) for part in own]
    return list(zip(kept, translated.results, strict=True)), translated.told


def _changes(service: Service, family: Family, pairs: list[tuple[Json, Json]], overlay: str | None) -> list[Part]:
    """Return the versions to be written, the parent first; nothing where nothing changed."""
    (own, resource), *rest = pairs
    release = family.parent.release
    there = {whole.part_of(child).get("administration_id"): child for child in family.children}
    changes: list[Part] = []
    for record, child_resource in rest:
        child = there.pop(record["administration_id"], None)
        if child is None:
            changes.append(Part(service.new_id(), release, child_resource, record, parent=family.parent.id))
            continue
        _refuse_revival(child, record)
        part = Part(child.id, release, child_resource, record, child, family.parent.id)
        if not _same(child, part):
            changes.append(part)
    gone = [child for child in there.values() if whole.part_of(child).get("status") != ERROR]
    changes += [in_error(service, child, overlay) for child in gone]
    parent = Part(family.parent.id, release, resource, own, family.parent)
    if changes or not _same(family.parent, parent):
        changes.insert(0, parent)
    return changes


def _same(stored: Stored, part: Part) -> bool:
    return transact.unchanged(stored, part) and text.digest(whole.part_of(stored)) == text.digest(part.record)


def _refuse_revival(child: Stored, record: Json) -> None:
    if whole.part_of(child).get("status") == ERROR and record.get("status") != ERROR:
        reason = "a segment with this id was removed before, which is final"
        raise Refused(Issue("error", "business-rule", "segments", reason, "a new segment_id", "segment", BREAKS_RULE))
