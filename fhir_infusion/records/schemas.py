"""The schema of record: marshmallow schemas, JSON Schema and the field table, all from the dataclasses."""

from __future__ import annotations

from fhir_infusion.records.fields import Field, table

__all__ = ["Field", "table"]
