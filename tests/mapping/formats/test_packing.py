"""What a site writes as arrays, texts of several parts and lone elements is read as objects and lists, and goes back."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.equality import same
from tests.mapping.formats.kit import HEAD, PAIRS, SHAPE, built, dosed, records
from tests.mapping.formats.test_wrong_formats import TABLE

ROW = "packed:\n  .: {array: [No, Pat, Drug, Dose, Unit]}\n"
PARTS = """\
shape:
  No: text
  Pat: text
  Drug: text
  Amount: {Dose: decimal-text, Unit: {code: text, name: kept}, note: kept(always)}
  NTE[]: {text: hl7-text}
  Marks: kept
packed:
  Amount: {parts: "^"}
  Amount.Unit: {parts: "&"}
  NTE: {repeats: alone}
"""
PARTED = (
    (PAIRS.replace("Dose\n", "Amount.Dose\n").replace("site: Unit", "site: Amount.Unit.code"))
    .replace("rest:", '  notes[]: {site: "NTE[]", pairs: {text: text}}\nrest:')
    .replace('"Dose": "91", "Unit": "mg"', '"Amount": "91^mg&milligram^x"')
)
ORDER = {"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Amount": "91^mg&milligram^x"}


def parts() -> Any:
    return built(HEAD + PARTS + PARTED)


def rows(packed: str = ROW) -> Any:
    return built(
        HEAD
        + SHAPE
        + packed
        + PAIRS.replace(
            '{"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Dose": "91", "Unit": "mg"}',
            '[["No", "Pat", "Drug", "Dose", "Unit"], ["1", "7", "Doxorubicin", "91", "mg"]]'
            if "header" in packed
            else '["1", "7", "Doxorubicin", "91", "mg"]',
        )
    )


def refusals(one: Any, value: Any) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as told:
        one.read(value)
    return [(issue.path, issue.accepted) for issue in told.value.issues]


def test_an_array_is_an_object_by_its_places_and_goes_back_as_an_array():
    one = rows()
    sent = [["1", "7", "Doxorubicin", "91.0", "mg"], ["2", None, "Saline", "", ""]]
    read = records(one, sent)
    assert [record["order_id"] for record in read] == ["1", "2"]
    assert same(one.write(read).values, sent)
    assert same(one.write([dosed(read[0], 45)]).values, [["1", "7", "Doxorubicin", "45", "mg"]])


def test_one_array_alone_is_one_record():
    one = rows()
    (read,) = records(one, ["1", "7", "Doxorubicin", "91", "mg"])
    assert read["drug"] == {"text": "Doxorubicin"}


def test_a_record_that_says_less_is_written_with_what_stands_for_nothing_at_its_places():
    one = rows()
    (read,) = records(one, ["1", "7", "Doxorubicin", "91", "mg"])
    less = {name: value for name, value in read.items() if name not in ("patient", "residue")}
    assert same(one.write([less]).values, [["1", "", "Doxorubicin", "91", "mg"]])


@pytest.mark.parametrize(
    "sent", [["1", "7", "Doxorubicin", "91"], ["1", "7", "Doxorubicin", "91", "mg", ""], {"No": "1"}, []]
)
def test_a_row_with_another_number_of_values_is_refused_with_the_names_of_its_places(sent: Any):
    assert refusals(rows(), [sent] if isinstance(sent, list) else sent) == [
        ("[0]", "an array of 5: No, Pat, Drug, Dose, Unit")
    ]


def test_a_first_row_with_the_names_is_demanded_and_written():
    one = rows(ROW.replace("]}", "], header: true}"))
    sent = [["No", "Pat", "Drug", "Dose", "Unit"], ["1", "7", "Doxorubicin", "91", "mg"]]
    assert same(one.write(records(one, sent)).values, sent)
    assert refusals(one, sent[1:]) == [("[0]", "No, Pat, Drug, Dose, Unit")]
    assert refusals(one, [["No", "Drug", "Pat", "Dose", "Unit"], sent[1]]) == [("[0]", "No, Pat, Drug, Dose, Unit")]


@pytest.mark.parametrize("amount", ["91^mg", "91^mg&milligram", "91^mg&^", "91^mg&milligram^x"])
def test_a_text_of_parts_comes_back_to_the_letter_with_its_last_parts_missing_or_empty(amount: str):
    one = parts()
    sent = {**ORDER, "Amount": amount}
    (read,) = records(one, sent)
    assert read["steps"][0]["dosings"][0]["dose"] == {"value": 91, "unit": "mg"}
    assert same(one.write([read]).values, [sent])


def test_an_edited_part_changes_and_what_may_describe_it_leaves_its_place_empty():
    one = parts()
    (read,) = records(one, ORDER)
    written = one.write([dosed(read, 45)])
    assert same(written.values, [{**ORDER, "Amount": "45^mg^x"}])
    (line,) = [line for line in written.translations[0].ledger.exceptions if line.state == "dropped"]
    assert isinstance(line, Line)
    assert line.path == "Amount.Unit.name"


def test_a_part_too_many_is_refused_and_so_is_what_is_no_text():
    accepted = "text of at most 3 parts with '^' between: Dose, Unit, note"
    assert refusals(parts(), {**ORDER, "Amount": "91^mg^x^y"}) == [("Amount", accepted)]
    assert refusals(parts(), {**ORDER, "Amount": {"Dose": "91"}}) == [("Amount", accepted)]


def test_a_part_with_the_mark_in_it_is_not_written():
    one = built(
        (HEAD + PARTS + PARTED)
        .replace("note: kept(always)", "note: text")
        .replace("rest:", "  patient.name: Amount.note\nrest:")
        .replace("^x", "")
    )
    (read,) = records(one, {**ORDER, "Amount": "91^mg"})
    with pytest.raises(Refused) as told:
        one.write([{**read, "patient": {**read["patient"], "name": "a^b"}}])
    assert [(issue.path, issue.accepted) for issue in told.value.issues] == [("Amount", "text without '^'")]


def test_one_element_has_no_brackets_and_several_have():
    one = parts()
    for notes in ({"text": "slowly"}, [{"text": "slowly"}, {"text": "a \\T\\ b"}], ""):
        sent = {**ORDER, "NTE": notes}
        assert same(one.write(records(one, sent)).values, [sent])
    assert [note["text"] for note in records(one, sent | {"NTE": {"text": "a \\T\\ b\\.br\\c"}})[0]["notes"]] == [
        "a & b\nc"
    ]
    assert refusals(one, {**ORDER, "NTE": [{"text": "slowly"}]}) == [("NTE", "it without brackets")]


def test_elements_of_one_text_are_a_list():
    shape = PARTS.replace("  Marks: kept\n", "").replace("NTE: {repeats: alone}", 'NTE: {repeats: "~", parts: "^"}')
    one = built(HEAD + shape + PARTED)
    sent = {**ORDER, "NTE": "slowly~a \\R\\ b"}
    (read,) = records(one, sent)
    assert [note["text"] for note in read["notes"]] == ["slowly", "a ~ b"]
    assert same(one.write([read]).values, [sent])


@pytest.mark.parametrize("text", ["a\\X0D\\b", "a \\ b", "a ^ b", "\\H\\a"])
def test_an_escape_that_is_not_known_and_a_bare_mark_are_refused(text: str):
    assert [path for path, _ in refusals(parts(), {**ORDER, "NTE": {"text": text}})] == ["small.NTE[0].text"]


def test_the_elements_that_are_each_a_record_may_be_arrays():
    text = (
        (HEAD + SHAPE + PAIRS)
        .replace(
            "  Drug: text\n  Dose: decimal-text\n  Unit: text\n",
            "  lines: {Line: text, Drug: text, Dose: decimal-text, Unit: text}\n"
            "packed:\n  lines: {array: [Line, Drug, Dose, Unit]}\neach: {list: lines, by: [No]}\n",
        )
        .replace("order_id: No", "order_id: lines.Line")
        .replace("drug.text: Drug", "drug.text: lines.Drug")
    )
    text = (
        text.replace(": Dose\n", ": lines.Dose\n")
        .replace("site: Unit", "site: lines.Unit")
        .replace('"Drug": "Doxorubicin", "Dose": "91", "Unit": "mg"}', '"lines": [["1", "Doxorubicin", "91", "mg"]]}')
        .replace("pairs:\n", "pairs:\n  group.identifier.value: No\n", 1)
    )
    one = built(text)
    sent = {"No": "9", "Pat": "7", "lines": [["1", "Doxorubicin", "91", "mg"], ["2", "Saline", "", ""]]}
    read = records(one, sent)
    assert [record["drug"]["text"] for record in read] == ["Doxorubicin", "Saline"]
    assert same(one.write(read).values, [sent])


@pytest.mark.parametrize("one", [parts, rows])
def test_the_laws_hold_for_what_is_packed(one: Any):
    made = one()
    sample = (
        ORDER | {"NTE": [{"text": "a"}, {"text": "b"}]} if one is parts else [["1", "7", "Doxorubicin", "91", "mg"]]
    )
    proof = prove_format(made, [sample], random.Random, 200)
    assert proof.broken == ()
    assert proof.refused < 100


def test_rows_that_are_arrays_and_come_later_are_put_among_those_that_are_known():
    names = ["Run", "Pat", "Drug", "Row", "At", "Event"]
    one = built(
        TABLE["feed"].replace("feed:\n", f"absent: [~]\npacked: {{.: {{array: {names}, header: true}}}}\nfeed:\n", 1)
    )
    start, stop = (
        ["1", "7", "Saline", row, f"2025070308{row}000", event] for row, event in (("1", "START"), ("3", "STOP"))
    )
    (stored,) = one.apart(one.in_order([names, stop]))
    (later,) = one.apart(one.in_order([names, start]))
    assert same(one.merged(one.rows_of(stored), one.rows_of(later)), [names, start, stop])
    (read,) = records(one, one.merged(one.rows_of(stored), one.rows_of(later)))
    assert [segment["event"] for segment in read["segments"]] == ["started", "stopped"]
    assert same(one.write([read]).values, [names, start, stop])
    assert one.several(stop) == [stop]
