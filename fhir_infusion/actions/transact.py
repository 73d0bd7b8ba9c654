"""One effect, whole: the version, its index rows, outbox rows, events, audit row and keys, in one transaction.

Every action that writes ends here. It has translated before, outside the transaction; in it, the state it started from
is compared with the state that is there, and the change is refused or begun again where somebody was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import identity, notify, rules
from fhir_infusion.errors import BREAKS_RULE, Deleted, Issue, Refused
from fhir_infusion.fhir.references import resource_named
from fhir_infusion.fhir.search import Entry, entries
from fhir_infusion.store import audit, idempotency, links, outbox, text, versions
from fhir_infusion.store.versions import Bound, Draft, Stored

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.config import Remote
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

Json = dict[str, Any]
Also = Callable[["Tx", Stored], None]
"""More that belongs to the same effect, such as the link to the server that it was pulled from."""

HOME: Final = "R4"
"""The release in which we write what came as our own JSON."""

IDENTITY: Final = {"MedicationRequest": "order_id", "MedicationAdministration": "administration_id"}
"""The field that holds the business identifier, of the types that have a record."""

KIND: Final = {"MedicationRequest": "InfusionOrder", "MedicationAdministration": "Administration"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action did. ``created`` is False where the record was there already.

    ``text`` is the FHIR JSON in ``release``, empty where that release cannot say what is there, which the findings then
    tell; ``record`` is the whole record: an administration with its segments.
    """

    created: bool
    type: str
    id: str
    version: int
    last_updated: datetime
    release: str
    text: str
    whole: Callable[[], Json]
    findings: Sequence[Issue] = ()

    @property
    def record(self) -> Json:
        """Return the whole record: an administration with its segments. It is read only where it is asked for."""
        return self.whole()


