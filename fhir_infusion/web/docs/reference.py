"""The API reference: the OpenAPI document of this service, laid out to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from fhir_infusion.web import openapi, openapi_examples, openapi_requests
from fhir_infusion.web.docs import markdown
from fhir_infusion.web.openapi_requests import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


Json = dict[str, Any]

_NAME: Final = re.compile(r"#/(?:components/schemas|\$defs)/(\w+)$")


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value in words; ``schema`` is the name of the schema that describes it, if one does."""

    words: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter, or a member of an object."""

    name: str
    place: str
    kind: Kind
    required: bool
    words: Markup


@dataclass(frozen=True, slots=True)
class Body:
    """A body of a request or an answer."""

    media: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer by its status."""

    status: str
    words: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address."""

    anchor: str
    method: str
    address: str
    summary: str
    parameters: tuple[Row, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    requests: tuple[tuple[str, Request], ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """An object with its members."""

    name: str
    rows: tuple[Row, ...]


@cache
def groups() -> Mapping[str, Sequence[Operation]]:
    """Return the operations group by group, in the order of the routes."""
    found: dict[str, list[Operation]] = {}
    for address, methods in openapi.description()["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append(_operation(address, method, operation))
    return {name: found[name] for name in openapi_examples.GROUPS if name in found}


@cache
def schemas() -> Sequence[Schema]:
    """Return the objects that the operations name, and those that they consist of, each once."""
    found: dict[str, Json] = {}
    for name, schema in openapi.description()["components"]["schemas"].items():
        held = schema.get("$defs", {})
        if "$ref" not in schema:
            found[name] = schema
        found.update(held)
    return [Schema(name, tuple(_members(schema))) for name, schema in found.items() if "properties" in schema]


def _operation(address: str, method: str, operation: Json) -> Operation:
    stated = operation.get("parameters", ())
    parameters = (
        Row(one["name"], one["in"], _kind(one["schema"]), bool(one.get("required")), _words(one)) for one in stated
    )
    answers = (
        Answer(status, answer["description"], tuple(_bodies(answer)))
        for status, answer in operation["responses"].items()
    )
    requests = openapi_requests.of_operation(address, method, operation)
    return Operation(
        re.sub(r"\W+", "-", f"{method} {address}").strip("-"),
        method.upper(),
        address,
        operation["summary"],
        tuple(parameters),
        tuple(_bodies(operation.get("requestBody", {}))),
        tuple(answers),
        tuple((openapi_requests.curl(one), one) for one in requests),
    )


def _bodies(holder: Json) -> Iterator[Body]:
    for media, content in holder.get("content", {}).items():
        yield Body(media, _kind(content["schema"]))


def _members(schema: Json) -> Iterator[Row]:
    required = schema.get("required", ())
    for name, inner in schema["properties"].items():
        yield Row(name, "", _kind(inner), name in required, _words(inner))


def _words(holder: Json) -> Markup:
    return markdown.words(holder.get("description", ""))


def _kind(schema: Json) -> Kind:
    """Return a type in words, with what restricts it."""
    if "$ref" in schema:
        found = _NAME.search(schema["$ref"])
        name = found[1] if found else ""
        return Kind(name, _target(name))
    if "enum" in schema:
        return Kind(" | ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        inner = _kind(schema["items"])
        return Kind(f"list of {inner.words}", inner.schema)
    if any(word in schema for word in ("anyOf", "oneOf")):
        kinds = [_kind(one) for one in schema.get("anyOf") or schema["oneOf"]]
        return Kind(" or ".join(dict.fromkeys(one.words for one in kinds)))
    words = schema.get("type", "any")
    more = [str(schema[name]) for name in ("format", "pattern") if name in schema]
    return Kind(" ".join([" or ".join(words) if isinstance(words, list) else words, *(f"({one})" for one in more)]))


def _target(name: str) -> str:
    """Return the schema to which a name leads: a record is described under the name of its own object."""
    schema: Json = openapi.description()["components"]["schemas"].get(name, {})
    held = _NAME.search(schema.get("$ref", ""))
    return held[1] if held else name
