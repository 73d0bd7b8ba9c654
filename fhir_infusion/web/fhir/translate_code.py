"""``ConceptMap/$translate``: https://hl7.org/fhir/R4/conceptmap-operation-translate.html, and as R5 names its inputs.

What a code becomes by our code tables, in either direction. A code that no table has is answered with ``result`` false
and the reason, as is one with a version: the tables name no version of a code system, and translating never moves such
a coding. A value set stands for all codes of its code system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.mapping import concept_maps
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import web
from fhir_infusion.web.fhir import inputs
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.fhir.pages import SHAPING
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import not_found, parameter_refusal, refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flask import Response

    from fhir_infusion.config import Release
    from fhir_infusion.mapping.code_tables import CodeTable
    from fhir_infusion.mapping.concept_maps import Match

Json = dict[str, Any]

_CODING: Final = "valueCoding"
_CONCEPT: Final = "valueCodeableConcept"
_R4: Final[Mapping[str, str]] = {
    **dict.fromkeys(("url", "conceptMapVersion", "code", "system", "version", "source", "target"), inputs.TEXT),
    "targetsystem": inputs.TEXT,
    "coding": _CODING,
    "codeableConcept": _CONCEPT,
    "reverse": "valueBoolean",
}
_R5: Final[Mapping[str, str]] = {
    **dict.fromkeys(("url", "conceptMapVersion", "system", "version", "sourceScope", "targetScope"), inputs.TEXT),
    **dict.fromkeys(("targetSystem", "sourceCode", "targetCode"), inputs.TEXT),
    **dict.fromkeys(("sourceCoding", "targetCoding"), _CODING),
    **dict.fromkeys(("sourceCodeableConcept", "targetCodeableConcept"), _CONCEPT),
}
INPUTS: Final[Mapping[str, Mapping[str, str]]] = {"R4": _R4, "R4B": _R4, "R5": _R5}
"""What can be asked, by release: names with their kinds."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The codes as system, code and version; ``target_system`` and both scopes narrow the maps down."""

    codes: tuple[tuple[str, str, str], ...]
    reverse: bool
    source_scope: str
    target_scope: str
    target_system: str


def get(release: str, definition_id: str = "") -> Response:
    """Translate a code that stands in the address."""
    return _answer(release_of(release), definition_id, {})


def post(release: str, definition_id: str = "") -> Response:
    """Translate what Parameters name."""
    served = release_of(release)
    return _answer(served, definition_id, inputs.read(read_object(request, served), INPUTS[served]))


def _answer(served: Release, definition_id: str, in_body: Mapping[str, list[Any]]) -> Response:
    check_accept(request, served)
    given = _given(served, in_body)
    tables = _named(served, definition_id, given)
    asked = _asked(given)
    fitting = [table for table in tables if _fits(table, asked)]
    found = list(_matches(fitting, served, asked))
    reply: Json = {"resourceType": "Parameters", "parameter": [{"name": "result", "valueBoolean": bool(found)}]}
    if not found:
        reply["parameter"].append({"name": "message", "valueString": _why_not(fitting, asked)})
    reply["parameter"] += [{"name": "match", "part": _parts(match, served)} for match in found]
    return fhir_reply(reply, served)


