"""The outbox: by state, in order for each resource, stops first, nothing by a worker that lost its lease."""

import random
from datetime import timedelta

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import aside, audit, outbox, standing
from tests.counts import count
from tests.store.helpers import TENANT

HAPI = "hapi"


def enqueue(store, aggregate, version=1, *, stop=False, depends_on="", endpoint=HAPI):
    return store.transact(
        TENANT,
        lambda tx: outbox.enqueue(tx, endpoint, aggregate, version, "hash", stop=stop, depends_on=depends_on),
    )


def claim(store, limit=10, owner="worker", endpoint=HAPI):
    return store.transact(TENANT, lambda tx: outbox.claim(tx, endpoint, owner, limit, 30))


def send(store, row):
    return store.transact(TENANT, lambda tx: outbox.sending(tx, row))


def settle(store, row, state, **more):
    return store.transact(TENANT, lambda tx: outbox.settle(tx, row, state, **more))


def states(store, endpoint=HAPI):
    return {row.seq: row.state for row in store.read(TENANT, lambda tx: outbox.rows(tx, endpoint))}


def names(rows):
    return [(row.aggregate, row.version) for row in rows]


def test_a_row_goes_from_pending_over_sent_to_acked(store):
    seq = enqueue(store, "MR/1")
    (row,) = claim(store)
    assert (row.seq, row.state, row.attempt, row.fence, row.lease_owner) == (seq, "leased", 1, 1, "worker")
    row = send(store, row)
    assert row.state == "sent"
    assert settle(store, row, "acked").state == "acked"
    assert claim(store) == ()


def test_versions_of_one_resource_go_one_after_the_other_and_resources_side_by_side(store):
    for version in (1, 2):
        for name in ("MR/1", "MR/2"):
            enqueue(store, name, version)
    first = claim(store)
    assert names(first) == [("MR/1", 1), ("MR/2", 1)]
    assert claim(store) == ()
    settle(store, send(store, first[0]), "acked")
    assert names(claim(store)) == [("MR/1", 2)]


def test_an_administration_waits_for_its_order_and_a_segment_for_its_administration(store):
    enqueue(store, "MR/1")
    enqueue(store, "MA/1", depends_on="MR/1")
    enqueue(store, "MA/2", depends_on="MA/1")
    enqueue(store, "MA/9", depends_on="MR/unknown")
    (order, other) = claim(store)
    assert names([order, other]) == [("MR/1", 1), ("MA/9", 1)]
    settle(store, send(store, order), "acked")
    (administration,) = claim(store)
    assert administration.aggregate == "MA/1"
    # A later version of the order does not hold the administration back, which came before it.
    enqueue(store, "MR/1", 2)
    settle(store, send(store, administration), "acked")
    assert names(claim(store)) == [("MA/2", 1), ("MR/1", 2)]


def test_a_stop_goes_before_a_backlog_and_supersedes_what_was_not_sent_h6(store):
    for number in range(30):
        enqueue(store, f"MR/{number}")
    enqueue(store, "MR/29", 2)
    stop = enqueue(store, "MR/29", 3, stop=True)
    (row,) = claim(store, 1)
    assert (row.seq, row.version, row.lane) == (stop, 3, "stop")
    assert list(states(store).values()).count("superseded") == 2


def test_the_order_that_a_stopped_administration_waits_for_is_sent_before_the_backlog_h6(store):
    for number in range(10):
        enqueue(store, f"MR/{number}")
    enqueue(store, "MA/1", 2, stop=True, depends_on="MR/9")
    (row,) = claim(store, 1)
    assert row.aggregate == "MR/9"
    settle(store, send(store, row), "acked")
    assert names(claim(store, 1)) == [("MA/1", 2)]


def test_a_stop_overtakes_a_doubtful_row_and_its_arrival_closes_it_h6(store):
    enqueue(store, "MR/1")
    (create,) = claim(store)
    settle(store, send(store, create), "unknown", not_before=create.enqueued + timedelta(minutes=2))
    stop = enqueue(store, "MR/1", 2, stop=True)
    (row,) = claim(store)
    assert row.seq == stop
    settle(store, send(store, row), "acked")
    assert states(store) == {create.seq: "superseded", stop: "acked"}


