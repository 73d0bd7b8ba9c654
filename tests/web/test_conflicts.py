"""What waits for a person, over the web: listed, shown and decided by operators, and by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.store import conflicts
from fhir_infusion.web.app import create_app
from fhir_infusion.web.routes import ROUTES
from tests.faults.rig import TENANT, order
from tests.web.conftest import Client, exact, issues
from tests.web.desk import MR, PATH, WHY

if TYPE_CHECKING:
    from tests.web.desk import Desk


def test_what_waits_is_listed_by_place_shown_with_its_values_and_decided_about_what_was_shown(desk: Desk):
    id_ = desk.held()
    listed = desk.get(PATH)
    (item,) = exact(listed)["items"]
    assert (item["id"], item["groups"], item["theirs"]) == (id_, ["clinical"], ["dosageInstruction[0].text"])
    assert "ours" not in listed.text.replace('"theirs"', "")
    shown = desk.get(f"{PATH}/{id_}")
    sides = {one["path"]: one for one in exact(shown)["differences"]}
    assert (sides["dosageInstruction[0].text"]["ours"], sides["dosageInstruction[0].text"]["theirs"]) == (
        "ours",
        "theirs",
    )
    assert exact(shown)["state"] == "open"
    who = desk.tokens["operator"].split("_")[1]
    assert desk.trail("conflict-read") == [("conflict-read", who, f"conflict {id_}")]
    reply = desk.resolve(id_, "theirs", if_match=shown.headers["ETag"])
    assert (reply.status_code, exact(reply)["kept"]) == (200, "theirs")
    assert (desk.texts(), exact(desk.get(PATH))["items"]) == (("theirs", "theirs"), [])
    assert desk.trail("conflict-resolved") == [("conflict-resolved", who, f"conflict {id_}: theirs: {WHY}")]
    closed = desk.get(f"{PATH}/{id_}")
    assert (exact(closed)["state"], exact(closed)["resolution"]) == ("resolved", f"theirs: {WHY}")
    assert closed.headers["ETag"] != shown.headers["ETag"]
    assert desk.resolve(id_, "ours").status_code == 404


@pytest.mark.parametrize("keep", ["ours", "theirs"])
def test_a_decision_sent_again_under_its_key_is_answered_as_it_was_first(desk: Desk, keep: str):
    id_ = desk.held()
    first = desk.resolve(id_, keep, idempotency_key="k")
    assert (first.status_code, exact(first)["kept"]) == (200, keep)
    told = desk.trail("conflict-resolved")
    again = desk.resolve(id_, keep, idempotency_key="k")
    assert (again.status_code, exact(again)) == (200, exact(first))
    other = desk.resolve(id_, "ours" if keep == "theirs" else "theirs", idempotency_key="k")
    assert (other.status_code, issues(other)[0]["path"]) == (422, "http.Idempotency-Key")
    assert desk.trail("conflict-resolved") == told
    assert desk.resolve(id_, keep).status_code == 404


OPERATORS = [route for route in ROUTES if route.for_operators]


@pytest.mark.parametrize("route", OPERATORS, ids=[f"{one.method} {one.rule}" for one in OPERATORS])
def test_who_has_no_token_of_an_operator_sees_and_decides_nothing(desk: Desk, route: Any):
    before = (desk.texts(), desk.held(), desk.trail("conflict-read"))
    path = route.rule.replace("<conflict_id>", desk.held()).replace("<remote>", "peer").replace("<row>", "2")
    body = {"keep": "theirs", "reason": WHY} if route.method == "POST" else None
    for token, status in ((desk.tokens["plain"], 403), ("", 401), ("fhirinf_00000000_x", 401)):
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        reply = desk.client.flask.open(path, method=route.method, json=body, headers=sent)
        assert reply.status_code == status
        assert [one["code"] for one in issues(reply)] == ["forbidden" if status == 403 else "login"]
        assert "theirs" not in reply.text
    assert (desk.texts(), desk.held(), desk.trail("conflict-read")) == before


def test_an_operator_of_another_tenant_finds_none_of_it(desk: Desk):
    id_ = desk.held()
    assert exact(desk.get(PATH, "elsewhere"))["items"] == []
    assert desk.get(f"{PATH}/{id_}", "elsewhere").status_code == 404
    assert desk.resolve(id_, "theirs", "elsewhere").status_code == 404
    assert (desk.held(), desk.texts()) == (id_, ("ours", "theirs"))


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_nobody_decides_about_what_was_not_shown(desk: Desk, side: str):
    id_ = desk.held()
    shown = desk.get(f"{PATH}/{id_}").headers["ETag"]
    if side == "theirs":
        desk.change_there("theirs since")
    else:
        desk.rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours since"}]))
    before = desk.texts()
    assert desk.resolve(id_, "ours", if_match=shown).status_code == 409  # it is held as it is now
    assert desk.resolve(id_, "ours", if_match=shown).status_code == 412  # which was not shown
    assert desk.texts() == before
    again = desk.get(f"{PATH}/{id_}")
    assert side + " since" in again.text
    assert desk.resolve(id_, side, if_match=again.headers["ETag"]).status_code == 200
    desk.rig.settle()
    assert desk.texts() == (f"{side} since", f"{side} since")


def test_h8_i4_a_stop_goes_out_while_it_is_held_and_no_decision_undoes_it(desk: Desk):
    id_ = desk.held()
    desk.rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}], status="stopped"))
    desk.rig.settle(rounds=6)
    assert (desk.there()["status"], desk.held(), desk.texts()) == ("stopped", id_, ("ours", "theirs"))
    desk.change_there("theirs again", status="active")
    assert desk.resolve(id_, "theirs").status_code == 409
    assert desk.resolve(id_, "theirs").status_code == 422
    assert desk.rig.resource(MR, desk.rig.ids()[0])["status"] == "stopped"
    assert desk.resolve(id_, "ours").status_code == 200
    desk.rig.settle()
    assert (desk.there()["status"], desk.texts()) == ("stopped", ("ours", "ours"))


def test_the_list_comes_page_by_page_each_once_in_their_order(desk: Desk):
    text = '{"resourceType":"MedicationRequest"}'

    def hold(tx: Any) -> None:
        for number in range(7):
            conflicts.open_conflict(tx, "peer", f"{MR}/x{number}", ("clinical",), "", text, text, f"c{number}")

    first = desk.held()
    desk.rig.clock.move(1)
    desk.rig.service.store.transact(TENANT, hold)
    seen, path = [], f"{PATH}?endpoint=peer&limit=3"
    while path:
        reply = desk.get(path)
        assert reply.status_code == 200, reply.text
        body = exact(reply)
        assert len(body["items"]) <= 3
        seen += [one["id"] for one in body["items"]]
        path = "".join(body.get("next", "").partition("/api/")[1:])
    assert seen == [first, *(f"c{number}" for number in range(7))]
    assert exact(desk.get(f"{PATH}?endpoint=none"))["items"] == []
    assert desk.get(f"{PATH}?colour=red").status_code == 400


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"keep": "both", "reason": WHY}, "keep"),
        ({"keep": "ours"}, "reason"),
        ({"reason": WHY}, "keep"),
        ({"keep": "ours", "reason": 7}, "reason"),
        ({"keep": "ours", "reason": WHY, "force": True}, ""),
    ],
)
def test_a_decision_that_is_not_whole_is_refused(desk: Desk, body: object, path: str):
    token = desk.tokens["operator"]
    reply = desk.client.post(f"{PATH}/{desk.held()}/resolve", body, authorization=f"Bearer {token}")
    assert (reply.status_code, issues(reply)[0]["path"]) == (400, path)
    empty = desk.client.post(
        f"{PATH}/{desk.held()}/resolve", {"keep": "ours", "reason": " "}, authorization=f"Bearer {token}"
    )
    assert empty.status_code == 422


def test_on_loopback_without_tokens_whoever_asks_may_decide(desk: Desk):
    client = Client(create_app(desk.rig.service).test_client(use_cookies=False))
    assert len(exact(client.get(PATH))["items"]) == 1
    assert client.post(f"{PATH}/{desk.held()}/resolve", {"keep": "theirs", "reason": WHY}).status_code == 200
