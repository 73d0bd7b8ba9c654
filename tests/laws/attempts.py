"""What is asked of any input whatever: it is translated without loss or refused with reasons, and nothing else happens."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences
from tests import exact_json
from tests.golden_write import translator

REFUSED_ON_THE_WAY_BACK = frozenset({"unique-key", "drt-1", "tim-1", "kind"})
"""Rules of our records that reading does not ask: two elements of one id, a length of time in milligrams or without
its unit, a measurement of a kind that is not ours. What breaks them is refused by name when it is to be written;
nothing else is, so this table may only become shorter."""


def attempt(work: Any, *given: Any) -> tuple[Any, Refused | None]:
    """Return what a translation makes, or its refusal; anything else that it raises goes on and fails the test."""
    try:
        return work(*given), None
    except Refused as refusal:
        return None, refusal


def as_sent(value: Any) -> bytes:
    """Return the JSON text of a mutated value: it may hold what FHIR does not know, such as a lone surrogate."""
    return exact_json.dumps(_exact(value)).encode()


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def assert_told(refusal: Refused) -> None:
    assert refusal.issues
    assert all(issue.reason and issue.severity in {"error", "fatal", "warning"} for issue in refusal.issues)


def assert_translated_or_refused(mutated: Any, release: str) -> bool:
    """Ask for both ways, from text to text; return whether the resource was accepted."""
    resource, refusal = attempt(fhir_json.read, as_sent(mutated))
    if refusal is None:
        translated, refusal = attempt(translator().to_internal, resource, release)
    if refusal is not None:
        assert_told(refusal)
        return False
    assert all(line.state in {"mapped", "carried", "dropped"} for line in translated.lines)
    stored = fhir_json.read(fhir_json.write(translated.results[0]))
    written, refusal = attempt(partial(translator().to_fhir, as_sent=True), stored, release)
    if refusal is not None:
        told = {issue.rule or issue.path.rpartition(".")[2] for issue in refusal.issues}
        assert told <= REFUSED_ON_THE_WAY_BACK, refusal
        return False
    (back,) = written.results
    assert list(differences(resource, back)) == []
    return True
