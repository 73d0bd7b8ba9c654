"""Patients that are merged here, and record numbers that are used again: an order follows, or is held.

Nothing is ever moved silently: what follows has a version and an audit row that say why (hazard H10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import find, merge_patients
from fhir_infusion.actions.merge_patients import Asked, Named
from fhir_infusion.errors import Refused
from fhir_infusion.sync.status import gauges, status
from tests.faults.persons import MR, OTHER, decide, held, link, patient, placed, subjects, trail
from tests.faults.rig import CALLER, MRN, Rig, administration, order

if TYPE_CHECKING:
    from fhir_infusion.sync.resolve import Keep

MA = "MedicationAdministration"


# --------------------------------------------------------------------------------------------------- 1 to 5: our side


@pytest.mark.parametrize("carries", [True, False])
def test_h10_what_is_open_follows_to_the_patient_that_certainly_is_the_same_here_and_at_the_peer(
    rig: Rig, carries: object
):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N", *(["mrn-A-1"] if carries else []))
    rig.place(placed("A-1", "old"))
    rig.place(placed("A-1.ended", "old", status="stopped"))
    given = administration("G-1", "A-1", 5, "7.50")
    rig.give({**given, "patient": placed("A-1", "old")["patient"]})
    rig.settle()
    assert len(rig.there.all("Patient")) == 1
    told = patient(rig, "old", "mrn-A-1", **link("new"))
    assert [one.rule for one in told.findings] == ["patient-merged"]
    number = "mrn-A-1" if carries else "mrn-N"
    assert subjects(rig) == [("Patient/new", number), ("Patient/old", "mrn-A-1")]
    assert set(subjects(rig, MA)) == {("Patient/new", number)}
    ids = {*rig.ids(MA), rig.id_of(MR, "A-1")}
    merged = trail(rig, "patient-merged")
    assert ({one[1] for one in merged}, {one[2] for one in merged}) == (
        ids,
        {"Patient/old is Patient/new: replaced-by"},
    )
    # The peer is told: of another person there only where ours is known by another number now.
    assert set(rig.settle()) == {"acked"}
    names = {one["subject"]["reference"] for one in (*rig.there.all(MR), *rig.there.all(MA))}
    assert (len(rig.there.all("Patient")), len(names)) == ((1, 1) if carries else (2, 2))
    moved = {one["subject"]["identifier"]["value"] for one in rig.there.all(MA)}
    assert moved == {number}
    # Once is enough, and a stop flows as ever.
    versions = [one["meta"]["versionId"] for one in rig.all()]
    patient(rig, "old", "mrn-A-1", active=False, **link("new"))
    assert [one["meta"]["versionId"] for one in rig.all()] == versions
    rig.amend({**find.record(rig.service, CALLER, MR, rig.id_of(MR, "A-1")).record, "status": "stopped"})
    rig.settle()
    assert {one["status"] for one in rig.there.all(MR)} == {"stopped"}
    assert (held(rig), rig.conflicts()) == ([], [])


@pytest.mark.parametrize("keep", ["theirs", "ours"])
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": [{"family": "Roe", "given": ["Max"]}]}, ("name",)),
        ({"birthDate": "1970-02-01"}, ("birthDate",)),
        ({"gender": "male"}, ("gender",)),
        (OTHER, ("name", "birthDate", "gender")),
    ],
)
def test_h10_where_name_birth_date_or_sex_contradict_nothing_moves_until_a_person_says_so(
    rig: Rig, changed: dict[str, Any], why: tuple[str, ...], keep: Keep
):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N", **changed)
    rig.place(placed("A-1", "old"))
    told = patient(rig, "old", "mrn-A-1", **link("new"))
    assert [(one.severity, one.rule) for one in told.findings] == [("warning", "patient-identity")]
    assert (subjects(rig), held(rig)) == ([("Patient/old", "mrn-A-1")], [("Patient/old", ("identity", *why))])
    assert rig.settle() == ["acked"]
    decide(rig, keep)
    assert subjects(rig) == ([("Patient/new", "mrn-N")] if keep == "theirs" else [("Patient/old", "mrn-A-1")])
    assert (held(rig), len(trail(rig, "patient-merged"))) == ([], int(keep == "theirs"))
    # What was decided stays decided: the same link again asks nobody anew.
    patient(rig, "old", "mrn-A-1", active=False, **link("new"))
    assert held(rig) == []
    assert set(rig.settle()) == {"acked"}


def test_h10_a_name_in_another_order_an_unknown_sex_and_a_year_of_birth_contradict_nothing(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N", name=[{"family": "Ito", "given": ["JANE"]}], birthDate="1970", gender="unknown")
    rig.place(placed("A-1", "old"))
    patient(rig, "old", "mrn-A-1", **link("new"))
    assert (subjects(rig), held(rig)) == ([("Patient/new", "mrn-N")], [])


def test_h10_a_patient_that_is_not_here_is_waited_for_and_what_was_held_closes_when_it_is_certain(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    rig.place(placed("A-1", "old"))
    patient(rig, "old", "mrn-A-1", **link("new"))
    assert held(rig) == [("Patient/old", ("identity", "unknown"))]
    with pytest.raises(Refused) as refusal:
        decide(rig, "theirs")
    assert (refusal.value.status, subjects(rig)) == (422, [("Patient/old", "mrn-A-1")])
    patient(rig, "new", "mrn-N", **link("old", "replaces"))
    assert (subjects(rig), held(rig)) == ([("Patient/new", "mrn-N")], [])


def test_h10_a_patient_that_only_says_itself_that_it_replaces_another_takes_nothing(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N")
    rig.place(placed("A-1", "old"))
    patient(rig, "new", "mrn-N", **link("old", "replaces"))
    assert (subjects(rig), held(rig)) == ([("Patient/old", "mrn-A-1")], [("Patient/old", ("identity", "one-sided"))])
    patient(rig, "old", **link("new"))  # emptied of its number, as some servers do
    assert (subjects(rig), held(rig)) == ([("Patient/new", "mrn-N")], [])


def test_h10_a_chain_is_followed_to_its_end_and_a_circle_is_held(rig: Rig):
    for id_ in ("a", "b", "c"):
        patient(rig, id_, f"mrn-{id_}")
    patient(rig, "b", "mrn-b", **link("c"))
    rig.place({**order("A-1"), "patient": {"reference": "Patient/a"}})
    patient(rig, "a", "mrn-a", **link("b"))
    assert subjects(rig)[0][0] == "Patient/c"
    patient(rig, "c", "mrn-c", **link("a"))
    assert (subjects(rig)[0][0], held(rig)) == ("Patient/c", [("Patient/c", ("identity", "circle"))])


def test_h10_an_order_known_only_by_a_number_that_a_third_patient_has_is_not_guessed(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N")
    rig.place(order("A-1"))
    patient(rig, "old", "mrn-O")
    patient(rig, "third", "mrn-A-1", **OTHER)
    patient(rig, "old", "mrn-O", **link("new"))
    assert (subjects(rig), held(rig)) == ([("", "mrn-A-1")], [("Patient/old", ("identity", "cannot-follow"))])


def test_h10_one_patient_more_than_once_merged_is_held(rig: Rig):
    for id_ in ("old", "new", "else"):
        patient(rig, id_, f"mrn-{id_}")
    rig.place({**order("A-1"), "patient": {"reference": "Patient/old"}})
    links = [*link("new")["link"], *link("else")["link"]]
    patient(rig, "old", "mrn-old", link=links)
    assert (subjects(rig)[0][0], held(rig)) == ("Patient/old", [("Patient/old", ("identity", "several"))])


@pytest.mark.parametrize("named", ["http://elsewhere/fhir/Patient/new", "urn:uuid:new", "Person/new"])
def test_h10_a_link_to_another_server_is_none_to_the_patient_of_that_id_here(rig: Rig, named: str):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N")
    rig.place(placed("A-1", "old"))
    patient(rig, "old", "mrn-A-1", link=[{"other": {"reference": named}, "type": "replaced-by"}])
    assert (subjects(rig), held(rig)) == ([("Patient/old", "mrn-A-1")], [("Patient/old", ("identity", "unknown"))])


def test_what_a_person_has_not_seen_is_not_decided(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N", **OTHER)
    rig.place(placed("A-1", "old"))
    patient(rig, "old", "mrn-A-1", **link("new"))
    patient(rig, "new", "mrn-N", **{**OTHER, "birthDate": "1999-09-09"})
    with pytest.raises(Refused) as refusal:
        decide(rig, "theirs")
    assert (refusal.value.status, subjects(rig)) == (409, [("Patient/old", "mrn-A-1")])
    decide(rig, "theirs")
    assert subjects(rig) == [("Patient/new", "mrn-N")]


# --------------------------------------------------------------------------------------- 6: a number that is used again


@pytest.mark.parametrize("keep", ["theirs", "ours"])
@pytest.mark.parametrize("by", ["reference", "identifier"])
def test_h10_i4_where_a_number_is_another_persons_now_nothing_open_is_sent_but_a_stop(rig: Rig, by: str, keep: Keep):
    make = (lambda name: placed(name, "p")) if by == "reference" else order
    patient(rig, "p", "mrn-A-1")
    for name in ("A-1.1", "A-1.2"):
        rig.place(make(name))
    assert rig.settle() == ["acked", "acked"]
    rig.clock.move(10)
    told = patient(rig, "p", "mrn-A-1", **OTHER)
    assert [(one.severity, one.rule) for one in told.findings] == [("warning", "patient-identity")]
    assert held(rig) == [("Patient/p", ("identity", "reused"))]
    sent = len(rig.there.writes())
    rig.amend(make("A-1.1") | {"priority": "stat"})
    rig.amend(make("A-1.2") | {"priority": "stat"})
    rig.clock.move(10)
    rig.place(make("A-1.3"))
    assert rig.settle(rounds=3)[2:] == ["conflict"] * 3
    assert len(rig.there.writes()) == sent
    assert rig.alerts() == ["patient-held"] * 3
    now, (help_, count) = status(rig.service)[0], gauges(rig.service)["fhir_infusion_identities"]
    assert (now["identities"], now["patients_aside"], count) == (1, 3, 1)
    assert MRN not in help_
    rig.amend(make("A-1.2") | {"priority": "stat", "status": "stopped"})
    rig.settle(rounds=6)
    assert sorted(one["status"] for one in rig.there.all(MR)) == ["active", "stopped"]
    decide(rig, keep)
    rig.settle()
    there = {one["identifier"][0]["value"]: (one["status"], one.get("priority")) for one in rig.there.all(MR)}
    mended = {"A-1.1": ("active", "stat" if keep == "theirs" else None), "A-1.2": ("stopped", "stat")}
    assert there == {**mended, "A-1.3": ("active", None)}
    assert (held(rig), rig.states().count("conflict")) == ([], 0)
    # Later changes go the same way, and one more change of the person asks again.
    rig.amend(make("A-1.1") | {"priority": "asap"})
    rig.settle()
    assert rig.states()[-1] == ("acked" if keep == "theirs" else "dead")


def test_a_corrected_name_or_another_number_is_no_other_person(rig: Rig):
    patient(rig, "p", "mrn-A-1")
    rig.place(placed("A-1", "p"))
    patient(rig, "p", "mrn-A-1", name=[{"text": "Jane Ito-Roe"}], birthDate="1971-01-02")
    patient(rig, "p", "mrn-X", name=[{"text": "Jane Ito-Roe"}], birthDate="1971-01-02")
    patient(rig, "p", "mrn-Y", **OTHER)  # no number stays: who names Patient/p means the person of today
    assert held(rig) == []
    assert rig.settle() == ["acked"]


# ------------------------------------------------------------------------------------------------------------- $merge


def test_h10_a_merge_by_hand_is_one_transaction_and_shown_before_it_is_done(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N")
    rig.place(placed("A-1", "old"))
    rig.settle()
    asked = Asked(Named("Patient/old"), Named("", ((MRN, "mrn-N"),)))
    shown = merge_patients.preview(rig.service, CALLER, "R4", asked)
    id_ = rig.id_of(MR, "A-1")
    # The identifier goes with the merge, so that only the reference changes.
    assert (shown.moved, shown.findings, subjects(rig)) == ((f"{MR}/{id_}",), (), [("Patient/old", "mrn-A-1")])
    done = merge_patients.merge(rig.service, CALLER, "R4", asked)
    assert (done.moved, subjects(rig)) == (shown.moved, [("Patient/new", "mrn-A-1")])
    target, source = rig.resource("Patient", "new"), rig.resource("Patient", "old")
    assert [(one["value"], one.get("use")) for one in target["identifier"]] == [("mrn-N", None), ("mrn-A-1", "old")]
    assert (target["link"][0]["type"], source["link"][0]["type"], source["active"]) == (
        "replaces",
        "replaced-by",
        False,
    )
    assert set(rig.settle()) == {"acked"}
    assert (held(rig), len(rig.there.all("Patient"))) == ([], 1)
    with pytest.raises(Refused, match="merged into another one before"):
        merge_patients.merge(rig.service, CALLER, "R4", asked)


def test_h10_patients_that_contradict_are_not_merged_and_nothing_of_it_is_left(rig: Rig):
    patient(rig, "old", "mrn-A-1")
    patient(rig, "new", "mrn-N", **OTHER)
    rig.place(placed("A-1", "old"))
    asked = Asked(Named("Patient/old"), Named("Patient/new"))
    shown = merge_patients.preview(rig.service, CALLER, "R4", asked)
    assert {one.path for one in shown.findings} == {"Patient.name", "Patient.birthDate", "Patient.gender"}
    with pytest.raises(Refused) as refusal:
        merge_patients.merge(rig.service, CALLER, "R4", asked)
    assert refusal.value.status == 422
    assert (subjects(rig), "link" in rig.resource("Patient", "new")) == ([("Patient/old", "mrn-A-1")], False)
