"""Taking one received version of a resource into what we keep.

1. Read it strictly; what cannot be read, or is refused, stands in quarantine with its codes.
2. Linked, and the version is one that we wrote or know: an echo, nothing changes.
3. Linked, and dated before what we know or like it, or one of several that came together: the current one is asked
   for. Where that is another, this is history; where this is it, the peer's clock went back, which is told; where it
   was followed by another before, or says other than it did, the peer was restored (``restored``); where it is gone,
   the link becomes a tombstone and an alarm is raised (hazard H8).
   After a restore, what is there is compared with what was agreed; where it is not that, a person decides.
   Deleted here meanwhile: an echo or history all the same; what is new is put aside with an alarm, and revives nothing.
4. Linked and changed: three-way merge (``conflicts``). Only they changed: taken. Both, apart: merged, and pushed again.
   Both, in the same place: held for a person.
5. Not linked: a resource that carries an identifier of ours is ours (a create whose answer was lost), also where ours
   was linked under another id that is nothing there any more (``renamed``); else it is new.

What is read here may come a second time, or after a crash: the write, the link and the mark in the inbox are one
transaction.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from fhir_infusion.actions import accept_resource, identity
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.statuses import ENDED, ERROR
from fhir_infusion.store import inbox, links, versions
from fhir_infusion.store.links import Link
from fhir_infusion.sync import absent, holding, judging, ladder, moments, renamed, restored
from fhir_infusion.sync.case import Case, as_received, case_of, codes_of, stamped, tell_left
from fhir_infusion.sync.compare import content, is_another, same
from fhir_infusion.sync.conflicts import Merge, merge, stop_of
from fhir_infusion.sync.deletions import gone_there
from fhir_infusion.sync.incoming import incoming, names_two
from fhir_infusion.sync.merged_there import followed
from fhir_infusion.sync.ours import version_of
from fhir_infusion.sync.patients_here import bring
from fhir_infusion.sync.replies import Found, Gone, Missing

if TYPE_CHECKING:
    from fhir_infusion.store import Tx
    from fhir_infusion.store.inbox import Received
    from fhir_infusion.store.versions import Stored
    from fhir_infusion.sync.peer import Peer

Kind: TypeAlias = Literal["applied", "merged", "echo", "history", "quarantined", "conflict", "waiting"]
MERGED: Final = "patient-merged"
"""The alarm that they named another patient, who is the same person."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a received version. ``waiting``: it stays in the inbox until a doubt of ours is settled."""

    kind: Kind
    codes: str = ""


def apply(  # noqa: PLR0911  each return is one case of the table
    peer: Peer, tenant: str, received: Received, *, own: bool = False, link: Link | None = None
) -> Applied:
    """Take a received version. ``own``: the caller holds the outbox row of this resource, nothing else is in flight.

    ``link`` is the one to merge upon, where the caller knows more than is kept: see ``arrived``.

    Raises:
        Unavailable: the store cannot serve now.
    """
    try:
        resource = fhir_json.read(received.text)
    except Refused as refused:
        return _marked(Case(peer, tenant, received, {}), Applied("quarantined", codes_of(refused)))
    empty = Case(peer, tenant, received, resource)
    if resource.get("resourceType") != received.type or resource.get("id") != received.id:
        return _marked(empty, Applied("quarantined", "structure"))
    case = peer.service.store.read(tenant, lambda tx: case_of(tx, empty, own=own))
    if case.ambiguous:
        return _ambiguous(case)
    if link is not None and case.link is not None:
        case = replace(case, link=link)
    if case.stored is None:
        return _new(case)
    if case.stored.deleted:
        return _deleted(case)
    if case.link is not None:
        return _linked(case, case.link, case.stored)
    if case.in_flight or case.pending:
        return Applied("waiting")  # our own create may have arrived there; push finds out by looking
    return _claimed(case, case.stored)


# ----------------------------------------------------------------------------------------------------- the cases


