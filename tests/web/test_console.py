"""The console: what a command shows and does, on a page, for operators; content is read by name, and only on request."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import attempts, audit, conflicts, endpoints, inbox, outbox
from fhir_infusion.sync.advice import advice
from fhir_infusion.sync.status import status
from fhir_infusion.web import paging
from fhir_infusion.web.app import create_app
from fhir_infusion.web.console.pages import CONSOLE
from tests.faults.peer import Act, once
from tests.faults.rig import TENANT, administration, order
from tests.web.conftest import Client, exact, issues
from tests.web.desk import MR, WHY

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from fhir_infusion.store import Tx
    from fhir_infusion.sync.status import Status
    from tests.web.desk import Desk

NASTY = "<script>alert(1)</script>"
VALUES = ("Jane Ito", "1970-01-02", "mrn-A-1", "theirs", "ug/kg/min", "dobutamine")
"""Of the patient and the order: none stands on a page that lists."""


def seen(reply: TestResponse) -> str:
    """Return what a page shows, as text with its white space joined."""
    assert reply.mimetype == "text/html", reply.text[:300]
    main = reply.text.partition("<main")[2].partition("</main>")[0].partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def spoken(text: str) -> str:
    return " ".join(re.findall(r"[\w-]+", text))


def tag_of(reply: TestResponse) -> str:
    return str(re.findall(r'name="seen" value="(\w+)"', reply.text)[0])


def dead(desk: Desk) -> int:
    """Have an order refused there; return its row."""
    desk.rig.there.lies = [once(Act(effect=False, status=422), lambda asked: asked.writes and asked.type == MR, 9)]
    desk.rig.place(order("A-2"))
    desk.rig.settle()
    desk.rig.there.lies = []
    (row,) = [one for one in desk.rig.rows() if one.state == "dead"]
    return row.seq


def quarantined(desk: Desk, id_: str = "q") -> str:
    """Have a version come that cannot be read; return its name."""
    text = f'{{"resourceType":"{MR}","id":"{id_}","note":[{{"text":"{NASTY}"}}]}}'
    received = inbox.Received(MR, id_, "1", "2025-05-01T08:00:00Z", text)

    def work(tx: Tx) -> None:
        inbox.receive(tx, "peer", [received])
        inbox.mark(tx, "peer", MR, id_, "1", "quarantined", "required")

    desk.rig.service.store.transact(TENANT, work)
    return f"{MR}/{id_}/_history/1"


def test_every_page_that_lists_shows_no_value_of_a_patient_or_an_order(desk: Desk):
    dead(desk)
    quarantined(desk)
    desk.rig.give(administration("G-1", "A-1", 5))
    before = desk.trail("read", "conflict-read")
    for path in (
        *("/console", "/console/remotes/peer", "/console/remotes/peer/aside", "/console/remotes/peer/quarantine"),
        *("/console/conflicts", "/console/audit", "/console/trace?order=A-1"),
        *(f"/console/rows/{row.seq}" for row in desk.rig.rows()),
    ):
        reply = desk.get(path)
        assert reply.status_code == 200, path
        shown = seen(reply).replace("What they changed", "").replace("theirs:", "")
        assert [value for value in VALUES if value in shown] == [], path
    assert desk.trail("read", "conflict-read") == before


GETS = [rule for method, rule, *_ in CONSOLE if method == "GET"]


@pytest.mark.parametrize("rule", GETS)
def test_without_a_token_it_is_the_form_and_without_the_role_a_page_that_says_so(desk: Desk, rule: str):
    path = rule.replace("<remote>", "peer").replace("<row>", "2").replace("<conflict_id>", desk.held())
    nobody = desk.client.get(path)
    assert (nobody.status_code, 'id="sign-in"' in nobody.text) == (401, True)
    plain = desk.get(path, "plain")
    assert plain.status_code == 403
    assert "this is for operators" in seen(plain)
    assert desk.trail("read", "conflict-read") == []


def test_an_operator_of_another_tenant_finds_nothing_and_does_nothing(desk: Desk):
    seq, id_ = dead(desk), desk.held()
    assert "There is no remote yet" in seen(desk.get("/console", "elsewhere"))
    for path in ("/console/remotes/peer", f"/console/rows/{seq}", f"/console/rows/{seq}/content"):
        assert desk.get(path, "elsewhere").status_code == 404
    assert desk.get(f"/console/conflicts/{id_}", "elsewhere").status_code == 404
    assert desk.get("/console/trace?order=A-1", "elsewhere").status_code == 404
    for path in (*(f"/console/remotes/peer/{what}" for what in ("replay", "skip", "resume", "quarantine")),):
        assert desk.post(path, "elsewhere", row=str(seq), reason=WHY).status_code == 404
    assert desk.post(f"/console/conflicts/{id_}", "elsewhere", keep="ours", reason=WHY, seen="x").status_code == 404
    assert desk.held() == id_
    assert "A-1" not in seen(desk.get("/console/audit", "elsewhere"))


def test_the_numbers_are_those_of_the_command_and_say_what_to_do(desk: Desk):
    seq = dead(desk)
    (told,) = status(desk.rig.service)
    shown = seen(desk.get("/console"))
    assert f"put aside on the way out dead {told['dead']}" in shown
    assert f"changed on both sides conflicts {told['conflicts']}" in shown
    assert [one.place for one in advice(told) if one.place] == ["dead", "conflict"]
    assert all(spoken(one.text) in spoken(shown) for one in advice(told))
    one = seen(desk.get("/console/remotes/peer"))
    assert "dead 422 1" in one  # state, code, how many
    assert f"row {seq}" in one
    assert "POST MedicationRequest" in one
    listed = seen(desk.get("/console/remotes/peer/aside?state=dead&code=422"))
    assert f" {seq} MedicationRequest/" in listed
    assert "Nothing is put aside" in seen(desk.get("/console/remotes/peer/aside?state=duplicate"))


def test_a_remote_that_no_section_names_any_more_is_shown_with_what_waits_for_it_and_leads_nowhere(desk: Desk):
    desk.rig.service.store.transact(TENANT, lambda tx: outbox.enqueue(tx, "former", f"{MR}/1", 1, "hash", stop=True))
    page = desk.get("/console")
    assert "sync skip --unset former --reason TEXT" in seen(page)
    assert "1 wait for it" in seen(page)
    assert "/console/remotes/former" not in page.get_data(as_text=True)
    assert desk.get("/console/remotes/former").status_code == 404
    assert "former" not in seen(desk.get("/console", "elsewhere"))


def test_a_conflict_shows_base_ours_and_theirs_and_is_decided_as_it_was_shown(desk: Desk):
    id_ = desk.held()
    page = desk.get(f"/console/conflicts/{id_}")
    shown = seen(page)
    assert "Drug, dose, rate, route and times held" in shown
    assert re.search(r"dosageInstruction\[0\]\.text not there ours new theirs new", shown)
    who = desk.tokens["operator"].split("_")[1]
    assert desk.trail("conflict-read") == [("conflict-read", who, f"conflict {id_}")]
    done = desk.post(f"/console/conflicts/{id_}", keep="theirs", reason=WHY, seen=tag_of(page))
    assert done.status_code == 303
    after = desk.get(done.headers["Location"])
    assert re.search(r"Decided about MedicationRequest/\S+: theirs stands\. .*Nothing waits", seen(after))
    assert desk.trail("conflict-resolved") == [("conflict-resolved", who, f"conflict {id_}: theirs: {WHY}")]
    assert desk.texts() == ("theirs", "theirs")
    closed = desk.get(f"/console/conflicts/{id_}")
    assert f"Decided theirs: {WHY}" in seen(closed)
    assert "<form" not in closed.text
    again = desk.post(f"/console/conflicts/{id_}", keep="ours", reason=WHY, seen=tag_of(page))
    assert (again.status_code, issues(again)[0]["code"]) == (404, "not-found")


def test_nobody_decides_about_what_was_not_shown_and_the_page_says_it_and_shows_it_anew(desk: Desk):
    id_ = desk.held()
    old = tag_of(desk.get(f"/console/conflicts/{id_}"))
    desk.change_there("theirs since")
    first = desk.post(f"/console/conflicts/{id_}", keep="ours", reason=WHY, seen=old)
    assert first.status_code == 409
    assert "one side has changed since the conflict was held" in seen(first)
    assert "theirs since" in seen(first)
    stale = desk.post(f"/console/conflicts/{id_}", keep="ours", reason=WHY, seen=old)
    assert stale.status_code == 412
    assert "not held as it was shown any more" in seen(stale)
    missing = desk.post(f"/console/conflicts/{id_}", keep="ours", seen=tag_of(stale))
    assert (missing.status_code, "reason : it is missing" in seen(missing)) == (400, True)
    assert desk.post(f"/console/conflicts/{id_}", keep="both", reason=WHY, seen=tag_of(stale)).status_code == 400
    assert desk.post(f"/console/conflicts/{id_}", keep="ours", reason=WHY, seen=tag_of(stale)).status_code == 303


def test_a_stop_that_went_through_meanwhile_is_told_on_the_conflict(desk: Desk):
    id_ = desk.held()
    assert "A stop went through" not in seen(desk.get(f"/console/conflicts/{id_}"))
    desk.rig.clock.move(1)
    desk.rig.amend(order("A-1", steps=[{"step_id": "run", "text": "ours"}], status="stopped"))
    desk.rig.settle(rounds=6)
    shown = seen(desk.get(f"/console/conflicts/{id_}"))
    assert "A stop went through meanwhile. Here it is stopped since 2025-05-01T08:" in shown
    assert "Our stop, version 3, has arrived there." in shown


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (("identity", "name", "birthDate"), "the names contradict; the birth dates contradict"),
        (("identity", "reused"), "the record number stays, and name, birth date and sex are another person's"),
    ],
)
def test_a_conflict_about_who_a_patient_is_is_explained_in_words(desk: Desk, fields: tuple[str, ...], says: str):
    people: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p", "name": [{"text": text}]} for text in ("Ann", NASTY)
    ]
    old, new = people
    base, ours, theirs = (fhir_json.write(one).decode() for one in (old, old, new))
    desk.rig.service.store.transact(
        TENANT, lambda tx: conflicts.open_conflict(tx, "", "Patient/p", fields, base, ours, theirs, "who")
    )
    assert "here: two patients" in seen(desk.get("/console/conflicts"))
    page = desk.get("/console/conflicts/who")
    assert says in seen(page)
    assert NASTY in seen(page)
    assert NASTY not in page.text
    assert ("It is the same person" in seen(page)) == ("reused" in fields)


def test_a_row_is_read_by_name_replayed_with_a_reason_and_given_up(desk: Desk):
    seq = dead(desk)
    assert "POST MedicationRequest" in seen(desk.get(f"/console/rows/{seq}"))
    shown = desk.get(f"/console/rows/{seq}/content")
    assert "mrn-A-2" in seen(shown)
    who = desk.tokens["operator"].split("_")[1]
    assert desk.trail("read") == [("read", who, f"outbox row {seq}")]
    empty = desk.post("/console/remotes/peer/replay", row=str(seq), reason=" ")
    assert (empty.status_code, "a reason is required for the audit trail" in seen(empty)) == (422, True)
    done = desk.post("/console/remotes/peer/replay", row=str(seq), reason=WHY)
    assert done.status_code == 303
    assert f"Replayed: 1 on the way again; row {seq}: is acked now." in seen(desk.get(done.headers["Location"]))
    desk.rig.settle()
    assert {row.seq: row.state for row in desk.rig.rows()}[seq] == "acked"
    refused = desk.post("/console/remotes/peer/skip", row=str(seq), reason=WHY)
    assert refused.status_code == 422
    (held,) = [row.seq for row in desk.rig.rows() if row.state == "conflict"]
    skipped = desk.post("/console/remotes/peer/skip", row=str(held), reason=WHY)
    assert "Given up: 1." in seen(desk.get(skipped.headers["Location"]))


def test_several_rows_are_decided_at_once_and_none_is_asked_for_kindly(desk: Desk):
    rows = [str(dead(desk)), *(str(row.seq) for row in desk.rig.rows() if row.state == "conflict")]
    done = desk.post("/console/remotes/peer/skip", row=rows, reason=WHY)
    assert done.headers["Location"].startswith("/console/remotes/peer/aside?")
    assert "Given up: 2." in seen(desk.get(done.headers["Location"]))
    none = desk.post("/console/remotes/peer/replay", reason=WHY)
    assert none.status_code == 422
    assert "Accepted is 1 to 200 numbers" in seen(none)


def test_what_could_not_be_taken_is_shown_as_text_and_tried_again(desk: Desk):
    name = quarantined(desk)
    assert name in seen(desk.get("/console/remotes/peer/quarantine"))
    page = desk.get(f"/console/remotes/peer/quarantine/content?version={name}")
    assert NASTY in seen(page).replace("\\", "")
    assert NASTY not in page.text
    assert desk.trail("read")[-1][2] == f"peer: {MR}/q there, quarantined"
    done = desk.post("/console/remotes/peer/quarantine", version=name, reason=WHY)
    assert "Tried again: 1. Taken now: 0. Not taken: 1." in seen(desk.get(done.headers["Location"]))
    assert desk.get("/console/remotes/peer/quarantine/content?version=none").status_code == 422


def test_what_could_not_be_taken_is_listed_page_by_page_and_each_once(desk: Desk):
    names = []
    for at in range(7):
        desk.rig.clock.move(at % 3)  # some come at one moment
        names.append(quarantined(desk, f"q{at}"))
    address, told, pages = "/console/remotes/peer/quarantine?limit=3", [], 0
    while address:
        page = desk.get(address)
        told += re.findall(r'name="version" value="([^"]+)"', page.text)
        more = re.findall(r'<a href="([^"]+)">More</a>', page.text)
        address, pages = unescape(more[0]) if more else "", pages + 1
    assert (sorted(told), pages) == (names, 3)
    asked = exact(desk.get("/api/sync/remotes/peer/quarantine?limit=5"))
    rest = exact(desk.get("/" + asked["next"].split("/", 3)[3]))
    assert [one["version"] for one in (*asked["items"], *rest["items"])] == told
    assert "next" not in rest


def test_the_token_of_another_list_is_no_page_of_what_could_not_be_taken(desk: Desk):
    token = paging.sign(desk.rig.service.store.secret, TENANT, [("", "/console/remotes/peer/quarantine")], ["1", "2"])
    refused = desk.get(f"/console/remotes/peer/quarantine?page={token}")
    assert (refused.status_code, "the page token is not of this listing" in seen(refused)) == (400, True)


def test_a_remote_that_is_paused_says_why_and_goes_on_with_a_reason(desk: Desk):
    desk.rig.service.store.transact(TENANT, lambda tx: endpoints.pause(tx, "peer", "restored"))
    page = desk.get("/console/remotes/peer")
    assert "it was restored from a backup" in seen(page)
    refused = desk.post("/console/remotes/peer/replay", row="2", reason=WHY)
    assert (refused.status_code, "the remote is paused" in seen(refused)) == (409, True)
    done = desk.post("/console/remotes/peer/resume", reason=WHY)
    assert "It goes on" in seen(desk.get(done.headers["Location"]))
    assert "Paused" not in seen(desk.get("/console/remotes/peer"))


def test_of_several_there_with_one_identifier_one_is_kept_and_the_row_goes_on(desk: Desk):
    desk.rig.place(order("A-3"))
    desk.rig.settle()
    (mine,) = [one for one in desk.rig.there.all(MR) if one["identifier"][0]["value"] == "A-3"]
    desk.rig.there.put({name: value for name, value in mine.items() if name not in {"id", "meta"}})
    desk.rig.amend(order("A-3", steps=[{"step_id": "run", "text": "slower"}]))
    row = next(one for one in desk.rig.rows() if one.seq == max(each.seq for each in desk.rig.rows()))
    page = desk.get(f"/console/rows/{row.seq}/duplicates")
    assert f"Would be kept {MR}/{mine['id']}" in seen(page)
    assert desk.post(f"/console/rows/{row.seq}/duplicates", reason="").status_code == 422
    done = desk.post(f"/console/rows/{row.seq}/duplicates", reason=WHY)
    assert f"Kept: {MR}/{mine['id']}. Ended: 1." in seen(desk.get(done.headers["Location"]))
    left = [one["status"] for one in desk.rig.there.all(MR) if one["identifier"][0]["value"] == "A-3"]
    assert sorted(left) == ["active", "entered-in-error"]


def test_the_timeline_tells_an_order_and_what_was_given_at_every_server(desk: Desk):
    desk.rig.clock.move(60)
    desk.rig.give(administration("G-1", "A-1", 5, 6))
    desk.rig.settle(rounds=3)
    shown = seen(desk.get("/console/trace?order=A-1"))
    for text in ("order version 1 : active, create by test", "attempt 1: acked", "GET metadata → 200", "given-1"):
        assert text in shown, shown
    assert desk.get(f"/console/trace?order=%20{MR}/{desk.rig.ids()[0]}").status_code == 200
    missing = desk.get(f"/console/trace?order={NASTY}")
    assert missing.status_code == 404
    assert NASTY not in missing.text
    assert "there is no such order. Accepted is the id of an order" in seen(missing)


def test_the_audit_trail_is_shown_newest_first_narrowed_down_and_checked(desk: Desk):
    shown = seen(desk.get("/console/audit"))
    assert shown.index("conflict-opened") < shown.index("create")
    (id_,) = desk.rig.ids()
    only = seen(desk.get(f"/console/audit?action=create&resource={MR}/{id_}"))
    assert "conflict-opened" not in only.partition("Detail")[2]
    assert f"create test {MR}/{id_} version 1" in only
    assert desk.get("/console/audit?resource=nothing").status_code == 400
    assert "The audit trail is whole" in seen(desk.get("/console/audit/check"))
    paged = desk.get("/console/audit?limit=2")
    (more,) = re.findall(r'<a href="([^"]+)">Older</a>', paged.text)
    assert seen(desk.get(unescape(more))) != seen(paged)


def test_no_link_of_somebody_else_makes_a_page_say_something(desk: Desk):
    assert desk.get("/console?told=Decided").status_code == 400
    done = desk.post("/console/remotes/peer/skip", row="2", reason=WHY)
    token = done.headers["Location"].partition("?")[2]
    assert desk.get(f"/console/conflicts?{token}").status_code == 400


def test_where_it_runs_open_a_page_of_another_site_sends_no_form(desk: Desk):
    client = Client(create_app(desk.rig.service).test_client(use_cookies=False))
    page = client.get(f"/console/conflicts/{desk.held()}")
    assert page.headers["Referrer-Policy"] == "same-origin"
    fields = {"keep": "theirs", "reason": WHY, "seen": tag_of(page)}
    path = f"/console/conflicts/{desk.held()}"
    for origin in ("https://evil.example", "null"):
        refused = client.flask.post(path, data=fields, headers={"Origin": origin})
        assert refused.status_code == 403
    assert client.flask.post(path, data=fields, headers={"Origin": "http://localhost"}).status_code == 303


def test_programs_of_operators_are_told_and_do_the_same_by_json(desk: Desk):
    seq, name = dead(desk), quarantined(desk)
    (told,) = exact(desk.get("/api/sync/status"))["items"]
    assert (told["dead"], told["conflicts"], told["quarantined"]) == (1, 1, 1)
    assert told["advice"] == [one.text for one in advice(told)]
    (row,) = exact(desk.get("/api/sync/remotes/peer/aside?state=dead"))["items"]
    assert (row["row"], row["state"], row["stop"]) == (seq, "dead", False)
    page = exact(desk.get("/api/sync/remotes/peer/aside?limit=1"))
    assert len(page["items"]) == 1
    assert len(exact(desk.get("/api/" + page["next"].partition("/api/")[2]))["items"]) == 1
    shown = exact(desk.get(f"/api/sync/rows/{seq}"))
    assert shown["content"]["identifier"][0]["value"] == "A-2"
    assert [detail for _, _, detail in desk.trail("read")] == [f"outbox row {seq}"]
    events = exact(desk.get("/api/sync/trace?order=A-2"))["items"]
    assert [one["text"] for one in events if one["kind"] == "attempt"] == [f"attempt 1: dead ({row['code']})"]
    bearer = {"authorization": f"Bearer {desk.tokens['operator']}"}

    def post(what: str, **body: object) -> Any:
        reply = desk.client.post(f"/api/sync/remotes/peer/{what}", body, **bearer)
        return exact(reply) if reply.status_code == 200 else reply.status_code

    assert post("replay", rows=[seq], reason=WHY)["rows"] == {"replayed": 1}
    assert post("skip", rows=[2], reason=WHY)["skipped"][0]["row"] == 2
    assert post("skip", rows=[2], reason=WHY) == 422
    refused: tuple[dict[str, Any], ...] = (
        {"rows": [seq]},
        {"rows": ["1"], "reason": WHY},
        {"rows": [True], "reason": WHY},
        {"rows": []},
    )
    for wrong in refused:
        assert post("replay", **wrong) == 400
    assert post("replay", rows=[seq], reason=WHY, force=True) == 400
    assert exact(desk.get("/api/sync/remotes/peer/quarantine"))["items"][0]["version"] == name
    assert post("quarantine", versions=[name], reason=WHY) == {"remote": "peer", "tried": 1, "taken": 0, "left": 1}
    assert desk.get("/api/sync/trace").status_code == 400


def test_hostile_text_in_any_field_is_shown_as_text(desk: Desk):
    def work(tx: Tx) -> None:
        audit.write(tx, NASTY, NASTY, NASTY, NASTY, 0, NASTY)
        endpoints.note_trouble(tx, "peer", NASTY)
        row = outbox.rows(tx, "peer")[0]
        attempts.note(tx, row, tx.now, [attempts.Asked(NASTY, NASTY, 1)], NASTY, NASTY)

    desk.rig.service.store.transact(TENANT, work)
    desk.change_there(NASTY)
    for path in ("/console", "/console/remotes/peer", "/console/audit", "/console/rows/1"):
        page = desk.get(path)
        assert NASTY in seen(page), path
        assert NASTY not in page.text, path


def test_advice_names_the_most_urgent_first_and_nothing_where_all_is_well():
    well: Status = {
        "endpoint": "e",
        "direction": "both",
        "paused": "",
        "trouble": "",
        "can": {"needs": []},
        "outbox": {},
        "feeds": {},
        "oldest_stop_seconds": None,
        "oldest_pending_seconds": 3,
        **dict.fromkeys(("dead", "conflicts", "quarantined", "identities", "lost", "deleted_active"), 0),
    }
    assert advice(well) == ()
    feeds: dict[str, Any] = {
        MR: {"last_success_seconds": None},
        "MedicationAdministration": {"last_success_seconds": 9999},
    }
    ill = {**well, "oldest_stop_seconds": 500, "oldest_pending_seconds": 5000, "quarantined": 2, "can": None}
    ill |= {"outbox": {"duplicate": 1}, "feeds": feeds, "lost": 1, "identities": 1}
    told = advice(ill)
    assert told[0].text.startswith("A stop has not arrived there")
    assert [one.place for one in told if one.place] == ["duplicate", "identity", "quarantine"]
    assert sum("feed of" in one.text for one in told) == 2
    paused = advice({**well, "paused": "vanished", "trouble": "unauthorized"})
    assert [one.place for one in paused] == ["resume"]
    assert "token_file" in advice({**well, "trouble": "unauthorized"})[0].text


def test_the_recent_attempts_are_the_latest_also_of_what_waits_for_long(desk: Desk):
    """A row that is tried again and again is an old one: its attempts are the latest all the same."""
    clock = desk.rig.clock

    def note(tx: Tx) -> None:
        for number in range(40):
            seq = outbox.enqueue(tx, "peer", f"{MR}/w{number}", 1, "", stop=False)
            if number == 3:
                (row,) = [one for one in outbox.rows(tx, "peer", limit=100) if one.seq == seq]
                attempts.note(tx, row, clock.at, [], "pending", "throttled")

    clock.move(60)
    desk.rig.service.store.transact(TENANT, note)
    told = desk.rig.service.store.read(TENANT, lambda tx: attempts.recent(tx, "peer", 5))
    assert (told[0].aggregate, told[0].code) == (f"{MR}/w3", "throttled")
    assert [one.begun for one in told] == sorted((one.begun for one in told), reverse=True)
    assert desk.rig.service.store.read(TENANT, lambda tx: attempts.recent(tx, "other", 5)) == ()
