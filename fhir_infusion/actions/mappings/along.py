"""Going along a path of the ledger through the JSON that it speaks of, on either side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.formats.nodes import JOINED

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_INDEX: Final = re.compile(r"\[(\d+|only|first)\]")
_FOLLOWED: Final = re.compile(r"->\w+")


def along(whole: Json, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each member on the way with its value; indexes and references that are followed are no members.

    A site's code that stands for several members ends the way. Members that say one value together are one member.
    """
    value: Any = whole
    while path and isinstance(value, dict | list):
        path = path.removeprefix(".")
        if isinstance(value, list):
            index = _INDEX.match(path)
            if index is None:
                return
            value, path = value[int(index[1]) if index[1].isdigit() else 0], path[index.end() :]
            yield "", value
        elif followed := _FOLLOWED.match(path):
            value, path = _contained(whole, value), path[followed.end() :]
            yield "", value
        else:
            name = max((name for name in value if _begins(path, name)), key=len, default=None)
            if name is None:
                yield path, {part: value[part] for part in path.split(JOINED) if part in value}
                return
            value, path = value[name], path[len(name) :]
            yield name, value


def value_at(whole: Json, path: str) -> Any:
    """Return the value at the end of the way."""
    value: Any = whole
    for _, here in along(whole, path):
        value = here
    return value


def _begins(path: str, name: str) -> bool:
    return path.startswith(name) and path[len(name) :][:1] in ("", ".", "[", "-")


def _contained(whole: Json, reference: Json) -> Any:
    """Return the contained resource that a reference names."""
    id_ = str(reference.get("reference", "")).removeprefix("#")
    return next((one for one in whole.get("contained", ()) if one.get("id") == id_), {})
