"""``mapping coverage``, ``diff`` and ``explain`` with a site's own JSON as the corpus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.cli import root
from fhir_infusion.cli.run import run
from fhir_infusion.config import mappings_dir

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.translator import Translator
    from tests.cli.conftest import Run


@pytest.fixture
def order(translator: Translator) -> Any:
    return json.loads(translator.library.formats["ward-orders"].given.samples[0][1])


@pytest.fixture
def rows(translator: Translator) -> Any:
    return json.loads(translator.library.formats["pump-events"].given.samples[0][1])


def test_each_path_of_a_site_is_counted_by_what_became_of_it(cli: Run, order: Any, tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps(order))
    ran = cli("mapping", "coverage", "--format", "ward-orders", tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[:2] == [tmp_path.name, "  from ward-orders"]
    told = {tuple(line.split(maxsplit=2)) for line in ran.lines[2:-2]}
    assert {
        ("mapped", "2", "drugs.Dose"),
        ("mapped", "1", "drugs.Rate"),
        ("empty", "1", "drugs.Rate"),
        ("mapped", "2", "patient.MRN"),
        ("kept", "2", "printed_by"),
        ("unknown", "2", "WardColour"),
        ("unknown", "1", "drugs.pump"),
    } <= told
    assert ran.lines[-2:] == ["  88.0 % (37 of 42) mapped", "  2 records: 0 changed, 0 refused"]


def test_what_is_refused_is_counted_by_its_place_and_the_rest_goes_on(cli: Run, order: Any, tmp_path: Path):
    order["drugs"][1]["Dose"] = "1.000,0"
    no_list = {**order, "Order No": "A-4712", "drugs": []}
    (tmp_path / "a.ndjson").write_text(f"{json.dumps(order)}\n{json.dumps(no_list)}\n{{\n")
    ran = cli("mapping", "coverage", "--format", "ward-orders", tmp_path)
    assert ran.code == 0
    assert ran.lines[-3] == "  3 records: 0 changed, 2 refused"
    assert [line.split(":")[0].split() for line in ran.lines[-2:]] == [
        ["refused", "1", "drugs"],
        ["refused", "1", "drugs.Dose"],
    ]
    assert "1.000,0" not in ran.out + ran.err
    assert ran.err.endswith("passed over\n")


def test_the_rows_of_a_feed_are_one_record_and_what_is_derived_is_told_apart(cli: Run, rows: Any, tmp_path: Path):
    (tmp_path / "rows.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    ran = cli("mapping", "coverage", "--format", "pump-events", tmp_path / "rows.ndjson")
    told = {tuple(line.split(maxsplit=2)) for line in ran.lines}
    assert {
        ("mapped", "5", "events.seq"),
        ("derived", "4", "events.until"),
        ("derived", "1", "state"),
        ("unknown", "1", "events.alarm.code"),
        ("empty", "5", "events.vol_ml"),
        ("kept", "1", "firmware"),
    } <= told
    assert ran.lines[-1] == "  1 records: 0 changed, 0 refused"


def test_a_name_that_is_joined_is_mapped_and_one_that_is_not_is_kept(cli: Run, tmp_path: Path):
    stopped = {"PID": {"3": "0004712^^^WARD"}, "ORC": {"1": "DC", "2": "A-18", "12": "D12^Weiss^Ida"}}
    more = {"RXE": {"1": "^ONCE", "2": "^Heparin", "3": "5000", "5": "IU"}}
    mononym = {**more, **stopped, "ORC": {**stopped["ORC"], "2": "A-19", "12": "D12^Weiss^"}}
    (tmp_path / "a.ndjson").write_text(f"{json.dumps(stopped | more)}\n{json.dumps(mononym)}\n")
    ran = cli("mapping", "coverage", "--format", "hl7-segments", tmp_path / "a.ndjson")
    told = {tuple(line.split(maxsplit=2)) for line in ran.lines}
    assert {
        ("mapped", "1", "ORC.12.family + given"),
        ("kept", "1", "ORC.12.family"),
        ("empty", "1", "ORC.12.given"),
    } <= told
    assert ran.lines[-1] == "  2 records: 0 changed, 0 refused"


def test_records_and_resources_in_the_corpus_are_counted_as_they_are_written_for_the_site(
    cli: Run, order: Any, examples: dict[str, str], tmp_path: Path
):
    (record, _) = cli("translate", "--from", "ward-orders", "--to", "internal", stdin=json.dumps(order)).json
    resource = cli("translate", "--from", "ward-orders", "--to", "fhir", stdin=json.dumps(order)).lines[0]
    (tmp_path / "a.json").write_text(json.dumps({**record, "notes": [{"text": "a note"}]}))
    (tmp_path / "b.json").write_text(resource)
    (tmp_path / "c.json").write_text(resource.replace('"active"', '"bogus"'))
    (tmp_path / "d.json").write_text(examples["dobutamine"])
    (tmp_path / "e.json").write_text('{"resourceType": "Patient"}')
    ran = cli("mapping", "coverage", "--format", "ward-orders", tmp_path)
    told = {tuple(line.split(maxsplit=2)) for line in ran.lines}
    assert ran.lines[1] == "  to ward-orders"
    assert {("mapped", "2", "steps.dosings.dose.value"), ("dropped", "1", "notes.text")} <= told
    assert "  4 records: 0 changed, 2 refused" in ran.lines
    assert "  refused       1  MedicationRequest.status: it is refused as a resource" in ran.lines
    assert any(line.startswith("  refused       1  drug.codings.system: ") for line in ran.lines)


@pytest.mark.parametrize("command", ["coverage", "explain"])
def test_a_format_that_is_none_is_wrong_usage(cli: Run, command: str, tmp_path: Path):
    ran = cli("mapping", command, "--format", "ward", *(["rate"] if command == "explain" else []), tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert re.search(r"'ward' is no format; accepted: .*\bward-orders\b", ran.err)


def test_explain_shows_values_of_the_site_s_own_corpus(cli: Run, order: Any, tmp_path: Path):
    order["drugs"][0]["Dose"] = "0,250"
    (tmp_path / "a.json").write_text(json.dumps(order))
    ran = cli("mapping", "explain", "--format", "ward-orders", "drugs.Dose", tmp_path / "a.json")
    assert ran.lines[1] == f'  0.250  <->  "0,250"  in {tmp_path / "a.json"}'


# --- what a change of a format changes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two directories of documents: in the new one two priorities are exchanged, and the route is text."""
    folder = tmp_path_factory.mktemp("versions")
    for name in ("old", "new"):
        shutil.copytree(mappings_dir(), folder / name)
    document = folder / "new" / "formats" / "ward-orders.yaml"
    text = document.read_text()
    for before, after in {
        '{routine: "N", urgent: E,': '{routine: E, urgent: "N",',
        "  steps[only].route.codings[only].system: {const: $routes}\n": "",
        "steps[only].route.codings[only].code:": "steps[only].route.text:",
    }.items():
        assert before in text
        text = text.replace(before, after)
    document.write_text(text)
    return folder / "old", folder / "new"


