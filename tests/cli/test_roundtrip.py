"""``roundtrip`` and ``validate``: one line a resource, and the exit code."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import differences
from fhir_infusion.fhir.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fhir_infusion.config import Release
    from fhir_infusion.errors import Issue
    from fhir_infusion.translator import Translator
    from tests.cli.conftest import Run

Texts = dict[str, str]


def test_a_resource_that_comes_back_equal_is_same(cli: Run, examples: Texts, tmp_path: Path):
    file = tmp_path / "order.json"
    file.write_text(examples["resource"])
    ran = cli("roundtrip", file)
    assert (ran.code, ran.out) == (0, f"same {file}\n")
    assert "1 same, 0 changed, 0 refused, 0 skipped, 0 failed" in ran.err


def test_each_state_has_its_line_and_only_changed_fails(cli: Run, examples: Texts, tmp_path: Path):
    refused = tmp_path / "refused.json"
    refused.write_text(examples["resource"].replace('"active"', '"CANARY"'))
    skipped = tmp_path / "skipped.json"
    skipped.write_text('{"resourceType": "Patient"}')
    ran = cli("roundtrip", refused, skipped)
    assert ran.code == 0
    assert ran.lines[0].startswith(f"refused {refused}: MedicationRequest.status: ")
    assert ran.lines[1] == f"skipped {skipped}: no mapping for Patient"
    assert "CANARY" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda back: back["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"].update(value=401), "doseQuantity"),
        (lambda back: back["dosageInstruction"][0].pop("text"), "dosageInstruction[0].text"),
        (lambda back: back.update(status="draft"), "MedicationRequest.status"),
    ],
)
def test_a_planted_change_is_found_and_named(
    cli: Run,
    examples: Texts,
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], object],
    place: str,
):
    original = translator.to_fhir

    def faulty(*arguments: object, **options: object):
        done = original(*arguments, **options)  # type: ignore[arg-type]  # passed through
        change(done.results[0])
        return done

    monkeypatch.setattr(translator, "to_fhir", faulty)
    ran = cli("roundtrip", stdin=examples["resource"])
    assert ran.code == 1
    assert ran.out.startswith("changed stdin: ")
    assert place in ran.out


def test_a_fault_of_ours_is_the_line_of_its_resource_and_the_run_goes_on(
    cli: Run, examples: Texts, translator: Translator, monkeypatch: pytest.MonkeyPatch
):
    original = translator.to_internal

    def failing(one: dict[str, Any], *arguments: Any, **options: Any) -> object:
        if one.get("id") == "fault":
            raise KeyError("Jane Q. Patient")
        return original(one, *arguments, **options)

    monkeypatch.setattr(translator, "to_internal", failing)
    good = json.loads(examples["resource"])
    ran = cli("roundtrip", stdin="\n".join(json.dumps(one) for one in (good, {**good, "id": "fault"}, good)))
    first, fault, last = ran.lines
    assert (first, last) == ("same stdin:1", "same stdin:3")
    assert re.fullmatch(
        r"failed stdin:2: a fault of ours: KeyError at test_roundtrip\.py:\d+; please report it with the command", fault
    )
    assert (ran.code, ran.err) == (1, "fhir-infusion: 2 same, 0 changed, 0 refused, 0 skipped, 1 failed\n")


def test_a_fault_of_ours_is_the_outcome_of_its_line_when_validating(
    cli: Run, examples: Texts, monkeypatch: pytest.MonkeyPatch
):
    def failing(one: dict[str, Any], release: Release) -> tuple[Issue, ...]:
        if one.get("id") == "fault":
            raise KeyError("Jane Q. Patient")
        return validate(one, release)

    monkeypatch.setattr("fhir_infusion.cli.validate.validate", failing)
    good = json.loads(examples["resource"])
    given = "\n".join(json.dumps(one) for one in (good, {**good, "id": "fault"}, good))
    ran = cli("validate", "--json", stdin=given)
    assert ran.code == 1
    assert [[issue["code"] for issue in made["issue"]] for made in ran.json] == [
        ["informational"],
        ["exception"],
        ["informational"],
    ]
    as_text = cli("validate", stdin=given)
    assert (as_text.code, as_text.lines[2]) == (1, "stdin:3: information no errors found")
    assert as_text.lines[1].startswith("stdin:2: fatal a fault of ours: KeyError at test_roundtrip.py:")
    assert "Jane" not in ran.out + ran.err + as_text.out + as_text.err


def test_the_entries_of_a_bundle_are_taken_one_by_one(cli: Run, examples: Texts):
    entries = [{"resource": {"resourceType": "Patient"}}, {"resource": json.loads(examples["resource"])}]
    inner = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [*entries, {"resource": inner}]}
    ran = cli("roundtrip", stdin=json.dumps(bundle))
    assert ran.lines == [
        "skipped stdin#entry[0]: no mapping for Patient",
        "same stdin#entry[1]",
        "skipped stdin#entry[2].entry[0]: no mapping for Patient",
        "same stdin#entry[2].entry[1]",
    ]


def test_what_is_not_json_is_refused_with_its_reason(cli: Run):
    ran = cli("roundtrip", stdin="{")
    assert ran.code == 0
    assert ran.out.startswith("refused stdin: the whole: not JSON")


@pytest.mark.parametrize(
    ("left", "right", "places"),
    [
        ('{"a":1.50}', '{"a":1.5}', ["a"]),
        ('{"a":1}', '{"a":1.0}', ["a"]),
        ('{"a":true}', '{"a":1}', ["a"]),
        ('{"a":1e2}', '{"a":100}', ["a"]),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', []),
        ('{"a":[1,2]}', '{"a":[2,1]}', ["a[0]", "a[1]"]),
        ('{"a":[{"x":1}]}', '{"a":[{"x":1},{"x":1}]}', ["a[1]"]),
        ('{"a":{"b":1}}', '{"a":{"c":1}}', ["a.b", "a.c"]),
        ('{"a":{"b":1}}', '{"a":[1]}', ["a"]),
        ('{"a":"1"}', '{"a":1}', ["a"]),
    ],
)
def test_comparison_is_exact_but_for_the_order_in_objects(left: str, right: str, places: list[str]):
    assert list(differences(fhir_json.read(left), fhir_json.read(right))) == places


def test_validate_tells_errors_as_text_and_exits_with_one(cli: Run, examples: Texts):
    ran = cli("validate", stdin=examples["resource"].replace('"active"', '"CANARY"'))
    assert ran.code == 1
    assert ran.out.startswith("stdin: error")
    assert "MedicationRequest.status" in ran.out
    assert "CANARY" not in ran.out


def test_validate_as_json_gives_an_outcome_a_line(cli: Run, examples: Texts):
    lines = " ".join(examples["resource"].split()) + "\n" + '{"resourceType":"MedicationRequest"}'
    ran = cli("validate", "--json", stdin=lines)
    assert ran.code == 1
    good, bad = ran.json
    assert good["issue"][0]["severity"] == "information"
    assert {issue["severity"] for issue in bad["issue"]} == {"error"}


def test_a_right_resource_validates(cli: Run, examples: Texts):
    ran = cli("validate", stdin=examples["resource"])
    assert (ran.code, ran.out) == (0, "stdin: information no errors found\n")
