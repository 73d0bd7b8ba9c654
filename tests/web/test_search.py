"""Search over HTTP: what an answer holds, in which shape and order, and that the CapabilityStatement tells the truth."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from fhir_infusion.fhir.served import SERVED
from tests.web.conftest import FHIR, Client, exact, issues

Json = dict[str, Any]
MR = "/fhir/r4/MedicationRequest"


def put(client: Client, kind: str, id_: str, release: str = "r4", **more: Any) -> None:
    body = {"resourceType": kind, "id": id_, **more}
    reply = client.put(f"/fhir/{release}/{kind}/{id_}", body, FHIR)
    assert reply.status_code == 201, reply.text


def orders(client: Client, resource: Json, count: int, **more: Any) -> None:
    for number in range(count):
        identifier = [{"system": resource["identifier"][0]["system"], "value": f"ORD-{number}"}]
        sent = {
            **resource,
            "id": f"o{number}",
            "identifier": identifier,
            "authoredOn": f"2026-01-0{9 - number}",
            **more,
        }
        reply = client.put(f"{MR}/o{number}", sent, FHIR)
        assert reply.status_code == 201, reply.text


def ids(bundle: Json, mode: str = "match") -> list[str]:
    return [entry["resource"].get("id", "") for entry in bundle.get("entry", ()) if entry["search"]["mode"] == mode]


def test_what_comes_along_is_no_match_and_has_its_own_address(client: Client, resource: Json):
    put(client, "Patient", "p", name=[{"family": "Example"}])
    orders(client, resource, 2, subject={"reference": "Patient/p"})
    bundle = exact(client.get(f"{MR}?patient.name=example&_include=MedicationRequest:patient&_total=accurate"))
    assert (ids(bundle), ids(bundle, "include"), bundle["total"]) == (["o0", "o1"], ["p"], 2)
    for entry in bundle["entry"]:
        assert exact(client.get(entry["fullUrl"])) == entry["resource"]
    both = exact(client.get("/fhir/r4/Patient?_revinclude=MedicationRequest:patient"))
    assert (ids(both), ids(both, "include")) == (["p"], ["o0", "o1"])


def test_what_comes_along_and_cannot_be_said_in_this_release_is_told_of(client: Client, resource: Json):
    put(client, "Encounter", "e", "r5", status="in-progress", **{"class": [{"text": "AMB"}]})
    orders(client, resource, 1, encounter={"reference": "Encounter/e"})
    bundle = exact(client.get(f"{MR}?_include=MedicationRequest:encounter"))
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "outcome"]


def test_too_much_that_comes_along_is_cut_and_the_answer_says_so(client: Client, monkeypatch: pytest.MonkeyPatch):
    from fhir_infusion.store import include  # noqa: PLC0415  its limit is lowered for this test

    monkeypatch.setattr(include.along, "__defaults__", (2,))
    put(client, "Organization", "top", name="Top")
    for number in range(3):
        put(client, "Organization", f"part{number}", name="Part", partOf={"reference": "Organization/top"})
    bundle = exact(client.get("/fhir/r4/Organization?_id=top&_revinclude=Organization:partof"))
    assert (ids(bundle), ids(bundle, "include")) == (["top"], ["part0", "part1"])
    last = bundle["entry"][-1]
    assert (last["search"], last["resource"]["issue"][0]["code"]) == ({"mode": "outcome"}, "too-costly")


def test_an_order_by_several_keys_is_paged_and_its_links_tell_it(client: Client, resource: Json):
    orders(client, resource, 5)
    address, seen = f"{MR}?_sort=status,authoredon&_count=2&_total=estimate", []
    while address:
        bundle = exact(client.get(address))
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert exact(client.get(links["self"])) == bundle
        assert dict(parse_qsl(urlsplit(links["self"]).query))["_sort"] == "status,authoredon"
        assert bundle["total"] == 5
        seen += ids(bundle)
        address = links.get("next", "")
    assert seen == ["o4", "o3", "o2", "o1", "o0"]


@pytest.mark.parametrize("order", ["", "&_sort=_id", "&_sort=-_id", "&status=active,stopped"])
def test_what_changes_while_somebody_pages_is_there_once_where_its_place_does_not_depend_on_that(
    client: Client, resource: Json, order: str
):
    """What it is sorted by otherwise, such as its date, is changed from before the page that was read to behind it."""
    orders(client, resource, 5, status="active")
    address, seen = f"{MR}?_count=2{order}", []
    while address:
        bundle = exact(client.get(address))
        seen += ids(bundle)
        for number, changed in enumerate(exact(client.get(f"{MR}?_count=50"))["entry"]):
            one = {
                **changed["resource"],
                "authoredOn": f"2026-02-{20 - 2 * len(seen) + number:02}",
                "status": "stopped",
            }
            version = f'W/"{one["meta"]["versionId"]}"'
            assert client.put(f"{MR}/{one['id']}", one, FHIR, if_match=version).status_code == 200
        address = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), "")
    assert sorted(seen) == ["o0", "o1", "o2", "o3", "o4"]


def test_a_next_link_holds_no_name_by_which_it_is_sorted(client: Client):
    for number in range(3):
        put(client, "Patient", f"p{number}", name=[{"family": f"Canary{number}"}])
    bundle = exact(client.get("/fhir/r4/Patient?_sort=family&_count=1"))
    (link,) = [one["url"] for one in bundle["link"] if one["relation"] == "next"]
    import base64  # noqa: PLC0415  used here only

    token = dict(parse_qsl(urlsplit(link).query))["_page"]
    assert b"anary" not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).lower()
    assert ids(exact(client.get(link))) == ["p1"]


@pytest.mark.parametrize("query", ["_summary=count", "_count=0"])
def test_the_count_alone_has_no_entries(client: Client, resource: Json, query: str):
    orders(client, resource, 3)
    bundle = exact(client.get(f"{MR}?status=active&{query}"))
    assert (bundle["total"], "entry" in bundle, [one["relation"] for one in bundle["link"]]) == (3, False, ["self"])


SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ("_summary=true", {"status", "intent", "subject", "authoredOn"}, {"dosageInstruction", "text"}),
        ("_summary=text", {"status", "intent", "subject", "text"}, {"dosageInstruction", "identifier"}),
        ("_summary=data", {"status", "dosageInstruction", "identifier"}, {"text"}),
        ("_elements=authoredOn", {"status", "intent", "subject", "authoredOn"}, {"dosageInstruction", "identifier"}),
        ("_elements=medication,dosageInstruction", {"medicationCodeableConcept", "dosageInstruction"}, {"authoredOn"}),
    ],
)
def test_a_part_of_a_resource_says_that_it_is_one(
    client: Client, resource: Json, query: str, there: set[str], gone: set[str]
):
    said = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
    orders(client, resource, 1, text=said)
    whole = exact(client.get(f"{MR}/o0"))
    (entry,) = exact(client.get(f"{MR}?{query}"))["entry"]
    part = entry["resource"]
    assert there <= part.keys()
    assert not gone & part.keys()
    assert {"resourceType", "id"} <= part.keys()
    assert part["meta"] == {**whole["meta"], "tag": [SUBSETTED]}
    assert {name: value for name, value in part.items() if name != "meta"} == {
        name: whole[name] for name in part if name != "meta"
    }


def test_summary_false_is_the_whole(client: Client, resource: Json):
    orders(client, resource, 1)
    (entry,) = exact(client.get(f"{MR}?_summary=false"))["entry"]
    assert entry["resource"] == exact(client.get(f"{MR}/o0"))


def test_pretty_is_the_same_answer_laid_out(client: Client, resource: Json):
    orders(client, resource, 1)
    plain, pretty = client.get(f"{MR}/o0"), client.get(f"{MR}/o0?_pretty=true")
    assert exact(plain) == exact(pretty)
    assert (plain.data.count(b"\n"), pretty.data.startswith(b'{\n  "resourceType"')) == (0, True)
    assert client.get(f"{MR}/none?_pretty=true").data.startswith(b'{\n  "resourceType": "OperationOutcome"')


def test_a_reference_below_our_own_address_is_one_to_what_is_kept(client: Client, resource: Json):
    orders(client, resource, 1, subject={"reference": "Patient/p"})
    put(client, "Patient", "p", generalPractitioner=[{"reference": "Practitioner/d"}])
    for query in (
        "patient=http://localhost/fhir/r4/Patient/p",
        "patient.general-practitioner=http://localhost/fhir/r5/Practitioner/d",
    ):
        assert ids(exact(client.get(f"{MR}?{query}"))) == ["o0"], query


@pytest.mark.parametrize("part", ["", "#x", "/_history/1", "/_history/1#x"])
def test_h10_a_reference_to_a_part_or_version_of_a_resource_is_one_to_the_resource(
    client: Client, resource: Json, part: str
):
    put(client, "Patient", "p", identifier=[{"system": "urn:p", "value": "1"}])
    orders(client, resource, 1, subject={"reference": f"http://localhost/fhir/r4/Patient/p{part}"})
    orders_of_others = {**resource, "id": "o", "subject": {"reference": "Patient/q"}}
    assert client.put(f"{MR}/o", orders_of_others, FHIR).status_code == 201
    assert exact(client.get(f"{MR}/o0"))["subject"]["reference"] == f"Patient/p{part}"
    of = quote(part)
    for query in ("patient=p", "subject=Patient/p", f"subject=Patient/p{of}", "patient.identifier=urn:p|1"):
        assert ids(exact(client.get(f"{MR}?{query}"))) == ["o0"], query
    assert ids(exact(client.get(f"{MR}?patient=p&_include=MedicationRequest:patient")), "include") == ["p"]
    assert ids(exact(client.get("/fhir/r4/Patient?_has:MedicationRequest:patient:_id=o0"))) == ["p"]
    assert "o0" in ids(exact(client.get("/fhir/r4/Patient/p/$everything")))


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("_summary=all", "_summary"),
        ("_summary=true&_summary=text", "_summary"),
        ("_summary=text&_include=MedicationRequest:patient", "_summary"),
        ("_summary=true&_elements=status", "_elements"),
        ("_elements=colour", "_elements"),
        ("_total=many", "_total"),
        ("code:below=http://x|1", "code"),
        ("_sort=patient", "_sort"),
        ("_include=MedicationRequest:status", "_include"),
    ],
)
def test_what_is_not_offered_is_400_and_says_what_is(client: Client, query: str, path: str):
    reply = client.get(f"{MR}?{query}")
    assert reply.status_code == 400
    (issue,) = issues(reply)
    assert issue["path"] == path
    assert "accepted: " in issue["reason"]


def test_a_chain_that_is_too_long_is_400_even_under_lenient_handling(client: Client):
    query = "encounter.part-of.part-of.part-of.status=finished"
    assert client.get(f"{MR}?{query}", prefer="handling=lenient").status_code == 400


VALUES = {"date": "2026-01-01", "token": "a", "string": "a", "quantity": "1", "uri": "http://x", "_profile": "http://x"}


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
@pytest.mark.parametrize("kind", SERVED)
def test_everything_that_the_capability_statement_says_of_search_is_so(client: Client, release: str, kind: str):
    (rest,) = exact(client.get(f"/fhir/{release}/metadata"))["rest"]
    (one,) = [each for each in rest["resource"] if each["type"] == kind]
    queries = [f"_include={name}" for name in one["searchInclude"]]
    queries += [f"_revinclude={name}" for name in one["searchRevInclude"]]
    for parameter in one["searchParam"]:
        name, words = parameter["name"], parameter.get("documentation", "")
        target = re.search(r"Refers to (\w+)", words)
        reference = f"{target.group(1) if target and target.group(1) != 'any' else 'Patient'}/1"
        value = quote(
            VALUES.get(
                name,
                reference if parameter["type"] == "reference" and target else VALUES.get(parameter["type"], "http://x"),
            )
        )
        queries.append(f"{name}={value}")
        for modifier in re.findall(r"[\w-]+", words.partition(".")[0].removeprefix("Modifiers:")):
            asked = {"missing": "true", "of-type": "s%7Cc%7Cv", "identifier": "7"}.get(modifier, value)
            queries.append(f"{name}:{modifier}={asked}")
    wrong = [
        (query, reply.text)
        for query in queries
        if (reply := client.get(f"/fhir/{release}/{kind}?{query}")).status_code != 200
    ]
    assert wrong == []


def test_an_exact_text_is_found_whose_signs_are_compared_as_several(client: Client):
    line = "가나다각난닫" * 30
    patient = {"resourceType": "Patient", "id": "k", "address": [{"line": [line]}]}
    assert client.put("/fhir/r4/Patient/k", patient, FHIR).status_code == 201
    for asked, found in ((line, 1), (line[:-1], 0)):
        reply = client.get(f"/fhir/r4/Patient?address:exact={quote(asked)}&_total=accurate")
        assert (reply.status_code, exact(reply)["total"]) == (200, found)


def test_an_order_that_came_without_an_identifier_is_found_as_one_that_misses_it(client: Client, resource: Json):
    given = {"resourceType": "MedicationAdministration", "status": "completed", "subject": {"reference": "Patient/p"}}
    given |= {"medicationCodeableConcept": {"text": "x"}, "effectiveDateTime": "2026-01-01"}
    for one in (resource, given):
        number = {"identifier": [{"system": "urn:s", "value": "1"}]}
        place = f"/fhir/r4/{one['resourceType']}"
        bare = {name: value for name, value in one.items() if name != "identifier"}
        without, with_one = (exact(client.post(place, sent, FHIR))["id"] for sent in (bare, {**one, **number}))
        assert ids(exact(client.get(f"{place}?identifier:missing=true"))) == [without]
        assert ids(exact(client.get(f"{place}?identifier:missing=false"))) == [with_one]


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
def test_the_type_is_named_of_a_reference_to_any_type(client: Client, release: str):
    put(client, "Patient", "p", release)
    who = {"who": {"reference": "Patient/p"}}
    put(client, "Provenance", "v", release, target=[who["who"]], recorded="2026-01-01T00:00:00Z", agent=[who])
    at = f"/fhir/{release}/Provenance"
    assert ids(exact(client.get(f"{at}?target:Patient=p"))) == ids(exact(client.get(f"{at}?target=Patient/p"))) == ["v"]
    assert ids(exact(client.get(f"{at}?target:Encounter=p"))) == []
    assert client.get(f"{at}?target:Patient=Encounter/p").status_code == 400
    assert client.get(f"{at}?target:Nothing=p").status_code == 400
