"""Text beside what a patch has changed: a generated narrative goes, a person's words are not contradicted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.stale_text import _paired, settled
from tests.steps import steps_of

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">5 mL/h</div>'


def order(**more: Any) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "status": "active", **more}


def stale(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    try:
        settled(order(**old), order(**new))
    except Refused as refused:
        return [issue.path.removeprefix("MedicationRequest.") for issue in refused.issues]
    return []


def dosing(value: str, text: str, **more: Any) -> dict[str, Any]:
    return {**more, "text": text, "doseAndRate": [{"rateQuantity": {"value": Decimal(value), "unit": "mL/h"}}]}


RENDERED = {
    "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.renderedDosageInstruction",
    "valueMarkdown": "5 mL/h",
}
OTHER = {"url": "http://example.org/x", "valueString": "5 mL/h"}


def test_a_rendering_of_the_dosage_in_r4s_extension_is_not_left_beside_another_dosage():
    before = {"extension": [OTHER, RENDERED], "dosageInstruction": [dosing("5", "5")]}
    after = {"extension": [OTHER, RENDERED], "dosageInstruction": [dosing("6", "6")]}
    assert stale(before, after) == ["extension[1]"]
    assert stale(before, {**after, "extension": [OTHER, {**RENDERED, "valueMarkdown": "6 mL/h"}]}) == []
    assert stale(before, {**after, "extension": [OTHER]}) == []
    assert stale(before, {**before, "priority": "stat"}) == []


DRUG = {"coding": [{"system": "s", "code": "a", "display": "A"}], "text": "A"}


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        (
            {"dosageInstruction": [dosing("5", "5")]},
            {"dosageInstruction": [dosing("6", "5")]},
            ["dosageInstruction[0].text"],
        ),
        ({"dosageInstruction": [dosing("5", "5")]}, {"dosageInstruction": [dosing("6", "6")]}, []),
        ({"dosageInstruction": [dosing("5", "5")]}, {"dosageInstruction": [dosing("5", "6")]}, []),
        ({"dosageInstruction": [dosing("5", "5")]}, {"dosageInstruction": [dosing("5", "5", sequence=1)]}, []),
        # The first was taken away, and the other changed.
        (
            {"dosageInstruction": [dosing("5", "5"), dosing("7", "7", id="b")]},
            {"dosageInstruction": [dosing("8", "7", id="b")]},
            ["dosageInstruction[0].text"],
        ),
        ({"dosageInstruction": [dosing("5", "5"), dosing("7", "7")]}, {"dosageInstruction": [dosing("7", "7")]}, []),
        (
            {"medicationCodeableConcept": DRUG},
            {"medicationCodeableConcept": {**DRUG, "coding": [{"system": "s", "code": "b", "display": "A"}]}},
            ["medicationCodeableConcept.text", "medicationCodeableConcept.coding[0].display"],
        ),
        (
            {"requester": {"reference": "Practitioner/1", "display": "One"}},
            {"requester": {"reference": "Practitioner/2", "display": "One"}},
            ["requester.display"],
        ),
        (
            {"dose": {"value": 1, "unit": "mg", "code": "mg"}},
            {"dose": {"value": 1, "unit": "mg", "code": "g"}},
            ["dose.unit"],
        ),
        ({"dose": {"value": 1, "unit": "mg", "code": "mg"}}, {"dose": {"value": 2, "unit": "mg", "code": "mg"}}, []),
        (
            {"renderedDosageInstruction": "5", "dosageInstruction": [{"sequence": 1}]},
            {"renderedDosageInstruction": "5", "dosageInstruction": [{"sequence": 2}]},
            ["renderedDosageInstruction"],
        ),
        ({"note": [{"text": "a", "time": "2026"}]}, {"note": [{"text": "a", "time": "2027"}]}, []),
        ({"text": {"status": "additional", "div": DIV}}, {"text": {"status": "additional", "div": DIV}}, []),
        (
            {"text": {"status": "additional", "div": DIV}},
            {"text": {"status": "additional", "div": DIV}, "priority": "stat"},
            ["text"],
        ),
    ],
)
def test_a_text_that_was_left_beside_a_change_is_told_with_its_place(
    old: dict[str, Any], new: dict[str, Any], places: list[str]
):
    assert stale(old, new) == places


def test_a_generated_narrative_is_left_out_and_a_new_one_kept():
    old = order(text={"status": "generated", "div": DIV})
    assert settled(old, {**old, "priority": "stat"}) == order(priority="stat")
    new = {**old, "priority": "stat", "text": {"status": "generated", "div": DIV.replace("5", "6")}}
    assert settled(old, new) == new
    assert settled(old, dict(old)) == old


# --- the pairs of two lists -------------------------------------------------------------------------------------------


def plainly_paired(old: list[Any], new: list[Any]) -> list[tuple[Any, Any, int]]:
    """Return the pairs as they are meant, by looking at each with each."""
    pairs = []
    left = [item for item in old if item not in new]
    for index, item in enumerate(new):
        if item not in old:
            named = [one for one in left if id_of(one) is not None and id_of(one) == id_of(item)]
            others = [one for one in left if id_of(one) is None or id_of(item) is None]
            if before := (named or others)[:1]:
                left.remove(before[0])
                pairs.append((before[0], item, index))
    return pairs


def id_of(item: Any) -> Any:
    return item.get("id") if isinstance(item, dict) else None


VALUES = st.sampled_from([0, 1, True, Decimal("1.0"), "a", [1], [True], {}, []])
ITEMS = st.one_of(
    st.builds(lambda id_, x: {"id": id_, "x": x}, st.sampled_from(["a", "b", "c", None, 1]), VALUES),
    st.builds(lambda x: {"x": x}, VALUES),
    VALUES,
)


@given(st.lists(ITEMS, max_size=8), st.lists(ITEMS, max_size=8))
def test_items_are_paired_by_id_and_else_in_order(old: list[Any], new: list[Any]):
    assert list(_paired(old, new)) == plainly_paired(old, new)


def test_pairing_long_lists_takes_no_more_calls_for_each_item():
    def made(count: int) -> int:
        old = [{"id": f"i{at}", "text": "5 mg"} if at % 2 else {"text": f"{at}"} for at in range(count)]
        new = [{**item, "dose": 1} for item in reversed(old)]
        assert len(list(_paired(old, new))) == count
        return steps_of(lambda: list(_paired(old, new)))

    assert made(4_000) < 10 * 2 * made(400)
