"""Subscriptions at a peer as a nudge: it tells that something changed, and the next pull happens now.

What it sends is never believed, and holds nothing: each asks for an empty notification. R4 takes criteria; R5 and its
backport want a topic, of which the peer must have one for each type. Where a nudge is lost, the next pull takes what it
was about, at most ``poll_seconds`` later.

https://hl7.org/fhir/R4/subscription.html; https://hl7.org/fhir/R5/subscription.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.config import read_secret
from fhir_infusion.errors import Issue, Refused, SettingsError
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import nudges
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.replies import Deleted, Found, Gone, Listed, Missing, Written

if TYPE_CHECKING:
    from fhir_infusion.config import Remote
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.service import Service

WAYS: Final = ("on", "off")
REASON: Final = "so that changes are fetched at once"


def subscribe(service: Service, client: str, remote: str, way: str) -> dict[str, Any]:
    """Make Subscriptions at a remote for the types that are kept in step, or delete them; twice is as once.

    Raises:
        Refused: 409 the remote does not take them, has no topic, or cannot be asked now.
        SettingsError: there is no such remote, or the settings do not say where it can reach us.
        Unavailable: the store cannot serve now.
    """
    section = service.settings.remote(remote)
    if way == "on" and (not section.hook_base or section.hook_token_file is None):
        raise SettingsError(f"[remotes.{remote}] hook_base, hook_token_file: required, so that it can reach us")
    peer = Peer(service, section)
    try:
        known = service.store.read(section.tenant, lambda tx: nudges.subscribed(tx, remote))
        ids = _made(peer, known) if way == "on" else _deleted(peer, known)
        if ids != known:
            service.store.transact(section.tenant, lambda tx: nudges.keep(tx, remote, ids, client))
        return {"remote": remote, "subscriptions": list(ids)}
    finally:
        peer.close()


def _made(peer: Peer, known: tuple[str, ...]) -> tuple[str, ...]:
    there = [peer.endpoint.read("Subscription", id_) for id_ in known]
    if known and all(isinstance(one, Found) and one.resource.get("status") != "off" for one in there):
        return known
    _deleted(peer, known)
    made: list[str] = []
    for resource in _wanted(peer):
        written = peer.endpoint.create(resource)
        if not isinstance(written, Written) or written.stamp is None:
            _deleted(peer, tuple(made))
            raise _refused(f"the remote took no Subscription: {getattr(written, 'why', '') or type(written).__name__}")
        made.append(written.stamp.id)
    return tuple(made)


def _deleted(peer: Peer, ids: tuple[str, ...]) -> tuple[str, ...]:
    for id_ in ids:
        answer = peer.endpoint.delete("Subscription", id_)
        if not isinstance(answer, Deleted | Missing | Gone):
            raise _refused("the remote did not delete a Subscription of ours; ask again")
    return ()


def _wanted(peer: Peer) -> list[Resource]:
    remote = peer.remote
    if remote.release == "R5":
        return [_topical(remote, topic) for topic in _topics(peer)]
    return [_by_criteria(remote, type_) for type_ in remote.types]


def _by_criteria(remote: Remote, type_: str) -> Resource:
    channel = {"type": "rest-hook", "endpoint": _address(remote), "header": [f"Authorization: {_secret(remote)}"]}
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": REASON,
        "criteria": f"{type_}?",
        "channel": channel,
    }


def _topical(remote: Remote, topic: str) -> Resource:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": REASON,
        "topic": topic,
        "channelType": {
            "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
            "code": "rest-hook",
        },
        "endpoint": _address(remote),
        "parameter": [{"name": "Authorization", "value": _secret(remote)}],
        "content": "empty",
    }


def _topics(peer: Peer) -> list[str]:
    """Return the topics by which the types can be told of."""
    listed = peer.endpoint.search("SubscriptionTopic", [])
    topics = [fhir_json.read(entry.text) for entry in listed.entries] if isinstance(listed, Listed) else []
    found = []
    for type_ in peer.remote.types:
        told = [one["url"] for one in topics if one.get("status") != "retired" and _tells_of(one, type_)]
        if not told:
            raise _refused(f"the remote has no SubscriptionTopic for {type_}; it is pulled every poll_seconds")
        found += told
    return list(dict.fromkeys(found))


def _tells_of(topic: Resource, type_: str) -> bool:
    triggers: Any = topic.get("resourceTrigger")
    if not isinstance(topic.get("url"), str):
        return False
    return any(
        isinstance(one, dict) and str(one.get("resource", "")).rpartition("/")[2] == type_
        for one in (triggers if isinstance(triggers, list) else ())
    )


def _address(remote: Remote) -> str:
    return f"{remote.hook_base.rstrip('/')}/hooks/{remote.name}"


def _secret(remote: Remote) -> str:
    return f"Bearer {read_secret(remote.hook_token_file)}" if remote.hook_token_file is not None else ""


def _refused(why: str) -> Refused:
    return Refused(Issue("error", "conflict", "", why, "a remote that takes Subscriptions by rest-hook", status=409))
