"""A small format to change, and what a test asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.mapping.formats.format import Format, build_format

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = """\
format: small
record: InfusionOrder
zone: Europe/Berlin
absent: ["", ~]
systems: {patients: https://example.org/small/patients}
codes:
  units: {mg: mg, g: g}
"""
PAIRS = """\
pairs:
  order_id: No
  status: {const: active}
  intent: {const: order}
  patient.identifier.system: {const: $patients}
  patient.identifier.value: Pat
  drug.text: Drug
  steps[only].dosings[only].dose.value: Dose
  steps[only].dosings[only].dose.unit: {site: Unit, codes: units}
rest: {drop: true, why: the site has no member for it}
samples:
  - |
    {"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Dose": "91", "Unit": "mg"}
"""
SHAPE = """\
shape:
  No: text
  Pat: text
  Drug: text
  Dose: decimal-text
  Unit: text
"""


def built(text: str) -> Format:
    """Return the format ``small`` of a document."""
    return build_format("formats/small.yaml", read_yaml("formats/small.yaml", text), {})


def small(*members: str) -> Format:
    """Return the small format with more members of its shape."""
    return built(HEAD + SHAPE + "".join(f"  {member}\n" for member in members) + PAIRS)


def complaints(text: str) -> list[str]:
    """Return what is wrong with a document."""
    with pytest.raises(DocumentError) as told:
        built(text)
    return list(told.value.complaints)


def dosed(record: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return a record with another dose."""
    step = record["steps"][0]
    dosing = {**step["dosings"][0], "dose": {**step["dosings"][0]["dose"], "value": value}}
    return {**record, "steps": [{**step, "dosings": [dosing, *step["dosings"][1:]]}]}


def records(one: Format, value: Any) -> list[dict[str, Any]]:
    """Return what a site's JSON is read into."""
    return [translation.result for translation in one.read(value)]


def dropped(one: Format, *written: dict[str, Any]) -> list[Sequence[str]]:
    """Return the path and the reason of each line that tells of something left behind by writing."""
    return [
        (line.path, line.why)
        for translation in one.write(list(written)).translations
        for line in translation.ledger.exceptions
        if line.state == "dropped"
    ]
