"""References: what they point to, as far as their text tells, and which are never kept.

https://hl7.org/fhir/R4/references.html. Nothing is ever fetched: a type is known only where the reference spells it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_LITERAL: Final = re.compile(
    r"(?:https?://[^\s?#]+/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?"
)
_UNSAFE: Final = re.compile(r"[\s\x00-\x20]*(?:javascript|vbscript|file|data):", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s")
_UPWARDS: Final = re.compile(r"\.\.|%2e(?:%2e|\.)|\.%2e", re.IGNORECASE)


def is_unsafe(reference: str) -> bool:
    """Tell whether a reference could run a script, open a local file, carry its own data or climb out of its base."""
    return bool(_UNSAFE.match(reference) or _UPWARDS.search(reference))


def has_space(reference: str) -> bool:
    """Tell whether a reference holds white space, which none may."""
    return _SPACE.search(reference) is not None


def literal_type(reference: str) -> str:
    """Return the resource type that a literal reference spells (``Patient/7``), or the empty string."""
    found = _LITERAL.fullmatch(reference)
    return found.group(1) if found else ""


def resource_named(reference: str) -> str:
    """Return a reference without ``/_history/…`` and ``#…``: it names the resource, no version or part of it.

    What is not a literal one keeps its ``#``: of an address of no resource it may part what is not the same.
    """
    named = reference.partition("/_history/")[0]
    return named.partition("#")[0] if "#" in named and literal_type(named) else named


def plain_literals(targets: Collection[str]) -> re.Pattern[str]:
    """Return the pattern of references that are relative, safe and to one of the targets (to any, without targets)."""
    return re.compile(rf"(?:{'|'.join(targets) or '[A-Z][A-Za-z]+'})/(?:[A-Za-z0-9\-]|\.(?!\.)){{1,64}}")


def local_types(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return id -> resource type of what a resource contains."""
    contained = resource.get("contained")
    inner = contained if isinstance(contained, list) else []
    return {
        item["id"]: item["resourceType"]
        for item in inner
        if isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("resourceType"), str)
    }


def referred(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each reference in a resource but those to what it contains."""
    if isinstance(node, list):
        for place, item in enumerate(node):
            yield from referred(item, f"{path}[{place}]")
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                if not value.startswith("#"):
                    yield f"{path}.reference", value
            elif isinstance(value, dict | list):
                yield from referred(value, f"{path}.{name}")
