"""A version of ours as a peer would read it: in its release, without the mark that something was left out for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.actions import find
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import subset

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.sync.peer import Peer


def version_of(peer: Peer, tenant: str, aggregate: str, version: int) -> Resource:
    """Return a version of ours in the peer's release.

    Raises:
        Refused: it is not there, or cannot be said in that release.
        Unavailable: the store cannot serve now.
    """
    type_, _, id_ = aggregate.partition("/")
    found = find.vread(peer.service, peer.caller(tenant), peer.release, type_, id_, str(version))
    return subset.unmarked(fhir_json.read(found.text))
