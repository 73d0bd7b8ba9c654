"""Asking the elements of an array which slice they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_infusion.mapping.paths import Criterion, FStep


def contained_by_id(resource: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the contained resources by their id."""
    return {item["id"]: item for item in resource.get("contained", ()) if "id" in item}


def followed(element: Any, contained: Mapping[str, dict[str, Any]], type_name: str) -> dict[str, Any] | None:  # noqa: ANN401  any JSON value
    """Return the contained resource of the given type that a Reference points to, if it does."""
    reference = element.get("reference") if isinstance(element, dict) else None
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    resource = contained.get(reference[1:])
    return resource if resource is not None and resource.get("resourceType") == type_name else None


def matches(step: FStep, element: Any, contained: Mapping[str, dict[str, Any]]) -> bool:  # noqa: ANN401  any JSON value
    """Return whether an element satisfies every criterion of a slice."""
    subject = element
    for criterion in step.criteria:
        if criterion.test == "->":
            subject = followed(element, contained, criterion.value)
            if subject is None:
                return False
        elif not _holds(criterion, subject):
            return False
    return True


def _holds(criterion: Criterion, subject: Any) -> bool:  # noqa: ANN401  any JSON value
    values = _values(subject, criterion.path)
    if criterion.test == "=":
        return criterion.value in values
    return bool(values) == (criterion.test == "exists")


def _values(value: Any, path: tuple[str, ...]) -> list[Any]:  # noqa: ANN401  any JSON value
    """Return every value at the path; lists on the way are entered."""
    if isinstance(value, list):
        return [found for item in value for found in _values(item, path)]
    if not path:
        return [value]
    inner = value.get(path[0]) if isinstance(value, dict) else None
    return [] if inner is None else _values(inner, path[1:])
