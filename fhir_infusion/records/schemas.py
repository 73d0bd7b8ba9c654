"""The schema of record: marshmallow schemas generated from the dataclasses.

They say everything that is wrong with a record at once, shaped like the record, and never with a value from it. What
goes across fields (``record_rules``, ``value_rules``) is asked as part of the schema. Loading gives the frozen
dataclasses, dumping the interchange form again, every number as it was spelled.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from marshmallow import RAISE, Schema, ValidationError, fields, post_dump, post_load, validate, validates_schema
from marshmallow.error_store import merge_errors

from fhir_infusion.errors import Issue
from fhir_infusion.records.fields import ROOTS, Field, classes, table
from fhir_infusion.records.formats import FORMATS
from fhir_infusion.records.json_schema import json_schema
from fhir_infusion.records.record_rules import RULES
from fhir_infusion.records.rules import Place, Told, broken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from fhir_infusion.records.administration import Administration
    from fhir_infusion.records.order import InfusionOrder

__all__ = ["Field", "administration_schema", "dump", "issues", "json_schema", "load", "order_schema", "table"]

_EMPTY: Final = Told("nothing stands here", code="structure", accepted="at least one member, or the member left out")
_MEMBER: Final = "no member of this name is known here"
_MOST_NAMES: Final = 30
"""Of a type with more members the schema tells them: an answer that lists them all is not read."""


class Primitive(fields.Field[Any]):
    """A simple value of one kind."""

    def __init__(self, kind: str, **arguments: Any) -> None:
        """Take the kind by its name in ``formats``."""
        self.kind = kind
        super().__init__(**arguments)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if FORMATS[self.kind].accepts(value):
            return Decimal(value) if self.kind == "decimal" and value.__class__ is int else value
        code = "structure" if isinstance(value, dict | list) or value is None else "value"
        raise ValidationError(Told(f"not a {self.kind}", code=code, accepted=FORMATS[self.kind].accepted))


class Listed(fields.List[Any]):
    """A list with at least one element, as a tuple."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **arguments: Any) -> Any:
        if value.__class__ is not list:
            raise ValidationError(Told("not a list", code="structure", accepted="a list with at least one element"))
        if not value:
            raise ValidationError(_EMPTY)
        return tuple(super()._deserialize(value, attr, data, **arguments))


class RecordSchema(Schema):
    """What the schemas of all record types have in common."""

    class Meta:
        """Unknown members are refused; members keep the order of the dataclass."""

        unknown = RAISE

    type_name = ""

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _not_empty(self, _data: Any, original: Any, **_: Any) -> None:
        if not original:
            raise ValidationError(_EMPTY)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> object:
        return classes()[self.type_name](**data)

    @post_dump
    def _only_stated(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None and value != []}


class RootSchema(RecordSchema):
    """A whole record: the rules are asked of it, each of the part that it is about."""

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _rules(self, _data: Any, original: Any, **_: Any) -> None:
        found: Any = None
        as_sent = bool(self.context_as_sent)
        for place, told in broken(original, self.type_name, RULES, _shaped, as_sent=as_sent):
            found = merge_errors(found, _at(original, place, told))  # type: ignore[no-untyped-call]  # it has no types
        if found:
            raise ValidationError(found)

    context_as_sent = False


@cache
def order_schema(*, as_sent: bool = False) -> Schema:
    """Return the schema of InfusionOrder; ``as_sent`` lets pass what is only asked of our own JSON."""
    return _root("InfusionOrder", as_sent=as_sent)


@cache
def administration_schema(*, as_sent: bool = False) -> Schema:
    """Return the schema of Administration; ``as_sent`` lets pass what is only asked of our own JSON."""
    return _root("Administration", as_sent=as_sent)


def load(record: Mapping[str, Any], *, as_sent: bool = False) -> InfusionOrder | Administration:
    """Return the typed view of a record.

    Raises:
        marshmallow.ValidationError: with all that is wrong, shaped like the record.
    """
    return cast("InfusionOrder | Administration", _schema_of(record.get("record"), as_sent=as_sent).load(record))


def dump(record: InfusionOrder | Administration) -> dict[str, Any]:
    """Return the interchange form of a typed record: what is not stated is absent, lists are lists."""
    return cast("dict[str, Any]", _schema_of(type(record).__name__, as_sent=True).dump(record))


def issues(record: object, type_name: str | None = None, *, as_sent: bool = False) -> tuple[Issue, ...]:
    """Return everything that is wrong with a record, one issue per fault, with record paths."""
    if not isinstance(record, dict):
        return (Issue("error", "structure", "", "the record is not an object", "a JSON object"),)
    name = record.get("record", type_name)
    if not isinstance(name, str) or name not in ROOTS or (type_name is not None and name != type_name):
        accepted = type_name or " or ".join(ROOTS)
        return (Issue("error", "structure", "record", "the member record does not say which record this is", accepted),)
    messages = _schema_of(name, as_sent=as_sent).validate(record)
    return tuple(_with_near_names(issue, name) for issue in _issues(messages, ""))


