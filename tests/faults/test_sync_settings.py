"""What a remote's settings do: which types and intents, through which overlay, what is pulled and how, how many at once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions import accept_resource, find
from fhir_infusion.errors import SettingsError
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import inbox
from fhir_infusion.sync.peer import Peer as Ours
from fhir_infusion.sync.status import status
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import CALLER, MRN, ORDERS, TENANT, Clock, Rig, administration, of_theirs, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator

MR, MA = "MedicationRequest", "MedicationAdministration"


@pytest.fixture
def opened(there: Peer, database: str) -> Iterator[Any]:
    rigs = []

    def work(**options: Any) -> Rig:
        rigs.append(open_rig(there, database, Clock(), **options))
        return rigs[-1]

    yield work
    for one in rigs:
        one.close()


def _given(number: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": MA,
        "identifier": [{"system": "urn:theirs", "value": str(number)}],
        "status": "completed",
        "medicationCodeableConcept": {"text": "dobutamine"},
        "subject": {"identifier": {"system": MRN, "value": "mrn-9"}},
        "effectiveDateTime": "2025-05-01T08:00:00Z",
        **members,
    }


# -------------------------------------------------------------------------------------------------------- resources


def test_without_orders_an_administration_is_sent_that_names_its_order_by_identifier(opened: Any, there: Peer):
    rig = opened(resources=(MA,))
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    assert set(rig.settle()) == {"acked"}
    assert there.all(MR) == []
    assert {one["request"]["identifier"]["value"] for one in there.all(MA)} == {"A-1"}
    assert not any("reference" in one["request"] for one in there.all(MA))
    assert {one.type for one in there.asked if one.writes} == {"Patient", MA}


def test_without_orders_an_order_that_is_there_is_referred_to_all_the_same(opened: Any, there: Peer):
    rig = opened(resources=(MA,))
    known = there.put(of_theirs(1, identifier=[{"system": ORDERS, "value": "A-1"}]))
    rig.place(order("A-1"))
    rig.give(administration("G-1", "A-1", 5))
    assert set(rig.settle()) == {"acked"}
    assert {one["request"]["reference"] for one in there.all(MA)} == {f"{MR}/{known['id']}"}


def test_a_type_that_is_not_kept_in_step_is_not_pulled(opened: Any, there: Peer):
    rig = opened(resources=(MA,))
    known = there.put(of_theirs(1))
    there.put(_given(request={"reference": f"{MR}/{known['id']}"}))
    (pulled,) = rig.pull()
    assert (pulled.type, pulled.applied, rig.ids()) == (MA, 1, [])
    (given,) = rig.all(MA)
    assert given["request"]["reference"] == f"{there.base}/{MR}/{known['id']}"
    assert status(rig.service)[0]["feeds"].keys() == {MA}


def test_what_waits_of_a_type_that_is_no_longer_kept_in_step_is_not_sent(opened: Any, there: Peer):
    rig = opened()
    rig.place(order("A-1"))
    peer = Ours(rig.service, replace(rig.peer.remote, resources=(MA,)))
    rig.peer.close()
    rig.peer = peer
    assert rig.settle() == ["superseded"]
    assert there.asked == []


# ---------------------------------------------------------------------------------------------------------- intents


def test_only_orders_of_the_intents_that_are_set_are_sent_anew(opened: Any, there: Peer):
    rig = opened(intents=("plan", "original-order"))
    for number, intent in enumerate(("order", "plan", "original-order", "proposal")):
        rig.place(order(f"A-{number}", intent=intent))
    assert rig.settle() == ["acked", "acked"]
    assert {one["intent"] for one in there.all(MR)} == {"plan", "original-order"}


def test_h6_an_order_that_came_from_there_is_stopped_there_whatever_intents_are_sent(opened: Any, there: Peer):
    rig = opened(intents=("original-order",))
    known = there.put(of_theirs(1, identifier=[{"system": ORDERS, "value": "A-1"}]))
    rig.pull()
    (id_,) = rig.ids()
    resource = {**rig.resource(MR, id_), "status": "stopped"}
    accept_resource.update(rig.service, CALLER, "R4", id_, resource, "1")
    assert rig.settle() == ["acked"]
    assert there.history(MR, known["id"])[-1]["status"] == "stopped"  # type: ignore[index]


# ------------------------------------------------------------------------------------------------------ pull_filter


def test_a_filter_narrows_what_is_pulled_and_another_one_reads_anew(opened: Any, there: Peer):
    rig = opened(pull_filter="status=active,on-hold", resources=(MR,))
    for number, state in enumerate(("active", "draft", "on-hold", "completed")):
        there.put(of_theirs(number, status=state))
    rig.pull()
    assert {one["status"] for one in rig.all()} == {"active", "on-hold"}
    assert all(one.query["status"] == "active,on-hold" for one in there.asked if one.type == MR and not one.id)
    store = rig.service.store
    assert store.read(TENANT, lambda tx: inbox.cursor(tx, "peer", MR)).watermark == ""
    assert store.read(TENANT, lambda tx: inbox.cursor(tx, "peer", MR, "status=active,on-hold")).watermark
    assert status(rig.service)[0]["feeds"][MR]["watermark"]
    peer = Ours(rig.service, replace(rig.peer.remote, pull_filter=""))
    rig.peer.close()
    rig.peer = peer
    rig.pull()
    assert len(rig.ids()) == 4


# ------------------------------------------------------------------------------------------------------------- feed


def test_a_feed_by_history_takes_the_newest_state_and_the_deletions(opened: Any, there: Peer):
    rig = opened(feed="history", resources=(MR,))
    there.keeps_history, there.page_size = True, 3
    ids = [there.put(of_theirs(n))["id"] for n in range(7)]
    for id_ in ids[:3]:
        there.put({**there.history(MR, id_)[-1], "note": [{"text": "changed"}]}, id_)  # type: ignore[dict-item]
    there.delete(MR, ids[6])
    (pulled,) = rig.pull()
    assert (pulled.trouble, len(rig.ids()), pulled.applied) == ("", 6, 6)
    assert sum("note" in one for one in rig.all()) == 3
    assert not [one for one in there.asked if one.type == MR and one.id == ""]
    there.delete(MR, ids[0])
    there.put({**there.all(MR)[0], "status": "stopped"}, ids[1])
    (pulled,) = rig.pull()
    assert pulled.trouble == ""
    assert rig.alerts() == ["gone", "deleted-active"]
    assert rig.resource(MR, rig.link_of(ids[1]))["status"] == "stopped"
    asked = len(there.asked)
    rig.pull()
    assert rig.alerts() == ["gone", "deleted-active"]
    assert len(there.asked) - asked < 12


def test_what_was_deleted_and_made_again_is_taken_as_it_is_now(opened: Any, there: Peer):
    rig = opened(feed="history", resources=(MR,))
    id_ = there.put(of_theirs(1))["id"]
    there.delete(MR, id_)
    there.put(of_theirs(1, status="on-hold"), id_)
    (pulled,) = rig.pull()
    assert (pulled.trouble, rig.alerts()) == ("", [])
    assert [one["status"] for one in rig.all()] == ["on-hold"]


def test_a_feed_by_history_of_a_server_without_one_is_trouble(opened: Any, there: Peer):
    rig = opened(feed="history", resources=(MR,))
    there.lies.append(lambda asked: Act(effect=False, status=404) if asked.id == "_history" else None)
    there.put(of_theirs(1))
    (pulled,) = rig.pull()
    assert (pulled.trouble, rig.ids()) == ("missing", [])


@pytest.mark.parametrize(("feed", "asked"), [("search", False), ("auto", True)])
def test_a_feed_by_search_asks_for_no_history(opened: Any, there: Peer, feed: str, asked: object):
    there.keeps_history = True
    rig = opened(feed=feed)
    rig.pull()
    assert any(one.id == "_history" for one in there.asked) == asked


# ---------------------------------------------------------------------------------------------------------- senders


@pytest.mark.parametrize("senders", [1, 6])
def test_so_many_are_sent_at_a_time_as_is_set(opened: Any, there: Peer, senders: int, monkeypatch: pytest.MonkeyPatch):
    rig = opened(senders=senders)
    now, most, lock, create = [0], [0], threading.Lock(), rig.peer.endpoint.create

    def counted(resource: dict[str, Any], *more: Any) -> Any:
        with lock:
            now[0] += resource["resourceType"] == MR
            most[0] = max(most[0], now[0])
        try:
            return create(resource, *more)
        finally:
            with lock:
                now[0] -= resource["resourceType"] == MR

    monkeypatch.setattr(rig.peer.endpoint, "create", counted)
    there.lies.append(lambda asked: Act(wait_seconds=0.3) if asked.writes else None)
    for number in range(12):
        rig.place(order(f"A-{number}"))
    assert set(rig.settle()) == {"acked"}
    assert most[0] == senders


# ---------------------------------------------------------------------------------------------------------- overlay


SITE = "https://fhir.example.org/CodeSystem/order-category"


def _category(resource: dict[str, Any]) -> list[str]:
    return [
        coding["code"]
        for one in resource.get("category", [])
        for coding in one["coding"]
        if coding.get("system") == SITE
    ]


def _care(resource: dict[str, Any]) -> list[str]:
    return [one["valueCode"] for one in resource.get("extension", []) if one["url"].endswith("care-setting")]


@pytest.fixture
def site(opened: Any) -> Rig:
    rig: Rig = opened(overlay="example-site")
    return rig


def test_what_is_sent_goes_through_the_overlay_and_what_is_kept_does_not(site: Rig, there: Peer):
    placed = site.place(order("A-1", care_setting="hospital"))
    assert site.settle() == ["acked"]
    (sent,) = there.all(MR)
    assert (len(_category(sent)), _care(sent)) == (1, [])
    ours = site.resource(MR, placed.id)
    assert (_category(ours), _care(ours)) == ([], ["hospital"])


def test_what_is_pulled_goes_through_the_overlay(site: Rig, there: Peer):
    site.place(order("A-1", care_setting="hospital"))
    site.settle()
    (sent,) = there.all(MR)
    copied = {name: value for name, value in sent.items() if name not in {"id", "meta", "identifier"}}
    there.put({**copied, "note": [{"text": "theirs"}]})
    site.pull()
    (ours,) = [one for one in site.all() if "note" in one]
    assert (_category(ours), _care(ours)) == ([], ["hospital"])
    (record,) = [
        found.record for id_ in site.ids() if "notes" in (found := find.record(site.service, CALLER, MR, id_)).record
    ]
    assert record["care_setting"] == "hospital"


def test_changes_of_both_sides_meet_in_the_dialect_and_nothing_echoes(site: Rig, there: Peer):
    placed = site.place(order("A-1", care_setting="hospital"))
    site.settle()
    (sent,) = there.all(MR)
    there.put({**sent, "note": [{"text": "theirs"}]}, sent["id"])
    site.pull()
    site.amend({**site.record("A-1"), "priority": "urgent"})
    assert set(site.settle()) == {"acked"}
    there.put({**there.all(MR)[0], "status": "on-hold"}, sent["id"])
    site.amend({**site.record("A-1"), "care_setting": "home"})
    site.settle()
    site.pull()
    site.settle()
    (now,) = there.all(MR)
    ours = site.resource(MR, placed.id)
    assert (now["status"], now["priority"], len(_category(now)), _care(now)) == ("on-hold", "urgent", 1, [])
    assert (ours["status"], ours["priority"], _care(ours), _category(ours)) == ("on-hold", "urgent", ["home"], [])
    assert _category(now) != _category(sent)
    assert (site.conflicts(), site.alerts()) == ([], [])
    versions = len(there.history(MR, sent["id"]))
    for _ in range(3):
        site.clock.move(60)
        site.pull()
        site.settle()
    assert len(there.history(MR, sent["id"])) == versions


def test_a_translation_for_a_remote_is_not_given_to_others(site: Rig, there: Peer):
    placed = site.place(order("A-1", care_setting="hospital"))
    site.settle()
    assert len(there.all(MR)) == 1
    plain = find.read(site.service, CALLER, "R4", MR, placed.id).text
    five = find.read(site.service, CALLER, "R5", MR, placed.id).text
    assert SITE not in plain + five
    dialect = site.peer.service
    assert SITE in find.read(dialect, CALLER, "R4", MR, placed.id).text
    assert SITE in find.read(dialect, CALLER, "R5", MR, placed.id).text
    assert find.read(site.service, CALLER, "R5", MR, placed.id).text == five
    assert find.read(site.service, CALLER, "R4", MR, placed.id).text == plain


def test_an_overlay_that_is_not_there_is_refused_at_the_start(site: Rig):
    with pytest.raises(SettingsError, match="there is no such overlay; accepted are cerner"):
        Ours(site.service, replace(site.peer.remote, overlay="other"))


def test_an_answer_lost_on_the_way_is_found_again_in_the_dialect(site: Rig, there: Peer):
    there.lies.append(once(Act(close="before"), lambda asked: asked.writes and asked.type == MR))
    site.place(order("A-1", care_setting="hospital"))
    assert site.settle() == ["acked"]
    assert len(there.all(MR)) == 1
    assert fhir_json.write(there.all(MR)[0]).count(SITE.encode()) == 1
