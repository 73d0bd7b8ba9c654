"""What no pair takes goes back only beside what it was read beside, so that no old dose stands beside a new one."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.formats.beside import ALONE, BESIDE, EDITED, UNKNOWN
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.records import check
from fhir_infusion.records.equality import same
from tests.mapping.formats.kit import HEAD, PAIRS, SHAPE, built, complaints, dosed, dropped, records, small

SITE = {"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Dose": "91", "Unit": "mg"}
PER_AREA = {"Per m2": "50 mg/m²"}


def test_what_was_not_edited_comes_back_with_all_that_it_keeps():
    one = small("Per m2: kept")
    value = {**SITE, **PER_AREA, "Colour": "red", "Printer": {"no": None}}
    assert one.write(records(one, value)).values == [value]


def test_a_dose_that_is_kept_beside_a_dose_that_was_edited_does_not_go_back():
    one = small("Per m2: kept")
    (record,) = records(one, SITE | PER_AREA)
    edited = dosed(record, Decimal(120))
    assert one.write([edited]).values == [{**SITE, "Dose": "120"}]
    assert dropped(one, edited) == [("Per m2", EDITED)]


@pytest.mark.parametrize("held", ["50 mg/m²", 50, "", None, {"value": 50, "unit": "mg/m2"}, [None, "x"], {}])
def test_so_it_is_with_a_member_that_the_shape_does_not_know_whatever_it_holds(held: Any):
    one = small()
    value = {**SITE, "Per m2": held}
    (record,) = records(one, value)
    assert one.write([record]).values == [value]
    (written,) = one.write([dosed(record, Decimal(120))]).values
    assert written.get("Per m2") in (None, "")


def test_the_same_number_in_another_spelling_is_another_dose():
    one = small("Per m2: kept")
    (record,) = records(one, SITE | PER_AREA)
    assert dropped(one, dosed(record, Decimal("91.0"))) == [("Per m2", EDITED)]


@pytest.mark.parametrize("name", ["Ann", "Ann + Bee + Cee"])
def test_a_text_that_is_not_one_for_each_of_the_members_that_say_it_is_refused_not_cut(name: str):
    shape = SHAPE + "  First + Last: text\n"
    one = built(HEAD + shape + PAIRS.replace("pairs:\n", "pairs:\n  patient.name: First + Last\n"))
    (record,) = records(one, SITE | {"First": "Ann", "Last": "Bee"})
    with pytest.raises(Refused) as told:
        one.write([{**record, "patient": {**record["patient"], "name": name}}])
    assert [(issue.path, issue.rule) for issue in told.value.issues] == [("small.First + Last", "joined")]


def test_residue_whose_path_no_member_has_stays_behind():
    one = small()
    (record,) = records(one, {**SITE, "Colour": "red"})
    entry, sealed = record["residue"]
    strange = {**record, "residue": [{**entry, "path": "X_00__110000_"}, {**sealed, "value": {"of": "0"}}]}
    assert one.write([strange]).values == [SITE]


def test_an_edit_taken_back_brings_back_what_was_kept():
    one = small("Per m2: kept")
    (record,) = records(one, SITE | PER_AREA)
    again = dosed(dosed(record, Decimal(120)), 91)
    assert one.write([again]).values == [SITE | PER_AREA]


def test_what_describes_nothing_goes_back_whatever_was_edited():
    one = small("Printer: kept(always)")
    (record,) = records(one, {**SITE, "Printer": {"no": None}})
    edited = dosed(record, Decimal(120))
    assert one.write([edited]).values == [{**SITE, "Dose": "120", "Printer": {"no": None}}]
    assert dropped(one, edited) == []


def test_what_is_kept_with_members_goes_back_while_these_are_unchanged():
    one = small("Controlled: kept(with Drug, Pat)")
    (record,) = records(one, {**SITE, "Controlled": "Y"})
    assert one.write([dosed(record, Decimal(120))]).values == [{**SITE, "Dose": "120", "Controlled": "Y"}]
    other = {**record, "drug": {"text": "Morphine"}}
    assert one.write([other]).values == [{**SITE, "Drug": "Morphine"}]
    assert dropped(one, other) == [("Controlled", EDITED)]


@pytest.mark.parametrize("how", ["else refuse", "with Dose, Unit; else refuse"])
def test_a_record_is_refused_where_the_shape_says_so(how: str):
    one = small(f"Per m2: kept({how})")
    (record,) = records(one, SITE | PER_AREA)
    assert one.write([record]).values == [SITE | PER_AREA]
    with pytest.raises(Refused) as told:
        one.write([dosed(record, Decimal(120))])
    assert [(issue.path, issue.reason, issue.status) for issue in told.value.issues] == [("small.Per m2", EDITED, 422)]


def test_residue_that_does_not_tell_what_it_was_read_beside_stays_behind():
    one = small("Per m2: kept")
    (record,) = records(one, SITE | PER_AREA)
    bare = {**record, "residue": [entry for entry in record["residue"] if entry["path"] != BESIDE]}
    assert one.write([bare]).values == [SITE]
    assert dropped(one, bare) == [("Per m2", UNKNOWN)]


def test_what_it_was_read_beside_is_a_right_entry_of_a_record_and_tells_no_value():
    one = small("Per m2: kept")
    (record,) = records(one, SITE | PER_AREA)
    check.refuse(record)
    (entry,) = [entry for entry in record["residue"] if entry["path"] == BESIDE]
    assert entry.keys() == {"release", "path", "value"}
    assert {name: len(digest) for name, digest in entry["value"].items()} == {"of": 12, "but": 12}


@pytest.mark.parametrize("sealed", ["x", [1], {"of": None, "with": 5}, {"of": ["a"], "with": ["Per m2"]}])
def test_a_seal_that_is_none_seals_nothing_and_is_refused_in_a_record(sealed: Any):
    one = small("Per m2: kept")
    (record,) = records(one, SITE | PER_AREA)
    residue = [{**entry, "value": sealed} if entry["path"] == BESIDE else entry for entry in record["residue"]]
    assert one.write([{**record, "residue": residue}]).values == [SITE]
    with pytest.raises(Refused):
        check.refuse({**record, "residue": residue})


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [("A_00_Dose", '"910"', "steps"), ("A_00_Dose", "{", "small.Dose"), ("A_00_Colour", 5, "small.Colour")],
)
def test_residue_does_not_say_what_the_record_does_not(path: str, value: Any, place: str):
    one = small()
    (record,) = records(one, {**SITE, "Dose": "", "Unit": ""})
    unit = {"release": "format:small", "path": "A_00_Unit", "value": '"mg"'}
    forged = {"release": "format:small", "path": path, "value": value}
    with pytest.raises(Refused) as told:
        one.write([{**record, "residue": [forged, unit]}])
    assert [issue.path for issue in told.value.issues] == [place]


def test_members_of_objects_around_are_named_by_their_names_and_of_lists_all_are_meant():
    text = """\
