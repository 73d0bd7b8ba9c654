"""The code tables: each goes both ways, is used by a document or an overlay, and is published as a ConceptMap."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from fhir_infusion.config import Settings
from fhir_infusion.errors import DocumentError, Refused
from fhir_infusion.mapping.compare import bare
from fhir_infusion.mapping.concept_maps import UNITS, VERSION, concept_map
from fhir_infusion.mapping.laws import prove
from fhir_infusion.records import fields, units
from fhir_infusion.translator import Translator, open_translator
from tests.codes_in_use import INVENTED, OURS, rows
from tests.counts import count
from tests.mapping.kit import CONCEPT, KIT, lens_of
from tests.standard.hl7 import errors

ROOT: Final = Path(__file__).parents[2]
CODES: Final = ROOT / "mappings" / "codes"
TABLES: Final = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CODES.glob("*.yaml"))}
RELEASES: Final = ("R4", "R5")
SNOMED: Final = "http://snomed.info/sct"
THO: Final = "http://terminology.hl7.org/CodeSystem/"

if TYPE_CHECKING:
    from tests.standard.hl7 import Hl7

Json = dict[str, Any]

each_release = pytest.mark.parametrize("release", RELEASES)


# --- tables -----------------------------------------------------------------------------------------------------------


def test_every_table_is_used_by_a_document_or_an_overlay() -> None:
    """A site's format names tables of its own, which stand in it."""
    aside = {CODES, ROOT / "mappings" / "formats"}
    paths = [path for path in (ROOT / "mappings").glob("*/*.yaml") if path.parent not in aside]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    named = {name for text in texts for name in re.findall(r"codes: ([\w-]+)", text)}
    assert named == TABLES.keys()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_a_map_between_two_named_systems(name: str) -> None:
    table = TABLES[name]
    assert table["codes"] == name
    assert table["url"] == f"https://w3id.org/fhir-infusion/ConceptMap/{name}"
    assert table["description"].endswith(".")
    systems = {system for system, _ in rows()}
    assert table["source"] in systems
    assert table["target"] in systems or INVENTED.match(table["target"])


@pytest.mark.parametrize(
    ("name", "type_name", "field", "without"),
    [
        ("order-status-r4", "InfusionOrder", "status", {"ended"}),
        ("order-status-r5", "InfusionOrder", "status", set()),
        ("order-intent", "InfusionOrder", "intent", set()),
        ("order-priority", "InfusionOrder", "priority", set()),
        ("administration-status-r4", "Administration", "status", set()),
        ("administration-status-r5", "Administration", "status", set()),
        ("dose-rate-type", "Dosing", "basis", set()),
        ("example-site-category", "InfusionOrder", "care_setting", set()),
        ("medicationrequest-category", "InfusionOrder", "care_setting", {"infusion-centre"}),
        ("medicationrequest-admin-location", "InfusionOrder", "care_setting", {"infusion-centre"}),
        ("medication-admin-category", "Administration", "care_setting", {"infusion-centre"}),
        ("medication-admin-location", "Administration", "care_setting", {"infusion-centre"}),
    ],
)
def test_a_table_has_every_code_of_its_field(name: str, type_name: str, field: str, without: set[str]) -> None:
    assert TABLES[name]["map"].keys() == set(fields.table()[type_name][field].codes) - without
    assert TABLES[name]["source"].startswith(OURS)


def test_the_reasons_of_v3_have_the_words_of_those_that_fhir_names() -> None:
    table = TABLES["v3-status-reasons"]

    def words(system: str, code: str) -> str:
        return rows()[system, code]["display"].casefold().replace("-", " ").rstrip(".")

    for v3, fhir in table["map"].items():
        assert words(table["source"], v3) == words(table["target"], fhir)


def test_the_functions_and_routes_have_the_words_of_those_that_they_become() -> None:
    for name in ("v3-performer-functions", "v2-routes", "v2-methods"):
        table = TABLES[name]
        for ours, fhir in table["map"].items():
            said = rows()[table["source"], ours]["display"].casefold()
            becomes = rows()[table["target"], str(fhir)]["display"].casefold()
            assert becomes.removesuffix(" (qualifier value)").removesuffix(" route") == said


@cache
def translator() -> Translator:
    return open_translator(Settings())


def order(**members: Any) -> Json:
    return {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "dobutamine"},
        "steps": [{"step_id": "a", "text": "as the label says"}],
        **members,
    }


def administration(**members: Any) -> Json:
    return {
        "record": "Administration",
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "dobutamine"},
        "when": {"at": "2026-01-02T08:00:00+01:00"},
        "dose_given": {"value": 5, "unit": "mg"},
        **members,
    }


