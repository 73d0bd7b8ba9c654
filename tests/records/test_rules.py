from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.records.check import check, refuse
from fhir_infusion.records.units import UCUM
from tests.records.samples import DOBUTAMINE, GIVEN, changed

D = Decimal
ISSUE_TYPES = {
    *("invalid", "structure", "required", "value", "invariant", "security", "processing", "not-supported", "duplicate"),
    *("multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension", "too-costly"),
    *("business-rule", "conflict", "incomplete", "informational"),
}
"""Of http://hl7.org/fhir/ValueSet/issue-type what a record may be refused with."""
MG = {"value": 5, "unit": "mg"}
RATE = {"value": 5, "unit": "mL/h"}
ORDER, DOSING, TIMING = DOBUTAMINE, "steps.0.dosings.0", "steps.0.timing"
SINGLE = {name: value for name, value in GIVEN.items() if name != "representation"}
LONE = {**SINGLE, "segments": [{"rate": {"value": 10, "unit": "mL/h"}}]}

# record, place that is changed, new value, place of the issue, rule or code, status
BROKEN: list[tuple[dict[str, Any], str, Any, str, str, int]] = [
    (ORDER, "status", ..., "status", "required", 400),
    (ORDER, "status", "bogus", "status", "code-invalid", 400),
    (ORDER, "patient", ..., "patient", "required", 400),
    (ORDER, "intent", None, "intent", "structure", 400),
    (ORDER, "nope", 1, "nope", "structure", 400),
    (ORDER, "order_id", 5, "order_id", "value", 400),
    (ORDER, "order_id", ["o"], "order_id", "structure", 400),
    (ORDER, "resource_id", "x" * 65, "resource_id", "value", 400),
    (ORDER, "steps", [], "steps", "structure", 400),
    (ORDER, "steps", {"text": "x"}, "steps", "structure", 400),
    (ORDER, "steps.0", {}, "steps[0]", "structure", 400),
    (ORDER, "steps.0", "x", "steps[0]", "structure", 400),
    (ORDER, "steps.0", {"step_id": "s1"}, "steps[0]", "ele-1", 400),
    (ORDER, f"{DOSING}.dosing_id", "s1", "steps[0].dosings[0].dosing_id", "unique-key", 400),
    (ORDER, f"{DOSING}.rate.value", "5", "steps[0].dosings[0].rate.value", "value", 400),
    (ORDER, f"{DOSING}.rate.value", 5.0, "steps[0].dosings[0].rate.value", "value", 400),
    (ORDER, f"{DOSING}.rate.comparator", "<", "steps[0].dosings[0].rate.comparator", "sqty-1", 400),
    (ORDER, f"{DOSING}.rate.unit_system", UCUM, "steps[0].dosings[0].rate.unit_system", "ucum-implied", 400),
    (ORDER, f"{DOSING}.rate_ratio", {"numerator": MG, "denominator": MG}, "steps[0].dosings[0].rate_ratio", "one-of", 400),
    (changed(ORDER, f"{DOSING}.dose", MG), f"{DOSING}.dose_range", {"low": MG}, "steps[0].dosings[0].dose_range", "one-of", 400),
    (changed(ORDER, DOSING, {"rate_range": {"high": RATE}}), f"{DOSING}.rate_as_stated", MG, "steps[0].dosings[0].rate_as_stated", "one-of", 400),
    (changed(ORDER, "steps.0.site_reference", {"display": "arm"}), "steps.0.body_structure", {"location": {"text": "arm"}, "patient": {"display": "x"}}, "steps[0].site_reference", "one-of", 400),
    (ORDER, f"{DOSING}.dose_range", {"low": {"value": 6, "unit": "mg"}, "high": MG}, "steps[0].dosings[0].dose_range", "rng-2", 400),
    (ORDER, f"{DOSING}.dose_range", {"low": {"value": 1, "unit": "g"}, "high": MG}, "steps[0].dosings[0].dose_range", "rng-2", 400),
    (ORDER, f"{DOSING}.dose_range", {"low": {**MG, "comparator": "<"}}, "steps[0].dosings[0].dose_range.low.comparator", "sqty-1", 400),
    (ORDER, f"{DOSING}.dose", {"value": -1, "unit": "mg"}, "steps[0].dosings[0].dose.value", "not-negative", 422),
    (ORDER, f"{DOSING}.dose", {"value": 1, "unit": "mcg"}, "steps[0].dosings[0].dose.unit", "ucum", 422),
    (ORDER, f"{DOSING}.dose", {"value": 1, "unit": "TAB"}, "steps[0].dosings[0].dose.unit", "ucum", 422),
    (ORDER, f"{DOSING}.dose", {**MG, "unit_text": "mcg"}, "steps[0].dosings[0].dose.unit_text", "unit-text", 422),
    *(
        (ORDER, f"{DOSING}.dose", {"value": 5, "unit": unit, "unit_text": text}, "steps[0].dosings[0].dose.unit_text", "unit-text", 422)
        for unit, text in (("mg", "mcg."), ("mg", "units"), ("mg", "g/dose"), ("[iU]", "million units"), ("m[iU]", "units"))
    ),
    (ORDER, f"{DOSING}.rate", {"value": 5, "unit": "mL/h", "unit_text": "ml/min."}, "steps[0].dosings[0].rate.unit_text", "unit-text", 422),
    (ORDER, f"{DOSING}.dose", {**MG, "unit_text": "m\u200bg"}, "steps[0].dosings[0].dose.unit_text", "hidden", 422),
    (ORDER, f"{DOSING}.rate", MG, "steps[0].dosings[0].rate.unit", "rate-per-time", 422),
    (ORDER, f"{DOSING}.rate", {"value": -5, "unit": "mL/h"}, "steps[0].dosings[0].rate.value", "not-negative", 422),
    (ORDER, DOSING, {"rate_as_stated": RATE}, "steps[0].dosings[0].rate_as_stated.unit", "rate-per-time", 422),
    (ORDER, DOSING, {"rate_range": {"high": MG}}, "steps[0].dosings[0].rate_range.high.unit", "rate-per-time", 422),
    (ORDER, "steps.0.max_rate", {"value": -1, "unit": "mL/h"}, "steps[0].max_rate.value", "not-negative", 422),
    (ORDER, "steps.0.titration.step", {"value": -1, "unit": "mg"}, "steps[0].titration.step.unit", "rate-per-time", 422),
    (ORDER, "steps.0.titration.interval", {"value": 10}, "steps[0].titration.interval.unit", "drt-1", 400),
    (ORDER, "steps.0.titration.interval", {"value": 10, "unit": "mg"}, "steps[0].titration.interval.unit", "drt-1", 400),
    (ORDER, "steps.0.titration.interval", {"unit_system": "urn:x"}, "steps[0].titration.interval.unit", "drt-1", 400),
    (ORDER, "steps.0.titration.interval", {"value": -1, "unit": "h"}, "steps[0].titration.interval.value", "not-negative", 422),
    (ORDER, "steps.0.max_per_period", [{"numerator": MG}], "steps[0].max_per_period[0]", "rat-1", 400),
    (ORDER, DOSING, {"rate_ratio": {"denominator": MG}}, "steps[0].dosings[0].rate_ratio", "rat-1", 400),
    (ORDER, DOSING, {"rate_ratio": {"numerator": MG, "denominator": {"value": 0, "unit": "h"}}}, "steps[0].dosings[0].rate_ratio.denominator.value", "per-zero", 422),
    (ORDER, DOSING, {"rate_ratio": {"numerator": {"value": -1}, "denominator": {"value": 1}}}, "steps[0].dosings[0].rate_ratio.numerator.value", "not-negative", 422),
    (ORDER, DOSING, {"rate_ratio": {"numerator": MG, "denominator": {"value": 1, "comparator": "<"}}}, "steps[0].dosings[0].rate_ratio.denominator.comparator", "sqty-1", 400),
    (ORDER, "measurements.0.value.value", -1, "measurements[0].value.value", "not-negative", 422),
    (ORDER, "measurements.0.kind", ..., "measurements[0].kind", "required", 400),
    (ORDER, "measurements.1", {"kind": "actual-weight"}, "measurements[1].measurement_id", "unique-key", 400),
    (ORDER, "measurements.0.measurement_id", "preparation", "measurements[0].measurement_id", "unique-key", 400),
    (ORDER, "do_not_perform", True, "do_not_perform", "do-not-perform", 422),
    (ORDER, "medication", {"reference": "Medication/1"}, "medication", "one-of", 400),
    (changed(ORDER, "preparation"), "drug", ..., "drug", "required", 400),
    (changed(ORDER, "preparation"), "medication", {"reference": "Medication/1"}, "medication", "one-of", 400),
    (changed(ORDER, "preparation", {"preparation_id": "p"}), "drug", ..., "drug", "required", 400),
    (ORDER, "drug.text", "dobut\u202eamine", "drug.text", "hidden", 422),
    (ORDER, "drug.codings.0.display", "\u200bx", "drug.codings[0].display", "hidden", 422),
    (ORDER, "preparation.ingredients.0.drug.text", "x\ufeff", "preparation.ingredients[0].drug.text", "hidden", 422),
    (ORDER, "preparation.ingredients.0.drug", ..., "preparation.ingredients[0].drug", "required", 400),
    (ORDER, "preparation.ingredients.0.reference", {"display": "x"}, "preparation.ingredients[0].reference", "one-of", 400),
    (ORDER, "preparation.ingredients.0.strength", {"numerator": MG, "denominator": {"value": 1, "unit": "mL"}}, "preparation.ingredients[0].amount", "one-of", 400),
    (ORDER, "patient", {"sex": "female"}, "patient", "required", 400),
    (ORDER, "patient.reference", "javascript:alert(1)", "patient.reference", "reference-scheme", 422),
    (ORDER, "prescriber", {"reference": "Practitioner/../x"}, "prescriber.reference", "reference-scheme", 422),
    (ORDER, "prescriber", {"reference": "data:text/html,x"}, "prescriber.reference", "reference-scheme", 422),
    (ORDER, "prescriber", {"reference": "file:///etc/passwd"}, "prescriber.reference", "reference-scheme", 422),
    (ORDER, "reasons", [{"text": "x"}, {"reference": {"reference": "Condition/1"}}], "reasons[1]", "reason", 400),
    (ORDER, "group", {"cycle": 0}, "group.cycle", "from-1", 400),
    (ORDER, "group", {"cycles": 0}, "group.cycles", "from-1", 400),
    (ORDER, "group", {"position": 0}, "group.position", "from-1", 400),
    (ORDER, "notes", [{"author_name": "x"}], "notes[0].text", "required", 400),
    (ORDER, "notes", [{"text": "x", "author_name": "x", "author": {"display": "x"}}], "notes[0].author_name", "one-of", 400),
    (ORDER, "substitution", {"reason": {"text": "x"}}, "substitution.allowed", "required", 400),
    (ORDER, "substitution", {"allowed": True, "allowed_kind": {"text": "x"}}, "substitution.allowed_kind", "one-of", 400),
    (ORDER, "steps.0.as_needed_for", [{"text": "pain"}], "", "", 0),
    (changed(ORDER, "steps.0.as_needed", value=False), "steps.0.as_needed_for", [{"text": "pain"}], "steps[0].as_needed_for", "dos-1", 400),
    (ORDER, f"{TIMING}.bounds_length", {"value": 1, "unit": "d"}, "steps[0].timing.bounds_length", "one-of", 400),
    (ORDER, f"{TIMING}.bounds_period.end", "2024-04-30T00:00:00Z", "steps[0].timing.bounds_period.end", "per-1", 400),
    (ORDER, f"{TIMING}.duration", {"value": 3}, "steps[0].timing.duration.unit", "tim-1", 400),
    (ORDER, f"{TIMING}.duration", {"value": -3, "unit": "h"}, "steps[0].timing.duration.value", "tim-4", 400),
    (ORDER, f"{TIMING}.duration", {"max": 3, "unit": "h"}, "steps[0].timing.duration.max", "tim-7", 400),
    (ORDER, f"{TIMING}.period", 8, "steps[0].timing.period_unit", "tim-2", 400),
    (changed(ORDER, f"{TIMING}.period_unit", "h"), f"{TIMING}.period", -8, "steps[0].timing.period", "tim-5", 400),
    (ORDER, f"{TIMING}.period_max", 8, "steps[0].timing.period_max", "tim-6", 400),
    (ORDER, f"{TIMING}.count_max", 8, "steps[0].timing.count_max", "tim-8", 400),
    (ORDER, f"{TIMING}.offset", 8, "steps[0].timing.offset", "tim-9", 400),
    (changed(ORDER, f"{TIMING}.when", ["C"]), f"{TIMING}.offset", 8, "steps[0].timing.offset", "tim-9", 400),
    (changed(ORDER, f"{TIMING}.when", ["AC"]), f"{TIMING}.times_of_day", ["08:00:00"], "steps[0].timing.when", "tim-10", 400),
    (ORDER, f"{TIMING}.when", ["HS", "XX"], "steps[0].timing.when[1]", "event-timing", 400),
    (GIVEN, "segments.0.rate_ratio", {"numerator": MG, "denominator": {"value": 1, "unit": "h"}}, "segments[0].rate_ratio", "one-of", 400),
    (GIVEN, "segments.0.end", "2024-05-01T09:00:00Z", "segments[0].end", "per-1", 400),
    (GIVEN, "segments.0.dose.value", 0, "segments[0].dose.value", "zero-dose", 422),
    (GIVEN, "segments.0.segment_id", ..., "segments[0].segment_id", "split-keys", 422),
    (GIVEN, "segments.1.start", ..., "segments[1].start", "split-keys", 422),
    (GIVEN, "administration_id", ..., "administration_id", "split-keys", 422),
    (GIVEN, "segments", ..., "segments", "split-keys", 422),
    (GIVEN, "dose_total", MG, "dose_total", "split-total", 422),
    (GIVEN, "segments.0.body_site", {"text": "hand"}, "segments[0].body_site", "split-site", 422),
    ({**GIVEN, "body_site": {"text": "hand"}}, "segments.1.body_site", {"text": "hand"}, "segments[1].body_site", "split-site", 422),
    (GIVEN, "text", "60 mg in all", "text", "mad-1", 422),
    (GIVEN, "when", ..., "when", "required", 400),
    (GIVEN, "when", {"at": "2024", "start": "2024"}, "when.start", "one-of", 400),
    (GIVEN, "when.end", "2024-04-29", "when.end", "per-1", 400),
    (GIVEN, "performers", [{"function": {"text": "nurse"}}], "performers[0].actor", "required", 400),
    (SINGLE, "dose_given", ..., "route", "mad-1", 422),
    (SINGLE, "dose_given.value", 0, "dose_given.value", "zero-dose", 422),
    (SINGLE, "dose_given.value", D("0.00"), "dose_given.value", "zero-dose", 422),
    (SINGLE, "medication", {"reference": "Medication/1"}, "medication", "one-of", 400),
]  # fmt: skip


