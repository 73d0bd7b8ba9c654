"""The formats that are shipped: each sample becomes records, FHIR in both releases, and the site's JSON again."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions.formats import from_format, to_format
from fhir_infusion.actions.prove import samples_of
from fhir_infusion.config import Settings, mappings_dir
from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import bare
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.records.equality import same
from fhir_infusion.records.parts import join
from fhir_infusion.translator import Translator, open_translator

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = sorted(path.stem for path in (mappings_dir() / "formats").glob("*.yaml"))


@pytest.fixture(scope="module")
def translator() -> Translator:
    return open_translator(Settings(), overlays=())


def samples(translator: Translator, name: str) -> list[Any]:
    return samples_of(translator.library.formats[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_laws_hold_for_the_samples_and_their_variations(translator: Translator, name: str):
    one = translator.library.formats[name]
    proof = prove_format(one, samples_of(one), random.Random, 150)
    assert proof.broken == ()
    assert proof.holds


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_comes_back_to_the_letter(translator: Translator, name: str):
    for sample in samples(translator, name):
        records = [done.results[0] for done in from_format(translator, name, sample)]
        written = to_format(translator, name, records).values
        assert same(written, sample if isinstance(sample, list) else [sample])


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_goes_through_fhir_and_back_to_the_same_records(translator: Translator, name: str, release: str):
    for sample in samples(translator, name):
        for done in from_format(translator, name, sample):
            record = done.results[0]
            resources = translator.to_fhir(record, release).results
            (back,) = join([_whole(translator, resource, release) for resource in resources])
            assert same(_said(back), _said(record))
            again = to_format(translator, name, [back]).values
            assert same(again, to_format(translator, name, [_without_residue(record)]).values)


def _whole(translator: Translator, resource: Any, release: str) -> Any:
    return translator.to_internal(resource, release).results[0]


def _said(record: Any) -> Any:
    return {name: value for name, value in bare(record).items() if name != "representation"}


def _without_residue(record: Any) -> Any:
    return {name: value for name, value in record.items() if name != "residue"}


def changed(value: Any, *path: Any, to: Any) -> Any:
    """Return a JSON value with one place changed; ``None`` as the way is every element of a list."""
    if not path:
        return to
    head, *rest = path
    if head is None:
        return [changed(item, *rest, to=to) for item in value]
    if isinstance(value, list):
        return [changed(item, *rest, to=to) if index == head else item for index, item in enumerate(value)]
    return {**value, head: changed(value.get(head), *rest, to=to)}


WRONG: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("ward-orders", ("drugs", 0, "Dose"), "1.50", "ward-orders.drugs.Dose"),
    ("ward-orders", ("drugs", 0, "Dose"), 1, "ward-orders.drugs.Dose"),
    ("ward-orders", ("drugs", 0, "DoseUnit"), "mcg/kg", "ward-orders.drugs.DoseUnit"),
    ("ward-orders", ("drugs", 0, "PRN"), "n", "ward-orders.drugs.PRN"),
    ("ward-orders", ("drugs", 0, "Freq"), "3xD", "ward-orders.drugs.Freq"),
    ("ward-orders", ("drugs", 0, "state"), "active", "ward-orders.drugs.state"),
    ("ward-orders", ("drugs", 0, "First Dose"), "26.10.2025 02:30", "ward-orders.drugs.First Dose"),
    ("ward-orders", ("drugs", 0, "First Dose"), "30.03.2025 02:30", "ward-orders.drugs.First Dose"),
    ("ward-orders", ("entered_at",), "31.02.2025 08:00", "ward-orders.entered_at"),
    ("ward-orders", ("drugs",), [], "drugs"),
    ("ward-orders", ("patient",), "0004711", "ward-orders.patient"),
    ("ward-orders", ("Order No",), "", "Order No"),
    ("home-infusion", ("DOSE",), "1.25", "home-infusion.DOSE"),
    ("home-infusion", ("PT_WT_LB",), "154 lb", "home-infusion.PT_WT_LB"),
    ("home-infusion", ("FREQ",), "TID", "home-infusion.FREQ"),
    ("home-infusion", ("WRITTEN_TM",), "", "home-infusion.WRITTEN_DT"),
    ("home-infusion", ("WRITTEN_TM",), "13:05 PM", "home-infusion.WRITTEN_DT"),
    ("home-infusion", ("START_DT",), "31/01/2025", "home-infusion.START_DT"),
    ("home-infusion", ("PRN_YN",), "y", "home-infusion.PRN_YN"),
    ("home-infusion", ("HOLD_YN",), "Y", "home-infusion.HOLD_YN"),
    ("tpn-pharmacy", ("Beutel", "Bestandteile", 1, "Menge"), "40.0", "tpn-pharmacy.Beutel.Bestandteile[1].Menge"),
    ("tpn-pharmacy", ("Beutel", "Bestandteile", 1, "Einheit"), "Amp.", "tpn-pharmacy.Beutel.Bestandteile[1].Einheit"),
    ("tpn-pharmacy", ("Beutel", "Volumen"), "2000 ml", "tpn-pharmacy.Beutel.Volumen"),
    ("tpn-pharmacy", ("Gabe", "Phasen", 0, "Dauer min"), "60", "tpn-pharmacy.Gabe.Phasen[0].Dauer min"),
    ("tpn-pharmacy", ("Patient", "gewogen am"), "26.10.2025, 02:15", "tpn-pharmacy.Patient.gewogen am"),
    ("chemo-list", ("mg_per_m2",), "100", "chemo-list.mg_per_m2"),
    ("chemo-list", ("fluid_ml",), "250 ml", "chemo-list.fluid_ml"),
    ("chemo-list", ("patient",), 771, "chemo-list.patient"),
    ("pump-events", (0, "ts"), "20251026023000", "[0].pump-events.ts"),
    ("pump-events", (1, "rate"), "7,50", "pump-events.events[1].rate"),
    ("pump-events", (1, "rate_unit"), "gtt/min", "pump-events.events[1].rate_unit"),
    ("pump-events", (1, "event"), "BOLUS", "pump-events.events[1].event"),
    ("pump-events", (4, "event"), "PAUS", "pump-events.events[4].event"),
    ("pump-events", (1, "pat_no"), "0004712", "[1].pat_no"),
    ("pump-events", (1, "seq"), 1, "[1].seq"),
    ("pump-events", (1, "run_id"), None, "[1].run_id"),
]


@pytest.mark.parametrize(("name", "path", "value", "place"), WRONG)
def test_a_wrong_value_is_refused_with_its_place_in_the_site_s_own_names(
    translator: Translator, name: str, path: tuple[Any, ...], value: Any, place: str
):
    sample = changed(samples(translator, name)[0], *path, to=value)
    with pytest.raises(Refused) as told:
        from_format(translator, name, sample)
    found = [issue.path for issue in told.value.issues]
    assert [path for path in found if path.endswith(place)], found
    assert all(issue.accepted for issue in told.value.issues)


@pytest.mark.parametrize("number", ["", None])
def test_an_order_without_its_number_is_refused_when_read_and_when_written(translator: Translator, number: str | None):
    sample = changed(samples(translator, "ward-orders")[0], "drugs", 0, "LineId", to=number)
    with pytest.raises(Refused) as told:
        from_format(translator, "ward-orders", sample)
    assert [issue.path for issue in told.value.issues] == ["[0].order_id"]
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [{name: value for name, value in record.items() if name != "order_id"}])
    assert [(issue.path, issue.status) for issue in told.value.issues] == [("order_id", 422)]


def test_a_number_that_two_drugs_of_one_order_have_is_refused_both_ways(translator: Translator):
    sample = samples(translator, "ward-orders")[0]
    records = [done.results[0] for done in from_format(translator, "ward-orders", sample)]
    with pytest.raises(Refused) as told:
        from_format(translator, "ward-orders", changed(sample, "drugs", 1, "LineId", to="A-4711-1"))
    assert [(issue.path, issue.code) for issue in told.value.issues] == [("[1].order_id", "duplicate")]
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [records[0], {**records[1], "order_id": "A-4711-1"}])
    assert [issue.path for issue in told.value.issues] == ["[1].order_id"]


def test_an_edit_of_the_record_changes_what_it_names_and_nothing_else_of_the_site_s_json(translator: Translator):
    (sample,) = samples(translator, "ward-orders")
    first, second = (done.results[0] for done in from_format(translator, "ward-orders", sample))
    step = first["steps"][0]
    dosed: Callable[[Any], Any] = lambda value: changed(step, "dosings", 0, "dose", "value", to=value)  # noqa: E731
    edited = {**first, "steps": [dosed(2)]}
    (written,) = to_format(translator, "ward-orders", [edited, second]).values
    known = {name: value for name, value in sample.items() if name != "WardColour"}
    assert same(written, changed(known, "drugs", 0, "Dose", to="2"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("infusion_type", "extended"),
        ("do_not_perform", False),
        ("effective_period", {"start": "2025-03-03"}),
        ("preparation", {"total_volume": {"value": 50, "unit": "mL"}}),
        ("intent", "plan"),
    ],
)
def test_what_could_change_what_the_patient_gets_and_has_no_place_is_refused(
    translator: Translator, field: str, value: Any
):
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [{**record, field: value}])
    assert [issue.path for issue in told.value.issues] == [field]


def test_what_else_has_no_place_is_left_out_by_the_rule_of_the_format_with_a_line(translator: Translator):
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    done = to_format(translator, "ward-orders", [{**record, "care_setting": "hospital"}]).done[0]
    lines = [(line.path, line.state, line.why) for line in done.exceptions if line.path == "care_setting"]
    assert lines == [("care_setting", "dropped", "the ward system has no field for it")]


def test_a_code_without_the_system_that_the_format_means_is_refused(translator: Translator):
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [{**record, "drug": {"codings": [{"code": "VANC"}]}}])
    assert [issue.path for issue in told.value.issues] == ["drug.codings[0].system"]


@pytest.mark.parametrize("unit", ["", None])
def test_an_amount_without_its_unit_is_refused_when_read(translator: Translator, unit: str | None):
    sample = changed(samples(translator, "ward-orders")[0], "drugs", 0, "DoseUnit", to=unit)
    with pytest.raises(Refused) as told:
        from_format(translator, "ward-orders", sample)
    assert [issue.path for issue in told.value.issues] == ["[0].steps[0].dosings[0].dose.unit"]
    assert "unit" in told.value.issues[0].accepted


def test_an_amount_without_its_unit_is_refused_when_written(translator: Translator):
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    step = changed(record["steps"][0], "dosings", 0, "dose", to={"value": 1})
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [{**record, "steps": [step]}])
    assert [issue.path for issue in told.value.issues] == ["steps[0].dosings[0].dose.unit"]


@pytest.mark.parametrize("name", ["dose", "DOSE", "Do_se"])
def test_a_member_that_is_one_of_the_shape_but_for_case_and_marks_is_refused_where_that_one_is_missing(
    translator: Translator, name: str
):
    drug = samples(translator, "ward-orders")[0]["drugs"][0]
    slipped = {name if key == "Dose" else key: value for key, value in drug.items()}
    sample = changed(samples(translator, "ward-orders")[0], "drugs", 0, to=slipped)
    with pytest.raises(Refused) as told:
        from_format(translator, "ward-orders", sample)
    assert [(issue.path, issue.accepted) for issue in told.value.issues] == [
        (f"[0].ward-orders.drugs.{name}", "Dose, or a name that is not so near to it")
    ]


def test_an_unknown_member_that_is_near_to_one_that_is_there_is_kept(translator: Translator):
    sample = changed(samples(translator, "ward-orders")[0], "drugs", 0, "dose", to="about")
    records = [done.results[0] for done in from_format(translator, "ward-orders", sample)]
    assert same(to_format(translator, "ward-orders", records).values, [sample])


def test_a_code_that_the_format_does_not_have_is_refused_with_those_of_the_side_it_stands_on(translator: Translator):
    sample = changed(samples(translator, "ward-orders")[0], "drugs", 0, "DoseUnit", to="MG")
    with pytest.raises(Refused) as told:
        from_format(translator, "ward-orders", sample)
    assert told.value.issues[0].accepted == "IE, g, mcg, mg, ml, mmol"
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    step = changed(record["steps"][0], "dosings", 0, "dose", "unit", to="kg")
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [{**record, "steps": [step]}])
    assert told.value.issues[0].accepted == "[iU], g, mL, mg, mmol, ug"


def test_words_alone_are_not_left_out_where_no_code_says_the_same(translator: Translator):
    record = from_format(translator, "ward-orders", samples(translator, "ward-orders")[0])[0].results[0]
    step = changed(record["steps"][0], "dosings", 0, "dose", to={"value": 1, "unit_text": "ampoules"})
    with pytest.raises(Refused) as told:
        to_format(translator, "ward-orders", [{**record, "steps": [step]}])
    assert [issue.path for issue in told.value.issues] == ["steps[0].dosings[0].dose.unit_text"]


def test_rows_of_a_feed_are_one_administration_with_its_segments_in_either_release(translator: Translator):
    (sample,) = samples(translator, "pump-events")
    (done,) = from_format(translator, "pump-events", sample)
    record = done.results[0]
    assert [(one["event"], one.get("rate", {}).get("value")) for one in record["segments"]] == [
        ("started", Decimal("5.0")),
        ("rate-changed", Decimal("7.50")),
        ("paused", 0),
        ("resumed", Decimal("7.50")),
        ("completed", None),
    ]
    assert (record["status"], record["when"]["end"]) == ("completed", "2025-03-27T03:00:00+01:00")
    for release in ("R4", "R5"):
        resources = translator.to_fhir(record, release).results
        assert ["partOf" in one for one in resources] == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "in-progress"),
        (("segments", 0, "end"), "2025-03-26T22:31:00+01:00"),
        (("when", "start"), "2025-03-26T21:00:00+01:00"),
        (("when", "end"), "2025-03-27T04:00:00+01:00"),
    ],
)
def test_a_record_that_its_own_rows_would_not_say_again_is_refused(
    translator: Translator, path: tuple[Any, ...], value: Any
):
    record = from_format(translator, "pump-events", samples(translator, "pump-events")[0])[0].results[0]
    with pytest.raises(Refused) as told:
        to_format(translator, "pump-events", [changed(record, *path, to=value)])
    assert told.value.issues[0].reason == "the rows of the feed do not say this"


def test_pounds_stay_pounds_in_the_record_and_in_fhir(translator: Translator):
    (done,) = from_format(translator, "home-infusion", samples(translator, "home-infusion")[0])
    assert done.results[0]["measurements"][0]["value"] == {"value": Decimal("154.50"), "unit": "[lb_av]"}
    (resource,) = translator.to_fhir(done.results[0], "R4").results
    (weight,) = [one for one in resource["contained"] if one["resourceType"] == "Observation"]
    assert weight["valueQuantity"]["code"] == "[lb_av]"
    assert str(weight["valueQuantity"]["value"]) == "154.50"


def test_a_dose_for_a_surface_and_the_one_made_of_it_are_checked_by_the_arithmetic_and_never_stale(
    translator: Translator,
):
    sample = samples(translator, "chemo-list")[0]
    (done,) = from_format(translator, "chemo-list", sample)
    assert done.findings == ()
    (wrong,) = from_format(translator, "chemo-list", {**sample, "dose_mg": Decimal("128.0")})
    assert [finding.rule for finding in wrong.findings] == ["calculated-dose"]
    step = changed(done.results[0]["steps"][0], "dosings", 1, "dose", "value", to=180)
    (written,) = to_format(translator, "chemo-list", [{**done.results[0], "steps": [step]}]).values
    assert same(written, {**{name: value for name, value in sample.items() if name != "vial_plan"}, "dose_mg": 180})


def test_several_ingredients_and_the_phases_of_a_cycle_are_read(translator: Translator):
    (done,) = from_format(translator, "tpn-pharmacy", samples(translator, "tpn-pharmacy")[0])
    record = done.results[0]
    assert [(one["role"], str(one["amount"]["value"])) for one in record["preparation"]["ingredients"]] == [
        ("base", "625"),
        ("additive", "40.0"),
        ("additive", "0.050"),
    ]
    assert [one["role"] for one in record["steps"]] == ["ramp", "maintenance", "taper"]


def test_a_sample_that_is_not_taken_is_told_with_its_place_and_what_would_be_accepted(translator: Translator):
    one = translator.library.formats["ward-orders"]
    (sample,) = samples_of(one)
    wrong = changed(sample, "drugs", 0, "Dose", to="1.50")
    (broken,) = prove_format(one, [wrong], random.Random, 1).broken
    assert broken.law == "taken"
    assert broken.path.startswith(
        "[0].ward-orders.drugs.Dose: this is no number in text; accepted: digits in quotes with ','"
    )