@dataclass(frozen=True, slots=True)
class Made:
    """What a piece of work did in its transaction; ``created`` is False where the resource was there already.

    ``segments`` are those of an administration that came as our JSON, as they were written with it.
    """

    stored: Stored
    created: bool
    findings: Sequence[Issue] = ()
    segments: tuple[Stored, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One resource to be written: what it is, and the version that it follows.

    ``rows`` are those that it is found by, where they are known before its transaction.
    """

    id: str
    release: str
    resource: Json
    record: Json
    previous: Stored | None = None
    parent: str = ""
    rows: tuple[Entry, ...] | None = None


def system_of(service: Service, type: str) -> str:
    """Return the namespace of the business identifiers of a resource type."""
    settings = service.settings
    return settings.order_system if type == "MedicationRequest" else settings.administration_system


def named(record: Json, type: str) -> Json:
    """Return our JSON as it is stored: it says what it is, and has no id of its own.

    Raises:
        Refused: 400, it says that it is something else.
    """
    kind = KIND[type]
    if record.get("record", kind) != kind:
        raise Refused(Issue("error", "value", "record", "another kind of record belongs here", kind, "record"))
    return {"record": kind, **{name: value for name, value in record.items() if name not in {"record", "resource_id"}}}


def write(service: Service, tx: Tx, caller: Caller, type: str, part: Part, origin: str = "") -> Stored:
    """Write one version with all that belongs to it.

    Raises:
        Refused: 422, its business identifier names another record, its order is none, or it names two patients; 409,
            it names a deleted one.
        versions.Moved: somebody was faster.
    """
    record = part.record
    if type in IDENTITY:
        _refuse_two_patients(tx, part)
    depends_on = f"{type}/{part.parent}" if part.parent else ""
    if type == "MedicationAdministration":
        order = order_of(service, tx, record)
        if order is not None:
            _refuse_a_plan(order)
            depends_on = depends_on or order.aggregate
    bound, minted = _binding(service, tx, type, part)
    rows = part.rows if part.rows is not None else entries(part.resource, part.release)
    if minted is not None:
        rows = (*rows, Entry("identifier", "token", minted.system, minted.value))
    digest = service.translator.library.digest
    draft = Draft(
        type, part.id, part.release, part.resource, record, digest, tuple(rows), part.previous, part.parent, bound
    )
    stored = versions.put(tx, draft)
    told = [one for one in service.settings.remotes if _is_told(tx, one, stored, record)]
    if told:
        stop = rules.is_stop(record)
        payload = text.text_digest(stored.text)
        for remote in told:
            if remote.name != origin:
                outbox.enqueue(
                    tx, remote.name, stored.aggregate, stored.version, payload, stop=stop, depends_on=depends_on
                )
    notify.record(tx, stored, part.previous, record, rows)
    action = "update" if part.previous else "create"
    audit.write(tx, action, caller.client, type, stored.id, stored.version, f"from {origin}" if origin else "")
    return stored


def _is_told(tx: Tx, remote: Remote, stored: Stored, record: Json) -> bool:
    intent = record.get("intent")
    if remote.is_told(tx.tenant, stored.type, intent):
        return True
    could_be = remote.is_told(tx.tenant, stored.type, intent, known=True)
    return could_be and links.get(tx, remote.name, stored.aggregate) is not None


def earlier_effect(service: Service, tx: Tx, type: str, record: Json, body_hash: str) -> Stored | None:
    """Return the current state of what a business identifier named when it came first; None where it is new.

    Raises:
        Refused: 422, the same business identifier came with another body; 409, what it made was deleted.
    """
    key = _key(service, type, record)
    effect = idempotency.find(tx, "", key) if key else None
    if effect is None:
        return None
    made = versions.current(tx, effect.type, effect.id)
    if made is not None and made.deleted:
        raise Refused(_was_deleted(type))
    if effect.body_hash != body_hash:
        raise Refused(_taken(type))
    return made


def keep_key(service: Service, tx: Tx, type: str, record: Json, body_hash: str, made: Stored) -> None:
    """Remember what was made under a business identifier, where there is one."""
    key = _key(service, type, record)
    if key:
        idempotency.keep(tx, "", key, idempotency.Effect(body_hash, type, made.id, made.version))


def order_of(service: Service, tx: Tx, administration: Json) -> Stored | None:
    """Return the order that an administration carries out, None where it is not one of ours, or was deleted."""
    return versions.alive(named_order(service, tx, administration))


def named_order(service: Service, tx: Tx, administration: Json) -> Stored | None:
    """Return the order that an administration names, deleted or not; None where it is not one of ours."""
    reference = administration.get("order", {})
    type_, _, id_ = resource_named(str(reference.get("reference", ""))).partition("/")
    if type_ == "MedicationRequest" and id_:
        return versions.current(tx, type_, id_.partition("/")[0])
    identifier = reference.get("identifier", {})
    if "value" not in identifier:
        return None
    system = identifier.get("system", service.settings.order_system)
    return versions.by_identifier(tx, "MedicationRequest", system, identifier["value"])


def unchanged(stored: Stored, part: Part) -> bool:
    """Say whether a version would say what the one before said."""
    if stored.release != part.release or stored.parent != part.parent:
        return False
    return text.digest(without_server_elements(text.read(stored.text))) == text.digest(
        without_server_elements(part.resource)
    )


def without_server_elements(resource: Json) -> Json:
    """Return a resource without id, versionId and lastUpdated, which the server sets whatever a client sends.

    https://hl7.org/fhir/R4/http.html#create, http.html#update.
    """
    rest = {name: value for name, value in resource.items() if name != "id"}
    if isinstance(rest.get("meta"), dict):
        meta = {name: value for name, value in rest["meta"].items() if name not in {"versionId", "lastUpdated"}}
        rest["meta"] = meta
        if not meta:
            del rest["meta"]
    return rest


def refuse_unless_current(stored: Stored, if_match: str | None, *, required: bool) -> None:
    """Refuse a change that does not start from the version that is there.

    Raises:
        Refused: 400 where If-Match is required and missing, 412 where it is stale.
    """
    if if_match is None and required:
        reason = "a change of an existing record needs If-Match, so that nobody's change is overwritten"
        raise Refused(Issue("error", "required", "If-Match", reason, 'If-Match: W/"version"', "if-match"))
    if if_match is not None and if_match != str(stored.version):
        raise Refused(stale())


def exists() -> Issue:
    """Return the issue of an update that was to create only, of what is there."""
    reason = "the resource is there already, and this update was to create only"
    return Issue("error", "conflict", "http.If-None-Match", reason, "If-Match with the newest version", "exists", 412)


def stale() -> Issue:
    """Return the issue of a change that started from a version that is no longer the newest."""
    reason = "the record was changed in between; read it again"
    return Issue("error", "conflict", "If-Match", reason, "the newest version", "if-match", 412)


def not_found(type: str) -> Issue:
    """Return the issue of a record that this tenant does not have."""
    accepted = "the id that it has here; by a number of its sender's it is searched for"
    return Issue("error", "not-found", "", f"there is no such {type}", accepted, status=404)


def known(stored: Stored | None, type: str) -> Stored:
    """Return a version that is there.

    Raises:
        Refused: 404 where there is none, 410 where it was deleted.
    """
    if stored is None:
        raise Refused(not_found(type))
    if stored.deleted:
        raise Deleted(type, stored.version, stored.last_updated)
    return stored


def patient_findings(orders: Sequence[Json], administration: Json) -> tuple[Issue, ...]:
    """Return the finding that an administration names another patient than its order."""
    if not any(rules.patient_differs(order, administration) for order in orders):
        return ()
    reason = "the order that this administration carries out names another patient"
    return (Issue("warning", "business-rule", "patient", reason, "the patient of the order", "order-patient"),)


def _refuse_two_patients(tx: Tx, part: Part) -> None:
    """Refuse a subject that is one patient here by its literal reference, and another by its identifier (hazard H10).

    One that stands here already does not keep what it is in from being changed or stopped.
    """
    subject = part.resource.get("subject", {})
    id_ = identity.patient_id(str(subject.get("reference", "")))
    if not id_ or not identity.names_two(subject, id_, partial(_patient, tx)):
        return
    if part.previous is not None and text.read(part.previous.text).get("subject") == subject:
        return
    accepted = "one patient: the literal reference alone, or with an identifier of that patient"
    reason = "the literal reference leads to a patient who has another identifier of this system"
    raise Refused(Issue("error", "business-rule", "patient", reason, accepted, "two-patients", BREAKS_RULE))


def _patient(tx: Tx, id: str) -> Json:
    found = versions.alive(versions.current(tx, "Patient", id))
    return text.read(found.text) if found is not None else {}


def _binding(service: Service, tx: Tx, type: str, part: Part) -> tuple[Bound | None, Bound | None]:
    """Return the identifier to bind now, and the minted one that is to stay searchable."""
    if type not in IDENTITY:
        return None, None
    system, value = system_of(service, type), part.record.get(IDENTITY[type])
    there = versions.identifier_of(tx, type, part.id) if part.previous else None
    if value is None:
        if there is None:
            minted = Bound(system, service.new_id(), minted=True)
            return minted, minted
        return None, there if there.minted else None
    if there is not None and not there.minted and there.value == value:
        return None, None
    other = versions.by_identifier(tx, type, system, value)
    if other is not None and other.id != part.id:
        if other.deleted:
            raise Refused(_was_deleted(type))
        raise Refused(_taken(type))
    return (Bound(system, value) if other is None else None), (there if there is not None and there.minted else None)


def _key(service: Service, type: str, record: Json) -> str:
    value = record.get(IDENTITY[type]) if type in IDENTITY else None
    return "" if value is None else f"{type}|{system_of(service, type)}|{value}"


def key_taken() -> Issue:
    """Return the issue of another request under the key of a client."""
    reason = "this Idempotency-Key came with another request before"
    accepted = "a new key, or the request first sent"
    return Issue("error", "business-rule", "http.Idempotency-Key", reason, accepted, "idempotency-key", BREAKS_RULE)


def _taken(type: str) -> Issue:
    """Return the issue of another body under a business identifier."""
    field = IDENTITY[type]
    reason, accepted = f"this {field} names another record already", "the body first sent, or PUT to change the record"
    return Issue("error", "business-rule", field, reason, accepted, "identity-taken", BREAKS_RULE)


def _was_deleted(type: str) -> Issue:
    """Return the issue of a record whose identifier stays that of a deleted one (hazards H5, H8)."""
    reason = "what was made of this before was deleted, and its identifier stays bound to that"
    accepted = "another identifier; or PUT to the deleted resource with If-Match, which brings it back as it was"
    return Issue("error", "deleted", IDENTITY.get(type, ""), reason, accepted, "identity-deleted", 409)


def _refuse_a_plan(order: Stored) -> None:
    intent = text.read(order.record).get("intent")
    if intent not in rules.ORDER_INTENTS:
        reason = "what is referred to is no order, by its intent"
        accepted = ", ".join(sorted(rules.ORDER_INTENTS))
        raise Refused(Issue("error", "business-rule", "order", reason, accepted, "order-intent", BREAKS_RULE))
