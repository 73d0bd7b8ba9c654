"""The words of a search: what is understood can be asked of a store, page by page."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import search
from fhir_infusion.fhir.parameters import TYPES, parameters
from fhir_infusion.store import Store, include, open_store
from fhir_infusion.store import search as stored_search
from fhir_infusion.web.parameters import decoded
from tests.store.finding import keep
from tests.store.helpers import TENANT, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 512
GOLDEN: Final = Path(__file__).parents[2] / "golden"

_ASKED: Final = re.compile(rb"(r4|r4b|r5)/([A-Za-z]{1,40})\?(.*)", re.DOTALL)


def run(data: bytes) -> None:
    """Read the words of a search; what is understood can be asked of a store, page by page."""
    found = _ASKED.fullmatch(data)
    if found is None or found[2].decode() not in TYPES:
        return
    release, type_ = found[1].decode().upper(), found[2].decode()
    with suppress(Refused):
        query = search.parse(type_, release, decoded(found[3]), "http://localhost:8080")
        _store().read(TENANT, partial(_asked, type_, query))


def _asked(type_: str, query: search.Query, tx: Any) -> None:
    first = stored_search.page(tx, type_, query, 2)
    if first.after is not None:
        stored_search.page(tx, type_, query, 2, first.after)
    include.along(tx, first.entries, query.includes, include.MOST)
    assert stored_search.total(tx, type_, query) >= len(first.entries)


@cache
def _store() -> Store:
    store = open_store(f"sqlite:///{tempfile.mkdtemp()}/store.db", Clock())
    for at, file in enumerate(sorted(GOLDEN.glob("*/order*.r4.json"))[:24]):
        keep(store, {**fhir_json.read(file.read_bytes()), "id": f"g{at}"})
    return store


_VALUES: Final = {
    "token": ("active", "http://x.org|a", "|b", "http://x.org|", r"a\|b,c\,d", ":of-type=http://x|MR|7", ":not=a", ":text=ab"),
    "reference": ("7", "Patient/7", "http://localhost:8080/fhir/r4/Patient/7", ":identifier=http://mrn|7", ":missing=true"),
    "string": ("Ann", ":exact=Ann", ":contains=\u00e4", ":missing=false"),
    "uri": ("http://x.org/a/b", ":above=http://x.org/a/b", ":below=urn:oid:1.2"),
    "date": ("2024", "ge2024-02-29T10:00:00.123%2B01:00", "ap2024-05", "ne0001-01-01", "sa9999-12-31"),
    "quantity": ("5.40", "ge1e2|http://unitsofmeasure.org|mg", "ap-0.5||mL", "lt0|http://unitsofmeasure.org|mL/h"),
}  # fmt: skip


def corpus() -> Iterator[bytes]:
    """Give each parameter of every third type with a value of its kind, and what goes beyond one parameter."""
    for type_, release in product(sorted(TYPES)[::3], ("R4", "R5")):
        for at, parameter in enumerate(parameters(type_, release)):
            values = _VALUES[parameter.kind]
            value = values[at % len(values)]
            asked = f"{parameter.name}{value}" if value.startswith(":") else f"{parameter.name}={value}"
            yield f"{release.lower()}/{type_}?{asked}".encode()
    yield b"r4/Patient?_has:MedicationRequest:patient:_has:Provenance:target:agent=7&_sort=-birthdate,_id&_count=3&_total=accurate"
    yield b"r5/MedicationRequest?_include=MedicationRequest:*&_revinclude:iterate=*&subject:Patient.organization.name:exact=x"
    yield b"r4b/MedicationAdministration?_lastUpdated=le2024&_id=a,b-c&patient.identifier=http://x|1&_sort=effective-time"
