"""``/api/administrations/{id}/amounts``: what was given of each ingredient."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.web.conftest import Client, Json, exact

MIXTURE: Json = {
    "record": "Administration",
    "administration_id": "mixture-1",
    "status": "completed",
    "patient": {"reference": "Patient/1"},
    "when": {"at": "2026-03-01T08:00:00Z"},
    "drug": {"text": "potassium in glucose"},
    "dose_given": {"value": 125, "unit": "mL"},
    "preparation": {
        "ingredients": [
            {
                "drug": {"text": "potassium acetate"},
                "strength": {"numerator": {"value": 40, "unit": "meq"}, "denominator": {"value": 250, "unit": "mL"}},
            },
            {"drug": {"text": "glucose"}},
        ]
    },
}


@pytest.fixture
def stored(client: Client) -> Json:
    reply = client.post("/api/administrations", MIXTURE)
    assert reply.status_code == 201
    body: Json = exact(reply)
    return body


def test_what_was_given_of_each_ingredient_is_told_with_the_sum_and_what_is_not_known_with_the_reason(
    client: Client, stored: Json
):
    reply = client.get(f"/api/administrations/{stored['id']}/amounts")
    assert reply.status_code == 200
    assert exact(reply) == {
        "id": stored["id"],
        "version": "1",
        "amounts": [
            {
                "path": "preparation.ingredients[0]",
                "drug": "potassium acetate",
                "amount": {"value": 20, "unit": "meq"},
                "exact": True,
                "how": "40 meq per 250 mL x 125 mL = 20 meq",
            }
        ],
        "not_computed": [
            {
                "path": "preparation.ingredients[1]",
                "drug": "glucose",
                "reason": "no strength per volume is stated",
            }
        ],
    }
    document = json.loads(client.get("/openapi.json").data)
    described = {**document["components"]["schemas"]["Amounts"], "components": document["components"]}
    jsonschema.validate(json.loads(reply.data), described)


def test_the_amounts_are_no_part_of_the_record(client: Client, stored: Json):
    client.get(f"/api/administrations/{stored['id']}/amounts")
    assert exact(client.get(f"/api/administrations/{stored['id']}"))["record"] == stored["record"]


def test_the_amounts_of_what_is_not_there_are_404(client: Client):
    assert client.get("/api/administrations/none/amounts").status_code == 404


def test_the_amounts_are_those_of_the_version_of_now(client: Client, stored: Json):
    changed = {**stored["record"], "dose_given": {"value": 250, "unit": "mL"}}
    address = f"/api/administrations/{stored['id']}"
    assert client.put(address, changed, if_match='W/"1"').status_code == 200
    body = exact(client.get(f"{address}/amounts"))
    assert (body["version"], [one["amount"]["value"] for one in body["amounts"]]) == ("2", [40])
