"""The JSON Schema (draft 2020-12) of the records, from the field table.

It says the shape; what goes across fields is in words in ``description`` of the schema and is told by ``schemas``.
"""

from __future__ import annotations

from typing import Any, Final

from fhir_infusion.records.fields import ROOTS, Field, table
from fhir_infusion.records.formats import FORMATS

BASE: Final = "https://w3id.org/fhir-infusion/schema"


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of ``InfusionOrder`` or ``Administration``.

    Raises:
        KeyError: there is no such record.
    """
    root = ROOTS[name].__name__
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{BASE}/{name}",
        "title": name,
        "$ref": f"#/$defs/{root}",
        "$defs": {held: _definition(held) for held in _held_by(root)},
    }


def _held_by(root: str) -> list[str]:
    found = [root]
    for name in found:
        found += dict.fromkeys(
            field.type for field in table()[name].values() if field.nested and field.type not in found
        )
    return found


def _definition(name: str) -> dict[str, Any]:
    fields = table()[name].values()
    definition: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {field.name: _property(field) for field in fields},
    }
    required = [field.name for field in fields if field.required]
    return {**definition, "required": required} if required else definition


def _property(field: Field) -> dict[str, Any]:
    if field.is_list:
        return {"type": "array", "minItems": 1, "items": _value(field), "description": field.doc}
    return {**_value(field), "description": field.doc}


def _value(field: Field) -> dict[str, Any]:
    if field.nested:
        return {"$ref": f"#/$defs/{field.type}"}
    return {"enum": list(field.codes)} if field.codes else dict(FORMATS[field.kind].schema)
