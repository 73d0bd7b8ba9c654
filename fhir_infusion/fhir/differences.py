"""Comparing JSON exactly: object order is free, array order is kept, numbers compare as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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


def apart(sides: Mapping[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    """Yield each place where not all sides say the same: ``{"path": …, <side>: <value>, …}``.

    A side that says nothing there is left out. What only some sides have is yielded as a whole.
    """
    values = list(sides.values())
    there = [value for value in values if value is not _NOTHING]
    if len(there) == len(values) and all(isinstance(value, dict) for value in values):
        for name in dict.fromkeys(name for value in values for name in value):
            inner = {side: value.get(name, _NOTHING) for side, value in sides.items()}
            yield from apart(inner, f"{path}.{name}" if path else name)
    elif len(there) == len(values) and all(isinstance(value, list) for value in values):
        for index in range(max(map(len, values))):
            inner = {side: value[index] if index < len(value) else _NOTHING for side, value in sides.items()}
            yield from apart(inner, f"{path}[{index}]")
    elif len(there) != len(values) or any(tuple(differences(there[0], value)) for value in there[1:]):
        yield {"path": path, **{side: value for side, value in sides.items() if value is not _NOTHING}}


_NOTHING: Final = object()
