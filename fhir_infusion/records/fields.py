"""The record definitions as a table: type name -> field name -> what the field holds.

Everything that is derived from the dataclasses (schemas, the generated check, JSON Schema, the mapping engine's static
proof, generated examples) reads this table and never the annotations, so an annotation is interpreted in one place.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from fhir_infusion.records.administration import Administration
from fhir_infusion.records.kinds import Kind
from fhir_infusion.records.order import InfusionOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOTS: Final[Mapping[str, type]] = MappingProxyType({"InfusionOrder": InfusionOrder, "Administration": Administration})
"""The two records, by the name in their member ``record``."""

JSON: Final = "json"
"""The kind of a field that holds any JSON value (the value of a residue entry)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record type.

    ``type`` is the name of the record type that the field holds, or its ``kind`` where it holds a simple value.
    ``kind`` is FHIR's name of the primitive (``decimal``, ``dateTime`` …), ``key`` for the key of a list element,
    ``json`` for any JSON value, and empty where the field holds a record type. ``codes`` are the values allowed, empty
    where any value of the kind is.
    """

    name: str
    type: str
    is_list: bool
    kind: str
    key: bool
    describes: bool
    required: bool
    codes: tuple[str, ...]
    doc: str

    @property
    def nested(self) -> bool:
        """Whether the field holds a record type, not a simple value."""
        return not self.kind


@cache
def table() -> Mapping[str, Mapping[str, Field]]:
    """Return type name -> field name -> field, of every type that a record can hold, fields in their declared order."""
    return MappingProxyType({name: _fields(cls) for name, cls in classes().items()})


@cache
def classes() -> Mapping[str, type]:
    """Return type name -> dataclass, of every type that a record can hold."""
    found: dict[str, type] = {}
    waiting = list(ROOTS.values())
    while waiting:
        cls = waiting.pop(0)
        if cls.__name__ in found:
            continue
        found[cls.__name__] = cls
        held = [_plain(annotation)[0] for annotation in _hints(cls).values()]
        waiting += [each for each in held if isinstance(each, type) and dataclasses.is_dataclass(each)]
    return MappingProxyType(found)


def key_of(type_name: str) -> str | None:
    """Return the name of the field that is the key of elements of this type, ``None`` where the type has no key."""
    return next((field.name for field in table()[type_name].values() if field.key), None)


def _fields(cls: type) -> Mapping[str, Field]:
    hints = _hints(cls)
    return MappingProxyType({item.name: _field(item, hints[item.name]) for item in dataclasses.fields(cls)})


def _field(item: dataclasses.Field[Any], annotation: object) -> Field:
    held, is_list = _plain(annotation)
    kind, codes = _kind(held)
    meta = item.metadata
    return Field(
        name=item.name,
        type=kind or held.__name__,
        is_list=is_list,
        kind=kind,
        key=meta["key"],
        describes=meta["describes"],
        required=meta["required"],
        codes=codes,
        doc=meta["doc"],
    )


def _kind(held: Any) -> tuple[str, tuple[str, ...]]:
    if get_origin(held) is Annotated:
        return next(extra.name for extra in get_args(held)[1:] if isinstance(extra, Kind)), ()
    if get_origin(held) is Literal:
        return "code", get_args(held)
    if held is int:
        return "integer", ()
    if held is object:
        return JSON, ()
    if dataclasses.is_dataclass(held):
        return "", ()
    message = f"no field of a record may be annotated {held!r}"
    raise TypeError(message)


def _plain(annotation: Any) -> tuple[Any, bool]:
    """Return what the field holds without ``| None`` and ``tuple[…, ...]``, and whether it was a tuple."""
    if get_origin(annotation) in {UnionType, Union}:
        (annotation,) = (arg for arg in get_args(annotation) if arg is not NoneType)
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0], True
    return annotation, False


def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)