def there(record: Json, release: str, overlay: str | None = None) -> Json:
    """Return what a record becomes, after asking that it comes back."""
    (resource,) = translator().to_fhir(record, release, overlay).results
    (back,) = translator().to_internal(resource, release, overlay).results
    assert bare(back) == record
    assert translator().to_fhir(back, release, overlay).results == [resource]
    return resource


@each_release
@pytest.mark.parametrize("field", ["status", "intent", "priority"])
def test_each_state_of_an_order_goes_there_and_back(release: str, field: str) -> None:
    name = f"order-status-{release.lower()}" if field == "status" else f"order-{field}"
    for ours, theirs in TABLES[name]["map"].items():
        assert there(order(**{field: ours}), release)[field] == theirs


@each_release
def test_each_status_of_an_administration_goes_there_and_back(release: str) -> None:
    for ours, theirs in TABLES[f"administration-status-{release.lower()}"]["map"].items():
        assert there(administration(status=ours), release)["status"] == theirs


@each_release
@pytest.mark.parametrize(("field", "accepted"), [("intent", "reflex-order"), ("priority", "stat"), ("status", "draft")])
def test_an_unknown_state_is_refused_with_those_that_are_known(release: str, field: str, accepted: str) -> None:
    with pytest.raises(Refused) as refused:
        translator().to_fhir(order(**{field: "wish"}), release)
    assert all(issue.path == field and accepted in issue.accepted for issue in refused.value.issues)


# --- care setting -----------------------------------------------------------------------------------------------------

CATEGORIES: Final = {
    ("R4", "order"): "medicationrequest-category",
    ("R5", "order"): "medicationrequest-admin-location",
    ("R4", "administration"): "medication-admin-category",
    ("R5", "administration"): "medication-admin-location",
}


@pytest.mark.parametrize(("release", "kind"), CATEGORIES)
def test_the_care_setting_is_the_category_that_the_release_names(release: str, kind: str) -> None:
    table = TABLES[CATEGORIES[release, kind]]
    make = order if kind == "order" else administration
    for ours, theirs in table["map"].items():
        resource = there(make(care_setting=ours), release, "hl7-categories")
        concept = {"coding": [{"system": table["target"], "code": theirs}]}
        assert resource["category"] == (concept if (release, kind) == ("R4", "administration") else [concept])
        assert "extension" not in resource


@pytest.mark.parametrize(("release", "kind"), CATEGORIES)
def test_an_infusion_centre_which_hl7_has_no_category_for_stays_what_it_is(release: str, kind: str) -> None:
    make = order if kind == "order" else administration
    resource = there(make(care_setting="infusion-centre"), release, "hl7-categories")
    assert "category" not in resource
    assert [one["valueCode"] for one in resource["extension"]] == ["infusion-centre"]


@each_release
def test_another_category_stays_beside_the_care_setting(release: str) -> None:
    other = {"codings": [{"system": "https://example.org/codes", "code": "chemo"}], "text": "chemotherapy"}
    resource = there(order(care_setting="home", categories=[other]), release, "hl7-categories")
    assert [one.get("text") for one in resource["category"]] == [None, "chemotherapy"]


def test_a_category_of_hl7_that_is_no_care_setting_of_ours_stays_a_category() -> None:
    (resource,) = translator().to_fhir(order(), "R4").results
    discharge = {"coding": [{"system": THO + "medicationrequest-category", "code": "discharge"}]}
    given = {**resource, "category": [discharge]}
    (record,) = translator().to_internal(given, "R4", "hl7-categories").results
    assert "care_setting" not in record
    assert translator().to_fhir(record, "R4", "hl7-categories").results == [given]


# --- codings ----------------------------------------------------------------------------------------------------------

V2: Final = "hl7-v2-v3-codes"


def codings(concept: Json) -> list[tuple[str, str]]:
    return [(one["system"], one["code"]) for one in concept["coding"]]


def concept(table: Json) -> Json:
    """Return a concept with every code of a table, each with the words of its sender."""
    return {
        "codings": [{"system": table["source"], "code": code, "display": f"we say {code}"} for code in table["map"]]
    }


def target(table: Json) -> list[tuple[str, str]]:
    return [(table["target"], str(code)) for code in table["map"].values()]


@each_release
@pytest.mark.parametrize(("field", "name"), [("route", "v2-routes"), ("method", "v2-methods")])
def test_routes_and_methods_of_v2_go_as_snomed_ct_and_come_back(release: str, field: str, name: str) -> None:
    given = concept(TABLES[name])
    dosage = there(order(steps=[{"step_id": "a", field: given}]), release, V2)["dosageInstruction"][0]
    assert codings(dosage[field]) == target(TABLES[name])
    assert [one["display"] for one in dosage[field]["coding"]] == [one["display"] for one in given["codings"]]
    given_so = there(administration(**{field: given}), release, V2)["dosage"]
    assert codings(given_so[field]) == target(TABLES[name])


