"""What both kinds of patch share: the shape in which an operation that cannot be done is told, copies, and the end.

A patch is applied to a tree that is the caller's own; values are copied into it, so that no two places share one.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir.exact import LIMITS

MOST_OPERATIONS: Final = 1_000


def unappliable(place: str, reason: str, accepted: str = "") -> Refused:
    """Return the refusal (422) of an operation that the resource does not allow; ``place`` names the operation."""
    return Refused(Issue("error", "processing", place, reason, accepted, "patch", BREAKS_RULE))


def malformed(place: str, reason: str, accepted: str) -> Refused:
    """Return the refusal (400) of a patch that is none."""
    return Refused(Issue("error", "structure", place, reason, accepted, "patch"))


class Budget:
    """Counts what operations put into a resource: copies of copies would grow beyond every limit before its check."""

    def __init__(self) -> None:
        self._left = LIMITS.elements

    def copied(self, value: Any, place: str) -> Any:
        """Return a copy of a value.

        Raises:
            Refused: 422, all copies together have more elements than a resource may have.
        """
        self._left -= _elements(value)
        if self._left < 0:
            most = f"at most {LIMITS.elements} elements"
            raise Refused(Issue("error", "too-costly", place, "the patch grows too large", most, "patch", BREAKS_RULE))
        return copy.deepcopy(value)


def _elements(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_elements, value.values()))
    return 1 + sum(map(_elements, value)) if isinstance(value, list) else 1


def without_empty(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what operations have emptied: FHIR JSON has no empty object or array.

    https://hl7.org/fhir/R4/json.html. A list of values whose ``_`` twin is nothing but null loses the twin, too.
    """
    kept = {name: _kept(member, has_twin=_has_twin(value, name)) for name, member in value.items()}
    return {name: member for name, member in kept.items() if member is not _NOTHING}


_NOTHING: Final = object()


def _has_twin(owner: dict[str, Any], name: str) -> bool:
    return isinstance(owner.get(name[1:] if name.startswith("_") else f"_{name}"), list)


def _kept(value: Any, *, has_twin: bool = False) -> Any:
    if isinstance(value, dict):
        return without_empty(value) or _NOTHING
    if isinstance(value, list):
        items = [item if item is None else _kept(item) for item in value]
        # Beside a twin an item has its place, which null keeps: what follows would go to another value.
        items = [None if item is _NOTHING else item for item in items if has_twin or item is not _NOTHING]
        return items if any(item is not None for item in items) else _NOTHING
    return value
