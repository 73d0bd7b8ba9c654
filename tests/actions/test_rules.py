"""What may follow what: tables."""

import itertools

import pytest

from fhir_infusion.actions import rules
from fhir_infusion.errors import Refused

ORDER = ["draft", "active", "on-hold", "completed", "stopped", "cancelled", "ended", "entered-in-error", "unknown"]
GIVEN = ["in-progress", "on-hold", "completed", "stopped", "not-done", "entered-in-error", "unknown"]
FINAL = {"completed", "stopped", "cancelled", "ended", "not-done"}


@pytest.mark.parametrize("statuses", [ORDER, GIVEN])
def test_an_end_is_final_but_for_the_correction_that_it_was_an_error_h8(statuses):
    for before, after in itertools.permutations(statuses, 2):
        if before == "entered-in-error":
            assert not rules.may_become(before, after)
        elif before in FINAL:
            assert rules.may_become(before, after) == (after == "entered-in-error")
        else:
            assert rules.may_become(before, after) == (not (before in {"active", "on-hold"} and after == "draft"))


@pytest.mark.parametrize("status", sorted({*ORDER, *GIVEN}))
def test_a_status_may_stay(status):
    rules.refuse_transition(status, status)


def test_a_refused_transition_says_what_would_be_taken_and_is_422():
    with pytest.raises(Refused) as refusal:
        rules.refuse_transition("completed", "active")
    (issue,) = refusal.value.issues
    assert (issue.code, issue.path, issue.status, issue.accepted) == (
        "business-rule",
        "status",
        422,
        "entered-in-error",
    )


def by_reference(value):
    return {"patient": {"reference": value}}


def by_identifier(value, system="s", **more):
    return {"patient": {"identifier": {"system": system, "value": value}, **more}}


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (by_reference("Patient/7"), by_reference("Patient/7"), True),
        (by_reference("Patient/7"), by_reference("Patient/8"), False),
        (by_identifier("1"), by_identifier("1", name="Ann"), True),
        (by_identifier("1"), by_identifier("2"), False),
        (by_identifier("1"), by_identifier("1", "other"), False),
        (by_identifier("1"), by_identifier("1", reference="Patient/7"), True),
        (by_identifier("1", reference="Patient/7"), by_identifier("2", reference="Patient/7"), False),
        (by_reference("Patient/7"), by_identifier("1"), False),
        ({"patient": {"name": "Ann"}}, {"patient": {"name": "Ann"}}, True),
        ({"patient": {"name": "Ann"}}, {"patient": {"name": "Bea"}}, False),
    ],
)
def test_an_order_stays_with_its_patient_h10(before, after, same):
    if same:
        rules.refuse_other_patient(before, after)
    else:
        with pytest.raises(Refused) as refusal:
            rules.refuse_other_patient(before, after)
        assert refusal.value.status == 422


def test_patients_certainly_differ_only_where_one_system_has_two_values_or_one_server_two_ids():
    assert rules.patient_differs(by_identifier("1"), by_identifier("2"))
    assert not rules.patient_differs(by_identifier("1"), by_identifier("2", "other"))
    assert not rules.patient_differs(by_identifier("1"), by_reference("Patient/7"))
    assert rules.patient_differs(by_reference("Patient/7"), by_reference("Patient/8"))
    assert not rules.patient_differs(by_reference("Patient/7"), by_reference("Patient/7"))
    assert not rules.patient_differs(by_reference("Patient/7"), by_reference("https://other.example/Patient/8"))
    assert not rules.patient_differs(
        {**by_identifier("1"), "reference": "Patient/7"}, {**by_identifier("1"), "reference": "Patient/8"}
    )
    assert not rules.patient_differs({}, {})


@pytest.mark.parametrize("status", ["stopped", "cancelled", "ended", "entered-in-error"])
def test_what_ends_an_order_goes_before_anything_else_h6(status):
    assert rules.is_stop({"status": status})
    assert not rules.is_stop({"status": "on-hold"})
