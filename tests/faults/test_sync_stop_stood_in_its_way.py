"""Stops that something stands in the way of: what is there is stopped all the same. Hazards H6, H8, invariant I4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync.worker import sync_now
from tests.faults.peer import RESET, Act, once
from tests.faults.rig import administration, order
from tests.faults.test_sync_deleted_here import delete
from tests.faults.test_sync_set_anew import unset

if TYPE_CHECKING:
    from tests.faults.peer import Asked
    from tests.faults.rig import Rig

MR, MA = "MedicationRequest", "MedicationAdministration"


def _writes(asked: Asked) -> bool:
    return asked.writes and asked.type == MR


def _updates(asked: Asked) -> bool:
    return asked.method == "PUT" and asked.type == MR


def _statuses(rig: Rig, type_: str = MR) -> list[str]:
    return [one["status"] for one in rig.there.all(type_)]


def _placed(rig: Rig, **members: Any) -> str:
    rig.place(order("A-1", **members))
    rig.settle()
    (id_,) = rig.ids()
    return id_


# --------------------------------------------------------------------------------------------- what was never told


@pytest.mark.parametrize("waits", [True, False])
def test_h6_i4_a_stop_that_was_never_told_is_told_though_the_order_was_deleted_here_since(rig: Rig, *, waits: bool):
    """The remote is out of the settings meanwhile; what waits for it from before is the order as it ran."""
    if waits:
        rig.there.lies.append(lambda _: RESET)
        rig.place(order("A-1"))
        rig.push()
        rig.there.lies.clear()
        (id_,) = rig.ids()
    else:
        id_ = _placed(rig)
    with unset(rig):
        rig.amend(order("A-1", status="stopped"))
        delete(rig, MR, id_)
    rig.clock.move(60)
    sync_now(rig.service, "peer")
    rig.settle()
    assert _statuses(rig) == ["stopped"]
    assert rig.rows()[-1].version == 2
    assert rig.alerts() == ["untold"]
    told = len(rig.rows())
    sync_now(rig.service, "peer")
    assert len(rig.rows()) == told


# ------------------------------------------------------------------------------------------------- what it waits for


def test_h6_a_stop_of_what_was_given_does_not_wait_for_its_order_which_the_server_cannot_take(rig: Rig):
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    rig.settle()
    rig.there.lies.append(lambda asked: Act(effect=False, status=500) if _updates(asked) else None)
    rig.amend(order("A-1", priority="stat"))
    rig.push()
    rig.change({**administration("G-1", "A-1", 5), "status": "entered-in-error"})
    rig.push()
    assert set(_statuses(rig, MA)) == {"entered-in-error"}
    assert rig.states()[3] == "unknown"


# ---------------------------------------------------------------------------------------------- a create in doubt


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_h6_i4_a_stop_after_a_create_that_the_server_shows_late_does_not_make_a_second_order(rig: Rig, seconds: float):
    """Nothing there keeps an order from being made twice; the first one would run on, known to nobody."""
    rig.there.conditional = False
    rig.there.lies.append(once(Act(close="before", hidden_for=seconds), _writes))
    rig.place(order("A-1"))
    rig.push()
    assert rig.states() == ["unknown"]
    rig.amend(order("A-1", status="stopped"))
    rig.settle(20, 1.0)
    assert _statuses(rig) == ["stopped"]
    assert rig.states() == ["superseded", "acked"]
    assert rig.alerts() == []
