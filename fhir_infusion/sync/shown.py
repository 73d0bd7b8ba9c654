"""A conflict as it is shown: listed without a value, or with the three states where they differ, for who decides."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import apart, differences
from fhir_infusion.store import conflicts
from fhir_infusion.sync.compare import content

if TYPE_CHECKING:
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.conflicts import Conflict

ACCEPTED = "an id that `fhir-infusion sync conflicts` shows"


def summary(conflict: Conflict) -> dict[str, Any]:
    """Return a conflict without anything of its content: what they changed, by path, since both sides agreed."""
    before = fhir_json.read(conflict.base or conflict.ours)
    theirs = fhir_json.read(conflict.theirs)
    return {
        "id": conflict.conflict_id,
        "endpoint": conflict.endpoint,
        "resource": conflict.aggregate,
        "opened": conflict.opened.isoformat(),
        "groups": list(conflict.fields),
        "theirs": list(differences(content(before), content(theirs))),
    }


def whole(conflict: Conflict) -> dict[str, Any]:
    """Return a conflict with the values of each place where the sides differ.

    ``base`` is what both last agreed on, as the peer wrote it; it has none where they never did. References stand as
    each side writes them.
    """
    texts = {"base": conflict.base, "ours": conflict.ours, "theirs": conflict.theirs}
    sides = {side: content(fhir_json.read(text)) for side, text in texts.items() if text}
    return {
        **summary(conflict),
        "state": conflict.state,
        "resolution": conflict.resolution,
        "differences": [one for one in apart(sides) if not _is_of_sending(one)],
    }


def _is_of_sending(place: dict[str, Any]) -> bool:
    """Say whether a place is a reference that sending adds, to what ours names by identifier."""
    is_reference = place["path"].endswith(".reference") and "ours" not in place
    return is_reference and "base" in place and place["base"] == place.get("theirs")


def tag(conflict: Conflict) -> str:
    """Return what changes whenever one of the states that are held does, fit for an ETag."""
    held = (conflict.state, conflict.base, conflict.ours, conflict.theirs)
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:16]


def show(service: Service, tenant: str, client: str, conflict_id: str) -> tuple[Conflict, dict[str, Any]]:
    """Return a conflict with its values; that ``client`` read it stands in the audit trail before it is given out.

    Raises:
        Refused: 404 this tenant has no such conflict.
        Unavailable: nothing can be noted now.
    """

    def work(tx: Tx) -> Conflict:
        found = conflicts.get(tx, conflict_id)
        if found is None:
            raise Refused(Issue("error", "not-found", "", "there is no such conflict", ACCEPTED, status=404))
        conflicts.shown(tx, found, client)
        return found

    conflict = service.store.transact(tenant, work)
    return conflict, whole(conflict)
