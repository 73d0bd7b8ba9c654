"""References between the entries of a Bundle, replaced by what they mean on this server. Pure.

An entry refers to another by that one's ``fullUrl`` (urn:uuid:…), or relative to the base of its own ``fullUrl``
(https://hl7.org/fhir/R4/bundle.html#references). They stand in references, in values of the types uri, url, uuid, oid
and canonical, and in links of the narrative (https://hl7.org/fhir/R4/http.html#trules).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from fhir_infusion.fhir.references import resource_named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fhir_infusion.fhir.json import Resource

T = TypeVar("T")

_URI_MEMBERS: Final = ("valueUri", "valueUrl", "valueUuid", "valueOid", "valueCanonical")
_REWRITTEN: Final = frozenset({"reference", "div", *_URI_MEMBERS})
_LINK: Final = re.compile(r"""((?:href|src)\s*=\s*)(["'])([^"']*)\2""", re.IGNORECASE)
_TYPED: Final = re.compile(r"(https?://.+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_CONDITIONAL: Final = re.compile(r"[A-Z][A-Za-z]+\?")


def rewritten(
    resource: Resource, full_url: str, known: Mapping[str, str], find: Callable[[str], str], home: str = ""
) -> Resource:
    """Return a resource with its references to other entries replaced.

    Args:
        resource: one entry's.
        full_url: where it said that it stands: relative references start there.
        known: ``Type/id`` by fullUrl.
        find: is given a conditional reference (``Patient?identifier=…``) and returns ``Type/id``.
        home: our own address; what is referred to below it becomes relative, as :func:`relative` does it.
    """
    found = _TYPED.fullmatch(full_url)
    base = full_url.rpartition("/")[0].rpartition("/")[0] + "/" if found else ""
    return _Rewriting(base, known, find, home).of(resource)


def relative(node: T, home: str) -> T:
    """Return JSON with its references below our own address ``home`` as they are kept: relative.

    https://hl7.org/fhir/R4/references.html#literal: both mean the same resource. Everything that follows references
    (searches, the order of an administration, what may not be deleted) knows one of the two ways to spell them. The
    node itself is returned where there is none.
    """
    return cast("T", _relative(node, _own(home)))


@lru_cache(maxsize=64)
def _own(home: str) -> re.Pattern[str]:
    named = r"[A-Z][A-Za-z]+(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/.+|#.*)?|\?.+)"
    return re.compile(rf"{re.escape(home)}/fhir/(?:r4|r4b|r5)/({named})")


def _relative(node: Any, own: re.Pattern[str]) -> Any:
    changed: dict[Any, Any] = {}
    is_object = type(node) is dict
    for name, value in node.items() if is_object else enumerate(node) if type(node) is list else ():
        kind = type(value)
        if kind is dict or kind is list:
            new = _relative(value, own)
            if new is not value:
                changed[name] = new
        elif name == "reference" and kind is str and (found := own.fullmatch(value)):
            changed[name] = found[1]
    if not changed:
        return node
    return {**node, **changed} if is_object else [changed.get(place, item) for place, item in enumerate(node)]


class _Rewriting:
    def __init__(self, base: str, known: Mapping[str, str], find: Callable[[str], str], home: str) -> None:
        self._base = base
        self._known = known
        self._find = find
        self._home = home

    def of(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return an object with all that it holds rewritten; the object itself where nothing is."""
        changed: dict[str, Any] = {}
        for name, value in node.items():
            kind = type(value)
            new: Any = value
            if kind is dict:
                new = self.of(value)
            elif kind is list:
                new = self._list(name, value)
            elif kind is str and name in _REWRITTEN:
                new = self._text(name, value)
            if new is not value:
                changed[name] = new
        return {**node, **changed} if changed else node

    def _list(self, name: str, items: list[Any]) -> list[Any]:
        new = []
        is_same = True
        for item in items:
            kind = type(item)
            one: Any = item
            if kind is dict:
                one = self.of(item)
            elif kind is list:
                one = self._list(name, item)
            elif kind is str and name in _REWRITTEN:
                one = self._text(name, item)
            is_same = is_same and one is item
            new.append(one)
        return items if is_same else new

    def _text(self, name: str, value: str) -> str:
        if name == "reference":
            return self._reference(value)
        if name == "div":
            return _LINK.sub(self._link, value)
        return self._known.get(value, value)

    def _reference(self, reference: str) -> str:
        own = _own(self._home).fullmatch(reference)
        here = own[1] if own else reference
        if _CONDITIONAL.match(here):
            return self._find(here)
        whole, mark, part = reference.partition("#")
        plain = resource_named(whole)
        for spelled in (plain, f"{self._base}{plain}"):
            if spelled in self._known:
                return f"{self._known[spelled]}{mark}{part}"
        return here

    def _link(self, found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}{self._known.get(found[3], found[3])}{found[2]}"
