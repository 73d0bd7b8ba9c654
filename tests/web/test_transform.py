"""``StructureMap/$transform`` and ``$convert-data``: our mappings, asked for as the clients of other engines ask."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fhir_infusion.config import mappings_dir
from fhir_infusion.fhir.differences import differences
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.web.examples import texts
from tests.exact_json import dumps, loads
from tests.web.conftest import FHIR, JSON, Client, Json, exact, issues

OURS = "https://w3id.org/fhir-infusion/StructureMap/"
AT = "/fhir/r4/StructureMap/$transform"
each_release = pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
TYPES = {"MedicationRequest", "MedicationAdministration"}
ORDER_OUT, ORDER_IN = "infusion-order-to-fhir-r4", "infusion-order-to-internal-r4"


def parameters(**given: Any) -> Json:
    named = [
        {"name": one, "resource" if isinstance(value, dict) else "valueString": value} for one, value in given.items()
    ]
    return {"resourceType": "Parameters", "parameter": named}


def of(reply: Any, name: str) -> Json:
    (found,) = (one for one in exact(reply)["parameter"] if one["name"] == name)
    return dict(found)


@each_release
def test_a_record_becomes_the_resource_that_translate_gives_in_every_style_of_asking(
    client: Client, order: Json, release: str
):
    (wanted,) = exact(client.post("/api/translate", {"to": "fhir", "release": release.upper(), "input": order}))[
        "results"
    ]
    here, name = f"/fhir/{release}/StructureMap", f"infusion-order-to-fhir-{release}"
    url, text = OURS + name, dumps(order)
    binary = {"resourceType": "Binary", "contentType": JSON, "data": base64.b64encode(text.encode()).decode()}
    map_ = exact(client.get(f"{here}/{name}"))
    replies = [
        client.post(f"{here}/$transform?source={url}", order),
        client.post(f"{here}/$transform?source={url}%7C0.1.0", order, FHIR),
        client.post(f"{here}/{name}/$transform", order),
        client.post(f"{here}/{name}/$transform", parameters(content=text), FHIR),
        client.post(f"{here}/$transform?source={url}", parameters(resource=text), FHIR),
        client.post(f"{here}/$transform", parameters(source=url, content=binary), FHIR),
        client.post(f"{here}/$transform", parameters(sourceMap=map_, content=text), FHIR),
        client.post(
            f"{here}/$transform", parameters(map=url, resource=text, model=dumps({"resourceType": "Bundle"})), FHIR
        ),
        client.post(f"{here}/$transform", parameters(map=dumps(map_), resource=text), FHIR),
        client.post(f"{here}/$transform", parameters(map=f"/// url = '{url}'\n/// name = 'x'\n", resource=text), FHIR),
        client.post(f"{here}/$transform", parameters(map=f'map "{url}" = "x"', resource=text), FHIR),
    ]
    for reply in replies:
        assert (reply.status_code, reply.mimetype) == (200, FHIR), reply.text
        assert list(differences(wanted, exact(reply))) == []
    assert exact(client.get("/api/orders"))["items"] == []


def test_a_resource_becomes_a_record_with_every_digit(client: Client, order: Json):
    resource = exact(client.post(f"{AT}?source={OURS}{ORDER_OUT}", order))
    for reply in (
        client.post(f"{AT}?source={OURS}{ORDER_IN}", resource, FHIR),
        client.post(AT, parameters(source=OURS + ORDER_IN, content=resource), FHIR),
        client.post(AT, parameters(map=OURS + ORDER_IN, resource=dumps(resource)), FHIR),
    ):
        assert (reply.status_code, reply.mimetype) == (200, JSON)
        record = {name: value for name, value in exact(reply).items() if name != "residue"}
        assert (record, list(differences(order, record))) == (order, [])


def test_what_becomes_several_resources_is_a_bundle_of_them(client: Client):
    given = loads(texts()["3-administration-dobutamine"])
    reply = client.post(f"{AT}?source={OURS}administration-to-fhir-r4", given)
    bundle = exact(reply)
    assert (reply.status_code, bundle["type"]) == (200, "collection")
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == {"MedicationAdministration"}
    assert len(bundle["entry"]) > 1


def test_an_overlay_has_an_address_of_its_own(client: Client, order: Json):
    plain = exact(client.post(f"{AT}?source={OURS}{ORDER_OUT}", order))
    overlaid = exact(client.post(f"{AT}?source={OURS}{ORDER_OUT}-example-site", order))
    body = {"to": "fhir", "overlay": "example-site", "input": order}
    assert exact(client.post("/api/translate", body))["results"] == [overlaid]
    assert overlaid != plain


def test_debug_answers_the_parameters_that_fhirpath_lab_reads(client: Client, order: Json):
    """Read as its page pages/fml.vue does: the engine, the text of the result, and a line with places for each element."""
    reply = client.post(f"{AT}?debug=true", parameters(map=OURS + ORDER_OUT, resource=dumps(order)), FHIR)
    assert reply.mimetype == FHIR
    assert [one["name"] for one in exact(reply)["parameter"]] == ["outcome", "result", "parameters", "trace"]
    plain = client.post(f"{AT}?source={OURS}{ORDER_OUT}&debug=false", order)
    assert loads(of(reply, "result")["valueString"]) == exact(plain)
    assert '"value": 2.50' in of(reply, "result")["valueString"]
    evaluator, map_ = of(reply, "parameters")["part"]
    assert (evaluator["name"], evaluator["valueString"][:14]) == ("evaluator", "fhir-infusion ")
    assert map_["resource"] == exact(client.get(f"/fhir/r4/StructureMap/{ORDER_OUT}"))
    first, *lines = of(reply, "trace")["part"]
    assert first["valueString"].startswith("Group : whole;")
    ledger = exact(client.post("/api/translate", {"to": "fhir", "input": order, "trace": True}))["ledger"]
    assert len(lines) == len(ledger)
    for line, told in zip(lines, ledger, strict=True):
        assert line["name"] == "debug"
        assert line["valueString"].startswith(
            f"rule : {told.get('pair', told['state'])}; {told['state']} {told['path']}"
        )
        found = {part["extension"][0]["url"]: part["extension"][1]["valueString"] for part in line["extension"]}
        expected = {"name-INPUT": told["path"], **({"name-OUTPUT": told["to"]} if "to" in told else {})}
        assert found == expected
        assert {one["url"] for one in line["extension"]} == {"http://fhirpath-lab.com/StructureDefinition/Variable"}
    assert of(reply, "outcome")["resource"]["resourceType"] == "OperationOutcome"


def test_what_is_refused_is_an_operation_outcome_with_debug_too(client: Client, order: Json):
    wrong = {**order, "status": "CANARY"}
    for debug in ("true", "false"):
        reply = client.post(f"{AT}?source={OURS}{ORDER_OUT}&debug={debug}", wrong)
        assert (reply.status_code, issues(reply)[0]["path"]) == (400, "status")
        assert "CANARY" not in reply.text


@pytest.mark.parametrize(
    ("query", "given", "status"),
    [
        ("", {"content": "{}"}, 400),
        ("", {"source": OURS + ORDER_OUT}, 400),
        ("", {"source": OURS + ORDER_OUT, "content": "{}", "resource": "{}"}, 400),
        ("", {"source": OURS + ORDER_OUT, "map": OURS + ORDER_IN, "content": "{}"}, 400),
        ("", {"source": OURS + ORDER_OUT, "content": "[]"}, 400),
        ("", {"source": OURS + ORDER_OUT, "content": "no json"}, 400),
        (
            "",
            {"source": OURS + ORDER_OUT, "content": {"resourceType": "Binary", "contentType": JSON, "data": "?"}},
            400,
        ),
        (
            "",
            {
                "source": OURS + ORDER_OUT,
                "content": {"resourceType": "Binary", "contentType": "text/x", "data": "e30="},
            },
            400,
        ),
        ("", {"source": OURS + ORDER_OUT, "content": {"resourceType": "MedicationRequest"}}, 400),
        ("", {"source": OURS + ORDER_OUT, "content": '{"record": "Administration"}'}, 400),
        ("", {"source": OURS + ORDER_IN, "content": {"resourceType": "MedicationAdministration"}}, 400),
        ("", {"source": f"{OURS}infusion-order-to-fhir-r5", "content": "{}"}, 404),
        ("", {"source": f"{OURS}{ORDER_OUT}|9", "content": "{}"}, 404),
        ("", {"source": OURS + ORDER_OUT, "content": "{}", "colour": "red"}, 400),
        ("", {"map": {"resourceType": "StructureMap", "url": OURS + ORDER_OUT}, "resource": "{}"}, 422),
        ("", {"map": {"resourceType": "StructureMap"}, "resource": "{}"}, 400),
        (
            "",
            {"map": f"/// url = '{OURS}{ORDER_OUT}'\ngroup g(source a, target b) {{ a -> b; }}", "resource": "{}"},
            422,
        ),
        ("debug=perhaps", {"source": OURS + ORDER_OUT, "content": "{}"}, 400),
        ("colour=red", {"source": OURS + ORDER_OUT, "content": "{}"}, 400),
        (f"source={OURS}{ORDER_OUT}&source={OURS}{ORDER_OUT}", {"content": "{}"}, 400),
    ],
)
def test_what_names_no_mapping_of_ours_or_no_content_of_it_is_refused(
    client: Client, query: str, given: Json, status: int
):
    reply = client.post(f"{AT}?{query}", parameters(**given), FHIR)
    assert (reply.status_code, bool(issues(reply))) == (status, True), reply.text


@each_release
def test_every_mapping_is_listed_with_its_address(client: Client, release: str):
    here = f"/fhir/{release}/StructureMap"
    found = [entry["resource"] for entry in exact(client.get(f"{here}?_count=200"))["entry"]]
    overlays = client.flask.application.extensions["fhir-infusion"].service.translator.overlays
    assert len(found) == 4 * (1 + len(overlays))
    for one in found:
        assert exact(client.get(f"{here}/{one['id']}")) == one
        assert exact(client.get(f"{here}?url={one['url']}"))["total"] == 1
        assert one["url"] == OURS + one["id"]
    assert client.get(f"{here}/infusion-order-to-fhir-{'r4' if release == 'r5' else 'r5'}").status_code == 404


def convert(data: str, **changed: str | None) -> Json:
    given = {
        "inputData": data,
        "inputDataType": "Json",
        "templateCollectionReference": "fhir-infusion/mappings:default",
        "rootTemplate": "InfusionOrder",
        **changed,
    }
    return parameters(**{name: value for name, value in given.items() if value is not None})


@each_release
def test_a_record_is_converted_to_the_transaction_that_stores_it(client: Client, order: Json, release: str):
    here = f"/fhir/{release}"
    bare = {name: value for name, value in order.items() if name != "record"}
    reply = client.post(f"{here}/$convert-data", convert(dumps(bare), inputDataType="json"), FHIR)
    bundle = exact(reply)
    assert (reply.status_code, bundle["type"]) == (200, "transaction")
    assert "entry" not in exact(client.get(f"{here}/MedicationRequest"))
    assert client.post(here, bundle, FHIR).status_code == 200
    assert client.post(here, bundle, FHIR).status_code == 200
    (entry,) = exact(client.get(f"{here}/MedicationRequest"))["entry"]
    assert entry["resource"]["identifier"][0]["value"] == order["order_id"]


@pytest.mark.parametrize("name", ["ward-orders", "pump-events"])
def test_what_a_site_says_is_converted_by_its_format(client: Client, name: str):
    document = read_yaml(name, (mappings_dir() / "formats" / f"{name}.yaml").read_text(encoding="utf-8"))
    said = str(document["samples"][0])
    reply = client.post("/fhir/r4/$convert-data", convert(said, rootTemplate=name), FHIR)
    asked = {"from": name, "to": "fhir", "input": loads(said)}
    wanted = exact(client.post("/api/translate", asked))["results"]
    assert reply.status_code == 200, reply.text
    sent = [entry["resource"] for entry in exact(reply)["entry"] if entry["resource"]["resourceType"] in TYPES]
    assert [one["identifier"] for one in sent] == [one["identifier"] for one in wanted]
    assert client.post("/fhir/r4", exact(reply), FHIR).status_code == 200
    wrong = client.post("/fhir/r4/$convert-data", convert("{}", rootTemplate=name), FHIR)
    assert wrong.status_code in {400, 422}


def test_the_tag_of_the_templates_is_the_overlay(client: Client, order: Json):
    plain = exact(client.post("/fhir/r4/$convert-data", convert(dumps(order)), FHIR))
    asked = convert(dumps(order), templateCollectionReference="fhir-infusion/mappings:example-site")
    asked["parameter"].append({"name": "jsonDeserializationTreatDatesAsStrings", "valueBoolean": True})
    assert exact(client.post("/fhir/r4/$convert-data", asked, FHIR)) != plain


@pytest.mark.parametrize(
    "changed",
    [
        {"inputDataType": "Hl7v2"},
        {"inputDataType": None},
        {"rootTemplate": "Administration"},
        {"rootTemplate": "ADT_A01"},
        {"templateCollectionReference": "microsofthealth/jsontemplates:default"},
        {"inputData": None},
        {"inputData": "[1]"},
        {"inputData": "MSH|^~\\&|"},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_converted_is_refused_and_says_what_can(client: Client, order: Json, changed: Json):
    reply = client.post("/fhir/r4/$convert-data", convert(dumps(order), **changed), FHIR)
    assert (reply.status_code, bool(issues(reply)[0]["reason"])) == (400, True)


def test_a_text_that_is_no_json_is_refused_with_the_input_that_it_is(client: Client):
    told = client.post(AT, parameters(map=OURS + ORDER_OUT, resource="{x"), FHIR)
    assert places(told) == [("content", "not JSON at line 1 column 2")]
    asked = {
        "inputDataType": "Json",
        "templateCollectionReference": "fhir-infusion/mappings:default",
        "inputData": "{x",
    }
    for root in ("InfusionOrder", "ward-orders"):
        told = client.post("/fhir/r4/$convert-data", parameters(**asked, rootTemplate=root), FHIR)
        where = "Parameters.parameter.where(name='inputData')"
        assert places(told) == [(where, "not JSON at line 1 column 2")]


def places(reply: Any) -> list[tuple[str, str]]:
    return [(one["expression"][0], one["diagnostics"].partition(":")[0]) for one in exact(reply)["issue"]]


@pytest.mark.parametrize(
    ("method", "address", "accepted"),
    [
        ("POST", "/fhir/r4/StructureMap/nope/$transform", "one that GET StructureMap lists"),
        ("POST", f"{AT}?source=https://else.example/map", "one that GET StructureMap lists"),
        ("GET", "/fhir/r4/ConceptMap/nope/$translate?system=urn:a&code=b", "one that GET ConceptMap lists"),
        ("GET", "/fhir/r4/StructureMap/nope", "an id that GET StructureMap lists"),
        ("GET", "/fhir/r5/SubscriptionTopic/nope", "an id that GET SubscriptionTopic lists"),
        ("GET", "/fhir/r4/$export-status/nope", "the address that the answer to $export names"),
        ("GET", "/fhir/r4/$export-file/nope/Nothing", "an address that the manifest of the export lists"),
        ("GET", "/api/sync/remotes/nope/aside", "a name that GET /api/sync/status lists"),
        ("GET", "/api/sync/rows/1", "a row that GET /api/sync/remotes/{remote}/aside lists"),
        ("GET", "/docs/nope", "one that /docs lists"),
    ],
)
def test_what_is_not_there_is_told_with_where_that_which_is_there_is_listed(
    client: Client, order: Json, method: str, address: str, accepted: str
):
    reply = client.get(address) if method == "GET" else client.post(address, order)
    assert (reply.status_code, accepted in reply.text) == (404, True), reply.text