@pytest.mark.parametrize(("record", "place", "value", "path", "rule", "status"), BROKEN)
def test_what_breaks_a_rule_is_refused_at_its_place(record, place, value, path, rule, status):
    broken = changed(record, place, value)
    if not rule:
        refuse(broken)
        assert check(broken)
        return
    with pytest.raises(Refused) as refused:
        refuse(broken)
    told = [(issue.path, issue.rule or issue.code, issue.status) for issue in refused.value.issues]
    assert (path, rule, status) in told
    assert not check(broken)
    assert all(issue.accepted and issue.severity == "error" for issue in refused.value.issues)
    assert all(issue.code in ISSUE_TYPES for issue in refused.value.issues)


GOOD: list[tuple[dict[str, Any], str, Any]] = [
    (ORDER, f"{DOSING}.rate.value", 0),
    (ORDER, "do_not_perform", False),
    (ORDER, f"{DOSING}.dose", {"value": 1, "unit_text": "vials"}),
    (ORDER, f"{DOSING}.dose", {"value": 1, "unit": "TAB", "unit_system": "urn:x"}),
    (ORDER, f"{DOSING}.dose", {"value": 1, "unit_system": UCUM, "unit_text": "mg"}),
    (ORDER, f"{DOSING}.dose", {**MG, "unit_text": "milligram"}),
    (ORDER, f"{DOSING}.dose", {**MG, "unit_text": "vials (50 mg)"}),
    (ORDER, f"{DOSING}.dose", {"value": 5, "unit": "[iU]", "unit_text": "Einheiten"}),
    (ORDER, DOSING, {"rate_as_stated": {"value": 20, "unit": "min"}}),
    (ORDER, DOSING, {"dose_range": {"low": MG, "high": MG}}),
    (ORDER, DOSING, {"dose_range": {"low": {**MG, "value": 5000, "unit": "ug"}, "high": MG}}),
    (ORDER, DOSING, {"rate": {"value": 5, "unit_text": "mL/hr"}}),
    (ORDER, DOSING, {"rate_ratio": {"numerator": {"value": 1000, "unit": "mL"}, "denominator": {"value": 8, "unit": "h"}}}),
    (ORDER, "steps.0.titration.step", {"value": -1, "unit": "mL/h"}),
    (ORDER, "steps.0.titration.interval", {"unit": "min"}),
    (ORDER, "measurements.0.value.comparator", ">="),
    (ORDER, "measurements.1", {"kind": "actual-weight", "measurement_id": "m2"}),
    (ORDER, "drug", ...),
    (ORDER, "preparation", {"preparation_id": "p"}),
    (changed(ORDER, "preparation"), "drug.text", "dobutamin — 静脈"),
    (changed(changed(ORDER, "preparation"), "drug"), "medication", {"reference": "Medication/1"}),
    (ORDER, "prescriber", {"reference": "https://fhir.example.org/Practitioner/1", "display": "x"}),
    (ORDER, "steps.0.as_needed", False),
    (ORDER, f"{TIMING}.when", ["AC", "HS"]),
    (changed(ORDER, f"{TIMING}.when", ["AC"]), f"{TIMING}.offset", 30),
    (ORDER, f"{TIMING}.bounds_period.end", "2024-05"),
    (ORDER, "residue", [{"release": "R4", "path": "extension[]", "value": {"url": "x", "valueString": None}}]),
    (ORDER, "residue", [{"release": "format:ward-orders", "path": "drugs.A_00_Dose", "value": '""'}]),
    (GIVEN, "status", "stopped"),
    (GIVEN, "segments.0", {**GIVEN["segments"][0], "event": "paused", "dose": {"value": 0, "unit": "mg"}}),
    (SINGLE, "dose_given", {"value": 0, "unit": "mg"}),
    (LONE, "dose_given", ...),
    (SINGLE, "when", {"at": "2024-05-01"}),
]  # fmt: skip