def _given(served: Release, in_body: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the inputs of address and body together, each once."""
    known = INPUTS[served]
    simple = [name for name, kind in known.items() if kind not in {_CODING, _CONCEPT}]
    in_address = inputs.stated([pair for pair in stated(request) if pair[0] not in SHAPING], simple)
    given: dict[str, Any] = {name: values[0] for name, values in in_body.items() if values}
    for name, value in in_address:
        if name in given:
            raise parameter_refusal(name, "this parameter stands there twice", "it once")
        given[name] = _flag(name, value) if known[name] == "valueBoolean" else value
    return given


def _flag(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise parameter_refusal(name, "it is not a boolean", "true or false")
    return text == "true"


def _named(served: Release, definition_id: str, given: Mapping[str, Any]) -> list[CodeTable]:
    """Return the tables that are asked: the one that is named, or all. Raises ``Refused``: 404, there is none."""
    tables = list(concept_maps.complete_ones(web().service.translator.library.codes, served).values())
    version = given.get("conceptMapVersion", concept_maps.VERSION)
    url, _, of_url = given.get("url", "").partition("|")
    if definition_id or url:
        tables = [one for one in tables if definition_id in {"", one.name} and url in {"", one.url}]
    if not tables or version != concept_maps.VERSION or of_url not in {"", concept_maps.VERSION}:
        raise not_found("ConceptMap", f"one that GET ConceptMap lists, of version {concept_maps.VERSION}")
    return tables


def _asked(given: Mapping[str, Any]) -> _Asked:
    """Return what is to be translated, and into what.

    Raises:
        Refused: 400, nothing or more than one thing is named, or not by system and code.
    """
    named = [name for name in given if name.lower().endswith(("code", "coding", "codeableconcept"))]
    if len(named) != 1:
        one_of = (
            ", ".join(name for name in INPUTS["R4"] if name.startswith("cod")) + " (R5: sourceCode, targetCode, ...)"
        )
        raise refusal(
            400, "required", "it does not say which code is meant, or names several", path="Parameters", accepted=one_of
        )
    (name,) = named
    value = given[name]
    if isinstance(value, str):
        codings = [{"system": given.get("system", ""), "code": value, "version": given.get("version", "")}]
    elif "system" in given or "version" in given:
        accepted = "system and version in the coding itself"
        raise refusal(400, "invalid", "it stands beside a coding", path="Parameters", accepted=accepted)
    else:
        codings = value.get("coding") if name.lower().endswith("concept") else [value]
    return _Asked(
        tuple(map(_code, codings if isinstance(codings, list) else [None])),
        name.startswith("target") or bool(given.get("reverse")),
        given.get("source") or given.get("sourceScope") or "",
        given.get("target") or given.get("targetScope") or "",
        given.get("targetsystem") or given.get("targetSystem") or "",
    )


def _code(coding: Any) -> tuple[str, str, str]:
    parts = [coding.get(part, "") for part in ("system", "code", "version")] if isinstance(coding, dict) else [""]
    if not all(isinstance(part, str) for part in parts) or not all(parts[:2]):
        reason = "a code is named by its system and code"
        raise refusal(400, "required", reason, path="Parameters", accepted="a text of each")
    system, code, version = parts
    return system, code, version


def _fits(table: CodeTable, asked: _Asked) -> bool:
    # Read back, the source is what comes out.
    source, target = (table.target, table.source) if asked.reverse else (table.source, table.target)
    return (
        any(system == source for system, _, _ in asked.codes)
        and asked.target_system in {"", target}
        and asked.source_scope in {"", *_value_sets(source)}
        and asked.target_scope in {"", *_value_sets(target)}
    )


def _value_sets(system: str) -> Iterator[str]:
    """Return the canonical addresses of the value set of all codes of a system, as HL7 and SNOMED name them."""
    yield f"{system}?fhir_vs"
    yield system.replace("/CodeSystem/", "/ValueSet/")
    if system.startswith(_HL7) and "/CodeSystem/" not in system:
        yield f"{_HL7}ValueSet/{system.removeprefix(_HL7)}"


_HL7: Final = "http://hl7.org/fhir/"


def _matches(tables: Iterable[CodeTable], served: Release, asked: _Asked) -> Iterator[Match]:
    for system, code, version in asked.codes:
        for table in tables:
            if not version and system == (table.target if asked.reverse else table.source):
                yield from concept_maps.matches(table, served, code, reverse=asked.reverse)


def _why_not(fitting: list[CodeTable], asked: _Asked) -> str:
    if not fitting:
        return "no ConceptMap here leads from this code system to what is asked for"
    if all(version for _, _, version in asked.codes):
        return "no ConceptMap here is about a version of a code system; a code with a version stays as it is"
    return "no ConceptMap that leads from this code system has this code"


def _parts(match: Match, served: Release) -> list[Json]:
    origin = "originMap" if served == "R5" else "source"
    return [
        {"name": concept_maps.element_of(served), "valueCode": match.relation},
        {"name": "concept", "valueCoding": {"system": match.system, "code": match.code}},
        {"name": origin, "valueUri": match.table.url},
    ]
