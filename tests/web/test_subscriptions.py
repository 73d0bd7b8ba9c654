"""Subscriptions over HTTP: what is taken, what is refused, and what is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_infusion.actions import endpoints
from fhir_infusion.config import Settings
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.topics import BASE, TOPICS
from fhir_infusion.fhir.validate import validate
from fhir_infusion.store import subscriptions
from fhir_infusion.sync.hook import Hook
from fhir_infusion.sync.replies import Answer, Unsent
from fhir_infusion.web.app import create_app
from fhir_infusion.web.tokens import add_token
from tests.receiver import Receiver
from tests.web.conftest import FHIR, Client, Make, exact, issues
from tests.web.subscribing import backported, plain, topical

Json = dict[str, Any]
OPEN = "http://127.0.0.1:9/hook"
R4, R5 = "/fhir/r4/Subscription", "/fhir/r5/Subscription"
GUARDED = Settings(tokens=Path("tokens.toml"))
NAMES = {
    "public.example": ["93.184.215.14"],
    "rebound.example": ["127.0.0.1"],
    "half.example": ["93.184.215.14", "10.0.0.7"],
    "inside.example": ["10.0.0.7"],
    "sixth.example": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names lead where this says; an address leads to itself."""
    found = dict(NAMES)

    def resolved(host: str, _: int) -> list[str]:
        if host.strip("[]").replace(".", "").isdigit() or ":" in host:
            return [host.strip("[]")]
        if host not in found:
            raise OSError("no such name")
        return found[host]

    monkeypatch.setattr(endpoints, "resolved", resolved)
    return found


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/hook",
        "https://127.1.2.3:8443/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://[64:ff9b::a00:1]/hook",
        "https://[2002:7f00:1::]/hook",
        "https://[fe80::1]/hook",
        "https://[fd00::1]/hook",
        "https://10.1.2.3/hook",
        "https://172.16.0.1/hook",
        "https://192.168.1.1/hook",
        "https://100.64.0.1/hook",
        "https://0.0.0.0/hook",
        "https://224.0.0.1/hook",
        "https://255.255.255.255/hook",
        "https://rebound.example/hook",
        "https://half.example/hook",
        "https://inside.example/hook",
        "https://nowhere.example/hook",
        "http://public.example/hook",
        "http://127.0.0.1:8080/hook",
        "https://user:password@public.example/hook",
        "https://user@public.example/hook",
        "https://public.example/hook#part",
        "https://public.example/a hook",
        "https://public.example\\@inside.example/hook",
        "https://public.example:0/hook",
        "https://public.example:99999/hook",
        "https:///hook",
        "ftp://public.example/hook",
        "file:///etc/passwd",
        "//public.example/hook",
        "",
    ],
)
@pytest.mark.usefixtures("names")
def test_nothing_is_sent_to_where_only_we_should_reach(url: str):
    with pytest.raises(Refused) as refused:
        endpoints.check(GUARDED, url, "Subscription.endpoint")
    (issue,) = refused.value.issues
    assert (issue.status, issue.rule) == (422, "subscription-endpoint")
    assert not url or url not in str(refused.value) + issue.accepted


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", ".example"])
def test_a_host_that_can_be_no_name_is_refused_as_one_that_leads_nowhere(host: str):
    with pytest.raises(Refused) as refused:
        endpoints.check(GUARDED, f"https://{host}/hook", "Subscription.endpoint")
    assert refused.value.issues[0].status == 422


@pytest.mark.parametrize("url", ["https://public.example/hook?a=b", "https://sixth.example:8443/", "https://8.8.8.8/x"])
@pytest.mark.usefixtures("names")
def test_an_address_of_the_public_network_is_taken(url: str):
    endpoints.check(GUARDED, url, "Subscription.endpoint")


@pytest.mark.usefixtures("names")
def test_a_host_inside_is_taken_where_the_settings_name_it():
    named = replace(GUARDED, subscription_hosts=("Inside.example", "10.9.9.9"))
    for url in ("https://inside.example/hook", "https://10.9.9.9/hook"):
        endpoints.check(named, url, "Subscription.endpoint")
    for url in ("http://inside.example/hook", "https://half.example/hook", "https://10.9.9.8/hook"):
        with pytest.raises(Refused):
            endpoints.check(named, url, "Subscription.endpoint")


