"""Comparing JSON exactly: object order is free, array order is kept, numbers compare as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterator


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every place where two JSON values differ, outermost where a whole part is missing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            place = f"{path}.{name}" if path else name
            if name in before and name in after:
                yield from differences(before[name], after[name], place)
            else:
                yield place
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            place = f"{path}[{index}]"
            if index < len(before) and index < len(after):
                yield from differences(before[index], after[index], place)
            else:
                yield place
    elif not _same(before, after):
        yield path or "the whole"


def _same(before: Any, after: Any) -> bool:
    """Compare two values of which at least one is simple by their JSON text: 1.50 is not 1.5, true is not 1."""
    return bool(fhir_json.write(before) == fhir_json.write(after))