@each_release
def test_functions_and_reasons_of_v3_go_as_the_codes_that_fhir_names_and_come_back(release: str) -> None:
    reasons, functions = TABLES["v3-status-reasons"], TABLES["v3-performer-functions"]
    record = administration(
        status="stopped",
        status_reasons=[concept(reasons)],
        performers=[{"function": concept(functions), "actor": {"reference": "Practitioner/1"}}],
    )
    resource = there(record, release, V2)
    assert codings(resource["statusReason"][0]) == target(reasons)
    assert codings(resource["performer"][0]["function"]) == target(functions)
    held = there(order(status="on-hold", status_reason=concept(reasons)), release, V2)
    assert codings(held["statusReason"]) == target(reasons)


@each_release
def test_a_code_that_the_table_does_not_have_stays_as_it_was_sent(release: str) -> None:
    sent = [
        {"system": THO + "v2-0162", "code": "WND"},
        {"system": "https://example.org/routes", "code": "IV"},
        {"code": "IV"},
        {"system": THO + "v2-0162", "code": "IV", "version": "2.9"},
        {"system": SNOMED, "code": "47625008", "version": "http://snomed.info/sct/900000000000207008"},
    ]
    dosage = there(order(steps=[{"step_id": "a", "route": {"codings": sent}}]), release, V2)["dosageInstruction"][0]
    assert dosage["route"]["coding"] == sent


@each_release
def test_a_code_that_would_come_back_as_another_is_refused_with_that_other(release: str) -> None:
    held = {"codings": [{"system": SNOMED, "code": "47625008"}]}
    with pytest.raises(Refused) as refused:
        translator().to_fhir(order(steps=[{"step_id": "a", "route": held}]), release, V2)
    (issue,) = refused.value.issues
    assert (issue.path, issue.accepted) == ("steps[0].route.codings[0].code", f"{THO}v2-0162|IV")
    (resource,) = translator().to_fhir(order(), release).results
    resource["dosageInstruction"] = [{"route": {"coding": [{"system": THO + "v2-0162", "code": "IV"}]}}]
    with pytest.raises(Refused) as refused:
        translator().to_internal(resource, release, V2)
    (issue,) = refused.value.issues
    assert issue.path == "MedicationRequest.dosageInstruction[0].route.coding[0].code"
    assert issue.accepted == f"{SNOMED}|47625008"


def test_what_stands_beside_a_recoded_coding_comes_back_to_it() -> None:
    (resource,) = translator().to_fhir(order(), "R4").results
    coding = {
        "id": "c",
        "extension": [{"url": "urn:x", "valueCode": "y"}],
        "system": SNOMED,
        "code": "34206005",
        "_display": {"extension": [{"url": "urn:z", "valueCode": "y"}]},
    }
    resource["dosageInstruction"] = [{"route": {"coding": [coding, {**coding, "id": "d", "code": "26643006"}]}}]
    (record,) = translator().to_internal(resource, "R4", V2).results
    assert [one["code"] for one in record["steps"][0]["route"]["codings"]] == ["SC", "PO"]
    assert translator().to_fhir(record, "R4", V2).results == [resource]


def test_the_ledger_names_the_table_that_moved_a_code() -> None:
    route = {"codings": [{"system": THO + "v2-0162", "code": "IV", "display": "Intravenous"}]}
    told = {line.path: line.why for line in translator().to_fhir(order(steps=[{"route": route}]), "R4", V2).lines}
    at = "steps[0].route.codings[0]."
    assert (told[at + "system"], told[at + "code"]) == ("codes(v2-routes)", "codes(v2-routes)")
    assert told[at + "display"] == "plain"


@pytest.mark.hl7
@pytest.mark.timeout(1800)
@each_release
def test_hl7_accepts_what_the_overlays_write(hl7: Hl7, release: str) -> None:
    route, reason, function = (
        {"codings": [{"system": TABLES[name]["source"], "code": code} for code in TABLES[name]["map"]]}
        for name in ("v2-routes", "v3-status-reasons", "v3-performer-functions")
    )
    performers = [{"function": function, "actor": {"reference": "Practitioner/1"}}]
    written = [
        there(order(care_setting="home"), release, "hl7-categories"),
        there(administration(care_setting="clinic"), release, "hl7-categories"),
        there(order(status_reason=reason, steps=[{"step_id": "a", "route": route}]), release, V2),
        there(administration(status_reasons=[reason], route=route, performers=performers), release, V2),
    ]
    assert [errors(one) for one in hl7.validate(written, release)] == [[]] * 4


