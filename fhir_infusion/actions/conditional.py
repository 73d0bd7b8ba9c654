"""Conditional interactions: the one resource that criteria find is created, updated, patched or deleted.

https://hl7.org/fhir/R4/http.html#cond-update, #ccreate, #cdelete, #patch. Other servers create two resources where two
clients ask at once. Here the criteria are searched again in the transaction that writes: what they find then is what
was found before, or all is begun anew; and what was written is found by them, or nothing is stored. So of many
conditional updates at once one creates and the others update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.actions import accept_resource, delete_resource, matching, repeated, transact
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.store import search, text, versions

if TYPE_CHECKING:
    from fhir_infusion.actions.accept_resource import Step
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.actions.delete_resource import Deleted
    from fhir_infusion.actions.transact import Json, Made, Outcome
    from fhir_infusion.fhir.search import Query
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored


def update(
    service: Service,
    caller: Caller,
    release: str,
    query: Query,
    resource: Json,
    if_match: str | None = None,
    *,
    only_new: bool = False,
) -> Outcome:
    """Update the one resource that meets the criteria, or create it where none does; ``only_new``: only the latter.

    An order that is there is changed only with If-Match, as by its id; where the same is there already it is answered
    with that, so that an update without If-Match may be repeated.

    Raises:
        Refused: as an update by id; 400 the id is another one than that of what was found; 412 several resources meet
            the criteria, or If-Match is stale; 409 none does, and the id is that of another resource; 422 what is sent
            does not meet them itself: repeated, it would be created again.
        Unavailable: nothing is stored.
    """
    type_ = str(resource["resourceType"])

    def begun(found: Stored | None) -> Step:
        if only_new and found is not None:
            raise Refused(transact.exists())
        step = _step(service, caller, release, found, resource, if_match)

        def work(tx: Tx) -> Made:
            made = step(tx)
            met = search.page(tx, type_, query, 2).entries
            if [one.id for one in met] != [made.stored.id]:
                reason = "the resource that was sent does not meet the criteria of its own address"
                accepted = "criteria that it meets, such as its identifier"
                raise Refused(Issue("error", "business-rule", "", reason, accepted, "criteria", BREAKS_RULE))
            return made

        return work

    guarded = matching.guarded(service, caller, type_, query, begun, if_match)
    return accept_resource.outcome(service, caller, repeated.once(service, caller, repeated.MADE, guarded), release)


def delete(service: Service, caller: Caller, type: str, query: Query, if_match: str | None = None) -> Deleted | None:
    """Delete the one resource that meets the criteria; return None where none does.

    Raises:
        Refused: as a deletion by id; 412 several resources meet the criteria.
        Unavailable: nothing is stored.
    """

    def work(tx: Tx) -> Deleted | None:
        return delete_resource.deletion(service, tx, caller, matching.match(tx, type, query), if_match)

    return repeated.once(service, caller, delete_resource.DELETED, lambda run: run(work))


def _step(
    service: Service, caller: Caller, release: str, found: Stored | None, resource: Json, if_match: str | None
) -> Step:
    """Return the work of a conditional update for what its criteria found."""
    sent = resource.get("id")
    if found is not None:
        if sent not in {None, found.id}:
            reason = "the criteria find a resource of another id"
            raise Refused(Issue("error", "value", "id", reason, "no id, or that of what is found", "id"))
        body = {**resource, "id": found.id}
        if if_match is None and _says_the_same(found, release, body):
            return lambda _: transact.Made(found, created=False)
        return accept_resource.change(service, caller, release, found.id, body, if_match)
    if if_match is not None:
        raise Refused(transact.stale())
    if sent is None:
        body_hash = text.digest(transact.without_server_elements(resource))
        return accept_resource.creation(service, caller, release, service.new_id(), resource, body_hash)
    step = accept_resource.change(service, caller, release, str(sent), resource)
    type_ = str(resource["resourceType"])

    def first(tx: Tx) -> Made:
        if versions.alive(versions.current(tx, type_, str(sent))) is not None:
            reason = "the id is that of a resource that does not meet the criteria"
            raise Refused(Issue("error", "conflict", "id", reason, "no id, or a new one", "id", 409))
        return step(tx)

    return first


def _says_the_same(found: Stored, release: str, resource: Json) -> bool:
    return transact.unchanged(found, transact.Part(found.id, release, resource, {}, found, found.parent))