@pytest.mark.parametrize(("record", "place", "value"), GOOD)
def test_what_breaks_no_rule_is_taken(record, place, value):
    made = changed(record, place, value)
    if place == "dose_given" and value is not ...:
        made["status"] = "not-done"
    refuse(made)
    assert check(made)


SENT: list[tuple[dict[str, Any], str, Any]] = [
    (ORDER, f"{DOSING}.dose", {"value": 1, "unit": "TAB"}),
    (ORDER, f"{DOSING}.dose", {**MG, "unit_text": "mcg"}),
    (ORDER, "patient", {"sex": "female"}),
    (ORDER, DOSING, {"rate_range": {"high": MG}}),
    (changed(ORDER, "preparation"), "medication", {"reference": "Medication/1"}),
    (SINGLE, "dose_given", ...),
    (GIVEN, "when", ...),
]


@pytest.mark.parametrize(("record", "place", "value"), SENT)
def test_what_is_only_asked_of_our_own_json_is_let_pass_when_read_from_fhir(record, place, value):
    made = changed(record, place, value)
    assert not check(made)
    assert check(made, as_sent=True)
    refuse(made, as_sent=True)


def test_a_unit_that_needs_a_repair_is_told_with_what_would_be_accepted():
    with pytest.raises(Refused) as refused:
        refuse(changed(ORDER, f"{DOSING}.dose", {"value": 1, "unit": "mcg/kg"}))
    (issue,) = refused.value.issues
    assert (issue.code, issue.accepted, issue.status) == ("code-invalid", "ug/kg", 422)


