"""What a search asks for, as values: a tree of conditions, an order, and what is to come along.

Parameters are named by the ``key`` of their index rows (``fhir.index``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhir_infusion.fhir.index import Kind

Match = Literal["", "starts", "exact", "contains", "above", "below", "code-text"]
Total = Literal["none", "estimate", "accurate"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value asked for.

    Of a token: ``system`` None means any, "" none; ``value`` None means any code of that system. Of a date: the
    stretch from ``start`` up to ``end`` (ms since 1970 UTC) and how it is compared. Of a quantity: from ``low`` to
    ``high`` in ``unit``, sortable texts; ``value`` is the number itself.
    """

    prefix: str = "eq"
    system: str | None = None
    value: str | None = None
    start: int = 0
    end: int = 0
    unit: str = ""
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a query: any of its values must match; ``negated``: none may.

    ``few``: whether few resources meet it; None where that was not counted.
    """

    parameter: str
    kind: Kind | Literal["id", "lastUpdated"]
    values: tuple[Wanted, ...]
    negated: bool = False
    match: Match = ""
    few: bool | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether the resource has no value of a parameter (``missing``), or has one."""

    parameter: str
    kind: Kind
    missing: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """A resource of the type ``target``, which the parameter refers to, meets a condition."""

    parameter: str
    target: str
    inner: Condition


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of the type ``source`` refers to this one by the parameter, and meets a condition."""

    source: str
    parameter: str
    inner: Condition


@dataclass(frozen=True, slots=True)
class Either:
    """One of several conditions must hold."""

    conditions: tuple[Condition, ...]


Condition = Criterion | Missing | Chain | Has | Either


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order. ``_lastUpdated`` and ``_id`` are of every resource; what lacks any other key comes last."""

    parameter: str
    kind: Kind | Literal["id", "lastUpdated"]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """What comes along: by ``parameter`` of ``source`` (None: by any), to ``target`` (empty: to any type).

    ``reverse``: not what matches refer to, but what refers to them. ``iterate``: also of what came along.
    """

    source: str
    parameter: str | None
    target: str = ""
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for: every criterion must hold."""

    criteria: tuple[Condition, ...]
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    includes: tuple[Include, ...] = ()
    total: Total = "none"
