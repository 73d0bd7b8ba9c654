"""The patient of what is pulled: brought along where the settings name ``Patient`` among ``resources``.

A Patient there is read by the reference of an order or administration that was taken, and stored here once, as it is,
if none here has its identifier. What is corrected there later is taken into that copy (``corrections``). One that is
here is never overwritten: where name, birth date or sex contradict, that
is told (hazard H10), and a person looks. Nothing of an order depends on it: it keeps the identifier that it came with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import accept_resource, identity
from fhir_infusion.actions.condition import token_value
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import search
from fhir_infusion.remotes import PATIENT
from fhir_infusion.store import links
from fhir_infusion.store.links import Link
from fhir_infusion.sync import references
from fhir_infusion.sync.case import as_received, codes_of, stamped
from fhir_infusion.sync.incoming import incoming
from fhir_infusion.sync.replies import Found

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored
    from fhir_infusion.sync.peer import Peer

SEVERAL: Final = 412


def bring(peer: Peer, tenant: str, resource: Resource, aggregate: str) -> None:
    """Store the Patient that a resource of theirs is about, where it is wanted and none here has its identifier.

    ``aggregate`` is what the resource became here, for an alarm. What cannot be asked now is asked with the next one.

    Raises:
        Unavailable: the store cannot serve now.
    """
    subject: Any = resource.get("subject", {})
    there = references.relative(str(subject.get("reference", "")), peer.endpoint.base)
    if PATIENT not in peer.remote.resources or there is None or there.type != PATIENT:
        return
    if peer.recall("brought", there.id) is not None:
        return
    found = peer.endpoint.read(PATIENT, there.id)
    if not isinstance(found, Found):
        return
    code = _stored(peer, tenant, found)
    if code is None:
        return
    peer.learn("", "brought", there.id)
    if code:
        peer.service.store.transact(tenant, lambda tx: peer.alert(tx, code, aggregate))


def _stored(peer: Peer, tenant: str, found: Found) -> str | None:
    """Store a Patient, or compare it with the one that is here; return the code of an alarm, None to ask again."""
    patient = found.resource
    key = identity.in_use(patient)
    if key is None:
        return "patient-unidentified"
    if identity.is_retired(patient):
        return "patient-merged-away"
    body = incoming(peer, tenant, patient, None)
    if not isinstance(body, dict):
        return None
    same = search.parse(PATIENT, peer.release, [("identifier", token_value(*key))])
    ids: list[str] = []

    def new_id() -> str:
        ids.append(peer.service.new_id())
        return ids[-1]

    def also(tx: Tx, stored: Stored) -> None:
        if stored.id in ids:  # not one that was here
            link = Link(peer.name, stored.aggregate, "", ladder="pulled", last_sent_version=1, last_acked_version=1)
            links.put(tx, stamped(link, as_received(PATIENT, found.stamp, found.text)))

    service = replace(peer.service, new_id=new_id)
    try:
        made = accept_resource.create(
            service, peer.caller(tenant), peer.release, body, same, origin=peer.name, also=also
        )
    except Refused as refused:
        return "patient-several-here" if refused.status == SEVERAL else f"patient-not-taken {codes_of(refused)}"
    if made.created or not made.text:
        return ""
    differing = identity.contradictions(fhir_json.read_again(made.text), patient)
    return f"patient-differs {','.join(differing)}" if differing else ""
