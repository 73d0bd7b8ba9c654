from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.records.not_infusions import not_an_infusion

SNOMED = "http://snomed.info/sct"


def ordered(**more: Any) -> dict[str, Any]:
    return {"record": "InfusionOrder", "drug": {"text": "drug"}, **more}


def reasons(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where it is said that a record is no infusion, and of what."""
    return [(issue.path, issue.reason.removeprefix("not an infusion: ")) for issue in not_an_infusion(record)]


def by_route(name: str) -> tuple[str, str]:
    return "steps[0].route", f"the route is {name}, and neither rate nor duration is stated"


ROUTES = {
    "34206005": "subcutaneous",
    "78421000": "intramuscular",
    "26643006": "oral",
    "372464004": "intradermal",
    "46713006": "nasal",
    "45890007": "transdermal",
}


@pytest.mark.parametrize(("code", "name"), ROUTES.items())
def test_a_route_that_no_drug_runs_in_by_is_told_by_code_and_by_word(code, name):
    coded = {"codings": [{"system": "http://example.org", "code": "1"}, {"system": SNOMED, "code": code}]}
    assert reasons(ordered(steps=[{"route": coded}])) == [by_route(name)]
    assert reasons(ordered(steps=[{"route": {"text": f"{name.upper()} use"}}])) == [by_route(name)]
    elsewhere = {"codings": [{"system": "http://example.org", "code": code}]}
    assert reasons(ordered(steps=[{"route": elsewhere}])) == []


@pytest.mark.parametrize(
    ("text", "name"),
    {"s.c.": "subcutaneous", "SC": "subcutaneous", "give sq": "subcutaneous", "i.m.": "intramuscular"}.items(),
)
def test_a_route_in_short_is_told_by_its_name(text, name):
    assert reasons(ordered(steps=[{"route": {"text": text}}])) == [by_route(name)]


@pytest.mark.parametrize("text", ["intravenous", "iv", "scalp vein", "", "image-guided"])
def test_a_route_that_a_drug_may_run_in_by_is_not_told(text):
    assert reasons(ordered(steps=[{"route": {"text": text}}])) == []


SUBCUTANEOUS = {"text": "subcutaneous"}


@pytest.mark.parametrize(
    "runs",
    [
        {"dosings": [{"rate": {"value": 1, "unit": "mL/h"}}]},
        {"dosings": [{"rate_ratio": {}}]},
        {"timing": {"duration": {"value": 1, "unit": "h"}}},
        {"minimum_duration": {"value": 1, "unit": "h"}},
    ],
)
def test_what_runs_by_rate_or_duration_is_an_infusion_by_any_route(runs):
    assert reasons(ordered(steps=[{"route": SUBCUTANEOUS, **runs}])) == []
    assert reasons(ordered(steps=[{}, {"route": SUBCUTANEOUS}]))[0][0] == "steps[1].route"


def test_an_extra_dose_of_what_runs_by_the_same_route_is_part_of_the_infusion():
    running = {"route": SUBCUTANEOUS, "dosings": [{"rate": {"value": 1, "unit": "mL/h"}}]}
    extra = {"route": SUBCUTANEOUS, "dosings": [{"dose": {"value": 1, "unit": "mL"}}]}
    assert reasons(ordered(steps=[running, extra])) == []
    assert [place for place, _ in reasons(ordered(steps=[running, {"route": {"text": "i.m."}}]))] == ["steps[1].route"]


@pytest.mark.parametrize(
    ("kind", "is_told"), {"push": True, "bolus": True, "continuous": False, "intermittent": False}.items()
)
def test_the_type_of_infusion_says_that_it_runs(kind, is_told):
    assert bool(reasons(ordered(infusion_type=kind, steps=[{"route": SUBCUTANEOUS}]))) is is_told


def test_a_segment_with_a_rate_runs():
    given = {"record": "Administration", "drug": {"text": "drug"}, "route": SUBCUTANEOUS}
    assert [place for place, _ in reasons(given)] == ["route"]
    assert reasons({**given, "segments": [{"rate_as_stated": {}}]}) == []


INJECTED = {
    "adalimumab": ["327361", "407317001", "L04AB04"],
    "etanercept": ["214555", "387045004", "L04AB01"],
    "certolizumab": ["709271", "L04AB05"],
}


@pytest.mark.parametrize(("drug", "codes"), INJECTED.items())
def test_a_drug_that_is_only_injected_is_told_by_each_of_its_codes_and_by_name_once_for_all_routes(drug, codes):
    told = [("drug", f"{drug} is a subcutaneous injection")]
    concepts: list[dict[str, Any]] = [{"codings": [{"code": "1"}, {"code": code}]} for code in codes]
    concepts += [{"text": f"{drug.title()} 40 mg"}, {"codings": [{"display": drug.upper()}]}]
    for concept in concepts:
        assert reasons(ordered(drug=concept, steps=[{"route": SUBCUTANEOUS}])) == told
        mixed = {"record": "InfusionOrder", "preparation": {"ingredients": [{}, {"drug": concept}]}}
        assert reasons(mixed) == [("preparation", told[0][1])]
