"""Writes that go together: what befalls the Bundle or one entry of it, and that each order is there once all the same."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import outbox
from fhir_infusion.sync.replies import Doubtful
from tests import exact_json
from tests.faults.invariants import demanded
from tests.faults.peer import CUT, DROP, RESET, Act, Asked, Peer, once
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MR = "MedicationRequest"
NUMBER = 12
EXACT = fhir_json.read('{"value":1.50,"unit":"ug/kg/min"}')
RATE = {"steps": [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": EXACT}]}]}
PATIENT = {"patient": {"identifier": {"system": "urn:test:mrn", "value": "one"}, "name": "Jane Ito"}}
"""One patient, so that what goes together are orders."""


def is_bundle(asked: Asked) -> bool:
    return asked.method == "POST" and not asked.type


def is_slow(asked: Asked) -> Act | None:
    """Make a request of HTTP slow, so that others gather meanwhile; an entry of a batch has no headers of HTTP."""
    return Act(wait_seconds=0.03) if "host" in asked.headers else None


@contextmanager
def batching(there: Peer, folder: Path) -> Iterator[Rig]:
    """Open a rig whose peer takes batches, and says so; the invariants hold at its end."""
    there.takes_batches = True
    with demanded(open_rig(there, folder / "rig.db", Clock())) as opened:
        opened.peer.capability()
        yield opened
    there.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with batching(Peer(), tmp_path) as opened:
        yield opened


def place(rig: Rig, number: int = NUMBER) -> None:
    for one in range(number):
        rig.place(order(f"A-{one}", **PATIENT, **RATE))


def amend(rig: Rig, number: int = NUMBER, **members: Any) -> None:
    for one in range(number):
        rig.amend(order(f"A-{one}", **{**PATIENT, **RATE, "status": "stopped", **members}))


def bundles(rig: Rig) -> list[Asked]:
    return [one for one in rig.there.asked if is_bundle(one)]


def there(rig: Rig) -> Counter[str]:
    return Counter(one["identifier"][0]["value"] for one in rig.there.all(MR))


def test_orders_go_together_and_each_is_linked_to_its_own(rig: Rig):
    rig.there.lies = [is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert 0 < len(bundles(rig)) < NUMBER // 2
    requests = [one for one in rig.there.asked if "host" in one.headers]
    assert len(requests) < 2 * NUMBER, "creates, and looks for them, go together"
    assert there(rig) == {f"A-{one}": 1 for one in range(NUMBER)}
    for id_ in rig.ids():
        link = rig.link(MR, id_)
        assert link is not None
        (mine,) = [one for one in rig.there.all(MR) if one["id"] == link.remote_id]
        assert mine["identifier"] == rig.resource(MR, id_)["identifier"]


def test_changes_go_together_and_numbers_keep_their_digits(rig: Rig):
    place(rig)
    rig.settle()
    rig.there.lies = [is_slow]
    amend(rig)
    assert set(rig.settle()) == {"acked"}
    assert {one["status"] for one in rig.there.all(MR)} == {"stopped"}
    updates = [one["request"] for bundle in bundles(rig) for one in bundle.body["entry"]]
    assert [one["ifMatch"] for one in updates if one["method"] == "PUT"]
    assert {'"value":1.50' in exact_json.dumps(one).replace(" ", "") for one in rig.there.all(MR)} == {True}


BEFALLEN: dict[str, Act] = {
    "f6 done, and the answer is lost": DROP,
    "f6 done, and the answer is cut": CUT,
    "f7 not done, and the connection is lost": RESET,
    "f9 not done, come back later": Act(effect=False, status=503, headers={"Retry-After": "3"}),
    "f10 done, and the answer is a page": Act(status=200, body=b"<html>"),
    "f10 done, and the answer is 500": Act(status=500),
    "f10 done, and the answer is empty": Act(status=200, body=b""),
    "f10 done, and entries are missing": Act(
        status=200, body=b'{"resourceType":"Bundle","type":"batch-response","entry":[]}'
    ),
    "f10 done, and the answer is no batch's": Act(status=200, body=b'{"resourceType":"Bundle","type":"searchset"}'),
    "not taken at all": Act(effect=False, status=405),
    "too large": Act(effect=False, status=413),
}


@pytest.mark.parametrize("what", BEFALLEN)
def test_f6_f7_f9_f10_whatever_befalls_a_bundle_each_order_is_there_once(rig: Rig, what: str):
    rig.there.lies = [once(BEFALLEN[what], is_bundle, times=2), is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert there(rig) == {f"A-{one}": 1 for one in range(NUMBER)}
    assert all(len(rig.there.history(MR, one["id"])) == 1 for one in rig.there.all(MR))


@pytest.mark.parametrize("what", BEFALLEN)
def test_f6_f7_whatever_befalls_a_bundle_each_stop_is_there_once(rig: Rig, what: str):
    place(rig)
    rig.settle()
    rig.there.lies = [once(BEFALLEN[what], is_bundle, times=2), is_slow]
    amend(rig)
    assert set(rig.settle()) == {"acked"}
    assert {one["status"] for one in rig.there.all(MR)} == {"stopped"}
    assert all(len(rig.there.history(MR, one["id"])) == 2 for one in rig.there.all(MR))


def test_a_lost_bundle_counts_as_one_failure_of_the_endpoint(rig: Rig):
    rig.there.lies = [once(DROP, is_bundle), is_slow]
    place(rig)
    rig.settle()
    assert rig.peer.circuit.open_until is None


def of(value: str) -> Callable[[Asked], bool]:
    return lambda asked: (
        asked.writes and bool(asked.type) and asked.body.get("identifier", [{}])[0].get("value") == value
    )


def test_an_order_that_is_refused_takes_no_other_with_it(rig: Rig):
    rig.there.lies = [once(Act(effect=False, status=422), of("A-7"), times=9), is_slow]
    place(rig)
    states = Counter(rig.settle())
    assert states == {"acked": NUMBER - 1, "dead": 1}
    assert "A-7" not in there(rig)
    assert "rejected" in rig.alerts()


def test_f12_an_entry_whose_if_match_does_not_hold_is_merged_and_the_others_go(rig: Rig):
    place(rig)
    rig.settle()
    (remote,) = [one for one in rig.there.all(MR) if one["identifier"][0]["value"] == "A-3"]
    rig.there.put({**remote, "note": [{"text": "theirs"}]})
    rig.there.lies = [is_slow]
    amend(rig)
    rig.settle()
    assert {one["status"] for one in rig.there.all(MR)} == {"stopped"}
    (after,) = [one for one in rig.there.all(MR) if one["identifier"][0]["value"] == "A-3"]
    assert after["note"] == [{"text": "theirs"}]


def test_f11_two_of_one_identifier_are_found_though_looked_for_together(rig: Rig):
    rig.there.double_create = True
    rig.there.lies = [is_slow]
    place(rig, 1)
    rig.settle()
    rig.there.double_create = False
    place(rig)
    states = Counter(rig.settle())
    assert "duplicate" in states
    assert rig.there.double_create is False


def test_h15_what_is_altered_in_an_entry_is_told(rig: Rig):
    def rounds(resource: dict[str, Any]) -> dict[str, Any]:
        return {**resource, "dosageInstruction": [{"text": "as told"}]}

    rig.there.lies = [once(Act(change=rounds), of("A-5")), is_slow]
    place(rig)
    rig.settle()
    assert [one for one in rig.alerts() if one.startswith("altered")] != []


def test_an_entry_whose_location_leads_elsewhere_is_looked_for(rig: Rig):
    evil = Act(status=201, headers={"Location": "https://elsewhere.example/MedicationRequest/9"}, body=b"")
    rig.there.lies = [once(evil, of("A-2")), is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert there(rig)["A-2"] == 1
    (mine,) = [one["id"] for one in rig.there.all(MR) if one["identifier"][0]["value"] == "A-2"]
    assert rig.link_of(mine)


def test_a_server_that_takes_no_batch_gets_none(rig: Rig):
    rig.there.takes_batches = False
    rig.peer.endpoint.takes_batches = True
    rig.there.lies = [is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert len(bundles(rig)) <= 2, "after the first was refused, none is tried"
    assert rig.peer.endpoint.takes_batches is False


def test_a_weak_server_is_looked_at_one_by_one(tmp_path: Path):
    weak = Peer(conditional=False)
    weak.takes_batches = True
    rig = open_rig(weak, tmp_path / "rig.db", Clock())
    rig.peer.capability()
    weak.lies = [is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert not [one for one in weak.asked if "," in one.query.get("identifier", "")]
    assert not bundles(rig)
    rig.close()
    weak.close()


def test_with_a_size_of_one_everything_goes_by_itself(tmp_path: Path):
    peer = Peer()
    peer.takes_batches = True
    rig = open_rig(peer, tmp_path / "rig.db", Clock(), bundle_size=1)
    rig.peer.capability()
    peer.lies = [is_slow]
    place(rig)
    assert set(rig.settle()) == {"acked"}
    assert not bundles(rig)
    rig.close()
    peer.close()


def test_rows_of_a_lost_bundle_are_in_doubt_and_not_sent_blindly(rig: Rig):
    rig.there.lies = [once(DROP, is_bundle, times=99), is_slow]
    place(rig)
    rig.push()
    rows = rig.service.store.read(TENANT, lambda tx: outbox.rows(tx, "peer"))
    doubted = [row for row in rows if row.state == "unknown"]
    assert doubted
    assert all(row.last_error_code == Doubtful("connection broken").why for row in doubted)


def test_as_many_rows_are_taken_up_as_go_into_the_two_bundles_on_their_way_and_the_others_wait(tmp_path: Path):
    peer, released = Peer(), threading.Event()
    peer.takes_batches = True
    rig = open_rig(peer, tmp_path / "rig.db", Clock(), bundle_size=3, senders=1)
    rig.peer.capability()
    place(rig)
    peer.lies = [lambda asked: Act(until=released) if "host" in asked.headers else None]
    pushing = threading.Thread(target=rig.push)
    pushing.start()
    try:
        until = time.monotonic() + 30
        while not peer.asked[1:] and time.monotonic() < until:
            time.sleep(0.01)
        assert Counter(rig.states()) == {"leased": 6, "pending": NUMBER - 6}
    finally:
        released.set()
        pushing.join()
    assert rig.states() == ["acked"] * NUMBER
    assert there(rig) == {f"A-{one}": 1 for one in range(NUMBER)}
    rig.close()
    peer.close()
