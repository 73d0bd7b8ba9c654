"""A right answer to each request: what a server does that does not misbehave.

https://hl7.org/fhir/R4/http.html. Content is kept as it came, digit for digit; it is not validated but for being FHIR
JSON of the type that the address names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.json import Resource
from fhir_infusion.simulated import query as queries
from fhir_infusion.simulated.asked import Answer, Asked, of_resource, refused
from fhir_infusion.simulated.query import OFFSET
from fhir_infusion.simulated.scenario import Ability
from fhir_infusion.simulated.state import State, Version, identifiers
from fhir_infusion.simulated.statement import resource_types, statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.simulated.query import Query

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ETAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Twist:
    """What a fault changes of a write. ``change`` is done to what is stored; ``hidden`` is how long none finds it."""

    hidden: float = 0.0
    is_double: bool = False
    change: Callable[[Resource], Resource] | None = None


RIGHT: Final = Twist()


@dataclass(slots=True)
class World:
    """The server's inside. Whoever changes it holds its lock."""

    state: State
    ability: Ability
    release: str
    base: str


def do(  # noqa: PLR0911  each return is one interaction
    world: World, asked: Asked, twist: Twist = RIGHT
) -> Answer:
    """Do what is asked, and answer."""
    known = resource_types(world.release)
    if asked.type and asked.type not in known:
        return refused(404, "not-supported", "no such resource type in this release")
    try:
        match asked.interaction:
            case "capabilities":
                date = world.state.now().isoformat(timespec="seconds")
                return of_resource(200, statement(world.ability, world.release, world.base, date))
            case "create":
                return _create(world, asked, twist)
            case "update":
                return _update(world, asked, twist)
            case "delete":
                return _delete(world, asked)
            case "read" | "vread":
                return _read(world, asked)
            case "search-type" | "next-page" | "history-type" | "history-instance":
                return _listed(world, asked)
    except Refused as error:
        return refused(error.status, error.issues[0].code, str(error))
    return refused(405 if asked.parts[:1] and asked.parts[0] in known else 404, "not-supported", "no such interaction")


def date_header(world: World) -> str:
    """Return the server's clock as a header shows it."""
    return format_datetime(world.state.now().replace(microsecond=0), usegmt=True)


# ----------------------------------------------------------------------------------------------------------- writes


def _create(world: World, asked: Asked, twist: Twist) -> Answer:
    resource = _body(asked)
    condition = asked.headers.get("if-none-exist", "")
    if condition and not twist.is_double:
        if not world.ability.conditional_create:
            return refused(412, "not-supported", "no conditional create here")
        same = matching(world, asked.type, condition)
        if len(same) > 1:
            return refused(412, "multiple-matches", "several resources match the condition")
        if same:
            return _answered(world, asked, same[0], 200, "")
    version = _stored(world, resource, asked.id or world.state.new_id(asked.type), "POST", twist)
    if twist.is_double:
        _stored(world, resource, world.state.new_id(asked.type), "POST", twist)
    return _answered(world, asked, version, 201, "created twice" if twist.is_double else "created")


def _update(world: World, asked: Asked, twist: Twist) -> Answer:
    resource = _body(asked)
    if resource.get("id") != asked.id or not _ID.fullmatch(asked.id):
        return refused(400, "invalid", "the id of the resource is not that of the address")
    now = world.state.current(asked.type, asked.id)
    match = asked.headers.get("if-match")
    if match is not None and (now is None or now.resource is None or _opaque(match) != now.number):
        return refused(412, "conflict", "not the current version")
    if now is not None and now.resource is not None:
        if asked.headers.get("if-none-match") == "*":
            return refused(412, "conflict", "it is there already")
        return _answered(world, asked, _stored(world, resource, asked.id, "PUT", twist), 200, "updated")
    if not world.ability.update_create:
        status, code = (404, "not-found") if now is None else (410, "deleted")
        return refused(status, code, "ids are given here, not taken")
    return _answered(world, asked, _stored(world, resource, asked.id, "PUT", twist), 201, "created")


def _delete(world: World, asked: Asked) -> Answer:
    now = world.state.current(asked.type, asked.id)
    match = asked.headers.get("if-match")
    if match is not None and (now is None or now.resource is None or _opaque(match) != now.number):
        return refused(412, "conflict", "not the current version")
    if now is None or now.resource is None:
        return Answer(204, id=asked.id)
    gone = world.state.delete(asked.type, asked.id)
    return Answer(204, {"ETag": f'W/"{gone.number}"'}, b"", "deleted", asked.id, tuple(identifiers(now.resource)))


def _stored(world: World, resource: Resource, id_: str, method: str, twist: Twist) -> Version:
    changed = twist.change(resource) if twist.change is not None else resource
    return world.state.write(changed, id_, method, twist.hidden)


