"""What ``/openapi.json`` says of the operations that are asked with parameters of their own: mappings and code tables.

FHIR's own definition of each stands at ``/fhir/…/OperationDefinition``; here are its inputs, and an example of each.
"""

from __future__ import annotations

from typing import Any, Final

from fhir_infusion.actions.definitions import definitions
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.concept_maps import BASE
from fhir_infusion.web.examples import texts
from fhir_infusion.web.fhir import convert_data, translate_code
from fhir_infusion.web.negotiation import FHIR_JSON, JSON

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_RESOURCE: Final[Json] = {"$ref": "#/components/schemas/Resource"}
_ROUTES: Final = {"system": "http://terminology.hl7.org/CodeSystem/v2-0162", "code": "IV"}
_IN_ADDRESS: Final[dict[str, str]] = {
    "source": "The canonical address of the mapping, as GET StructureMap lists it.",
    "debug": "true: the answer is Parameters with outcome, result, parameters and trace.",
}


def is_described(address: str) -> bool:
    """Whether an address is one of an operation that is described here."""
    return address.rpartition("/")[2] in {"$translate", "$transform", "$convert-data"}


def describe(operation: Json, method: str, address: str) -> None:
    """Describe one of these operations, but for its failures."""
    name = address.rpartition("/")[2]
    parameters = operation.setdefault("parameters", [])
    if name == "$translate":
        parameters += [
            {"name": one, "in": "query", "schema": _TEXT, "description": words, **_example(one)}
            for one, words in _translate_inputs().items()
        ]
        if method == "POST":
            given = [{"name": "coding", "valueCoding": _ROUTES}]
            operation["requestBody"] = _parameters(given)
            # The same request by its address alone is the example of GET.
            _without_examples(parameters)
    elif name == "$transform":
        named = {} if "{definition_id}" in address else {"source": f"{BASE}StructureMap/infusion-order-to-fhir-r4"}
        parameters += [
            {"name": one, "in": "query", "schema": _TEXT, "description": words, **_stated(named.get(one))}
            for one, words in _IN_ADDRESS.items()
        ]
        operation["requestBody"] = {
            "required": True,
            "content": {
                FHIR_JSON: _parameters([{"name": "content", "valueString": _order_text()}])["content"][FHIR_JSON],
                JSON: {"schema": {"type": "object"}, "example": _order()},
            },
        }
    else:
        given = [{"name": one, "valueString": value} for one, value in _conversion().items()]
        operation["requestBody"] = _parameters(given)
    content: Json = {FHIR_JSON: {"schema": _RESOURCE}}
    if name == "$transform":
        content[JSON] = {"schema": {"type": "object", "description": "A record of ours."}}
    operation["responses"]["200"] = {"description": "The answer; nothing is stored.", "content": content}


def _translate_inputs() -> dict[str, str]:
    """Return the inputs that may stand in an address, each with its words, and the release if only one has it."""
    found: dict[str, str] = {}
    for release in ("R4", "R5"):
        defined = definitions(release)["OperationDefinition"][f"concept-map-translate-{release.lower()}"]
        told = {one["name"]: one["documentation"] for one in defined["parameter"] if one["use"] == "in"}
        for name, kind in translate_code.INPUTS[release].items():
            if kind not in {"valueCoding", "valueCodeableConcept"}:
                found[name] = told[name] if name in found else f"{release}: {told[name]}"
    return found


def _example(name: str) -> Json:
    return _stated(_ROUTES.get(name))


def _stated(value: str | None) -> Json:
    return {} if value is None else {"example": value}


def _without_examples(parameters: list[Json]) -> None:
    for one in parameters:
        if one["in"] == "query":
            one.pop("example", None)


def _parameters(given: list[Json]) -> Json:
    example = {"resourceType": "Parameters", "parameter": given}
    return {"required": True, "content": {FHIR_JSON: {"schema": _RESOURCE, "example": example}}}


def _order() -> Json:
    return fhir_json.read(texts()["1-order-infliximab"])


def _order_text() -> str:
    return fhir_json.write(_order()).decode()


def _conversion() -> dict[str, str]:
    return {
        convert_data.DATA: _order_text(),
        convert_data.TYPE: "Json",
        convert_data.TEMPLATES: f"{convert_data.COLLECTION}:{convert_data.DEFAULT}",
        convert_data.ROOT: "InfusionOrder",
    }
