"""The search parameters that are served, as data: ``search_parameters.json``, made from HL7's definitions.

https://hl7.org/fhir/R4/searchparameter-registry.html. A row holds the type it is of (``base``; ``Resource``: every
type), its code, its type, the releases that define it so, the paths that it reads, the types that a reference may point
to, and the code systems that a plain code stands for. A path is JSON names with the type at their end:
``name.family:string``, ``telecom[system=phone]:ContactPoint``. ``python -m tests.search_parameters_write`` writes the
file. ``_id`` and ``_lastUpdated`` are of every type and read no element.
"""

from __future__ import annotations

import json
import pkgutil
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal, NamedTuple, cast

ParameterType = Literal["token", "reference", "date", "string", "quantity", "uri"]

_STEP: Final = re.compile(r"(?P<name>\w+)(?:\[(?P<field>\w+)=(?P<value>[\w-]+)\])?")


class Step(NamedTuple):
    """One name on a path; with ``field`` only of the elements where that is ``value``."""

    name: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Path:
    """Where values stand, and of which datatype they are; ``is-true`` is whether there is one that is not false."""

    steps: tuple[Step, ...]
    type: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    ``targets`` are the types that a reference may point to (empty: any), ``systems`` the code systems of a plain code.
    Index rows are kept under ``key``; it differs from the name where releases mean different things by one name.
    """

    name: str
    type: ParameterType
    paths: tuple[Path, ...]
    releases: tuple[str, ...] = ("R4", "R4B", "R5")
    targets: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    key: str = ""

    @property
    def kind(self) -> ParameterType:
        """How it is compared: what refers by a canonical address is found by the address, like a uri."""
        is_canonical = self.type == "reference" and all(path.type == "canonical" for path in self.paths)
        return "uri" if is_canonical else self.type

    @property
    def is_code(self) -> bool:
        """Whether its values are plain codes, which carry no system."""
        return self.type == "token" and all(path.type in {"code", "boolean", "is-true"} for path in self.paths)

    def types(self) -> frozenset[str]:
        """Return the datatypes that it reads."""
        return frozenset(path.type for path in self.paths)


def _path(text: str) -> Path:
    names, _, kind = text.rpartition(":")
    steps = tuple(Step(*(part or "" for part in found.groups())) for found in _STEP.finditer(names))
    return Path(steps, kind)


def _parameter(row: dict[str, Any]) -> Parameter:
    return Parameter(
        row["code"],
        cast("ParameterType", row["type"]),
        tuple(map(_path, row["paths"])),
        tuple(row["releases"]),
        tuple(row.get("targets", ())),
        tuple(row.get("systems", ())),
        row.get("key", row["code"]),
    )


def _read() -> dict[str, tuple[Parameter, ...]]:
    rows = json.loads(pkgutil.get_data("fhir_infusion.fhir", "search_parameters.json") or b"")
    found: dict[str, list[Parameter]] = {}
    for row in rows:
        found.setdefault(row["base"], []).append(_parameter(row))
    return {base: tuple(known) for base, known in found.items()}


_PARAMETERS: Final = _read()
TYPES: Final = frozenset(_PARAMETERS) - {"Resource"}
"""The resource types whose parameters are known."""


@cache
def parameters(resource_type: str, release: str) -> tuple[Parameter, ...]:
    """Return the parameters of a resource type in a release, those of every type last."""
    rows = (*_PARAMETERS.get(resource_type, ()), *_PARAMETERS["Resource"])
    return tuple(known for known in rows if release in known.releases)


@cache
def indexed(resource_type: str) -> tuple[Parameter, ...]:
    """Return what is kept of a resource of this type, whatever release it is written in: all releases' parameters.

    What is kept under one key is one parameter, with the paths and targets of all.
    """
    merged: dict[str, Parameter] = {}
    for known in (*_PARAMETERS.get(resource_type, ()), *_PARAMETERS["Resource"]):
        there = merged.get(known.key, known)
        targets = tuple(sorted({*there.targets, *known.targets})) if there.targets and known.targets else ()
        paths = tuple(dict.fromkeys((*there.paths, *known.paths)))
        merged[known.key] = replace(there, paths=paths, targets=targets)
    return tuple(merged.values())
