"""JSON text in and out of the database, every digit as it came."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.number import spelling_of

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Json, Resource


def _number(value: object) -> msgspec.Raw:
    if isinstance(value, Decimal):
        return msgspec.Raw(spelling_of(value).encode())
    raise TypeError(f"JSON does not know {type(value).__name__}")


_SORTED: Final = msgspec.json.Encoder(order="deterministic", decimal_format="number", enc_hook=_number)


def write(value: Json) -> str:
    """Return the JSON text of a value."""
    return fhir_json.write(value).decode()


def read(text: str) -> Resource:
    """Return the object of a stored JSON text, which was checked before it was written."""
    return fhir_json.read_again(text)


def with_meta(resource: Resource, resource_id: str, version: int, last_updated: str) -> Resource:
    """Return the resource with ``id``, ``meta.versionId`` and ``meta.lastUpdated`` set, all else as it was."""
    meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": last_updated}
    if "id" in resource and "meta" in resource:
        return {**resource, "id": resource_id, "meta": meta}
    begin = {"resourceType": resource["resourceType"], "id": resource_id, "meta": meta}
    return {**begin, **resource, "id": resource_id, "meta": meta}


def digest(value: Json) -> str:
    """Return a hash of JSON: the order of members does not matter, that of arrays and how numbers are written does."""
    return hashlib.sha256(_SORTED.encode(value)).hexdigest()


def text_digest(text: str) -> str:
    """Return the hash of a text, byte for byte."""
    return hashlib.sha256(text.encode()).hexdigest()
