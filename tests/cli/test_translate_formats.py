"""``translate --from`` and ``--to`` a site's format, from files, lines and arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.exact_json import loads
from tests.mapping.formats.kit import small

if TYPE_CHECKING:
    from fhir_infusion.translator import Translator
    from tests.cli.conftest import Run


@pytest.fixture
def order(translator: Translator) -> str:
    return translator.library.formats["ward-orders"].given.samples[0][1]


def test_an_order_of_the_site_becomes_one_resource_for_each_drug_with_every_digit(cli: Run, order: str):
    ran = cli("translate", "--from", "ward-orders", "--to", "fhir", stdin=order)
    assert ran.code == 0
    assert [one["resourceType"] for one in ran.json] == ["MedicationRequest", "MedicationRequest"]
    assert '"value":1.50' in ran.lines[0]
    assert "dropped WardColour" in ran.err


def test_the_site_s_json_comes_back_from_the_records_to_the_letter(cli: Run, order: str):
    records = cli("translate", "--from", "ward-orders", "--to", "internal", stdin=order)
    assert [one["record"] for one in records.json] == ["InfusionOrder", "InfusionOrder"]
    back = cli("translate", "--to", "ward-orders", stdin=records.out)
    assert (back.code, back.err) == (0, "")
    assert loads(back.out) == loads(order)
    assert loads(cli("translate", "--from", "ward-orders", "--to", "ward-orders", stdin=order).out) == loads(order)


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_resources_become_the_site_s_json(cli: Run, order: str, release: str):
    resources = cli("translate", "--from", "ward-orders", "--to", "fhir", "--release", release, stdin=order)
    back = cli("translate", "--to", "ward-orders", "--release", release, stdin=resources.out)
    assert back.code == 0
    (site,) = back.json
    assert [drug["Dose"] for drug in site["drugs"]] == ["1,50", "1000"]
    assert site["patient"] == json.loads(order)["patient"]


def test_a_bundle_becomes_the_site_s_json(cli: Run, order: str):
    resources = cli("translate", "--from", "ward-orders", "--to", "fhir", stdin=order).json
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    (site,) = cli("translate", "--to", "ward-orders", stdin=json.dumps(bundle)).json
    assert [drug["LineId"] for drug in site["drugs"]] == ["A-4711-1", "A-4711-2"]


def test_one_wrong_drug_is_refused_by_itself_with_its_place(cli: Run, order: str):
    wrong: Any = json.loads(order)
    wrong["drugs"][1]["Dose"] = "1.000,0"
    ran = cli("translate", "--from", "ward-orders", "--to", "internal", stdin=json.dumps(wrong))
    assert ran.code == 1
    record, outcome = ran.json
    assert record["order_id"] == "A-4711-1"
    assert outcome["issue"][0]["expression"] == ["ward-orders.drugs.Dose"]
    assert "1.000,0" not in ran.out + ran.err


def test_a_number_that_comes_twice_is_refused_in_one_object_over_lines_and_in_records(cli: Run, order: str):
    twice: Any = json.loads(order)
    twice["drugs"][1]["LineId"] = "A-4711-1"
    ran = cli("translate", "--from", "ward-orders", "--to", "fhir", stdin=json.dumps(twice))
    assert ran.code == 1
    assert [one["resourceType"] for one in ran.json] == ["MedicationRequest", "OperationOutcome"]
    assert ran.json[1]["issue"][0]["expression"] == ["order_id"]
    line = json.dumps(json.loads(order))
    ran = cli("translate", "--from", "ward-orders", "--to", "internal", stdin=f"{line}\n{line}\n")
    assert [one.get("order_id") for one in ran.json] == ["A-4711-1", "A-4711-2", None, None]
    record = ran.lines[0]
    ran = cli("translate", "--to", "ward-orders", stdin=f"{record}\n{record}\n")
    assert ran.code == 1
    assert ran.json[0]["issue"][0]["expression"] == ["[1].order_id"]


def test_lines_are_answered_one_by_one_and_what_is_no_json_is_refused(cli: Run, order: str):
    line = json.dumps(json.loads(order))
    other = line.replace("A-4711", "B-1")
    ran = cli("translate", "--from", "ward-orders", "--to", "internal", stdin=f"{line}\n{{\n{other}\n")
    assert ran.code == 1
    assert [one.get("order_id", one.get("resourceType")) for one in ran.json] == [
        "A-4711-1",
        "A-4711-2",
        "OperationOutcome",
        "B-1-1",
        "B-1-2",
    ]


@pytest.mark.parametrize(("option", "told"), [("--from", "accepted: "), ("--to", "accepted: fhir, internal, ")])
def test_an_unknown_format_is_a_usage_error_that_names_those_there_are(cli: Run, option: str, told: str):
    others = ("--to", "fhir") if option == "--from" else ()
    ran = cli("translate", option, "nowhere", *others)
    assert ran.code == 2
    assert told in ran.err
    assert "ward-orders" in ran.err


def test_the_report_counts_and_the_trace_names_the_pair_of_each_member(cli: Run, order: str, tmp_path: Any):
    trace = tmp_path / "trace"
    cli("translate", "--from", "ward-orders", "--to", "internal", "--trace", trace, stdin=order)
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    dose = next(line for line in lines if line["path"].endswith("drugs.Dose"))
    assert dose["to"] == "steps[only].dosings[only].dose.value"
    assert dose["mark"].startswith("formats/ward-orders.yaml:")


def test_explain_finds_the_pairs_of_a_member_of_the_site(cli: Run):
    ran = cli("mapping", "explain", "ward-orders.Order No")
    assert ran.code == 0
    assert "InfusionOrder.group.identifier.value  <->  ward-orders.Order No" in ran.out


def test_a_check_tells_of_a_dose_that_is_only_kept(cli: Run, translator: Translator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(translator.library.formats, "small", small("Dose per m2: kept"))
    ran = cli("mapping", "check", "--examples", "0")
    assert ran.code == 0
    like = "looks like an amount or a cancellation: no rule looks at it"
    told = f"'Dose per m2' is kept and {like}, and it stays behind once anything is edited; accepted: a pair"
    assert [line for line in ran.lines if line.startswith("told: ")] == [f"told: formats/small.yaml:14: {told}"]


def test_a_draft_takes_the_rows_of_a_feed_as_one_sample_and_says_which_file_is_none(cli: Run, tmp_path: Any):
    rows = tmp_path / "rows.ndjson"
    rows.write_text('{"run": "R1", "at": "2025/09/16 08.32"}\n{"run": "R1", "at": "2025/09/16 09.10"}\n')
    ran = cli("mapping", "new", "pump", rows)
    assert ran.code == 0
    assert "  at: time(YYYY/MM/DD HH.mm)" in ran.out
    assert '    [{"run": "R1", "at": "2025/09/16 08.32"},\n     {"run": "R1", "at": "2025/09/16 09.10"}]\n' in ran.out
    rows.write_text('{"run": "R1"}\n{"run": R2}\n')
    ran = cli("mapping", "new", "pump", rows)
    assert ran.code == 1
    assert f"{rows}: refused:" in ran.err


def test_new_prints_a_draft_whose_decisions_are_marked_and_refuses_what_is_no_json(cli: Run, order: str, tmp_path: Any):
    sample = tmp_path / "order.json"
    sample.write_text(order, encoding="utf-8")
    ran = cli("mapping", "new", "clinic", sample)
    assert (ran.code, ran.lines[0]) == (0, "format: clinic")
    assert "  entered_at: time(DD.MM.YYYY HH:mm)  # each value is one" in ran.lines
    assert any(line.startswith('zone: "?') for line in ran.lines)
    sample.write_text("{", encoding="utf-8")
    ran = cli("mapping", "new", "clinic", sample)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"fhir-infusion: {sample}: refused: not JSON")
    sample.write_text("[]", encoding="utf-8")
    ran = cli("mapping", "new", "clinic", sample)
    told = "fhir-infusion: there is no record in the samples; accepted: one or more, as the site sends them\n"
    assert (ran.code, ran.out, ran.err) == (1, "", told)
    ran = cli("mapping", "new", "7. Our Clinic", sample)
    assert (ran.code, ran.out) == (2, "")
    assert "accepted: small letters, digits and hyphens, such as site-7-our-clinic" in ran.err