@pytest.mark.usefixtures("names")
def test_on_loopback_without_tokens_only_loopback_is_taken_besides():
    endpoints.check(Settings(), "http://127.0.0.1:9000/hook", "")
    for url in (
        "https://rebound.example/hook",
        "http://10.0.0.1/hook",
        "http://[::ffff:10.0.0.1]/",
        "http://inside.example",
    ):
        with pytest.raises(Refused):
            endpoints.check(Settings(), url, "")


def test_a_name_is_judged_again_at_each_connection_and_that_address_is_connected_to(names: dict[str, list[str]]):
    with Receiver() as there:
        port = int(there.url.rpartition(":")[2].partition("/")[0])
        hook = Hook(GUARDED)
        for host in ("rebound.example", "half.example", "inside.example", "nowhere.example"):
            assert isinstance(hook.send("POST", f"http://{host}:{port}/hook", {}, b"", 2.0), Unsent)
        hook.close()
        assert there.arrived == []
        # The same connection reaches the receiver where that is allowed: it is the judgement that kept it from it.
        names["localhost"] = ["127.0.0.1"]
        opened = Hook(Settings())
        answer = opened.send("POST", f"http://localhost:{port}/hook", {}, b"", 2.0)
        opened.close()
        assert isinstance(answer, Answer)
        assert [one.headers["host"] for one in there.arrived] == [f"localhost:{port}"]


def test_an_endpoint_is_refused_at_creation_where_tokens_are_asked_for(make_service: Make, tmp_path: Path):
    path = tmp_path / "tokens.toml"
    _, secret = add_token(path, "reader", "default", "2026-01-01")
    service = make_service(tokens=path)
    client = Client(create_app(service).test_client(use_cookies=False))
    reply = client.post(R5, topical("https://169.254.169.254/latest"), FHIR, authorization=f"Bearer {secret}")
    assert (reply.status_code, issues(reply)[0]["path"]) == (422, "Subscription.endpoint")
    assert b"169.254" not in reply.data


@pytest.mark.parametrize(
    ("release", "body", "path"),
    [
        ("r4", {**plain(OPEN), "channel": {"type": "websocket"}}, "Subscription.channel.type"),
        ("r4", {**plain(OPEN), "channel": {"type": "email", "endpoint": "mailto:a@b"}}, "Subscription.channel.type"),
        ("r4", plain(OPEN, payload="application/xml"), "Subscription.channel.payload"),
        ("r4", plain(OPEN, "Patient?active=true"), "Subscription.criteria"),
        ("r4", plain(OPEN, "MedicationRequest?"), "Subscription.criteria"),
        ("r4", plain(OPEN, "MedicationRequest?_count=3"), "Subscription.criteria"),
        ("r4", plain(OPEN, "https://example.org/topic", payload=FHIR), "Subscription.channel.payload"),
        ("r4", backported(OPEN, "no-such-topic"), "Subscription.criteria"),
        ("r4", backported(OPEN, "order-changed", "some"), "Subscription.channel.payload"),
        ("r4", backported(OPEN, "order-changed", "empty", "MedicationRequest?priority=stat"), "Subscription.criteria"),
        ("r4", backported(OPEN, "order-changed", "empty", "Patient?status=x"), "Subscription.criteria"),
        ("r4", plain(OPEN, header=["Host: elsewhere"]), "Subscription.channel.header"),
        ("r4", plain(OPEN, header=["no header"]), "Subscription.channel.header"),
        ("r4", {**plain(OPEN), "status": "active"}, "Subscription.status"),
        ("r5", {**topical(OPEN), "channelType": {"code": "email"}}, "Subscription.channelType"),
        ("r5", topical(OPEN, "no-such-topic"), "Subscription.topic"),
        ("r5", topical(OPEN, heartbeatPeriod=1), "Subscription.heartbeatPeriod"),
        ("r5", topical(OPEN, filterBy=[{"filterParameter": "code", "value": "x"}]), "Subscription.filterBy"),
        (
            "r5",
            topical(OPEN, filterBy=[{"filterParameter": "status", "value": "x", "modifier": "not"}]),
            "Subscription.filterBy[0]",
        ),
        ("r5", topical("https://user:secret@example.org/x"), "Subscription.endpoint"),
        ("r5", {**topical(OPEN), "contentType": "application/fhir+xml"}, "Subscription.contentType"),
    ],
)
def test_what_is_not_offered_is_refused_with_its_place(client: Client, release: str, body: Json, path: str):
    reply = client.post(f"/fhir/{release}/Subscription", body, FHIR)
    assert (reply.status_code, issues(reply)[0]["path"]) == (422, path)


