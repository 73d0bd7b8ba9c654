"""Paths of a mapping document: the internal side, the FHIR side, and the conditions on either.

The grammar has no numeric index: an element that repeats is keyed (``name[]``), sliced (``name[url=…]``) or taken
whole, so "the first one" cannot be written.

    internal   steps[]   patient.name   segments[only].rate   segments[many]
    FHIR       identifier[system=$orders].value   note[]   extension[url=$x][].valueCode
               medicationReference->Medication.code
    condition  as_needed_for missing   fhir:status = stopped   status in [active, draft]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Mode = Literal["", "list", "only", "many", "first", "rest"]


class PathError(ValueError):
    """A path or condition is not of the grammar; the message says what would be accepted."""


@dataclass(frozen=True, slots=True)
class IStep:
    """One step on the internal side.

    ``only`` is the list when it has one element, ``many`` when it has more. ``first`` and ``rest`` go together: the
    first element has a place of its own where the conditions of that place hold, the others (else all) have another.
    """

    name: str
    mode: Mode = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What an element of a sliced array must satisfy.

    ``test`` is ``=`` (some value at ``path`` equals ``value``), ``exists``, ``missing`` or ``->`` (a reference to a
    contained resource of type ``value``; the other criteria are then asked of that resource).
    """

    test: Literal["=", "exists", "missing", "->"]
    path: tuple[str, ...] = ()
    value: str = ""

    def __str__(self) -> str:
        """Write the criterion as in a document."""
        dotted = ".".join(self.path)
        if self.test == "=":
            return f"{dotted}={self.value}"
        return f"->{self.value}" if self.test == "->" else f"{dotted} {self.test}"


@dataclass(frozen=True, slots=True)
class FStep:
    """One step on the FHIR side.

    ``criteria`` make it a slice; ``repeats`` takes every element (of the slice, or the rest of the array); ``follow``
    names the type of the contained resource that the reference is followed into.
    """

    name: str
    criteria: tuple[Criterion, ...] = ()
    repeats: bool = False
    follow: str = ""

    @property
    def token(self) -> str:
        """Name the slice in residue paths: the URL of an extension, else the criteria."""
        if len(self.criteria) == 1 and self.criteria[0].test == "=":
            return self.criteria[0].value
        return ",".join(map(str, self.criteria))


@dataclass(frozen=True, slots=True)
class Condition:
    """When an alternative holds: on the FHIR side it decides reading, on the internal side writing."""

    side: Literal["fhir", "internal"]
    path: tuple[str, ...]
    test: Literal["exists", "missing", "in", "refers"]
    values: tuple[str, ...] = ()

    def holds(self, scope: object) -> bool:
        """Whether the condition holds for the object that the path starts in."""
        for name in self.path:
            scope = scope.get(name) if isinstance(scope, dict) else None
        if self.test == "refers":
            return _refers(scope, self.values[0])
        if self.test == "missing":
            return scope is None
        return scope is not None if self.test == "exists" else scope in self.values


def _refers(reference: object, target: str) -> bool:
    """Whether a reference says that it is of the type: by ``type``, or by the type in its literal reference."""
    if not isinstance(reference, dict):
        return False
    literal = str(reference.get("reference", ""))
    return reference.get("type") == target or literal.startswith(target + "/") or f"/{target}/" in literal


_INTERNAL = re.compile(r"([a-z][a-z0-9_]*)(?:\[(only|many|first|rest|)\])?$")
_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")
_CONDITION = re.compile(
    r"(fhir:)?([A-Za-z_][A-Za-z0-9_.]*)\s+(?:(exists|missing)|=\s*([^\s=]\S*)|in\s*\[([^\]]*)\]|refers to (\w+))$"
)

_INTERNAL_STEPS = "name, name[], name[only], name[many], name[first], name[rest]"
_FHIR_STEPS = "name, name[], name[path=value], name[path=value][], name->Type"
_CONDITIONS = (
    "PATH exists, PATH missing, PATH = code, PATH in [codes], PATH refers to Type; fhir:PATH for the FHIR side"
)


