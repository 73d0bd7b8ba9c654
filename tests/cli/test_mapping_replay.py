"""``mapping replay``: what is stored, through changed documents, before they go live."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.actions import place_order
from fhir_infusion.actions.caller import Caller
from fhir_infusion.cli import root
from fhir_infusion.cli.build import clock, new_id
from fhir_infusion.cli.run import run
from fhir_infusion.config import Settings, mappings_dir
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.service import Service
from fhir_infusion.store import audit, open_reader, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fhir_infusion.translator import Translator

Texts = dict[str, str]
TENANT = "ward"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Documents that say the time of ordering nowhere and know no status `on-hold`."""
    directory = tmp_path / "changed"
    shutil.copytree(mappings_dir(), directory)
    document = directory / "r4" / "infusion-order.yaml"
    text = document.read_text().replace("  ordered_at: authoredOn\n", "  ordered_at: {drop: true, why: tried}\n")
    document.write_text(text)
    codes = directory / "codes" / "order-status-r4.yaml"
    codes.write_text(codes.read_text().replace("\n  on-hold: on-hold", ""))
    return directory


@pytest.fixture
def stored(database: str, translator: Translator, examples: Texts) -> Iterator[Service]:
    """A service in which three orders lie: with a time of ordering, without one, and one that is held."""
    store = open_store(database, clock)
    service = Service(store, translator, clock, new_id, replace(Settings(), database=database))
    timed = fhir_json.read(examples["dobutamine"])
    plain = {name: value for name, value in timed.items() if name != "ordered_at"}
    for number, record in enumerate((timed, plain, {**plain, "status": "on-hold"})):
        place_order.place(service, Caller(TENANT, "test"), {**record, "order_id": f"R-{number}"})
    yield service
    store.close()


@pytest.fixture
def replayed(stored: Service, changed: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Run the command on what is stored, beside the service that writes it."""

    def ran(*arguments: str, mappings: Path = changed) -> tuple[int, list[str]]:
        common = ["--mappings", str(mappings), "--database", stored.settings.database, "--tenant", TENANT]
        code = run(root, ["mapping", "replay", *common, *arguments])
        out, err = capfd.readouterr()
        assert "Invented" not in err
        return code, out.splitlines()

    return ran


def trail(service: Service, url: str) -> list[tuple[str, str, str]]:
    reader = open_reader(url, clock)
    try:
        rows = reader.read(TENANT, audit.entries)
    finally:
        reader.close()
    assert service.settings.database == url
    return [(row.action, row.type, row.detail) for row in rows if row.action == "read"]


def test_each_version_is_told_by_what_changes_and_what_is_refused_now_newest_first_without_a_value(
    replayed: Callable[..., tuple[int, list[str]]], stored: Service
):
    code, lines = replayed()
    assert code == 1
    told = [line.partition(" MedicationRequest/") for line in lines[:-1]]
    assert [one[0] for one in told] == ["refused now", "changed"]
    assert told[0][2].partition(": ")[2] == (
        "record: refused now: MedicationRequest.status; resource: refused now: status"
    )
    assert told[1][2].partition(": ")[2] == "record: ordered_at residue; resource: authoredOn"
    assert lines[-1] == "1 same, 1 changed, 1 refused now"
    assert not any("Invented" in line or "2026-01-02" in line for line in lines)
    assert trail(stored, stored.settings.database) == []


def test_programs_get_a_line_each_and_the_newest_alone_where_few_are_asked_for(
    replayed: Callable[..., tuple[int, list[str]]],
):
    code, lines = replayed("--json", "--last", "1", "--type", "MedicationRequest")
    held, summary = map(json.loads, lines)
    assert (code, held["state"], held["read"]) == (
        1,
        "refused now",
        {"state": "changed", "refused": {"now": ["MedicationRequest.status"]}},
    )
    assert summary == {"summary": {"same": 0, "refused now": 1}}
    assert replayed("--type", "MedicationAdministration") == (0, ["0 same"])
    assert replayed("--since", "2999-01-01T00:00:00Z") == (0, ["0 same"])
    assert replayed("--since", "2020-01-01")[1][-1] == "1 same, 1 changed, 1 refused now"


def test_a_run_that_compared_nothing_says_so(stored: Service, changed: Path, capfd: pytest.CaptureFixture[str]):
    common = ["--mappings", str(changed), "--database", stored.settings.database]
    code = run(root, ["mapping", "replay", *common, "--tenant", "nobody"])
    told = "fhir-infusion: nothing was compared: nothing of this tenant is stored that was asked for\n"
    assert (code, *capfd.readouterr()) == (0, "0 same\n", told)


def test_documents_that_change_nothing_are_the_same(replayed: Callable[..., tuple[int, list[str]]]):
    assert replayed(mappings=mappings_dir()) == (0, ["3 same"])


def test_a_moment_that_is_none_and_values_for_programs_are_wrong_usage(
    replayed: Callable[..., tuple[int, list[str]]],
):
    assert replayed("--since", "yesterday")[0] == 2
    assert replayed("--json", "--values")[0] == 2


def test_who_is_shown_values_stands_in_the_audit_trail(
    replayed: Callable[..., tuple[int, list[str]]],
    stored: Service,
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("fhir_infusion.cli.build.load_translator", lambda _: translator)
    stored.store.close()  # nobody writes now, so that the command notes it itself
    _, lines = replayed("--values")
    assert '  -authoredOn: "2026-01-02T08:30:00+01:00"' in lines
    assert trail(stored, stored.settings.database) == [("read", "MedicationRequest", "mapping replay")] * 2


def test_what_is_wrong_with_the_changed_documents_is_told_with_the_directory(
    stored: Service, changed: Path, capfd: pytest.CaptureFixture[str]
):
    document = changed / "r4" / "infusion-order.yaml"
    document.write_text(document.read_text().replace("statusReason\n", "statusReasn\n"))
    code = run(root, ["mapping", "replay", "--mappings", str(changed), "--database", stored.settings.database])
    out, err = capfd.readouterr()
    assert (code, out) == (1, "")
    assert re.fullmatch(
        rf"fhir-infusion: {re.escape(str(document))}:[0-9]+: 'statusReasn' is not an element of MedicationRequest; "
        r"accepted: statusReason, status, substitution\n",
        err,
    )
