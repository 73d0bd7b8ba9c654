"""``StructureMap/$transform``: https://hl7.org/fhir/R5/structuremap-operation-transform.html, as clients ask it.

The mapping is named by its canonical address: in the address of the request (``source``, the body is the content), by
the id before the operation, or in Parameters, where R4 and R5 say ``source`` and ``content``, and Matchbox and FHIRPath
Lab ``map`` and ``resource``, each as a resource or as its text. Only mappings of this service are performed: a map that
is sent names one, and is refused where it says anything else.

A record of ours is no FHIR resource: it is the body as it is (with ``source`` in the address), a text in Parameters, or
a Binary of ``application/json``. With ``debug=true`` the answer is the Parameters that FHIRPath Lab reads.
"""

from __future__ import annotations

import base64
import binascii
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import bundles
from fhir_infusion.actions.map_names import map_names, structure_map
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.concept_maps import VERSION
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import web
from fhir_infusion.web.fhir import inputs
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.fhir.pages import SHAPING
from fhir_infusion.web.negotiation import JSON, check_accept
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import not_found, parameter_refusal, refusal
from fhir_infusion.web.replies import fhir_reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Response

    from fhir_infusion.actions.map_names import MapName
    from fhir_infusion.config import Release
    from fhir_infusion.mapping.trace import Line
    from fhir_infusion.translator import Translated, Translator

Json = dict[str, Any]

INPUTS: Final[Mapping[str, str]] = {
    "source": inputs.TEXT,
    "sourceMap": inputs.RESOURCE,
    "content": inputs.EITHER,
    **dict.fromkeys(("map", "resource", "model"), inputs.EITHER),
}
"""The inputs in Parameters, with their kinds."""
IN_ADDRESS: Final = ("source", "debug")

_FML_URL: Final = re.compile(r"^\s*(?:///\s*url\s*=|map)\s*(['\"])(.+?)\1", re.MULTILINE)
_FML_GROUP: Final = re.compile(r"^\s*group\b", re.MULTILINE)
_VARIABLE: Final = "http://fhirpath-lab.com/StructureDefinition/Variable"


def post(release: str, definition_id: str = "") -> Response:
    """Answer with the other side of the content."""
    served = release_of(release)
    check_accept(request, served)
    asked = _asked()
    body = read_object(request, served)
    given: Mapping[str, list[Any]] = {}
    if body.get("resourceType") == "Parameters":
        given = inputs.read(body, INPUTS, ("model",))
    name = _named(served, definition_id, asked, given)
    done = _transformed(name, _content([*given["content"], *given["resource"]]) if given else body)
    result = done.results[0] if len(done.results) == 1 else bundles.collection(done.results)
    if asked.get("debug") == "true":
        return fhir_reply(traced(web().service.translator, name, done, result), served)
    return fhir_reply(result, served) if name.to == "fhir" else json_reply(result)


def _asked() -> dict[str, str]:
    given = inputs.stated([pair for pair in stated(request) if pair[0] not in SHAPING], IN_ADDRESS)
    asked = dict(given)
    if len(asked) != len(given):
        raise parameter_refusal("", "a parameter stands there twice", "each once")
    if asked.get("debug", "true") not in {"true", "false"}:
        raise parameter_refusal("debug", "it is not a boolean", "true or false")
    return asked


def _content(given: list[Any]) -> Json:
    """Return the one content, which a text or a Binary may hold.

    Raises:
        Refused: 400, there is none, or several, or it is no JSON object.
    """
    if len(given) != 1:
        accepted = "one parameter `content`, or `resource`"
        raise refusal(
            400, "required", "it does not say what is to be transformed", path="Parameters", accepted=accepted
        )
    (content,) = given
    if isinstance(content, dict) and content.get("resourceType") == "Binary":
        content = _unpacked(content)
    return content if isinstance(content, dict) else inputs.parsed(fhir_json.read, content, "content")


def _unpacked(binary: Json) -> bytes:
    try:
        data = base64.b64decode(binary.get("data", ""), validate=True)
    except (TypeError, ValueError, binascii.Error):
        data = b""
    if not data or binary.get("contentType") != JSON:
        accepted = f"contentType {JSON}, and the record in data"
        raise refusal(400, "value", "the Binary holds no record", path="Binary", accepted=accepted)
    return data


