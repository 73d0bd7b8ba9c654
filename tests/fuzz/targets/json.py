"""The JSON reader: both ways of reading agree, and what is written is read as the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import exact
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 16_384
GOLDEN: Final = Path(__file__).parents[2] / "golden"


def run(data: bytes) -> None:
    """Read a text: both ways of reading agree, and what is written is read as the same."""
    try:
        tree = fhir_json.read(data)
    except Refused:
        return
    slowly = exact.read(data)
    assert list(differences(tree, slowly)) == []
    again = fhir_json.read(fhir_json.write(tree))
    assert list(differences(tree, again)) == []
    assert fhir_json.write(again) == fhir_json.write(tree)
    assert fhir_json.read(fhir_json.write_pretty(tree)) == tree


def corpus() -> Iterator[bytes]:
    """Give records and resources, and what only JSON's grammar knows."""
    yield from (path.read_bytes() for path in GOLDEN.glob("*1-*/*.json"))
    for text in (
        '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}}]}',
        '{"a":[null,{"x":1}],"_a":[{"id":"b"},null]}',
        r'{"a":"\u00e9\ud83d\ude00\/\"\\\b\f\n\r\t","b":[-0,0.0,-0.10,1e5,1E-8,123456789012345678]}',
        '{"a":true,"b":false,"a":[[[[[1]]]]]}',
        '{"a":1e39,"b":0.000000000000000000000000000000000000001,"c":NaN,"d":1.}',
    ):
        yield text.encode()