def parse_internal(text: str) -> tuple[IStep, ...]:
    """Parse an internal path; ``.`` is the element itself.

    Raises:
        PathError: the text is not of the grammar.
    """
    if text == ".":
        return ()
    steps = []
    for part in text.split("."):
        match = _INTERNAL.match(part)
        if match is None:
            raise PathError(f"'{part}' is not an internal step; accepted: {_INTERNAL_STEPS}")
        mode = match[2]
        steps.append(IStep(match[1], "" if mode is None else mode or "list"))  # type: ignore[arg-type]  # the pattern allows only the modes
    return tuple(steps)


def parse_fhir(text: str) -> tuple[FStep, ...]:
    """Parse a FHIR path whose aliases are already replaced.

    Raises:
        PathError: the text is not of the grammar.
    """
    steps: list[FStep] = []
    at = 0
    while at < len(text):
        if steps:
            if text[at] != ".":
                raise PathError(f"'.' is expected at '{text[at:]}'")
            at += 1
        step, at = _fhir_step(text, at)
        steps.append(step)
    if not steps:
        raise PathError("an empty FHIR path")
    return tuple(steps)


def _fhir_step(text: str, at: int) -> tuple[FStep, int]:
    """Return the step that begins at a place of the text, and where it ends."""
    match = _NAME.match(text, at)
    if match is None:
        raise PathError(f"a name is expected at '{text[at:]}'; accepted: {_FHIR_STEPS}")
    name, at = match[0], match.end()
    criteria: tuple[Criterion, ...] = ()
    repeats = False
    while at < len(text) and text[at] == "[":
        end = text.find("]", at)
        if end < 0 or repeats:
            raise PathError(f"'{text}' has a bracket that does not close or comes after []")
        inner, at = text[at + 1 : end], end + 1
        if not inner:
            repeats = True
        elif criteria or inner.isdigit():
            raise PathError(f"'[{inner}]' is not accepted: there is no numeric index; use [] or [path=value]")
        else:
            criteria = tuple(_criterion(part.strip()) for part in inner.split(","))
    follow = ""
    if text.startswith("->", at):
        match = _NAME.match(text, at + 2)
        if match is None:
            raise PathError(f"'{text}': a resource type is expected after ->")
        follow, at = match[0], match.end()
    return FStep(name, criteria, repeats, follow), at


def _criterion(text: str) -> Criterion:
    if text.startswith("->"):
        return Criterion("->", (), text[2:])
    path, equals, value = text.partition("=")
    if equals:
        return Criterion("=", tuple(path.strip().split(".")), value.strip())
    path, _, test = text.rpartition(" ")
    if path and test in ("exists", "missing"):
        return Criterion(test, tuple(path.strip().split(".")))  # type: ignore[arg-type]  # one of the two words
    raise PathError(f"'[{text}]' is not a criterion; accepted: path=value, path exists, path missing, ->Type")


def parse_condition(text: str) -> Condition:
    """Parse the text of ``when``.

    Raises:
        PathError: the text is not of the grammar.
    """
    match = _CONDITION.match(text.strip())
    if match is None:
        raise PathError(f"'{text}' is not a condition; accepted: {_CONDITIONS}")
    side: Literal["fhir", "internal"] = "fhir" if match[1] else "internal"
    path = tuple(match[2].split("."))
    if match[3]:
        return Condition(side, path, match[3])  # type: ignore[arg-type]  # exists or missing
    if match[6]:
        return Condition(side, path, "refers", (match[6],))
    values = (match[4],) if match[4] else tuple(value.strip() for value in match[5].split(","))
    return Condition(side, path, "in", values)


def show_fhir(steps: tuple[FStep, ...]) -> str:
    """Write FHIR steps as in a document."""
    parts = []
    for step in steps:
        slice_text = f"[{','.join(map(str, step.criteria))}]" if step.criteria else ""
        parts.append(
            step.name + slice_text + ("[]" if step.repeats else "") + (f"->{step.follow}" if step.follow else "")
        )
    return ".".join(parts)


def show_internal(steps: tuple[IStep, ...]) -> str:
    """Write internal steps as in a document."""
    suffix = {"": "", "list": "[]"}
    return ".".join(step.name + suffix.get(step.mode, f"[{step.mode}]") for step in steps) or "."
