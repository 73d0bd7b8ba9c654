"""What clients that are in use send and rely on, in R4 and in R5 alike."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_infusion.store import subscriptions
from fhir_infusion.web.app import create_app
from fhir_infusion.web.routes import ROUTES
from tests.fhir.kit import order
from tests.web.bad_ways import in_release
from tests.web.conftest import FHIR, Client, Json, Make, exact, issues
from tests.web.subscribing import plain, topical

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
pytestmark = on_sqlite
HOME: Final = "http://localhost"
MR: Final = "MedicationRequest"
FORM: Final = "application/x-www-form-urlencoded"
RELEASES: Final = ("r4", "r5")
in_each = pytest.mark.parametrize("release", RELEASES)


def entries(reply: TestResponse) -> list[Json]:
    assert reply.status_code == 200, reply.text
    found: list[Json] = exact(reply).get("entry", [])
    return found


def place(client: Client, release: str, subject: str = "Patient/p", **changes: Any) -> str:
    sent = in_release({**order(), "subject": {"reference": subject}, **changes}, release)
    made = client.post(f"/fhir/{release}/{MR}", sent, FHIR)
    assert made.status_code == 201, made.text
    return str(exact(made)["id"])


def patient(client: Client, release: str, id_: str = "p", **more: Any) -> None:
    sent = {"resourceType": "Patient", "id": id_, **more}
    assert client.put(f"/fhir/{release}/Patient/{id_}", sent, FHIR).status_code == 201


def link(reply: TestResponse, relation: str) -> str:
    return next((one["url"] for one in exact(reply)["link"] if one["relation"] == relation), "")


# ----------------------------------------------------------------------------------------------- our own address in it


@in_each
@pytest.mark.parametrize("spelled", ["{home}/fhir/{release}/Patient/p", "{home}/fhir/r4/Patient/p", "Patient/p"])
def test_an_order_is_found_by_its_patient_however_its_reference_to_us_is_spelled_h6(
    client: Client, release: str, spelled: str
):
    patient(client, release)
    id_ = place(client, release, spelled.format(home=HOME, release=release))
    read = exact(client.get(f"/fhir/{release}/{MR}/{id_}"))
    assert read["subject"]["reference"] == "Patient/p"
    for asked in ("Patient/p", "p", f"{HOME}/fhir/{release}/Patient/p", f"{HOME}/fhir/r4/Patient/p"):
        for name in ("patient", "subject", "subject:Patient"):
            found = entries(client.get(f"/fhir/{release}/{MR}?{name}={asked}"))
            assert [one["resource"]["id"] for one in found] == [id_], (name, asked)


@in_each
def test_a_reference_to_another_server_stays_as_it_is(client: Client, release: str):
    for reference in (f"https://ehr.example/fhir/{release}/Patient/p", f"{HOME}.example/fhir/{release}/Patient/p"):
        id_ = place(client, release, reference)
        assert exact(client.get(f"/fhir/{release}/{MR}/{id_}"))["subject"]["reference"] == reference


@in_each
def test_updates_patches_and_our_own_json_spell_references_to_us_as_they_are_kept(
    client: Client, release: str, order: Json
):
    base = f"/fhir/{release}"
    for name in ("p", "q"):
        patient(client, release, name)
    own = f"{HOME}{base}/Patient/q"
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "weight"}}
    sent = {**observation, "subject": {"reference": own}}
    assert client.put(f"{base}/Observation/o", sent, FHIR).status_code == 201
    assert exact(client.get(f"{base}/Observation/o"))["subject"]["reference"] == "Patient/q"
    patched = [{"op": "replace", "path": "/subject/reference", "value": f"{HOME}{base}/Patient/p"}]
    assert client.patch(f"{base}/Observation/o", patched).status_code == 200
    assert exact(client.get(f"{base}/Observation/o"))["subject"]["reference"] == "Patient/p"
    made = client.post("/api/orders", {**order, "patient": {**order["patient"], "reference": own}})
    assert exact(made)["record"]["patient"]["reference"] == "Patient/q"


@in_each
def test_a_public_address_is_ours_as_well(make_service: Make, release: str):
    service = make_service(public_url="https://hospital.example/infusions")
    client = Client(create_app(service).test_client(use_cookies=False))
    patient(client, release)
    id_ = place(client, release, f"https://hospital.example/infusions/fhir/{release}/Patient/p")
    asked = f"https://hospital.example/infusions/fhir/{release}/Patient/p"
    found = entries(client.get(f"/fhir/{release}/{MR}?patient={asked}"))
    assert [one["resource"]["id"] for one in found] == [id_]


# -------------------------------------------------------------------------------------------------------- transactions


@in_each
@pytest.mark.parametrize("base", ["{home}/fhir/{release}", "https://ehr.example/fhir"])
def test_a_transaction_may_name_its_entries_by_addresses_of_ours_or_of_another_server(
    client: Client, release: str, base: str
):
    there = base.format(home=HOME, release=release)
    ours = f"{HOME}/fhir/{release}"

    def asked(full_url: str, resource: Json, url: str) -> Json:
        return {"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": url}}

    def order_of(reference: str, number: str) -> Json:
        identifier = [{"system": "urn:o", "value": number}]
        return in_release({**order(), "subject": {"reference": reference}, "identifier": identifier}, release)

    sent = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            asked(f"{there}/Patient/tmp", {"resourceType": "Patient", "id": "tmp"}, f"{ours}/Patient"),
            asked(f"{there}/{MR}/1", order_of("Patient/tmp", "1"), MR),
            asked(
                "urn:uuid:7f1c0b0e-4c1b-4a7e-9a58-3c1c2b6f3b11", order_of(f"{there}/Patient/tmp", "2"), f"{ours}/{MR}"
            ),
        ],
    }
    done = client.post(f"/fhir/{release}", sent, FHIR)
    assert [one["response"]["status"] for one in entries(done)] == ["201 Created"] * 3
    made = entries(done)[0]["response"]["location"].partition("/_history")[0]
    assert made != "Patient/tmp"
    assert len(entries(client.get(f"/fhir/{release}/{MR}?patient={made}"))) == 2


@in_each
def test_criteria_within_a_transaction_may_name_our_own_address(client: Client, release: str):
    patient(client, release)
    id_ = place(client, release)
    own = f"{HOME}/fhir/{release}/Patient/p"
    request = {"method": "POST", "url": MR, "ifNoneExist": f"patient={own}&status=active"}
    sent = in_release({**order(), "subject": {"reference": "Patient?_id=p"}}, release)
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": sent, "request": request}]}
    done = entries(client.post(f"/fhir/{release}", bundle, FHIR))
    assert done[0]["response"]["status"] == "200 OK"
    assert done[0]["response"]["location"].startswith(f"{MR}/{id_}/")


# ------------------------------------------------------------------------------------------------------ parts of a read


@in_each
def test_a_read_and_a_vread_give_the_part_that_is_asked_for_and_say_so(client: Client, release: str):
    patient(client, release, gender="other", birthDate="1970-01-01", text={"status": "generated", "div": DIV})
    for path in (f"/fhir/{release}/Patient/p", f"/fhir/{release}/Patient/p/_history/1"):
        whole = exact(client.get(path))
        part = exact(client.get(f"{path}?_elements=gender"))
        assert (part["gender"], "birthDate" in part, "text" in part) == ("other", False, False)
        assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert part["meta"]["versionId"] == "1"
        assert exact(client.get(f"{path}?_summary=text"))["text"] == whole["text"]
        assert "text" not in exact(client.get(f"{path}?_summary=data"))
        assert exact(client.get(f"{path}?_summary=false")) == whole
        for wrong in ("_summary=count", "_summary=some", "_elements=colour", "_summary=true&_elements=gender"):
            refused = client.get(f"{path}?{wrong}")
            assert (refused.status_code, issues(refused)[0]["code"]) == (400, "invalid"), wrong


DIV: Final = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'


@in_each
def test_a_part_of_an_order_is_not_written_back_as_the_whole_h1(client: Client, release: str):
    patient(client, release)
    path = f"/fhir/{release}/{MR}/{place(client, release)}"
    part = exact(client.get(f"{path}?_elements=status,intent,subject"))
    assert "dosageInstruction" not in part
    refused = client.put(path, part, FHIR, if_match='W/"1"')
    assert (refused.status_code, issues(refused)[0]["path"]) == (422, "meta.tag")
    elsewhere = path.replace(f"/{release}/", "/r4/" if release == "r5" else "/r5/")
    part = exact(client.get(f"{elsewhere}?_elements=status,intent,subject"))
    if "SUBSETTED" not in client.get(elsewhere).text:
        assert client.put(elsewhere, part, FHIR, if_match='W/"1"').status_code == 422
    assert exact(client.get(path))["meta"]["versionId"] == "1"


# ---------------------------------------------------------------------------------------------------------------- pages


@in_each
@pytest.mark.parametrize(
    "path", [MR, "_history", f"{MR}/_history", "Patient/p/$everything", "Subscription?", "StructureDefinition"]
)
def test_what_shapes_the_answer_goes_on_in_the_next_link(client: Client, release: str, path: str):
    patient(client, release)
    for _ in range(2):
        place(client, release)
        made = client.post(f"/fhir/{release}/Subscription", subscription(release), FHIR)
        assert made.status_code == 201, made.text
    asked = f"/fhir/{release}/{path.rstrip('?')}?_count=1&_format=application/json&_pretty=true"
    first = client.get(asked)
    following = link(first, "next")
    assert dict(parse_qsl(urlsplit(following).query)).items() >= {
        ("_format", "application/json"),
        ("_pretty", "true"),
        ("_count", "1"),
    }
    again = client.get(following.removeprefix(HOME))
    assert again.status_code == 200
    assert again.data.startswith(b'{\n  "resourceType"')
    assert exact(again)["entry"] != exact(first)["entry"]


def subscription(release: str) -> Json:
    return topical("http://127.0.0.1:9/h") if release == "r5" else plain("http://127.0.0.1:9/h")


@in_each
def test_a_second_sort_sorts_what_is_equal_in_the_first(client: Client, release: str):
    patient(client, release)
    made = [place(client, release, status=status) for status in ("active", "on-hold", "active")]
    one = entries(client.get(f"/fhir/{release}/{MR}?_sort=status,-_id"))
    two = entries(client.get(f"/fhir/{release}/{MR}?_sort=status&_sort=-_id"))
    ids = [found["resource"]["id"] for found in two]
    assert ids == [found["resource"]["id"] for found in one]
    assert ids == [*sorted((made[0], made[2]), reverse=True), made[1]]
    page = client.get(f"/fhir/{release}/{MR}?_sort=status&_sort=-_id&_count=2")
    rest = client.get(link(page, "next").removeprefix(HOME))
    assert [found["resource"]["id"] for found in (*entries(page), *entries(rest))] == ids
    too_many = client.get(f"/fhir/{release}/{MR}?" + "&".join(["_sort=status"] * 5))
    assert (too_many.status_code, issues(too_many)[0]["code"]) == (400, "invalid")
    assert client.get(f"/fhir/{release}/{MR}?_sort=status&_sort=colour").status_code == 400


# -------------------------------------------------------------------------------------------------------------- moments


@in_each
@pytest.mark.parametrize(
    "asked",
    [
        "Patient/p/_history?_since=",
        "_history?_at=",
        "Patient/p/$everything?_since=",
        "Patient?_lastUpdated=ge",
        "MedicationRequest?authoredon=ge",
    ],
)
def test_the_plus_of_an_offset_need_not_be_escaped(client: Client, release: str, asked: str):
    patient(client, release)
    for moment in ("2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00.5+02:00"):
        plain = client.get(f"/fhir/{release}/{asked}{moment}")
        escaped = client.get(f"/fhir/{release}/{asked}{moment.replace('+', '%2B')}")
        assert plain.status_code == escaped.status_code == 200, plain.text
        assert link(plain, "self") == link(escaped, "self")
    for wrong in ("2020-01-01T00:00:00 2:00", "2020-01-01 02:00"):
        assert client.get(f"/fhir/{release}/{asked}{wrong}").status_code == 400


# ----------------------------------------------------------------------------------------------------------- operations


@in_each
def test_everything_may_be_asked_for_by_post(client: Client, release: str):
    patient(client, release)
    place(client, release)
    path = f"/fhir/{release}/Patient/p/$everything"
    got = client.get(f"{path}?_type={MR}&_count=10")
    inputs = [{"name": "_type", "valueString": MR}, {"name": "_count", "valueInteger": 10}]
    posted = client.post(path, {"resourceType": "Parameters", "parameter": inputs}, FHIR)
    assert exact(posted) == exact(got)
    assert len(entries(posted)) == 1
    assert exact(client.flask.post(path)) == exact(client.get(path))
    first = client.post(
        path, {"resourceType": "Parameters", "parameter": [{"name": "_count", "valueInteger": 1}]}, FHIR
    )
    assert len(entries(client.get(link(first, "next").removeprefix(HOME)))) >= 1
    unknown = client.post(path, {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "y"}]}, FHIR)
    assert (unknown.status_code, issues(unknown)[0]["code"]) == (400, "not-supported")


# --------------------------------------------------------------------------------------------- an update that creates only


@in_each
def test_an_update_with_if_none_match_creates_and_overwrites_nothing_h17(client: Client, release: str):
    path = f"/fhir/{release}/Patient/p"
    sent = {"resourceType": "Patient", "id": "p", "gender": "other"}
    assert client.put(path, sent, FHIR, if_none_match="*").status_code == 201
    other = {**sent, "gender": "female"}
    for address in (path, f"/fhir/{release}/Patient?_id=p"):
        refused = client.put(address, other, FHIR, if_none_match="*")
        assert (refused.status_code, issues(refused)[0]["code"]) == (412, "conflict")
    request = {"method": "PUT", "url": "Patient/p", "ifNoneMatch": "*"}
    for kind in ("batch", "transaction"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [{"resource": other, "request": request}]}
        reply = client.post(f"/fhir/{release}", bundle, FHIR)
        status = exact(reply)["entry"][0]["response"]["status"] if kind == "batch" else str(reply.status_code)
        assert status.startswith("412")
    assert exact(client.get(path))["gender"] == "other"
    assert client.delete(path).status_code == 204
    assert client.put(path, other, FHIR, if_none_match="*").status_code == 201
    wrong = client.put(path, sent, FHIR, if_none_match='W/"1"')
    assert (wrong.status_code, issues(wrong)[0]["path"]) == (400, "http.If-None-Match")


@in_each
def test_an_order_that_is_there_is_412_to_an_update_that_only_creates(client: Client, release: str):
    patient(client, release)
    path = f"/fhir/{release}/{MR}/{place(client, release)}"
    refused = client.put(path, exact(client.get(path)), FHIR, if_none_match="*")
    assert refused.status_code == 412


# --------------------------------------------------------------------------------------------------------- subscriptions


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_a_subscription_that_names_a_patient_by_our_own_address_is_told_of_its_orders_h6(
    client: Client, service: Service, release: str
):
    for name in ("p", "q"):
        patient(client, release, name)
    own = f"{HOME}/fhir/{release}/Patient/p"
    by = {"resourceType": MR, "filterParameter": "patient", "value": own}
    asked = topical(HOOK, filterBy=[by]) if release == "r5" else plain(HOOK, f"{MR}?patient={own}")
    made = client.post(f"/fhir/{release}/Subscription", asked, FHIR)
    assert made.status_code == 201, made.text
    id_ = exact(made)["id"]

    def contacted(tx: Tx) -> None:
        found = subscriptions.find(tx, id_)
        assert found is not None
        subscriptions.change(tx, replace(found, status="active", is_open=1, contacted=1))

    service.store.transact("default", contacted)
    order_of_p = place(client, release, own)
    place(client, release, "Patient/q")
    (told,) = service.store.read("default", lambda tx: subscriptions.events(tx, id_, 1, 9, 9))
    assert (told.number, told.id) == (1, order_of_p)


HOOK: Final = "http://127.0.0.1:9/hook"


# ----------------------------------------------------------------------------------------- references that find something


@in_each
def test_a_conditional_reference_is_looked_up_in_a_transaction_and_kept_and_told_elsewhere_h6(
    client: Client, release: str
):
    """It is never a reason to refuse an order, though no search by the patient finds one that was not looked up."""
    base = f"/fhir/{release}"
    patient(client, release, identifier=[{"system": "urn:mrn", "value": "7"}])
    for number, spelled in enumerate(("Patient?identifier=urn:mrn|7", f"{HOME}{base}/Patient?identifier=urn:mrn|7")):
        identifier = [{"system": "urn:o", "value": str(number)}]
        sent = in_release({**order(), "subject": {"reference": spelled}, "identifier": identifier}, release)
        kept = client.post(f"{base}/{MR}", sent, FHIR, prefer="return=OperationOutcome")
        assert kept.status_code == 201
        assert [f"{MR}.subject.reference"] in [one["expression"] for one in exact(kept)["issue"]]
        sent = {**sent, "identifier": [{"system": "urn:o", "value": f"{number} in a transaction"}]}
        entry = {"resource": sent, "request": {"method": "POST", "url": MR}}
        done = client.post(base, {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, FHIR)
        assert entries(done)[0]["response"]["status"] == "201 Created"
    assert len(entries(client.get(f"{base}/{MR}?patient=p"))) == 2


@in_each
def test_entries_of_a_batch_do_not_refer_to_each_other(client: Client, release: str):
    urn = "urn:uuid:7f1c0b0e-4c1b-4a7e-9a58-3c1c2b6f3b11"
    sent = in_release({**order(), "subject": {"reference": urn}}, release)
    asked = [
        {"fullUrl": urn, "resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}},
        {"resource": sent, "request": {"method": "POST", "url": MR}},
    ]
    reply = client.post(f"/fhir/{release}", {"resourceType": "Bundle", "type": "batch", "entry": asked}, FHIR)
    made, refused = (one["response"] for one in entries(reply))
    assert (made["status"], refused["status"][:3]) == ("201 Created", "422")
    assert "transaction" in refused["outcome"]["issue"][0]["diagnostics"]
    assert entries(client.get(f"/fhir/{release}/{MR}")) == []


@in_each
def test_everything_names_what_is_wrong_in_what_it_was_asked(client: Client, release: str):
    patient(client, release)
    path = f"/fhir/{release}/Patient/p/$everything"
    for wrong, place_ in (("_type=Appointment", "http._type"), ("_since=yesterday", "http._since")):
        refused = client.get(f"{path}?{wrong}")
        assert (refused.status_code, issues(refused)[0]["path"]) == (400, place_)


# ------------------------------------------------------------------------------------------ a slash, a form, a format


def test_every_address_of_fhir_may_end_with_a_slash_and_is_not_sent_elsewhere(service: Service):
    adapter = create_app(service).url_map.bind("localhost")
    values = {"release": "r4", "version": "1", "name": "Patient.ndjson"}
    routes = [one for one in ROUTES if one.rule.startswith("/fhir")]
    assert len(routes) > 40
    for one in routes:
        path = re.sub("<([a-z_]+)>", lambda found: values.get(found[1], "x"), one.rule)
        assert adapter.match(f"{path}/", method=one.method) == adapter.match(path, method=one.method)


@in_each
def test_a_slash_behind_an_address_changes_nothing_of_what_is_done(client: Client, release: str):
    base = f"/fhir/{release}"
    made = client.post(f"{base}/{MR}/", in_release(order(), release), FHIR)
    assert made.status_code == 201
    path = f"{base}/{MR}/{exact(made)['id']}"
    assert client.get(f"{path}/").data == client.get(path).data
    assert client.get(f"{path}/_history/1/").data == client.get(path).data
    stopped = {**exact(made), "status": "stopped"}
    assert client.put(f"{path}/", stopped, FHIR, if_match='W/"1"').status_code == 200
    assert exact(client.get(path))["status"] == "stopped"
    assert link(client.get(f"{base}/{MR}/?status=stopped"), "self") == f"{HOME}{base}/{MR}?status=stopped&_count=50"
    assert len(entries(client.post(f"{base}/{MR}/_search/", "status=stopped", FORM))) == 1
    assert exact(client.get(f"{base}/metadata/"))["resourceType"] == "CapabilityStatement"
    asked = [{"request": {"method": "GET", "url": url}} for url in (f"{MR}/", f"{MR}/?status=stopped")]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": asked}
    (of_all, of_some) = entries(client.post(f"{base}/", batch, FHIR))
    assert (of_all["resource"]["entry"], of_some["resource"]["entry"]) == (
        entries(client.get(f"{base}/{MR}")),
        entries(client.get(f"{base}/{MR}?status=stopped")),
    )
    assert client.delete(f"{path}/", if_match='W/"2"').status_code == 204


@in_each
@pytest.mark.parametrize(
    "asked",
    ["_elements=status", "_summary=count", "_summary=true", "_count=1", "_format=json&_pretty=true", "_total=accurate"],
)
def test_what_shapes_an_answer_counts_in_the_body_of_a_search_as_in_its_address(
    client: Client, release: str, asked: str
):
    for _ in range(2):
        place(client, release)
    path = f"/fhir/{release}/{MR}"
    in_address, in_body = client.get(f"{path}?{asked}"), client.post(f"{path}/_search", asked, FORM)
    assert in_address.status_code == 200
    assert (in_body.status_code, in_body.text) == (200, in_address.text)


@in_each
@pytest.mark.parametrize("searched", [MR, "Subscription", "StructureDefinition"])
def test_a_format_in_the_body_of_a_search_is_refused_and_wins_over_accept_as_in_its_address(
    client: Client, release: str, searched: str
):
    path = f"/fhir/{release}/{searched}/_search"
    for asked in ("_format=xml", "_format=application/fhir%2Bxml", "_format=json%3BfhirVersion%3D1.0"):
        assert client.post(path, asked, FORM).status_code == 406
    assert client.post(path, "_count=1", FORM, accept="application/fhir+xml").status_code == 406
    assert client.post(path, "_format=json", FORM, accept="application/fhir+xml").status_code == 200


@in_each
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_of_an_answer_says_to_the_millisecond_when_its_version_was_made(
    client: Client, release: str, kind: str
):
    """Bundle.entry.response.lastModified is meta.lastUpdated; the header that it stands for has no fraction."""
    asked = [
        {"resource": {"resourceType": "Patient", "id": "a"}, "request": {"method": "PUT", "url": "Patient/a"}},
        {"resource": in_release(order(), release), "request": {"method": "POST", "url": MR}},
    ]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": asked}
    answered = entries(client.post(f"/fhir/{release}", bundle, FHIR, prefer="return=representation"))
    told = [one["response"]["lastModified"] for one in answered]
    assert told == [one["resource"]["meta"]["lastUpdated"] for one in answered]
    if (
        kind == "transaction"
    ):  # of two in one transaction the update is later by a millisecond, as it is done after the create
        assert told[0].endswith(".001Z")
