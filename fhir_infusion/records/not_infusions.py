"""Findings on what is asked as an infusion and is none. It is said, never changed: the route stays as it was sent.

A subcutaneous infusion is one (foscarbidopa/foslevodopa); so a route alone decides nothing while a rate, a duration or
the type of infusion says that it runs.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.findings import finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_infusion.errors import Issue

SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC: Final = "http://www.whocc.no/atc"

INJECTED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        # name: its code in each system. Each is given by subcutaneous injection only (product labels).
        "adalimumab": {RXNORM: "327361", SNOMED: "407317001", ATC: "L04AB04"},
        "etanercept": {RXNORM: "214555", SNOMED: "387045004", ATC: "L04AB01"},
        "certolizumab": {RXNORM: "709271", ATC: "L04AB05"},
    }
)

NOT_RUN: Final[Mapping[str, str]] = MappingProxyType(
    {
        # SNOMED CT routes by which a drug is injected or taken, not run in
        "34206005": "subcutaneous",
        "78421000": "intramuscular",
        "26643006": "oral",
        "372464004": "intradermal",
        "46713006": "nasal",
        "45890007": "transdermal",
    }
)
_CODES: Final = frozenset(code for codes in INJECTED.values() for code in codes.values())
_NAMES: Final = re.compile("|".join(INJECTED))
_ROUTE_WORDS: Final = frozenset(NOT_RUN.values())
_SHORT: Final[Mapping[str, str]] = MappingProxyType({"sc": "subcutaneous", "sq": "subcutaneous", "im": "intramuscular"})


def not_an_infusion(record: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield a finding where the drug is only ever injected, or the route is none that a drug runs in by."""
    drug = _injected(record)
    if drug:
        path = "preparation" if "drug" not in record else "drug"
        yield finding(
            path, f"not an infusion: {drug} is a subcutaneous injection", "not-an-infusion", "an injection order"
        )
        return
    routed = [(path, part, _route(part["route"])) for path, part in _routed(record)]
    # The extra doses of a subcutaneous infusion are pushed by its pump, too.
    running = {route for _, part, route in routed if route and _runs(record, part)}
    for path, _, route in routed:
        if route and route not in running:
            reason = f"not an infusion: the route is {route}, and neither rate nor duration is stated"
            yield finding(f"{path}route", reason, "not-an-infusion", "a rate or a duration, or an injection order")


def _routed(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "route" in record:
        yield "", record
    for position, step in enumerate(record.get("steps", ())):
        if "route" in step:
            yield f"steps[{position}].", step


def _injected(record: Mapping[str, Any]) -> str:
    concepts = [record["drug"]] if "drug" in record else []
    concepts += [entry["drug"] for entry in record.get("preparation", {}).get("ingredients", ()) if "drug" in entry]
    for concept in concepts if _suspect(concepts) else ():
        said = {coding.get("code") for coding in concept.get("codings", ())}
        words = " ".join(
            [concept.get("text", ""), *(coding.get("display", "") for coding in concept.get("codings", ()))]
        )
        for drug, codes in INJECTED.items():
            if not said.isdisjoint(codes.values()) or drug in words.lower():
                return drug
    return ""


def _suspect(concepts: list[Mapping[str, Any]]) -> bool:
    """Whether any of the codes and names stands anywhere: nearly never, and one look tells."""
    words: list[str] = []
    for concept in concepts:
        if "text" in concept:
            words.append(concept["text"])
        for coding in concept.get("codings", ()):
            if coding.get("code") in _CODES:
                return True
            if "display" in coding:
                words.append(coding["display"])
    return _NAMES.search(" ".join(words).lower()) is not None


def _route(concept: Mapping[str, Any]) -> str:
    for coding in concept.get("codings", ()):
        if coding.get("system") == SNOMED and coding.get("code") in NOT_RUN:
            return NOT_RUN[coding["code"]]
    words = concept.get("text", "").lower().replace(".", "").split()
    return next((_SHORT.get(word, word) for word in words if word in _ROUTE_WORDS or word in _SHORT), "")


def _runs(record: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    if record.get("infusion_type", "push") not in {"push", "bolus"} or "duration" in part.get("timing", {}):
        return True
    stated = (*part.get("dosings", ()), *part.get("segments", ()))
    return "minimum_duration" in part or any(name.startswith("rate") for entry in stated for name in entry)
