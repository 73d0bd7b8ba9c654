"""Delete a resource: https://hl7.org/fhir/R4/http.html#delete.

A deletion is a version of its own that is appended like any other; what was there stays readable as history. What is
not there, or deleted already, stays so: deleting twice has its effect once.

A deletion must not hide what somebody may still act upon (hazards H6, H8), so it is refused (409, as the standard says
where the reason lies in the resource) for

- an order or administration that has begun and has not ended, or of which that is not known: it is stopped, cancelled,
  completed or entered in error first, which every other server is told of;
- a draft that other servers were told of: it is cancelled first, for the same reason;
- what a resource that stands refers to, such as an order with administrations, or the patient of an order;
- one segment of an administration, which is deleted with the administration as a whole;
- what is held in a conflict with another server, until a person has decided.

Other servers are not told to delete: what they hold has ended there, too, and their record of it is theirs. Versions
before the deletion that wait in the outbox are sent all the same. The business identifier stays bound for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import repeated, rules, transact, whole
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import search
from fhir_infusion.fhir.served import MAPPED, SERVED
from fhir_infusion.store import audit, conflicts, references, versions
from fhir_infusion.store.tx import from_ms, to_ms
from fhir_infusion.store.versions import Draft, Stored
from fhir_infusion.translator import RELEASES

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

_ORDER: Final = "MedicationRequest"


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is answered: the version that is the deletion. ``changed`` is False where it was deleted before."""

    version: int
    last_updated: datetime
    changed: bool


def _read(_: Tx, said: dict[str, Any]) -> Deleted | None:
    return Deleted(said["version"], from_ms(said["at"]), changed=False) if said else None


DELETED: Final[repeated.Form[Deleted | None]] = repeated.Form(
    lambda one: {} if one is None else {"version": one.version, "at": to_ms(one.last_updated)}, _read
)
"""How a deletion is kept under the key of a client."""


def delete(service: Service, caller: Caller, type: str, id: str, if_match: str | None = None) -> Deleted | None:
    """Delete a resource; return None where this tenant has none.

    Raises:
        Refused: 400 If-Match is missing for an order, 412 it is stale, 409 it may not be deleted.
        Unavailable: nothing is stored.
    """

    def work(tx: Tx) -> Deleted | None:
        return deletion(service, tx, caller, versions.current(tx, type, id), if_match)

    return repeated.once(service, caller, DELETED, lambda run: run(work))


def deletion(service: Service, tx: Tx, caller: Caller, stored: Stored | None, if_match: str | None) -> Deleted | None:
    """Do in a transaction what :func:`delete` does, and raise as it does."""
    if stored is None:
        return None
    if stored.deleted:
        return Deleted(stored.version, stored.last_updated, changed=False)
    transact.refuse_unless_current(stored, if_match, required=stored.type == _ORDER)
    family = whole.family(tx, stored)
    going = (*family.children, stored)
    for one in going:
        _refuse_unended(service, tx, one)
        _refuse_held(service, tx, one)
    if stored.parent and versions.alive(versions.current(tx, stored.type, stored.parent)) is not None:
        reason = "this is one segment of an administration, which is deleted as a whole"
        _refuse("segment", reason, "entering the segment in error, or deleting the administration")
    for one in going:
        _refuse_referred(tx, one, {other.aggregate for other in going})
    (*_, last) = [_bury(tx, caller, one) for one in going]
    return Deleted(last.version, last.last_updated, changed=True)


def _bury(tx: Tx, caller: Caller, stored: Stored) -> Stored:
    """Append the version that says that the resource was deleted."""
    draft = Draft(
        stored.type, stored.id, stored.release, {}, {}, stored.digest, (), stored, stored.parent, deleted=True
    )
    buried = versions.put(tx, draft)
    audit.write(tx, "delete", caller.client, stored.type, stored.id, buried.version)
    return buried


def _refuse_unended(service: Service, tx: Tx, stored: Stored) -> None:
    if stored.type not in MAPPED:
        return
    record = whole.part_of(stored)
    status = str(record.get("status"))
    told = any(one.is_told(tx.tenant, stored.type, record.get("intent")) for one in service.settings.remotes)
    if rules.has_ended(status) or (status == "draft" and not told):
        return
    known = "other servers know of it" if status == "draft" else "it has begun, and nothing says that it has ended"
    _refuse("deletion-unended", f"{known}: deleted, it would vanish for whoever acts upon it", _END_FIRST)


def _refuse_held(service: Service, tx: Tx, stored: Stored) -> None:
    held = (conflicts.open_of(tx, remote.name, stored.aggregate) for remote in service.settings.remotes)
    if any(one is not None for one in held):
        reason = "another server says otherwise of it, which a person has to decide"
        _refuse("deletion-held", reason, "`fhir-infusion sync resolve` first")


def _refuse_referred(tx: Tx, stored: Stored, going: set[str]) -> None:
    """Refuse where something that stays refers to what goes."""
    bound = versions.identifier_of(tx, stored.type, stored.id) if stored.type in MAPPED else None
    found = references.referring(tx, _reference_parameters(), stored.aggregate, bound, limit=len(going) + 1)
    types = sorted({aggregate.partition("/")[0] for aggregate in set(found) - going - {stored.aggregate}})
    if types:
        reason = f"it is referred to by a resource that stands ({', '.join(types)})"
        _refuse("deletion-referred", reason, "deleting, or changing, what refers to it first")


@cache
def _reference_parameters() -> frozenset[tuple[str, str]]:
    """Return the reference parameters of what would be left pointing to nothing.

    A Provenance tells where a version came from, also of what was deleted since.
    """
    return frozenset(
        (name, one.key)
        for name in SERVED
        if name != "Provenance"
        for release in RELEASES
        for one in search.parameters(name, release)
        if one.kind == "reference"
    )


_END_FIRST: Final = "stopped, cancelled, completed or entered-in-error first; then the deletion"


def _refuse(rule: str, reason: str, accepted: str) -> None:
    raise Refused(Issue("error", "conflict", "", reason, accepted, rule, 409))
