"""The invariants themselves: each can fail, by a fault that is planted; and with a fault a run ends as without it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from fhir_infusion.store import audit, links, outbox
from tests import exact_json
from tests.faults.invariants import Ear, check, rest, twin
from tests.faults.peer import CUT, DROP, RESET, Act, Peer, once
from tests.faults.rig import TENANT, Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.store import Tx

MR = "MedicationRequest"
MA = "MedicationAdministration"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    """Give a rig with something on either side, at rest."""
    there = Peer()
    one = open_rig(there, database, Clock())
    lived(one)
    rest(one)
    yield one
    one.close()
    there.close()


def lived(rig: Rig) -> None:
    """Both sides do a little of everything."""
    for number in (1, 2):
        rig.place(order(f"A-{number}"))
    rig.give(administration("G-1", "A-1", 5, "7.50"))
    rig.settle()
    rig.pull()
    (one,) = [kept for kept in rig.there.all(MR) if "A-1" in str(kept["identifier"])]
    rig.there.put({**one, "note": [{"text": "seen"}]})
    rig.amend(order("A-2", priority="stat"))
    rig.pull()
    rig.settle()
    rig.amend(order("A-2", priority="stat", status="stopped"))
    rig.settle()


def theirs(rig: Rig, order_id: str) -> dict[str, Any]:
    (one,) = [kept for kept in rig.there.all(MR) if order_id in str(kept["identifier"])]
    return one


def test_i1_to_i8_hold_after_an_ordinary_life_on_both_sides(rig: Rig) -> None:
    check(rig)


def lose(rig: Rig) -> None:
    del rig.there.resources[MR, theirs(rig, "A-1")["id"]]


def lose_a_change(rig: Rig) -> None:
    rig.there.resources[MR, theirs(rig, "A-1")["id"]].versions[-1]["priority"] = "asap"  # type: ignore[index]


def lose_theirs(rig: Rig) -> None:
    rig.there.put({**theirs(rig, "A-1"), "identifier": [{"system": "urn:theirs", "value": "T"}]}, "new")


def lose_an_acknowledged_one(rig: Rig) -> None:
    rig.acknowledged.append((MR, "never", 1, "{}"))


def double(rig: Rig) -> None:
    rig.there.put(theirs(rig, "A-1"), "second")


def disorder(rig: Rig) -> None:
    kept = rig.there.resources[MR, theirs(rig, "A-2")["id"]]
    kept.versions.insert(1, kept.versions[-1])


def revive(rig: Rig) -> None:
    rig.there.resources[MR, theirs(rig, "A-2")["id"]].versions[-1]["status"] = "active"  # type: ignore[index]


def disquiet(rig: Rig) -> None:
    rig.place(order("A-9"))


def forge(rig: Rig) -> None:
    write(rig, lambda tx: audit.write(tx, "sync-sent", "sync:peer", MR, rig.ids()[0], 1))


def forge_a_write(rig: Rig) -> None:
    write(rig, lambda tx: audit.write(tx, "create", "x", MR, rig.ids()[0], 1))


def leak_in_the_trail(rig: Rig) -> None:
    write(rig, lambda tx: audit.write(tx, "sync-alert", "sync:peer", MR, "x", 1, "altered for Jane Ito"))


def leak_in_a_code(rig: Rig) -> None:
    row = rig.rows()[0]
    write(rig, lambda tx: outbox.change(tx, row, {"last_error_code": "mrn-A-1"}))


def leak_in_the_log(_: Rig) -> None:
    logging.getLogger("fhir_infusion.sync").warning("order of a patient", extra={"resource": "Jane"})


def respell(rig: Rig) -> None:
    for kept in rig.there.resources.values():
        text = exact_json.dumps(kept.now)
        if '"rateQuantity"' in text and "7.50" in text:
            kept.versions[-1] = cast("dict[str, Any]", exact_json.loads(text.replace("7.50", "7.5")))


def write(rig: Rig, work: Callable[[Tx], object]) -> None:
    rig.service.store.transact(TENANT, work)


@pytest.mark.parametrize(
    ("law", "plant"),
    [
        ("I1", lose),
        ("I1", lose_a_change),
        ("I1", lose_theirs),
        ("I1", lose_an_acknowledged_one),
        ("I2", double),
        ("I3", disorder),
        ("I4", revive),
        ("I5", disquiet),
        ("I6", forge),
        ("I6", forge_a_write),
        ("I7", leak_in_the_trail),
        ("I7", leak_in_a_code),
        ("I7", leak_in_the_log),
        ("I8", respell),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_invariant_sees_the_fault_that_breaks_it(rig: Rig, law: str, plant: Callable[[Rig], None]) -> None:
    ear = Ear()
    plant(rig)
    with pytest.raises(AssertionError) as broken:
        check(rig, ear, rests=False)
    ear.close()
    assert f"{law}: " in str(broken.value)


def test_i6_a_delivery_of_which_no_row_tells_is_seen(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.peer, "sent", lambda *_, **__: None)
    rig.place(order("A-7"))
    rig.settle()
    with pytest.raises(AssertionError) as broken:
        check(rig, rests=False)
    assert "was written there and no row tells of it" in str(broken.value)


def test_i6_each_delivery_that_arrived_has_one_row_and_one_that_needed_none_has_none(rig: Rig) -> None:
    entries = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    sent = sorted((f"{one.type}/{one.id}", one.version) for one in entries if one.action == "sync-sent")
    acked = sorted((row.aggregate, row.version) for row in rig.rows() if row.state == "acked")
    assert sent == acked
    assert {one.client for one in entries if one.action == "sync-sent"} == {"sync:peer"}
    # Taken up by a database that does not know that it sent them: found there, nothing is written.
    for row in rig.rows():
        write(rig, lambda tx: links.forget(tx, "peer", row.aggregate))  # noqa: B023  called at once
    newest = {row.aggregate: row for row in rig.rows()}
    for row in newest.values():
        write(rig, lambda tx: outbox.enqueue(tx, "peer", row.aggregate, row.version, "", stop=False))  # noqa: B023
    before = len(rig.there.writes())
    rig.settle()
    assert len(rig.there.writes()) == before
    again = rig.service.store.read(TENANT, lambda tx: audit.entries(tx, limit=1000))
    assert len([one for one in again if one.action == "sync-sent"]) == len(sent)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(DROP, id="f6 reply lost"),
        pytest.param(CUT, id="f6 reply cut"),
        pytest.param(RESET, id="f7 request lost"),
        pytest.param(Act(status=500), id="f10 500 after effect"),
        pytest.param(Act(effect=False, status=503, headers={"Retry-After": "2"}), id="f9 503"),
        pytest.param(Act(effect=False, status=409), id="f13 409 race"),
        pytest.param(Act(hidden_for=4.0), id="f16 visible late"),
    ],
)
@pytest.mark.parametrize("nth", [1, 3])
def test_with_a_fault_a_life_ends_as_without_it(another_database: Callable[[], str], lie: Act, nth: int) -> None:
    def told() -> Any:
        left = [nth]

        def when(asked: Any) -> bool:
            left[0] -= asked.writes
            return bool(asked.writes and left[0] <= 0)

        return once(lie, when)

    twin(another_database, lived, told)
