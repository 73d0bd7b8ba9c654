"""A stop whose answer was lost, while the order is changed on either side after it: F6, F12, H6, invariant I4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.resolve import KEEP, Keep, resolve
from tests.faults.peer import DROP, RESET, Act, once
from tests.faults.test_sync_merge import MR, rate_of, rated

if TYPE_CHECKING:
    from tests.faults.peer import Asked
    from tests.faults.rig import Rig


def _updates(asked: Asked) -> bool:
    return asked.method == "PUT" and asked.type == MR


def _stop_in_doubt(rig: Rig, lie: Act) -> None:
    rig.place(rated("1.50"))
    rig.settle()
    rig.there.lies.append(once(lie, _updates))
    rig.amend(rated("1.50", status="stopped"))
    rig.push()
    assert rig.states() == ["acked", "unknown"]


@pytest.mark.parametrize("keep", KEEP)
def test_f6_f12_a_dose_that_both_changed_after_a_stop_in_doubt_is_held_and_a_person_can_decide(rig: Rig, keep: Keep):
    _stop_in_doubt(rig, DROP)
    (there,) = rig.there.all(MR)
    quantity = {
        **there["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"],
        "value": fhir_json.read('{"n":5.50}')["n"],
    }
    rig.there.put(
        {**there, "dosageInstruction": [{**there["dosageInstruction"][0], "doseAndRate": [{"rateQuantity": quantity}]}]}
    )
    rig.amend(rated("4.50", status="stopped"))
    rig.settle()
    (held,) = rig.conflicts()
    rig.pull()
    assert resolve(rig.service, "command:7", held.conflict_id, keep, "asked the ward")["kept"] == keep
    rig.settle()
    (ours,), (theirs,) = rig.all(MR), rig.there.all(MR)
    assert rate_of(ours) == rate_of(theirs) == ("4.50" if keep == "ours" else "5.50")
    assert ours["status"] == theirs["status"] == "stopped"
    assert rig.conflicts() == []
    assert set(rig.states()) <= {"acked", "superseded"}


@pytest.mark.parametrize(("lie", "became"), [(DROP, "acked"), (RESET, "superseded")])
def test_h6_i4_a_stop_in_doubt_arrives_though_a_change_after_it_is_refused_there(rig: Rig, lie: Act, became: str):
    _stop_in_doubt(rig, lie)
    rig.there.lies.append(
        lambda asked: Act(effect=False, status=422) if _updates(asked) and "4.50" in str(asked.body) else None
    )
    rig.amend(rated("4.50", status="stopped"))
    rig.settle()
    (theirs,) = rig.there.all(MR)
    assert (theirs["status"], rate_of(theirs)) == ("stopped", "1.50")
    assert rig.states() == ["acked", became, "dead"]
    assert rig.alerts() == ["rejected"]