def _ambiguous(case: Case) -> Applied:  # noqa: PLR0911  each return is one case
    """Follow ours to another id, where it is not under its own there any more; else which is meant is not known."""
    link, received = case.link, case.received
    if case.resource.get("status") == ERROR:
        return _marked(case, Applied("history", "ended-double"))
    if link is None:
        return _marked(case, Applied("quarantined", "ambiguous-identifier"))
    if case.in_flight:
        return Applied("waiting")
    is_known = link.is_gone or not link.remote_id
    there = Gone() if is_known else case.peer.endpoint.read(received.type, link.remote_id)
    if not isinstance(there, Found | Missing | Gone):
        return Applied("waiting")
    found = ladder.Absent() if isinstance(there, Found) else renamed.look(case.peer, case.tenant, link)
    if isinstance(found, ladder.Absent | ladder.Several):
        return _marked(case, Applied("quarantined", "ambiguous-identifier"))
    if not isinstance(found, renamed.Renamed) or found.link.remote_id != received.id:
        return Applied("waiting")
    followed_there = renamed.follow(case.peer, case.tenant, link, found)
    return apply(case.peer, case.tenant, received) if followed_there else Applied("waiting")


def _deleted(case: Case) -> Applied:
    """Put aside what they changed of a resource that was deleted here: it does not come back by that (H8)."""
    link, received = case.link, case.received
    if case.in_flight:
        return Applied("waiting")
    if link is not None and received.version == link.version_id:
        return _marked(case, Applied("echo"))
    if link is not None and (link.is_gone or _is_unsure(case, link)):
        asked = _asked(case, link)
        if isinstance(asked, Applied):
            return asked
        case = asked
    return _marked(case, Applied("quarantined", "deleted-here"))


def _linked(case: Case, link: Link, stored: Stored) -> Applied:  # noqa: PLR0911  each return is one case of the table
    received = case.received
    if link.is_gone:
        return _marked(case, Applied("quarantined", "returned-after-delete"))
    if received.version == link.version_id:
        if restored.says_other(link.last_updated, link.base, received.last_updated, received.text):
            return _restored(case)
        return _marked(case, Applied("echo"))
    if case.in_flight:
        return Applied("waiting")
    if _is_unsure(case, link):
        asked = _asked(case, link)
        if isinstance(asked, Applied):
            return asked
        case = asked
    linked = stamped(link, received)
    if same(content(case.resource), content(fhir_json.read(link.base))):
        return _marked(case, Applied("echo"), linked)
    if link.doubted:
        return _doubted(case, link, stored)
    merged = _merge(case, link, stored)
    if merged is not None and merged.held == ("subject",):
        case, merged = _followed(case, link, stored, merged)
    return Applied("waiting") if merged is None else _merged(case, linked, stored, merged)


def _doubted(case: Case, link: Link, stored: Stored) -> Applied:
    """Hold what is not as it was agreed on before a pause; where its id is somebody else's now, ours is lost there."""
    if is_another(fhir_json.read(link.base), case.resource):
        nowhere = link.as_nowhere()
        case.peer.service.store.transact(case.tenant, lambda tx: gone_there(tx, case.peer, nowhere, is_lost=True))
        return apply(case.peer, case.tenant, case.received)  # as a new one
    revived = case.resource.get("status") not in ENDED and fhir_json.read_again(stored.text)["status"] in ENDED
    return _held(replace(case, alarm="restored-active" if revived else ""), link, stored, ("restored",))


def _is_unsure(case: Case, link: Link) -> bool:
    """Say whether a version may not be the current one, as far as is known without asking."""
    known, received = link.last_updated, case.received
    is_later = moments.is_before(known, received.last_updated) if known else True
    return received.version in case.seen or case.has_later or not is_later


def _asked(case: Case, link: Link) -> Case | Applied:
    """Ask whether a version is the current one; return the case to go on with, or what became of it."""
    received = case.received
    now = case.peer.endpoint.read(received.type, received.id)
    if isinstance(now, Missing) and absent.is_doubtful(case.peer, case.tenant, received.type, received.id):
        return Applied("waiting")
    if isinstance(now, Missing | Gone):
        return _gone(case, link, now)
    if not isinstance(now, Found):
        return Applied("waiting")
    if as_received(received.type, now.stamp, now.text).version != received.version:
        return _marked(case, Applied("history"))
    if received.version in case.seen:
        return _restored(case)
    is_back = not link.doubted and moments.is_before(received.last_updated, link.last_updated)
    return replace(case, alarm="peer-clock-back") if is_back else case


