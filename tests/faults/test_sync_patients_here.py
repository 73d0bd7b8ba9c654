"""The patients of what is pulled come along where that is set, and overwrite nobody (hazard H10)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import accept_resource, resolve
from fhir_infusion.config import Remote
from fhir_infusion.errors import SettingsError
from fhir_infusion.remotes import check_remotes
from fhir_infusion.store import conflicts, inbox
from tests.faults.invariants import demanded
from tests.faults.peer import Act
from tests.faults.rig import CALLER, MRN, TENANT, Clock, Rig, of_theirs, open_rig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Peer

MR, BOTH = "MedicationRequest", ("MedicationRequest", "MedicationAdministration")
JANE = {"name": [{"family": "Ito", "given": ["Jane"]}], "birthDate": "1970-01-02", "gender": "female"}


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    opened = open_rig(there, database, Clock(), resources=(*BOTH, "Patient"))
    with demanded(opened, asked=database.startswith("sqlite")) as one:
        yield one


def patient(value: str = "mrn-1", **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}], **JANE, **members}


def order_of(rig: Rig, number: int, id_: str, **members: Any) -> None:
    rig.there.put(of_theirs(number, subject={"reference": f"Patient/{id_}"}, **members))


def test_h10_the_patient_of_whom_a_part_is_named_there_is_theirs_and_none_of_ours(rig: Rig):
    rig.accept({"resourceType": "Patient", "id": "p", "gender": "male"})
    rig.there.put(patient(), "p")
    rig.there.put(of_theirs(1, subject={"reference": "Patient/p#x"}))
    rig.pull()
    (id_,) = rig.ids()
    subject = rig.resource(MR, id_)["subject"]
    assert subject["identifier"] == {"system": MRN, "value": "mrn-1"}
    assert subject["reference"] == f"{rig.there.base}/Patient/p"


def named(rig: Rig) -> list[Any]:
    return [one.get("name") for one in rig.all("Patient")]


def test_the_patient_of_a_pulled_order_comes_along_once_and_says_who_it_is(rig: Rig):
    rig.there.put(patient(), "p")
    for number in (1, 2):
        order_of(rig, number, "p")
    rig.pull()
    rig.settle()
    (kept,) = rig.all("Patient")
    assert {name: kept[name] for name in JANE} == JANE
    assert kept["id"] != "p"
    (first, _) = rig.ids()
    shown = resolve.read(rig.service, CALLER, MR, first).record["patient"]
    assert (shown["name"], shown["birth_date"], shown["sex"]) == ("Jane Ito", "1970-01-02", "female")
    assert (rig.there.writes(), rig.alerts()) == ([], [])
    # What is known lately is not asked for again.
    asked = [one for one in rig.there.asked if one.type == "Patient" and one.id]
    order_of(rig, 3, "p")
    rig.pull()
    assert [one for one in rig.there.asked if one.type == "Patient" and one.id] == asked


@pytest.mark.parametrize(
    ("here", "alarms"),
    [
        ([patient()], []),
        ([patient(name=[{"family": "Roe"}], birthDate="1950-05-05")], ["patient-differs name,birthDate"]),
        ([patient(), patient()], ["patient-several-here"]),
    ],
    ids=["the same", "another person", "two"],
)
def test_h10_a_patient_that_is_here_is_never_overwritten_and_what_contradicts_is_told(
    rig: Rig, here: list[dict[str, Any]], alarms: list[str]
):
    for one in here:
        rig.accept(one)
    rig.there.put(patient(active=True), "p")
    order_of(rig, 1, "p")
    rig.pull()
    assert named(rig) == [one["name"] for one in here]
    assert rig.alerts() == alarms
    assert len(rig.ids()) == 1
    assert ("name" in resolve.read(rig.service, CALLER, MR, rig.ids()[0]).record["patient"]) is (len(here) == 1)


@pytest.mark.parametrize(
    ("theirs", "alarms"),
    [
        ({"resourceType": "Patient", **JANE}, ["patient-unidentified"]),
        (patient(link=[{"other": {"reference": "Patient/q"}, "type": "replaced-by"}]), ["patient-merged-away"]),
        (patient(gender="CANARY"), ["patient-not-taken code-invalid"]),
        (None, []),
    ],
    ids=["no number", "merged away", "not valid", "not there"],
)
def test_a_patient_that_cannot_come_along_is_told_and_its_order_is_taken_all_the_same(
    rig: Rig, theirs: dict[str, Any] | None, alarms: list[str]
):
    if theirs is not None:
        rig.there.put(theirs, "p")
    order_of(rig, 1, "p")
    rig.pull()
    assert (len(rig.ids()), rig.all("Patient")) == (1, [])
    assert rig.alerts() == alarms


ROE = [{"family": "Ito-Roe", "given": ["Jane"]}]


def brought(rig: Rig) -> str:
    """Bring a patient along; return the id here."""
    rig.there.put(patient(), "p")
    order_of(rig, 1, "p")
    rig.pull()
    (kept,) = rig.all("Patient")
    return str(kept["id"])


def put_aside(rig: Rig) -> list[str]:
    return [one.codes for one in rig.quarantined()]


def test_h10_what_is_corrected_there_is_taken_into_the_copy_that_came_from_there(rig: Rig):
    id_ = brought(rig)
    for name in (ROE, [{"family": "Roe", "given": ["Jane"]}]):
        rig.clock.move(60)
        rig.there.put(patient(name=name), "p")
        rig.pull()
        assert [(one["id"], one["name"]) for one in rig.all("Patient")] == [(id_, name)]
    assert resolve.read(rig.service, CALLER, MR, rig.ids()[0]).record["patient"]["name"] == "Jane Roe"
    version = rig.all("Patient")[0]["meta"]["versionId"]
    for _ in range(3):
        rig.pull()
    assert rig.all("Patient")[0]["meta"]["versionId"] == version == "3"
    assert (rig.there.writes(), rig.alerts(), put_aside(rig)) == ([], [], [])


def test_h10_of_patients_that_no_copy_came_from_nothing_is_kept(rig: Rig):
    brought(rig)
    for number in range(70):
        rig.there.put(patient(f"other-{number}"), f"q{number}")
    rig.there.put(patient(name=ROE), "p")
    rig.pull()
    assert named(rig) == [ROE]
    asked = rig.service.store.read(TENANT, lambda tx: inbox.newest(tx, "peer", "Patient", 100))
    assert {one.id for one in asked} == {"p"}


def test_h10_h17_one_of_ours_and_a_copy_that_was_changed_here_are_not_overwritten(rig: Rig):
    rig.accept(patient("mrn-2"))
    rig.there.put(patient("mrn-2"), "q")
    order_of(rig, 2, "q")
    id_ = brought_beside(rig)
    mine = {**rig.resource("Patient", id_), "name": [{"family": "Ito", "given": ["Jane", "Ann"]}]}
    accept_resource.update(rig.service, CALLER, "R4", id_, mine)
    for value, there in (("mrn-2", "q"), ("mrn-1", "p")):
        rig.there.put(patient(value, name=ROE), there)
    rig.pull()
    rig.pull()
    assert named(rig) == [JANE["name"], mine["name"]]
    assert rig.alerts() == ["quarantined patient-changed-here"]
    # Once both say the same, what is corrected there later is taken again.
    rig.there.put(patient(name=mine["name"]), "p")
    rig.pull()
    rig.there.put(patient(name=ROE), "p")
    rig.pull()
    assert named(rig) == [JANE["name"], ROE]


def brought_beside(rig: Rig) -> str:
    """Bring a patient along where another one is here already; return the id here."""
    rig.there.put(patient(), "p")
    order_of(rig, 1, "p")
    rig.pull()
    return str(rig.all("Patient")[1]["id"])


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        (patient(name=ROE, link=[{"other": {"reference": "Patient/q"}, "type": "replaced-by"}]), "patient-merged-away"),
        (patient("mrn-9", name=ROE), "patient-identifier-gone"),
        (patient(gender="CANARY"), "patient-not-taken code-invalid"),
    ],
    ids=["merged away", "another number", "not valid"],
)
def test_h10_what_is_no_correction_is_put_aside_and_told(rig: Rig, theirs: dict[str, Any], code: str):
    brought(rig)
    rig.there.put(theirs, "p")
    rig.pull()
    assert named(rig) == [JANE["name"]]
    assert (rig.alerts(), put_aside(rig)) == ([f"quarantined {code}"], [code])
    rig.there.put(patient(name=ROE), "p")
    rig.pull()
    assert named(rig) == [ROE]


def test_h10_where_name_birth_date_and_sex_change_at_once_a_person_is_asked_who_it_is(rig: Rig):
    id_ = brought(rig)
    rig.there.put(patient(name=[{"family": "Other"}], birthDate="1950-05-05", gender="male"), "p")
    rig.pull()
    (conflict,) = rig.service.store.read(TENANT, lambda tx: conflicts.listed(tx, ""))
    assert (conflict.aggregate, conflict.fields) == (f"Patient/{id_}", ("identity", "reused"))


@pytest.mark.parametrize("back", [0, 600])
def test_f17_a_correction_that_is_dated_before_what_we_know_is_taken_if_it_is_current(rig: Rig, back: int):
    brought(rig)
    rig.there.step(timedelta(seconds=-back))
    rig.there.put(patient(name=ROE), "p")
    rig.pull()
    assert named(rig) == [ROE]


def test_what_is_corrected_while_the_peer_cannot_be_asked_for_patients_is_taken_later(rig: Rig):
    rig.there.lies.append(
        lambda asked: Act(effect=False, status=400) if asked.type == "Patient" and not asked.id else None
    )
    brought(rig)
    rig.there.put(patient(name=ROE), "p")
    assert [bool(one.trouble) for one in rig.pull()] == [False, False, True]
    rig.there.lies.clear()
    rig.there.step(timedelta(hours=3))
    rig.clock.move(3600)
    rig.pull()
    assert named(rig) == [ROE]


def test_without_the_setting_no_patient_comes_along(there: Peer, database: str):
    rig = open_rig(there, database, Clock())
    there.put(patient(), "p")
    order_of(rig, 1, "p")
    rig.pull()
    assert (len(rig.ids()), rig.all("Patient")) == (1, [])
    rig.close()


def test_patients_alone_are_nothing_to_keep_in_step():
    with pytest.raises(SettingsError, match="accepted is Patient only beside one of"):
        check_remotes([Remote("peer", "https://fhir.example", resources=("Patient",))], "")
