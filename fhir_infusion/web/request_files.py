"""The requests of ``/openapi.json`` as files for other tools: ``.http`` for editors, a collection for Postman."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fhir_infusion.web.negotiation import FORM
from fhir_infusion.web.openapi_requests import BASE, requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fhir_infusion.web.openapi_requests import Request

Json = dict[str, Any]

COLLECTION: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_TOKEN: Final = "token"  # noqa: S105  the name of a variable, not a secret
_HINT: Final = "put-yours-here"
"""What a variable is before its reader sets it. Where the service runs open no token is looked at."""

_KNOWN: Final = {"base": BASE, "version": "1"}
"""What variables are that nobody need set to begin with."""

_READER: Final = (
    "Every body is an invented example. Set the variables to what is there at your site: an id stands in the answer to "
    "what made it, or in its Location or Content-Location, `version` in the ETag of what was read or changed last."
)


def http(document: Mapping[str, Any]) -> str:
    """Return the requests of an OpenAPI document as the text of an ``.http`` file."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    listed = requests(document)
    yield f"# {document['info']['title']} {document['info']['version']}: {document['info']['description']}"
    yield f"# {_READER}"
    for name, value in _variables(listed):
        yield f"@{name} = {value}"
    for one in listed:
        yield ""
        yield f"### {one.group}: {one.summary}"
        yield f"{one.method} {{{{base}}}}{one.target}"
        yield f"Authorization: Bearer {{{{{_TOKEN}}}}}"
        yield from (f"{name}: {value}" for name, value in one.headers)
        if one.body:
            yield ""
            yield one.body
    yield ""


def postman(document: Mapping[str, Any]) -> Json:
    """Return the requests of an OpenAPI document as a Postman collection, in the format 2.1."""
    info = document["info"]
    listed = requests(document)
    return {
        "info": {
            "name": f"{info['title']} {info['version']}",
            "description": f"{info['description']} {_READER}",
            "schema": COLLECTION,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{_TOKEN}}}}}", "type": "string"}]},
        "variable": [{"key": name, "value": value} for name, value in _variables(listed)],
        "item": [
            {"name": group, "item": [_item(one) for one in some]}
            for group, some in groupby(listed, key=lambda one: one.group)
        ],
    }


def _variables(listed: Sequence[Request]) -> list[tuple[str, str]]:
    names = dict.fromkeys(name for one in listed for name in one.variables)
    return [(name, _KNOWN.get(name, _HINT)) for name in ("base", _TOKEN, *names)]


def _item(one: Request) -> Json:
    url: Json = {
        "raw": f"{{{{base}}}}{one.target}",
        "host": ["{{base}}"],
        "path": one.path.strip("/").split("/"),
    }
    if one.query:
        url["query"] = [{"key": name, "value": value} for name, value in one.query]
    asked: Json = {
        "method": one.method,
        "header": [{"key": name, "value": value} for name, value in one.headers],
        "url": url,
    }
    if one.body:
        asked["body"] = _body(one)
    return {"name": one.summary, "request": asked}


def _body(one: Request) -> Json:
    if dict(one.headers).get("Content-Type") == FORM:
        return {
            "mode": "urlencoded",
            "urlencoded": [{"key": name, "value": value} for name, value in parse_qsl(one.body)],
        }
    return {"mode": "raw", "raw": one.body, "options": {"raw": {"language": "json"}}}
