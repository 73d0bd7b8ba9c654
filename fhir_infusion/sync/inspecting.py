"""Looking into what was put aside, going back in a feed, and having what was quarantined tried again: by a person.

Whoever is shown content is in the audit trail with it, as a read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import find
from fhir_infusion.actions.caller import Caller
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import audit, inbox, versions
from fhir_infusion.sync import moments
from fhir_infusion.sync.mending import AT_ONCE, demand_reason, refuse_company, refuse_paused
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.pull import apply_new
from fhir_infusion.sync.replaying import numbers_of, row_of

if TYPE_CHECKING:
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row

_LISTED: Final = "one that `fhir-infusion sync quarantine list` shows"
_VERSION: Final = re.compile(r"([A-Za-z]{1,64})/([A-Za-z0-9.\-]{1,64})/_history/(\S{1,256})")


def line_of(tenant: str, row: Row) -> dict[str, Any]:
    """Return a row of the outbox without any content of its version."""
    return {
        "row": row.seq,
        "tenant": tenant,
        "remote": row.endpoint,
        "resource": row.aggregate,
        "version": row.version,
        "state": row.state,
        "code": row.last_error_code,
        "stop": row.lane == "stop",
        "attempts": row.attempt,
        "enqueued": row.enqueued.isoformat(),
    }


def show_row(service: Service, client: str, row: str, tenant: str | None = None) -> dict[str, Any]:
    """Return a row with the resource that it tells, in the remote's release where that can say it; audited.

    ``tenant`` is whose row it must be; None for a command of this machine, which belongs to no tenant.

    Raises:
        Refused: 404 there is no such row, or nothing is stored for it; 422 this is no number.
        Unavailable: the store cannot serve now.
    """
    owner, found = row_of(service, numbers_of(row)[0], tenant)
    type_, _, id_ = found.aggregate.partition("/")
    release: str = service.settings.remote(found.endpoint).release
    try:
        text = find.vread(service, Caller(owner, client), release, type_, id_, str(found.version)).text
    except Refused as refused:
        stored = service.store.read(owner, lambda tx: versions.version(tx, type_, id_, found.version))
        if stored is None or not stored.text:
            raise
        text = stored.text
        release = f"{stored.release}, since {release} cannot say it: {refused.issues[0].code}"
    shown = partial(audit.write, type=type_, id=id_, version=found.version, detail=f"outbox row {found.seq}")
    # On disk before it is shown.
    service.store.transact(owner, lambda tx: shown(tx, "read", client))
    return {**line_of(owner, found), "release": release, "content": fhir_json.read_again(text)}


def show_quarantined(service: Service, client: str, remote: str, version: str) -> dict[str, Any]:
    """Return what could not be taken, as it was received; ``version`` is Type/id/_history/version there. Audited.

    Raises:
        Refused: 404 no such version was received; 422 this does not name one.
        SettingsError: there is no such remote.
        Unavailable: the store cannot serve now.
    """
    tenant = service.settings.remote(remote).tenant
    key = _named(version)
    kept = service.store.read(tenant, lambda tx: inbox.kept(tx, remote, *key))
    if kept is None:
        raise Refused(Issue("error", "not-found", "", "no such version was received", _LISTED, status=404))
    detail = f"{remote}: {key[0]}/{key[1]} there, quarantined"
    service.store.transact(tenant, lambda tx: audit.write(tx, "read", client, detail=detail))
    return {"remote": remote, "version": version, "last_updated": kept.last_updated, "content": kept.text}


def retry_quarantined(service: Service, client: str, remote: str, listed: str, reason: str) -> dict[str, Any]:
    """Have versions tried once more that could not be taken, with spaces between; audited.

    Returns:
        How many of these could be taken now, and the codes of those that could not.

    Raises:
        Refused: 422 no reason is given, or these name no versions; 404 one was never received; 409 the remote is
            paused, or somebody pulls now.
        SettingsError: there is no such remote.
        Unavailable: the store cannot serve now.
    """
    demand_reason(reason)
    keys = [_named(one) for one in listed.split()[: AT_ONCE + 1]]
    if not keys or len(keys) > AT_ONCE:
        raise Refused(Issue("error", "value", "versions", "too many at once", f"1 to {AT_ONCE}", status=422))
    peer = Peer(service, service.settings.remote(remote))
    tenant, store = peer.remote.tenant, service.store
    try:
        refuse_paused(peer, tenant)
        if not all(store.read(tenant, lambda tx: [inbox.state(tx, remote, *key) for key in keys])):
            raise Refused(Issue("error", "not-found", "", "no such version was received", _LISTED, status=404))

        def work(tx: Tx) -> int:
            waiting = [key for key in keys if inbox.state(tx, remote, *key) == "quarantined"]
            for key in waiting:
                inbox.again(tx, remote, *key)
            detail = f"{remote}: {len(waiting)} quarantined versions: {reason}"
            audit.write(tx, "sync-retried", client, detail=detail)
            return len(waiting)

        with store.alone(f"pull {tenant} {remote}") as alone:
            refuse_company(alone=alone)
            tried = store.transact(tenant, work)
            for type_ in peer.remote.feeds:
                apply_new(peer, tenant, type_)
        states = store.read(tenant, lambda tx: {"/".join(key): inbox.state(tx, remote, *key) for key in keys})
        left = sum(state == "quarantined" for state in states.values())
        return {"remote": remote, "tried": tried, "taken": tried - min(left, tried), "left": left}
    finally:
        peer.close()


def rewind(  # noqa: PLR0913  each is one text of the request
    service: Service, client: str, remote: str, fhir_type: str, to: str, reason: str
) -> dict[str, Any]:
    """Read the feed of a type from an earlier moment on; what was taken already is not taken again. Audited.

    Raises:
        Refused: 422 no reason is given, no such type, no moment, or none that lies before the watermark; 409 somebody
            pulls now.
        SettingsError: there is no such remote.
        Unavailable: the store cannot serve now.
    """
    demand_reason(reason)
    section = service.settings.remote(remote)
    tenant = section.tenant
    moment = moments.at(to)
    if moment == moments.NEVER:
        raise Refused(Issue("error", "value", "to", "this is no moment", "such as 2025-05-01T08:00:00Z", status=422))

    def work(tx: Tx) -> str:
        before = inbox.cursor(tx, remote, fhir_type, section.filter_of(fhir_type))
        if not moments.is_before(to, before.watermark):
            accepted = f"a moment before the watermark, {before.watermark or 'which is the beginning'}"
            raise Refused(Issue("error", "business-rule", "to", "the feed is not past this", accepted, status=422))
        after = replace(
            before, watermark=moments.instant(moment), next_link="", max_seen="", first_date="", peer_date=""
        )
        inbox.keep_cursor(tx, after)
        detail = f"{remote}: {fhir_type} from {before.watermark} to {after.watermark}: {reason}"
        audit.write(tx, "sync-rewound", client, detail=detail)
        return before.watermark

    with service.store.alone(f"pull {tenant} {remote}") as alone:
        refuse_company(alone=alone)
        before = service.store.transact(tenant, work)
    return {"remote": remote, "type": fhir_type, "was": before, "now": moments.instant(moment)}


def _named(version: str) -> tuple[str, str, str]:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise Refused(
            Issue("error", "value", "version", "this names no version", "Type/id/_history/version", status=422)
        )
    return match[1], match[2], match[3]