def _with_near_names(issue: Issue, type_name: str) -> Issue:
    """Return an issue whose member is none of a record's, and nearly one, with that name: the schema has a hundred."""
    if issue.reason != _MEMBER or "." in issue.path or len(table()[type_name]) <= _MOST_NAMES:
        return issue
    close = difflib.get_close_matches(issue.path, table()[type_name], n=1)
    return replace(issue, accepted=f"{', '.join(close)}, or {issue.accepted}") if close else issue


def _schema_of(name: object, *, as_sent: bool) -> Schema:
    return administration_schema(as_sent=as_sent) if name == "Administration" else order_schema(as_sent=as_sent)


def _root(type_name: str, *, as_sent: bool) -> Schema:
    schema = cast("type[RootSchema]", _schema_class(type_name, RootSchema))()
    schema.context_as_sent = as_sent
    return schema


@cache
def _schema_class(type_name: str, base: type[RecordSchema] = RecordSchema) -> type[RecordSchema]:
    made = {field.name: _marshmallow_field(field) for field in table()[type_name].values()}
    messages = {
        "unknown": Told(_MEMBER, code="structure", accepted=_members(made, type_name)),
        "type": Told("not an object", code="structure", accepted=f"a JSON object of {_members(made, type_name)}"),
    }
    return type(f"{type_name}Schema", (base,), {**made, "type_name": type_name, "error_messages": messages})


def _members(names: Collection[str], type_name: str) -> str:
    if len(names) > _MOST_NAMES:
        return f"what `fhir-infusion schema {type_name}` prints"
    return ", ".join(names)


def _marshmallow_field(field: Field) -> fields.Field[Any]:
    stated: dict[str, Any] = {"required": field.required, "metadata": {"description": field.doc}}
    if not field.is_list:
        return _one(field, stated)
    return Listed(_one(field, {}), **stated)


def _one(field: Field, stated: dict[str, Any]) -> fields.Field[Any]:
    if field.nested:
        return fields.Nested(_schema_class(field.type), **stated)
    if field.codes:
        told = Told("not one of the codes allowed here", code="code-invalid", accepted=", ".join(field.codes))
        return Primitive(field.kind, validate=_OneOf(field.codes, told), **stated)
    return Primitive(field.kind, allow_none=True, **stated) if field.kind == "json" else Primitive(field.kind, **stated)


class _OneOf(validate.OneOf):
    """OneOf whose message keeps what an issue needs."""

    def __init__(self, choices: tuple[str, ...], told: Told) -> None:
        self.told = told
        super().__init__(choices)

    def __call__(self, value: Any) -> Any:
        if value not in self.choices:
            raise ValidationError(self.told)
        return value


@cache
def _shape_schema(type_name: str, name: str) -> Schema:
    return _schema_class(type_name)(only=(name,))


def _shaped(type_name: str, name: str, value: object) -> bool:
    return not _shape_schema(type_name, name).validate({name: value})


def _at(record: Any, place: Place, told: Told) -> dict[str | int, Any]:
    """Return a message in the shape of the record; where an object itself is meant, under ``_schema``."""
    held, steps = record, [*place]
    for step in place:
        held = held[step] if isinstance(step, int) else held.get(step)
    if isinstance(held, dict):
        steps.append("_schema")
    message: Any = [told]
    for step in reversed(steps):
        message = {step: message}
    return cast("dict[str | int, Any]", message)


_MESSAGES: Final[Mapping[str, tuple[str, str, str]]] = {
    # marshmallow's own messages: reason, issue code, what is accepted
    "Missing data for required field.": ("this is missing", "required", "a value"),
    "Field may not be null.": ("null is not a value", "structure", "a value, or the member left out"),
}


def _issues(messages: object, path: str) -> Iterator[Issue]:
    if isinstance(messages, dict):
        for name, below in messages.items():
            if name == "_schema":
                yield from _issues(below, path)
            elif isinstance(name, int):
                yield from _issues(below, f"{path}[{name}]")
            else:
                yield from _issues(below, _joined(path, str(name)))
        return
    for message in cast("list[str]", messages):
        if isinstance(message, Told):
            told = message
            yield Issue("error", told.code, path, str(told), told.accepted, told.rule, told.status)
        else:
            reason, code, accepted = _MESSAGES[message]
            yield Issue("error", code, path, reason, accepted)


def _joined(path: str, name: str) -> str:
    """Return the path of a member; a name that no field could have may itself be patient data and is left out."""
    shown = name if name.isidentifier() and name.isascii() and len(name) <= 40 else "(unknown member)"
    return f"{path}.{shown}" if path else shown
