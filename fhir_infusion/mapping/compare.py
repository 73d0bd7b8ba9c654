"""Comparing JSON values: where two differ, and what of a record counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.residue import is_derived
from fhir_infusion.records.equality import same

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_READER: Final = frozenset({"representation"})
"""Fields that reading sets where the record says nothing."""


def bare(value: Any) -> Any:
    """Return a record without residue, derived keys and what only the reader sets."""
    if isinstance(value, dict):
        return {
            name: bare(inner)
            for name, inner in value.items()
            if name != "residue" and name not in BY_READER and not (name.endswith("_id") and is_derived(inner))
        }
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def differences(left: Any, right: Any, path: str = "") -> Iterator[str]:
    """Name the places where two JSON values differ; numbers count as they are spelled, object order does not."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted({*left, *right}):
            here = f"{path}.{name}" if path else name
            if name not in left or name not in right:
                yield here
            else:
                yield from differences(left[name], right[name], here)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, two) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, two, f"{path}[{index}]")
    elif not same(left, right):
        yield path
