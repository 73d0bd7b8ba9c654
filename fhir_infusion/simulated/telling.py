"""What a fault makes of a request: before it is done, instead, while it is stored, and of the answer.

``about`` says all that at once, so that the server goes one way for every kind: ``before``, then ``instead`` or the
right answer with ``twist``, then ``after``.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated.asked import Answer, Asked, Sent, refused
from fhir_infusion.simulated.interactions import RIGHT, Twist, World
from fhir_infusion.simulated.query import OFFSET
from fhir_infusion.simulated.state import Version, noted, redosed, rounded, stranger, without_extensions

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.simulated.scenario import Fault

ABSURD: Final = 10**9
CLOSED: Final = Sent(close="before")


@dataclass(frozen=True, slots=True)
class Telling:
    """What is done to one request.

    ``before`` returns the versions that it touched. Where it returns None, or ``after`` does of a page, the fault could
    not befall this request.
    """

    before: Callable[[World, Asked], Sequence[Version] | None] = field(default=lambda _world, _asked: ())
    instead: Callable[[World], Answer] | None = None
    twist: Twist = RIGHT
    after: Callable[[World, Answer], Answer | None] = field(default=lambda _world, answer: answer)
    pause: float = 0.0
    is_cut: bool = False
    """Whether only half of the body is read."""


def about(fault: Fault, drawn: Callable[[], float]) -> Telling:
    """Return what a fault makes of a request; ``drawn`` gives numbers from 0 to 1."""
    name = fault.kind.name
    given: dict[str, Any] = dict(fault.parameters)
    if name == "latency":
        return Telling(pause=given["seconds"] + given["jitter"] * drawn())
    for table in (_before, _instead, _stored, _after, _travelling):
        told = table(name, given)
        if told is not None:
            return told
    raise NotImplementedError(name)


# ----------------------------------------------------------------------------------------------------------- before


def _before(  # noqa: PLR0911  each return is one kind
    name: str, given: dict[str, Any]
) -> Telling | None:
    match name:
        case "page-drift":
            return Telling(before=lambda world, _: _drift(world, given["how"]))
        case "clock-jump":
            return Telling(before=lambda world, _: _jump(world, given["seconds"]))
        case "same-version":
            return Telling(before=_rewrite)
        case "restore":
            reuse = given["reuse_ids"]
            return Telling(before=lambda world, _: world.state.undo(given["writes"], reuse_ids=reuse) or None)
        case "deleted":
            return Telling(before=lambda world, asked: _delete(world, asked, given["status"]))
        case "concurrent-editor":
            return Telling(before=lambda world, asked: _edit(world, asked, given["what"]))
    return None


def _drift(world: World, how: str) -> Sequence[Version] | None:
    state = world.state
    if how == "insert":
        return [state.write(stranger(len(state.journal), world.release), state.new_id("MedicationRequest"), "POST")]
    strangers = state.strangers()
    if not strangers:
        return None
    one = strangers[0]
    if how == "delete":
        return [state.delete(one.type, one.id)]
    return [state.write(noted(one.resource or {}, f"changed {len(state.journal)}"), one.id, "PUT")]


def _jump(world: World, seconds: float) -> Sequence[Version]:
    world.state.jump(seconds)
    return ()


def _at_hand(world: World, asked: Asked) -> tuple[Version, Resource] | None:
    """Return the resource that a request is about, in a search that of the type changed longest ago; None for none."""
    state = world.state
    now = state.current(asked.type, asked.id) if asked.id else state.oldest(asked.type)
    return (now, now.resource) if now is not None and now.resource is not None else None


def _rewrite(world: World, asked: Asked) -> Sequence[Version] | None:
    found = _at_hand(world, asked)
    if found is None:
        return None
    now, resource = found
    changed = noted(resource, f"the same version, written again at {world.state.now():%H:%M:%S}")
    return [world.state.rewrite(now.type, now.id, changed)]


def _edit(world: World, asked: Asked, what: str) -> Sequence[Version] | None:
    found = _at_hand(world, asked)
    if found is None:
        return None
    now, resource = found
    changed = redosed(resource) if what == "dose" else None
    changed = changed or noted(resource, f"a concurrent editor, {len(world.state.journal)}")
    return [world.state.write(changed, now.id, "PUT")]


def _delete(world: World, asked: Asked, status: int) -> Sequence[Version] | None:
    found = _at_hand(world, asked)
    if found is None:
        return None
    if status == 404:
        world.state.forget(asked.type, asked.id)
    else:
        world.state.delete(asked.type, asked.id)
    return [found[0]]


# ---------------------------------------------------------------------------------------------------------- instead


def _instead(  # noqa: PLR0911  each return is one kind
    name: str, given: dict[str, Any]
) -> Telling | None:
    match name:
        case "request-lost":
            return _only(Answer(0, sent=CLOSED))
        case "cut-request":
            return replace(_only(Answer(0, sent=CLOSED)), is_cut=True)
        case "status" if not given["effect"]:
            return _only(refused(given["status"], "exception", "a simulated fault"))
        case "storm":
            return Telling(instead=lambda world: _storm(world, given))
        case "expired-next":
            return _only(refused(given["status"], "not-found", "this page has expired"))
        case "access-refused":
            code = "login" if given["status"] == 401 else "forbidden"
            return _only(refused(given["status"], code, "a simulated fault"))
        case "redirect":
            return _only(Answer(given["status"], {"Location": given["to"]}))
    return None


def _only(answer: Answer) -> Telling:
    return Telling(instead=lambda _: answer)


def _storm(world: World, given: dict[str, Any]) -> Answer:
    answer = refused(given["status"], "throttled", "a simulated fault")
    until = world.state.now() + timedelta(seconds=given["seconds"])
    header = {
        "seconds": str(round(given["seconds"])),
        "date": format_datetime(until.replace(microsecond=0), usegmt=True),
        "absurd": str(ABSURD),
        "absent": "",
    }[given["retry_after"]]
    return replace(answer, headers={**answer.headers, **({"Retry-After": header} if header else {})})


# ----------------------------------------------------------------------------------------------------------- stored


def _stored(name: str, given: dict[str, Any]) -> Telling | None:
    match name:
        case "late-commit":
            return Telling(twist=Twist(hidden=given["seconds"]))
        case "double-create":
            return Telling(twist=Twist(is_double=True))
        case "altered-content":
            changes: dict[str, Callable[[Resource], Resource]] = {
                "round-decimals": rounded,
                "drop-extensions": without_extensions,
                "change-dose": lambda resource: redosed(resource) or resource,
            }
            return Telling(twist=Twist(change=changes[given["how"]]))
    return None


# ------------------------------------------------------------------------------------------------------------ after


def _travelling(name: str, given: dict[str, Any]) -> Telling | None:
    match name:
        case "lost-answer":
            return _sent(CLOSED)
        case "cut-answer":
            return _sent(Sent(close="within", share=given["share"]))
        case "drip":
            return _sent(Sent(piece=given["bytes"], drip=given["seconds"]))
        case "stall":
            return _sent(Sent(close="within", first=given["bytes"], stand=given["seconds"]))
    return None


def _after(name: str, given: dict[str, Any]) -> Telling | None:
    match name:
        case "status":
            return _answered(refused(given["status"], "exception", "a simulated fault"))
        case "conflict-after-effect":
            return _answered(refused(409, "conflict", "a simulated fault"))
        case "no-next":
            return Telling(after=lambda _, answer: _linked(answer))
        case "foreign-next":
            return Telling(after=lambda world, answer: _linked(answer, given["to"], world.base))
        case "bad-body":
            return Telling(after=lambda _, answer: _bad(answer, given))
    return None


def _sent(sent: Sent) -> Telling:
    return Telling(after=lambda _, answer: replace(answer, sent=sent))


def _answered(other: Answer) -> Telling:
    def after(_: World, answer: Answer) -> Answer:
        return replace(other, effect=answer.effect, id=answer.id, identifiers=answer.identifiers)

    return Telling(after=after)


def _linked(answer: Answer, to: str = "", base: str = "") -> Answer | None:
    """Return a page whose next link leads to another server, or that has none and no total; None for no page."""
    if answer.status != 200:
        return None
    bundle = fhir_json.read_again(answer.body.decode())
    given = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    links = [link for link in bundle["link"] if link["relation"] != "next"]
    if to:
        links.append({"relation": "next", "url": to + (given.removeprefix(base) or f"?{OFFSET}=1")})
    elif given:
        bundle.pop("total", None)
    else:
        return None
    return replace(answer, body=fhir_json.write({**bundle, "link": links}))


def _bad(answer: Answer, given: dict[str, Any]) -> Answer:
    how = given["how"]
    headers = dict(answer.headers)
    if how == "empty":
        return replace(answer, body=b"", headers={name: headers[name] for name in headers if name not in _TOLD})
    if how == "gzip-bomb":
        headers["Content-Encoding"] = "gzip"
        return replace(answer, headers=headers, body=gzip.compress(b" " * given["size"], 9, mtime=0))
    if how == "html":
        headers["Content-Type"] = "text/html"
    body = {
        "html": b"<!DOCTYPE html><html><body><h1>Bad Gateway</h1></body></html>",
        "not-json": b'{"resourceType": "Bundle", ',
        "deep-json": b'{"a":' * given["levels"] + b"1" + b"}" * given["levels"],
    }[how]
    return replace(answer, headers=headers, body=body)


_TOLD: Final = frozenset({"Location", "ETag", "Last-Modified"})
"""Headers that would say all the same what was done."""