shape:
  No: text
  Pat: text
  Drug: text
  Parts[]:
    Pos: text
    Share: kept(with Amount)
    Of all: kept(with Drug)
    Amount: decimal-text
    Unit: text
"""
    pairs = PAIRS.replace("  steps[only].dosings[only].dose.value: Dose\n", "").replace(
        "  steps[only].dosings[only].dose.unit: {site: Unit, codes: units}\n",
        "  preparation.ingredients[]: {site: 'Parts[]', pairs: {ingredient_id: Pos, amount.value: Amount, "
        "amount.unit: {site: Unit, codes: units}}}\n",
    )
    one = built(HEAD + text + pairs)
    part = {"Pos": "1", "Share": "50 %", "Of all": "a", "Amount": "10", "Unit": "mg"}
    site = {"No": "1", "Pat": "7", "Drug": "Mixture", "Parts": [part, {**part, "Pos": "2"}]}
    (record,) = records(one, site)
    assert one.write([record]).values == [site]
    first, second = record["preparation"]["ingredients"]
    edited = {
        **record,
        "preparation": {"ingredients": [first, {**second, "amount": {**second["amount"], "value": 20}}]},
    }
    (written,) = one.write([edited]).values
    assert [("Share" in each, "Of all" in each) for each in written["Parts"]] == [(False, True), (False, True)]


def test_an_element_that_no_slice_takes_stays_behind_with_an_edit_of_its_neighbour():
    text = SHAPE.replace("  Dose: decimal-text\n  Unit: text\n", "  Said[]: {is: text, n: decimal-text, u: text}\n")
    pairs = PAIRS.replace("value: Dose", 'value: "Said[is=DOSE].n"').replace("site: Unit", '"site": "Said[is=DOSE].u"')
    one = built(HEAD + text + pairs)
    dose, area = {"is": "DOSE", "n": "91", "u": "mg"}, {"is": "PER_M2", "n": "50", "u": "mg/m2"}
    site = {"No": "1", "Pat": "7", "Drug": "Doxorubicin", "Said": [dose, area]}
    (record,) = records(one, site)
    assert one.write([record]).values == [site]
    (written,) = one.write([dosed(record, 120)]).values
    assert written["Said"] == [{**dose, "n": "120"}]


EACH = (
    HEAD
    + """\