@pytest.mark.parametrize("query", ["no-such=x", "patient=a%7Cb", "status:not-in=x"])
def test_criteria_that_cannot_be_searched_by_are_refused_as_in_a_search(client: Client, query: str):
    assert client.post(R4, plain(OPEN, f"MedicationRequest?{query}"), FHIR).status_code == 400


def test_headers_are_never_shown_and_what_is_read_can_be_sent_back(client: Client, caplog: pytest.LogCaptureFixture):
    reply = client.post(R4, plain(OPEN, header=["Authorization: Bearer secret-token", "X-Site: north"]), FHIR)
    assert reply.status_code == 201
    body = exact(reply)
    assert body["channel"]["header"] == ["Authorization: ********", "X-Site: ********"]
    address = f"{R4}/{body['id']}"
    changed = exact(client.put(address, {**body, "reason": "another"}, FHIR, if_match=reply.headers["ETag"]))
    assert (changed["reason"], changed["meta"]["versionId"]) == ("another", "2")
    service = client.flask.application.extensions["fhir-infusion"].service
    kept = service.store.read("default", lambda tx: subscriptions.find(tx, body["id"]))
    assert kept.secret == '["Authorization: Bearer secret-token", "X-Site: north"]'
    shown = [client.get(address), client.get(R4), client.get(f"{address}/$status"), client.get(f"{address}/$events")]
    assert not any(b"secret-token" in one.data for one in shown)
    assert "secret-token" not in caplog.text
    alien = {**body, "channel": {**body["channel"], "header": ["X-Other: ********"]}}
    assert client.put(address, alien, FHIR).status_code == 422


def test_the_parameters_of_r5_are_headers(client: Client):
    body = exact(client.post(R5, topical(OPEN, parameter=[{"name": "Authorization", "value": "Bearer s3"}]), FHIR))
    assert body["parameter"] == [{"name": "Authorization", "value": "********"}]


def test_a_subscription_is_read_found_changed_and_deleted(client: Client):
    one = exact(client.post(R4, plain(OPEN), FHIR))
    two = exact(client.post(R4, backported(OPEN), FHIR))
    assert (one["status"], two["status"]) == ("active", "requested")
    address = f"{R4}/{one['id']}"
    assert exact(client.get(address)) == one
    assert client.get(address, if_none_match='W/"1"').status_code == 304

    def found(query: str) -> list[str]:
        return [entry["resource"]["id"] for entry in exact(client.get(f"{R4}?{query}")).get("entry", [])]

    assert found("status=requested") == [two["id"]]
    assert found(f"criteria={BASE}/order-changed") == [two["id"]]
    assert found("criteria=MedicationRequest?status%3Dactive") == [one["id"]]
    assert sorted(found("status=requested,active&type=rest-hook")) == sorted([one["id"], two["id"]])
    assert client.get(f"{R4}?no-such=x").status_code == 400
    assert validate(fhir_json.read(client.get(R4).data), "R4") == ()
    assert client.put(address, {**one, "status": "off"}, FHIR, if_match='W/"7"').status_code == 412
    assert exact(client.put(address, {**one, "status": "off"}, FHIR))["status"] == "off"
    assert client.put(f"{R4}/none", {**one, "id": "none"}, FHIR).status_code == 404
    assert [client.delete(address).status_code for _ in range(2)] == [204, 204]
    assert client.get(address).status_code == 404
    assert [client.get(f"/fhir/r5/Subscription/{two['id']}").status_code] == [404]


