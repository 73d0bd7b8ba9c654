"""Text that describes: it goes with what it describes, and goes away when that is edited (tests/laws asks all of them)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.mapping.texts import Texts
from fhir_infusion.records.fields import table

Json = dict[str, Any]

TEXTS = Texts("InfusionOrder", table())

ORDER: Json = {
    "record": "InfusionOrder",
    "status": "active",
    "drug": {"codings": [{"system": "urn:s", "code": "1", "display": "Vancomycin"}], "text": "vancomycin"},
    "prescriber": {"reference": "Practitioner/1", "display": "Dr Example"},
    "steps": [
        {"sequence": 1, "text": "1 g over 1 h", "dosings": [{"dose": {"value": 1, "unit": "g"}}]},
        {"sequence": 2, "text": "500 mg over 1 h", "dosings": [{"dose": {"value": 500, "unit": "mg"}}]},
    ],
    "rendered_instruction": "1 g, then 500 mg",
}


def sealed(record: Json, *, narrative: bool = True) -> Json:
    """Return a record as reading gives it, its texts sealed."""
    entries: list[Json] = [{"release": "R4", "path": "$texts", "value": TEXTS.seal(record, narrative=narrative)}]
    if narrative:
        entries.insert(0, {"release": "R4", "path": "text", "value": {"status": "generated", "div": "<div/>"}})
    return {**record, "residue": entries}


def edited(record: Json, *path: str | int, value: Any) -> Json:
    """Return a copy with one place changed."""
    head, *rest = path
    made: Any = dict(record) if isinstance(record, dict) else list(record)
    made[head] = edited(made[head], *rest, value=value) if rest else value
    return made  # type: ignore[no-any-return]  # what it was


def dropped(record: Json) -> tuple[Json, list[str]]:
    fresh, lines = TEXTS.fresh(record)
    assert {line.state for line in lines} <= {"dropped"}
    return fresh, [line.path for line in lines]


def test_unedited_texts_stay():
    record = sealed(ORDER)
    assert dropped(record) == (record, [])


def test_a_record_that_was_not_read_keeps_its_texts():
    assert dropped(ORDER) == (ORDER, [])


def test_an_edited_dose_leaves_no_old_text_and_no_narrative():
    fresh, lines = dropped(edited(sealed(ORDER), "steps", 0, "dosings", 0, "dose", "value", value=2))
    assert sorted(lines) == ["rendered_instruction", "steps[0].text", "text"]
    assert "text" not in fresh["steps"][0]
    assert fresh["steps"][1] == ORDER["steps"][1]
    assert "rendered_instruction" not in fresh
    assert [entry["path"] for entry in fresh["residue"]] == ["$texts"]


@pytest.mark.parametrize(
    ("path", "value", "gone"),
    [
        (("drug", "codings", 0, "code"), "2", {"drug.codings[0].display"}),
        (("prescriber", "reference"), "Practitioner/2", {"prescriber.display"}),
    ],
)
def test_an_edited_code_or_reference_loses_the_display_of_the_old_one(
    path: tuple[str | int, ...], value: str, gone: set[str]
):
    _, lines = dropped(edited(sealed(ORDER, narrative=False), *path, value=value))
    assert gone <= set(lines)


def test_a_display_written_by_the_editor_stays():
    record = edited(sealed(ORDER, narrative=False), "drug", "codings", 0, value={"code": "2", "display": "Teicoplanin"})
    assert dropped(record)[0]["drug"]["codings"] == [{"code": "2", "display": "Teicoplanin"}]


def test_moved_elements_keep_their_texts():
    steps = [ORDER["steps"][1], ORDER["steps"][0]]
    fresh, lines = dropped(edited(sealed(ORDER, narrative=False), "steps", value=steps))
    assert fresh["steps"] == steps
    assert lines == ["rendered_instruction"]


def test_a_removed_element_takes_its_text_along_and_leaves_the_others():
    fresh, _ = dropped(edited(sealed(ORDER, narrative=False), "steps", value=[ORDER["steps"][1]]))
    assert fresh["steps"] == [ORDER["steps"][1]]


def test_an_object_of_which_only_a_stale_text_is_left_goes_with_it():
    record = edited(sealed(ORDER, narrative=False), "prescriber", value={"display": "Dr Example"})
    fresh, lines = dropped(record)
    assert "prescriber" not in fresh
    assert lines == ["prescriber.display"]


def test_what_is_given_is_not_changed():
    record = edited(sealed(ORDER), "steps", 0, "dosings", 0, "dose", "value", value=2)
    before = repr(record)
    TEXTS.fresh(record)
    assert repr(record) == before


def test_a_record_in_which_nothing_describes_has_no_seal():
    assert TEXTS.seal({"record": "InfusionOrder", "status": "active"}, narrative=False) == ""
    assert TEXTS.seal({"record": "InfusionOrder", "status": "active"}, narrative=True).startswith("whole.")


def test_a_record_holds_json_values_only():
    with pytest.raises(TypeError, match="a record holds no object"):
        TEXTS.seal(
            {"drug": {"codings": [{"code": object()}], "text": "x"}, "rendered_instruction": "x"}, narrative=True
        )
