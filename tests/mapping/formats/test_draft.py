"""A draft made of samples: what is likely with its reason, what must not be guessed as a decision that a check names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.mapping.formats.draft import draft
from fhir_infusion.mapping.formats.draft_feed import draft_feed
from fhir_infusion.mapping.formats.draft_values import spelling_of
from fhir_infusion.mapping.formats.format import Format, build_format
from fhir_infusion.records.fields import table as field_table

SAMPLE = """{"Order No": "A-1", "entered": "13.03.2025 08:05", "state": "ACT", "patient": {"MRN": "007", "born": "01.02.1960"},
 "Drug": "Vancomycin", "Dose": "1,50", "DoseUnit": "mg", "Start": "03/04/2025", "Rate": ""}"""


@pytest.mark.parametrize(
    ("values", "spelling"),
    [
        (["1,50", "2"], "decimal-comma"),
        (["1.50", "2"], "decimal-text"),
        (["007", "12"], "text"),
        ([1, 2], "whole"),
        ([1, Decimal("1.5")], "number"),
        ([True], "flag"),
        (["Y", "N"], "flag(Y,N)"),
        (["13.03.2025 08:05"], "time(DD.MM.YYYY HH:mm)"),
        (["01.02.1960"], "date(DD.MM.YYYY)"),
        (["20250703080000"], "time(YYYYMMDDHHmmss)"),
        (["12/31/2025", "01/01/2025"], "date(MM/DD/YYYY)"),
        (["31/12/2025 08:05"], "time(DD/MM/YYYY HH:mm)"),
        (["12/31/2025 11:05 PM"], "time(MM/DD/YYYY hh:mm A)"),
        (["2025/09/16 08.30"], "time(YYYY/MM/DD HH.mm)"),
        (["2025/09/16"], "date(YYYY/MM/DD)"),
        (["16.09.2025 08.30"], "time(DD.MM.YYYY HH.mm)"),
        (["08:05"], "clock(HH:mm)"),
        (["2025-07-03T08:05:00Z"], "iso-time"),
        (["2025-07-03"], "iso-date"),
        ([1, "a"], "kept"),
    ],
)
def test_a_spelling_is_guessed_from_values_with_a_reason(values, spelling):
    guess = spelling_of(values)
    assert guess.spelling == spelling
    assert guess.why


@pytest.mark.parametrize("name", ["tid", "pid", "PT_ID"])
def test_a_moment_is_paired_with_no_number_of_a_patient_whatever_its_name(name):
    sample = f'{{"{name}": "2025/09/16 08.32"}}'
    assert "patient.identifier.value" not in draft("clinic", [(sample, read_plain(sample.encode()))])


def test_digits_in_text_are_text_with_a_word_on_what_an_amount_needs():
    assert spelling_of(["85", "2400"]).spelling == "text"
    assert "decimal-comma" in spelling_of(["85", "2400"]).why


def test_a_list_of_objects_that_say_no_dose_comes_with_a_word_on_each():
    sample = '{"no": 1, "drugs": [{"name": "a"}, {"name": "b"}]}'
    text = draft("clinic", [(sample, read_plain(sample.encode()))])
    assert "  # one record for each? then `drugs:` without [], and `each: {list: drugs, by: [...]}`" in text


@pytest.mark.parametrize("values", [["03/04/2025"], ["03/04/2025", "05/06/2025"], []])
def test_what_no_sample_tells_is_a_decision(values):
    assert spelling_of(values).spelling.startswith("?")


def test_a_check_names_each_decision_of_a_draft_with_its_line():
    text = draft("clinic", [(SAMPLE, read_plain(SAMPLE.encode()))])
    with pytest.raises(DocumentError) as told:
        build_format("formats/clinic.yaml", read_yaml("formats/clinic.yaml", text), {})
    found = [line.split("'")[1] for line in told.value.complaints]
    assert found == ["zone", "patients", "active", "mg", "Start", "Rate", "const", "why"]
    assert all(line.startswith("formats/clinic.yaml:") and "accepted" in line for line in told.value.complaints)


def test_a_draft_in_which_all_is_decided_is_a_format():
    text = draft("clinic", [(SAMPLE, read_plain(SAMPLE.encode()))])
    lines = {
        "zone:": "zone: Europe/Berlin",
        "  patients:": "  patients: https://clinic.example/patients",
        "    active:": "    active: ACT",
        "    mg:": "    mg: mg",
        "  Start:": "  Start: date(MM/DD/YYYY)",
        "  Rate:": "  Rate: kept",
        "rest:": "rest: {drop: true, why: no member for it}",
    }
    kept = [line for line in text.splitlines() if ".rate." not in line]
    one = decided("\n".join(kept), lines)
    (read,) = one.read(read_plain(SAMPLE.encode()))
    assert read.result["order_id"] == "A-1"
    assert read.result["ordered_at"] == "2025-03-13T08:05:00+01:00"
    assert read.result["steps"][0]["dosings"] == [{"dose": {"value": Decimal("1.50"), "unit": "mg"}}]
    assert one.write([read.result]).values == [read_plain(SAMPLE.encode())]


NAMED = SAMPLE.replace('"MRN": "007"', '"MRN": "007", "First_Name": "Eva", "LastName": "Weiss"')
JOINED = '"joined(\\", \\"; else kept(with MRN))"'


def test_a_family_and_a_given_name_beside_the_number_of_the_patient_are_drafted_as_one_name():
    text = draft("clinic", [(NAMED, read_plain(NAMED.encode()))])
    lines = [line.partition("  #")[0] for line in text.splitlines()]
    assert f"    LastName + First_Name: {JOINED}" in lines
    assert "  patient.name: patient.LastName + First_Name" in lines
    assert not [line for line in lines if line.strip().startswith(("First_Name", "LastName:"))]
    assert "LastName" not in "".join(undecided(text))


def test_a_name_that_is_not_of_the_patient_is_not_drafted_as_the_patients():
    sample = NAMED.replace('"MRN": "007", ', "")
    text = draft("clinic", [(sample, read_plain(sample.encode()))])
    assert "joined" not in text
    assert "patient.name" not in text


def test_the_name_of_a_patient_in_the_rows_of_a_feed_is_drafted_as_one():
    rows = ROWS.replace('"pat_no"', '"nachname": "Weiss", "Vorname": "Eva", "pat_no"')
    text = draft_feed("clinic", [(rows, read_plain(rows.encode()))])
    assert f"  nachname + Vorname: {JOINED.replace('MRN', 'pat_no')}  # " in text
    assert "  patient.name: nachname + Vorname  # " in text


# --- several drugs in one object --------------------------------------------------------------------------------------

DRUGS = """{"Order No": 17, "patient": {"MRN": "007"}, "Drugs": [
 {"LineId": "17-1", "state": "ACT", "Name": "Vancomycin", "Dose": "1,50", "DoseUnit": "g"},
 {"LineId": "17-2", "state": "ACT", "Name": "Sodium chloride", "Dose": "250", "DoseUnit": "ml"}]}"""


def undecided(text: str) -> list[str]:
    with pytest.raises(DocumentError) as told:
        build_format("formats/clinic.yaml", read_yaml("formats/clinic.yaml", text), {})
    assert all("accepted" in line for line in told.value.complaints)
    return [line.split("'")[1] for line in told.value.complaints]


def decided(text: str, lines: dict[str, str]) -> Format:
    found = [next((new for old, new in lines.items() if line.startswith(old)), line) for line in text.splitlines()]
    return build_format("formats/clinic.yaml", read_yaml("formats/clinic.yaml", "\n".join(filter(None, found))), {})


def test_whether_each_of_a_list_of_drugs_is_an_order_is_a_decision_and_when_made_the_draft_is_a_format():
    text = draft("clinic", [(DRUGS, read_plain(DRUGS.encode()))])
    assert undecided(text) == ["zone", "patients", "orders", "active", "mg", "list", "why"]
    assert "(seen: g, ml)" in text
    lines = {
        "zone:": "",
        "  patients:": "  patients: https://clinic.example/patients",
        "  orders:": "  orders: https://clinic.example/orders",
        "    active:": "    active: ACT",
        "    mg:": "    g: g\n    mL: ml",
        "  list:": "  list: Drugs",
        "rest:": "rest: {drop: true, why: no member for it}",
    }
    one = decided(text, lines)
    read = [translation.result for translation in one.read(read_plain(DRUGS.encode()))]
    assert [record["order_id"] for record in read] == ["17-1", "17-2"]
    assert [record["group"]["identifier"]["value"] for record in read] == ["17", "17"]
    assert [record["drug"]["text"] for record in read] == ["Vancomycin", "Sodium chloride"]
    assert one.write(read).values == [read_plain(DRUGS.encode())]


def test_a_line_without_a_number_of_its_own_is_a_decision():
    text = draft("clinic", [(DRUGS, read_plain(DRUGS.replace("LineId", "Colour").encode()))])
    assert '  order_id: "? a number of its own for each of Drugs; that of a line alone is none"' in text


def test_an_amount_without_a_unit_beside_it_is_a_decision():
    sample = '{"Order No": "1", "Dose": "1,50"}'
    text = draft("clinic", [(sample, read_plain(sample.encode()))])
    assert '  steps[only].dosings[only].dose.unit: {const: "? the unit of this, which no member says"}' in text


# --- a feed -----------------------------------------------------------------------------------------------------------

ROWS = """[{"run": "R1", "pat_no": "007", "Drug": "Dopamine", "seq": 1, "ts": "20250703080000", "event": "START", "rate": "5.0", "rate_unit": "ml/h", "vol": ""},
 {"run": "R1", "pat_no": "007", "Drug": "Dopamine", "seq": 2, "ts": "20250703083000", "event": "END", "rate": "", "rate_unit": "", "vol": "2.5"},
 {"run": "R2", "pat_no": "008", "Drug": "Heparin", "seq": 1, "ts": "20250703090000", "event": "START", "rate": "1.50", "rate_unit": "ml/h", "vol": ""}]"""
SAID = {
    "zone:": "zone: Europe/Berlin",
    "  patients:": "  patients: https://clinic.example/patients",
    "    started:": "    started: START",
    "    completed:": "    completed: END",
    **dict.fromkeys(
        ("    rate-", "    bolus:", "    paused:", "    resumed:", "    bag-", "    site-", "    stopped:"), ""
    ),
    "    mg:": "    mL/h: ml/h",
    "    ended:": "    ended: {take: last, of: ts, only: {event: [END]}}",
    "        END:": "        END: completed",
    "        START:": "        START: in-progress",
    "      volume.unit:": "      volume.unit: {const: mL}",
    "rest:": "rest: {drop: true, why: no member for it}",
}


def test_the_rows_of_a_feed_are_drafted_with_a_decision_for_each_event_and_each_unit():
    text = draft_feed("clinic", [(ROWS, read_plain(ROWS.encode()))])
    events = list(field_table()["Segment"]["event"].codes)
    assert undecided(text) == ["zone", "patients", *events, "mg", "event", "END", "START", "const", "why"]


def test_a_draft_of_a_feed_in_which_all_is_decided_reads_its_rows_and_writes_them():
    one = decided(draft_feed("clinic", [(ROWS, read_plain(ROWS.encode()))]), SAID)
    first, second = [translation.result for translation in one.read(read_plain(ROWS.encode()))]
    assert (first["status"], second["status"]) == ("completed", "in-progress")
    assert first["when"] == {"start": "2025-07-03T08:00:00+02:00", "end": "2025-07-03T08:30:00+02:00"}
    assert [segment["segment_id"] for segment in first["segments"]] == ["1", "2"]
    assert first["segments"][1]["volume"] == {"value": Decimal("2.5"), "unit": "mL"}
    assert second["segments"][0]["rate"] == {"value": Decimal("1.50"), "unit": "mL/h"}
    assert one.write([first, second]).values == read_plain(ROWS.encode())


def test_what_tells_the_rows_of_one_administration_is_a_decision_where_no_name_suggests_it():
    rows = ROWS.replace('"run"', '"colour"')
    text = draft_feed("clinic", [(rows, read_plain(rows.encode()))])
    assert '  by: "? [the members that tell which rows are one administration]"' in text
    assert '  administration_id: "? the number of the administration"' in text
    assert {"by", "administration_id"} <= set(undecided(text))


def test_a_name_that_the_site_has_is_not_given_to_what_is_derived():
    rows = ROWS.replace('"Drug"', '"state"')
    text = draft_feed("clinic", [(rows, read_plain(rows.encode()))])
    assert "  status: state_" in text
    assert "  state_: text" in text


def test_rows_that_are_arrays_leave_the_members_at_their_places_as_a_decision():
    rows = ('[["1", "Saline", 5], ["2", "Saline", 6]]', [["1", "Saline", 5], ["2", "Saline", 6]])
    told = "the members at the places of each row, a line for each"
    line = f'  row: "? {told}"  # and `packed: {{.: {{array: [MEMBERS]}}}}` below'
    assert line in draft("site", [rows]).splitlines()
    assert f"  {line}" in draft_feed("site", [rows]).splitlines()
    inside = ('{"no": "1", "lines": [["a", 1]]}', {"no": "1", "lines": [["a", 1]]})
    told = "the members at the places of each array, as an object"
    assert [each for each in draft("site", [inside]).splitlines() if "places" in each] == [
        f'  lines[]: "? {told}"  # and `packed: {{NAME: {{array: [MEMBERS]}}}}` below'
    ]
