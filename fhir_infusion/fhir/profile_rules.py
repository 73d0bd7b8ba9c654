"""The rules of a profile, asked of a resource: cardinality, fixed values and FHIRPath constraints of its differential.

https://hl7.org/fhir/R4/profiling.html. Only what a StructureDefinition adds to base FHIR; base FHIR itself is
``validate``. Slicing, bindings and type profiles are not read: a differential with one of these is refused when it is
read, never passed over. FHIRPath is fhirpathpy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.fhir.json import Resource

_WORDS: Final = frozenset({"id", "path", "short", "definition", "comment", "requirements", "mustSupport", "isModifier"})
"""What an element definition may say without demanding anything of a resource."""

_RULES: Final = frozenset({"min", "max", "constraint", "fixedBoolean"})
_MODELS: Final = {"4.0.1": "r4", "4.3.0": "r4", "5.0.0": "r5"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand: a FHIRPath expression on the whole resource that must be true."""

    path: str
    expression: str
    name: str
    words: str
    severity: str = "error"


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of one StructureDefinition; ``model`` names fhirpathpy's model of its release."""

    url: str
    version: str
    type: str
    model: str
    rules: tuple[Rule, ...]

    def issues(self, resource: Resource) -> tuple[Issue, ...]:
        """Return an issue for each rule that a resource of base FHIR does not keep."""
        return tuple(
            Issue(
                "error",
                "invariant",
                rule.path,
                rule.words,
                f"what the profile says: {rule.name}",
                rule.name,
                BREAKS_RULE,
            )
            if rule.severity == "error"
            else Issue("warning", "invariant", rule.path, rule.words, "", rule.name)
            for rule in self.rules
            if _compiled(rule.expression, self.model)(resource) == [False]
        )


def read(definition: Resource) -> Profile:
    """Return the rules of a StructureDefinition (a constraint on a resource type, with its differential).

    Raises:
        ValueError: it demands what is not read here.
    """
    elements: list[dict[str, Any]] = definition["differential"]["element"]
    rules = tuple(rule for element in elements for rule in _rules(element))
    version = definition.get("version", "")
    return Profile(definition["url"], version, definition["type"], _MODELS[definition["fhirVersion"]], rules)


def _rules(element: dict[str, Any]) -> Iterator[Rule]:
    path: str = element["path"]
    unknown = element.keys() - _WORDS - _RULES
    if unknown or ":" in element["id"]:
        raise ValueError(f"{element['id']}: not read: {', '.join(sorted(unknown)) or 'a slice'}")
    parent, _, name = path.rpartition(".")
    if element.get("min"):
        words = f"at least {element['min']} of {name}"
        yield Rule(path, f"{parent}.all({name}.count() >= {element['min']})", "min", words)
    if element.get("max", "*") != "*":
        words = f"at most {element['max']} of {name}"
        yield Rule(path, f"{parent}.all({name}.count() <= {element['max']})", "max", words)
    if "fixedBoolean" in element:
        value = "true" if element["fixedBoolean"] else "false"
        yield Rule(path, f"{path}.all($this = {value})", "fixed", f"{name} is {value} where it is there")
    for constraint in element.get("constraint", ()):
        asked = f"{path}.all({constraint['expression']})"
        yield Rule(path, asked, constraint["key"], constraint["human"], constraint["severity"])


@cache
def _compiled(expression: str, model: str) -> Callable[[Resource], list[Any]]:
    import fhirpathpy  # noqa: PLC0415  its parser takes a fifth of a second to load, for what few ask
    from fhirpathpy.models import models  # noqa: PLC0415  loaded with its parser

    compiled = fhirpathpy.compile(expression, models[model])
    return lambda resource: compiled(resource, None)
