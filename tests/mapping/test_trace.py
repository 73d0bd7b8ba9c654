"""The lines that the interpreter tells."""

from __future__ import annotations

from dataclasses import replace

from fhir_infusion.mapping.trace import Recorder
from tests.mapping.kit import lens_of
from tests.mapping.test_laws import RANGE


def test_a_repaired_unit_is_said_in_the_last_line_of_its_place():
    (leaf, *_) = lens_of(RANGE, "Range").plan.root.fobj.members["low"].leaves
    why = "quantity: unit repaired, the original is kept"
    for at in range(3):
        recorder = Recorder()
        recorder.mapped("low", "low")
        for place in ("low", "high", "other"):
            recorder.mapped(place, place)
        before = list(recorder.lines)
        recorder.repaired(("low", "high", "other")[at], leaf)
        assert recorder.lines == [
            replace(line, why=why) if number == at + 1 else line for number, line in enumerate(before)
        ]
    first = Recorder()
    first.mapped("low", "low")
    first.repaired("low", leaf)
    first.repaired("nowhere", leaf)
    assert [line.why for line in first.lines] == [why]


def test_what_is_carried_leads_nowhere_unless_that_is_said_and_has_a_line_for_each_value_in_it():
    recorder = Recorder()
    recorder.carried("extension[0]", "residue", value={"url": "urn:x", "valueRange": {"low": {"value": 1}}})
    assert [(line.path, line.to) for line in recorder.lines] == [
        ("extension[0].url", ""),
        ("extension[0].valueRange.low.value", ""),
    ]


def test_codes_that_a_table_moved_are_told_from_where_it_began():
    recorder = Recorder()
    for place in ("a.system", "a.code", "b.system", "b.code", "b.display"):
        recorder.mapped(place, place)
    recorder.recoded(2, "moved")
    assert [line.why for line in recorder.lines] == ["", "", "moved", "moved", ""]
