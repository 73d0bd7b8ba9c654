"""What was received and makes us fail is put aside after some tries, and holds back no other (F20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import inbox
from fhir_infusion.sync import pull
from fhir_infusion.sync.apply import Applied, apply
from tests.faults.invariants import demanded
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, of_theirs, open_rig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.store.inbox import Received
    from fhir_infusion.sync.peer import Peer as SyncPeer

MR = "MedicationRequest"


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    there = Peer(page=200)
    with demanded(open_rig(there, database, Clock()), asked=database.startswith("sqlite")) as one:
        yield one
    there.close()


def _fill(rig: Rig, first: int, end: int) -> None:
    for number in range(first, end):
        rig.there.put(of_theirs(number), str(number))


class _Killed(BaseException):
    """What ends the process, to be caught by nobody."""


def _failing(monkeypatch: pytest.MonkeyPatch, ids: set[str], error: BaseException | None) -> list[str]:
    """Make the applying of some fail, or wait where there is no error; return the list of what was tried."""
    tried: list[str] = []

    def fail(peer: SyncPeer, tenant: str, received: Received, **options: Any) -> Applied:
        tried.append(received.id)
        if received.id not in ids:
            return apply(peer, tenant, received, **options)
        if error is None:
            return Applied("waiting")
        raise error

    monkeypatch.setattr(pull, "apply", fail)
    return tried


def test_f20_a_first_load_is_not_bound_to_a_number_of_rows_a_pull(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "AT_ONCE", 10)
    _fill(rig, 0, 45)
    assert rig.pull()[0].applied == 45
    assert len(rig.ids()) == 45


@pytest.mark.parametrize("error", [ValueError("CANARY"), RecursionError(), MemoryError()])
def test_f20_rows_that_always_fail_starve_no_other_and_are_put_aside_after_some_tries(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(pull, "AT_ONCE", 10)
    bad = {str(number) for number in range(12)}
    tried = _failing(monkeypatch, bad, error)
    _fill(rig, 0, 30)
    assert rig.pull()[0].applied == 18
    for _ in range(10):
        rig.pull()
    assert [tried.count(one) for one in sorted(bad)] == [pull.TRIES] * 12
    assert {(one.id, one.codes) for one in rig.quarantined()} == {(one, "poison") for one in bad}
    assert rig.alerts() == ["quarantined poison"] * 12
    assert "CANARY" not in caplog.text


def test_f20_a_row_that_kills_the_process_is_put_aside_and_no_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    _failing(monkeypatch, {"7"}, _Killed())
    _fill(rig, 0, 15)
    deaths = 0
    for _ in range(10):
        try:
            rig.pull()
        except _Killed:
            deaths += 1
            rig.restart(database)
    assert deaths == pull.TRIES
    assert len(rig.ids()) == 14
    assert [one.id for one in rig.quarantined()] == ["7"]


def test_f20_rows_that_wait_starve_no_other_and_are_never_put_aside(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "AT_ONCE", 10)
    bad = {str(number) for number in range(12)}
    tried = _failing(monkeypatch, bad, None)
    _fill(rig, 0, 30)
    for _ in range(8):
        rig.pull()
    assert (len(rig.ids()), rig.quarantined()) == (18, [])
    assert tried.count("3") == 8
    waiting = rig.service.store.read(TENANT, lambda tx: inbox.waiting(tx, "peer", MR, 100))
    assert {one.attempts for one in waiting} == {0}
