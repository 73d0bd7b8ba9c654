"""One text of the record in several members of the site: joined by a mark and split at it again, or kept as it came."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.records.equality import same
from tests.mapping.formats.kit import HEAD, PAIRS, SHAPE, built, dosed, dropped, records

STRICT = 'Last + First: joined(", ")'
LENIENT = 'Last + First: joined(", "; else kept(with Pat))'
ORDER = {"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Dose": "91", "Unit": "mg"}
NAMED = {**ORDER, "Last": "Weiss", "First": "Anna Maria"}


def named(member: str, more: str = "") -> Any:
    pairs = PAIRS.replace("rest:", "  patient.name: Last + First\nrest:")
    sample = '"Unit": "mg", "Last": "Weiss", "First": "Eva"}'
    return built(HEAD + SHAPE + f"  {member}\n{more}" + pairs.replace('"Unit": "mg"}', sample))


def name_of(record: dict[str, Any]) -> Any:
    return record["patient"].get("name")


def renamed(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {**record, "patient": {**record["patient"], "name": name}}


@pytest.mark.parametrize("member", [STRICT, LENIENT])
def test_two_members_are_one_text_with_the_mark_between_and_go_back_as_two(member: str):
    one = named(member)
    (read,) = records(one, NAMED)
    assert name_of(read) == "Weiss, Anna Maria"
    assert all(entry["path"].startswith("$") for entry in read["residue"])
    assert same(one.write([read]).values, [NAMED])
    assert same(one.write([renamed(read, "de la Cruz, Eva")]).values, [NAMED | {"Last": "de la Cruz", "First": "Eva"}])


@pytest.mark.parametrize("member", [STRICT, LENIENT])
def test_members_that_are_not_there_or_stand_for_nothing_are_no_text(member: str):
    one = named(member)
    for sent in (ORDER, {**ORDER, "Last": "", "First": None}):
        (read,) = records(one, sent)
        assert name_of(read) is None
        assert same(one.write([read]).values, [sent])


UNJOINED: list[dict[str, Any]] = [
    {"Last": "Weiss"},
    {"First": "Eva"},
    {"Last": "Weiss", "First": ""},
    {"Last": "King, Jr.", "First": "Martin"},
    {"Last": "Weiss", "First": ["Eva", None]},
    {"Last": 7, "First": "Eva"},
]


@pytest.mark.parametrize("names", UNJOINED)
def test_what_could_not_be_split_again_is_refused_with_its_place(names: dict[str, Any]):
    with pytest.raises(Refused) as told:
        named(STRICT).read({**ORDER, **names})
    (issue,) = told.value.issues
    assert (issue.path, issue.accepted) == ("small.Last", "text without ', ' in each of Last + First")


@pytest.mark.parametrize("names", UNJOINED)
def test_where_the_shape_says_so_it_is_kept_and_goes_back_as_it_came_while_what_it_is_kept_with_is_unchanged(
    names: dict[str, Any],
):
    one = named(LENIENT)
    sent = {**ORDER, **names}
    (read,) = records(one, sent)
    assert name_of(read) is None
    assert same(one.write([read]).values, [sent])
    assert same(one.write([dosed(read, 45)]).values, [{**sent, "Dose": "45"}])
    moved = {**read, "patient": {"identifier": {**read["patient"]["identifier"], "value": "8"}}}
    (left,) = one.write([moved]).values
    assert not {"Weiss", "Eva", "Martin", "King, Jr."} & {value for value in left.values() if isinstance(value, str)}
    assert [path for path, _ in dropped(one, moved)] == [name for name, value in names.items() if value]


def test_a_name_that_a_record_has_by_now_goes_in_place_of_what_was_kept():
    one = named(LENIENT)
    (read,) = records(one, {**ORDER, "Last": "Weiss", "First": ""})
    assert same(one.write([renamed(read, "Weiss, Eva")]).values, [{**ORDER, "Last": "Weiss", "First": "Eva"}])


UNSPLIT = ["Eva Weiss", "Weiss, Eva, Dr.", ", Eva", "Weiss, "]


@pytest.mark.parametrize("name", UNSPLIT)
def test_a_text_that_is_not_of_so_many_parts_is_not_written(name: str):
    one = named(STRICT)
    (read,) = records(one, NAMED)
    with pytest.raises(Refused) as told:
        one.write([renamed(read, name)])
    (issue,) = told.value.issues
    assert (issue.path, issue.accepted) == ("small.Last + First", "Last, First with ', ' between, none of them empty")


@pytest.mark.parametrize("name", UNSPLIT)
def test_where_the_shape_says_so_such_a_text_is_left_out_with_a_line(name: str):
    one = named(LENIENT)
    (read,) = records(one, NAMED)
    record = renamed(read, name)
    assert same(one.write([record]).values, [ORDER])
    assert dropped(one, record) == [("patient.name", "it cannot be split into Last, First")]
    (translation,) = one.write([record]).translations
    assert [line.state for line in translation.ledger.lines() if line.path == "patient.name"] == ["dropped"]


def test_the_parts_may_have_the_escapes_of_hl7():
    one = named('Last + First: joined(", "; of hl7-text)')
    sent = {**ORDER, "Last": "O\\T\\Hara", "First": "Eva"}
    (read,) = records(one, sent)
    assert name_of(read) == "O&Hara, Eva"
    assert same(one.write([read]).values, [sent])


def test_the_parts_may_be_parts_of_a_packed_text():
    text = HEAD + SHAPE.replace("  Pat: text\n", "  Pat: {No: text, Last + First: 'joined(\", \")', x: kept}\n")
    pairs = PAIRS.replace(": Pat\n", ": Pat.No\n").replace("rest:", "  patient.name: Pat.Last + First\nrest:")
    one = built(text + 'packed: {Pat: {parts: "^"}}\n' + pairs.replace('"Pat": "7"', '"Pat": "7^Weiss^Eva"'))
    for packed, name in (("7^Weiss^Eva", "Weiss, Eva"), ("7^Weiss^Eva^x", "Weiss, Eva"), ("7", None), ("7^^", None)):
        (read,) = records(one, {**ORDER, "Pat": packed})
        assert name_of(read) == name
        assert same(one.write([read]).values, [{**ORDER, "Pat": packed}])


@pytest.mark.parametrize("member", [STRICT, LENIENT])
def test_the_laws_hold_for_joined_members(member: str):
    proof = prove_format(named(member), [NAMED, ORDER], random.Random, 300)
    assert proof.broken == ()


def test_residue_cannot_say_a_name_that_the_record_does_not_have():
    one = named(LENIENT)
    (read,) = records(one, {**ORDER, "Last": "King, Jr.", "First": "Martin"})
    forged = [{**entry, "value": "King"} if entry["path"] == "Last" else entry for entry in read["residue"]]
    with pytest.raises(Refused):
        one.write([{**read, "residue": forged}])
