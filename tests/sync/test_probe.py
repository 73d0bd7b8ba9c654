"""What a probe tells of a server that does as it states, and of those that do not; and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.store import endpoints
from fhir_infusion.sync import ladder, probe, works
from fhir_infusion.sync.peer import Peer as Ours
from fhir_infusion.sync.status import status
from tests import exact_json
from tests.faults.peer import DROP, Act, Asked, Peer, once
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def there() -> Iterator[Peer]:
    one = Peer()
    one.keeps_history = True
    yield one
    one.close()


@pytest.fixture
def rig(there: Peer, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(probe, "LOOKS", (0.0, 0.1, 0.2))
    one = open_rig(there, database, Clock())
    yield one
    one.close()


def _probe(rig: Rig, way: str = "whole") -> dict[str, Any]:
    return works.do(rig.service, "probe", {"remote": "peer", "way": way})


def _patients(asked: Asked) -> bool:
    return asked.type == "Patient"


def test_a_server_that_does_as_it_states_is_found_to_do_so_and_left_as_it_was(rig: Rig, there: Peer):
    there.update_create = there.keeps_history = True
    there.put({"resourceType": "Patient", "identifier": [{"system": "urn:other", "value": "1"}]})
    report = _probe(rig)
    wanted = "create read decimals version-id identifier-search conditional-create update if-match update-create"
    wanted += " last-updated sort next-link delete history history-deletions"
    assert {name: report["saw"][name] for name in wanted.split()} == dict.fromkeys(wanted.split(), "yes")
    assert (report["trouble"], report["differs"], report["needs"], report["left"]) == ("", [], [], [])
    assert report["rungs"] == dict.fromkeys(("Patient", "MedicationRequest", "MedicationAdministration"), "A")
    assert report["saw"]["deleted-reads"] == "410"
    assert report["states"]["release"] == "R4"
    assert len(there.all("Patient")) == 1
    assert status(rig.service)[0]["can"] == report
    assert status(rig.service)[0]["probed_seconds"] == 0


def _ignores_condition(there: Peer) -> None:
    there.conditional, there.stated = False, {"conditionalCreate": True}


def _doubles(there: Peer) -> None:
    there.double_create = True


def _overwrites(there: Peer) -> None:
    there.checks_match = False


def _makes_no_ids_of_ours(there: Peer) -> None:
    there.stated = {"updateCreate": True}


def _rounds(there: Peer) -> None:
    def rounded(body: dict[str, Any]) -> dict[str, Any]:
        return cast("dict[str, Any]", exact_json.loads(exact_json.dumps(body).replace("1.50", "1.5")))

    there.lies.append(lambda asked: Act(change=rounded) if asked.writes else None)


def _no_links(there: Peer) -> None:
    there.gives_next = False


def _no_order(there: Peer) -> None:
    there.sorts = False


def _keeps_all(there: Peer) -> None:
    there.keeps_all = True


@pytest.mark.parametrize(
    ("lie", "name", "differs", "needs"),
    [
        (_ignores_condition, "conditional-create", ["conditional-create: stated, and not so"], []),
        (_doubles, "create", ["create: stated, and not so", "conditional-create: stated, and not so"], ["create"]),
        (_overwrites, "if-match", ["if-match: versions are stated, and a stale one may be written upon"], ["if-match"]),
        (_makes_no_ids_of_ours, "update-create", ["update-create: stated, and not so"], []),
        (_rounds, "decimals", [], []),
        (_no_links, "next-link", [], []),
        (_no_order, "sort", [], []),
        (_keeps_all, "delete", ["delete: stated, and not so"], []),
    ],
)
def test_what_a_server_does_not_do_is_seen_and_told(
    rig: Rig, there: Peer, lie: Any, name: str, differs: list[str], needs: list[str]
):
    lie(there)
    report = _probe(rig)
    assert report["saw"][name] == "no"
    assert (report["differs"], report["needs"]) == (differs, needs)
    left = [f"Patient/{one['id']}" for one in there.all("Patient")]
    assert sorted(report["left"]) == sorted(left)
    assert bool(left) == (lie is _keeps_all)


def test_what_is_not_stated_and_works_is_told_too(rig: Rig, there: Peer):
    there.stated = {"conditionalCreate": False, "searchParam": [{"name": "_id"}]}
    wanted = {f"{name}: not stated, and so" for name in ("conditional-create", "identifier-search", "last-updated")}
    assert set(_probe(rig)["differs"]) == wanted


def test_how_long_a_server_takes_to_show_what_was_created_is_measured(rig: Rig, there: Peer):
    ticks = iter(range(10_000))
    there.clock = lambda: float(next(ticks))
    there.lies.append(once(Act(hidden_for=2.0), lambda asked: asked.method == "POST"))
    report = _probe(rig)
    assert report["saw"]["identifier-search"] == "yes"
    assert report["saw"]["identifier-search-ms"] >= 100


def test_a_server_of_another_release_is_not_what_is_set(rig: Rig, there: Peer, monkeypatch: pytest.MonkeyPatch):
    said = {**there._statement(), "fhirVersion": "5.0.0"}
    monkeypatch.setattr(there, "_statement", lambda: said)
    report = _probe(rig, "read-only")
    assert (report["states"]["release"], report["needs"]) == ("R5", ["release"])


def test_read_only_makes_nothing_and_says_nothing_of_what_it_did_not_try(rig: Rig, there: Peer):
    report = _probe(rig, "read-only")
    assert {one.method for one in there.asked} == {"GET"}
    assert report["saw"].keys() == {
        *("search MedicationRequest", "search MedicationAdministration", "history", "date-skew-seconds"),
    }
    assert report["differs"] == []


def test_a_lost_answer_leaves_nothing_behind(rig: Rig, there: Peer):
    there.lies.append(once(DROP, lambda asked: asked.writes and _patients(asked), times=2))
    _probe(rig)
    assert there.all("Patient") == []


@pytest.mark.parametrize("answer", [401, 403, 500, 503])
def test_a_server_that_answers_nothing_is_told_and_what_was_seen_before_stays(rig: Rig, there: Peer, answer: int):
    before = _probe(rig, "read-only")
    there.lies.append(lambda _: Act(effect=False, status=answer))
    report = _probe(rig)
    assert report["trouble"]
    assert "saw" not in report
    assert status(rig.service)[0]["can"] == before
    assert rig.peer.circuit.open_until is None


def test_one_that_may_only_be_read_needs_rights(rig: Rig, there: Peer):
    there.lies.append(lambda asked: Act(effect=False, status=403) if asked.writes else None)
    report = _probe(rig)
    assert (report["saw"]["create"], report["needs"], report["left"]) == ("no", ["create"], [])


@pytest.mark.parametrize(("lie", "rung"), [(_makes_no_ids_of_ours, "B"), (_ignores_condition, "C")])
def test_a_rung_that_was_seen_to_fail_is_not_used(rig: Rig, there: Peer, lie: Any, rung: str):
    lie(there)
    _probe(rig)
    ours = Ours(rig.service, rig.peer.remote)
    assert {ours.rung(type_) for type_ in ("Patient", "MedicationRequest")} == {rung}
    ours.close()
    there.asked.clear()
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    (created,) = there.writes("MedicationRequest")
    assert (created.method, "if-none-exist" in created.headers) == ("POST", rung == "B")


def test_without_a_probe_the_statement_is_believed(rig: Rig, there: Peer):
    there.update_create = True
    assert rig.peer.rung("Patient") == "A"
    assert ladder.failing_of(None) == ""
    assert ladder.failing_of({"saw": {"update-create": "unsure", "conditional-create": "no"}}) == "B"


def test_a_second_probe_replaces_what_the_first_saw_and_a_pause_keeps_it(rig: Rig, there: Peer):
    there.checks_match = False
    _probe(rig)
    there.checks_match = True
    rig.clock.move(60)
    report = _probe(rig)
    store = rig.service.store
    store.transact(TENANT, lambda tx: endpoints.pause(tx, "peer", "restored"))
    known = store.read(TENANT, lambda tx: endpoints.known(tx, "peer"))
    assert (known.can, known.probed, known.why) == (report, rig.clock.at, "restored")
    (line,) = status(rig.service)
    assert (line["paused"], line["paused_seconds"]) == ("restored", 0)
    store.transact(TENANT, lambda tx: endpoints.resume(tx, "peer", "me", "looked"))
    assert store.read(TENANT, lambda tx: endpoints.known(tx, "peer")).can == report
    assert status(rig.service)[0]["paused"] == ""


def test_another_way_to_probe_is_refused(rig: Rig):
    with pytest.raises(Refused):
        _probe(rig, "deep")
