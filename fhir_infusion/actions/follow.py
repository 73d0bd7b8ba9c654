"""Patients that turn out to be one person, and a record number that turns out to name another one (hazard H10).

An order stays with its patient (``rules``). This is the one exception, and it is never silent:

1. A Patient comes with a link: it is replaced by another one, or replaces one.
2. Where that is certain - the link is ``replaced-by``, there is one, both Patients are here, the end of the chain is
   not replaced itself, and no name, birth date or sex contradicts - what is open of the replaced one follows: orders
   that have not ended, administrations of these or that have not ended, each as a new version, with an audit row that
   says why.
3. Where it is not, nothing moves: the two are held as a conflict of the group ``identity``, for a person.
4. A Patient whose record number stays while name, birth date and sex all change is another person. That is told, held
   for a person, and what is open of it is not sent meanwhile (``doubt``); a stop is.

A person decides as any conflict is decided: ``theirs``, they follow, or it is the same person; ``ours``, everything
stays with the patient that it names, or it is another person, and what was open before is not sent any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import identity, repeated, rules, transact, whole
from fhir_infusion.actions.condition import token_value
from fhir_infusion.actions.transact import Part
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import search
from fhir_infusion.fhir.references import resource_named
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.records.statuses import ERROR
from fhir_infusion.store import aside, audit, conflicts, outbox, references, text, versions
from fhir_infusion.store import search as store_search
from fhir_infusion.store.versions import Bound, Stored

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.conflicts import Conflict

Json = dict[str, Any]
PATIENT: Final = "Patient"
GROUP: Final = "identity"
REUSED: Final = "reused"
HERE: Final = ""
"""The endpoint of a conflict that is between two Patients here, with no other server."""
HELD: Final = "identity"
"""The code of an outbox row that waits for this."""

_NAMED_BY: Final = frozenset((type_, name) for type_ in MAPPED for name in ("patient", "subject"))
_MOST: Final = 10_000
_CHAIN: Final = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """A Patient that is replaced, and the one that takes its place; ``why`` says why that is not certain, if so."""

    old: Stored
    new: Stored | None
    why: str = ""


def after(service: Service, tx: Tx, caller: Caller, before: Stored | None, stored: Stored) -> tuple[Issue, ...]:
    """Do what a Patient that was just written asks for, in its transaction; return what is to be told of it."""
    if stored.type != PATIENT:
        return ()
    is_there = before is not None and not before.deleted
    patient, earlier = text.read(stored.text), text.read(before.text) if before is not None and is_there else {}
    told = []
    if earlier and identity.is_someone_else(earlier, patient) and open_of(tx, stored):
        told.append(_hold(service, tx, Pair(stored, stored, REUSED), before))
    if set(identity.linked(patient, "replaced-by")) - set(identity.linked(earlier, "replaced-by")):
        told += _settled(service, tx, caller, _pair(tx, stored, earlier), before)
    for id_ in identity.linked(patient, "replaces"):
        other = versions.alive(versions.current(tx, PATIENT, id_)) if id_ else None
        if other is not None and id_ not in identity.linked(earlier, "replaces"):
            told += _settled(service, tx, caller, _pair(tx, other, {}, stored.id), None)
    return tuple(told)


def would_move(service: Service, tx: Tx, old: Stored, new: Stored) -> tuple[Stored, ...]:
    """Return what would follow from one Patient to another, as it stands now.

    Raises:
        Refused: 422, what is there cannot follow.
    """
    return tuple(part.previous for part in _parts(service, tx, old, new) if part.previous is not None)


# -------------------------------------------------------------------------------------------------------- certainty


def _pair(  # noqa: PLR0911  each return is one reason why it is not certain
    tx: Tx, old: Stored, earlier: Json, claimed: str = ""
) -> Pair:
    """Return who takes the place of a Patient; ``claimed`` is the id of one that says that it does."""
    patient = text.read(old.text)
    named = identity.linked(patient, "replaced-by")
    if not named and claimed:
        return Pair(old, versions.current(tx, PATIENT, claimed), "one-sided")
    if len(named) != 1:
        return Pair(old, None, "several")
    seen, new = {old.id}, None
    while named:
        if named[0] in seen or len(seen) > _CHAIN:
            return Pair(old, None, "circle")
        seen.add(named[0])
        new = versions.alive(versions.current(tx, PATIENT, named[0])) if named[0] else None
        if new is None:
            return Pair(old, None, "unknown")
        named = identity.linked(text.read(new.text), "replaced-by")
        if len(named) > 1:
            return Pair(old, None, "several")
    if new is None:
        return Pair(old, None, "unknown")
    return Pair(old, new, ",".join(_differing(patient, earlier, text.read(new.text))))


def _differing(patient: Json, earlier: Json, survivor: Json) -> tuple[str, ...]:
    """Return what contradicts, also by what the replaced one said before: it may have been emptied with the link."""
    both = {*identity.contradictions(patient, survivor), *identity.contradictions(earlier, survivor)}
    return tuple(name for name in identity.COMPARED if name in both)


def _settled(service: Service, tx: Tx, caller: Caller, pair: Pair, before: Stored | None) -> list[Issue]:
    """Let what is certain follow, and hold what is not; nothing where nothing is open."""
    held = conflicts.open_of(tx, HERE, pair.old.aggregate)
    if not open_of(tx, pair.old):
        return []
    if held is not None and REUSED in held.fields:
        return [_hold(service, tx, replace(pair, why="who it is, is being asked"), before)]
    if pair.why or pair.new is None:
        return [_hold(service, tx, pair, before)]
    try:
        moved = _move(service, tx, caller, pair.old, pair.new, "replaced-by")
    except Refused:
        return [_hold(service, tx, Pair(pair.old, pair.new, "cannot-follow"), before)]
    if held is not None:
        conflicts.resolve(tx, held.conflict_id, "theirs: the replaced one says so itself", caller.client)
    reason = f"{moved} open orders and administrations of the replaced patient are now of this one"
    return [Issue("information", "informational", "Patient.link", reason, "", "patient-merged")]


def _hold(service: Service, tx: Tx, pair: Pair, before: Stored | None) -> Issue:
    """Hold a pair for a person, once for each replaced Patient."""
    if conflicts.open_of(tx, HERE, pair.old.aggregate) is None:
        was = before if before is not None and not before.deleted else pair.old
        theirs = pair.new.text if pair.new is not None and not pair.new.deleted else pair.old.text
        fields = (GROUP, *pair.why.split(","))
        states = was.text, was.text, theirs
        conflicts.open_conflict(tx, HERE, pair.old.aggregate, fields, *states, service.new_id())
    if pair.why == REUSED:
        reason = "the record number stays, and name, birth date and sex are another person's: nothing open is sent"
    else:
        reason = f"it is not certain that the two are one person ({pair.why}): nothing was moved"
    accepted = "a decision: `fhir-infusion sync conflicts`, or /api/sync/conflicts"
    return Issue("warning", "business-rule", "Patient", reason, accepted, "patient-identity")


# ---------------------------------------------------------------------------------------------------------- following


def open_of(tx: Tx, patient: Stored) -> tuple[Stored, ...]:
    """Return what is open of a Patient, by its id or by an identifier that it has or had: whole administrations.

    Orders that have not ended; administrations that have not, and those of such orders, but what was entered in error.
    """
    keys = _keys(tx, patient)
    bound: list[Bound | None] = [None, *(Bound(*key) for key in sorted(keys))]
    found = {name for one in bound for name in references.referring(tx, _NAMED_BY, patient.aggregate, one, _MOST)}
    named = [_current(tx, name) for name in sorted(found)]
    mine = [
        one
        for one in named
        if one is not None and identity.known_as(text.read(one.text).get("subject", {}), patient.id, keys)
    ]
    orders = [one for one in mine if one.type == MAPPED[0] and _is_open(one)]
    given = [one for one in mine if one.type == whole.TYPE and not one.parent]
    kept = {order.aggregate for order in orders}
    return (*orders, *(one for one in given if _is_open(one) or (_stands(one) and _order_of(tx, one) in kept)))


def _keys(tx: Tx, patient: Stored) -> set[tuple[str, str]]:
    """Return every identifier that a Patient has or had: it may have been emptied when it was replaced."""
    texts = [one.text for one in versions.history(tx, PATIENT, patient.id) if not one.deleted]
    return {key for one in texts for key in identity.identifiers(text.read(one))}


def _current(tx: Tx, aggregate: str) -> Stored | None:
    type_, _, id_ = aggregate.partition("/")
    return versions.alive(versions.current(tx, type_, id_))


def _is_open(stored: Stored) -> bool:
    return not rules.has_ended(str(whole.part_of(stored).get("status")))


def _stands(stored: Stored) -> bool:
    return str(whole.part_of(stored).get("status")) != ERROR


def _order_of(tx: Tx, administration: Stored) -> str:
    record = whole.part_of(administration)
    reference = record.get("order", {})
    type_, _, id_ = resource_named(str(reference.get("reference", ""))).partition("/")
    if type_ == MAPPED[0] and id_:
        return f"{type_}/{id_.partition('/')[0]}"
    identifier = reference.get("identifier", {})
    found = versions.by_identifier(tx, MAPPED[0], identifier.get("system", ""), identifier.get("value", ""))
    return found.aggregate if found is not None else ""


def _move(service: Service, tx: Tx, caller: Caller, old: Stored, new: Stored, reason: str) -> int:
    """Give each open order and administration of a Patient to the one in its place; return how many there were."""
    parts = _parts(service, tx, old, new)
    for part in parts:
        if part.previous is not None:
            written = transact.write(service, tx, caller, part.previous.type, part)
            why = f"{old.aggregate} is {new.aggregate}: {reason}"
            audit.write(tx, "patient-merged", caller.client, written.type, written.id, written.version, why)
    audit.write(tx, "patients-merged", caller.client, PATIENT, old.id, old.version, f"{new.aggregate}: {len(parts)}")
    return len(parts)


def _parts(service: Service, tx: Tx, old: Stored, new: Stored) -> list[Part]:
    """Return the versions in which what is open names the other Patient, an administration before its segments."""
    whole_families = [whole.family(tx, one) for one in open_of(tx, old)]
    each = [one for family in whole_families for one in (family.parent, *family.children)]
    keys, parts = _keys(tx, old), []
    for stored in each:
        resource = text.read(stored.text)
        _refuse_shared(tx, resource.get("subject", {}), {old.id, new.id})
        subject = _named_anew(resource.get("subject", {}), old, text.read(new.text), keys)
        if subject == resource.get("subject"):
            continue
        moved = {**resource, "subject": subject}
        bare = transact.without_server_elements(moved)
        (record,) = service.translator.to_internal(bare, stored.release).results
        kept = {name: value for name, value in record.items() if name != "resource_id"}
        parts.append(Part(stored.id, stored.release, moved, kept, stored, stored.parent))
    return parts


def _refuse_shared(tx: Tx, subject: Json, ids: set[str]) -> None:
    """Refuse to guess whose it is that is named only by an identifier which a third Patient has."""
    key = identity.key_of(subject)
    if key is None or identity.patient_id(str(subject.get("reference", ""))) in ids:
        return
    query = search.parse(PATIENT, transact.HOME, [("identifier", token_value(*key))])
    if any(found.id not in ids for found in store_search.page(tx, PATIENT, query, len(ids) + 1).entries):
        reason, accepted = "a third patient has this identifier too", "an identifier that names one patient"
        raise Refused(Issue("error", "business-rule", "Patient.identifier", reason, accepted, HELD, 422))


def _named_anew(subject: Json, old: Stored, survivor: Json, keys: set[tuple[str, str]]) -> Json:
    """Return a subject that names the survivor; an identifier that it carries too stays as it is."""
    named = dict(subject)
    if identity.patient_id(str(named.get("reference", ""))) == old.id:
        named["reference"] = f"{PATIENT}/{survivor['id']}"
    key = identity.key_of(named)
    if key is None or key not in keys or key in identity.identifiers(survivor):
        return named
    best = identity.in_use(survivor)
    if best is None:
        accepted = "a surviving patient with an identifier"
        raise Refused(Issue("error", "business-rule", "Patient.identifier", "it has none", accepted, HELD, 422))
    return {**named, "identifier": {"system": best[0], "value": best[1]}}


# ------------------------------------------------------------------------------------------------------- not to be sent


def doubt(tx: Tx, stored: Stored) -> str:
    """Return why a version is not to be sent for its patient: ``held`` for a person, or ``other``; "" if it may be."""
    held = conflicts.listed(tx, HERE, None, REUSED)
    if not held:
        return ""
    for one in held:
        if not _is_about(one, stored):
            continue
        if one.state == "open":
            return "held"
        if one.resolution.startswith("ours:") and stored.created <= one.opened:
            return "other"
    return ""


# ------------------------------------------------------------------------------------------------------------ deciding


def decide(service: Service, caller: Caller, conflict: Conflict, keep: str, reason: str) -> Json:
    """Do what a person decided about a Patient, and close the conflict.

    Raises:
        Refused: 409 a Patient has changed since it was held, and is held as it is now; 422 nobody is there to follow.
        Unavailable: nothing is stored.
    """

    def work(tx: Tx) -> Json | None:
        old = versions.alive(_patient(tx, conflict.aggregate))
        if old is None:
            raise Refused(Issue("error", "not-found", "", "the patient is not here any more", status=404))
        moved = 0
        if REUSED in conflict.fields:
            if old.text != conflict.theirs:
                conflicts.renew(tx, conflict.conflict_id, conflict.ours, old.text)
                return None
            _release(service, tx, caller, conflict, keep, reason)
        elif keep == "theirs":
            pair = _pair(tx, old, text.read(conflict.base), str(text.read(conflict.theirs).get("id", "")))
            if pair.new is None or pair.new.deleted or pair.new.id == old.id:
                said = "the patient that takes its place is not known here, or is not one"
                raise Refused(Issue("error", "business-rule", "Patient.link", said, "that patient first", HELD, 422))
            if pair.new.text != conflict.theirs:
                conflicts.renew(tx, conflict.conflict_id, conflict.ours, pair.new.text)
                return None
            moved = _move(service, tx, caller, old, pair.new, f"conflict {conflict.conflict_id}")
        conflicts.resolve(tx, conflict.conflict_id, f"{keep}: {reason}", caller.client)
        told = _told(conflict, keep, old.version, moved)
        if caller.key:
            repeated.keep(tx, caller, told)
        return told

    done = service.store.transact(caller.tenant, work)
    if done is None:
        said = "a patient has changed since this was held; it is held as it is now"
        raise Refused(Issue("error", "conflict", "", said, "to look at it again, then to decide", status=409))
    return done


def _patient(tx: Tx, aggregate: str) -> Stored | None:
    return versions.current(tx, PATIENT, aggregate.partition("/")[2])


def _release(service: Service, tx: Tx, caller: Caller, conflict: Conflict, keep: str, reason: str) -> None:
    """Let go of what was not sent: to be sent where it is the same person; given up where it is not."""
    names = [remote.name for remote in service.settings.remotes if remote.tenant == tx.tenant]
    waiting = [row for name in names for row in outbox.rows(tx, name, "conflict", _MOST) if row.last_error_code == HELD]
    newest = {(row.endpoint, row.aggregate): row.seq for row in waiting}
    for row in waiting:
        stored = _current(tx, row.aggregate)
        if stored is None or not _is_about(conflict, stored):
            continue
        is_other = keep == "ours" and stored.created <= conflict.opened
        if is_other or newest[row.endpoint, row.aggregate] != row.seq:
            aside.skip(tx, row.seq, reason, caller.client)
        else:
            aside.replay(tx, row.seq, reason, caller.client)


def _is_about(conflict: Conflict, stored: Stored) -> bool:
    """Say whether a version names the Patient of a conflict: by its id, or by an identifier that it had before."""
    keys = set(identity.identifiers(text.read(conflict.base)))
    return identity.known_as(text.read(stored.text).get("subject", {}), conflict.aggregate.partition("/")[2], keys)


def _told(conflict: Conflict, keep: str, version: int, moved: int) -> Json:
    return {
        "id": conflict.conflict_id,
        "endpoint": conflict.endpoint,
        "resource": conflict.aggregate,
        "kept": keep,
        "version": version,
        "moved": moved,
    }