@pytest.mark.parametrize("state", ["conflict", "duplicate"])
def test_a_stop_flows_while_earlier_versions_are_put_aside_which_hold_back_all_others_h6(store, state):
    enqueue(store, "MR/1")
    (create,) = claim(store)
    settle(store, send(store, create), state)
    enqueue(store, "MR/1", 2)
    assert claim(store) == ()
    stop = enqueue(store, "MR/1", 3, stop=True)
    assert [row.seq for row in claim(store)] == [stop]


def test_a_stop_never_goes_while_another_version_is_on_its_way(store):
    enqueue(store, "MR/1")
    (create,) = claim(store)
    enqueue(store, "MR/1", 2, stop=True)
    assert claim(store) == ()
    create = send(store, create)
    assert claim(store) == ()
    settle(store, create, "acked")
    assert names(claim(store)) == [("MR/1", 2)]


def test_a_dead_row_blocks_neither_its_resource_nor_others_f20(store):
    enqueue(store, "MR/1")
    enqueue(store, "MR/1", 2)
    enqueue(store, "MR/2")
    first, second = claim(store)
    settle(store, first, "dead", error_code="invalid")
    assert names([second]) == [("MR/2", 1)]
    assert names(claim(store)) == [("MR/1", 2)]


def test_attempts_are_counted_before_anything_is_done_f20(store, clock):
    enqueue(store, "MR/1")
    for attempt in (1, 2, 3):
        (row,) = claim(store)
        assert row.attempt == attempt
        clock.move(seconds=31)


def test_a_row_waits_until_its_time(store, clock):
    enqueue(store, "MR/1")
    (row,) = claim(store)
    settle(store, send(store, row), "pending", error_code="429", not_before=clock() + timedelta(seconds=60))
    clock.move(seconds=59)
    assert claim(store) == ()
    clock.move(seconds=1)
    (row,) = claim(store)
    assert (row.attempt, row.last_error_code) == (2, "429")


def test_a_lease_that_ran_out_leaves_what_was_sent_in_doubt_and_the_rest_pending_f2(store, clock):
    enqueue(store, "MR/1")
    enqueue(store, "MR/2")
    taken, sent = claim(store)
    sent = send(store, sent)
    clock.move(seconds=31)
    again = claim(store, owner="other")
    assert claim(store) == ()  # of those whose attempt ended without a verdict one goes at a time
    settle(store, again[0], "pending", not_before=clock() + timedelta(seconds=60))
    again += claim(store, owner="other")
    assert {(row.aggregate, row.state) for row in again} == {("MR/1", "leased"), ("MR/2", "unknown")}
    assert all(row.lease_owner == "other" for row in again)
    for stale in (taken, sent):
        with pytest.raises(outbox.StaleLease):
            settle(store, stale, "dead")


def test_a_worker_that_slept_past_its_lease_can_note_nothing_f21(store, clock):
    enqueue(store, "MR/1")
    (asleep,) = claim(store, owner="asleep")
    clock.move(seconds=31)
    (awake,) = claim(store, owner="awake")
    with pytest.raises(outbox.StaleLease):
        send(store, asleep)
    with pytest.raises(outbox.StaleLease):
        store.transact(TENANT, lambda tx: outbox.renew(tx, asleep, 30))
    settle(store, send(store, awake), "acked")
    assert list(states(store).values()) == ["acked"]


def test_a_renewed_lease_is_kept(store, clock):
    enqueue(store, "MR/1")
    (row,) = claim(store)
    clock.move(seconds=20)
    row = store.transact(TENANT, lambda tx: outbox.renew(tx, row, 30))
    clock.move(seconds=20)
    assert claim(store) == ()
    assert send(store, row).state == "sent"


def test_a_doubtful_row_is_verified_and_then_acked_or_sent_again(store):
    enqueue(store, "MR/1")
    (row,) = claim(store)
    settle(store, send(store, row), "unknown")
    (doubtful,) = claim(store)
    assert doubtful.state == "unknown"
    assert claim(store) == ()
    settle(store, doubtful, "pending")
    (row,) = claim(store)
    assert row.state == "leased"


