"""Answers under an Idempotency-Key are kept for a while, what they answered for stays for ever."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from fhir_infusion.actions import accept_resource, forget
from fhir_infusion.actions.caller import Caller
from fhir_infusion.errors import Refused
from fhir_infusion.store import audit, idempotency
from fhir_infusion.store.tables import IDEMPOTENCY, VERSIONS
from fhir_infusion.sync.housekeeping import Housekeeper
from tests.actions.examples import request

if TYPE_CHECKING:
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from tests.store.helpers import Clock

PATIENT = {"resourceType": "Patient", "active": True}


def create(service: Service, key: str, tenant: str = "default", asked: str = "hash") -> tuple[str, bool]:
    made = accept_resource.create(service, Caller(tenant, "ehr", key, asked), "R4", PATIENT)
    return made.id, made.created


def kept(service: Service) -> int:
    return service.store.read(
        "", lambda tx: tx.connection.execute(select(func.count()).select_from(IDEMPOTENCY)).scalar_one()
    )


def test_an_answer_is_given_again_for_thirty_days_and_then_forgotten_h5(service: Service, clock: Clock):
    first = create(service, "a")
    clock.move(days=15)
    second = create(service, "b")
    clock.move(days=15)
    assert forget.answers(service) == 0
    assert (create(service, "a"), create(service, "b")) == (first, second)
    clock.move(milliseconds=1)
    assert forget.answers(service) == 1
    assert create(service, "b") == second
    assert forget.answers(service) == 0
    again, _ = create(service, "a", asked="another")  # a new request under a key that nobody knows any more
    assert again not in {first[0], second[0]}


def test_the_setting_says_how_long(service: Service, clock: Clock):
    service = replace(service, settings=replace(service.settings, answers_days=1))
    create(service, "a")
    clock.move(hours=24, milliseconds=1)
    assert forget.answers(service) == 1


def test_what_was_acknowledged_outlives_the_answer_and_an_order_is_not_made_twice_h5(
    service: Service, caller: Caller, clock: Clock
):
    keyed = replace(caller, key="k", asked="hash")
    made = accept_resource.create(service, keyed, "R4", request("F-1"))
    clock.move(days=400)
    assert forget.answers(service) == 1
    again = accept_resource.create(service, keyed, "R4", request("F-1"))
    assert (again.id, again.version, again.created) == (made.id, made.version, False)
    with pytest.raises(Refused) as refused:
        accept_resource.create(service, caller, "R4", request("F-1", priority="stat"))
    assert refused.value.status == 422
    number = service.store.read(
        "default", lambda tx: tx.connection.execute(select(func.count()).select_from(VERSIONS)).scalar_one()
    )
    assert number == 1


def test_all_of_them_go_in_pieces_for_each_tenant_and_the_audit_trail_says_how_many(
    service: Service, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forget, "AT_ONCE", 2)
    for number in range(5):
        create(service, f"k{number}")
    create(service, "k0", "ward")
    clock.move(days=31)
    create(service, "young", "ward")
    assert (kept(service), forget.answers(service), kept(service)) == (7, 6, 1)
    for tenant, told in (("default", ["2", "2", "1"]), ("ward", ["1"])):
        rows = service.store.read(tenant, audit.entries)
        found = [(row.client, row.detail) for row in rows if row.action == "answers-forgotten"]
        assert found == [("housekeeping", number) for number in told]
        assert service.store.read(tenant, audit.verify) == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_old_answers_are_found_by_an_index(service: Service):
    """PostgreSQL, which has the same index, reads a table of a few rows without one."""
    create(service, "a")

    def plan(tx: Tx) -> str:
        text, _, names = idempotency._FORGET._of(tx.connection.dialect)
        rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(0 for _ in names or ()))
        return "; ".join(row[3] for row in rows)

    found = service.store.read("default", plan)
    assert "idempotency_by_age (tenant=? AND at<?)" in found
    assert "SCAN" not in found


def test_a_service_that_runs_forgets_by_itself(service: Service, clock: Clock):
    create(service, "a")
    clock.move(days=31)
    keeper = Housekeeper(service, 0.01)
    keeper.start()
    deadline = time.monotonic() + 20
    while kept(service) and time.monotonic() < deadline:
        time.sleep(0.02)
    keeper.stop()
    assert kept(service) == 0
