"""The grammar of paths and conditions: what it takes, and that it writes itself back. test_build has what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.mapping.paths import (
    Condition,
    Criterion,
    FStep,
    IStep,
    PathError,
    parse_condition,
    parse_fhir,
    parse_internal,
    show_fhir,
    show_internal,
)

INTERNAL = {
    ".": (),
    "status": (IStep("status"),),
    "patient.birth_date": (IStep("patient"), IStep("birth_date")),
    "steps[]": (IStep("steps", "list"),),
    "segments[only].rate": (IStep("segments", "only"), IStep("rate")),
    "segments[many]": (IStep("segments", "many"),),
    "performers[first]": (IStep("performers", "first"),),
    "performers[rest]": (IStep("performers", "rest"),),
}

FHIR = {
    "status": (FStep("status"),),
    "_status.extension": (FStep("_status"), FStep("extension")),
    "note[]": (FStep("note", repeats=True),),
    "identifier[system=urn:s].value": (FStep("identifier", (Criterion("=", ("system",), "urn:s"),)), FStep("value")),
    "identifier[type.coding.code=MR][]": (
        FStep("identifier", (Criterion("=", ("type", "coding", "code"), "MR"),), repeats=True),
    ),
    "reason[concept exists][]": (FStep("reason", (Criterion("exists", ("concept",)),), repeats=True),),
    "reason[concept missing,reference exists]": (
        FStep("reason", (Criterion("missing", ("concept",)), Criterion("exists", ("reference",)))),
    ),
    "medicationReference->Medication.code": (FStep("medicationReference", follow="Medication"), FStep("code")),
    "supportingInformation[->Observation][]": (
        FStep("supportingInformation", (Criterion("->", (), "Observation"),), repeats=True),
    ),
    "extension[url=https://example.org/a.b].valueString": (
        FStep("extension", (Criterion("=", ("url",), "https://example.org/a.b"),)),
        FStep("valueString"),
    ),
}

CONDITIONS = {
    "end exists": Condition("internal", ("end",), "exists"),
    "pump.device missing": Condition("internal", ("pump", "device"), "missing"),
    "status = stopped": Condition("internal", ("status",), "in", ("stopped",)),
    "status in [active, on-hold]": Condition("internal", ("status",), "in", ("active", "on-hold")),
    "fhir:status = stopped": Condition("fhir", ("status",), "in", ("stopped",)),
    "encounter refers to EpisodeOfCare": Condition("internal", ("encounter",), "refers", ("EpisodeOfCare",)),
}


@pytest.mark.parametrize(("text", "steps"), INTERNAL.items())
def test_an_internal_path_is_parsed_and_written_as_it_was(text: str, steps: tuple[IStep, ...]):
    assert parse_internal(text) == steps
    assert show_internal(steps) == text


@pytest.mark.parametrize(("text", "steps"), FHIR.items())
def test_a_fhir_path_is_parsed_and_written_as_it_was(text: str, steps: tuple[FStep, ...]):
    assert parse_fhir(text) == steps
    assert show_fhir(steps) == text


@pytest.mark.parametrize(("text", "condition"), CONDITIONS.items())
def test_a_condition_is_parsed(text: str, condition: Condition):
    assert parse_condition(f" {text} ") == condition


@pytest.mark.parametrize("text", ["", "Steps", "steps[", "steps[0]", "steps[last]", "a..b", "a b", "a-b"])
def test_what_is_no_internal_path_is_refused(text: str):
    with pytest.raises(PathError, match=r"accepted: name, name\[\]"):
        parse_internal(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "a.", "a[0]", "a[x]", "a[b=c", "a[][]", "a[b=c][d=e]", "a[][b=c]", "a->", "a->1", "a b", "1a"],
)
def test_what_is_no_fhir_path_is_refused(text: str):
    with pytest.raises(PathError):
        parse_fhir(text)


@pytest.mark.parametrize(
    "text", ["", "status", "status ==", "status is x", "a exists and b exists", "status in x", "1x exists"]
)
def test_what_is_no_condition_is_refused(text: str):
    with pytest.raises(PathError, match="accepted: PATH exists"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("text", "scope", "holds"),
    [
        ("end exists", {"end": "2024"}, True),
        ("end exists", {}, False),
        ("end missing", {}, True),
        ("end missing", {"end": "2024"}, False),
        ("end exists", {"end": False}, True),
        ("pump.device exists", {"pump": {"device": {}}}, True),
        ("pump.device exists", {"pump": "x"}, False),
        ("pump.device missing", {}, True),
        ("status = stopped", {"status": "stopped"}, True),
        ("status = stopped", {"status": "active"}, False),
        ("status in [active, draft]", {"status": "draft"}, True),
        ("status in [active, draft]", {}, False),
        ("who refers to Patient", {"who": {"type": "Patient"}}, True),
        ("who refers to Patient", {"who": {"reference": "Patient/7"}}, True),
        ("who refers to Patient", {"who": {"reference": "https://example.org/fhir/Patient/7"}}, True),
        ("who refers to Patient", {"who": {"reference": "PatientX/7"}}, False),
        ("who refers to Patient", {"who": {"reference": "#p", "type": "Device"}}, False),
        ("who refers to Patient", {"who": "Patient/7"}, False),
        ("who refers to Patient", {}, False),
    ],
)
def test_a_condition_holds_of_what_stands_there(text: str, scope: Any, *, holds: bool):
    assert parse_condition(text).holds(scope) is holds


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("extension[url=https://example.org/x].valueCode", "https://example.org/x"),
        ("reason[concept exists][]", "concept exists"),
        ("device[extension.url=x,reference exists]", "extension.url=x,reference exists"),
        ("supportingInformation[->Observation][]", "->Observation"),
        ("note[]", ""),
    ],
)
def test_a_slice_is_named_in_residue_by_its_url_or_its_criteria(text: str, token: str):
    assert parse_fhir(text)[0].token == token