@pytest.mark.parametrize(("path", "make"), [(R4, plain), (R5, topical)])
def test_a_condition_upon_a_subscription_holds_or_is_refused(client: Client, path: str, make: Any):
    one = exact(client.post(path, make(OPEN), FHIR))
    address = f"{path}/{one['id']}"
    assert client.delete(address, if_match='W/"7"').status_code == 412
    for refused in (
        client.post(f"{path}?url={OPEN}", make(OPEN), FHIR),
        client.post(path, make(OPEN), FHIR, if_match='W/"1"'),
        client.post(path, make(OPEN), FHIR, if_none_match="*"),
        client.put(address, one, FHIR, if_none_match="*"),
        client.put(address, one, FHIR, if_none_exist=f"url={OPEN}"),
        client.put(f"{address}?url={OPEN}", one, FHIR),
        client.delete(address, if_none_match="*"),
        client.delete(f"{address}?url={OPEN}"),
    ):
        assert refused.status_code == 400, refused.text
    assert exact(client.get(address)) == one
    assert exact(client.get(path))["total"] == 1
    assert client.delete(address, if_match='W/"1"').status_code == 204


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_subscriptions_are_searched_by_post_and_page_by_page(client: Client, release: str):
    address = f"/fhir/{release}/Subscription"
    body = topical(OPEN) if release == "r5" else plain(OPEN)
    made = sorted(exact(client.post(address, body, FHIR))["id"] for _ in range(5))
    form = "application/x-www-form-urlencoded"
    next_, found = f"{address}?type=rest-hook&_count=2", []
    while next_:
        page = exact(client.get(next_))
        assert (page["total"], len(page["entry"]) <= 2) == (5, True)
        found += [entry["resource"]["id"] for entry in page["entry"]]
        next_ = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")
    assert found == made
    posted = exact(client.post(f"{address}/_search", f"_id={made[0]},{made[3]}&type=rest-hook", form))
    assert [entry["resource"]["id"] for entry in posted["entry"]] == [made[0], made[3]]
    assert exact(client.get(f"{address}?_count=0")).get("entry", []) == []
    assert client.post(f"{address}/_search", {"resourceType": "Parameters"}, FHIR).status_code == 415
    assert client.get(f"{address}?_page=x").status_code == 400
    assert client.get(f"{address}?no-such=x", prefer="handling=lenient").status_code == 200


def test_subscriptions_of_another_tenant_are_not_there(make_service: Make, tmp_path: Path):
    path = tmp_path / "tokens.toml"
    mine, theirs = (f"Bearer {add_token(path, name, name, '2026-01-01')[1]}" for name in ("one", "two"))
    service = make_service(tokens=path, subscription_hosts=("10.0.0.7",))
    client = Client(create_app(service).test_client(use_cookies=False))
    reply = client.post(R5, topical("https://10.0.0.7/hook"), FHIR, authorization=mine)
    address = f"{R5}/{exact(reply)['id']}"
    assert client.get(address, authorization=mine).status_code == 200
    for path_ in (address, f"{address}/$status", f"{address}/$events"):
        assert client.get(path_, authorization=theirs).status_code == 404
    assert exact(client.get(R5, authorization=theirs))["total"] == 0
    client.delete(address, authorization=theirs)
    assert client.get(address, authorization=mine).status_code == 200


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_status_and_events_are_answered_in_each_release(client: Client, resource: Json, release: str):
    address = f"/fhir/{release}/Subscription"
    body = topical(OPEN) if release == "r5" else plain(OPEN, payload=FHIR)
    made = exact(client.post(address, body, FHIR))
    client.post("/fhir/r4/MedicationRequest", resource, FHIR)
    fhir = release.upper()
    for path in (f"{made['id']}/$status", "$status", f"$status?status={made['status']}", f"$status?id={made['id']}"):
        reply = client.get(f"{address}/{path}")
        assert (reply.status_code, exact(reply)["total"]) == (200, 1)
        assert validate(fhir_json.read(reply.data), fhir) == ()
    assert exact(client.get(f"{address}/$status?status=off"))["total"] == 0
    reply = client.get(f"{address}/{made['id']}/$events?content=full-resource")
    assert validate(fhir_json.read(reply.data), fhir) == ()
    # R5: the endpoint took no handshake yet, so nothing was counted.
    assert len(exact(reply)["entry"]) == (1 if release == "r5" else 2)
    assert client.get(f"{address}/{made['id']}/$events?content=all").status_code == 400
    assert client.get(f"{address}/{made['id']}/$events?eventsSinceNumber=x").status_code == 400
    asked = {"resourceType": "Parameters", "parameter": [{"name": "eventsSinceNumber", "valueString": "2"}]}
    reply = client.post(f"{address}/{made['id']}/$events", asked, FHIR)
    assert len(exact(reply)["entry"]) == 1


