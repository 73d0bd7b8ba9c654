"""What came from other servers: once each, in order of their time; links, cursors and conflicts beside it."""

from dataclasses import replace

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import audit, conflicts, inbox, links
from tests.store.helpers import MR, TENANT

HAPI = "hapi"


def got(id_, version, last_updated):
    return inbox.Received(MR, id_, version, last_updated, "{}")


def test_a_version_is_received_once_however_often_its_page_is_read_f15(store):
    page = [got("1", "1", "2025-05-01T08:00:00Z"), got("1", "2", "2025-05-01T08:00:01Z")]
    assert store.transact(TENANT, lambda tx: inbox.receive(tx, HAPI, page)) == tuple(page)
    more = [*page, got("2", "1", "2025-05-01T08:00:00Z")]
    assert store.transact(TENANT, lambda tx: inbox.receive(tx, HAPI, more)) == (more[-1],)
    assert store.transact(TENANT, lambda tx: inbox.receive(tx, "other", page)) == tuple(page)


def test_what_is_to_be_applied_comes_in_the_order_of_its_time_whatever_zone_it_is_written_in(store):
    page = [
        got("late", "1", "2025-05-01T10:00:00+01:00"),
        got("early", "1", "2025-05-01T08:59:59.999Z"),
        got("no-time", "1", ""),
    ]
    store.transact(TENANT, lambda tx: inbox.receive(tx, HAPI, page))
    waiting = store.read(TENANT, lambda tx: inbox.waiting(tx, HAPI, MR, 10))
    assert [entry.received.id for entry in waiting] == ["no-time", "early", "late"]
    store.transact(TENANT, lambda tx: inbox.mark(tx, HAPI, MR, "early", "1", "applied"))
    store.transact(TENANT, lambda tx: inbox.mark(tx, HAPI, MR, "no-time", "1", "quarantined", "structure"))
    waiting = store.read(TENANT, lambda tx: inbox.waiting(tx, HAPI, MR, 10))
    assert [entry.received.id for entry in waiting] == ["late"]
    (aside,) = store.read(TENANT, lambda tx: inbox.quarantined(tx, HAPI))
    assert (aside.id, aside.codes) == ("no-time", "structure")
    assert store.read(TENANT, lambda tx: inbox.text(tx, HAPI, MR, "no-time", "1")) == "{}"
    assert store.read(TENANT, lambda tx: inbox.state(tx, HAPI, MR, "early", "1")) == "applied"
    assert store.read(TENANT, lambda tx: inbox.state(tx, HAPI, MR, "never", "1")) is None


def test_a_cursor_is_kept_as_it_was_given(store, clock):
    empty = store.read(TENANT, lambda tx: inbox.cursor(tx, HAPI, MR))
    assert empty == inbox.Cursor(HAPI, MR)
    cursor = replace(empty, watermark="2025-05-01T08:00:00Z", next_link="http://h/?p=2", last_success=clock())
    store.transact(TENANT, lambda tx: inbox.keep_cursor(tx, cursor))
    assert store.read(TENANT, lambda tx: inbox.cursor(tx, HAPI, MR)) == cursor
    again = replace(cursor, next_link="")
    store.transact(TENANT, lambda tx: inbox.keep_cursor(tx, again))
    assert store.read(TENANT, lambda tx: inbox.cursor(tx, HAPI, MR)) == again
    assert store.read("north", lambda tx: inbox.cursor(tx, HAPI, MR)) == empty


def test_a_link_is_found_from_both_sides(store):
    link = links.Link(HAPI, f"{MR}/1", remote_id="4711", version_id="3", etag='W/"3"', last_sent_version=1)
    store.transact(TENANT, lambda tx: links.put(tx, link))
    assert store.read(TENANT, lambda tx: links.get(tx, HAPI, f"{MR}/1")) == link
    assert store.read(TENANT, lambda tx: links.by_remote(tx, HAPI, MR, "4711")) == link
    assert store.read(TENANT, lambda tx: links.by_remote(tx, HAPI, "MedicationAdministration", "4711")) is None
    newer = replace(link, version_id="4", last_acked_version=1, base="{}")
    store.transact(TENANT, lambda tx: links.put(tx, newer))
    assert store.read(TENANT, lambda tx: links.all_of(tx, HAPI)) == (newer,)
    assert store.read("north", lambda tx: links.get(tx, HAPI, f"{MR}/1")) is None


def test_a_conflict_is_held_until_a_person_resolves_it_and_both_are_audited(store):
    args = (HAPI, f"{MR}/1", ["dose"], "{0}", "{1}", "{2}", "c1")
    held = store.transact(TENANT, lambda tx: conflicts.open_conflict(tx, *args))
    assert store.read(TENANT, lambda tx: conflicts.open_of(tx, HAPI, f"{MR}/1")) == held
    assert store.read(TENANT, conflicts.listed) == (held,)
    closed = store.transact(TENANT, lambda tx: conflicts.resolve(tx, "c1", "theirs", "ada"))
    assert closed == replace(held, state="resolved", resolution="theirs")
    assert store.read(TENANT, conflicts.listed) == ()
    with pytest.raises(Refused) as refusal:
        store.transact(TENANT, lambda tx: conflicts.resolve(tx, "c1", "ours", "ada"))
    assert refusal.value.status == 404
    actions = [entry.action for entry in store.read(TENANT, audit.entries)]
    assert actions == ["conflict-opened", "conflict-resolved"]