# --- the vocabulary ---------------------------------------------------------------------------------------------------

ROUTES: Final = "codes: routes\nsource: urn:ours\ntarget: urn:theirs\nmap: {a: '1', b: '2'}\n"


def recoding(table: str = ROUTES, pair: str = '{fhir: "coding[]", codes: routes}', *, interpret: bool = False) -> Any:
    text = CONCEPT.replace("codings[]: coding[]", f"codings[]: {pair}")
    assert text != CONCEPT
    return lens_of(text, "CodeableConcept", kit=KIT, routes=table, interpret=interpret)


def concepts(seed: int) -> list[Json]:
    """Return concepts whose codings the table moves, leaves, refuses: each with a key, a version or words now and then."""
    dice = Random(seed)
    codes = [
        ("urn:ours", "a"),
        ("urn:ours", "b"),
        ("urn:ours", "c"),
        ("urn:theirs", "3"),
        ("urn:other", "a"),
        ("", "a"),
    ]
    found = []
    for at in range(dice.randrange(1, 4)):
        system, code = codes[dice.randrange(len(codes))] if dice.random() < 0.95 else ("urn:theirs", "1")
        coding = {"system": system, "code": code, "display": f"word {at}", "version": "1", "coding_id": f"k{at}"}
        found.append({name: each for name, each in coding.items() if each and (name == "code" or dice.random() < 0.7)})
    return [{"codings": found, "text": "words"}]


def test_the_laws_hold_for_codings_that_a_table_moves() -> None:
    proof = prove(recoding(), concepts, Random, count(300, 5000), recoding())
    assert proof.broken == ()
    assert 0 < proof.refused < proof.asked / 2


def test_a_recoding_that_forgets_the_way_back_breaks_the_law() -> None:
    lens = recoding(interpret=True)
    (scope,) = (scope for scope in lens.plan.scopes if scope.recoding is not None)
    scope.recoding = replace(scope.recoding, to_internal={})
    assert {one.law for one in prove(lens, concepts, Random, 40).broken} >= {"back"}


# --- published --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
@pytest.mark.parametrize("name", [*TABLES, UNITS.name])
def test_a_concept_map_says_what_the_table_says(release: str, name: str) -> None:
    table = {**translator().library.codes, UNITS.name: UNITS}[name]
    if not table.is_for(release):
        with pytest.raises(DocumentError, match=f"'{name}' is for"):
            concept_map(table, release)
        return
    made = concept_map(table, release)
    (group,) = made["group"]
    assert (made["url"], group["source"], group["target"]) == (table.url, table.source, table.target)
    said = {element["code"]: target["code"] for element in group["element"] for target in element["target"]}
    assert said == table.to_fhir
    relation, wider = {
        "R4": ("equivalence", "wider"),
        "R4B": ("equivalence", "wider"),
        "R5": ("relationship", "source-is-narrower-than-target"),
    }[release]
    shared = {code for code in said if list(said.values()).count(said[code]) > 1}
    for element in group["element"]:
        (target,) = element["target"]
        assert target[relation] == (wider if element["code"] in shared else "equivalent")
        assert target.get("comment", "") == (
            f"read back as {table.to_internal[target['code']]}" if element["code"] in shared else ""
        )


def test_a_release_has_the_tables_of_its_code_systems_and_those_of_both() -> None:
    names = {
        release: {name for name, one in translator().library.codes.items() if one.is_for(release)}
        for release in ("R4", "R4B", "R5")
    }
    assert names["R4"] == names["R4B"]
    assert names["R4"] - names["R5"] == {
        "order-status-r4",
        "administration-status-r4",
        *(CATEGORIES["R4", one] for one in ("order", "administration")),
    }
    assert names["R5"] - names["R4"] == {
        "order-status-r5",
        "administration-status-r5",
        *(CATEGORIES["R5", one] for one in ("order", "administration")),
    }


def test_the_table_of_units_is_what_reading_repairs() -> None:
    for word, code in UNITS.to_fhir.items():
        assert units.REPAIRS[word] == code
    parts = {part for unit in units.REPAIRS for part in unit.split("/") if not units.is_ucum(part)}
    assert parts == UNITS.to_fhir.keys()


def test_the_definitions_have_one_version() -> None:
    found = {json.loads(path.read_text())["version"] for path in (ROOT / "profiles").rglob("*.json")}
    assert found == {VERSION}
