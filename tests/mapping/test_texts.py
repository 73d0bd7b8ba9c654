"""Text that describes: it goes with what it describes, and goes away when that is edited (tests/laws asks all of them)."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from fhir_infusion.mapping.digests import digest_of
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
DOSING: Json = ORDER["steps"][0]["dosings"][0]


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
        (("drug", "codings", 0, "code"), "2", {"drug.codings[0].display", "drug.text"}),
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


TWO = [{"system": "urn:s", "code": "1"}, {"system": "urn:t", "code": "a"}]


@pytest.mark.parametrize(
    ("read", "now", "stays"),
    [
        (TWO, TWO, True),
        (TWO, TWO[::-1], True),
        (TWO, [{**coding, "display": "in words", "version": "2"} for coding in TWO], True),
        (TWO, [*TWO, {"system": "urn:u", "code": "b"}], True),
        (TWO, [], True),
        ([], TWO, True),
        (TWO[:1], [{"system": "urn:s", "code": "2"}], False),
        (TWO[:1], [{"system": "urn:t", "code": "1"}], False),
        (TWO, [TWO[0], {"system": "urn:t", "code": "b"}], False),
        (TWO, TWO[:1], False),
        ([{"display": "Vancomycin"}], [{"display": "Teicoplanin"}], False),
    ],
)
@pytest.mark.parametrize("name", ["drug", "route"])
def test_the_text_of_a_concept_goes_where_a_coding_that_it_described_is_gone(
    name: str,
    read: list[Json],
    now: list[Json],
    stays: bool,  # noqa: FBT001  a column of the table
):
    def holding(codings: list[Json]) -> Json:
        concept: Json = {"codings": codings, "text": "as written"} if codings else {"text": "as written"}
        return {**ORDER, "drug": concept} if name == "drug" else {**ORDER, "steps": [{"sequence": 1, "route": concept}]}

    record = {**holding(now), "residue": sealed(holding(read), narrative=False)["residue"]}
    fresh, lines = dropped(record)
    place = "drug.text" if name == "drug" else "steps[0].route.text"
    assert (place in lines) is not stays
    concept = fresh["drug"] if name == "drug" else fresh["steps"][0]["route"]
    assert concept == ({"codings": now} if now else {}) | ({"text": "as written"} if stays else {})


def test_a_text_of_a_concept_that_the_editor_wrote_stays():
    record = edited(sealed(ORDER, narrative=False), "drug", value={"codings": [{"code": "2"}], "text": "teicoplanin"})
    assert dropped(record)[0]["drug"] == {"codings": [{"code": "2"}], "text": "teicoplanin"}


EVERY_SIX: Json = {
    "code": {
        "codings": [{"system": "urn:gts", "code": "Q6H", "display": "every 6 hours"}],
        "text": "every 6 hours for a week",
    },
    "bounds_length": {"value": 7, "unit": "d"},
    "frequency": 1,
    "period": 6,
    "period_unit": "h",
}
CODE = {"codings": [{"system": "urn:gts", "code": "Q6H"}]}


def timed(timing: Json) -> Json:
    return {**ORDER, "steps": [{"sequence": 1, "timing": timing}], "rendered_instruction": "as charted"}


@pytest.mark.parametrize(
    ("path", "value", "left", "gone"),
    [
        (("period",), 8, CODE, {"text", "codings[0].display"}),
        (("frequency",), 2, CODE, {"text", "codings[0].display"}),
        (("bounds_length", "value"), 5, {"codings": EVERY_SIX["code"]["codings"]}, {"text"}),
        (("times_of_day",), ["08:00:00"], CODE, {"text", "codings[0].display"}),
        (
            ("code", "codings", 0, "code"),
            "Q8H",
            {"codings": [{"system": "urn:gts", "code": "Q8H"}]},
            {"text", "codings[0].display"},
        ),
        (
            ("code", "text"),
            "four times a day",
            {"codings": EVERY_SIX["code"]["codings"], "text": "four times a day"},
            set(),
        ),
    ],
)
def test_words_in_the_code_of_an_edited_timing_go_and_the_code_stays(
    path: tuple[str | int, ...], value: Any, left: Json, gone: set[str]
):
    record = sealed(timed(EVERY_SIX), narrative=False)
    assert dropped(record) == (record, [])
    fresh, lines = dropped(edited(record, "steps", 0, "timing", *path, value=value))
    assert fresh["steps"][0]["timing"]["code"] == left
    assert {line.removeprefix("steps[0].timing.code.") for line in lines if "timing" in line} == gone


def test_a_schedule_in_words_alone_stays_until_the_timing_says_something_else():
    words = {"code": {"text": "every 6 hours"}, "bounds_length": {"value": 7, "unit": "d"}}
    record = sealed(timed(words), narrative=False)
    longer = edited(record, "steps", 0, "timing", "bounds_length", "value", value=9)
    assert dropped(longer)[0]["steps"][0]["timing"]["code"] == {"text": "every 6 hours"}, "all that tells how often"
    often = edited(record, "steps", 0, "timing", value={**words, "frequency": 1, "period": 8, "period_unit": "h"})
    fresh, lines = dropped(often)
    assert "code" not in fresh["steps"][0]["timing"]
    assert lines == ["rendered_instruction", "steps[0].timing.code.text"]


def test_a_coding_of_a_timing_that_is_only_a_stale_display_goes_with_it():
    words = {**EVERY_SIX, "code": {"codings": [{"display": "every 6 hours"}]}}
    record = edited(sealed(timed(words), narrative=False), "steps", 0, "timing", "period", value=8)
    assert "code" not in dropped(record)[0]["steps"][0]["timing"]


def test_a_seal_from_before_the_words_of_a_timing_were_sealed_drops_none_of_them():
    record = sealed(timed(EVERY_SIX), narrative=False)
    seal = record["residue"][0]["value"]
    own = TEXTS.seal(timed({name: value for name, value in EVERY_SIX.items() if name != "code"}), narrative=False)
    display = TEXTS.seal({"drug": {"codings": EVERY_SIX["code"]["codings"]}}, narrative=False)
    old = {**record, "residue": [{"release": "R4", "path": "$texts", "value": f"{own} {display}"}]}
    assert old["residue"][0]["value"] != seal
    assert dropped(old)[0]["steps"] == record["steps"]


KEYED: Json = {
    **ORDER,
    "steps": [
        {**step, "step_id": f"~{index}a", "dosings": [{**step["dosings"][0], "dosing_id": f"~{index}b"}]}
        for index, step in enumerate(ORDER["steps"])
    ],
}
"""The order with the keys by which residue below it is found again."""


@pytest.mark.parametrize(("read", "now"), [(ORDER, KEYED), (KEYED, ORDER)])
def test_a_derived_key_is_no_edit(read: Json, now: Json):
    record = {**now, "residue": sealed(read)["residue"]}
    assert dropped(record) == (record, [])


@pytest.mark.parametrize("key", ["given", "~~given"])
def test_a_key_that_was_given_is_part_of_what_a_text_tells(key: str):
    record = edited(sealed(ORDER, narrative=False), "steps", 0, "dosings", 0, value={**DOSING, "dosing_id": key})
    assert dropped(record)[1] == ["rendered_instruction", "steps[0].text"]


def test_a_seal_from_before_derived_keys_were_left_out_drops_no_text():
    step, whole = KEYED["steps"][0], {name: value for name, value in KEYED.items() if name != "residue"}
    own = digest_of({"sequence": 1, "dosings": step["dosings"]})
    bag = digest_of([KEYED["drug"], None, None])
    seal = f"{crc32(step['text'].encode()):x}.{own ^ bag:x} whole.{digest_of(whole):x}"
    record = {**KEYED, "residue": [*sealed(KEYED)["residue"][:1], {"release": "R4", "path": "$texts", "value": seal}]}
    assert dropped(record) == (record, [])


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


def test_a_pair_is_the_digest_of_the_text_and_of_what_it_describes():
    pairs = [
        f"{crc32(text.encode()):x}.{TEXTS._meaning(part, name, TEXTS._bag(ORDER)):x}"
        for part, name, text in (
            (ORDER, "InfusionOrder", ORDER["rendered_instruction"]),
            (ORDER["drug"]["codings"][0], "Coding", "Vancomycin"),
            (ORDER["prescriber"], "Reference", "Dr Example"),
            *((step, "Step", step["text"]) for step in ORDER["steps"]),
        )
    ]
    pairs.insert(1, f"{crc32(b'coded vancomycin'):x}.{digest_of([['urn:s', '1']]):x}")
    assert TEXTS.seal(ORDER, narrative=False).split() == pairs


def test_the_order_of_members_is_not_in_the_digest():
    turned = dict(reversed(ORDER.items())) | {"steps": [dict(reversed(step.items())) for step in ORDER["steps"]]}
    assert TEXTS.seal(turned, narrative=False) == TEXTS.seal(ORDER, narrative=False)


def test_a_copy_without_the_key_says_the_same_and_keeps_its_words():
    people = [{"reference_id": "k1", "display": "Nurse Example"}]
    record = sealed({**ORDER, "performers": people}, narrative=False)
    copied = {**record, "performers": [{"display": "Nurse Example"}, *people]}
    assert dropped(copied) == (copied, [])


def test_what_only_stale_words_were_left_of_goes_as_a_whole():
    people = [{"reference": "Practitioner/1", "display": "Nurse Example"}, {"reference": "Practitioner/2"}]
    record = sealed({**ORDER, "performers": people}, narrative=False)
    bare = {**record, "performers": [{"display": "Nurse Example"}, {"reference": "Practitioner/2"}]}
    assert dropped(bare) == ({**record, "performers": [people[1]]}, ["performers[0].display"])
    alone = {**record, "performers": [{"display": "Nurse Example"}]}
    assert dropped(alone) == (
        {name: value for name, value in record.items() if name != "performers"},
        ["performers[0].display"],
    )


def test_a_concept_whose_codings_were_nothing_but_stale_words_keeps_its_text():
    edit = edited(sealed(ORDER), "drug", "codings", 0, value={"display": "Vancomycin"})
    fresh, paths = dropped(edit)
    assert fresh["drug"] == {"text": "vancomycin"}
    assert "drug.codings[0].display" in paths
    assert "drug.text" not in paths