def test_a_transaction_subscribes_to_nothing(client: Client):
    entry = {"resource": topical(OPEN), "request": {"method": "POST", "url": "Subscription"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert client.post("/fhir/r5", bundle, FHIR).status_code == 422
    reply = exact(client.post("/fhir/r5", {**bundle, "type": "batch"}, FHIR))
    assert reply["entry"][0]["response"]["status"] == "201 Created"


def test_what_is_undone_makes_no_event(client: Client, resource: Json):
    made = exact(client.post(R4, plain(OPEN, "MedicationRequest"), FHIR))
    good = {"resource": resource, "request": {"method": "POST", "url": "MedicationRequest"}}
    bad = {"resource": {"resourceType": "Patient", "gender": "x"}, "request": {"method": "POST", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}
    assert client.post("/fhir/r4", bundle, FHIR).status_code == 400
    client.post("/fhir/r4/MedicationRequest/$validate?mode=create", resource, FHIR)
    assert (
        exact(client.get(f"{R4}/{made['id']}/$status"))["entry"][0]["resource"]["parameter"][-1]["valueString"] == "0"
    )
    assert client.post("/fhir/r4", {**bundle, "entry": [good]}, FHIR).status_code == 200
    assert (
        exact(client.get(f"{R4}/{made['id']}/$status"))["entry"][0]["resource"]["parameter"][-1]["valueString"] == "1"
    )


@pytest.mark.parametrize(
    ("release", "name"), [("r4", "Basic"), ("r4b", "SubscriptionTopic"), ("r5", "SubscriptionTopic")]
)
def test_the_topics_are_read_in_each_release(client: Client, release: str, name: str):
    bundle = exact(client.get(f"/fhir/{release}/{name}"))
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == sorted(one.id for one in TOPICS)
    for entry in bundle["entry"]:
        reply = client.get(f"/fhir/{release}/{name}/{entry['resource']['id']}")
        assert exact(reply) == entry["resource"]
        # Of a Basic the status is a modifier, as HL7 has it; we take none.
        rules = {issue.rule for issue in validate(fhir_json.read(reply.data), release.upper())}
        assert rules <= ({"modifier-extension"} if name == "Basic" else set())
    query = f"url={BASE}/order-stopped" if name != "Basic" else "code=http://hl7.org/fhir/fhir-types%7COther"
    assert exact(client.get(f"/fhir/{release}/{name}?{query}"))["total"] == (1 if name != "Basic" else 0)
    assert client.get(f"/fhir/{release}/{name}/none").status_code == 404
    other = "SubscriptionTopic" if name == "Basic" else "Basic"
    assert client.get(f"/fhir/{release}/{other}").status_code == 404


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_the_capability_statement_names_subscriptions_and_topics(client: Client, release: str):
    reply = client.get(f"/fhir/{release}/metadata")
    # The required binding of `format` is to mime types, which no list holds.
    found = validate(fhir_json.read(reply.data), release.upper())
    assert {issue.path for issue in found} <= {"CapabilityStatement.format[0]"}
    types = {one["type"]: one for one in exact(reply)["rest"][0]["resource"]}
    assert [one["code"] for one in types["Subscription"]["interaction"]] == [
        *("read", "create", "update", "delete", "search-type"),
    ]
    assert ("Basic" if release == "r4" else "SubscriptionTopic") in types


@pytest.mark.parametrize(("path", "make"), [(R4, plain), (R5, topical)])
def test_a_subscription_posted_twice_with_if_none_exist_is_one_h5(client: Client, path: str, make: Any):
    sent = make(OPEN)
    criterion = f"url={OPEN}"
    first, again = (client.post(path, sent, FHIR, if_none_exist=criterion) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert exact(again) == exact(first)
    assert again.headers["Location"] == first.headers["Location"]
    assert exact(client.get(path))["total"] == 1
    other = client.post(path, sent, FHIR, if_none_exist="Subscription?url=http://127.0.0.1:9/another")
    assert other.status_code == 201
    several = client.post(path, sent, FHIR, if_none_exist=criterion)
    assert (several.status_code, issues(several)[0]["code"]) == (412, "multiple-matches")
    assert exact(client.get(path))["total"] == 2


@pytest.mark.parametrize(("path", "make"), [(R4, plain), (R5, topical)])
def test_in_a_batch_too_a_subscription_that_exists_is_not_begun_again(client: Client, path: str, make: Any):
    asked = {"method": "POST", "url": "Subscription", "ifNoneExist": f"url={OPEN}"}
    sent = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": make(OPEN), "request": asked}]}
    replies = [client.post(path.removesuffix("/Subscription"), sent, FHIR) for _ in range(2)]
    assert [exact(one)["entry"][0]["response"]["status"] for one in replies] == ["201 Created", "200 OK"]
    assert exact(client.get(path))["total"] == 1
