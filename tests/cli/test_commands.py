"""The other commands: tokens, schemas, mapping, handed-over work, and how every command ends."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import jsonschema
import pytest

from fhir_infusion.cli import COMMANDS, root
from fhir_infusion.cli.run import run
from fhir_infusion.config import mappings_dir
from fhir_infusion.errors import Unavailable
from fhir_infusion.mapping.laws import IN_WORDS, Broken, Proof
from fhir_infusion.web.tokens import TokenFile

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.translator import Translator
    from tests.cli.conftest import Run

Texts = dict[str, str]


def test_help_names_every_command(cli: Run):
    ran = cli("--help")
    assert ran.code == 0
    assert all(re.search(rf"^  {name} ", ran.out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Run, name: str):
    ran = cli(name, "--help")
    assert (ran.code, ran.out[:6]) == (0, "Usage:")


def test_a_token_is_shown_once_works_and_can_be_revoked(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "tokens.toml"
    monkeypatch.setenv("FHIR_INFUSION_TOKENS", str(path))
    made = cli("token", "add", "--tenant", "ward", "pharmacy EHR")
    text = made.out.strip()
    found = TokenFile(path).find(text)
    assert found is not None
    assert (made.code, found.tenant) == (0, "ward")
    listed = cli("token", "list")
    assert text not in listed.out
    assert f"{found.token_id}  ward  valid" in listed.out
    assert cli("token", "revoke", found.token_id).code == 0
    assert TokenFile(path).find(text) is None
    assert "revoked" in cli("token", "list").out
    assert cli("token", "revoke", "none").code == 2


def test_without_the_setting_there_is_no_token_file(cli: Run):
    ran = cli("token", "list")
    assert ran.code == 2
    assert "tokens" in ran.err


@pytest.mark.parametrize("name", ["InfusionOrder", "Administration", "report", "trace"])
def test_every_schema_is_a_json_schema(cli: Run, name: str):
    ran = cli("schema", name)
    schema = json.loads(ran.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert ran.code == 0


def test_the_schema_of_a_record_takes_the_examples(cli: Run, examples: Texts):
    schema = json.loads(cli("schema", "InfusionOrder").out)
    jsonschema.validate(json.loads(examples["infliximab"]), schema)


def test_an_unknown_schema_is_wrong_usage(cli: Run):
    assert cli("schema", "Patient").code == 2


def test_explain_shows_both_sides_and_where_the_pair_stands(cli: Run):
    ran = cli("mapping", "explain", "InfusionOrder.order_id")
    assert ran.code == 0
    (line,) = (one for one in ran.lines if "MedicationRequest" in one)  # formats of sites have lines of their own
    assert re.search(r"InfusionOrder\.order_id  <->  MedicationRequest\.identifier\[system=.*\]\.value", line)
    assert re.search(r"r4/infusion-order\.yaml:\d+", line)


def test_explain_finds_a_fhir_path_and_says_where_nothing_is(cli: Run):
    assert "steps[].dosings[]" in cli("mapping", "explain", "doseAndRate.rateRatio").out
    for path in ("no.such.path", "MedicationRequest.nothing.value", "nothing"):
        ran = cli("mapping", "explain", path)
        assert (ran.code, ran.out) == (1, ""), ran.out
        assert ran.err == "fhir-infusion: no pair of R4 has this path; try a part of it, such as 'rate'\n"


@pytest.mark.parametrize(
    "path",
    [
        "MedicationRequest.dosageInstruction[0].doseAndRate[0].rateQuantity.value",  # as a trace says it
        "steps[0].dosings[0].rate.unit",
        "InfusionOrder.steps[only].dosings[1].rate.value",
    ],
)
def test_explain_finds_the_pair_that_a_path_below_it_is_a_part_of(cli: Run, path: str):
    ran = cli("mapping", "explain", path)
    rate = "InfusionOrder.steps[].dosings[].rate  <->  MedicationRequest.dosageInstruction[].doseAndRate[].rateQuantity as rate"
    assert (ran.code, ran.lines[0].partition("  (")[0]) == (0, rate)
    assert ran.err == "fhir-infusion: no pair has this path alone; it is a part of what these have\n"


def test_explain_finds_every_record_field_that_is_mapped(cli: Run):
    shown = cli("mapping", "explain", "InfusionOrder").out
    for field in ("status", "patient.identifier.value", "steps[].timing.frequency", "steps[].dosings[].dose"):
        assert f"InfusionOrder.{field}  <->  MedicationRequest." in shown, field


@pytest.mark.parametrize("path", ["dosageInstruction[0].doseAndRate[0].rateQuantity", "STEPS.dosings.rate"])
def test_explain_takes_a_path_with_the_indexes_of_a_report_and_in_any_case(cli: Run, path: str):
    assert "InfusionOrder.steps[].dosings[].rate  <->  " in cli("mapping", "explain", path).out


def test_explain_shows_a_value_on_both_sides_from_the_examples_that_are_shipped(cli: Run):
    lines = cli("mapping", "explain", "care_setting").lines
    pair = next(index for index, line in enumerate(lines) if line.startswith("InfusionOrder.care_setting  <->  Medic"))
    assert re.fullmatch(r'  "infusion-centre"  <->  "infusion-centre"  in 0\d-[a-z-]+/order.*', lines[pair + 1])


def test_explain_shows_the_values_of_a_corpus_with_every_digit_and_in_both_units(
    cli: Run, examples: Texts, tmp_path: Path
):
    dose = '"doseQuantity": {"value": 1.50, "system": "http://unitsofmeasure.org", "code": "g"}'
    (tmp_path / "own.json").write_text(re.sub(r'"doseQuantity": \{[^}]*\}', dose, examples["resource"]))
    lines = cli("mapping", "explain", "doseAndRate.doseQuantity", tmp_path / "own.json").lines
    wanted = '{"value":1.50,"unit":"g"}  <->  {"value":1.50,"system":"http://unitsofmeasure.org","code":"g"}'
    assert lines[0].startswith("InfusionOrder.steps[].dosings[].dose  <->  ")
    assert lines[1] == f"  {wanted}  in {tmp_path / 'own.json'}"


def test_explain_follows_a_reference_to_what_is_contained(cli: Run):
    lines = cli("mapping", "explain", "preparation.total_volume").lines
    pair = next(index for index, line in enumerate(lines) if "medicationReference->Medication" in line)
    assert re.match(r'  \{"value":(\d+),"unit":"mL"\}  <->  \{"value":\1,.*"code":"mL"\}  in ', lines[pair + 1])


def test_explain_shows_what_a_format_reads_and_the_site_s_spelling_beside_it(cli: Run):
    ran = cli("mapping", "explain", "ward-orders.drugs")
    told = dict(zip(ran.lines, ran.lines[1:], strict=False))
    after = {line.partition("  <->  ")[2].partition("  (")[0]: value for line, value in told.items()}
    assert after["ward-orders.drugs.Dose"] == '  1.50  <->  "1,50"  in sample 1 of ward-orders'
    assert after["ward-orders.drugs.Freq.unit as codes(period_unit)"] == '  "d"  <->  "2xD"  in sample 1 of ward-orders'
    joined = cli("mapping", "explain", "WRITTEN_DT").lines
    assert joined[1] == (
        '  "2024-12-31T23:45:00-05:00"  <->  {"WRITTEN_DT":"12/31/2024","WRITTEN_TM":"11:45 PM"}  in sample 1 of '
        "home-infusion"
    )


def test_explain_tells_what_is_fixed_and_what_a_rule_leaves_out(cli: Run):
    fixed = cli("mapping", "explain", "measurements[only].kind").lines
    assert any("is always actual-weight  (formats/home-infusion)" in line for line in fixed)
    left = cli("mapping", "explain", "InfusionOrder.insurance").lines
    assert "InfusionOrder.insurance  is left out: the ward system has no field for it  (formats/ward-orders)" in left


def test_the_shipped_documents_are_copied_where_nothing_is_yet(cli: Run, tmp_path: Path):
    ran = cli("mapping", "copy", tmp_path / "site")
    copied = {path.relative_to(tmp_path / "site") for path in (tmp_path / "site").rglob("*.yaml")}
    assert (ran.code, ran.lines[0].split()[0]) == (0, str(len(copied)))
    assert copied == {path.relative_to(mappings_dir()) for path in mappings_dir().rglob("*.yaml")}
    assert cli("mapping", "copy", tmp_path / "site").code == 2


def test_the_code_tables_of_a_release_are_printed_as_concept_maps(cli: Run):
    ran = cli("mapping", "concept-maps", "--release", "R5")
    made = {one["id"]: one for one in map(json.loads, ran.lines)}
    assert (ran.code, {one["resourceType"] for one in made.values()}) == (0, {"ConceptMap"})
    (element,) = (one for one in made["unit-spelling"]["group"][0]["element"] if one["code"] == "mcg")
    assert element["target"] == [{"code": "ug", "relationship": "equivalent"}]
    assert "order-status-r4" not in made
    assert [json.loads(line)["id"] for line in cli("mapping", "concept-maps", "order-status-r4").lines] == [
        "order-status-r4"
    ]


def test_the_documents_are_printed_as_structure_maps_that_say_what_they_cannot_say(cli: Run):
    ran = cli("mapping", "structure-map", "--release", "R5")
    made = {one["id"]: one for one in map(json.loads, ran.lines)}
    assert sorted(made) == [
        f"{kind}-to-{to}-r5" for kind in ("administration", "infusion-order") for to in ("fhir", "internal")
    ]
    assert all(
        "for documentation" in one["description"] and "cannot say" in one["description"] for one in made.values()
    )
    to_fhir = made["infusion-order-to-fhir-r5"]["group"][0]["rule"]
    (status,) = (rule for rule in to_fhir if [one["element"] for one in rule["source"]] == ["status"])
    (target,) = status["target"]
    assert (target["element"], target["transform"]) == ("status", "translate")
    assert target["parameter"][1] == {"valueString": "https://w3id.org/fhir-infusion/ConceptMap/order-status-r5"}
    assert re.search(r"status -> MedicationRequest\.status; .*; r5/infusion-order\.yaml:\d+$", status["documentation"])
    (steps,) = (rule for rule in to_fhir if [one["element"] for one in rule["source"]] == ["steps"])
    assert any("doseQuantity" in json.dumps(rule) for rule in steps["rule"])
    back = made["infusion-order-to-internal-r5"]["group"][0]["rule"]
    assert any(rule["documentation"].startswith("MedicationRequest.status -> status;") for rule in back)


def test_a_code_table_that_a_release_does_not_have_is_wrong_usage(cli: Run):
    ran = cli("mapping", "concept-maps", "order-status-r5")
    assert (ran.code, ran.out) == (2, "")
    assert "order-status-r4" in ran.err


def test_coverage_counts_what_became_of_the_elements(cli: Run, examples: Texts, tmp_path: Path):
    (tmp_path / "a.json").write_text(examples["resource"])
    (tmp_path / "b.json").write_text(examples["resource"].replace('"active"', '"bogus"'))
    (tmp_path / "c.json").write_text("{")
    ran = cli("mapping", "coverage", tmp_path)
    assert ran.code == 0
    assert ran.lines[0] == tmp_path.name
    assert re.search(r"^  100\.0 % \((\d+) of \1\) mapped; of the infusion elements 100\.0 % ", ran.lines[-3])
    assert ran.lines[-2] == "  2 resources: 0 changed, 1 refused"
    assert re.fullmatch(r"  refused       1  MedicationRequest\.status: .+", ran.lines[-1])


def test_coverage_tells_folders_apart_and_names_each_path_that_is_left_with_its_count(
    cli: Run, examples: Texts, tmp_path: Path
):
    odd = examples["resource"].replace('"active"', '"active", "_status": {"id": "s"}, "meta": {"versionId": "1"}')
    for folder, text in (("one", examples["resource"]), ("two", odd)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.json").write_text(text)
    ran = cli("mapping", "coverage", tmp_path)
    one, two = ran.lines.index("one"), ran.lines.index("two")
    assert len(ran.lines[one + 1 : two]) == 2
    assert ran.lines[two + 1 : two + 3] == ["  aside         1  meta.versionId", "  carried       1  _status.id"]
    assert ran.lines[-1] == "  1 resources: 0 changed, 0 refused"


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, Path]:
    """Two directories of documents; the new one says the time of ordering nowhere and knows no status `on-hold`."""
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(mappings_dir(), old)
    shutil.copytree(mappings_dir(), new)
    document = new / "r4" / "infusion-order.yaml"
    text = document.read_text()
    assert "\n  ordered_at: authoredOn\n" in text
    dropped = "\n  ordered_at: {drop: true, why: as a test}\n"
    document.write_text(text.replace("\n  ordered_at: authoredOn\n", dropped))
    codes = new / "codes" / "order-status-r4.yaml"
    codes.write_text(re.sub(r"\n  on-hold: on-hold", "", codes.read_text()))
    return old, new


def test_diff_shows_what_a_change_of_the_documents_changes_each_way(
    examples: Texts, tmp_path: Path, versions: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    resource = json.loads(examples["resource"]) | {"authoredOn": "2026-01-02"}
    record = json.loads(examples["dobutamine"]) | {"ordered_at": "2026-01-02"}
    without = {name: value for name, value in record.items() if name != "ordered_at"}
    for name, content in {
        "a-resource": resource,
        "b-record": record,
        "c-same": without,
        "d-refused": without | {"status": "bogus"},
        "e-held": without | {"status": "on-hold"},
        "f-patient": {"resourceType": "Patient"},
    }.items():
        (corpus / f"{name}.json").write_text(json.dumps(content))
    assert cli_without_fixture("mapping", "diff", *map(str, versions), str(corpus)) == 1
    assert capfd.readouterr().out.replace(f"{corpus}/", "").splitlines() == [
        "changed a-resource.json: ordered_at residue",
        "changed b-record.json: authoredOn",
        "refused d-refused.json: status",
        "changed e-held.json: refused now: status",
        "skipped f-patient.json: no mapping for this resource type",
        "1 same, 3 changed, 1 refused, 1 skipped",
    ]


def test_diff_tells_programs_the_same_without_values(
    examples: Texts, tmp_path: Path, versions: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
):
    record = json.loads(examples["dobutamine"]) | {"status": "on-hold"}
    (tmp_path / "held.json").write_text(json.dumps(record))
    assert cli_without_fixture("mapping", "diff", "--json", *map(str, versions), str(tmp_path / "held.json")) == 1
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [
        {"input": str(tmp_path / "held.json"), "state": "changed", "refused": {"now": ["status"]}},
        {"summary": {"same": 0, "changed": 1, "refused": 0}},
    ]


def test_diff_of_what_is_the_same_or_refused_by_both_is_done(
    examples: Texts, tmp_path: Path, versions: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "a.json").write_text(examples["resource"].replace('"active"', '"bogus"'))
    old, _ = versions
    assert cli_without_fixture("mapping", "diff", str(old), str(old), str(tmp_path / "a.json")) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "0 same, 0 changed, 1 refused"


def cli_without_fixture(*arguments: str) -> int:
    return run(root, list(arguments))


def test_check_names_file_and_line_of_a_wrong_document(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    shutil.copytree(mappings_dir(), tmp_path / "m")
    document = tmp_path / "m" / "r4" / "infusion-order.yaml"
    document.write_text(document.read_text().replace("ordered_at: authoredOn", "ordered_at: authoredOnn"))
    assert cli_without_fixture("mapping", "check", "--mappings", str(tmp_path / "m")) == 1
    err = capfd.readouterr().err
    assert re.search(r"r4/infusion-order\.yaml:\d+: ", err)


@pytest.mark.parametrize("law", list(IN_WORDS))
def test_check_says_what_a_law_that_does_not_hold_means(cli: Run, monkeypatch: pytest.MonkeyPatch, law: str):
    proof = Proof(1, 0, (Broken(law, 7, "status"),))
    monkeypatch.setattr("fhir_infusion.cli.mapping.proofs", lambda *_: [("R4 MedicationRequest", proof)])
    ran = cli("mapping", "check")
    assert ran.code == 1
    assert ran.lines[1:3] == [
        "R4 MedicationRequest: does not hold: 1 examples, 0 refused",
        f"  law '{law}' ({IN_WORDS[law]}) breaks at status (example 7)",
    ]


def test_check_loads_and_proves_what_is_shipped(cli: Run):
    ran = cli("mapping", "check", "--examples", "3")
    assert ran.code == 0, ran.out
    assert "R4 MedicationRequest: holds" in ran.out


def test_a_fault_of_ours_is_one_line_with_its_place_and_no_value(
    cli: Run, translator: Translator, monkeypatch: pytest.MonkeyPatch, examples: Texts
):
    def fail(*_: object, **__: object) -> None:
        raise KeyError("JaneQPatient")

    monkeypatch.setattr(translator, "to_fhir", fail)
    ran = cli("translate", "--to", "fhir", stdin=examples["dobutamine"])
    assert ran.code == 1
    assert re.fullmatch(
        r"fhir-infusion: stdin: refused: a fault of ours: KeyError at test_commands\.py:\d+; .*\n", ran.err
    )
    (issue,) = ran.json[0]["issue"]
    assert (issue["severity"], issue["code"]) == ("fatal", "exception")
    assert "JaneQPatient" not in ran.out


def test_work_that_no_owner_answers_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from fhir_infusion.cli import owner  # noqa: PLC0415  beside its one use
    from fhir_infusion.config import Settings  # noqa: PLC0415  as above
    from fhir_infusion.store import Owner  # noqa: PLC0415  as above

    settings = Settings(database=f"sqlite:///{tmp_path}/x.db")
    assert owner.hand_over(settings, "/internal/sync", {}) is None
    for found in (Owner(7, "", "t"), Owner(7, "127.0.0.1:1", "t")):
        monkeypatch.setattr(owner, "owner", lambda _, found=found: found)
        with pytest.raises(Unavailable, match="process 7 writes this database"):
            owner.hand_over(settings, "/internal/sync", {"remote": "r"})


@pytest.mark.parametrize("arguments", [["db", "check"], ["audit", "verify"], ["sync", "status"]])
def test_without_a_database_a_reading_command_says_so(cli: Run, tmp_path: Path, arguments: list[str]):
    ran = cli(*arguments, "--database", f"sqlite:///{tmp_path}/none.db")
    assert ran.code == 1
    assert "no database" in ran.err


def test_a_database_can_be_made_and_checked(cli: Run, tmp_path: Path):
    database = f"sqlite:///{tmp_path}/made.db"
    assert cli("db", "upgrade", "--database", database).code == 0
    assert cli("db", "check", "--database", database).out == "the database file is whole\n"
    assert cli("audit", "verify", "--database", database).code == 0


def test_sync_without_a_remote_is_wrong_usage(cli: Run, tmp_path: Path):
    ran = cli("sync", "push", "--database", f"sqlite:///{tmp_path}/x.db")
    assert ran.code == 2
    assert "remotes" in ran.err
