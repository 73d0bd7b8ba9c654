"""Each kind of fault does what it says, seen by a plain client; and nothing else."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.simulated.kinds import KINDS
from tests.simulated.client import CLOSED, ORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulated.client import There


def fault(kind: str, when: str = "nth = 1", **parameters: object) -> str:
    """Return a file with one fault; text parameters are quoted."""
    stated = "".join(f"{name} = {json.dumps(value)}\n" for name, value in parameters.items())
    return f'[[fault]]\nkind = "{kind}"\n{stated}when = {{ {when} }}\n'


def put(there: There, id_: str, text: str, **headers: str):
    body = json.loads(ORDER % "1") | {"id": id_, "note": [{"text": text}]}
    return there.ask("PUT", f"MedicationRequest/{id_}", json.dumps(body), **headers)


def values(there: There, query: str = "_sort=_lastUpdated") -> list[str]:
    return [one["identifier"][0]["value"] for one in there.found(query)]


def test_late_commit(start: Callable[..., There]):
    there = start(fault("late-commit", seconds=30))
    id_ = there.place("1").resource["id"]
    there.at += 1
    there.place("2")
    assert values(there) == ["2"]
    assert there.ask("GET", f"MedicationRequest/{id_}").status == 200
    assert len(there.ask("GET", "MedicationRequest/_history").plain["entry"]) == 1
    there.at += 30
    assert values(there) == ["1", "2"]


def test_lost_answer(start: Callable[..., There]):
    there = start(fault("lost-answer"))
    assert there.place() == CLOSED
    assert values(there) == ["1"]


def test_request_lost(start: Callable[..., There]):
    there = start(fault("request-lost"))
    assert there.place() == CLOSED
    assert values(there) == []


def test_cut_answer(start: Callable[..., There]):
    there = start(fault("cut-answer", share=0.5))
    got = there.place()
    assert (got.status, got.whole) == (201, False)
    assert len(got.body) == int(got.headers["content-length"]) // 2
    assert values(there) == ["1"]


def test_cut_request(start: Callable[..., There]):
    there = start(fault("cut-request"))
    assert there.place() == CLOSED
    assert values(there) == []


def test_double_create(start: Callable[..., There]):
    there = start(fault("double-create"))
    assert there.place("1", If_None_Exist="identifier=urn:o|1").status == 201
    assert values(there) == ["1", "1"]
    assert there.simulator.summary()["types"]["MedicationRequest"]["identifiers_more_than_once"] == 1


@pytest.mark.parametrize("effect", [True, False])
def test_status(start: Callable[..., There], *, effect: bool):
    there = start(fault("status", status=502, effect=effect))
    assert there.place().status == 502
    assert values(there) == (["1"] if effect else [])
    assert there.simulator.ledger.lines[0]["effect"] == ("created" if effect else "")


@pytest.mark.parametrize("how", ["seconds", "date", "absurd", "absent"])
def test_storm(start: Callable[..., There], how: str):
    there = start(fault("storm", "nth = 2, run = 2", status=429, retry_after=how, seconds=7))
    assert [there.place(str(number)).status for number in range(4)] == [201, 429, 429, 201]
    assert values(there) == ["0", "3"]
    again = start(fault("storm", status=503, retry_after=how, seconds=7)).place().headers.get("retry-after")
    if how == "date":
        assert parsedate_to_datetime(again or "") == datetime.fromtimestamp(1_700_000_007, UTC)
    else:
        assert again == {"seconds": "7", "absurd": "1000000000", "absent": None}[how]


def test_latency(start: Callable[..., There]):
    there = start(fault("latency", seconds=0.2, jitter=0.1))
    begun = time.monotonic()
    assert there.place().status == 201
    assert time.monotonic() - begun >= 0.2


def test_drip(start: Callable[..., There]):
    there = start(fault("drip", bytes=64, seconds=0.02))
    begun = time.monotonic()
    got = there.place()
    assert (got.status, got.whole) == (201, True)
    assert time.monotonic() - begun >= 0.02 * (len(got.body) // 64)


def test_stall(start: Callable[..., There]):
    there = start(fault("stall", bytes=10, seconds=0.2))
    begun = time.monotonic()
    got = there.place()
    assert (got.status, got.whole, len(got.body)) == (201, False, 10)
    assert time.monotonic() - begun >= 0.2
    assert values(there) == ["1"]


@pytest.mark.parametrize(
    ("how", "rate", "extensions"),
    [("round-decimals", b"1.5,", 1), ("drop-extensions", b"1.50", 0), ("change-dose", b"3.00", 1)],
)
def test_altered_content(start: Callable[..., There], how: str, rate: bytes, extensions: int):
    there = start(fault("altered-content", how=how))
    for got in (there.place(), there.ask("GET", "MedicationRequest/1")):
        assert b'"value":' + rate in got.body
        assert len(got.resource.get("extension", [])) == extensions
    assert b'"value":1.50' in there.place("2").body


def test_page_drift(start: Callable[..., There]):
    file = "server = { page_size = 2, strangers = 5 }\n" + "".join(
        fault("page-drift", f"nth = {number}", how=how) for number, how in enumerate(("insert", "update", "delete"), 1)
    )
    there = start(file)

    def pages() -> list[list[str]]:
        got = [there.ask("GET", f"MedicationRequest?_sort=_lastUpdated{more}").plain for more in ("", "&_offset=2")]
        return [[entry["resource"]["identifier"][0]["value"] for entry in page["entry"]] for page in got]

    assert pages() == [["0", "1"], ["2", "3"]]
    assert len(there.simulator.state.strangers()) == 6  # one came
    assert pages() == [["0", "1"], ["3", "4"]]  # 0 was changed and went to the end: 2 was skipped
    assert pages() == [["1", "2"], ["4", "5"]]  # 1 is gone: 3 was skipped
    assert there.faults() == ["page-drift"] * 3


def test_a_fault_that_cannot_be_told_waits_for_a_request_that_it_fits(start: Callable[..., There]):
    there = start("server = { page_size = 1 }\n" + fault("page-drift", how="delete") + fault("no-next"))
    there.place("1")
    there.ask("GET", "MedicationRequest?_offset=0")
    assert there.faults() == []
    there.place("2")
    assert [link["relation"] for link in there.ask("GET", "MedicationRequest").plain["link"]] == ["self"]
    assert there.faults() == ["no-next"]


@pytest.mark.parametrize("status", [404, 410])
def test_expired_next(start: Callable[..., There], status: int):
    there = start("server = { page_size = 1, strangers = 2 }\n" + fault("expired-next", status=status))
    assert there.ask("GET", "MedicationRequest?_offset=1").status == status
    assert there.ask("GET", "MedicationRequest?_offset=1").status == 200


def test_no_next(start: Callable[..., There]):
    there = start("server = { page_size = 1, strangers = 2 }\n" + fault("no-next"))
    one, two = (there.ask("GET", "MedicationRequest").plain for _ in range(2))
    assert ("total" in one, len(one["link"])) == (False, 1)
    assert ("total" in two, len(two["link"])) == (True, 2)


def test_foreign_next(start: Callable[..., There]):
    there = start("server = { page_size = 1, strangers = 2 }\n" + fault("foreign-next", to="http://192.0.2.1/fhir"))
    page = there.ask("GET", "MedicationRequest").plain
    (url,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
    assert url == "http://192.0.2.1/fhir/MedicationRequest?_offset=1"


@pytest.mark.parametrize("seconds", [600, -600])
def test_clock_jump(start: Callable[..., There], seconds: int):
    there = start(fault("clock-jump", "nth = 2", seconds=seconds))
    one, two = there.place("1"), there.place("2")
    dates = [parsedate_to_datetime(got.headers["date"]) for got in (one, two)]
    stamps = [datetime.fromisoformat(got.resource["meta"]["lastUpdated"]) for got in (one, two)]
    assert round((dates[1] - dates[0]).total_seconds()) == seconds
    assert round((stamps[1] - stamps[0]).total_seconds()) == seconds


def test_same_version(start: Callable[..., There]):
    there = start(fault("same-version", 'interaction = "search-type"'))
    before = there.place("1").resource
    there.place("2")
    there.at += 60
    now = next(one for one in there.found() if one["id"] == before["id"])
    assert now["meta"]["versionId"] == before["meta"]["versionId"]
    assert now["meta"]["lastUpdated"] > before["meta"]["lastUpdated"]
    assert now["note"]


@pytest.mark.parametrize("reuse", [True, False])
def test_restore(start: Callable[..., There], *, reuse: bool):
    there = start(fault("restore", 'interaction = "read"', writes=2, reuse_ids=reuse))
    id_ = there.place("1").resource["id"]
    put(there, id_, "later", If_Match='W/"1"')
    there.place("2")
    now = there.ask("GET", f"MedicationRequest/{id_}").resource
    assert (now["meta"]["versionId"], "note" in now) == ("1", False)
    assert values(there) == ["1"]
    assert put(there, id_, "other").resource["meta"]["versionId"] == "2"
    assert there.place("3").resource["id"] == ("2" if reuse else "3")
    touched = [line["touched"] for line in there.simulator.ledger.lines if line["fault"]]
    assert [[one["identifiers"] for one in each] for each in touched] == [[[1], [2]]]


@pytest.mark.parametrize("status", [404, 410])
def test_deleted(start: Callable[..., There], status: int):
    there = start(fault("deleted", status=status))
    id_ = there.place().resource["id"]
    assert put(there, id_, "x", If_Match='W/"1"').status == 412
    assert there.ask("GET", f"MedicationRequest/{id_}").status == status
    history = there.ask("GET", "MedicationRequest/_history").plain.get("entry", [])
    assert [each["request"]["method"] for each in history] == (["DELETE", "POST"] if status == 410 else [])


@pytest.mark.parametrize("what", ["note", "dose"])
def test_concurrent_editor(start: Callable[..., There], what: str):
    there = start(fault("concurrent-editor", 'interaction = "update", nth = 1', what=what))
    id_ = there.place().resource["id"]
    assert put(there, id_, "ours", If_Match='W/"1"').status == 412
    got = there.ask("GET", f"MedicationRequest/{id_}")
    assert got.resource["meta"]["versionId"] == "2"
    assert ("note" in got.resource, b"3.00" in got.body) == (what == "note", what == "dose")


@pytest.mark.parametrize("status", [401, 403])
def test_access_refused(start: Callable[..., There], status: int):
    there = start(fault("access-refused", "from_seconds = 10, to_seconds = 20", status=status))
    statuses = []
    for number in range(3):
        statuses.append(there.place(str(number)).status)
        there.at += 15 if not number else 10
    assert statuses == [201, status, 201]
    assert values(there) == ["0", "2"]


def test_conflict_after_effect(start: Callable[..., There]):
    there = start(fault("conflict-after-effect"))
    assert there.place().status == 409
    assert values(there) == ["1"]


@pytest.mark.parametrize("how", ["not-json", "html", "empty", "gzip-bomb", "deep-json"])
def test_bad_body(start: Callable[..., There], how: str):
    there = start(fault("bad-body", how=how, size=3_000_000, levels=5000))
    got = there.place()
    assert (got.status, got.whole) == (201, True)
    assert values(there) == ["1"]
    match how:
        case "html":
            assert (got.headers["content-type"], got.body[:9]) == ("text/html", b"<!DOCTYPE")
        case "empty":
            assert (got.body, "location" in got.headers) == (b"", False)
        case "gzip-bomb":
            assert len(got.body) < 10_000
            assert len(gzip.decompress(got.body)) == 3_000_000
        case "deep-json":
            assert got.body.count(b"{") == 5000
        case _:
            with pytest.raises(ValueError, match="Expecting"):
                json.loads(got.body)


def test_redirect(start: Callable[..., There]):
    there = start(fault("redirect", status=308, to="http://192.0.2.1/fhir"))
    got = there.place()
    assert (got.status, got.headers["location"]) == (308, "http://192.0.2.1/fhir")
    assert values(there) == []


def test_every_kind_has_its_test():
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert KINDS.keys() - tested == set()
