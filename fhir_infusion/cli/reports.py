"""What ``--report`` and ``--trace`` write: NDJSON, one object an input (report) or an element (trace).

The schemas are published: ``fhir-infusion schema report``, ``fhir-infusion schema trace``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.web.problems import finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fhir_infusion.errors import Issue
    from fhir_infusion.mapping.trace import Line

STATES: Final = ("mapped", "carried", "dropped", "refused")

_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_COUNT: Final[Mapping[str, Any]] = {"type": "integer", "minimum": 0}
_ISSUE: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "severity": {"enum": ["fatal", "error", "warning", "information"]},
        "code": _TEXT,
        "path": _TEXT,
        "reason": _TEXT,
        "accepted": _TEXT,
        "rule": _TEXT,
    },
    "required": ["severity", "code", "reason"],
    "additionalProperties": False,
}
_LINE: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"path": _TEXT, "state": {"enum": list(STATES)}, "to": _TEXT, "why": _TEXT},
    "required": ["path", "state"],
    "additionalProperties": False,
}

SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    "report": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://w3id.org/fhir-infusion/schema/report",
        "title": "What became of one input",
        "type": "object",
        "properties": {
            "input": {**_TEXT, "description": "The file, with its line in NDJSON and its entry in a Bundle."},
            "status": {"enum": ["done", "refused", "skipped"]},
            "results": {**_COUNT, "description": "How many records or resources it gave."},
            "issues": {"type": "array", "items": _ISSUE, "description": "Why it was refused."},
            "findings": {"type": "array", "items": _ISSUE, "description": "What a pharmacist should look at."},
            "summary": {
                "type": "object",
                "properties": dict.fromkeys(STATES, _COUNT),
                "additionalProperties": False,
                "description": "How many elements ended in each state.",
            },
            "ledger": {"type": "array", "items": _LINE, "description": "What became of each element of the input."},
        },
        "required": ["input", "status", "results", "issues", "findings", "summary", "ledger"],
        "additionalProperties": False,
    },
    "trace": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://w3id.org/fhir-infusion/schema/trace",
        "title": "Which pair of the mapping took one element",
        "type": "object",
        "properties": {
            "input": _TEXT,
            **_LINE["properties"],
            "pair": {**_TEXT, "description": "The pair, as the document has it."},
            "mark": {**_TEXT, "description": "Where it stands in the document: file:line."},
        },
        "required": ["input", "path", "state"],
        "additionalProperties": False,
    },
}


def report(
    label: str,
    status: str,
    results: int,
    *,
    issues: Sequence[Issue] = (),
    findings: Sequence[Issue] = (),
    ledger: Sequence[Line] = (),
) -> dict[str, Any]:
    """Return one line of a report."""
    counts = Counter(line.state for line in ledger)
    return {
        "input": label,
        "status": status,
        "results": results,
        "issues": [finding(issue) for issue in issues],
        "findings": [finding(issue) for issue in findings],
        "summary": {state: counts[state] for state in STATES if counts[state]},
        "ledger": [line.as_json() for line in ledger],
    }


def trace_of(label: str, line: Line) -> dict[str, Any]:
    """Return a line of a trace as JSON."""
    return {"input": label, **line.as_json(traced=True)}
