"""Versions are appended, their text exact, their moment later than any before."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.store import open_store, text, versions
from tests.counts import count
from tests.store.helpers import MA, MR, SYSTEM, TENANT, Clock, put, resource


def test_the_text_is_what_came_with_only_id_version_and_moment_set(store):
    stored = put(store, "a", body={**resource(dose="1.50"), "meta": {"profile": ["http://p"], "versionId": "77"}})
    assert stored.text == (
        '{"resourceType":"MedicationRequest","id":"a","meta":{"profile":["http://p"],"versionId":"1",'
        '"lastUpdated":"2025-05-01T08:00:00.000Z"},"status":"active","intent":"order",'
        '"subject":{"reference":"Patient/7"},"dispenseRequest":{"quantity":{"value":1.50}}}'
    )
    assert store.read(TENANT, lambda tx: versions.current(tx, MR, "a")) == stored


def test_members_that_were_there_keep_their_place():
    body = {"resourceType": "X", "status": "active", "meta": {"versionId": "9", "tag": []}, "id": "old"}
    assert text.write(text.with_meta(body, "new", 3, "2025-05-01T08:00:00.000Z")) == (
        '{"resourceType":"X","status":"active",'
        '"meta":{"versionId":"3","tag":[],"lastUpdated":"2025-05-01T08:00:00.000Z"},"id":"new"}'
    )


def test_numbers_are_kept_as_written_i8(store):
    for number in ("1.50", "0.10", "1E-8", "0.1234567890123456", "1.0E+2", "-0", "0"):
        stored = put(store, f"n{number}".replace(".", "-").replace("+", "p"), body=resource(dose=number))
        assert f'"value":{number}' in stored.text


def test_every_version_stays_readable_as_it_was(store, clock):
    one = put(store, "a")
    clock.move(seconds=1)
    two = put(store, "a", body=resource(status="on-hold"))
    assert store.read(TENANT, lambda tx: versions.history(tx, MR, "a")) == (two, one)
    assert store.read(TENANT, lambda tx: versions.version(tx, MR, "a", 1)) == one
    assert store.read(TENANT, lambda tx: versions.version(tx, MR, "a", 3)) is None
    assert two.created == one.created == one.last_updated < two.last_updated


@settings(max_examples=count(20, 500), deadline=None)
@given(steps=st.lists(st.tuples(st.integers(-600_000, 600_000), st.integers(0, 3)), min_size=2, max_size=12))
def test_last_updated_never_goes_back_even_when_the_clock_does_f17(tmp_path_factory, steps):
    clock = Clock()
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('feed')}/store.db", clock)
    try:
        moments = []
        for step, which in steps:
            clock.move(milliseconds=step)
            moments.append(put(store, f"r{which}").last_updated)
    finally:
        store.close()
    assert all(earlier < later for earlier, later in pairwise(moments))


def test_versions_of_the_same_instant_are_a_millisecond_apart_f17(store, clock):
    first, second = put(store, "a"), put(store, "b")
    assert second.last_updated - first.last_updated == timedelta(milliseconds=1)
    clock.move(hours=-1)
    assert put(store, "c").last_updated - second.last_updated == timedelta(milliseconds=1)


def test_last_updated_goes_on_from_where_it_was_after_a_restart_f17(url, clock):
    store = open_store(url, clock)
    before = put(store, "a")
    store.close()
    clock.move(minutes=-10)
    store = open_store(url, clock)
    assert put(store, "b").last_updated > before.last_updated
    store.close()


def test_a_tenant_sees_nothing_of_another_one(store):
    put(store, "a", tenant="north")
    assert store.read("south", lambda tx: versions.current(tx, MR, "a")) is None
    assert store.read("south", lambda tx: versions.by_identifier(tx, MR, SYSTEM, "a")) is None
    put(store, "a", tenant="south", body=resource(patient="Patient/8"))
    assert '"Patient/7"' in store.read("north", lambda tx: versions.current(tx, MR, "a")).text
    assert '"Patient/8"' in store.read("south", lambda tx: versions.current(tx, MR, "a")).text


def test_the_first_translation_of_a_version_is_given_out_ever_after(store):
    put(store, "a")
    key = (MR, "a", 1, "R5")
    assert store.read(TENANT, lambda tx: versions.translation(tx, *key)) is None
    assert store.transact(TENANT, lambda tx: versions.keep_translation(tx, *key, "{1}")) == "{1}"
    assert store.transact(TENANT, lambda tx: versions.keep_translation(tx, *key, "{2}")) == "{1}"
    assert store.read(TENANT, lambda tx: versions.translation(tx, *key)) == "{1}"


def test_a_business_identifier_names_one_resource_of_its_type(store):
    put(store, "a", "ORD-1")
    put(store, "b", "ORD-1", type=MA)
    assert store.read(TENANT, lambda tx: versions.by_identifier(tx, MR, SYSTEM, "ORD-1")).id == "a"
    assert store.read(TENANT, lambda tx: versions.by_identifier(tx, MA, SYSTEM, "ORD-1")).id == "b"
    assert store.read(TENANT, lambda tx: versions.identifier_of(tx, MR, "a")) == versions.Bound(SYSTEM, "ORD-1")


def test_children_are_found_by_their_parent_in_the_order_in_which_they_were_made(store):
    put(store, "p", type=MA)
    for name in ("c3", "c1", "c2"):
        put(store, name, type=MA, parent="p")
    found = store.read(TENANT, lambda tx: versions.children(tx, "p"))
    assert [child.id for child in found] == ["c3", "c1", "c2"]
