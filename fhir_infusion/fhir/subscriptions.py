"""What a Subscription asks for, read strictly; and its headers, which are kept apart and never shown again.

Three forms are read: the plain one of R4 (``criteria`` is a search, https://hl7.org/fhir/R4/subscription.html), the
topic-based one of R5 (https://hl7.org/fhir/R5/subscription.html), and that one carried in R4 and R4B
(https://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir.dates import stretch
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.fhir.topics import FILTERS, TOPICS, topic_of
from fhir_infusion.fhir.validate import demand_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Resource = dict[str, Any]
Content = Literal["empty", "id-only", "full-resource"]

BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
MASK: Final = "********"
"""What stands in place of a header's value when a Subscription is read; sent back, it leaves the value as it was."""

FHIR_JSON: Final = "application/fhir+json"
MOST_SECONDS: Final = 30
"""The longest that an endpoint may take to answer, and what it may where the client says nothing."""
MOST_EVENTS: Final = 100
USUAL_EVENTS: Final = 20
LEAST_HEARTBEAT: Final = 5

_CONTENTS: Final = ("empty", "id-only", "full-resource")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x20-\x7e]{0,4096})")
_NOT_SET: Final = frozenset(
    {
        *("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "upgrade"),
        *("te", "trailer", "keep-alive", "expect", "proxy-authorization", "proxy-connection", "accept-encoding"),
    }
)
_MOST_HEADERS: Final = 10
_MOST_FILTERS: Final = 10


@dataclass(frozen=True, slots=True)
class Filter:
    """A search that a change must meet: a type, and its parameters as a query or as names and values."""

    type: str
    query: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Subscription asks for. ``topic`` is empty for the plain form of R4, which has one filter."""

    type: str
    topic: str
    filters: tuple[Filter, ...]
    endpoint: str
    content: Content
    heartbeat: int
    timeout: int
    most: int
    ends: int
    status: str


def read(resource: Resource, release: str) -> Wanted:
    """Return what a Subscription asks for; what its filters say is not read yet.

    Raises:
        Refused: 400 it breaks base FHIR; 422 it asks for what is not offered.
    """
    demand_valid(resource, release)
    status = resource.get("status")
    if status not in {"requested", "active", "error", "off"}:
        _refuse("status", "a subscription is not begun in this way", "requested, or off")
    wanted = _of_r5(resource) if release == "R5" else _of_r4(resource)
    if not wanted.endpoint:
        _refuse("endpoint", "there is nowhere to send to", "an https address", "required")
    return wanted


@lru_cache(maxsize=1024)
def known(release: str, text: str) -> Wanted:
    """Return what a Subscription that was accepted asks for; ``text`` is its JSON."""
    # Every change asks each subscription: read once, not each time.
    from fhir_infusion.fhir import json as fhir_json  # noqa: PLC0415  beside its one use

    resource = fhir_json.read(text)
    return _of_r5(resource) if release == "R5" else _of_r4(resource)


def _of_r4(resource: Resource) -> Wanted:
    channel = resource["channel"]
    if channel.get("type") != "rest-hook" or _extensions(channel.get("_type"), "backport-channel-type"):
        _refuse("channel.type", "this channel is not offered", "rest-hook")
    payload = channel.get("payload", "")
    if payload not in {"", FHIR_JSON}:
        _refuse("channel.payload", "this payload is not offered", f"{FHIR_JSON}, or none")
    criteria = str(resource.get("criteria", ""))
    is_topic = criteria.startswith(("http://", "https://"))
    stated = _extensions(channel.get("_payload"), "backport-payload-content")
    if is_topic and (len(stated) != 1 or not payload):
        reason = "a topic-based subscription says what its notifications hold"
        _refuse("channel.payload", reason, f"{FHIR_JSON} with one backport-payload-content")
    content = stated[0].get("valueCode") if is_topic else ("full-resource" if payload else "empty")
    if is_topic:
        type_, filters = _topic(criteria), tuple(_backported_filters(resource))
        _check_filters(type_, filters)
    else:
        type_, mark, query = criteria.partition("?")
        if type_ not in MAPPED or (mark and not query):
            accepted = f"{' or '.join(MAPPED)} with a search, or one of {', '.join(one.url for one in TOPICS)}"
            _refuse("criteria", "no changes of this are told of", accepted)
        filters = (Filter(type_, query),)
    return Wanted(
        type_,
        criteria if is_topic else "",
        filters,
        str(channel.get("endpoint", "")),
        _content(content, "channel.payload"),
        _heartbeat(_number(channel, "backport-heartbeat-period"), "channel.extension"),
        _timeout(_number(channel, "backport-timeout")),
        _most(_number(channel, "backport-max-count")),
        _ends(resource),
        str(resource["status"]),
    )


def _of_r5(resource: Resource) -> Wanted:
    channel = resource.get("channelType", {})
    if channel.get("code") != "rest-hook":
        _refuse("channelType", "this channel is not offered", "rest-hook")
    if resource.get("contentType", FHIR_JSON) != FHIR_JSON:
        _refuse("contentType", "this media type is not offered", FHIR_JSON)
    topic = str(resource.get("topic", ""))
    type_ = _topic(topic, "topic")
    filters = []
    for place, one in enumerate(resource.get("filterBy", [])):
        at = f"filterBy[{place}]"
        if one.get("modifier") or one.get("comparator", "eq") != "eq":
            _refuse(at, "modifiers and comparators are not offered", "a parameter and a value")
        if one.get("resourceType", type_).rpartition("/")[2] != type_:
            _refuse(at, "the topic is not about this type", type_)
        filters.append(Filter(type_, pairs=((str(one.get("filterParameter", "")), str(one.get("value", ""))),)))
    _check_filters(type_, filters, "filterBy")
    return Wanted(
        type_,
        topic,
        tuple(filters),
        str(resource.get("endpoint", "")),
        _content(resource.get("content", "empty"), "content"),
        _heartbeat(resource.get("heartbeatPeriod", 0), "heartbeatPeriod"),
        _timeout(resource.get("timeout", 0)),
        _most(resource.get("maxCount", 0)),
        _ends(resource),
        str(resource["status"]),
    )


def _topic(url: str, path: str = "criteria") -> str:
    topic = topic_of(url)
    if topic is None:
        _refuse(path, "there is no such topic", ", ".join(one.url for one in TOPICS))
    return topic.type


def _backported_filters(resource: Resource) -> Iterable[Filter]:
    for one in _extensions(resource.get("_criteria"), "backport-filter-criteria"):
        type_, mark, query = str(one.get("valueString", "")).partition("?")
        yield Filter(type_ if mark else "", query)


def _check_filters(type_: str, filters: Sequence[Filter], path: str = "criteria") -> None:
    if len(filters) > _MOST_FILTERS:
        _refuse(path, "too many filters", f"at most {_MOST_FILTERS}")
    if any(one.type != type_ for one in filters):
        _refuse(path, "a filter is not of the type that the topic is about", f"{type_}?{'=…&'.join(FILTERS)}=…")


def _content(code: object, path: str) -> Content:
    if code not in _CONTENTS:
        _refuse(path, "a notification is not offered with this content", ", ".join(_CONTENTS))
    return code


def _heartbeat(seconds: Any, path: str) -> int:
    if 0 < int(seconds) < LEAST_HEARTBEAT:
        _refuse(path, "heartbeats are not sent so often", f"{LEAST_HEARTBEAT} seconds or more")
    return int(seconds)


def _timeout(seconds: Any) -> int:
    return min(int(seconds) or MOST_SECONDS, MOST_SECONDS)


def _most(events: Any) -> int:
    return min(int(events) or USUAL_EVENTS, MOST_EVENTS)


def _ends(resource: Resource) -> int:
    covered = stretch(str(resource["end"])) if "end" in resource else None
    return covered.start if covered is not None else 0


def _number(channel: Resource, name: str) -> int:
    found = _extensions(channel, name)
    values = [value for one in found for key, value in one.items() if key.startswith("value")]
    return int(values[0]) if values and isinstance(values[0], int) else 0


def _extensions(element: Any, name: str) -> list[Resource]:
    found = element.get("extension", []) if isinstance(element, dict) else []
    return [one for one in found if one.get("url") == f"{BACKPORT}/{name}"]


def _refuse(path: str, reason: str, accepted: str, code: str = "not-supported") -> NoReturn:
    raise Refused(Issue("error", code, f"Subscription.{path}", reason, accepted, "subscription", BREAKS_RULE))


# -------------------------------------------------------------------------------------------------- the headers


def apart(resource: Resource, release: str, before: Sequence[str] = ()) -> tuple[Resource, tuple[str, ...]]:
    """Return the resource with the values of its headers masked, and the headers as they were set.

    A masked value stands for the one that ``before`` has under that name.

    Raises:
        Refused: 422 a header is not one, may not be set, or is masked without having been set.
    """
    stated = _stated_headers(resource, release)
    if len(stated) > _MOST_HEADERS:
        _refuse(_HEADERS_AT[release == "R5"], "too many headers", f"at most {_MOST_HEADERS}")
    kept = dict(_named(one) for one in before)
    headers = []
    for line in stated:
        found = _HEADER.fullmatch(line)
        if found is None or found[1].lower() in _NOT_SET:
            _refuse(_HEADERS_AT[release == "R5"], "this header is not sent", "Name: value, of a header of the endpoint")
        name, value = found.groups()
        if value == MASK and name.lower() not in kept:
            _refuse(_HEADERS_AT[release == "R5"], "the value of this header is not known", "the header with its value")
        headers.append(f"{name}: {kept[name.lower()] if value == MASK else value}")
    return _masked(resource, release), tuple(headers)


def named(headers: Sequence[str]) -> dict[str, str]:
    """Return headers as name to value, as they are sent."""
    return {name.strip(): value.strip() for name, _, value in (one.partition(":") for one in headers)}


_HEADERS_AT: Final = ("channel.header", "parameter")


def _named(header: str) -> tuple[str, str]:
    name, _, value = header.partition(":")
    return name.strip().lower(), value.strip()


def _stated_headers(resource: Resource, release: str) -> list[str]:
    if release == "R5":
        return [f"{one.get('name', '')}: {one.get('value', '')}" for one in resource.get("parameter", [])]
    return [str(one) for one in resource["channel"].get("header", [])]


def _masked(resource: Resource, release: str) -> Resource:
    if release == "R5":
        if "parameter" not in resource:
            return resource
        return {**resource, "parameter": [{**one, "value": MASK} for one in resource["parameter"]]}
    channel = resource["channel"]
    if "header" not in channel:
        return resource
    lines = [f"{str(one).partition(':')[0]}: {MASK}" for one in channel["header"]]
    return {**resource, "channel": {**channel, "header": lines}}