def diff(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str], str]:
    code = run(root, ["mapping", "diff", "--format", "ward-orders", *map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out.splitlines(), err


def test_diff_of_a_format_shows_each_record_both_ways(
    order: Any, versions: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    other = {**order, "Order No": "A-4712", "drugs": [{"LineId": "A-4712-1", "state": "ODD"}]}
    (tmp_path / "a.ndjson").write_text(f"{json.dumps(order)}\n{json.dumps(other)}\n")
    code, lines, err = diff(capfd, *versions, tmp_path / "a.ndjson")
    assert (code, err) == (1, "")
    route, written = "steps[0].route.codings steps[0].route.text", "written: refused now: steps[0].route.codings"
    assert lines == [
        f"changed {tmp_path}/a.ndjson:1#1: read: {route} priority; {written}",
        f"changed {tmp_path}/a.ndjson:1#2: read: {route} priority; {written}",
        f"refused {tmp_path}/a.ndjson:2: read: ward-orders.drugs.state",
        "0 same, 2 changed, 1 refused",
    ]


def test_diff_of_a_format_shows_what_a_resource_is_written_as_and_tells_programs(
    cli: Run, order: Any, versions: tuple[Path, Path], tmp_path: Path
):
    (record, _) = cli("translate", "--from", "ward-orders", "--to", "internal", stdin=json.dumps(order)).json
    del record["steps"][0]["route"]
    resource = cli("translate", "--to", "fhir", stdin=json.dumps(record)).out
    (tmp_path / "a.json").write_text(resource)
    (tmp_path / "b.json").write_text('{"resourceType": "Patient"}')
    found = run_apart("--format", "ward-orders", "--json", *map(str, versions), str(tmp_path))
    assert [json.loads(line) for line in found] == [
        {
            "input": f"{tmp_path}/a.json",
            "state": "changed",
            "written": {"state": "changed", "paths": ["Priority"]},
        },
        {"input": f"{tmp_path}/b.json", "state": "skipped", "written": {"state": "skipped"}},
        {"summary": {"same": 0, "changed": 1, "refused": 0, "skipped": 1}},
    ]


def test_a_wrong_document_is_told_with_the_directory_that_it_stands_in(
    versions: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    wrong = tmp_path / "wrong"
    shutil.copytree(versions[1], wrong)
    (wrong / "formats" / "ward-orders.yaml").write_text("format:\n\tward-orders\n")
    code, lines, err = diff(capfd, versions[0], wrong, tmp_path)
    assert (code, lines) == (1, [])
    assert err.startswith(f"fhir-infusion: {wrong}/formats/ward-orders.yaml:2: not YAML: ")


def run_apart(*arguments: str) -> list[str]:
    """Run ``mapping diff`` as a program of its own, for it takes two sets of documents."""
    program = "from fhir_infusion.cli import root; from fhir_infusion.cli.run import run; run(root, {!r})"
    done = subprocess.run(
        [sys.executable, "-c", program.format(["mapping", "diff", *arguments])],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()