def _restored(case: Case) -> Applied:
    """Leave the peer alone; what was received stays in the inbox until a person has spoken."""
    restored.pause(case.peer, case.tenant, f"{case.received.type}/{case.received.id}")
    return Applied("waiting")


def _gone(case: Case, link: Link, now: Missing | Gone) -> Applied:
    def work(tx: Tx) -> None:
        if not link.is_gone:
            gone_there(tx, case.peer, link, is_lost=isinstance(now, Missing))
        _mark(tx, case, "history", "gone")

    case.peer.service.store.transact(case.tenant, work)
    return Applied("history", "gone")


def _followed(case: Case, link: Link, stored: Stored, merged: Merge) -> tuple[Case, Merge | None]:
    """Merge again where theirs names another patient only because the first was merged into that one there (H10)."""
    key = identity.key_of(fhir_json.read_again(stored.text).get("subject", {}))
    same_one = followed(case.peer, fhir_json.read(link.base), case.resource, key)
    if same_one == "other":
        return case, merged
    return replace(case, alarm=MERGED), _merge(case, link, stored, may_move=True) if same_one == "same" else None


def _merge(case: Case, link: Link, stored: Stored, *, may_move: bool = False) -> Merge | None:
    """Merge in our form; None where the peer cannot be asked now what a reference means.

    With ``may_move`` their patient is ours: only where ours names one of that server does it name the other one now.
    """
    their_base = incoming(case.peer, case.tenant, fhir_json.read(link.base), case.minted)
    theirs = incoming(case.peer, case.tenant, case.resource, case.minted)
    if not isinstance(their_base, dict) or not isinstance(theirs, dict):
        return None
    ours = version_of(case.peer, case.tenant, stored.aggregate, stored.version)
    our_base = version_of(case.peer, case.tenant, stored.aggregate, link.last_acked_version or stored.version)
    owns = holding.owner(case.peer, case.tenant, stored.aggregate, stored.version)
    if may_move:
        literal = str(theirs["subject"].get("reference", ""))
        is_theirs = str(ours["subject"].get("reference", "")).startswith(f"{case.peer.endpoint.base}/")
        their_base = {**their_base, "subject": ours["subject"]}
        theirs = {**theirs, "subject": {**ours["subject"], "reference": literal} if is_theirs else ours["subject"]}
    return merge(our_base, ours, their_base, theirs, owns, may_move=may_move)


def _merged(case: Case, linked: Link, stored: Stored, merged: Merge) -> Applied:
    """Keep the outcome of a merge. Where ours had changed too, it is a new version that the peer does not have yet."""
    ours_changed = stored.version != linked.last_acked_version
    told = f"precision-kept {','.join(merged.respelled)}" if merged.respelled else ""
    if merged.held:
        return _held(case, case.link or linked, stored, merged.held)
    if not merged.taken:
        if ours_changed:
            # All of theirs is in our newest version; one before it would take that back, if for a while (H7).
            linked = replace(linked, last_sent_version=max(linked.last_sent_version, stored.version - 1))
        return _marked(case, Applied("applied" if ours_changed else "echo"), linked, told)

    def also(tx: Tx, written: Stored) -> None:
        if ours_changed:
            # Versions before the merge lack what was taken from them; none of these may be sent any more.
            links.put(tx, replace(linked, last_sent_version=written.version - 1))
        else:
            links.put(tx, replace(linked, last_sent_version=written.version, last_acked_version=written.version))
        if told:
            case.peer.alert(tx, told, written.aggregate, written.version)
        _mark(tx, case, "applied")

    peer, resource = case.peer, {**merged.resource, "id": stored.id}
    origin, version = "" if ours_changed else peer.name, str(stored.version)
    try:
        asked = (peer.service, peer.caller(case.tenant), peer.release, stored.id, resource, version)
        written = accept_resource.update(*asked, origin=origin, also=also, is_same_patient=case.alarm == MERGED)
    except Refused as refused:
        if refused.status == 412:
            return Applied("waiting")  # ours changed meanwhile; the next round merges with that
        return _held(case, case.link or linked, stored, (codes_of(refused),))
    tell_left(peer, case.tenant, written)
    bring(peer, case.tenant, case.resource, stored.aggregate)
    return Applied("merged" if ours_changed else "applied")


