"""Pages, files and memories that say of one resource what is another's are believed nowhere: H7, H10."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import bulk
from tests import exact_json
from tests.faults.exporting import Exporting
from tests.faults.invariants import demanded
from tests.faults.peer import Act, Asked, Peer
from tests.faults.persons import MR, PERSON, identifier, subjects
from tests.faults.rig import Clock, Rig, of_theirs, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _says(rig: Rig, text: str) -> dict[str, Any]:
    (there,) = [one for one in rig.there.all(MR) if one.get("identifier", [{}])[0].get("value") == "5"]
    return rig.there.put({**there, "medicationCodeableConcept": {"text": text}})


# -------------------------------------------------------------------------------------------------------- pages


def _page(kind: str, *entries: dict[str, Any]) -> bytes:
    return exact_json.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries)}).encode()


FOREIGN = {
    "its address names another": lambda base, one: {"fullUrl": f"{base}/{MR}/77", "resource": one},
    "its address is of another type": lambda base, one: {"fullUrl": f"{base}/Patient/{one['id']}", "resource": one},
}


@pytest.mark.parametrize("how", FOREIGN)
def test_h10_h7_an_entry_whose_address_is_not_that_of_its_resource_is_not_taken(rig: Rig, how: str):
    there = rig.there.put(of_theirs(5))
    rig.pull()
    moved = {**there, "medicationCodeableConcept": {"text": "another"}}
    moved["meta"] = {"versionId": "9", "lastUpdated": "2025-05-02T00:00:00.000+00:00"}
    page = _page("searchset", FOREIGN[how](rig.there.base, moved))
    rig.there.lies = [lambda asked: Act(body=page) if asked.type == MR and not asked.id else None]
    (done, *_) = rig.pull()
    text = rig.all()[0]["medicationCodeableConcept"]["text"]
    assert (done.trouble, text) == ("an entry whose address is another's", "dobutamine")
    rig.there.lies = []
    assert {one.trouble for one in rig.pull()} == {""}


def test_h10_a_page_of_several_servers_is_not_taken(rig: Rig):
    there = rig.there.put(of_theirs(5))
    rig.pull()
    theirs = {**of_theirs(6), "id": there["id"]}
    theirs["meta"] = {"versionId": "9", "lastUpdated": "2025-05-02T00:00:00.000+00:00"}
    own = {"fullUrl": f"{rig.there.base}/{MR}/{there['id']}", "resource": there}
    page = _page(
        "searchset", own, {"fullUrl": f"https://elsewhere.example/fhir/{MR}/{there['id']}", "resource": theirs}
    )
    rig.there.lies = [lambda asked: Act(body=page) if asked.type == MR and not asked.id else None]
    (done, *_) = rig.pull()
    assert (done.trouble != "", [one["identifier"][0]["value"] for one in rig.all()]) == (True, ["5"])
    rig.there.lies = []
    rig.pull()


# ----------------------------------------------------------------------------------------------------- a history


class Backwards(Peer):
    """Its history begins with the oldest, page by page."""

    def _history(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        size, self.page_size = self.page_size, 50
        whole = replace(asked, query={k: v for k, v in asked.query.items() if k not in {"_offset", "_count"}})
        status, headers, body = super()._history(whole)
        self.page_size = size
        assert body is not None
        offset, entries = int(asked.query.get("_offset", "0")), body["entry"][::-1]
        body["entry"] = entries[offset : offset + size]
        if len(entries) > offset + size:
            query = "&".join(f"{k}={v}" for k, v in {**asked.query, "_offset": str(offset + size)}.items())
            body["link"] = [{"relation": "next", "url": f"{self.base}/{asked.type}/_history?{query}"}]
        return status, headers, body


@pytest.fixture
def backwards(tmp_path: Path) -> Iterator[Rig]:
    peer = Backwards()
    peer.keeps_history = True
    with demanded(open_rig(peer, tmp_path / "ours.db", Clock(), feed="history")) as rig:
        yield rig
    peer.close()


@pytest.mark.parametrize("size", [1, 50])
def test_h7_a_history_that_begins_with_the_oldest_brings_no_old_dose(backwards: Rig, size: int):
    backwards.there.put(of_theirs(5))
    _says(backwards, "newer")
    backwards.there.page_size = size
    backwards.pull()
    assert [one["medicationCodeableConcept"]["text"] for one in backwards.all()] == ["newer"]


# ------------------------------------------------------------------------------------------------- a bulk export


def test_h10_a_line_of_another_type_does_not_stand_for_the_order_of_that_id(tmp_path: Path):
    peer = Exporting()
    there = peer.put(of_theirs(5))
    peer.extra = {MR: [exact_json.dumps({**there, "resourceType": "MedicationStatement"}).encode()]}
    real = peer.all
    peer.all = lambda type_: [] if type_ == MR else real(type_)  # type: ignore[method-assign]  # for a while
    with demanded(open_rig(peer, tmp_path / "ours.db", Clock())) as rig:
        for _ in range(20):
            told = bulk.load(rig.service, "peer", "")
            if told["state"] == "done":
                break
            rig.clock.move(5)
        peer.all = real  # type: ignore[method-assign]  # as it was
        rig.pull()
        assert [one["identifier"][0]["value"] for one in rig.all()] == ["5"]
        assert [one.codes for one in rig.quarantined()] == ["structure"]
    peer.close()


# ------------------------------------------------------------------------------------------------ what is remembered


def test_h10_a_number_that_was_corrected_there_is_that_of_what_is_pulled_from_then_on(rig: Rig):
    theirs = {"resourceType": MR, "status": "active", "intent": "order", "medicationCodeableConcept": {"text": "x"}}
    patient = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-wrong"), **PERSON})
    rig.there.put({**theirs, "subject": {"reference": f"Patient/{patient['id']}"}})
    rig.pull()
    rig.there.put({**patient, "identifier": identifier("mrn-right")})
    rig.clock.move(60)
    rig.there.put({**theirs, "subject": {"reference": f"Patient/{patient['id']}"}})
    rig.pull()
    assert [value for _, value in subjects(rig)] == ["mrn-wrong", "mrn-right"]


def test_h10_an_order_goes_to_who_has_the_number_there_now_and_not_to_who_had_it_a_minute_ago(rig: Rig):
    rig.place(order("A-1"))
    rig.settle()
    (old,) = rig.there.all("Patient")
    rig.there.put({**old, "identifier": identifier("mrn-other")})
    right = rig.there.put({"resourceType": "Patient", "identifier": identifier("mrn-A-1"), **PERSON})
    rig.clock.move(60)
    rig.place(order("A-1.2"))
    rig.settle(rounds=3)
    named = {one["identifier"][0]["value"]: one["subject"]["reference"] for one in rig.there.all(MR)}
    assert named["A-1.2"] == f"Patient/{right['id']}"


# ------------------------------------------------------------------------------------------------------ caches


def test_h10_whatever_is_asked_is_asked_past_caches(rig: Rig):
    rig.there.page_size = 2
    for number in range(5):
        rig.there.put(of_theirs(number))
    rig.place(order("A-1"))
    rig.settle()
    rig.pull()
    asked = [one for one in rig.there.asked if one.method == "GET" and one.type != "metadata"]
    assert {one.headers.get("cache-control") for one in asked} == {"no-cache"}
