"""The quick validator: straight-line Python generated from the element table, one function a type.

A function answers True where nothing is wrong with an object, and anything else where something is or may be: then
``collect`` finds out what. So the generated code may be stricter than the standard (what is rare goes the slow way)
but never laxer; a law in the tests holds it to that.

Each function goes once through the members of its object and asks, by name, the check of the element. An element
without a check (unknown, a modifier extension, implicit rules) is a KeyError, which ends the matter.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fhir_infusion.fhir import gates, narrative, references
from fhir_infusion.fhir.elements import ROOTS, Element, type_table
from fhir_infusion.fhir.invariants import invariants_of
from fhir_infusion.fhir.primitives import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Check = Callable[[Any], Any]

_SLOW_WAY: Final = frozenset({"modifierExtension", "implicitRules"})

_VERSIONED: Final = frozenset({"versionId", "_versionId", "lastUpdated", "_lastUpdated", "security"})

# What a resource refers to within itself is known only when all of it was seen. Each call keeps its own notes.
_noted: ContextVar[list[tuple[str, tuple[str, ...]]]] = ContextVar("local references of the resource at hand")


def quick(resource: Any, release: str) -> bool:
    """Tell whether a resource is right at first sight: True means that ``collect`` finds no issue.

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    roots = checks(release)
    try:
        return bool(roots[resource["resourceType"]](resource))
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False


@functools.cache
def checks(release: str) -> Mapping[str, Check]:
    """Return resource type -> check, for the resource types of ``elements.ROOTS``. Made once, then kept.

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    return _Generator(release).roots


class _Kind(NamedTuple):
    """What a function is made for: see ``collect._Place``."""

    type: str
    medical: bool = False
    targets: tuple[str, ...] = ()
    nested: bool = False


class _Generator:
    """Makes the functions of one release: first all of them, then the members that each asks by name."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.names: dict[str, Any] = {
            "is_medication_given": gates.zero_is_right,
            "points_right": _points_right,
        }
        self.functions: dict[_Kind, Check] = {}
        self.roots: dict[str, Check] = {}
        self.contained: dict[str, Check] = {}
        kinds = self.reachable()
        for number, kind in enumerate(kinds):
            self.functions[kind] = self.function(kind, number)
        for number, kind in enumerate(kinds):
            self.names[f"checks_{number}"].update(self.members(kind))
        for root in ROOTS:
            self.contained[root] = self.functions[_Kind(root)]
            self.roots[root] = _root_check(self.functions[_Kind(root)])

    def elements(self, kind: _Kind) -> Mapping[str, Element]:
        """Return the elements of a kind's type."""
        return type_table(self.release, kind.type.partition(".")[0])[kind.type]

    def reachable(self) -> list[_Kind]:
        """Return every kind that the root resources reach."""
        found: dict[_Kind, None] = {}
        to_do = [_Kind("Extension"), *(_Kind(root) for root in ROOTS)]
        while to_do:
            kind = to_do.pop()
            if kind not in found:
                found[kind] = None
                to_do += [inner for inner in self.inner_kinds(kind) if inner not in found]
        return list(found)

    def inner_kinds(self, kind: _Kind) -> Iterator[_Kind]:
        """Yield the kinds of a kind's elements."""
        for element in self.elements(kind).values():
            if not element.primitive and element.type != "Resource" and element.name not in _SLOW_WAY:
                yield self.kind_of(kind, element)

    def kind_of(self, kind: _Kind, element: Element) -> _Kind:
        """Return the kind of an element."""
        medical = element.name != "extension" and (kind.medical or gates.is_medical(kind.type, element.name))
        inherited = kind.targets if kind.type == "CodeableReference" and element.name == "reference" else ()
        nested = kind.type == element.type == "Extension"
        return _Kind(element.type, medical, element.targets or inherited, nested)

    def function(self, kind: _Kind, number: int) -> Check:
        """Return the function of a kind, whose members are filled in later."""
        self.names[f"checks_{number}"] = {}
        code = compile(self.source(kind, number), f"<{self.release} {kind.type}>", "exec")
        exec(code, self.names)  # noqa: S102  the source is made here from the element table alone, never from input
        made: Check = self.names[f"check_{number}"]
        return made

    def source(self, kind: _Kind, number: int) -> str:
        """Return the Python text of a kind's function."""
        return "\n".join(
            [
                f"def check_{number}(node):",
                "    if not node:",
                "        return False",
                "    for key, value in node.items():",
                f"        if not checks_{number}[key](value):",
                "            return False",
                f"    return {' and '.join(self.conditions(kind, number)) or 'True'}",
            ]
        )

    def conditions(self, kind: _Kind, number: int) -> Iterator[str]:
        """Yield what must hold of an object whose members are all right."""
        choices: dict[str, list[Element]] = {}
        for element in self.elements(kind).values():
            if element.choice:
                choices.setdefault(element.choice, []).append(element)
            elif element.required:
                yield f'"{element.name}" in node'
        for choice, of in choices.items():
            if kind.type != "Extension":  # ext-1 says more
                yield f"{int(of[0].required)} <= {self.count(f'{choice}_{number}', of)} <= 1"
        for index, invariant in enumerate(invariants_of(self.release, kind.type)):
            self.names[f"holds_{number}_{index}"] = invariant.holds
            yield invariant.source or f"holds_{number}_{index}(node)"
        yield from self.rules(kind, number)

    def rules(self, kind: _Kind, number: int) -> Iterator[str]:
        """Yield the conditions of safety, and the two on addresses (``collect._Walk.gates``)."""
        if kind.medical and kind.type in gates.AMOUNTS:
            yield 'node.get("value", 0) >= 0'
        if kind.type == "Reference":
            self.names[f"targets_{number}"] = kind.targets
            self.names[f"is_plain_{number}"] = references.plain_literals(kind.targets).fullmatch
            plain = f'("type" not in node and is_plain_{number}(node.get("reference", "")))'
            yield f"({plain} or points_right(node, targets_{number}))"
        if kind.type == "Identifier":
            yield '":" in node.get("system", ":")'
        if kind.type == "Extension" and not kind.nested:
            yield '":" in node["url"]'
        if kind.type == "MedicationAdministration":
            yield "is_medication_given(node)"

    def count(self, name: str, of: list[Element]) -> str:
        """Return the expression that counts how many of a choice are there."""
        if len(of) <= 4:
            return " + ".join(f'("{element.name}" in node)' for element in of)
        self.names[name] = frozenset(element.name for element in of)
        return f"sum(map({name}.__contains__, node))"

    def members(self, kind: _Kind) -> dict[str, Check]:
        """Return element name -> check of the elements of a kind."""
        found: dict[str, Check] = {"resourceType": bool} if kind.type in ROOTS else {}
        # Invariants ask for a value beside or without another; as an expression they know of no twins.
        twin = None if invariants_of(self.release, kind.type) else self.twin()
        for name, element in self.elements(kind).items():
            if name in _SLOW_WAY:
                continue
            check = self.check(kind, element)
            found[name] = _each(check) if element.is_list else check
            if twin and element.extensible and not element.is_list and not element.choice:
                found[f"_{name}"] = twin
        if kind.type == "MedicationRequest":
            found["doNotPerform"] = _is_false
        return found

    def check(self, kind: _Kind, element: Element) -> Check:
        """Return the check of one value of an element."""
        if element.codes:
            return frozenset(element.codes).__contains__
        if element.type == "xhtml":
            return narrative.is_plain
        if element.primitive:
            return QUICK[element.type]
        if element.type == "Resource":
            return _typed(self.contained, _is_only_contained) if element.name == "contained" else _typed(self.roots)
        return self.functions[self.kind_of(kind, element)]

    def twin(self) -> Check:
        """Return the check of the ``_`` twin of a primitive."""
        extensions = _each(self.functions[_Kind("Extension")])

        def check(node: Any) -> bool:
            return type(node) is dict and node.keys() == {"extension"} and extensions(node["extension"])

        return check