def _claimed(case: Case, stored: Stored) -> Applied:
    """Take a resource that has our identifier but no link: equal, or a person decides."""
    theirs = incoming(case.peer, case.tenant, case.resource, case.minted)
    if not isinstance(theirs, dict):
        return Applied("waiting")
    link = stamped(Link(case.peer.name, stored.aggregate), case.received)
    ours = content(version_of(case.peer, case.tenant, stored.aggregate, stored.version))
    if judging.differing(case.peer, case.tenant, ours, content(theirs)) != judging.Differing():
        return _held(case, link, stored, ("identifier",))
    linked = replace(link, last_sent_version=stored.version, last_acked_version=stored.version, ladder="found")
    return _marked(case, Applied("echo"), linked)


def _new(case: Case) -> Applied:
    peer = case.peer
    theirs = incoming(peer, case.tenant, case.resource, None)
    is_of_two = names_two(peer, case.resource)
    if not isinstance(theirs, dict) or not isinstance(is_of_two, bool):
        return Applied("waiting")
    if is_of_two:
        return _marked(case, Applied("quarantined", "two-patients"))

    def also(tx: Tx, stored: Stored) -> None:
        link = stamped(Link(peer.name, stored.aggregate, ladder="pulled"), case.received)
        links.put(tx, replace(link, last_sent_version=stored.version, last_acked_version=stored.version))
        _mark(tx, case, "applied")

    try:
        made = accept_resource.create(
            peer.service, peer.caller(case.tenant), peer.release, theirs, origin=peer.name, also=also
        )
    except Refused as refused:
        return _marked(case, Applied("quarantined", codes_of(refused)))
    bring(peer, case.tenant, case.resource, f"{made.type}/{made.id}")
    return Applied("applied")


# -------------------------------------------------------------------------------------------------------- marks


def _mark(tx: Tx, case: Case, state: inbox.State, codes: str = "") -> None:
    one = case.received
    if case.alarm:
        case.peer.alert(tx, case.alarm, case.stored.aggregate if case.stored else "")
    inbox.mark(tx, case.peer.name, one.type, one.id, one.version, state, codes)


def _marked(case: Case, applied: Applied, link: Link | None = None, alarm: str = "") -> Applied:
    """Keep what became of the version, and the link, in one transaction; what is put aside raises an alarm."""
    alarm = f"quarantined {applied.codes}" if applied.kind == "quarantined" else alarm

    def work(tx: Tx) -> None:
        if link is not None:
            links.put(tx, link)
        if alarm:
            case.peer.alert(tx, alarm, case.stored.aggregate if case.stored else "")
        if applied.kind not in {"waiting", "merged"}:
            _mark(tx, case, applied.kind, applied.codes)  # type: ignore[arg-type]  # the two others are no states

    case.peer.service.store.transact(case.tenant, work)
    return applied


def _held(case: Case, link: Link, stored: Stored, fields: tuple[str, ...]) -> Applied:
    """Open a conflict, once for each resource, and keep what they sent; but a stop of theirs is taken."""
    stored = _stopped(case, stored)
    held = holding.Held(stored.aggregate, stored.version, fields, link.base, case.received.text)
    holding.hold(case.peer, case.tenant, held, lambda tx: _mark(tx, case, "conflict", ",".join(fields)))
    return Applied("conflict", ",".join(fields))


def _stopped(case: Case, stored: Stored) -> Stored:
    """Take no more than that they stopped it, so that nobody here goes on with what waits for a person (H6)."""
    peer = case.peer
    ours = stop_of(case.resource, version_of(peer, case.tenant, stored.aggregate, stored.version))
    if ours is None or case.link is None:
        return stored
    asked = (peer.service, peer.caller(case.tenant), peer.release, stored.id, {**ours, "id": stored.id})
    with suppress(Refused):  # ours has ended meanwhile, or may not become that: a person sees what is held
        tell_left(peer, case.tenant, accept_resource.update(*asked, str(stored.version), origin=peer.name))
    return peer.service.store.read(case.tenant, lambda tx: versions.current(tx, stored.type, stored.id)) or stored
