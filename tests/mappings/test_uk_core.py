"""UK Core: a pause that only the state says is read as one, stated nowhere in the resource, and goes back as it came."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_infusion.mapping.compare import differences
from fhir_infusion.records.parts import join
from tests.golden_write import translator
from tests.mappings.test_overlays import RELEASES, findings, per, quantity, read, resource
from tests.test_examples import EXAMPLES, examples

Json = dict[str, Any]

each_release = pytest.mark.parametrize("release", RELEASES)

ZERO = {
    "rate zero": {"dosage": {"rateQuantity": quantity(0, "mL/h")}},
    "rate zero with its digits": {"dosage": {"rateQuantity": quantity("0.00", "mL/h", "ml/hour")}},
    "ratio of zero": {"dosage": {"rateRatio": per(quantity(0, "mL"), quantity(1, "h"))}},
    "no dosage": {},
}


def on_hold(release: str, **more: Any) -> Json:
    return {**resource("MedicationAdministration", release, **more), "status": "on-hold"}


@each_release
@pytest.mark.parametrize("dosage", ZERO.values(), ids=ZERO)
def test_an_administration_on_hold_of_which_nothing_runs_is_a_pause_and_goes_back_as_it_came(
    release: str, dosage: Json
) -> None:
    given = on_hold(release, statusReason=[{"text": "platelets fell"}], **dosage)
    record = read(given, "uk-core", release)
    assert [segment["event"] for segment in record["segments"]] == ["paused"]
    assert record["status_reasons"] == [{"text": "platelets fell"}]
    assert findings(given, "uk-core", release) == set()
    assert all("event" not in segment for segment in read(given, None, release).get("segments", ()))


@each_release
def test_what_is_on_hold_and_says_that_it_runs_is_read_as_it_is_said(release: str) -> None:
    for dosage in ({"rateQuantity": quantity(5, "mL/h")}, {"dose": quantity(40, "mg")}):
        record = read(on_hold(release, dosage=dosage), "uk-core", release)
        assert all("event" not in segment for segment in record.get("segments", ()))
        assert "$pause-by-state" not in [entry["path"] for entry in record.get("residue", ())]


@each_release
def test_an_order_on_hold_is_no_pause_and_is_taken(release: str) -> None:
    order = {**resource("MedicationRequest", release), "status": "on-hold"}
    record = read(order, "uk-core", release)
    assert (record["status"], record.get("residue")) == ("on-hold", read(order, None, release).get("residue"))
    assert translator().to_fhir(record, release, "uk-core", as_sent=True).results == [order]


@each_release
def test_a_pause_reaches_the_other_release_as_the_state_says_it(release: str) -> None:
    other = "R5" if release == "R4" else "R4"
    given = on_hold(release, dosage={"rateQuantity": quantity(0, "mL/h")})
    record = read(given, "uk-core", release)
    (there,) = translator().to_fhir(record, other, "uk-core", as_sent=True).results
    assert "extension" not in there
    assert read(there, "uk-core", other)["segments"] == record["segments"]


@each_release
def test_the_ledger_says_what_says_the_pause(release: str) -> None:
    record = read(on_hold(release), "uk-core", release)
    lines = translator().to_fhir(record, release, "uk-core", as_sent=True).lines
    assert [(line.state, line.to) for line in lines if line.path == "segments[0].event"] == [("carried", "status")]


@each_release
def test_a_pause_of_our_own_json_is_stated_by_its_state_and_by_its_event(release: str) -> None:
    ours = {
        "record": "Administration",
        "status": "on-hold",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "heparin"},
        "when": {"at": "2026-05-04T10:00:00Z"},
        "segments": [{"event": "paused", "rate": {"value": 0, "unit": "mL/h"}}],
    }
    (sent,) = translator().to_fhir(deepcopy(ours), release, "uk-core").results
    assert sent["status"] == "on-hold"
    assert sent["dosage"]["rateQuantity"]["value"] == 0
    assert [one["valueCode"] for one in sent["extension"][0]["extension"]] == ["paused"]
    back = read(sent, "uk-core", release)
    assert back["segments"] == ours["segments"]
    assert "residue" not in back


@each_release
def test_a_pause_whose_state_is_edited_is_stated(release: str) -> None:
    record = read(on_hold(release, dosage={"rateQuantity": quantity(0, "mL/h")}), "uk-core", release)
    (sent,) = translator().to_fhir({**record, "status": "completed"}, release, "uk-core").results
    again = read(sent, "uk-core", release)
    assert (again["status"], again["segments"][0]["event"]) == ("completed", "paused")


@each_release
def test_a_record_that_is_kept_keeps_its_pause_and_the_words_beside_it(release: str) -> None:
    dosage = {"text": "No infusion running.", "rateQuantity": quantity(0, "mL/h")}
    record = read(on_hold(release, dosage=dosage), "uk-core", release)
    assert translator().settled(record, release, "uk-core") == record
    assert record["text"] == "No infusion running."


@each_release
def test_rate_changes_and_a_pause_of_one_order_stay_separate_administrations(release: str) -> None:
    order = {"reference": "MedicationRequest/1"}
    ran = {"dose": quantity(10, "mg"), "rateQuantity": quantity(10, "mL/h")}
    parts = [
        resource("MedicationAdministration", release, id="a", request=order, dosage=ran),
        on_hold(release, id="b", request=order),
        resource("MedicationAdministration", release, id="c", request=order, dosage=ran),
    ]
    apart = join([read(one, "uk-core", release) for one in parts])
    assert [one["resource_id"] for one in apart] == ["a", "b", "c"]
    assert [one["order"] for one in apart] == [order] * 3
    assert [one["segments"][0].get("event") for one in apart] == [None, "paused", None]
    assert [one.get("dose_given", {}).get("value") for one in apart] == [10, None, 10]


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"the published examples are not here: {EXAMPLES}")
def test_the_published_pause_is_read_and_every_example_comes_back_equal() -> None:
    paused = []
    for name, given in examples(EXAMPLES / "uk-core-from-xml"):
        done = translator().to_internal(deepcopy(given), "R4", "uk-core")
        (back,) = translator().to_fhir(done.results[0], "R4", "uk-core", as_sent=True).results
        assert list(differences(given, back)) == [], name
        if any(segment.get("event") == "paused" for segment in done.results[0].get("segments", ())):
            paused.append(given["id"])
    assert paused == ["UKCore-MedicationAdministration-Sn-ZeroDosage-Example"]