@pytest.mark.parametrize(("state", "then"), [("leased", "acked"), ("leased", "unknown"), ("acked", "pending")])
def test_a_row_cannot_skip_a_state(store, state, then):
    enqueue(store, "MR/1")
    (row,) = claim(store)
    if state == "acked":
        row = settle(store, send(store, row), "acked")
    with pytest.raises(ValueError, match="no row goes from"):
        settle(store, row, then)


def test_endpoints_and_tenants_do_not_see_each_other(store):
    enqueue(store, "MR/1", endpoint="a")
    enqueue(store, "MR/1", endpoint="b")
    store.transact("north", lambda tx: outbox.enqueue(tx, "a", "MR/1", 1, "hash", stop=False))
    assert [row.endpoint for row in claim(store, endpoint="a")] == ["a"]
    assert [row.endpoint for row in claim(store, endpoint="b")] == ["b"]
    assert [row.tenant for row in store.transact("north", lambda tx: outbox.claim(tx, "a", "w", 5, 30))] == ["north"]


def test_a_person_replays_or_gives_up_what_was_put_aside_with_a_reason_that_is_kept(store):
    enqueue(store, "MR/1")
    enqueue(store, "MR/2")
    for row in claim(store):
        settle(store, row, "dead", error_code="422")
    one, two = states(store)
    assert store.transact(TENANT, lambda tx: aside.replay(tx, one, "peer repaired", "ada")).state == "pending"
    assert store.transact(TENANT, lambda tx: aside.skip(tx, two, "sent by hand", "ada")).state == "superseded"
    for seq, reason, status in ((one, "again", 422), (999, "x", 404)):
        with pytest.raises(Refused) as refusal:
            store.transact(TENANT, lambda tx, seq=seq, reason=reason: aside.replay(tx, seq, reason, "ada"))
        assert refusal.value.status == status
    noted = store.read(TENANT, audit.entries)
    assert [(entry.client, entry.id) for entry in noted] == [("ada", "1"), ("ada", "2")]
    assert "peer repaired" in noted[0].detail
    (row,) = claim(store)
    assert (row.seq, row.attempt) == (one, 1)


def test_an_old_version_is_not_replayed_after_a_later_one_h7(store):
    old = enqueue(store, "MR/1")
    settle(store, claim(store)[0], "dead")
    enqueue(store, "MR/1", 2)
    settle(store, send(store, claim(store)[0]), "acked")
    with pytest.raises(Refused, match="later version"):
        store.transact(TENANT, lambda tx: aside.replay(tx, old, "try again", "ada"))
    assert store.transact(TENANT, lambda tx: aside.skip(tx, old, "overtaken", "ada")).state == "superseded"


def test_a_doubtful_row_and_a_stop_of_one_resource_are_never_claimed_together(store):
    enqueue(store, "MR/1")
    settle(store, send(store, claim(store)[0]), "unknown")
    stop = enqueue(store, "MR/1", 2, stop=True)
    (row,) = claim(store)
    assert row.seq == stop
    assert claim(store) == ()


@pytest.mark.parametrize("became", ["unknown", "dead", "conflict"])
def test_an_earlier_state_never_goes_out_after_a_stop_whatever_became_of_it_h8(store, clock, became):
    enqueue(store, "MR/1")
    (create,) = claim(store)
    create = send(store, create)
    clock.move(seconds=31)
    (create,) = claim(store)
    assert create.state == "unknown"
    stop = enqueue(store, "MR/1", 2, stop=True)
    settle(store, create, "unknown", not_before=clock())
    (row,) = claim(store)
    assert row.seq == stop
    settle(store, send(store, row), became, not_before=clock() + timedelta(minutes=5))
    assert claim(store) == ()
    if became == "unknown":
        return
    store.transact(TENANT, lambda tx: aside.skip(tx, stop, "told by telephone", "ada"))
    assert states(store) == {create.seq: "superseded", stop: "superseded"}


def test_a_doubtful_stop_is_verified_although_an_earlier_row_is_in_doubt_too_h6(store):
    enqueue(store, "MR/1")
    settle(store, send(store, claim(store)[0]), "unknown")
    enqueue(store, "MR/1", 2, stop=True)
    settle(store, send(store, claim(store)[0]), "unknown")
    (row,) = claim(store)
    assert (row.version, row.state) == (2, "unknown")
    settle(store, row, "acked")
    assert list(states(store).values()) == ["superseded", "acked"]