shape:
  Sheet: text
  Pat: text
  Ward: kept
  Bed: kept(always)
  drugs: {No: text, Drug: text, Dose: decimal-text, Unit: text}
each: {list: drugs, by: [Sheet]}
"""
    + PAIRS.replace(": No", ": drugs.No")
    .replace(": Drug", ": drugs.Drug")
    .replace(": Dose", ": drugs.Dose")
    .replace("site: Unit", "site: drugs.Unit")
    .replace("  order_id", "  group.identifier.value: Sheet\n  order_id")
)


def test_what_records_of_one_object_have_in_common_stays_behind_for_all_where_it_does_for_one():
    one = built(EACH)
    drug = {"No": "1", "Drug": "A", "Dose": "5", "Unit": "mg", "extra": 1}
    site = {"Sheet": "S", "Pat": "7", "Ward": "3", "Bed": "9", "drugs": [drug, {**drug, "No": "2"}], "Total": "10 mg"}
    first, second = records(one, site)
    assert one.write([first, second]).values == [site]
    edited = dosed(first, 6)
    bare = {"No": "1", "Drug": "A", "Dose": "6", "Unit": "mg"}
    common = {"Sheet": "S", "Pat": "7", "Bed": "9"}
    assert one.write([edited, second]).values == [{**common, "drugs": [bare, {**drug, "No": "2"}]}]
    assert dropped(one, edited, second) == [
        ("drugs.extra", EDITED),
        ("Ward", EDITED),
        ("Total", EDITED),
        ("Ward", ALONE),
        ("Total", ALONE),
    ]


def test_a_record_that_keeps_nothing_goes_into_one_object_with_one_that_does():
    one = built(EACH)
    drug = {"No": "1", "Drug": "A", "Dose": "5", "Unit": "mg"}
    site = {"Sheet": "S", "Pat": "7", "Bed": "9", "drugs": [drug, {**drug, "No": "2"}], "Empty": ""}
    first, second = records(one, site)
    second.pop("residue")
    assert one.write([first, second]).values == [{"Sheet": "S", "Pat": "7", "drugs": site["drugs"]}]
    assert dropped(one, first, second) == [("Bed", ALONE), ("Empty", ALONE)]


def test_how_a_member_is_kept_is_read_with_its_place():
    def told(how: str) -> str:
        (line,) = complaints(HEAD + SHAPE + f"  Per m2: {how}\n" + PAIRS)
        return line

    assert told("kept(sometimes)") == (
        "formats/small.yaml:14: 'kept(sometimes)' is not understood; accepted: kept, kept(always), kept(else refuse), "
        "kept(with A, B), kept(with A, B; else refuse)"
    )
    assert told("kept(with Does)") == (
        "formats/small.yaml:14: 'Does' is no member that a pair takes, here or around; accepted: No, Pat, Drug, Dose, Unit"
    )


STATED = (
    (
        HEAD
        + "  states: {active: A, stopped: S, entered-in-error: X}\n"
        + SHAPE
        + "  State: text\n  Label: kept\n"
        + PAIRS
    )
    .replace("status: {const: active}", "status: {site: State, codes: states}")
    .replace('"No": "1"', '"No": "1", "State": "A"')
)


def test_a_stop_alone_loses_nothing_of_what_no_pair_takes():
    one = built(STATED)
    value = {**SITE, "State": "A", "Label": "pink", "Ward": {"bed": 4, "dose seen": "91 mg"}, "Printer": None}
    (record,) = records(one, value)
    stopped = {**record, "status": "stopped"}
    assert one.write([stopped]).values == [{**value, "State": "S"}]
    assert dropped(one, stopped) == []


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("State text", "x"),
        ("Label", "infusion is active"),
        ("x", {"held": [1]}),
        ("y", ["Stopped"]),
        ("z", "STORNO"),
        ("isOngoing", True),
        ("x", "l\u00e4uft"),
        ("x", "arr\u00eat\u00e9e"),
        ("x", "EN_COURS_ACTIF"),
    ],
)
def test_what_speaks_of_a_status_itself_stays_behind_with_a_stop(name: str, held: Any):
    one = built(STATED)
    (record,) = records(one, {**SITE, "State": "A", name: held})
    stopped = {**record, "status": "stopped"}
    assert one.write([stopped]).values == [{**SITE, "State": "S"}]
    assert dropped(one, stopped) == [(name, EDITED)]


FINNISH = STATED.replace(
    "{active: A, stopped: S, ", '{active: Käynnissä, on-hold: "On tauko", stopped: L, completed: "9", '
).replace('"A"', '"Käynnissä"')


@pytest.mark.parametrize(
    ("held", "stays"),
    [
        ("KAYNNISSA", True),
        ("tila: käynnissä 08:05", True),
        ("on-tauko", True),
        ("on_hold", True),
        (["entered in error"], True),
        ({"x": {"käynnissä": 1}}, True),
        ("tauko", False),
        ("käynnissäolo", False),
        ("L", False),
        ("", False),
        ("9", False),
        (9, False),
    ],
)
def test_the_codes_of_the_format_are_words_of_a_status_too(held: Any, *, stays: bool):
    one = built(FINNISH)
    value = {**SITE, "State": "Käynnissä", "x": held}
    (record,) = records(one, value)
    (written,) = one.write([{**record, "status": "stopped"}]).values
    assert written == ({**SITE, "State": "L"} if stays else {**value, "State": "L"})


def test_a_stop_with_another_dose_leaves_behind_what_may_describe_the_dose():
    one = built(STATED)
    (record,) = records(one, {**SITE, "State": "A", "Label": "pink"})
    edited = dosed({**record, "status": "stopped"}, Decimal(45))
    assert one.write([edited]).values == [{**SITE, "State": "S", "Dose": "45"}]


def test_a_member_that_says_more_than_the_status_is_not_only_the_status():
    one = built(
        STATED.replace(
            "  drug.text: Drug\n", "  drug.text: Drug\n  notes[only].text: {site: State, when: status = stopped}\n"
        )
    )
    (record,) = records(one, {**SITE, "State": "A", "Label": "pink"})
    assert not any(
        entry["path"] == "Label"
        for entry in records(one, one.write([{**record, "status": "stopped"}]).values)[0].get("residue", ())
    )


# --- objects of which no pair takes anything ---------------------------------------------------------------------------


WHOLE = {**SITE, "x": {"a": 1, "b": "q w", "c": {"d": None, "e f": 3}, "z": ""}, "l": [{"a": 1, "b": 2}, {"b": 3}]}


@pytest.mark.parametrize("sent", [WHOLE, {**SITE, "x": {}, "l": []}, {**SITE, "x": {"a": {"b": []}}, "l": [{}]}, SITE])
def test_an_object_of_kept_parts_alone_comes_back_as_it_came(sent: dict[str, Any]):
    one = small("x: {a: kept, b: kept(always), c: {d: kept}}", "l[]: {a: kept, b: kept(always)}")
    (read,) = records(one, sent)
    assert same(one.write([read]).values, [sent])
    assert prove_format(one, [sent], random.Random, 60).broken == ()


@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        (("kept", "kept(always)"), {"Dose", "Pat"}),
        (("kept(always)", "kept(always)"), set()),
        (("kept(with Pat)", "kept(always)"), {"Pat"}),
        (("kept(with Pat)", "kept(with Dose)"), {"Dose", "Pat"}),
        (("kept(with Pat)", "kept"), {"Dose", "Pat"}),
    ],
)
def test_such_an_object_goes_back_while_each_of_its_parts_would(parts: tuple[str, str], stays: set[str]):
    one = small(f'x: {{a: "{parts[0]}", b: "{parts[1]}"}}')
    (read,) = records(one, {**SITE, "x": {"a": 1, "b": 2}})
    moved = {**read, "patient": {"identifier": {**read["patient"]["identifier"], "value": "8"}}}
    for edited, what in ((dosed(read, 45), "Dose"), (moved, "Pat")):
        (written,) = one.write([edited]).values
        assert ("x" not in written) == (what in stays)


def test_such_an_object_is_refused_where_one_of_its_parts_would_be():
    one = small('x: {a: "kept(with Dose; else refuse)", b: kept(always)}')
    (read,) = records(one, {**SITE, "x": {"a": 1, "b": 2}})
    with pytest.raises(Refused) as told:
        one.write([dosed(read, 45)])
    assert [issue.path for issue in told.value.issues] == ["small.x"]
