"""The translator: which lens, what is asked before and after it, strict mode, findings, and one record as several resources."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import Settings
from fhir_infusion.errors import DocumentError, Refused, SettingsError
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences
from fhir_infusion.records import equality
from fhir_infusion.translator import FHIR_TYPE, Translator, load_library, open_translator
from tests.golden_write import GOLDEN, translator

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.config import Release

Json = dict[str, Any]

SETTINGS = Settings()


def golden(name: str) -> Json:
    return fhir_json.read((GOLDEN / f"{name}.json").read_bytes())


def with_settings(**changes: Any) -> Translator:
    """Return a translator of the library that is loaded already, with other settings."""
    return Translator(translator().library, replace(SETTINGS, **changes))


ORDER: Json = {
    "record": "InfusionOrder",
    "order_id": "1",
    "status": "active",
    "intent": "order",
    "drug": {"text": "vancomycin"},
    "patient": {"reference": "Patient/1"},
    "steps": [{"dosings": [{"dose": {"value": 1, "unit": "g"}}]}],
}

SEGMENTS: Json = {
    "record": "Administration",
    "administration_id": "a1",
    "status": "completed",
    "drug": {"text": "vancomycin"},
    "patient": {"reference": "Patient/1"},
    "when": {"start": "2024-01-01T10:00:00Z", "end": "2024-01-01T12:00:00Z"},
    "segments": [
        {
            "segment_id": "s1",
            "start": "2024-01-01T10:00:00Z",
            "end": "2024-01-01T11:00:00Z",
            "dose": {"value": 1, "unit": "g"},
            "rate": {"value": 100, "unit": "mL/h"},
        },
        {
            "segment_id": "s2",
            "start": "2024-01-01T11:00:00Z",
            "end": "2024-01-01T12:00:00Z",
            "dose": {"value": 2, "unit": "g"},
            "rate": {"value": 200, "unit": "mL/h"},
        },
    ],
}


# --- which lens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "path", "accepted"),
    [
        (lambda: translator().to_fhir(ORDER, "R3"), "release", "R4, R4B, R5"),
        (
            lambda: translator().to_fhir(ORDER, "R4", "our-site"),
            "overlay",
            "cerner, example-site, hl7-categories, hl7-v2-v3-codes, isik, jp-core, mii, uk-core",
        ),
        (
            lambda: with_settings(overlay="our-site").to_fhir(ORDER, "R4"),
            "overlay",
            "cerner, example-site, hl7-categories, hl7-v2-v3-codes, isik, jp-core, mii, uk-core",
        ),
        (
            lambda: translator().to_internal({"resourceType": "Patient"}, "R4"),
            "resourceType",
            "MedicationAdministration, MedicationRequest",
        ),
        (lambda: translator().to_internal({}, "R4"), "resourceType", "MedicationAdministration, MedicationRequest"),
        (lambda: translator().to_fhir({**ORDER, "record": "Order"}, "R4"), "record", "InfusionOrder, Administration"),
        (lambda: translator().to_fhir({}, "R4"), "record", "InfusionOrder, Administration"),
        (lambda: translator().to_fhir([ORDER], "R4"), "record", "InfusionOrder, Administration"),  # type: ignore[arg-type]  # what a client may post
        (lambda: translator().to_fhir({"record": ["InfusionOrder"]}, "R4"), "record", "InfusionOrder, Administration"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(work: Callable[[], Any], path: str, accepted: str):
    with pytest.raises(Refused) as refused:
        work()
    (issue,) = refused.value.issues
    assert (issue.path, issue.accepted) == (path, accepted)


def test_what_may_be_asked_for_is_named():
    shipped = (path.stem for path in (Path(__file__).parents[1] / "mappings" / "overlays").glob("*.yaml"))
    assert translator().overlays == tuple(sorted(shipped))
    assert translator().types == set(FHIR_TYPE.values())
    assert translator().lens("R4B", "MedicationRequest") is translator().lens("R4", "MedicationRequest")


def test_r4b_is_read_and_written_as_r4_is():
    r4, r4b = translator().to_fhir(ORDER, "R4"), translator().to_fhir(ORDER, "R4B")
    assert r4.results == r4b.results
    read = translator().to_internal(r4b.results[0], "R4B").results[0]
    assert equality.same(read, translator().to_internal(r4.results[0], "R4").results[0])


def test_the_overlay_of_the_settings_is_used_unless_another_is_asked_for():
    record = {**ORDER, "care_setting": "home"}
    (plain,) = translator().to_fhir(record, "R4").results
    (changed,) = with_settings(overlay="example-site").to_fhir(record, "R4").results
    assert "category" not in plain
    assert changed["category"][0]["coding"][0]["code"] == "HH"
    assert translator().to_fhir(record, "R4", "example-site").results == [changed]


# --- before and after the lens ----------------------------------------------------------------------------------------


def test_a_resource_that_is_not_valid_is_refused_before_it_is_read():
    (resource,) = translator().to_fhir(ORDER, "R4").results
    with pytest.raises(Refused) as refused:
        translator().to_internal({**resource, "status": "running"}, "R4")
    assert (refused.value.status, refused.value.issues[0].path) == (400, "MedicationRequest.status")


def test_a_record_that_is_not_right_is_refused_before_it_is_written():
    with pytest.raises(Refused) as refused:
        translator().to_fhir({**ORDER, "speed": 5, "steps": [{"sequence": "first"}]}, "R4")
    assert {issue.path for issue in refused.value.issues} == {"speed", "steps[0].sequence"}


def test_a_field_that_the_release_has_no_place_for_is_refused_by_name():
    with pytest.raises(Refused) as refused:
        translator().to_fhir({**ORDER, "status": "ended"}, "R4")
    assert [issue.path for issue in refused.value.issues] == ["status"]
    assert translator().to_fhir({**ORDER, "status": "ended"}, "R5").results[0]["status"] == "ended"


def test_what_was_read_from_fhir_may_hold_what_our_own_json_may_not():
    """A unit that is no UCUM code is refused in our JSON and carried exactly where it was sent."""
    (resource,) = translator().to_fhir(ORDER, "R4").results
    resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["code"] = "tbl"
    record = translator().to_internal(resource, "R4").results[0]
    assert translator().to_fhir(record, "R4", as_sent=True).results == [resource]
    bare = {name: value for name, value in record.items() if name != "residue"}
    with pytest.raises(Refused):
        translator().to_fhir(bare, "R4", as_sent=False)


@pytest.mark.parametrize(
    "leftover", [{}, {"text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}}]
)
def test_a_record_says_itself_that_it_was_read_from_fhir_whether_anything_was_left_over_or_not(leftover: Json):
    (resource,) = translator().to_fhir(ORDER, "R4").results
    resource |= leftover
    resource["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["code"] = "tbl"
    (record,) = translator().to_internal(resource, "R4").results
    assert {"release": "R4", "path": "$as-sent", "value": True} in record["residue"]
    assert translator().to_fhir(record, "R4").results == [resource]


def test_what_our_own_json_may_say_too_carries_no_such_mark():
    (resource,) = translator().to_fhir(ORDER, "R4").results
    (record,) = translator().to_internal(resource, "R4").results
    assert "residue" not in record


def test_residue_alone_does_not_switch_off_the_rules_of_our_own_json():
    residue = [{"release": "R4", "path": "language", "value": "en"}]
    with pytest.raises(Refused) as refused:
        translator().to_fhir(
            {**ORDER, "steps": [{"dosings": [{"dose": {"value": 1, "unit": "tbl"}}]}], "residue": residue}, "R4"
        )
    assert [issue.path for issue in refused.value.issues] == ["steps[0].dosings[0].dose.unit"]


def test_there_is_a_ledger_of_each_resource_and_one_list_of_lines():
    translated = translator().to_fhir({**SEGMENTS, "representation": "split"}, "R4")
    assert len(translated.ledgers) == len(translated.results) == 3
    assert len(translated.lines) == sum(len(ledger.lines()) for ledger in translated.ledgers)
    assert translated.exceptions == []


# --- strict mode ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [{}, {"use": "usual"}, {"value": "another"}])
def test_an_identifier_without_its_value_takes_no_place_of_the_one_that_names_the_order(first: Json):
    resource = golden("01-paclitaxel-weekly/order.r4")
    (own,) = resource["identifier"]
    sent = {**resource, "identifier": [{"system": own["system"], **first}, own]}
    record = translator().to_internal(sent, "R4").results[0]
    assert record["order_id"] == first.get("value", own["value"])
    (back,) = translator().to_fhir(record, "R4", as_sent=True).results
    assert list(differences(sent, back)) == []


@pytest.fixture
def with_leftovers() -> Json:
    """A record read from R4 that holds what R5 has no place for."""
    (resource,) = translator().to_fhir(ORDER, "R4").results
    resource["meta"] = {"source": "https://example.org/elsewhere"}
    record: Json = translator().to_internal(resource, "R4").results[0]
    return record


def test_what_would_be_dropped_is_told_and_in_strict_mode_refused(with_leftovers: Json):
    translated = translator().to_fhir(with_leftovers, "R5")
    assert [(line.path, line.state) for line in translated.exceptions] == [("meta", "dropped")]
    with pytest.raises(Refused) as refused:
        translator().to_fhir(with_leftovers, "R5", strict=True)
    (issue,) = refused.value.issues
    assert (issue.path, issue.rule, issue.status) == ("meta", "strict", 422)
    assert issue.reason == "would be dropped: residue of R4 has no place in R5"


def test_what_is_carried_passes_strict_mode(with_leftovers: Json):
    (resource,) = translator().to_fhir(with_leftovers, "R4", strict=True).results
    assert resource["meta"] == {"source": "https://example.org/elsewhere"}
    assert translator().to_internal(resource, "R4", strict=True).results == [with_leftovers]


# --- findings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def doubtful() -> Json:
    """An order of a subcutaneous drug as an infusion."""
    record = golden("18-adalimumab-crohns-disease/order")
    assert translator().to_fhir(record, "R4").findings
    return record


def test_findings_are_reported_and_refuse_nothing(doubtful: Json):
    translated = translator().to_fhir(doubtful, "R4")
    assert {finding.severity for finding in translated.findings} == {"warning"}
    assert len(translated.results) == 1


@pytest.mark.parametrize("how", ["strict", "the setting"])
def test_findings_are_refused_in_strict_mode_or_where_the_setting_says_so(doubtful: Json, how: str):
    told = translator().to_fhir(doubtful, "R4").findings
    asked = translator() if how == "strict" else with_settings(findings="refuse")
    with pytest.raises(Refused) as refused:
        asked.to_fhir(doubtful, "R4", strict=how == "strict")
    assert [issue.reason for issue in refused.value.issues] == [finding.reason for finding in told]
    assert {(issue.severity, issue.status) for issue in refused.value.issues} == {("error", 422)}


def test_the_setting_refuses_findings_of_what_is_read_too(doubtful: Json):
    (resource,) = translator().to_fhir(doubtful, "R4").results
    assert translator().to_internal(resource, "R4").findings
    with pytest.raises(Refused):
        with_settings(findings="refuse").to_internal(resource, "R4")


# --- one administration, several resources ----------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_a_split_administration_is_a_parent_and_a_child_for_each_segment(release: Release):
    parent, *children = translator().to_fhir({**SEGMENTS, "representation": "split"}, release).results
    assert "dosage" not in parent
    assert [child["identifier"][0]["value"] for child in children] == ["a1#s1", "a1#s2"]
    assert [child["dosage"]["dose"]["value"] for child in children] == [1, 2]
    assert all(child["partOf"][0]["identifier"]["value"] == "a1" for child in children)


def test_a_single_administration_is_one_resource_and_none_is_averaged():
    (resource,) = translator().to_fhir({**SEGMENTS, "representation": "single"}, "R4").results
    assert "rateQuantity" not in resource.get("dosage", {})


def test_an_overlay_says_how_several_segments_go_out_where_the_record_does_not():
    assert len(translator().to_fhir(SEGMENTS, "R4").results) == 1
    assert len(translator().to_fhir(SEGMENTS, "R4", "example-site").results) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"representation": "single"},
        {"segments": SEGMENTS["segments"][:1]},
        {"residue": [{"release": "R4", "path": "meta", "value": {"source": "urn:r"}}]},
    ],
    ids=["the record says single", "one segment", "the record was read from FHIR"],
)
def test_the_default_of_an_overlay_is_for_our_own_json_that_does_not_say(change: Json):
    assert len(translator().to_fhir({**deepcopy(SEGMENTS), **change}, "R4", "example-site").results) == 1


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_translator_is_opened_from_the_settings():
    opened = open_translator(SETTINGS, overlays=())
    assert opened.library.digest == translator().library.digest
    assert opened.to_fhir(ORDER, "R4").results == translator().to_fhir(ORDER, "R4").results


def test_documents_that_do_not_hold_open_nothing():
    with pytest.raises(DocumentError, match=r"r4/order\.yaml:1: "):
        load_library(SETTINGS, lambda: {"r4/order.yaml": "pears: {}"})


@pytest.mark.parametrize("files", [{}, {"codes/c.yaml": "codes: c\nmap: {a: b}\n"}, {"order.txt": "mapping: m\n"}])
def test_a_directory_without_mapping_documents_is_refused_with_what_is_expected_there(
    tmp_path: Path, files: dict[str, str]
):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        open_translator(replace(SETTINGS, mappings=tmp_path))
    assert str(refused.value) == (
        f"mappings: no document with `pairs` is in {tmp_path}; "
        "accepted: a directory like the shipped one, with files such as r4/infusion-order.yaml"
    )


def test_no_message_of_a_refusal_holds_what_was_sent():
    secret = "Zebra-4711"  # a name that no message of ours holds
    record = {**ORDER, "status": secret, "patient": {"name": {secret: 1}}, "order_id": {"a": secret}, secret.lower(): 1}
    with pytest.raises(Refused) as refused:
        translator().to_fhir(record, "R4")
    told = json.dumps([(issue.reason, issue.accepted) for issue in refused.value.issues])
    assert secret not in told


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_an_edited_frequency_leaves_no_old_words_in_the_code_of_the_timing_and_a_finding_names_the_code(
    release: Release,
):
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "code": "Q6H"}
    timing = {
        "code": {"coding": [{**coding, "display": "every 6 hours"}], "text": "every 6 hours"},
        "repeat": {"frequency": 1, "period": 6, "periodUnit": "h"},
    }
    resource = {**translator().to_fhir(ORDER, release).results[0]}
    resource["dosageInstruction"] = [{**resource["dosageInstruction"][0], "timing": timing}]
    read = translator().to_internal(resource, release)
    assert [issue for issue in read.findings if issue.rule == "timing-code"] == []
    record = deepcopy(read.results[0])
    assert translator().to_fhir(record, release).results == [resource], "untouched, it comes back"
    record["steps"][0]["timing"]["period"] = 8
    written = translator().to_fhir(record, release)
    assert written.results[0]["dosageInstruction"][0]["timing"] == {
        "code": {"coding": [coding]},
        "repeat": {"frequency": 1, "period": 8, "periodUnit": "h"},
    }
    assert [(line.path, line.state) for line in written.exceptions if "timing" in line.path] == [
        ("steps[0].timing.code.codings[0].display", "dropped"),
        ("steps[0].timing.code.text", "dropped"),
    ]
    assert [(issue.path, issue.reason) for issue in written.findings if issue.rule == "timing-code"] == [
        ("steps[0].timing.code.codings[0]", "the code Q6H says every 6 h; the timing says 1 time in 8 h")
    ]


ALONE: Json = {
    **{name: value for name, value in SEGMENTS.items() if name != "dose_given"},
    "segments": [{"segment_id": "s1", "rate": {"value": 5, "unit": "mg/h"}, "dose": {"value": 5, "unit": "mg"}}],
}


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
@pytest.mark.parametrize("said", [{}, {"representation": "single"}])
def test_the_dose_of_an_only_segment_stands_in_the_core_dosage(release: Release, said: Json):
    done = translator().to_fhir({**ALONE, **said}, release)
    (resource,) = done.results
    dose = {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}
    assert resource["dosage"]["dose"] == dose
    assert done.findings == ()
    (read,) = translator().to_internal(resource, release).results
    assert read["dose_given"] == {"value": 5, "unit": "mg"}
    assert translator().to_fhir(read, release).results == [resource]


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_a_resource_that_came_without_a_core_dose_goes_back_without_and_that_is_told(release: Release):
    (resource,) = translator().to_fhir(ALONE, release).results
    del resource["dosage"]["dose"]
    done = translator().to_internal(resource, release)
    assert [(issue.path, issue.rule) for issue in done.findings] == [("dose_given", "dose-total-missing")]
    assert translator().to_fhir(done.results[0], release).results == [resource]


@pytest.mark.parametrize("total", [{}, {"dose_given": {"value": 15, "unit": "mg"}}])
def test_a_single_administration_with_several_rates_and_a_pause_writes_no_rate_and_only_the_stated_dose(total: Json):
    segments = [
        {"rate": {"value": 5, "unit": "mg/h"}, "dose": {"value": 5, "unit": "mg"}},
        {"event": "paused", "rate": {"value": 0, "unit": "mg/h"}, "dose": {"value": 0, "unit": "mg"}},
        {"event": "resumed", "rate": {"value": 10, "unit": "mg/h"}, "dose": {"value": 10, "unit": "mg"}},
    ]
    record = {**ALONE, "representation": "single", "segments": segments, **total}
    done = translator().to_fhir(record, "R4")
    dose = {"value": 15, "system": "http://unitsofmeasure.org", "code": "mg"}
    assert [resource.get("dosage") for resource in done.results] == [{"dose": dose} if total else None]
    missing = "the segments make 15 mg; no total is stated, so that who adds up the doses of administrations counts none of it"
    assert [issue.reason for issue in done.findings] == ([] if total else [missing])
