"""Rows of a feed that void, correct or cancel others: what was undone never counts, and goes back where it stood."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.records.equality import same
from tests.mapping.formats.kit import built, complaints, records
from tests.mapping.formats.test_wrong_formats import TABLE

if TYPE_CHECKING:
    from fhir_infusion.mapping.formats.format import Format

Json = dict[str, Any]

UNDO = """\
  undo:
    void: {only: {Do: [VOID]}, of: Of}
    correct: {only: {Do: [FIX]}, of: Of}
    cancel: {only: {Do: [CANCEL]}}
    says: {State: entered-in-error}
"""
TEXT: str = (
    TABLE["feed"]
    .replace("Event: text}", "Event: text, Rate: number, Do: kept(always), Of: kept(always)}")
    .replace(
        "event: {site: Event, codes: events}",
        "event: {site: Event, codes: events}, rate.value: Rate, rate.unit: {const: mL/h}",
    )
    .replace("started: START", "started: START, rate-changed: RATE")
    .replace("codes: {START: in-progress", "codes: {START: in-progress, RATE: in-progress")
    .replace("  State: text\n", "  State: text\n  Begun: time(YYYYMMDDHHmmss)\n")
    .replace("  derive:\n", "  derive:\n    Begun: {take: first, of: At}\n")
    .replace("  segments[]:", "  when.start: Begun\n  segments[]:")
    .replace("pairs:\n", UNDO + "pairs:\n", 1)
)


def feed() -> Format:
    return built(TEXT)


def row(key: int, minute: int, event: str, **more: Any) -> Json:
    return {
        "Run": "1",
        "Pat": "7",
        "Drug": "Saline",
        "Row": str(key),
        "At": f"2025070308{minute:02}00",
        "Event": event,
        **more,
    }


def undoing(key: int, do: str, of: Any = None) -> Json:
    return {"Run": "1", "Row": str(key), "Do": do, **({} if of is None else {"Of": of})}


START, RATE, STOP = row(1, 0, "START", Rate=5), row(2, 10, "RATE", Rate=50), row(3, 20, "STOP")


def said(one: Format, rows: list[Json]) -> tuple[str, list[tuple[str, Any]]]:
    """Return the status of the record, and the keys and rates of its segments, after seeing that the rows come back."""
    (read,) = records(one, rows)
    assert same(one.write([read]).values, rows)
    return read["status"], [(part["segment_id"], part.get("rate", {}).get("value")) for part in read["segments"]]


def test_a_voided_row_does_not_count_and_goes_back_where_it_stood():
    one = feed()
    assert said(one, [START, RATE, undoing(4, "VOID", "2")]) == ("in-progress", [("1", 5)])
    assert said(one, [START, RATE, STOP, undoing(4, "VOID", "3")]) == ("in-progress", [("1", 5), ("2", 50)])
    assert said(one, [START, undoing(4, "VOID", "1"), RATE]) == ("in-progress", [("2", 50)])


def test_a_row_that_corrects_another_counts_in_its_place_by_its_moment():
    one = feed()
    fixed = row(4, 10, "RATE", Rate=6, Do="FIX", Of="2")
    ordered = one.in_order([START, RATE, STOP, fixed])
    assert [each["Row"] for each in ordered] == ["1", "2", "4", "3"]
    assert said(one, ordered) == ("stopped", [("1", 5), ("4", 6), ("3", None)])


def test_a_correction_is_corrected_and_voided_in_turn():
    one = feed()
    fixed = row(4, 10, "RATE", Rate=6, Do="FIX", Of="2")
    again = row(5, 10, "RATE", Rate=7, Do="FIX", Of="4")
    assert said(one, [START, RATE, fixed, again]) == ("in-progress", [("1", 5), ("5", 7)])
    assert said(one, [START, RATE, fixed, undoing(6, "VOID", "4")]) == ("in-progress", [("1", 5)])


def test_a_cancelled_whole_is_entered_in_error_and_keeps_what_it_said():
    one = feed()
    assert said(one, [START, RATE, undoing(4, "CANCEL")]) == ("entered-in-error", [("1", 5), ("2", 50)])


def test_where_every_row_is_void_the_whole_is_entered_in_error():
    one = feed()
    rows = [START, RATE, undoing(4, "VOID", "1"), undoing(5, "VOID", "2")]
    assert said(one, rows) == ("entered-in-error", [("1", 5), ("2", 50)])


def test_where_nothing_says_what_a_cancelled_record_says_rows_that_are_all_void_are_refused():
    one = built(TEXT.replace(UNDO, "\n".join(UNDO.splitlines()[:3]) + "\n"))
    with pytest.raises(Refused) as told:
        one.read([START, undoing(4, "VOID", "1")])
    assert [issue.reason for issue in told.value.issues] == ["no row of this counts"]


WRONG: list[tuple[str, list[Json], str, str]] = [
    ("unknown", [START, undoing(4, "VOID", "9")], "rows[1].Of", "this undoes a row that is not there"),
    ("no key", [START, undoing(4, "VOID")], "rows[1].Of", "this undoes a row that is not there"),
    ("no text", [START, undoing(4, "VOID", ["1"])], "rows[1].Of", "this undoes a row that is not there"),
    (
        "a truth",
        [{**START, "Row": 1}, undoing(4, "VOID", of=True)],
        "rows[1].Of",
        "this undoes a row that is not there",
    ),
    ("itself", [START, undoing(4, "VOID", "4")], "rows[1].Of", "this undoes a row that undoes another"),
    (
        "a void",
        [START, RATE, undoing(4, "VOID", "2"), undoing(5, "VOID", "4")],
        "rows[3].Of",
        "this undoes a row that undoes another",
    ),
    (
        "twice",
        [START, RATE, row(4, 10, "RATE", Do="FIX", Of="2"), undoing(5, "VOID", "2")],
        "rows[3].Of",
        "this undoes a row that another row has undone",
    ),
    (
        "a circle",
        [START, row(4, 10, "RATE", Do="FIX", Of="5"), row(5, 10, "RATE", Do="FIX", Of="4")],
        "rows[1].Of",
        "this undoes a row that undoes another",
    ),
]


@pytest.mark.parametrize(("rows", "path", "reason"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_undoes_no_row_that_counts_is_refused_with_its_place(rows: list[Json], path: str, reason: str):
    with pytest.raises(Refused) as told:
        feed().read(rows)
    assert (told.value.issues[0].path, told.value.issues[0].reason) == (path, reason)
    assert all(issue.accepted for issue in told.value.issues)


def test_a_row_that_undoes_may_say_less_of_what_is_common_but_nothing_else():
    with pytest.raises(Refused) as told:
        feed().read([START, {**undoing(4, "VOID", "1"), "Pat": "8"}])
    assert [issue.path for issue in told.value.issues] == ["[1].Pat"]


def test_what_does_not_count_goes_back_with_an_edited_record_too():
    one = feed()
    rows = [START, RATE, undoing(4, "VOID", "2"), STOP]
    (read,) = records(one, rows)
    edited = {**read, "patient": {**read["patient"], "identifier": {**read["patient"]["identifier"], "value": "8"}}}
    wanted = [{**each, "Pat": "8"} if "Pat" in each else each for each in rows]
    assert same(one.write([edited]).values, wanted)


def test_rows_that_undo_are_joined_to_rows_that_came_before():
    one = feed()
    (stored,) = one.apart(one.in_order([START, RATE]))
    (later,) = one.apart(one.in_order([undoing(4, "VOID", "2")]))
    assert one.number_of(later) == "1"
    joined = one.merged(one.rows_of(stored), one.rows_of(later))
    assert same(joined, [START, RATE, undoing(4, "VOID", "2")])
    assert said(one, joined) == ("in-progress", [("1", 5)])
    assert same(one.merged(joined, [RATE]), joined)


def test_a_record_that_only_says_that_it_is_in_error_has_no_row_that_says_so():
    one = feed()
    (read,) = records(one, [START, RATE])
    with pytest.raises(Refused) as told:
        one.write([{**read, "status": "entered-in-error"}])
    assert [issue.path for issue in told.value.issues] == ["State"]


def test_the_laws_hold_for_rows_that_undo_others():
    samples = [
        [START, RATE, STOP, undoing(4, "VOID", "3")],
        [START, RATE, row(4, 10, "RATE", Rate=6, Do="FIX", Of="2")],
        [START, undoing(2, "CANCEL")],
    ]
    assert prove_format(feed(), samples, random.Random, 150).broken == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "    void: {only: {Do: [VOID]}, of: Of}",
            "    void: {only: {Do: [VOID]}}",
            "rows that undo have `only`, which tells them, and `of`, where the key of the undone row stands (not of `cancel`)",
        ),
        (
            "{only: {Do: [CANCEL]}}",
            "{only: {Doo: [CANCEL]}}",
            "'Doo' is no member of a row; accepted: Row, At, Until, Event, Rate, Do, Of",
        ),
        ("    says: {State: entered-in-error}\n", "", "nothing tells what a cancelled record says; accepted: `says`"),
        ("says: {State:", "says: {Stat:", "'Stat' is not derived from the rows; accepted: Begun, State"),
        ("  order: At\n", "", "nothing tells where a corrected row belongs; accepted: `order` of the feed"),
        ("    void:", "    vodi:", "'vodi' is not a member of `undo`; accepted: cancel, correct, says, void"),
    ],
)
def test_a_wrong_word_of_undoing_is_a_complaint(before: str, after: str, told: str):
    assert before in TEXT
    (line,) = complaints(TEXT.replace(before, after, 1))
    assert line.partition(": ")[2] == told
