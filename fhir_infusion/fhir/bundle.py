"""What a batch or a transaction asks for, read from its Bundle. Pure.

https://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.json import Resource
from fhir_infusion.fhir.references import referred, resource_named
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.fhir.validate import validate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

KINDS: Final = ("batch", "transaction")
METHODS: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""In the order in which a transaction does them; PUT and PATCH are done together, in the order of the Bundle."""

_RANK: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_PATH: Final = re.compile(r"[A-Za-z$_][A-Za-z0-9$_.\-]*(?:/[A-Za-z0-9$_.\-]{1,64})*")
JSON_PATCH: Final = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One entry: the request that it stands for.

    ``path`` is relative to the base (``Patient/7``), ``query`` what stands after the question mark, as it was sent;
    ``conditions`` are header names and values. ``body`` is a resource, or bytes of the type ``media``.
    """

    place: int
    full_url: str
    method: str
    path: str
    query: str
    conditions: tuple[tuple[str, str], ...]
    body: Resource | bytes | None
    media: str = ""

    @property
    def type(self) -> str:
        """The resource type that the path names."""
        return self.path.partition("/")[0]

    @property
    def id(self) -> str:
        """The id that the path names; empty for a type, a search or a create."""
        return self.path.partition("/")[2].partition("/")[0]

    @property
    def if_none_exist(self) -> str:
        """The condition of a conditional create, else empty."""
        return dict(self.conditions).get("If-None-Exist", "")


def read_kind(bundle: Resource) -> str:
    """Return ``batch`` or ``transaction``.

    Raises:
        Refused: it is neither, or it holds something beside its entries that is not right.
    """
    if bundle.get("resourceType") != "Bundle":
        raise _refused("resourceType", "structure", "a Bundle belongs here", "Bundle")
    kind = bundle.get("type")
    if kind not in KINDS:
        raise _refused("Bundle.type", "value", "this type of Bundle is not processed", " or ".join(KINDS))
    _demand_valid({name: value for name, value in bundle.items() if name != "entry"}, "")
    if not isinstance(bundle.get("entry", []), list):
        raise _refused("Bundle.entry", "structure", "the entries are an array", "an array of objects")
    return str(kind)


def read_entry(entry: Any, place: int, kind: str, release: str, home: str) -> Asked:
    """Return what one entry asks for; ``home`` is our own base address, which its url may begin with.

    Raises:
        Refused: it is not right, apart from its resource, which is judged by whoever takes it.
    """
    at = f"Bundle.entry[{place}]"
    if not isinstance(entry, dict):
        raise _refused(at, "structure", "an entry is an object", "an object with request")
    bare = {name: value for name, value in entry.items() if name != "resource"}
    _demand_valid({"resourceType": "Bundle", "type": kind, "entry": [bare]}, at, release)
    request: dict[str, str] = entry.get("request", {})
    method, url = request.get("method", ""), request.get("url", "")
    for name in ("method", "url"):
        if not request.get(name):
            raise _refused(f"{at}.request.{name}", "required", "it is missing", "what the entry asks for")
    if method not in METHODS:
        raise _refused(f"{at}.request.method", "value", "there is no such method", ", ".join(METHODS))
    relative = url.removeprefix(home).lstrip("/") if url.startswith((f"{home}/", "/")) else url
    path, _, query = relative.partition("?")
    path = path.removesuffix("/")  # as by itself: clients add a slash to an address
    if not _PATH.fullmatch(path) or ".." in path:
        accepted = "a type, such as Patient, with an id or a search"
        raise _refused(f"{at}.request.url", "value", "it is no address below our base", accepted)
    body, media = _body(entry.get("resource"), method, at)
    conditions = tuple((header, request[name]) for name, header in _HEADERS.items() if name in request)
    return Asked(place, entry.get("fullUrl", ""), method, path, query, conditions, body, media)


def apart(one: Asked, urns: Collection[str]) -> Asked:
    """Return an entry of a batch that refers to no other entry: each is done by itself, whatever becomes of the others.

    Raises:
        Refused: 422, a reference in it is one of these ``urns``; kept as it is, it would lead nowhere.
    """
    reason = "it refers to another entry, which in a batch it cannot; in a transaction it can"
    for path in _naming(one, urns):
        issue = Issue("error", "business-rule", path, reason, "Type/id, or a transaction", "bundle", BREAKS_RULE)
        raise Refused(issue)
    return one


def patch_names(patch: Resource | bytes, addresses: Collection[str]) -> bool:
    """Say whether a patch holds one of these addresses, of which it can make a reference wherever it stands there."""
    if isinstance(patch, bytes):
        try:
            # The reader of FHIR JSON takes objects, and a JSON Patch is an array.
            patch = fhir_json.read(patch if patch.lstrip().startswith(b"{") else b'{"patch":' + patch + b"}")
        except Refused:
            return False  # so does whoever applies it
    return any(_entry_named(text) in addresses for text in _texts(patch))


def _naming(one: Asked, addresses: Collection[str]) -> Iterator[str]:
    """Yield the path of each reference in an entry to one of these addresses; none where a patch holds it otherwise."""
    if not addresses or one.body is None:
        return
    if isinstance(one.body, dict):
        found = referred(one.body, str(one.body.get("resourceType", "")))
        yield from (path for path, text in found if _entry_named(text) in addresses)
    if one.method == "PATCH" and patch_names(one.body, addresses):
        yield ""


def _entry_named(reference: str) -> str:
    """Return what a reference names of the entries: by its own address also where a part of it is meant."""
    return resource_named(reference.partition("#")[0])


def _texts(node: Any) -> Iterator[str]:
    """Yield each text in JSON, but no name of a member."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _texts(item)


