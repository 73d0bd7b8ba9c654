"""``ConceptMap/$translate``: what a code becomes by our code tables, and of which codes one may be."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.mapping.concept_maps import VERSION
from tests.web.conftest import FHIR, Client, Json, exact, issues

OURS = "https://w3id.org/fhir-infusion"
V2, SNOMED = "http://terminology.hl7.org/CodeSystem/v2-0162", "http://snomed.info/sct"
STATUS = f"{OURS}/CodeSystem/administration-status"
ROUTES = f"{OURS}/ConceptMap/v2-routes"
AT = "/fhir/r4/ConceptMap/$translate"
IV = {"system": SNOMED, "code": "47625008"}
each_release = pytest.mark.parametrize("release", ["r4", "r4b", "r5"])


def parameters(**given: Any) -> Json:
    kinds = {str: "valueString", bool: "valueBoolean"}
    named = []
    for name, value in given.items():
        concept = "valueCodeableConcept" if isinstance(value, dict) and "coding" in value else "valueCoding"
        named.append({"name": name, kinds.get(type(value), concept): value})
    return {"resourceType": "Parameters", "parameter": named}


def told(reply: Any) -> tuple[bool, list[Json], str]:
    """The result, each match as its parts by name, and the message."""
    assert reply.status_code == 200, reply.text
    result, *others = exact(reply)["parameter"]
    messages = [one["valueString"] for one in others if one["name"] == "message"]
    matches = []
    for one in others:
        if one["name"] == "match":
            values = {
                part["name"]: next(value for name, value in part.items() if name != "name") for part in one["part"]
            }
            matches.append(values)
    assert result["name"] == "result"
    assert bool(messages) != result["valueBoolean"]
    return result["valueBoolean"], matches, "".join(messages)


@pytest.mark.parametrize("release", ["r4", "r4b"])
def test_a_code_becomes_that_of_the_table(client: Client, release: str):
    here = f"/fhir/{release}/ConceptMap"
    match = {"equivalence": "equivalent", "concept": IV, "source": ROUTES}
    for reply in (
        client.get(f"{here}/$translate?system={V2}&code=IV"),
        client.get(f"{here}/$translate?system={V2}&code=IV&targetsystem={SNOMED}&_format=json"),
        client.get(f"{here}/$translate?system={V2}&code=IV&url={ROUTES}&conceptMapVersion={VERSION}"),
        client.get(f"{here}/$translate?system={V2}&code=IV&url={ROUTES}%7C{VERSION}"),
        client.get(f"{here}/v2-routes/$translate?system={V2}&code=IV&target={SNOMED}?fhir_vs"),
        client.post(f"{here}/$translate", parameters(coding={"system": V2, "code": "IV"}), FHIR),
        client.post(f"{here}/$translate?code=IV", parameters(system=V2), FHIR),
        client.post(
            f"{here}/v2-routes/$translate", parameters(codeableConcept={"coding": [{"system": V2, "code": "IV"}]}), FHIR
        ),
    ):
        assert told(reply) == (True, [match], "")


def test_r5_asks_by_its_own_names(client: Client):
    here = "/fhir/r5/ConceptMap/$translate"
    match = {"relationship": "equivalent", "concept": IV, "originMap": ROUTES}
    back = {**match, "concept": {"system": V2, "code": "IV"}}
    assert told(client.get(f"{here}?system={V2}&sourceCode=IV"))[1] == [match]
    assert told(client.post(here, parameters(sourceCoding={"system": V2, "code": "IV"}, targetSystem=SNOMED), FHIR))[
        1
    ] == [match]
    assert told(client.post(here, parameters(targetCoding=IV), FHIR))[1] == [back]
    assert told(client.post(here, parameters(targetCodeableConcept={"coding": [IV]}), FHIR))[1] == [back]
    assert told(client.get(f"{here}?system={SNOMED}&targetCode=47625008&sourceScope={SNOMED}?fhir_vs"))[1] == [back]
    assert client.get(f"{here}?system={V2}&code=IV").status_code == 400
    assert client.get(f"/fhir/r4/ConceptMap/$translate?system={V2}&sourceCode=IV").status_code == 400


def test_read_back_each_code_that_becomes_the_one_asked_about_is_found(client: Client):
    fhir = "http://terminology.hl7.org/CodeSystem/medication-admin-status"
    forward = {}
    for state in ("in-progress", "completed", "on-hold", "not-done", "stopped", "entered-in-error", "unknown"):
        _, (match,), _ = told(client.get(f"{AT}?system={STATUS}&code={state}&targetsystem={fhir}"))
        forward[state] = match["concept"]["code"]
    for code in set(forward.values()):
        _, matches, _ = told(
            client.get(f"{AT}?system={fhir}&code={code}&reverse=true&target={OURS}/ValueSet/administration-status")
        )
        assert {one["concept"]["code"] for one in matches} == {state for state, one in forward.items() if one == code}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (f"system={V2}&code=CANARY", "has this code"),
        ("system=http://nowhere.example&code=IV", "leads from this code system"),
        (f"system={V2}&code=IV&targetsystem=http://nowhere.example", "leads from this code system"),
        (f"system={V2}&code=IV&source=http://nowhere.example", "leads from this code system"),
        (f"system={V2}&code=IV&version=2.9", "version"),
    ],
)
def test_what_no_table_has_is_a_result_false_with_the_reason(client: Client, asked: str, words: str):
    reply = client.get(f"{AT}?{asked}")
    result, matches, message = told(reply)
    assert (result, matches) == (False, [])
    assert words in message
    assert "CANARY" not in reply.text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("", 400),
        ("code=IV", 400),
        (f"system={V2}", 400),
        (f"system={V2}&code=IV&code=IA", 400),
        (f"system={V2}&code=IV&reverse=perhaps", 400),
        (f"system={V2}&code=IV&dependency=x", 400),
        (f"system={V2}&code=IV&url=http://nowhere.example", 404),
        (f"system={V2}&code=IV&conceptMapVersion=9", 404),
    ],
)
def test_what_is_not_asked_rightly_is_refused(client: Client, asked: str, status: int):
    assert client.get(f"{AT}?{asked}").status_code == status


@pytest.mark.parametrize(
    "given",
    [
        {"coding": {"code": "IV"}},
        {"coding": {"system": V2, "code": 7}},
        {"codeableConcept": {"coding": {"system": V2}}},
        {"codeableConcept": {"coding": ["IV"]}},
        {"coding": {"system": V2, "code": "IV"}, "system": V2},
        {"coding": {"system": V2, "code": "IV"}, "code": "IV", "system": V2},
        {"reverse": "true", "coding": {"system": V2, "code": "IV"}},
    ],
)
def test_a_body_that_does_not_name_one_code_is_refused(client: Client, given: Json):
    reply = client.post(AT, parameters(**given), FHIR)
    assert (reply.status_code, bool(issues(reply))) == (400, True)


@each_release
def test_the_code_tables_are_read_and_found_as_concept_maps(client: Client, release: str):
    here = f"/fhir/{release}/ConceptMap"
    found = exact(client.get(f"{here}?_count=100"))["entry"]
    assert len(found) > 10
    for entry in found:
        one = entry["resource"]
        assert exact(client.get(f"{here}/{one['id']}")) == one
        (again,) = exact(client.get(f"{here}?url={one['url']}"))["entry"]
        assert again["resource"] == one
    other = "order-status-r4" if release == "r5" else "order-status-r5"
    assert client.get(f"{here}/{other}").status_code == 404
    assert client.get(f"{here}/{other}/$translate?system=x&code=y&sourceCode=y").status_code in {400, 404}
