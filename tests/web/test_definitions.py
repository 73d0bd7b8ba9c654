"""What the service names by a canonical address of ours can be read from it."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.actions.definitions import TYPES, definitions
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.web.fhir import convert_data, everything, export, merge, transform, translate_code
from tests.web.conftest import Client, exact

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "https://w3id.org/fhir-infusion/"
FORM = "application/x-www-form-urlencoded"
each_release = pytest.mark.parametrize("release", ["r4", "r4b", "r5"])

Json = dict[str, Any]


def named_in(statement: Json) -> Iterator[str]:
    """Yield the canonical addresses that a statement names."""
    (rest,) = statement["rest"]
    for one in (rest, *rest["resource"]):
        yield from one.get("supportedProfile", ())
        yield from (operation["definition"] for operation in one.get("operation", ()))


@each_release
def test_each_address_of_ours_in_the_capability_statement_leads_to_its_definition(client: Client, release: str):
    ours = {one for one in named_in(exact(client.get(f"/fhir/{release}/metadata"))) if one.startswith(OURS)}
    assert {one.rsplit("/", 2)[-2] for one in ours} == {"StructureDefinition", "OperationDefinition"}
    for url in ours:
        type_, id_ = url.rsplit("/", 2)[-2:]
        definition = exact(client.get(f"/fhir/{release}/{type_}/{id_}"))
        assert definition["url"] == url
        for query in (f"url={url}", f"url={url}&version=0.1.0", f"_id={id_}"):
            bundle = exact(client.get(f"/fhir/{release}/{type_}?{query}"))
            assert [entry["resource"] for entry in bundle["entry"]] == [definition]
        reply = client.post(f"/fhir/{release}/{type_}/_search", f"url={url}", FORM)
        assert exact(reply)["entry"] == bundle["entry"]


@each_release
def test_every_definition_that_is_shipped_for_a_release_is_given_in_it(client: Client, release: str):
    for type_ in TYPES:
        found: list[Json] = []
        address = f"/fhir/{release}/{type_}?_count=10"
        while address:
            bundle = exact(client.get(address))
            found += [entry["resource"] for entry in bundle.get("entry", ())]
            address = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), "")
        shipped = definitions(release.upper())[type_]
        assert [one["id"] for one in found] == sorted(shipped)
        assert bundle["total"] == len(shipped)
        assert {one.get("fhirVersion", "") for one in found} <= {"", RELEASES[release.upper()].version}


def test_the_profiles_of_another_release_are_not_there(client: Client):
    assert client.get("/fhir/r4b/StructureDefinition/infusion-order-r4").status_code == 200
    assert client.get("/fhir/r5/StructureDefinition/infusion-order-r4").status_code == 404
    assert client.get("/fhir/r4/CodeSystem/none").status_code == 404
    assert client.get("/fhir/r4/ValueSet?title=x").status_code == 400
    assert exact(client.get("/fhir/r4/ValueSet?url=https://example.org/x"))["total"] == 0


def test_a_page_of_another_search_is_refused(client: Client):
    (next_,) = [
        one["url"] for one in exact(client.get("/fhir/r4/CodeSystem?_count=1"))["link"] if one["relation"] == "next"
    ]
    assert client.get(next_).status_code == 200
    assert client.get(next_.replace("CodeSystem", "ValueSet")).status_code == 400


def test_an_operation_takes_the_parameters_that_its_definition_names():
    known = {**definitions("R4")["OperationDefinition"], **definitions("R5")["OperationDefinition"]}
    inputs = {
        id_: {one["name"] for one in definition["parameter"] if one["use"] == "in"} for id_, definition in known.items()
    }
    assert inputs == {
        "validate": {"resource", "mode", "profile"},
        "patient-everything": set(everything.PARAMETERS),
        "export": set(export.PARAMETERS),
        "patient-merge": set(merge.INPUTS),
        "structure-map-transform": set(transform.INPUTS),
        "convert-data": set(convert_data.INPUTS),
        "concept-map-translate-r4": set(translate_code.INPUTS["R4"]),
        "concept-map-translate-r5": set(translate_code.INPUTS["R5"]),
    }
    assert known["validate"]["resource"] == list(SERVED)
    based = {id_: one["base"] for id_, one in known.items() if "base" in one}
    assert set(known) - set(based) == {"convert-data"}  # Microsoft's, which publishes no definition of it
    assert all(one.startswith("http://hl7.org/fhir/") for one in based.values())


def test_a_definition_is_given_digit_for_digit(client: Client):
    reply = client.get("/fhir/r4/OperationDefinition/validate")
    assert fhir_json.read(reply.data) == definitions("R4")["OperationDefinition"]["validate"]


@pytest.mark.parametrize(
    ("type_", "maker"), [("StructureMap", "structure_map"), ("ConceptMap", "concept_maps.concept_map")]
)
def test_to_read_one_makes_one(client: Client, monkeypatch: pytest.MonkeyPatch, type_: str, maker: str):
    known = exact(client.get(f"/fhir/r4/{type_}"))["entry"]
    assert len(known) > 1
    made: list[Json] = []
    holder, _, name = f"fhir_infusion.web.fhir.definition.{maker}".rpartition(".")
    original = pkgutil.resolve_name(f"{holder}.{name}")

    def counting(*arguments: Any) -> Json:
        made.append(original(*arguments))
        return made[-1]

    monkeypatch.setattr(f"{holder}.{name}", counting)
    assert exact(client.get(f"/fhir/r4/{type_}/{known[1]['resource']['id']}")) == known[1]["resource"]
    assert len(made) == 1
