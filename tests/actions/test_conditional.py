"""Conditional interactions of many at once: one resource, no lost update."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import accept_resource, conditional, delete_resource, find, patch_resource
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json_patch, search
from tests.actions.examples import MR, ORDERS, audited, outbox_rows, request
from tests.counts import count

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS = 8


def query(type_: str, system: str, value: str) -> search.Query:
    return search.parse(type_, "R4", [("identifier", f"{system}|{value}")])


def together(run: Callable[[int], object]) -> list[Any]:
    """What each of several clients got that began at once; of a refusal its status."""
    start = threading.Barrier(CLIENTS)
    got: list[Any] = [None] * CLIENTS

    def one(number: int) -> None:
        start.wait()
        try:
            got[number] = run(number)
        except Refused as refused:
            got[number] = refused.status

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def patient(value: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:p", "value": value}], **more}


def test_of_many_conditional_updates_at_once_one_creates_and_the_others_update_h5(service, caller):
    for turn in range(count(20, 200)):
        wanted = query("Patient", "urn:p", str(turn))

        def run(number: int, turn: int = turn, wanted: search.Query = wanted):
            body = patient(str(turn), language="en" if number % 2 else "de", name=[{"family": f"F{number}"}])
            return conditional.update(service, caller, "R4", wanted, body)

        outcomes = together(run)
        assert sum(one.created for one in outcomes) == 1
        (only,) = {one.id for one in outcomes}
        found = find.search(service, caller, "R4", "Patient", [("identifier", f"urn:p|{turn}")], 10)
        assert [entry.id for entry in found.entries] == [only]
        # Each had its effect: a version of its own.
        assert sorted(one.version for one in outcomes) == list(range(1, CLIENTS + 1))


def test_of_many_creates_that_meet_their_own_criteria_whatever_these_are_one_creates_h5(service, caller):
    """Not by a business identifier alone: what one has written is found by the next, in the transaction that writes."""
    for turn in range(count(10, 200)):
        asked = [("birthdate", f"{1900 + turn}-02-03"), ("gender", "other"), ("family", "Roe")]
        wanted = search.parse("Patient", "R4", asked)
        body = {
            "resourceType": "Patient",
            "birthDate": f"{1900 + turn}-02-03",
            "gender": "other",
            "name": [{"family": "Roe"}],
        }

        def run(_: int, body: Any = body, wanted: search.Query = wanted):
            return accept_resource.create(service, caller, "R4", body, wanted)

        outcomes = together(run)
        assert sum(one.created for one in outcomes) == 1
        assert len({one.id for one in outcomes}) == 1
        assert len(find.search(service, caller, "R4", "Patient", asked, 10).entries) == 1


def test_of_many_conditional_updates_of_one_order_one_creates_and_nobody_overwrites_h5_h17(service, caller):
    for turn in range(count(20, 200)):
        wanted = query(MR, ORDERS, f"C-{turn}")

        def run(number: int, turn: int = turn, wanted: search.Query = wanted):
            note = [{"text": f"remark {number}"}]
            return conditional.update(service, caller, "R4", wanted, request(f"C-{turn}", note=note))

        outcomes = together(run)
        made = [one for one in outcomes if one != 400]
        assert [one.created for one in made] == [True]
        assert len(outcomes) - len(made) == CLIENTS - 1


def test_the_same_conditional_update_of_an_order_at_once_is_one_h5(service, caller):
    for turn in range(count(20, 200)):
        wanted = query(MR, ORDERS, f"S-{turn}")

        def run(_: int, turn: int = turn, wanted: search.Query = wanted):
            return conditional.update(service, caller, "R4", wanted, request(f"S-{turn}"))

        outcomes = together(run)
        assert sorted(one.created for one in outcomes) == [False] * (CLIENTS - 1) + [True]
        assert {one.version for one in outcomes} == {1}
    assert len(outbox_rows(service)) <= 100


def test_of_many_creates_with_if_none_exist_one_creates_h5(service, caller):
    for turn in range(count(20, 200)):
        wanted = search.parse("Patient", "R4", [("identifier", f"urn:p|{turn}")])

        def run(number: int, turn: int = turn, wanted: search.Query = wanted):
            body = patient(str(turn), name=[{"family": f"F{number}"}])
            return accept_resource.create(service, caller, "R4", body, wanted)

        outcomes = together(run)
        assert sum(one.created for one in outcomes) == 1
        assert len({one.id for one in outcomes}) == 1


def test_of_many_patches_of_one_version_one_wins_and_without_if_match_none_is_lost_f28(service, caller):
    made = accept_resource.create(service, caller, "R4", patient("1", name=[{"family": "F"}]))

    def add(number: int):
        return json_patch.read(f'[{{"op":"add","path":"/name/-","value":{{"family":"N{number}"}}}}]'.encode())

    def run(number: int, if_match: str | None = None):
        operations = add(number)
        return patch_resource.patch(
            service, caller, "R4", "Patient", made.id, lambda one, _: json_patch.apply(operations, one), if_match
        ).version

    exact = together(lambda number: run(number, "1"))
    assert sorted(exact) == [2] + [412] * (CLIENTS - 1)
    free = together(run)
    versions = [one for one in free if one != 409]
    assert len(versions) == len(set(versions))
    names = find.read(service, caller, "R4", "Patient", made.id).text
    assert names.count('"family"') == 2 + len(versions)


def test_a_deletion_and_an_update_of_one_version_at_once_do_not_both_happen_f28(service, caller):
    for turn in range(count(20, 200)):
        stopped = request(f"D-{turn}", status="draft")
        made = accept_resource.create(service, caller, "R4", {**stopped, "intent": "plan"})

        def run(number: int, made: Any = made, stopped: dict[str, Any] = stopped):
            if number % 2:
                gone = delete_resource.delete(service, caller, MR, made.id, "1")
                assert gone is not None
                return gone.version
            body = {**stopped, "intent": "plan", "id": made.id, "priority": "stat"}
            return accept_resource.update(service, caller, "R4", made.id, body, "1").version

        outcomes = together(run)
        try:
            find.read(service, caller, "R4", MR, made.id)
            deleted = False
        except Refused as refused:
            deleted = refused.status == 410
        assert set(outcomes) <= ({2, 410, 412} if deleted else {2, 412})
        # Deleted, the four deletions say the same; else one update won.
        assert outcomes.count(2) == (CLIENTS // 2 if deleted else 1)


def test_another_tenant_deletes_patches_and_finds_nothing_by_criteria_p8(service, caller):
    made = accept_resource.create(service, caller, "R4", patient("1"))
    other, wanted = replace(caller, tenant="other"), query("Patient", "urn:p", "1")
    assert delete_resource.delete(service, other, "Patient", made.id) is None
    assert conditional.delete(service, other, "Patient", wanted) is None
    assert conditional.update(service, other, "R4", wanted, patient("1")).id != made.id
    assert find.read(service, caller, "R4", "Patient", made.id).version == 1


def test_a_deletion_by_criteria_is_audited_as_one(service, caller):
    made = accept_resource.create(service, caller, "R4", patient("1"))
    conditional.delete(service, caller, "Patient", query("Patient", "urn:p", "1"))
    assert audited(service) == [("create", made.id, 1), ("delete", made.id, 2)]
