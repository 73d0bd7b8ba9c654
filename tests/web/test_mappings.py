"""``/api/mappings``: documents read anew while the service runs, proven first, and the last good ones kept."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.config import Settings, mappings_dir
from fhir_infusion.mapping.laws import Broken, Proof
from fhir_infusion.store import open_store, versions
from fhir_infusion.translator import Translator, open_translator
from fhir_infusion.web.app import create_app
from fhir_infusion.web.context import Company
from tests.web.conftest import Client, exact, issues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fhir_infusion.service import Service
    from fhir_infusion.store.versions import Stored
    from tests.web.conftest import Json, Make

PATH = "/api/mappings"
RELOAD = f"{PATH}/reload"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A site's own documents: the shipped ones with one overlay, so that they load quickly."""
    shutil.copytree(mappings_dir(), tmp_path / "mappings")
    for overlay in (tmp_path / "mappings" / "overlays").iterdir():
        if overlay.stem != "example-site":
            overlay.unlink()
    return tmp_path / "mappings"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of an empty database, of one kind: what is exchanged here is not the database's."""
    return f"sqlite:///{tmp_path}/data/store.db"


@pytest.fixture
def own(make_service: Make, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service with documents of its own, whose laws are asked of few examples."""
    monkeypatch.setattr("fhir_infusion.web.app.SHORT", 1)
    service = make_service(mappings=directory)
    return replace(service, translator=open_translator(service.settings))


@pytest.fixture
def client(own: Service) -> Client:
    return Client(create_app(own).test_client(use_cookies=False))


def change(directory: Path, file: str, old: str, new: str) -> None:
    text = (directory / file).read_text()
    assert old in text
    (directory / file).write_text(text.replace(old, new, 1))


def drop_the_time(directory: Path) -> None:
    """Make the documents say the time of ordering nowhere."""
    change(
        directory,
        "r4/infusion-order.yaml",
        "\n  ordered_at: authoredOn\n",
        "\n  ordered_at: {drop: true, why: tried}\n",
    )


def stored(service: Service, id_: str) -> Stored:
    found = service.store.read("default", lambda tx: versions.current(tx, "MedicationRequest", id_))
    assert found is not None
    return found


def another(order: Json) -> Json:
    return {**order, "order_id": "ANOTHER"}


def test_documents_that_changed_are_proven_and_used_from_then_on_and_nothing_stored_changes(
    client: Client, own: Service, directory: Path, order: Json
):
    before = exact(client.get(PATH))
    assert before["overlays"] == ["example-site"]
    assert [one["format"] for one in before["formats"]] == sorted(
        path.stem for path in (directory / "formats").iterdir()
    )
    assert {"format": "pump-events", "record": "Administration"} in before["formats"]
    assert {
        "document": "r4/infusion-order",
        "release": "R4",
        "record": "InfusionOrder",
        "type": "MedicationRequest",
    } in before["documents"]
    first = stored(own, exact(client.post("/api/orders", order))["id"])
    assert first.digest == before["digest"]
    assert exact(client.post(RELOAD, ""))["state"] == "unchanged"
    drop_the_time(directory)
    reply = client.post(RELOAD, "")
    after = exact(reply)
    assert (reply.status_code, after["state"]) == (200, "exchanged")
    assert after["digest"] != before["digest"]
    assert "proven" in after
    assert exact(client.get(PATH))["digest"] == after["digest"]
    second = stored(own, exact(client.post("/api/orders", another(order)))["id"])
    assert (second.digest, "authoredOn" in json.loads(second.text)) == (after["digest"], False)
    assert "authoredOn" in json.loads(first.text)
    assert stored(own, first.id) == first


def test_what_does_not_load_is_told_with_file_and_line_and_the_last_good_serves_on(
    client: Client, directory: Path, order: Json
):
    digest = exact(client.get(PATH))["digest"]
    change(directory, "r4/infusion-order.yaml", "ordered_at: authoredOn", "ordered_at: authoredOnn")
    line = (directory / "r4/infusion-order.yaml").read_text().partition("authoredOnn")[0].count("\n") + 1
    refused = client.post(RELOAD, "")
    assert refused.status_code == 422
    assert issues(refused)[0]["reason"].startswith(f"r4/infusion-order.yaml:{line}: ")
    told = exact(client.get(PATH))
    assert (told["digest"], told["failure"]["complaints"]) == (digest, [one["reason"] for one in issues(refused)])
    ready = client.get("/health/ready")
    part = exact(ready)["parts"]["mappings"]
    assert (ready.status_code, part["status"], part["digest"], part["complaints"]) == (200, "ok", digest, 1)
    assert f'fhir_infusion_mappings_in_use{{digest="{digest}"}} 1' in client.get("/metrics").text
    assert "\nfhir_infusion_mappings_refused 1\n" in client.get("/metrics").text
    assert client.post("/api/orders", order).status_code == 201
    change(directory, "r4/infusion-order.yaml", "authoredOnn", "authoredOn")
    assert exact(client.post(RELOAD, ""))["state"] == "unchanged"
    assert "failure" not in exact(client.get(PATH))
    assert "\nfhir_infusion_mappings_refused 0\n" in client.get("/metrics").text


def test_documents_that_do_not_keep_a_law_are_not_used(
    client: Client, directory: Path, monkeypatch: pytest.MonkeyPatch
):
    digest = exact(client.get(PATH))["digest"]
    broken = Proof(9, 0, (Broken("back", 3, "steps[0].text"),))
    monkeypatch.setattr("fhir_infusion.actions.prove.proofs", lambda *_: [("R4 MedicationRequest", broken)])
    drop_the_time(directory)
    refused = client.post(RELOAD, "")
    assert refused.status_code == 422
    assert issues(refused)[0]["reason"] == (
        "R4 MedicationRequest: the law 'back' does not hold at steps[0].text (example 3)"
    )
    assert exact(client.get(PATH))["digest"] == digest


def test_documents_without_an_overlay_that_is_set_or_that_cannot_be_read_are_not_used(
    make_service: Make, directory: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fhir_infusion.web.app.SHORT", 1)
    service = make_service(mappings=directory, overlay="example-site")
    service = replace(service, translator=open_translator(service.settings))
    client = Client(create_app(service).test_client(use_cookies=False))
    overlay = directory / "overlays" / "example-site.yaml"
    text = overlay.read_text()
    overlay.unlink()
    assert "example-site" in issues(client.post(RELOAD, ""))[0]["reason"]
    overlay.write_bytes(b"\xff\xfe")
    assert "UTF-8" in issues(client.post(RELOAD, ""))[0]["reason"]
    overlay.write_text(text)
    shutil.rmtree(directory / "r4")
    assert client.post(RELOAD, "").status_code == 422
    shutil.rmtree(directory)
    assert client.post(RELOAD, "").status_code == 422


def test_a_fault_of_ours_in_a_reload_leaves_what_is_in_use(
    client: Client, directory: Path, monkeypatch: pytest.MonkeyPatch
):
    digest = exact(client.get(PATH))["digest"]

    def fail(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("fhir_infusion.actions.mappings.live.load_library", fail)
    drop_the_time(directory)
    assert client.post(RELOAD, "").status_code == 500
    assert exact(client.get(PATH))["digest"] == digest
    monkeypatch.undo()
    assert client.get("/health/ready").status_code == 200


def test_documents_in_use_are_out_of_the_collectors_sight_and_those_before_them_are_freed(
    client: Client, own: Service, directory: Path
):
    before = weakref.ref(own.translator.library.lenses["R4", "MedicationRequest", None])
    drop_the_time(directory)
    try:
        assert exact(client.post(RELOAD, ""))["state"] == "exchanged"
        assert before() is None
        assert gc.get_freeze_count() > 100_000
    finally:
        gc.unfreeze()


def test_a_request_ends_with_the_documents_that_it_began_with_in_the_store_too(own: Service, directory: Path):
    translator = own.translator
    old = translator.library
    drop_the_time(directory)
    new = open_translator(own.settings).library
    with translator.held():
        translator.exchange(new)
        with translator.held():
            assert translator.library is old
        assert own.store.transact("default", lambda _: translator.library) is old
        assert translator.lens("R4", "MedicationRequest") is old.lens("R4", "MedicationRequest")
    assert translator.library is new
    assert own.store.transact("default", lambda _: translator.library) is new


def test_other_processes_are_told_once_these_documents_are_used_and_not_before(own: Service, directory: Path):
    told: list[str] = []
    client = Client(create_app(own, company=Company(lambda: told.append("reload"))).test_client(use_cookies=False))
    change(directory, "r4/infusion-order.yaml", "ordered_at: authoredOn", "ordered_at: authoredOnn")
    client.post(RELOAD, "")
    assert told == []
    change(directory, "r4/infusion-order.yaml", "authoredOnn", "authoredOn")
    client.post(RELOAD, "")
    assert told == ["reload"]


@pytest.fixture
def open_with(database: str) -> Iterator[Callable[[Settings], Service]]:
    """Open the same database again and again, each time with the documents of other settings."""
    from fhir_infusion.cli.build import clock, new_id  # noqa: PLC0415  brings the command line
    from fhir_infusion.service import Service as Made  # noqa: PLC0415  beside its one use

    made: list[Service] = []

    def opened(settings: Settings) -> Service:
        for one in made:
            one.store.close()
        made.append(
            Made(
                open_store(database, clock),
                Translator(open_translator(settings).library, settings),
                clock,
                new_id,
                settings,
            )
        )
        return made[-1]

    yield opened
    for one in made:
        one.store.close()


def test_nothing_stored_changes_where_the_documents_are_others_at_the_next_start(
    open_with: Callable[[Settings], Service], database: str, directory: Path, order: Json
):
    settings = replace(Settings(), database=database, mappings=directory)
    first = open_with(settings)
    client = Client(create_app(first).test_client(use_cookies=False))
    made = exact(client.post("/api/orders", order))
    path = f"/fhir/r4/MedicationRequest/{made['id']}"
    kept, said = stored(first, made["id"]), client.get(path)
    drop_the_time(directory)
    second = open_with(settings)
    assert second.translator.library.digest != first.translator.library.digest
    client = Client(create_app(second).test_client(use_cookies=False))
    assert stored(second, made["id"]) == kept
    again = client.get(path)
    assert (again.data, again.headers["ETag"]) == (said.data, said.headers["ETag"])
    assert exact(client.get(f"/api/orders/{made['id']}"))["record"] == made["record"]
    assert client.post("/api/orders", order).status_code == 200
    assert stored(second, made["id"]) == kept