def test_base_fhir_is_told_before_rules():
    broken = changed(changed(ORDER, "do_not_perform", value=True), "status", "bogus")
    with pytest.raises(Refused) as refused:
        refuse(broken)
    assert refused.value.status == 400
    assert {issue.path for issue in refused.value.issues} == {"do_not_perform", "status"}


def test_every_fault_of_a_record_is_told_at_once():
    broken = changed(
        changed(changed(ORDER, f"{DOSING}.rate.value", "5"), f"{DOSING}.dose", {"value": -1, "unit": "mcg"}),
        "steps.1",
        {"step_id": "s1", "text": None},
    )
    with pytest.raises(Refused) as refused:
        refuse(broken)
    assert sorted((issue.path, issue.rule or issue.code) for issue in refused.value.issues) == [
        ("steps[0].dosings[0].dose.unit", "ucum"),
        ("steps[0].dosings[0].dose.value", "not-negative"),
        ("steps[0].dosings[0].rate.value", "value"),
        ("steps[1].step_id", "unique-key"),
        ("steps[1].text", "structure"),
    ]


def test_no_message_holds_a_value_from_the_record():
    canary = "Erika Mustermann 1961"
    broken = {
        **ORDER,
        "status": canary,
        canary: 1,
        "order_id": {canary: canary},
        "steps": [canary],
        "language": canary * 2,
        "patient": {"birth_date": canary},
    }
    with pytest.raises(Refused) as refused:
        refuse(broken)
    assert canary not in repr(refused.value.issues) + str(refused.value)
    assert any(issue.path == "(unknown member)" for issue in refused.value.issues)
