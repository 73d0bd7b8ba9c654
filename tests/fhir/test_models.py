"""The second opinion of fhir.resources: told by place and kind, never with a value of the input."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest

from fhir_infusion.fhir.models import MOST_ISSUES, check_with_models
from tests.fhir.kit import FILES, GONE, changed, containing, given, needs_examples, order, read, release_of

MR = order()


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_what_is_right_is_right_for_the_models(release):
    assert check_with_models(order(release), release) == ()
    assert check_with_models(given(release), release) == ()


@pytest.mark.parametrize(
    ("place", "value", "code", "path"),
    [
        ("subject", GONE, "required", "MedicationRequest.subject"),
        ("Jane Q. Public", 1, "structure", "MedicationRequest.(unreadable name)"),
        ("foo", "Jane", "structure", "MedicationRequest.foo"),
        (
            "dosageInstruction/0/timing/repeat/period",
            "Jane",
            "value",
            "MedicationRequest.dosageInstruction[0].timing.repeat.period",
        ),
    ],
)
def test_an_error_is_told_by_place_and_kind(place, value, code, path):
    issues = check_with_models(changed(MR, place, value), "R4")
    assert (code, path) in [(issue.code, issue.path) for issue in issues]
    assert "Jane" not in repr(issues)


@pytest.mark.parametrize(
    "resource",
    [{"resourceType": "Foo"}, {"status": "active"}, containing([{"resourceType": "Foo", "id": "m"}])],
)
def test_what_the_models_crash_on_is_an_issue(resource):
    (issue,) = check_with_models(resource, "R4")
    assert (issue.code, issue.rule) == ("structure", "fhir.resources")


def test_no_more_than_a_hundred_errors_are_told():
    resource = order(extension=[{"url": 5} for _ in range(300)])
    assert len(check_with_models(resource, "R4")) == MOST_ISSUES


def test_the_differences_of_a_release_from_its_models_are_no_errors():
    resource = order(extension=[{"url": "http://x.org/e", "valueMeta": {"tag": [{"code": "x"}]}}])
    assert check_with_models(resource, "R4") == ()
    assert check_with_models(resource, "R4B") != ()
    assert check_with_models({"resourceType": "SubstancePolymer", "x": 1}, "R4") == ()


def test_the_resource_is_left_as_it_was():
    resource = changed(MR, "dosageInstruction/0/doseAndRate/0/doseQuantity/value", Decimal("1.50"))
    before = copy.deepcopy(resource)
    check_with_models(resource, "R4")
    assert repr(resource) == repr(before)


@needs_examples
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_models_take_every_published_example(file):
    resource = read(file)
    if resource["resourceType"] != "Extension":
        assert check_with_models(resource, release_of(file)) == ()
