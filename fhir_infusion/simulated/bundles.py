"""A batch, each entry for itself, and a transaction, all or nothing.

https://hl7.org/fhir/R4/http.html#transaction

1. Each entry becomes a request of its own; what is created in a transaction has its id from the beginning.
2. In a transaction references to a ``fullUrl`` become references to that id.
3. They are done in the order delete, create, update, read; the answers stand in the order of the entries.
4. One failure in a transaction, and the state is what it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated.asked import Answer, Asked, asked_of, of_resource, refused
from fhir_infusion.simulated.interactions import World, do, matching

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource

_TURN: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3}


def do_bundle(world: World, asked: Asked) -> Answer:
    """Do a batch or a transaction."""
    if not world.ability.transactions:
        return refused(405, "not-supported", "no batch here")
    try:
        bundle = fhir_json.read(asked.body)
    except Refused as error:
        return refused(error.status, error.issues[0].code, str(error))
    kind, entries = bundle.get("type"), bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or kind not in {"batch", "transaction"} or not _are_requests(entries):
        return refused(400, "invalid", "accepted is a Bundle of type batch or transaction, with requests")
    before = world.state.copied()
    try:
        requests = _requests(world, entries, is_whole=kind == "transaction")
    except Refused as error:
        return refused(error.status, error.issues[0].code, str(error))
    answers: dict[int, Answer] = {}
    for place in sorted(range(len(requests)), key=lambda one: (_TURN[requests[one].method], one)):
        answers[place] = do(world, requests[place])
        if kind == "transaction" and answers[place].status >= 400:
            world.state = before
            return answers[place]
    told = [_told(answers[place]) for place in range(len(requests))]
    done = any(answer.effect for answer in answers.values())
    body: Resource = {"resourceType": "Bundle", "type": f"{kind}-response", **({"entry": told} if told else {})}
    named = tuple(one for answer in answers.values() if answer.effect for one in answer.identifiers)
    return of_resource(200, body, effect="stored" if done else "", identifiers=named)


def _are_requests(entries: Any) -> bool:
    return isinstance(entries, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("request"), dict)
        and one["request"].get("method") in _TURN
        and isinstance(one["request"].get("url"), str)
        and (isinstance(one.get("resource"), dict) or one["request"]["method"] in {"DELETE", "GET"})
        for one in entries
    )


def _requests(world: World, entries: list[dict[str, Any]], *, is_whole: bool) -> list[Asked]:
    requests, places = [], {}
    for entry in entries:
        stated = entry["request"]
        names = (("if-none-exist", "ifNoneExist"), ("if-match", "ifMatch"), ("if-none-match", "ifNoneMatch"))
        headers = {header: str(stated[name]) for header, name in names if name in stated}
        one = asked_of(stated["method"], "/fhir/" + stated["url"].removeprefix(world.base).lstrip("/"), headers)
        if one.interaction == "create" and is_whole:
            condition = headers.get("if-none-exist", "")
            same = matching(world, one.type, condition) if condition else []
            one = replace(one, id=same[0].id if len(same) == 1 else world.state.new_id(one.type))
        if "fullUrl" in entry and one.id:
            places[str(entry["fullUrl"])] = f"{one.type}/{one.id}"
        requests.append(one)
    return [
        replace(one, body=fhir_json.write(_led(entry["resource"], places))) if "resource" in entry else one
        for one, entry in zip(requests, entries, strict=True)
    ]


def _led(node: Any, places: dict[str, str]) -> Any:
    """Return a tree whose references to entries of the Bundle lead to where these are stored."""
    if isinstance(node, dict):
        return {
            name: places.get(item, item) if name == "reference" and isinstance(item, str) else _led(item, places)
            for name, item in node.items()
        }
    return [_led(item, places) for item in node] if isinstance(node, list) else node


def _told(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"status": str(answer.status)}
    members = (("location", "Location"), ("etag", "ETag"))
    response |= {member: answer.headers[header] for member, header in members if header in answer.headers}
    resource = fhir_json.read_again(answer.body.decode()) if answer.body else None
    if resource is not None and answer.status >= 400:
        return {"response": {**response, "outcome": resource}}
    return {**({"resource": resource} if resource is not None else {}), "response": response}
