"""The patients of what is pulled come along where that is set, and overwrite nobody (hazard H10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import resolve
from fhir_infusion.config import Remote
from fhir_infusion.errors import SettingsError
from fhir_infusion.remotes import check_remotes
from tests.faults.rig import CALLER, MRN, Clock, Rig, open_rig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.peer import Peer

MR, BOTH = "MedicationRequest", ("MedicationRequest", "MedicationAdministration")
JANE = {"name": [{"family": "Ito", "given": ["Jane"]}], "birthDate": "1970-01-02", "gender": "female"}


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    one = open_rig(there, database, Clock(), resources=(*BOTH, "Patient"))
    yield one
    one.close()


def patient(value: str = "mrn-1", **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}], **JANE, **members}


def order_of(rig: Rig, number: int, id_: str, **members: Any) -> None:
    rig.there.put(
        {
            "resourceType": MR,
            "identifier": [{"system": "urn:theirs", "value": str(number)}],
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "dobutamine"},
            "subject": {"reference": f"Patient/{id_}"},
            **members,
        }
    )


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
    # What is known lately is not asked for again; what was changed here stays.
    asked = [one for one in rig.there.asked if one.type == "Patient"]
    rig.there.put(patient(name=[{"family": "Ito-Roe"}]), "p")
    order_of(rig, 3, "p")
    rig.pull()
    assert len([one for one in rig.there.asked if one.type == "Patient"]) == len(asked)
    assert named(rig) == [JANE["name"]]


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