def _named(served: Release, definition_id: str, asked: Mapping[str, str], given: Mapping[str, list[Any]]) -> MapName:
    """Return the mapping that is meant.

    Raises:
        Refused: 400, none or several are named; 404, there is no such one in this release; 422, the map that was sent
            is not as it stands here.
    """
    known = map_names(web().service.translator, served)
    sent = [*given.get("map", ()), *given.get("sourceMap", ())]
    urls = [asked[name] for name in ("source",) if name in asked]
    urls += [known[definition_id].url] if definition_id in known else []
    urls += [*given.get("source", ()), *map(_url_of, sent)]
    if definition_id and definition_id not in known:
        raise _not_there()
    if len(set(urls)) != 1:
        reason = "it does not say which mapping is to be performed, or names several"
        accepted = "`source`: a canonical address that GET StructureMap lists"
        raise refusal(400, "required", reason, path="http.source", accepted=accepted)
    url, _, of = urls[0].partition("|")
    found = next((one for one in known.values() if one.url == url), None)
    if found is None or of not in {"", VERSION}:
        raise _not_there()
    for one in map(_map_in, sent):
        if isinstance(one, dict) and one != structure_map(web().service.translator, found):
            raise _foreign()
    return found


def _not_there() -> Exception:
    return not_found("StructureMap", f"one that GET StructureMap lists, of version {VERSION}")


def _map_in(sent: Json | str) -> Json | str:
    return fhir_json.read(sent) if isinstance(sent, str) and sent.lstrip().startswith("{") else sent


def _url_of(sent: Json | str) -> str:
    """Return the canonical address of a map: a resource, its JSON, the head of its text, or the address itself."""
    one = _map_in(sent)
    if isinstance(one, dict):
        url = one.get("url") if one.get("resourceType") == "StructureMap" else None
        if not isinstance(url, str):
            raise refusal(
                400, "value", "the map names no address", path="Parameters", accepted="a StructureMap with its url"
            )
        return url
    if _FML_GROUP.search(one):
        raise _foreign()
    head = _FML_URL.search(one)
    return head[2] if head else one.strip()


def _foreign() -> Exception:
    accepted = "the canonical address of one, or the StructureMap as it is read here"
    reason = "only mappings of this service are performed, not one that is sent"
    return refusal(422, "not-supported", reason, path="Parameters", accepted=accepted)


def _transformed(name: MapName, content: Json) -> Translated:
    translator, overlay = web().service.translator, name.overlay or None
    if name.to == "internal":
        if content.get("resourceType") != name.fhir_type:
            raise _of_another_kind("resourceType", name.fhir_type)
        return translator.to_internal(content, name.release, overlay)
    record = {"record": name.internal, **content}
    if "resourceType" in content or record["record"] != name.internal:
        raise _of_another_kind("record", f"a record of the kind {name.internal}")
    return translator.to_fhir(record, name.release, overlay)


def _of_another_kind(path: str, accepted: str) -> Exception:
    return refusal(400, "structure", "the content is not what this mapping takes", path=path, accepted=accepted)


def traced(translator: Translator, name: MapName, done: Translated, result: Json) -> Json:
    """Return the Parameters that FHIRPath Lab reads: outcome, result, parameters, trace."""
    told = done.told or (problems.ALL_OK,)
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "outcome", "resource": problems.outcome(told)},
            {"name": "result", "valueString": fhir_json.write_pretty(result).decode()},
            {
                "name": "parameters",
                "part": [
                    # FHIRPath Lab shows the first part as the engine.
                    {"name": "evaluator", "valueString": f"fhir-infusion v{version('fhir-infusion')}"},
                    {"name": "map", "resource": structure_map(translator, name)},
                ],
            },
            {"name": "trace", "part": list(_trace(name, done.lines))},
        ],
    }


def _trace(name: MapName, lines: list[Line]) -> Iterator[Json]:
    """Yield a part for each element of the content, as HAPI's and Matchbox's engines word it: ``rule : NAME; …``."""
    yield {"name": "debug", "valueString": f"Group : whole; {name.id}"}
    for line in lines:
        where = f"{line.state} {line.path}" + (f" -> {line.to}" if line.to else "")
        words = [f"rule : {line.pair or line.state}", where, *filter(None, (line.mark, line.why))]
        places = [("INPUT", line.path), *([("OUTPUT", line.to)] if line.to else ())]
        yield {
            "extension": [
                {
                    "url": _VARIABLE,
                    "extension": [
                        {"url": f"name-{mode}", "valueString": "source" if mode == "INPUT" else "target"},
                        {"url": "path", "valueString": place},
                    ],
                }
                for mode, place in places
            ],
            "name": "debug",
            "valueString": "; ".join(words),
        }
