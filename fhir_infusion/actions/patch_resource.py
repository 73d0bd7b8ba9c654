"""Patch a resource: https://hl7.org/fhir/R4/http.html#patch.

1. The version that is there is read in the release that is asked in; one from which something was left out for that
   release is not patched there, since writing it back would lose that. 2. The operations are applied to it. 3. What
   comes of it goes the way of an update, with every rule of one: If-Match for an order, status, patient, mapping. What
   the update would answer with 400 is 422 here: the request was right, what it makes of the resource is not.

Every digit that the patch does not touch stays; text that describes what it changes does not (``fhir/stale_text``). A
patch that changes nothing makes no version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import accept_resource, matching, release_text, repeated, transact
from fhir_infusion.errors import BREAKS_FHIR, BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import stale_text, subset
from fhir_infusion.store import text, versions

if TYPE_CHECKING:
    from fhir_infusion.actions.accept_resource import Step
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.actions.transact import Json, Outcome
    from fhir_infusion.fhir.search import Query
    from fhir_infusion.service import Service
    from fhir_infusion.store.versions import Stored

Change = Callable[[dict[str, Any], str], dict[str, Any]]
"""Makes of a resource and its release another resource; raises ``Refused`` where it cannot."""

_ORDER: Final = "MedicationRequest"


def patch(
    service: Service, caller: Caller, release: str, type: str, id: str, change: Change, if_match: str | None = None
) -> Outcome:
    """Patch a resource by its id.

    Raises:
        Refused: 404 this tenant has none, 410 it was deleted; 400 If-Match is missing for an order, 412 it is stale;
            406 this release cannot say the resource; 422 the patch cannot be applied, or not to a right resource.
        Unavailable: nothing is stored.
    """

    def begun() -> Step:
        found = service.store.read(caller.tenant, lambda tx: versions.current(tx, type, id))
        return _step(service, caller, release, transact.known(found, type), change, if_match)

    made = repeated.once(service, caller, repeated.MADE, lambda run: matching.unless_moved(run, begun, if_match))
    return accept_resource.outcome(service, caller, made, release)


def patch_matching(
    service: Service, caller: Caller, release: str, type: str, query: Query, change: Change, if_match: str | None = None
) -> Outcome:
    """Patch the one resource that meets the criteria.

    Raises:
        Refused: as :func:`patch`; 404 none meets them, 412 several do.
        Unavailable: nothing is stored.
    """

    def begun(found: Stored | None) -> Step:
        return _step(service, caller, release, transact.known(found, type), change, if_match)

    guarded = matching.guarded(service, caller, type, query, begun, if_match)
    made = repeated.once(service, caller, repeated.MADE, guarded)
    return accept_resource.outcome(service, caller, made, release)


def _step(service: Service, caller: Caller, release: str, before: Stored, change: Change, if_match: str | None) -> Step:
    """Return the work of a patch of this version; it raises ``versions.Moved`` where somebody was faster."""
    transact.refuse_unless_current(before, if_match, required=before.type == _ORDER)
    old = _said(service, caller, before, release)
    new = _read_again(change(text.read(text.write(old)), release))
    if (new.get("resourceType"), new.get("id")) != (before.type, before.id):
        raise _refused("id", "a patch changes neither the type nor the id of a resource", "both as they are")
    bare = transact.without_server_elements
    if text.digest(bare(new)) == text.digest(bare(old)):
        return lambda _: transact.Made(before, created=False)
    new = stale_text.settled(old, new)
    try:
        return accept_resource.change(service, caller, release, before.id, new, str(before.version))
    except Refused as refused:
        if refused.status == _STALE:
            raise versions.Moved from None
        raise _of_the_result(refused) from None


_STALE: Final = 412


def _said(service: Service, caller: Caller, stored: Stored, release: str) -> Json:
    """Return what is to be patched.

    Raises:
        Refused: 406 this release cannot say it, 422 it cannot say all of it.
    """
    (body,) = release_text.texts(service, caller.tenant, [stored], release)
    if not isinstance(body, str):
        raise body.fault or Refused(*body.issues)
    resource = text.read(body)
    if stored.release != release and subset.unmarked(resource) is not resource:
        reason = f"{release} cannot say all of this resource: patched there, the rest would be lost"
        raise _refused("", reason, f"patching it in {stored.release}")
    return resource


def _read_again(resource: Json) -> Json:
    """Return what was made, read as strictly as if it had been sent."""
    try:
        return fhir_json.read(fhir_json.write(resource))
    except Refused as refused:
        raise _of_the_result(refused) from None


def _of_the_result(refused: Refused) -> Refused:
    status = BREAKS_RULE
    return Refused(*(replace(one, status=status) if one.status == BREAKS_FHIR else one for one in refused.issues))


def _refused(path: str, reason: str, accepted: str) -> Refused:
    return Refused(Issue("error", "business-rule", path, reason, accepted, "patch", BREAKS_RULE))
