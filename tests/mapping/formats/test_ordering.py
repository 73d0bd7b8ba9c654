"""Rows of a feed that come late, twice, or at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.formats.ordering import LATE
from tests.mapping.formats.kit import built, complaints
from tests.mapping.formats.test_wrong_formats import TABLE

if TYPE_CHECKING:
    from fhir_infusion.mapping.formats.format import Format

FEED = str(TABLE["feed"])
APART = FEED.replace("order: At", "order: [At, Row]")
BY_NUMBER = (
    FEED.replace("{START: in-progress, STOP: stopped}", "{1: in-progress, 9: stopped}")
    .replace("{started: START, stopped: STOP}", '{started: "1", stopped: "9"}')
    .replace("Event: text", "Event: digits, Final: kept")
    .replace("State: text", "State: text\n  Ended: time(YYYYMMDDHHmmss)")
    .replace("Until: {", "Ended: {take: last, of: At, only: {Event: [8, 9], Final: [true]}}\n    Until: {")
    .replace("status: State", "status: State\n  when.end: Ended")
)


def row(number: str, at: str, event: str = "START", **more: Any) -> dict[str, Any]:
    return {"Run": "1", "Pat": "7", "Drug": "A", "Row": number, "At": f"202507030800{at}", "Event": event, **more}


def numbers(one: Format, rows: list[Any]) -> list[str]:
    return [each["Row"] for each in one.in_order(rows)]


FIRST, SECOND, THIRD = row("1", "00"), row("2", "00"), row("10", "30", "STOP")


def test_rows_of_one_moment_stay_as_they_came_while_they_came_in_their_order():
    assert numbers(built(FEED), [SECOND, FIRST, THIRD]) == ["2", "1", "10"]
    assert numbers(built(FEED), [THIRD, FIRST]) == ["1", "10"]


def test_one_that_came_late_beside_another_of_its_moment_is_refused():
    for late in ([THIRD, SECOND, FIRST], [FIRST, THIRD, SECOND]):
        with pytest.raises(Refused) as told:
            built(FEED).in_order(late)
        assert [(issue.path, issue.reason) for issue in told.value.issues] == [("[2].small.At", LATE)]


def test_a_number_tells_rows_of_one_moment_apart_by_its_value():
    late = row("9", "30", "STOP")
    assert numbers(built(APART), [THIRD, late, SECOND, FIRST]) == ["1", "2", "9", "10"]


def test_what_tells_rows_apart_is_a_number():
    with pytest.raises(Refused) as told:
        built(APART).in_order([FIRST, row("b", "00")])
    assert [issue.path for issue in told.value.issues] == ["[1].small.Row"]


def test_an_administration_is_read_from_its_rows_in_the_order_of_their_moments_whoever_reads_it():
    one = built(FEED)
    (whole,) = one.apart([THIRD, FIRST])
    assert whole == one.apart([FIRST, THIRD])[0]
    assert [read.result["status"] for read in one.read([THIRD, FIRST])] == ["stopped"]


def test_a_moment_that_is_none_is_refused():
    with pytest.raises(Refused) as told:
        built(FEED).in_order([FIRST, {**SECOND, "At": ""}])
    assert [issue.path for issue in told.value.issues] == ["[1].small.At"]


@pytest.mark.parametrize("name", ["State", "Until"])
def test_a_row_does_not_say_what_is_derived(name: str):
    with pytest.raises(Refused) as told:
        built(FEED).read([FIRST, {**THIRD, name: "stopped"}])
    assert [issue.path for issue in told.value.issues] == [f"[1].{name}"]


def test_a_row_that_comes_again_brings_back_what_stayed_behind_and_nothing_else_changes():
    one = built(FEED)
    again = {**FIRST, "alarm": 17}
    assert one.merged([FIRST, THIRD], [again]) == [again, THIRD]
    assert one.merged([again, THIRD], [again]) == [again, THIRD]
    for other in ({**again, "alarm": 18}, {**again, "Event": "STOP"}, FIRST):
        with pytest.raises(Refused):
            one.merged([again, THIRD], [other])


def test_a_further_member_of_the_order_that_rows_do_not_have_is_told():
    (line,) = complaints(FEED.replace("order: At", "order: [At, Seq]"))
    assert line.endswith("'Seq' is not in the shape there; accepted: At, Event, Row, Until")


def test_the_codes_of_rows_may_be_numbers_and_truth_values():
    rows = [{**FIRST, "Event": 1}, {**THIRD, "Event": 9, "Final": True}]
    one = built(BY_NUMBER)
    (record,) = (read.result for read in one.read(rows))
    assert (record["status"], record["when"]) == ("stopped", {"end": "2025-07-03T08:00:30+02:00"})
    assert one.write([record]).values == rows
    (record,) = (read.result for read in one.read([rows[0], {**rows[1], "Final": False}]))
    assert (record["status"], "when" in record) == ("stopped", False)


def test_a_row_whose_key_was_there_before_is_refused_whatever_stands_between():
    with pytest.raises(Refused) as told:
        built(FEED).read([FIRST, {**FIRST, "Run": "2"}, THIRD, {**FIRST, "Event": "STOP"}])
    assert [(issue.path, issue.reason) for issue in told.value.issues] == [
        ("[3].Row", "this row came before with another content")
    ]
