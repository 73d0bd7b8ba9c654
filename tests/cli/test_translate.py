"""``translate``: one document, many lines, Bundles; and what is refused stands in its place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from fhir_infusion.cli.reports import SCHEMAS
from tests.exact_json import dumps, loads

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.translator import Translator
    from tests.cli.conftest import Run

Texts = dict[str, str]


def without_residue(record: Any) -> Any:
    return {name: value for name, value in record.items() if name != "residue"}


def test_a_record_becomes_one_resource_on_one_line_with_every_digit(cli: Run, examples: Texts):
    ran = cli("translate", "--to", "fhir", stdin=examples["dobutamine"])
    assert (ran.code, ran.err) == (0, "")
    (resource,) = ran.json
    assert resource["resourceType"] == "MedicationRequest"
    assert '"value":2.50' in ran.out
    assert '"value":72.50' in ran.out


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
@pytest.mark.parametrize("name", ["infliximab", "dobutamine"])
def test_there_and_back_gives_the_record_again(cli: Run, examples: Texts, name: str, release: str):
    out = cli("translate", "--to", "fhir", "--release", release, stdin=examples[name]).out
    back = cli("translate", "--to", "internal", "--release", release, stdin=out)
    assert back.code == 0
    assert without_residue(loads(back.out)) == loads(examples[name])


def test_a_split_administration_becomes_one_bundle_the_parent_first_and_comes_back_as_one(cli: Run, examples: Texts):
    out = cli("translate", "--to", "fhir", stdin=examples["administration"]).out
    bundle = json.loads(out)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert ["partOf" in entry["resource"] for entry in bundle["entry"]] == [False, True, True]
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", entry["fullUrl"]) for entry in bundle["entry"])
    back = cli("translate", "--to", "internal", stdin=out)
    assert len(back.lines) == 1
    assert without_residue(loads(back.out)) == loads(examples["administration"])


def test_the_same_record_gives_the_same_bundle_addresses_each_time(cli: Run, examples: Texts):
    first, second = (cli("translate", "--to", "fhir", stdin=examples["administration"]).out for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["infliximab", "dobutamine", "administration"])
def test_a_transaction_bundle_holds_preparation_and_weight_as_entries_and_is_read_back(
    cli: Run, examples: Texts, name: str
):
    out = cli("translate", "--to", "fhir", "--bundle", stdin=examples[name]).out
    bundle = json.loads(out)
    assert bundle["type"] == "transaction"
    assert all("contained" not in entry["resource"] for entry in bundle["entry"])
    assert '"reference":"#' not in out
    last = bundle["entry"][-1]
    assert last["request"]["ifNoneExist"].startswith("identifier=https://example.org/fhir-infusion/")
    back = cli("translate", "--to", "internal", stdin=out)
    assert (back.code, back.err) == (0, "")
    assert without_residue(loads(back.out)) == loads(examples[name])


def test_the_number_of_an_order_cannot_change_the_condition_of_its_entry(cli: Run, examples: Texts):
    order: Any = loads(examples["dobutamine"])
    record = {**order, "order_id": "A&status=active#1"}
    (last,) = json.loads(cli("translate", "--to", "fhir", "--bundle", stdin=dumps(record)).out)["entry"][-1:]
    assert last["request"]["ifNoneExist"].endswith("|A%26status%3Dactive%231")


def test_what_has_no_mapping_in_a_bundle_is_told_never_passed_over_in_silence(cli: Run, examples: Texts):
    out = cli("translate", "--to", "fhir", stdin=examples["dobutamine"]).out
    patient = {"resource": {"resourceType": "Patient", "id": "p"}}
    bundle = dumps({"resourceType": "Bundle", "type": "collection", "entry": [patient, {"resource": loads(out)}]})
    ran = cli("translate", "--to", "internal", stdin=bundle)
    assert ran.code == 0
    assert len(ran.lines) == 1
    assert "entry[0]: no mapping for Patient; not translated" in ran.err


def test_bundles_in_bundles_are_read(cli: Run, examples: Texts):
    out = cli("translate", "--to", "fhir", stdin=examples["dobutamine"]).out
    inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": loads(out)}]}
    outer = dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}, {"resource": inner}]})
    ran = cli("translate", "--to", "internal", stdin=outer)
    assert ran.code == 0
    assert [record["order_id"] for record in ran.json] == ["DEMO-2", "DEMO-2"]


def test_ndjson_gives_one_line_a_line_in_order_and_a_refused_one_its_outcome(cli: Run, one_line: Texts):
    lines = [
        one_line["infliximab"],
        "{not json}",
        one_line["dobutamine"].replace('"active"', '"bogus"'),
        "",
        one_line["administration"],
        one_line["dobutamine"],
    ]
    ran = cli("translate", "--to", "fhir", stdin="\n".join(lines) + "\n\n")
    assert ran.code == 1
    assert [made["resourceType"] for made in ran.json] == [
        "MedicationRequest",
        "OperationOutcome",
        "OperationOutcome",
        "OperationOutcome",
        "Bundle",
        "MedicationRequest",
    ]
    assert ran.json[1]["issue"][0]["code"] == "structure"
    assert "stdin:2: refused" in ran.err


@pytest.mark.parametrize("to", ["fhir", "internal"])
def test_a_fault_of_ours_is_the_outcome_of_its_line_and_the_run_goes_on(
    cli: Run, one_line: Texts, translator: Translator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, to: str
):
    given = one_line["dobutamine" if to == "fhir" else "resource"]
    translate = getattr(translator, f"to_{to}")

    def failing(one: dict[str, Any], *arguments: object, **options: object) -> object:
        if one.get("fault"):
            raise RecursionError("Jane Q. Patient")
        return translate(one, *arguments, **options)

    monkeypatch.setattr(translator, f"to_{to}", failing)
    report = tmp_path / "report.ndjson"
    lines = [given, given.replace("{", '{"fault": true,', 1), given]
    ran = cli("translate", "--to", to, "--report", report, stdin="\n".join(lines))
    first, fault, last = ran.json
    assert first == last
    ((issue,), kind) = (fault.pop("issue"), fault)
    assert kind == {"resourceType": "OperationOutcome"}
    assert re.fullmatch(
        r"a fault of ours: RecursionError at test_translate\.py:\d+; please report it with the command",
        issue.pop("diagnostics"),
    )
    assert issue == {"severity": "fatal", "code": "exception"}
    assert ran.code == 1
    assert "stdin:2: refused: a fault of ours" in ran.err
    assert "Jane" not in ran.out + ran.err
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(line["input"], line["status"]) for line in told] == [
        ("stdin:1", "done"),
        ("stdin:2", "refused"),
        ("stdin:3", "done"),
    ]


def test_a_fault_at_one_entry_of_a_bundle_leaves_the_others(
    cli: Run, examples: Texts, translator: Translator, monkeypatch: pytest.MonkeyPatch
):
    translate = translator.to_internal

    def failing(one: dict[str, Any], *arguments: Any, **options: Any) -> object:
        if one.get("id") == "fault":
            raise KeyError("Jane Q. Patient")
        return translate(one, *arguments, **options)

    monkeypatch.setattr(translator, "to_internal", failing)
    resource = json.loads(examples["resource"])
    entries = [{"resource": {**resource, "id": "fault"}}, {"resource": resource}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    ran = cli("translate", "--to", "internal", stdin=json.dumps(bundle))
    assert ran.code == 1
    assert [made.get("record") or made["issue"][0]["code"] for made in ran.json] == ["exception", "InfusionOrder"]
    assert "Jane" not in ran.out + ran.err


def test_children_in_ndjson_are_never_joined(cli: Run, examples: Texts):
    bundle = json.loads(cli("translate", "--to", "fhir", stdin=examples["administration"]).out)
    lines = "\n".join(json.dumps(entry["resource"]) for entry in bundle["entry"])
    ran = cli("translate", "--to", "internal", stdin=lines)
    assert ran.code == 0
    assert ["part_of" in record for record in ran.json] == [False, True, True]


def test_a_bundle_as_a_line_is_refused_for_a_line_gives_one_line(cli: Run, one_line: Texts, examples: Texts):
    bundle = cli("translate", "--to", "fhir", stdin=examples["administration"]).out
    resource = cli("translate", "--to", "fhir", stdin=examples["dobutamine"]).out
    ran = cli("translate", "--to", "internal", stdin=resource + bundle)
    assert ran.code == 1
    assert [made.get("record") or made["resourceType"] for made in ran.json] == ["InfusionOrder", "OperationOutcome"]
    assert one_line


def test_several_files_give_their_results_in_order(cli: Run, examples: Texts, tmp_path: Path):
    files = []
    for name in ("dobutamine", "infliximab"):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(examples[name])
    ran = cli("translate", "--to", "fhir", *files)
    assert [made["identifier"][0]["value"] for made in ran.json] == ["DEMO-2", "DEMO-1"]


def test_a_refused_document_prints_its_outcome_and_exits_with_one(cli: Run, examples: Texts):
    ran = cli("translate", "--to", "fhir", stdin=examples["dobutamine"].replace('"active"', '"CANARY"'))
    (outcome,) = ran.json
    assert ran.code == 1
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["expression"] == ["status"]
    assert "status" in ran.err
    assert "CANARY" not in ran.out + ran.err


BAD = {
    "not JSON": "nothing",
    "empty": "",
    "an array": "[1]",
    "a number": "5",
    "a doubled property": '{"record":"InfusionOrder","status":"active","status":"draft"}',
    "NaN": '{"record":"InfusionOrder","x":NaN}',
    "33 levels": '{"a":' * 33 + "1" + "}" * 33,
    "no record member": '{"status":"active"}',
    "another record": '{"record":"Patient"}',
    "a byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_outcome_and_no_traceback(cli: Run, given: str):
    ran = cli("translate", "--to", "fhir", stdin=given)
    assert ran.code == 1
    (outcome,) = ran.json
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["severity"] in {"error", "fatal"} for issue in outcome["issue"])
    assert "Traceback" not in ran.err


def test_without_release_it_is_r4_and_an_r5_element_is_refused(cli: Run, examples: Texts):
    out = cli("translate", "--to", "fhir", "--release", "R5", stdin=examples["infliximab"]).out
    ran = cli("translate", "--to", "internal", stdin=out)
    assert ran.code == 1
    assert "R5" in ran.out


def test_strict_refuses_findings(cli: Run, examples: Texts):
    wrong = examples["infliximab"].replace('"value": 125,', '"value": 12.5,')
    assert cli("translate", "--to", "fhir", stdin=wrong).code == 0
    assert cli("translate", "--to", "fhir", "--strict", stdin=wrong).code == 1


def test_findings_are_told_on_standard_error(cli: Run, examples: Texts):
    wrong = examples["infliximab"].replace('"value": 125,', '"value": 12.5,')
    ran = cli("translate", "--to", "fhir", stdin=wrong)
    assert "warning" in ran.err
    assert len(ran.lines) == 1


def test_report_and_trace_follow_their_published_schemas(cli: Run, one_line: Texts, tmp_path: Path):
    lines = "\n".join([one_line["dobutamine"], "{}", one_line["infliximab"]])
    report, trace = tmp_path / "report.ndjson", tmp_path / "trace.ndjson"
    cli("translate", "--to", "fhir", "--report", report, "--trace", trace, stdin=lines)
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(line["input"], line["status"], line["results"]) for line in told] == [
        ("stdin:1", "done", 1),
        ("stdin:2", "refused", 0),
        ("stdin:3", "done", 1),
    ]
    for line in told:
        jsonschema.validate(line, SCHEMAS["report"])
    assert told[0]["summary"]["mapped"] == sum(line["state"] == "mapped" for line in told[0]["ledger"])
    traced = [json.loads(line) for line in trace.read_text().splitlines()]
    for line in traced:
        jsonschema.validate(line, SCHEMAS["trace"])
    assert {line["input"] for line in traced} == {"stdin:1", "stdin:3"}
    assert any(re.fullmatch(r"r4/infusion-order\.yaml:\d+", line.get("mark", "")) for line in traced)


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate"],
        ["translate", "--to", "xml"],
        ["translate", "--to", "fhir", "--release", "R3"],
        ["translate", "--to", "internal", "--bundle"],
        ["translate", "--to", "fhir", "/no/such/file"],
        ["no-such-command"],
        ["roundtrip", "--release", "STU3"],
    ],
)
def test_wrong_usage_exits_with_two(cli: Run, arguments: list[str]):
    ran = cli(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_an_unknown_overlay_is_refused_with_those_that_are_known(cli: Run, examples: Texts):
    ran = cli("translate", "--to", "fhir", "--overlay", "nowhere", stdin=examples["dobutamine"])
    assert ran.code == 1
    assert "example-site" in ran.out


def test_a_bundle_in_which_parent_and_child_both_carry_a_dose_is_told_at_the_child(cli: Run):
    def given(**more: Any) -> Any:
        return {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "medicationCodeableConcept": {"text": "morphine"},
            "subject": {"reference": "Patient/1"},
            "effectiveDateTime": "2024-01-01T10:00:00Z",
            "dosage": {"dose": {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}},
            **more,
        }

    for url, reference in (
        ("urn:uuid:5f1d6d9e-7f0b-4c3a-9a53-0d7c5a5d1d10", "urn:uuid:5f1d6d9e-7f0b-4c3a-9a53-0d7c5a5d1d10"),
        ("https://example.org/fhir/MedicationAdministration/p", "MedicationAdministration/p"),
    ):
        parent = {"fullUrl": url, "resource": given(id="p")}
        child = {"fullUrl": "urn:uuid:1", "resource": given(id="c", partOf=[{"reference": reference}])}
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [child, parent]}
        ran = cli("translate", "--to", "internal", stdin=dumps(bundle))
        assert ran.code == 0
        assert len(ran.lines) == 2
        assert ran.err.count("both carry a dose") == 1
        assert "entry[0].dose_given" in ran.err
