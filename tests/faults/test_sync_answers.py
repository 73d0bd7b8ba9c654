"""Answers that a server should never give: each is a doubt, or trouble that is told, and nothing is lost or doubled."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.sync import sending
from tests import exact_json
from tests.faults.invariants import demanded
from tests.faults.peer import Act, Asked, Peer, once
from tests.faults.rig import MRN, TENANT, Clock, Rig, of_theirs, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MR = "MedicationRequest"
REFUSAL = (
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","diagnostics":"CANARY"}]}'
)
HTML = b"<html><body>CANARY maintenance</body></html>"


RATE_OF_7 = [{"step_id": "run", "dosings": [{"dosing_id": "rate", "rate": {"value": 7, "unit": "ug/kg/min"}}]}]


def _a_write(asked: Asked) -> bool:
    return asked.writes and asked.type == MR


def _a_look(asked: Asked) -> bool:
    return asked.method == "GET" and asked.type == MR and "identifier" in asked.query


def _of_orders(asked: Asked) -> bool:
    return asked.method == "GET" and asked.type == MR and "identifier" not in asked.query


# ------------------------------------------------------------------------------------- a server that cannot look


class Ignorant(Peer):
    """A server that passes over search parameters that it does not know, as FHIR lets it, and does not know this one."""

    is_ignorant = True

    def _matching(self, type_: str, query: dict[str, str], now: float) -> list[dict[str, Any]]:
        known = {name: text for name, text in query.items() if name != "identifier" or not self.is_ignorant}
        return super()._matching(type_, known, now)


@pytest.fixture
def ignorant() -> Iterator[Ignorant]:
    one = Ignorant(conditional=False)
    yield one
    one.close()


@pytest.fixture
def among(ignorant: Ignorant, tmp_path: Path) -> Iterator[Rig]:
    """Our side of that server; it is asked for the invariants once it knows how to search."""
    with demanded(open_rig(ignorant, tmp_path / "ours.db", Clock())) as one:
        yield one
        ignorant.is_ignorant = False


@pytest.mark.parametrize("orders", [0, 1, 2, 70])
@pytest.mark.parametrize("patients", [0, 1, 2])
def test_h10_h5_where_a_server_finds_others_than_it_was_asked_for_none_of_them_is_ours(
    among: Rig, ignorant: Ignorant, orders: int, patients: int
):
    for number in range(patients):
        ignorant.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": f"mrn-other-{number}"}]})
    others = [ignorant.put(of_theirs(number)) for number in range(orders)]
    among.place(order("A-1"))
    among.push()
    among.amend(order("A-1", status="stopped"))
    is_told = bool(orders or patients)
    assert (among.settle(8)[-1], "not-by-identifier" in among.alerts()) == ("pending" if is_told else "acked", is_told)
    assert [one for one in ignorant.all(MR) if one["identifier"][0]["system"] == "urn:theirs"] == others
    assert all(one["subject"].get("reference", "") != "Patient/1" for one in ignorant.all(MR)) or not patients
    assert (len(among.ids()), among.conflicts()) == (1, [])
    ignorant.is_ignorant = False
    among.clock.move(1000)
    assert among.settle()[-1] == "acked"
    (ours,) = [one for one in ignorant.all(MR) if one["identifier"][0]["system"] != "urn:theirs"]
    assert ours["status"] == "stopped"


def test_h10_where_it_finds_ours_among_others_ours_is_taken(among: Rig, ignorant: Ignorant):
    among.place(order("A-1"))
    among.push()
    ignorant.put(of_theirs(5))
    ignorant.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": "mrn-other"}]})
    among.amend(order("A-1", status="stopped"))
    assert among.settle(8) == ["acked", "acked"]
    assert sorted(one["status"] for one in ignorant.all(MR)) == ["active", "stopped"]


# --------------------------------------------------------------------------------------------- answers to a write


BODIES = {
    "an outcome": REFUSAL,
    "a page": HTML,
    "nothing": b"",
    "an array": b"[]",
    "null": b"null",
    "half": b'{"resourceType":"MedicationRequest","id":"1","sta',
    "a property twice": b'{"resourceType":"MedicationRequest","id":"77","id":"78","status":"active"}',
    "broken gzip": gzip.compress(REFUSAL)[:-12] + b"broken-bytes",
    "half of a gzip": gzip.compress(REFUSAL)[:40],
}


def _changed(name: str, what: str) -> dict[str, Any]:
    return order(name, status="stopped") if what == "a stop" else order(name, steps=RATE_OF_7)


@pytest.mark.parametrize("status", [200, 201, 204, 206, 502])
@pytest.mark.parametrize("what", ["a create", "a change", "a stop"])
def test_f10_whatever_a_write_is_answered_with_there_is_one_effect(rig: Rig, there: Peer, status: int, what: str):
    for number, (body, has_effect) in enumerate((body, effect) for body in BODIES for effect in (True, False)):
        name = f"A-{number}"
        rig.place(order(name))
        if what != "a create":
            rig.settle()
            rig.amend(_changed(name, what))
        packed = {"Content-Encoding": "gzip"} if "gzip" in body else {}
        there.lies.append(once(Act(effect=has_effect, status=status, headers=packed, body=BODIES[body]), _a_write, 2))
        assert set(rig.settle()) <= {"acked"}, (body, has_effect, [row.last_error_code for row in rig.rows()])
        there.lies.clear()
        rig.clock.move(1000)
        (now,) = [one for one in there.all(MR) if one["identifier"][0]["value"] == name]
        assert now["status"] == ("stopped" if what == "a stop" else "active")


@pytest.mark.parametrize("what", ["a create", "a change", "a stop"])
@pytest.mark.parametrize("body", ["an outcome", "nothing", "half", "broken gzip"])
def test_f10_a_server_that_says_yes_for_ever_and_does_nothing_is_asked_less_and_less(
    rig: Rig, there: Peer, what: str, body: str
):
    rig.place(order("A-1"))
    if what != "a create":
        rig.settle()
        rig.amend(_changed("A-1", what))
    packed = {"Content-Encoding": "gzip"} if "gzip" in body else {}
    there.lies.append(
        lambda asked: Act(effect=False, status=200, headers=packed, body=BODIES[body]) if _a_write(asked) else None
    )
    begun, written = len(there.asked), len(there.writes(MR))
    for _ in range(60):
        sending.push_all(rig.peer, TENANT, 50)
        rig.clock.move(60)
    assert len(there.writes(MR)) - written < 40
    assert len(there.asked) - begun < 120
    there.lies.clear()
    rig.clock.move(1000)
    assert rig.settle()[-1] == "acked"


def test_f10_a_read_that_is_answered_without_a_body_is_no_deletion(rig: Rig, there: Peer):
    rig.place(order("A-1"))
    rig.settle()
    there.lies.append(once(Act(status=500), _a_write))
    rig.amend(order("A-1", status="stopped"))
    there.lies.append(once(Act(status=204), lambda asked: asked.method == "GET" and bool(asked.id), times=5))
    assert rig.settle()[-1] == "acked"
    assert set(rig.alerts()) <= {"stop-late"}
    assert [one["status"] for one in there.all(MR)] == ["stopped"]


# ---------------------------------------------------------------------------------------------- answers to a search


def _page(*entries: dict[str, Any], **members: Any) -> bytes:
    page = {"resourceType": "Bundle", "type": "searchset", "entry": list(entries), **members}
    return exact_json.dumps(page).encode()


def _taken(rig: Rig) -> int:
    return len(rig.ids())


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(lambda kept: _page({"fullUrl": f"urn:x/{kept['id']}"}), id="without resource"),
        pytest.param(lambda kept: _page({"search": {"mode": "match"}}, {"resource": kept}), id="one without resource"),
        pytest.param(lambda _: _page({"resource": exact_json.loads(REFUSAL.decode())}), id="an outcome unmarked"),
        pytest.param(
            lambda _: _page({"resource": exact_json.loads(REFUSAL.decode()), "search": {"mode": "outcome"}}),
            id="an outcome",
        ),
        pytest.param(lambda _: REFUSAL, id="an outcome in place of the page"),
        pytest.param(lambda _: HTML, id="a page of HTML"),
        pytest.param(lambda _: b"", id="nothing"),
        pytest.param(lambda kept: _page({"resource": kept})[:-20], id="half"),
        pytest.param(lambda kept: _page({"resource": kept}, type="batch-response"), id="another type of Bundle"),
        pytest.param(lambda kept: _page({"resource": kept}, total="many"), id="a total of another type"),
        pytest.param(
            lambda kept: _page({"resource": kept}).replace(b'"entry"', b'"entry":[],"entry"', 1),
            id="entry twice, first",
        ),
        pytest.param(lambda kept: _page({"resource": kept})[:-1] + b',"entry":[]}', id="entry twice, last"),
        pytest.param(lambda kept: _page({"resource": kept})[:-1] + b',"link":[],"link":[]}', id="link twice"),
        pytest.param(
            lambda kept: _page({"resource": kept})[:-3] + b',"resource":{"resourceType":"Basic"}}]}',
            id="resource twice in an entry",
        ),
    ],
)
def test_what_is_no_whole_page_is_trouble_that_is_told_and_read_again(
    rig: Rig, there: Peer, page: Callable[[dict[str, Any]], bytes]
):
    kept = there.put(of_theirs(1))
    there.lies.append(once(Act(status=200, body=page(kept)), _of_orders))
    assert rig.pull()[0].trouble
    later = there.put(of_theirs(2))
    rig.clock.move(100_000)
    rig.pull()
    assert (_taken(rig), len(later)) == (2, len(later))


def test_h5_a_look_that_could_not_give_all_that_matches_is_no_leave_to_create(rig: Rig, there: Peer):
    there.conditional = False
    rig.place(order("A-1"))
    there.lies.append(once(Act(status=500), _a_write))
    rig.push()
    failed = {"resource": exact_json.loads(REFUSAL.decode()), "search": {"mode": "outcome"}}
    there.lies.append(once(Act(status=200, body=_page(failed)), _a_look, times=4))
    assert rig.settle(100) == ["acked"]
    assert len(there.writes(MR)) == 1


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("{base}/MedicationRequest?{query}", id="itself"),
        pytest.param("https://elsewhere.example/fhir/MedicationRequest?page=2", id="another host"),
        pytest.param("{base}/MedicationRequest?page={count}&{query}", id="without end"),
    ],
)
@pytest.mark.parametrize("feed", ["auto", "history"])
def test_f15_a_next_link_that_leads_nowhere_new_is_trouble_and_ends(tmp_path: Path, link: str, feed: str):
    there = Peer()
    there.keeps_history = True
    there.put(of_theirs(1))
    count = 0

    def lie(asked: Asked) -> Act | None:
        nonlocal count
        if not _of_orders(asked) or (asked.id and asked.id != "_history"):
            return None
        count += 1
        query = "&".join(f"{name}={text}" for name, text in asked.query.items() if name != "page")
        url = link.format(base=there.base, query=query, count=count).replace(MR, f"{MR}/_history" if asked.id else MR)
        entries = [{"resource": one, "request": {"method": "PUT", "url": "x"}} for one in there.all(MR)]
        kind = "history" if asked.id else "searchset"
        return Act(status=200, body=_page(*entries, type=kind, link=[{"relation": "next", "url": url}]))

    there.lies.append(lie)
    with demanded(open_rig(there, tmp_path / "ours.db", Clock(), feed=feed)) as rig:
        assert rig.pull()[0].trouble
        assert count < 1200
        assert _taken(rig) == 1  # what could be read is taken all the same
    there.close()
