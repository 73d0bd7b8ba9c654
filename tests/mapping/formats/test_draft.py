"""A draft made of samples: what is likely with its reason, what must not be guessed as a decision that a check names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.mapping.formats.draft import draft, spelling_of
from fhir_infusion.mapping.formats.format import build_format

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


def test_a_list_of_objects_comes_with_a_word_on_each():
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
    undecided = [line.split("'")[1] for line in told.value.complaints]
    assert undecided == ["zone", "patients", "active", "mg", "Start", "Rate", "why"]
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
    kept = [line for line in text.splitlines() if "rate.value" not in line]
    decided = [next((new for old, new in lines.items() if line.startswith(old)), line) for line in kept]
    one = build_format("formats/clinic.yaml", read_yaml("formats/clinic.yaml", "\n".join(decided)), {})
    (read,) = one.read(read_plain(SAMPLE.encode()))
    assert read.result["order_id"] == "A-1"
    assert read.result["ordered_at"] == "2025-03-13T08:05:00+01:00"
    assert read.result["steps"][0]["dosings"] == [{"dose": {"value": Decimal("1.50"), "unit": "mg"}}]
    assert one.write([read.result]).values == [read_plain(SAMPLE.encode())]