# ---------------------------------------------------------------------------------------- what generated code calls


def _is_false(value: Any) -> bool:
    return value is False


def _each(check: Check) -> Callable[[Any], bool]:
    """Return the check of an array of what ``check`` takes."""

    def each(values: Any) -> bool:
        if type(values) is not list or not values:
            return False
        for value in values:  # noqa: SIM110  all() with a generator takes twice as long
            if not check(value):
                return False
        return True

    return each


def _typed(by_type: Mapping[str, Check], also: Check | None = None) -> Check:
    """Return the check of a resource of any type."""

    def check(resource: Any) -> bool:
        return bool((also is None or also(resource)) and by_type[resource["resourceType"]](resource))

    return check


def _is_only_contained(resource: Mapping[str, Any]) -> bool:
    """Tell whether a contained resource contains nothing and claims no version (dom-2, dom-4, dom-5)."""
    return "contained" not in resource and _VERSIONED.isdisjoint(resource.get("meta", ()))


def _points_right(node: Mapping[str, Any], targets: tuple[str, ...]) -> bool:
    """Tell whether a reference is safe and, as far as it tells, to one of the targets; note it if it is local."""
    reference = node.get("reference")
    if "type" in node:
        # A type that is not the one spelled, or not a target, is for the slow way to judge.
        stated = node["type"]
        if (targets and stated not in targets) or (
            reference is not None and references.literal_type(reference) != stated
        ):
            return False
    if reference is None:
        return True
    if reference[0] == "#":
        _noted.get().append((reference[1:], targets))
        return True
    if references.is_unsafe(reference) or references.has_space(reference):
        return False
    spelled = references.literal_type(reference)
    return not spelled or not targets or spelled in targets


def _root_check(check: Check) -> Check:
    """Return the check of a resource that stands for itself: also what it contains is referred to, and only that."""

    def root(resource: dict[str, Any]) -> bool:
        outer = _noted.get(None)
        noted: list[tuple[str, tuple[str, ...]]] = []
        _noted.set(noted)
        try:
            if not check(resource):
                return False
        finally:
            if outer is not None:
                _noted.set(outer)
        if "contained" not in resource:
            return not noted
        types = references.local_types(resource)
        for name, targets in noted:
            if name not in types or (targets and types[name] not in targets):
                return False
        return len({name for name, _ in noted}) == len(resource["contained"])

    return root
