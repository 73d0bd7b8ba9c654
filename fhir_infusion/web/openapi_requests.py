"""Each operation of ``/openapi.json`` as a request to send: for a line of curl, for ``.http`` files and for Postman.

What only the reader knows (an id, a token) is a variable in double braces, as editors and Postman write them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]

BASE: Final = "http://127.0.0.1:8080"
"""Where the service is without any setting."""
_HEADERS: Final = {"If-Match": 'W/"{{version}}"'}
"""What the reader has seen: another one after each change."""

_METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its example. ``path`` and ``query`` are encoded, but for the variables; ``body`` is the text."""

    group: str
    summary: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def target(self) -> str:
        """The path with the query."""
        asked = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{asked}" if asked else self.path

    @property
    def variables(self) -> list[str]:
        """The names of the variables, in order, each once."""
        headers = "".join(value for _, value in self.headers)
        return list(dict.fromkeys(re.findall(r"{{(\w+)}}", self.target + headers + self.body)))


def requests(document: Mapping[str, Any]) -> list[Request]:
    """Return a request for each operation of an OpenAPI document, and one for each media type of a body.

    They are in the order of their groups; in a group what takes something away comes last, after what asks for it.
    """
    order = [one["name"] for one in document["tags"]]
    return sorted(_all(document), key=lambda one: (order.index(one.group), one.method == "DELETE"))


def _all(document: Mapping[str, Any]) -> Iterator[Request]:
    for address, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield from of_operation(address, method, methods[method])


def of_operation(address: str, method: str, operation: Mapping[str, Any]) -> Iterator[Request]:
    """Yield the requests of one operation."""
    stated = operation.get("parameters", ())
    own = _id_variable(address)
    places = {one["name"]: _place(one, own) for one in stated if one["in"] == "path"}
    path = re.sub(r"{(\w+)}", lambda found: places[found[1]], address)
    query = tuple(
        (one["name"], _encoded(one["example"])) for one in stated if one["in"] == "query" and "example" in one
    )
    headers = tuple(
        (one["name"], _HEADERS.get(one["name"], str(one["example"])))
        for one in stated
        if one["in"] == "header" and "example" in one
    )
    bodies = operation.get("requestBody", {}).get("content", {})
    for media, content in bodies.items() or [("", {})]:
        example = content.get("example")
        if media and example is None:
            continue
        typed = (("Content-Type", media),) if media else ()
        body = (
            example if isinstance(example, str) else fhir_json.write_pretty(example).decode().strip() if media else ""
        )
        group, summary = operation["tags"][0], operation["summary"]
        named = body.replace("{{resource_id}}", f"{{{{{own}}}}}")
        yield Request(group, summary, method.upper(), path, query, (*typed, *headers), named)


def _id_variable(address: str) -> str:
    """Return the variable for the id of what an address reads or changes: each kind of thing has its own."""
    kinds = {"/api/orders": "order", "/api/administrations": "administration", "/fhir/{release}/Patient/": "patient"}
    return f"id_of_{next((kind for start, kind in kinds.items() if address.startswith(start)), 'resource')}"


def curl(request: Request) -> str:
    """Return a line for a shell; a body is read from a file, which the example fills."""
    parts = ["curl -s"]
    if request.method != "GET":
        parts.append(f"-X {request.method}")
    parts.append(f"'{BASE}{request.target}'")
    parts += [f"-H '{name}: {value}'" for name, value in request.headers]
    if request.body:
        parts.append("--data @body.json" if request.body[:1] in "{[" else f"--data '{request.body}'")
    return " ".join(parts)


def _place(parameter: Json, own: str) -> str:
    if "example" in parameter:
        return _encoded(parameter["example"])
    return f"{{{{{own if parameter['name'] == 'resource_id' else parameter['name']}}}}}"


def _encoded(example: object) -> str:
    return quote(str(example), safe=":/$|")