def unnamed(entries: Iterable[Any]) -> dict[str, set[int]]:
    """Return ``Type/id`` of what is created without a fullUrl, as its body says it, with the places of the entries."""
    found: dict[str, set[int]] = {}
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict) or entry.get("fullUrl"):
            continue
        resource, request = entry.get("resource"), entry.get("request")
        is_create = isinstance(request, dict) and request.get("method") == "POST"
        if is_create and isinstance(resource, dict) and resource.get("id"):
            found.setdefault(f"{resource.get('resourceType')}/{resource['id']}", set()).add(place)
    return found


def refuse_unnamed(one: Asked, names: Mapping[str, set[int]]) -> None:
    """Refuse an entry that refers by the id in its body to another one, which is created under an id of ours.

    Which of the two is meant, that one or what has this id here, is nowhere said: it may be another patient.

    Raises:
        Refused: 422, with the place in the resource.
    """
    others = {name for name, places in names.items() if places - {one.place}}
    for path in _naming(one, others):
        reason = "it refers by an id to an entry that is created under another one, and that has no fullUrl"
        accepted = "a fullUrl for that entry, such as urn:uuid:…, and this in the reference"
        raise Refused(Issue("error", "business-rule", path, reason, accepted, "bundle", BREAKS_RULE))


_HEADERS: Final = {
    "ifNoneMatch": "If-None-Match",
    "ifModifiedSince": "If-Modified-Since",
    "ifMatch": "If-Match",
    "ifNoneExist": "If-None-Exist",
}


def _body(resource: Any, method: str, at: str) -> tuple[Resource | bytes | None, str]:
    if method in {"GET", "HEAD", "DELETE"}:
        if resource is not None:
            raise _refused(f"{at}.resource", "structure", f"{method} has no resource", "no resource")
        return None, ""
    if not isinstance(resource, dict):
        raise _refused(f"{at}.resource", "required", "the resource is missing", "a resource")
    if method == "PATCH" and resource.get("resourceType") == "Binary":
        # https://hl7.org/fhir/R4/http.html#patch: a JSON Patch in a Bundle comes as a Binary.
        try:
            data = base64.b64decode(str(resource.get("data", "")), validate=True)
        except binascii.Error:
            raise _refused(f"{at}.resource.data", "value", "it is not base64", "a JSON Patch in base64") from None
        return data, str(resource.get("contentType", JSON_PATCH))
    return resource, ""


def in_order(asked: Iterable[Asked]) -> list[Asked]:
    """Return the entries in the order in which a transaction does them.

    https://hl7.org/fhir/R4/http.html#trules: DELETE, POST, PUT and PATCH, GET. Of what is created, that which others
    refer to comes first: what comes along, then orders, then administrations, of these the wholes before their parts.
    """
    return sorted(asked, key=lambda one: (_RANK[one.method], _causal(one) if one.method == "POST" else 0))


def _causal(one: Asked) -> int:
    if one.type not in MAPPED:
        return 0
    is_part = isinstance(one.body, dict) and "partOf" in one.body
    return 1 + MAPPED.index(one.type) + (1 if is_part else 0)


def _demand_valid(bundle: Resource, at: str, release: str = "R4") -> None:
    errors = [issue for issue in validate(bundle, release) if issue.severity in {"error", "fatal"}]
    if errors:
        raise Refused(*(_moved(issue, at) for issue in errors))


def _moved(issue: Issue, at: str) -> Issue:
    """Return an issue of an entry that was judged alone, at its place in the Bundle."""
    path = issue.path.replace("Bundle.entry[0]", at, 1) if at else issue.path
    return Issue(issue.severity, issue.code, path, issue.reason, issue.accepted, issue.rule, issue.status)


def _refused(path: str, code: str, reason: str, accepted: str) -> Refused:
    return Refused(Issue("error", code, path, reason, accepted, "bundle"))
