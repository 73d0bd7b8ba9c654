"""Segments and fields of HL7 v2 as JSON: what each golden message becomes in FHIR, and what FHIR becomes for the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_infusion.actions.formats import from_format, to_format
from fhir_infusion.actions.prove import samples_of
from fhir_infusion.config import Settings
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.records.equality import same
from fhir_infusion.translator import Translator, open_translator

FOLDER = Path(__file__).parent / "segments"
NAMES = ("new", "stopped")


@pytest.fixture(scope="module")
def translator() -> Translator:
    return open_translator(Settings(), overlays=())


def golden(name: str) -> Any:
    return read_plain((FOLDER / f"{name}.json").read_bytes())


def test_the_golden_messages_are_the_samples_of_the_format(translator: Translator):
    assert same([golden(name) for name in NAMES], samples_of(translator.library.formats["hl7-segments"]))


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("name", NAMES)
def test_a_message_becomes_the_golden_resource(translator: Translator, name: str, release: str):
    (done,) = from_format(translator, "hl7-segments", golden(name))
    assert done.findings == ()
    assert same(translator.to_fhir(done.results[0], release).results, [golden(f"{name}.{release.lower()}")])


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("name", NAMES)
def test_a_resource_becomes_the_golden_message(translator: Translator, name: str, release: str):
    (record,) = translator.to_internal(golden(f"{name}.{release.lower()}"), release).results
    assert same(to_format(translator, "hl7-segments", [record]).values, [golden(f"{name}.back")])


@pytest.mark.parametrize("name", NAMES)
def test_a_message_comes_back_to_the_letter(translator: Translator, name: str):
    (done,) = from_format(translator, "hl7-segments", golden(name))
    assert same(to_format(translator, "hl7-segments", done.results).values, [golden(name)])
