"""What is taken of a peer's change, by the settings of the remote and by how often: hazards H15, H17, faults F12."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from tests.faults.peer import Act, Peer
from tests.faults.rig import Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

MR = "MedicationRequest"


@pytest.fixture
def there() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.close()


@pytest.fixture
def rig(there: Peer, database: str) -> Iterator[Rig]:
    one = open_rig(there, database, Clock())
    yield one
    one.close()


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return Decimal(format(value.normalize(), "f")) if isinstance(value, Decimal) else value


def rated(value: str, **members: Any) -> dict[str, Any]:
    """Return the order with this rate, and with a remark on how to run it."""
    rate = {"value": fhir_json.read(f'{{"n":{value}}}')["n"], "unit": "ug/kg/min"}
    return order("A-1", steps=[{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": rate}]}], **members)


def rate_of(resource: dict[str, Any]) -> str:
    return fhir_json.write(resource["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"]).decode()


def _there(rig: Rig) -> dict[str, Any]:
    (resource,) = rig.there.all(MR)
    return resource


def _change_there(rig: Rig, text: str, **members: Any) -> None:
    there = _there(rig)
    rig.there.put({**there, "dosageInstruction": [{**there["dosageInstruction"][0], "text": text}], **members})


def test_h15_i8_a_peer_that_rounds_and_edits_the_dosage_later_does_not_round_ours(rig: Rig):
    rig.there.lies.append(lambda asked: Act(change=rounded) if asked.type == MR and asked.writes else None)
    rig.place(rated("1.50"))
    assert rig.settle() == ["acked"]
    assert rate_of(_there(rig)) == "1.5"
    _change_there(rig, "slowly")
    rig.pull()
    ours = rig.resource(MR, rig.ids()[0])
    assert (ours["dosageInstruction"][0]["text"], rate_of(ours)) == ("slowly", "1.50")
    assert rig.alerts() == ["altered dosageInstruction:precision", "precision-kept dosageInstruction"]
    # It is not told back to them either, and a later change of ours goes out in our spelling.
    writes = len(rig.there.writes(MR))
    rig.settle()
    rig.pull()
    assert len(rig.there.writes(MR)) == writes
    rig.amend(rated("2.50"))
    rig.settle()
    assert rig.there.writes(MR)[-1].body["dosageInstruction"][0]["doseAndRate"][0]["rateQuantity"]["value"].text == (
        "2.50"
    )
    assert rig.conflicts() == []
