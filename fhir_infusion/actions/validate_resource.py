"""Say what would become of a resource, and store nothing: https://hl7.org/fhir/R4/resource-operation-validate.html.

What is told is what the service would do: base FHIR and the rules of safety, the profile where one is named, and for
``create``, ``update`` and ``delete`` the work itself, done and undone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import accept_resource, delete_resource
from fhir_infusion.config import profiles_dir, read_texts
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import profile_rules
from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.fhir.validate import validate
from fhir_infusion.store import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.profile_rules import Profile
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

Json = dict[str, Any]
MODES: Final = ("create", "update", "delete", "profile")
OF_AN_INSTANCE: Final = ("update", "delete", "profile")
"""Modes that ask of a resource that the address names; the last two ask of what is stored, and need no other."""
_BASE: Final = "http://hl7.org/fhir/StructureDefinition/"


def issues(  # what is validated, as what, for what
    service: Service, caller: Caller, release: str, resource: Json, mode: str = "", id: str = "", profile: str = ""
) -> tuple[Issue, ...]:
    """Return everything that there is to say about a resource; nothing where all is right.

    Args:
        service: what to work with.
        caller: who asks.
        release: the release in which it is written.
        resource: as it was read.
        mode: ``create``, or ``update`` or ``delete`` (of ``id``), ask whether that would be accepted now.
        id: the resource that the address names, else empty.
        profile: the canonical address of a profile, with or without ``|version``; those that it claims in
            ``meta.profile`` are asked as well, where they are known.
    """
    found = [*validate(resource, release)]
    found += _of_profiles(resource, release, profile)
    if any(issue.severity in {"error", "fatal"} for issue in found):
        return tuple(found)
    if mode == "update":
        found += _of_deletion_before(service, caller, resource["resourceType"], id)
    try:
        found += _of_work(service, caller, release, resource, mode, id)
    except Refused as refused:
        found += refused.issues
    return tuple(dict.fromkeys(found))


def of_deletion(service: Service, caller: Caller, type: str, id: str) -> tuple[Issue, ...]:
    """Return why a resource may not be deleted now; nothing where it may, or where there is none to delete."""

    def step(tx: Tx) -> tuple[Issue, ...]:
        # As if by someone who has read the newest version, as in an update.
        newest = versions.current(tx, type, id)
        delete_resource.deletion(service, tx, caller, newest, None if newest is None else str(newest.version))
        return ()

    try:
        return _undone(service, caller, step)
    except Refused as refused:
        return refused.issues


def _of_work(service: Service, caller: Caller, release: str, resource: Json, mode: str, id: str) -> tuple[Issue, ...]:
    if mode in {"", "profile"}:
        is_mapped = resource["resourceType"] in MAPPED
        return tuple(service.translator.to_internal(resource, release).findings) if is_mapped else ()
    if mode == "delete":
        return of_deletion(service, caller, resource["resourceType"], id)
    if mode == "update":
        # As if by someone who has read the newest version: which one the client knows is asked when it is sent.
        now = service.store.read(caller.tenant, lambda tx: versions.current(tx, resource["resourceType"], id))
        newest = None if now is None else str(now.version)
        step = accept_resource.change(service, caller, release, id, resource, newest)
    else:
        step = accept_resource.creation(service, caller, release, service.new_id(), resource, "")
    return _undone(service, caller, lambda tx: step(tx).findings)


def _of_deletion_before(service: Service, caller: Caller, type: str, id: str) -> list[Issue]:
    """Return that what is to be updated was deleted, where it was."""
    now = service.store.read(caller.tenant, lambda tx: versions.current(tx, type, id))
    if now is None or not now.deleted:
        return []
    reason = f"this {type} was deleted: an update would bring it back"
    accepted = f'If-Match: W/"{now.version}", which names its deletion'
    return [Issue("warning", "deleted", "", reason, accepted, "revived")]


class _Undone(Exception):
    """Ends a piece of work so that nothing of it is kept."""


def _undone(service: Service, caller: Caller, step: Callable[[Tx], Iterable[Issue]]) -> tuple[Issue, ...]:
    told: list[Issue] = []

    def work(tx: Tx) -> None:
        told.extend(step(tx))
        raise _Undone

    try:
        service.store.transact(caller.tenant, work)
    except _Undone:
        return tuple(told)
    raise AssertionError("the work ends by raising")


def _of_profiles(resource: Json, release: str, asked: str) -> list[Issue]:
    meta = resource.get("meta")
    claimed = meta.get("profile", ()) if isinstance(meta, dict) else ()
    named = {url.partition("|")[0] for url in claimed if isinstance(url, str)} & _profiles(release).keys()
    wanted, _, version = asked.partition("|")
    type_ = str(resource.get("resourceType"))
    is_base = wanted == f"{_BASE}{type_}" and version in {"", RELEASES[release].version}
    if wanted and not is_base:
        found = _profiles(release).get(wanted)
        if found is None or found.type != type_ or version not in {"", found.version}:
            accepted = ", ".join((f"{_BASE}{type_}", *(p.url for p in _profiles(release).values() if p.type == type_)))
            return [Issue("error", "not-supported", "", "this profile is not known here", accepted, "", BREAKS_RULE)]
        named.add(wanted)
    return [issue for url in sorted(named) for issue in _profiles(release)[url].issues(resource)]


@cache
def _profiles(release: str) -> dict[str, Profile]:
    """Return the shipped profiles of a release by address: constraints on the types that have a mapping."""
    version = {"R4B": "4.0.1"}.get(release, RELEASES[release].version)
    read = (fhir_json.read(text) for text in read_texts(profiles_dir(), ".json").values())
    return {
        one["url"]: profile_rules.read(one)
        for one in read
        if one["resourceType"] == "StructureDefinition" and one.get("type") in MAPPED and one["fhirVersion"] == version
    }