def test_a_doubtful_stop_is_verified_although_a_change_after_it_is_refused_h6(store):
    enqueue(store, "MR/1", 1, stop=True)
    settle(store, send(store, claim(store)[0]), "unknown")
    enqueue(store, "MR/1", 2, stop=True)
    (later,) = claim(store)
    assert later.version == 2
    assert claim(store) == ()
    settle(store, send(store, later), "dead")
    (row,) = claim(store)
    assert (row.version, row.state) == (1, "unknown")


@pytest.mark.parametrize("became", ["conflict", "duplicate"])
def test_what_is_in_doubt_before_a_stop_that_waits_for_a_person_is_over_h6(store, became):
    enqueue(store, "MR/1", 1, stop=True)
    settle(store, send(store, claim(store)[0]), "unknown")
    enqueue(store, "MR/1", 2, stop=True)
    settle(store, send(store, claim(store)[0]), became)
    assert list(states(store).values()) == ["superseded", became]
    assert claim(store) == ()


def test_of_two_stops_only_the_later_one_goes_h6(store, clock):
    enqueue(store, "MR/1", 1, stop=True)
    claim(store)
    enqueue(store, "MR/1", 2, stop=True)
    assert claim(store) == ()
    clock.move(seconds=31)
    (row,) = claim(store)
    assert row.version == 2
    settle(store, send(store, row), "acked")
    assert list(states(store).values()) == ["superseded", "acked"]


def test_replaying_needs_a_reason(store):
    enqueue(store, "MR/1")
    settle(store, claim(store)[0], "dead")
    with pytest.raises(Refused):
        store.transact(TENANT, lambda tx: aside.replay(tx, 1, "  ", "ada"))


def test_what_waits_can_be_counted(store, clock):
    enqueue(store, "MR/1")
    clock.move(seconds=10)
    enqueue(store, "MR/2", stop=True)
    assert store.read(TENANT, lambda tx: standing.outgoing(tx, HAPI)) == {"pending": 2}
    assert store.read(TENANT, lambda tx: standing.oldest(tx, HAPI)) == clock() - timedelta(seconds=10)
    assert store.read(TENANT, lambda tx: standing.oldest(tx, HAPI, "stop")) == clock()
    for row in claim(store):
        settle(store, send(store, row), "acked")
    assert not store.read(TENANT, lambda tx: outbox.waiting(tx, HAPI))
    assert store.read(TENANT, lambda tx: standing.oldest(tx, HAPI)) is None


def test_whatever_happens_a_peer_gets_the_versions_of_a_resource_in_order_i3(store, clock):
    """Workers that answer, fail, doubt, sleep and die at random: what is acked of a resource never goes backwards."""
    for seed in range(count(20, 100)):
        rng = random.Random(seed)
        endpoint = f"e{seed}"
        versions: dict[str, int] = {}
        arrived: dict[str, int] = {}
        for _ in range(40):
            name = f"MR/{rng.randint(1, 4)}"
            if rng.random() < 0.4:
                versions[name] = versions.get(name, 0) + 1
                enqueue(store, name, versions[name], stop=rng.random() < 0.15, endpoint=endpoint)
            for row in claim(store, rng.randint(1, 3), f"w{rng.randint(1, 3)}", endpoint):
                if rng.random() > 0.2:  # else it died before it sent
                    answer(store, rng, row, arrived)
            if rng.random() < 0.3:
                clock.move(seconds=31)
        for _ in range(20):
            clock.move(seconds=31)
            for row in claim(store, 50, "last", endpoint):
                assert row.version >= arrived.get(row.aggregate, 0)
                arrived[row.aggregate] = row.version
                settle(store, send(store, row), "acked")
        assert arrived == versions
        assert set(states(store, endpoint).values()) <= {"acked", "superseded"}


def answer(store, rng, row, arrived):
    """Send a row to a peer that may or may not take it, and say so or not."""
    current = send(store, row)
    taken = rng.random() < 0.8
    if taken:
        assert row.version >= arrived.get(row.aggregate, 0)
        arrived[row.aggregate] = row.version
    outcome = rng.choice(["acked", "acked", "unknown", "unknown", None] if taken else ["pending", "unknown", None])
    if outcome is not None:
        settle(store, current, outcome)
