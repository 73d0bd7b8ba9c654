"""Accept a FHIR resource: create, conditional create, update, and update that creates.

https://hl7.org/fhir/R4/http.html#create, #ccreate, #update. It is kept as it came, and so is what was read from it.
Who repeats a create (the same business identifier or Idempotency-Key with the same body, or If-None-Exist) finds what
was created first. What holds for an order or an administration that came as our JSON holds here too. What comes along
with them (a Patient, a Medication) has no record.

What goes with a version of an administration (its segments, or the whole that it is a segment of) is written by
``family``.

``creation`` and ``change`` give the work of one interaction, to be done in a transaction: one alone, or with the others
of a Bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import (
    carried,
    family,
    follow,
    matching,
    reading,
    record_administration,
    release_text,
    repeated,
    resolve,
    revive,
    rules,
    transact,
    whole,
)
from fhir_infusion.actions.amend_order import refuse_change
from fhir_infusion.actions.transact import Also, Json, Made, Outcome, Part
from fhir_infusion.errors import Findings, Issue, Refused
from fhir_infusion.fhir import subset
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.search import Query
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored


Step = Callable[["Tx"], Made]
_ORDER: Final = "MedicationRequest"


def create(
    service: Service,
    caller: Caller,
    release: str,
    resource: Json,
    if_none_exist: Query | None = None,
    *,
    origin: str = "",
    also: Also | None = None,
) -> Outcome:
    """Create a resource under an id of ours.

    Args:
        service: what to work with.
        caller: who asks.
        release: the release in which the resource is written.
        resource: as it was read; its id is disregarded.
        if_none_exist: criteria: what meets them is answered with, nothing is created then.
        origin: the endpoint that it was pulled from, which is not told of it.
        also: more to do in the same transaction.

    Raises:
        Refused: it is not right; 412 several resources meet the criteria; 422 its business identifier or key came
            with another body before.
        Unavailable: it is not stored.
    """
    body_hash = reading.body_hash(service, resource)

    def attempt(run: repeated.Run[Made]) -> Made:
        new_id = service.new_id()
        return run(
            creation(service, caller, release, new_id, resource, body_hash, if_none_exist, origin=origin, also=also)
        )

    return outcome(service, caller, repeated.once(service, caller, repeated.MADE, attempt), release)


def creation(
    service: Service,
    caller: Caller,
    release: str,
    id: str,
    resource: Json,
    body_hash: str,
    if_none_exist: Query | None = None,
    *,
    origin: str = "",
    also: Also | None = None,
) -> Step:
    """Return the work of a create; ``id`` is for the new resource, ``body_hash`` that of what was sent.

    Raises ``Refused`` as :func:`create`, here or in the work.
    """
    was_read = reading.read(service, resource, release, body_hash)
    resource, record, findings = was_read.resource, was_read.record, was_read.findings
    type_ = str(resource["resourceType"])
    begin = family.first(service, caller, type_, Part(id, release, resource, record, rows=was_read.rows), origin)

    def step(tx: Tx) -> Made:
        earlier = matching.match(tx, type_, if_none_exist) if if_none_exist else None
        if earlier is None:
            earlier = transact.earlier_effect(service, tx, type_, record, body_hash)
        made = earlier or begin(tx)
        if earlier is None:
            transact.keep_key(service, tx, type_, record, body_hash, made)
        if also is not None:
            also(tx, made)
        is_new = earlier is None
        here = resource if is_new else text.read(made.text)
        followed = follow.after(service, tx, caller, None, made) if is_new else ()
        beyond = _beyond(service, tx, made, here, findings, refuse=is_new)
        return Made(made, is_new, Findings(lambda: (*findings, *beyond, *followed)))

    return step


def update(  # the parts of the request, one by one
    service: Service,
    caller: Caller,
    release: str,
    id: str,
    resource: Json,
    if_match: str | None = None,
    *,
    origin: str = "",
    also: Also | None = None,
    is_same_patient: bool = False,
    only_new: bool = False,
) -> Outcome:
    """Update a resource, or create it under the id that the client gives it.

    A change of a parent's drug or order, and that it was entered in error or not done, goes to every segment; a change
    of a segment gives its parent a new version. ``is_same_patient``: whoever it names now is known to be the same one.
    ``only_new``: it is to create only.

    Raises:
        Refused: it is not right; 400 its id is not the one of the address, or If-Match is missing for an order; 412
            If-Match is stale, or what was to be created only is there; 422 it may not become this, such as another
            patient's.
        Unavailable: it is not stored.
    """

    def begun() -> Step:
        # Who is faster than this look moves the resource, and it is begun anew.
        if only_new and service.store.read(caller.tenant, lambda tx: _is_there(tx, resource, id)):
            raise Refused(transact.exists())
        return change(
            service,
            caller,
            release,
            id,
            resource,
            if_match,
            origin=origin,
            also=also,
            is_same_patient=is_same_patient,
        )

    made = repeated.once(service, caller, repeated.MADE, lambda run: matching.unless_moved(run, begun, if_match))
    return outcome(service, caller, made, release)


def change(
    service: Service,
    caller: Caller,
    release: str,
    id: str,
    resource: Json,
    if_match: str | None = None,
    *,
    origin: str = "",
    also: Also | None = None,
    is_same_patient: bool = False,
) -> Step:
    """Return the work of an update, from the version that is there now, or of a create under this id.

    What was deleted comes back by it as the next version; under which conditions, ``revive`` tells.

    Raises ``Refused`` as :func:`update`, here or in the work; the work ``versions.Moved`` where somebody was faster.
    """
    if resource.get("id") != id:
        raise Refused(Issue("error", "value", "id", "the id is not that of the address", "the same id in both", "id"))
    # That we left something out for another release is our word, not the client's, who read it with that.
    whole_one = subset.unmarked(resource)
    is_marked, resource = whole_one is not resource, whole_one
    was_read = reading.read(service, resource, release)
    resource, record, findings, rows = was_read.resource, was_read.record, was_read.findings, was_read.rows
    left: Sequence[Issue] = ()
    type_ = str(resource["resourceType"])
    before = service.store.read(caller.tenant, lambda tx: versions.current(tx, type_, id))
    if before is None:
        if if_match is not None:
            raise Refused(transact.stale())
        work = family.first(service, caller, type_, Part(id, release, resource, record, rows=rows), origin)
    else:
        if before.record and not before.deleted:
            record, left = carried.with_other_releases(service, record, whole.part_of(before), release)
            left = (*left, *carried.not_shown(service, before, release))
        part = Part(id, release, resource, record, before, before.parent, rows)
        if is_marked and not origin:
            release_text.refuse_a_piece(service, caller.tenant, before, release)
        if before.deleted:
            revive.refuse_revival(service, caller, part, if_match, origin)
        else:
            _refuse(before, part, type_, if_match, origin, is_same_patient=is_same_patient)
        work = family.following(service, caller, type_, part, origin)

    def step(tx: Tx) -> Made:
        stored = work(tx)
        if also is not None:
            also(tx, stored)
        beyond = _beyond(service, tx, stored, resource, findings, refuse=True)
        followed = follow.after(service, tx, caller, before, stored)
        return Made(stored, before is None or before.deleted, Findings(lambda: (*findings, *left, *beyond, *followed)))

    return step


def _beyond(
    service: Service, tx: Tx, stored: Stored, resource: Json, known: Sequence[Issue], *, refuse: bool
) -> tuple[Issue, ...]:
    """Return what is found only beside other resources: an order, a parent, segments, and what is referred to.

    ``resource`` is what ``stored`` says, ``known`` what is told already.
    """
    beside = record_administration.beside(service, tx, whole.family(tx, stored), refuse=refuse)
    return (*beside, *resolve.findings(service, tx, stored, resource, known, refuse=refuse))


def _is_there(tx: Tx, resource: Json, id: str) -> bool:
    return versions.alive(versions.current(tx, str(resource["resourceType"]), id)) is not None


def _refuse(before: Stored, part: Part, type: str, if_match: str | None, origin: str, *, is_same_patient: bool) -> None:
    """Refuse what a resource may not become; a server that it is pulled from need not know our identifiers."""
    transact.refuse_unless_current(before, if_match, required=type == _ORDER and not origin)
    if type not in MAPPED:
        return
    old, new = whole.part_of(before), part.record
    if is_same_patient:
        old = {**old, "patient": new.get("patient", {})}
    if type == _ORDER:
        refuse_change(old, new, may_vanish=bool(origin))
        return
    field = transact.IDENTITY[type]
    rules.refuse_other_identity(field, old.get(field), new.get(field), may_vanish=bool(origin))
    rules.refuse_other_patient(old, new)
    rules.refuse_transition(str(old.get("status")), str(new.get("status")))


def outcome(service: Service, caller: Caller, made: Made, release: str) -> Outcome:
    """Return what is answered for what was made: its text in the release that was asked in, and its whole record."""
    stored, findings = made.stored, made.findings
    (body,) = release_text.texts(service, caller.tenant, [stored], release)
    if not isinstance(body, str):
        # It is stored, or was before: what is answered says where it can be read, and refuses nothing.
        findings, body = (*body.issues, *findings), ""
    return Outcome(
        made.created,
        stored.type,
        stored.id,
        stored.version,
        stored.last_updated,
        release,
        body,
        lambda: whole.record_of(service.store.read(caller.tenant, lambda tx: whole.family(tx, stored))),
        findings,
    )