def _body(asked: Asked) -> Resource:
    resource = fhir_json.read(asked.body)
    if resource.get("resourceType") != asked.type:
        raise queries.refused_body()
    return resource


def matching(world: World, type_: str, condition: str) -> list[Version]:
    """Return what meets the condition of a create.

    Raises:
        Refused: 400, the condition is not one that is supported.
    """
    return queries.found(_condition(condition), world.state.shown(type_))


def _condition(text: str) -> Query:
    wanted = parse_qsl(text.partition("?")[2] if "?" in text.partition("=")[0] else text, keep_blank_values=True)
    if not wanted or any(name not in {"identifier", "_id"} for name, _ in wanted):
        raise queries.refused(("identifier", "_id"))
    return queries.searched(wanted)


def _opaque(etag: str) -> str:
    matched = _ETAG.fullmatch(etag.strip())
    return matched[1] if matched else etag


def _answered(world: World, asked: Asked, version: Version, status: int, effect: str) -> Answer:
    resource = version.resource or {}
    headers = head(world, version)
    named = tuple(identifiers(resource))
    if "return=minimal" in asked.headers.get("prefer", ""):
        return Answer(status, headers, b"", effect, version.id, named)
    return of_resource(status, resource, headers, effect=effect, id=version.id, identifiers=named)


def head(world: World, version: Version) -> dict[str, str]:
    """Return the headers that tell a version."""
    return {
        "Location": f"{world.base}/{version.type}/{version.id}/_history/{version.number}",
        "ETag": f'W/"{version.number}"',
        "Last-Modified": format_datetime(version.moment.replace(microsecond=0), usegmt=True),
    }


# ------------------------------------------------------------------------------------------------------------ reads


def _read(world: World, asked: Asked) -> Answer:
    kept = world.state.versions.get((asked.type, asked.id), [])
    if asked.interaction == "vread":
        kept = [one for one in kept if one.number == asked.version]
    if not kept:
        return refused(404, "not-found", "there is none")
    if kept[-1].resource is None:
        return refused(410, "deleted", "it was deleted")
    headers = {name: value for name, value in head(world, kept[-1]).items() if name != "Location"}
    named = tuple(identifiers(kept[-1].resource))
    return of_resource(200, kept[-1].resource, headers, id=asked.id, identifiers=named)


def _listed(world: World, asked: Asked) -> Answer:
    is_history = asked.parts[-1] == "_history"
    if is_history and not world.ability.history:
        return refused(404, "not-supported", "no history here")
    if is_history and asked.id and not world.state.versions.get((asked.type, asked.id)):
        return refused(404, "not-found", "there is none")
    parameters = list(asked.query)
    if asked.method == "POST":
        parameters += parse_qsl(asked.body.decode(errors="replace"), keep_blank_values=True)
    query = queries.told(parameters) if is_history else queries.searched(parameters)
    versions = world.state.logged(asked.type, asked.id) if is_history else world.state.shown(asked.type)
    found = queries.found(query, versions)
    size = min(world.ability.page_size, query.count if query.count >= 0 else world.ability.page_size)
    size = 0 if query.only_total else size
    page = found[query.offset : query.offset + size]
    links = [{"relation": "self", "url": _address(world, asked, parameters)}]
    if size and len(found) > query.offset + size:
        following = [(name, value) for name, value in parameters if name != OFFSET]
        following.append((OFFSET, str(query.offset + size)))
        links.append({"relation": "next", "url": _address(world, asked, following)})
    entries = [_told(world, one) for one in page] if is_history else [_match(world, one) for one in page]
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "history" if is_history else "searchset",
        **({"total": len(found)} if world.ability.total or query.only_total else {}),
        "link": links,
        **({"entry": entries} if entries else {}),
    }
    return of_resource(200, bundle)


def _address(world: World, asked: Asked, parameters: Sequence[tuple[str, str]]) -> str:
    parts = [part for part in asked.parts if part != "_search"]
    path = "/".join([world.base, *(quote(part, safe="") for part in parts)])
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _match(world: World, version: Version) -> dict[str, Any]:
    url = f"{world.base}/{version.type}/{version.id}"
    return {"fullUrl": url, "resource": version.resource, "search": {"mode": "match"}}


def _told(world: World, version: Version) -> dict[str, Any]:
    url = version.type if version.method == "POST" else f"{version.type}/{version.id}"
    status = {"POST": "201", "PUT": "200", "DELETE": "204"}[version.method]
    moment = version.moment.isoformat(timespec="milliseconds")
    return {
        "fullUrl": f"{world.base}/{version.type}/{version.id}",
        **({"resource": version.resource} if version.resource is not None else {}),
        "request": {"method": version.method, "url": url},
        "response": {"status": status, "etag": f'W/"{version.number}"', "lastModified": moment},
    }
