"""Accepting and finding FHIR resources."""

import json
from dataclasses import replace

import pytest

from fhir_infusion.actions import accept_resource, amend_order, find, place_order
from fhir_infusion.errors import Refused, Unavailable
from fhir_infusion.fhir import search
from fhir_infusion.store import links, text, versions
from fhir_infusion.translator import open_translator
from tests.actions.examples import (
    MA,
    MR,
    ORDERS,
    TENANT,
    audited,
    body,
    changed,
    given,
    number,
    order,
    outbox_rows,
    request,
)


def refused(work, *arguments, **options):
    with pytest.raises(Refused) as refusal:
        work(*arguments, **options)
    return refusal.value.status, refusal.value.issues[0].code


def test_a_resource_is_read_as_it_came_but_for_id_and_meta(service, caller):
    sent = request(
        id="theirs",
        meta={"versionId": "9", "lastUpdated": "2020-01-01T00:00:00Z", "profile": ["http://p.example/x"]},
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">dobutamine</div>'},
        extension=[{"url": "http://e.example/x", "valueDecimal": number("1.50")}],
    )
    made = accept_resource.create(service, caller, "R4", sent)
    meta = {"versionId": "1", "lastUpdated": "2025-05-01T08:00:00.000Z", "profile": ["http://p.example/x"]}
    expected = {**sent, "id": made.id, "meta": meta}
    assert text.digest(body(made)) == text.digest(expected)
    assert list(body(made)) == list(sent)
    assert find.read(service, caller, "R4", MR, made.id).text == made.text
    assert "theirs" not in json.dumps(made.record, default=str)


def test_what_the_server_sets_is_no_change_and_no_residue(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    again = accept_resource.update(service, caller, "R4", made.id, body(made), "1")
    assert (again.version, again.created, again.text) == (1, False, made.text)
    assert again.record == made.record


@pytest.mark.parametrize("meta", [{"versionId": 5}, {"lastUpdated": "yesterday"}])
def test_what_the_server_sets_must_be_right_all_the_same(service, caller, meta):
    status, _ = refused(accept_resource.create, service, caller, "R4", request(meta=meta))
    assert status == 400


def test_a_create_is_repeatable_by_its_business_identifier(service, caller):
    first = accept_resource.create(service, caller, "R4", request())
    again = accept_resource.create(service, caller, "R4", request())
    assert (again.created, again.id) == (False, first.id)
    assert refused(accept_resource.create, service, caller, "R4", request(priority="stat")) == (422, "business-rule")
    assert refused(place_order.place, service, caller, order()) == (422, "business-rule")


def test_if_none_exist_finds_what_carries_the_identifier(service, caller):
    other = {"identifier": [{"system": "http://other.example", "value": "X"}]}
    query = search.parse("MedicationRequest", "R4", [("identifier", "http://other.example|X")])
    first = accept_resource.create(service, caller, "R4", request(None, **other), query)
    again = accept_resource.create(service, caller, "R4", request(None, **other, priority="stat"), query)
    assert (first.created, again.created, again.id) == (True, False, first.id)
    accept_resource.create(service, caller, "R4", request(None, **other))
    several = refused(accept_resource.create, service, caller, "R4", request(None, **other), query)
    assert several == (412, "multiple-matches")


def test_an_update_needs_if_match_for_an_order_and_takes_it_for_an_administration_h17(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    held = changed(body(made), status="on-hold")
    assert refused(accept_resource.update, service, caller, "R4", made.id, held) == (400, "required")
    assert refused(accept_resource.update, service, caller, "R4", made.id, held, "7") == (412, "conflict")
    assert accept_resource.update(service, caller, "R4", made.id, held, "1").version == 2
    one = accept_resource.create(service, caller, "R4", given())
    ended = changed(body(one), status="completed")
    assert accept_resource.update(service, caller, "R4", one.id, ended).version == 2
    assert refused(accept_resource.update, service, caller, "R4", one.id, ended, "1") == (412, "conflict")


def test_a_resource_for_another_patient_than_its_order_is_a_finding_and_refused_where_findings_are_h10(service, caller):
    accept_resource.create(service, caller, "R4", request())
    other = given(
        subject={"reference": "Patient/8"}, request={"type": MR, "identifier": {"system": ORDERS, "value": "ORD-1"}}
    )
    outcome = accept_resource.create(service, caller, "R4", other)
    assert [finding.rule for finding in outcome.findings if finding.path == "patient"] == ["order-patient"]
    changing = changed(body(outcome), status="completed")
    strict = replace(service, translator=open_translator(replace(service.settings, findings="refuse")))
    assert refused(accept_resource.update, strict, caller, "R4", outcome.id, changing) == (422, "business-rule")
    again = changed(other, identifier=[{"system": "urn:example:other", "value": "1"}])
    assert refused(accept_resource.create, strict, caller, "R4", again) == (422, "business-rule")
    assert len(find.search(service, caller, "R4", MA, [], 10).entries) == 1
    assert accept_resource.update(service, caller, "R4", outcome.id, changing).version == 2


def test_an_update_of_an_unknown_id_creates_it_under_that_id(service, caller):
    made = accept_resource.update(service, caller, "R4", "their-7", request(id="their-7"))
    assert (made.created, made.id, made.version) == (True, "their-7", 1)
    assert refused(accept_resource.update, service, caller, "R4", "x", request("ORD-2", id="x"), "1") == (
        412,
        "conflict",
    )
    assert refused(accept_resource.update, service, caller, "R4", "a", request("ORD-3", id="b")) == (400, "value")
    assert refused(accept_resource.update, service, caller, "R4", "a", request("ORD-3")) == (400, "value")


def test_an_update_obeys_the_same_rules_as_an_amendment(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    for change in ({"subject": {"reference": "Patient/8"}}, {"identifier": [{"system": ORDERS, "value": "ORD-2"}]}):
        wrong = changed(body(made), **change)
        assert refused(accept_resource.update, service, caller, "R4", made.id, wrong, "1") == (422, "business-rule")
    accept_resource.update(service, caller, "R4", made.id, changed(body(made), status="stopped"), "1")
    alive = changed(body(made), status="active")
    assert refused(accept_resource.update, service, caller, "R4", made.id, alive, "2") == (422, "business-rule")


def test_an_endpoint_need_not_know_our_identifier(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    pulled = changed(body(made), status="on-hold")
    del pulled["identifier"]
    assert refused(accept_resource.update, service, caller, "R4", made.id, pulled, "1") == (422, "business-rule")
    assert accept_resource.update(service, caller, "R4", made.id, pulled, origin="pharmacy").version == 2
    bound = service.store.read(TENANT, lambda tx: versions.identifier_of(tx, MR, made.id))
    assert bound == versions.Bound(ORDERS, "ORD-1")


def test_an_identifier_that_comes_later_takes_the_place_of_a_minted_one(service, caller):
    made = accept_resource.create(service, caller, "R4", request(None))
    minted = service.store.read(TENANT, lambda tx: versions.identifier_of(tx, MR, made.id))
    named = changed(body(made), identifier=[{"system": ORDERS, "value": "ORD-1"}])
    accept_resource.update(service, caller, "R4", made.id, named, "1")
    bound = service.store.read(TENANT, lambda tx: versions.identifier_of(tx, MR, made.id))
    assert bound == versions.Bound(ORDERS, "ORD-1")
    for value in (minted.value, "ORD-1"):
        page = find.search(service, caller, "R4", MR, [("identifier", value)], 10)
        assert [entry.id for entry in page.entries] == [made.id]


def test_an_identifier_of_another_order_is_refused(service, caller):
    accept_resource.create(service, caller, "R4", request())
    made = accept_resource.create(service, caller, "R4", request(None))
    named = changed(body(made), identifier=[{"system": ORDERS, "value": "ORD-1"}])
    assert refused(accept_resource.update, service, caller, "R4", made.id, named, "1") == (422, "business-rule")


def test_what_goes_with_a_change_is_written_with_it_or_not_at_all(service, caller):
    def link(tx, stored):
        links.put(tx, links.Link("pharmacy", stored.aggregate, remote_id="4711"))

    made = accept_resource.create(service, caller, "R4", request(), origin="pharmacy", also=link)
    kept = service.store.read(TENANT, lambda tx: links.by_remote(tx, "pharmacy", MR, "4711"))
    assert kept.aggregate == f"{MR}/{made.id}"
    assert outbox_rows(service) == ()
    assert len(outbox_rows(service, "centre")) == 1

    def fails(_tx, _stored):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        accept_resource.create(service, caller, "R4", request("ORD-2"), also=fails)
    assert [action for action, *_ in audited(service)] == ["create"]
    again = accept_resource.update(service, caller, "R4", made.id, body(made), "1", also=link)
    assert again.version == 1


def test_another_release_is_translated_once_and_then_given_out_ever_after(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    first = find.read(service, caller, "R5", MR, made.id)
    assert body(first)["medication"] == {"concept": {"text": "dobutamine"}}
    assert body(first)["meta"] == body(made)["meta"]
    assert (first.version, first.last_updated) == (made.version, made.last_updated)
    kept = service.store.read(TENANT, lambda tx: versions.translation(tx, MR, made.id, 1, "R5"))
    assert kept == first.text

    def unasked(*_arguments, **_options):
        raise AssertionError("translated again")

    class Broken:
        to_fhir = staticmethod(unasked)

    assert find.read(replace(service, translator=Broken()), caller, "R5", MR, made.id).text == first.text


def test_reads_go_on_where_nothing_can_be_written_f4(service, caller, monkeypatch):
    made = accept_resource.create(service, caller, "R4", request())

    def unavailable(*_arguments):
        raise Unavailable("the disk is full")

    monkeypatch.setattr(service.store, "transact", unavailable)
    assert body(find.read(service, caller, "R5", MR, made.id))["id"] == made.id


def test_each_version_is_read_as_it_was(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    accept_resource.update(service, caller, "R4", made.id, changed(body(made), status="on-hold"), "1")
    assert find.vread(service, caller, "R4", MR, made.id, "1").text == made.text
    assert body(find.vread(service, caller, "R5", MR, made.id, "1"))["status"] == "active"
    assert body(find.vread(service, caller, "R4", MR, made.id, "2"))["status"] == "on-hold"
    for wrong in ("0", "3", "01x", "", "-1", "1.0", "٣", "9" * 40):
        assert refused(find.vread, service, caller, "R4", MR, made.id, wrong) == (404, "not-found")


def test_another_tenant_finds_nothing_p8(service, caller):
    made = accept_resource.create(service, caller, "R4", request())
    other = replace(caller, tenant="north")
    assert refused(find.read, service, other, "R4", MR, made.id) == (404, "not-found")
    assert refused(find.record, service, other, MR, made.id) == (404, "not-found")
    assert find.search(service, other, "R4", MR, [], 10).entries == ()
    assert find.records(service, other, MR, [("order_id", "ORD-1")], 10).entries == ()
    assert refused(amend_order.amend, service, other, made.id, order(), "1") == (404, "not-found")
    assert accept_resource.create(service, other, "R4", request()).created


def test_a_search_by_patient_identifier_status_and_reference(service, caller):
    one = accept_resource.create(service, caller, "R4", request())
    accept_resource.create(
        service, caller, "R4", request("ORD-2", status="on-hold", subject={"reference": "Patient/8"})
    )
    dose = accept_resource.create(service, caller, "R4", given(request={"reference": f"{MR}/{one.id}"}))

    def ids(type, *parameters, release="R4"):
        return [entry.id for entry in find.search(service, caller, release, type, parameters, 10).entries]

    for release in ("R4", "R4B", "R5"):
        assert ids(MR, ("patient", "Patient/7"), release=release) == [one.id]
        assert ids(MR, ("subject", "Patient/7"), release=release) == [one.id]
        assert ids(MR, ("identifier", f"{ORDERS}|ORD-1"), release=release) == [one.id]
        assert ids(MR, ("status", "active"), ("patient", "7"), release=release) == [one.id]
        assert ids(MA, ("request", f"{MR}/{one.id}"), release=release) == [dose.id]
    assert len(ids(MR, ("status", "active,on-hold"))) == 2
    assert ids(MR, ("status", "on-hold"), ("patient", "7")) == []


def test_our_listing_takes_its_own_parameters_and_no_other(service, caller):
    one = place_order.place(service, caller, order())
    place_order.place(service, caller, order("ORD-2", status="on-hold"))

    def ids(*parameters):
        return [entry.id for entry in find.records(service, caller, MR, parameters, 10).entries]

    assert ids(("order_id", "ORD-1")) == [one.id]
    assert ids(("order_id", "ORD-1,ORD-2")) == []
    assert ids(("status", "active")) == [one.id]
    assert len(ids(("patient", "https://example.org/patients|MRN-1"))) == 2
    assert len(ids(("changed_since", "2025-05-01T08:00:00.000Z"))) == 2
    assert ids(("changed_since", "2025-05-01T08:00:01Z")) == []
    for wrong in (("administration_id", "x"), ("_id", "x"), ("patient", ""), ("foo", "1")):
        status, _ = refused(find.records, service, caller, MR, [wrong], 10)
        assert status == 400


def test_pages_follow_each_other(service, caller):
    made = [place_order.place(service, caller, order(f"ORD-{n}")).id for n in range(7)]
    seen: list[str] = []
    after: tuple[str, ...] | None = ()
    while after is not None:
        page = find.search(service, caller, "R5", MR, [], 3, after)
        seen += [entry.id for entry in page.entries]
        after = page.after
    assert seen == made


@pytest.mark.parametrize("written", ["R4", "R5"])
def test_dates_are_found_through_every_release_under_its_own_name(service, caller, written):
    events = {"timing": {"event": ["2025-05-02T08:00:00Z"]}}
    asked = request(authoredOn="2025-05-01", dosageInstruction=[events | request()["dosageInstruction"][0]])
    dose = given()
    if written == "R5":
        asked["medication"] = {"concept": asked.pop("medicationCodeableConcept")}
        dose["medication"] = {"concept": dose.pop("medicationCodeableConcept")}
        dose["occurenceDateTime"] = dose.pop("effectiveDateTime")
    one = accept_resource.create(service, caller, written, asked)
    two = accept_resource.create(service, caller, written, dose)
    for release, type_, name, day, id_ in (
        ("R4", MR, "authoredon", "2025-05-01", one.id),
        ("R5", MR, "authoredon", "2025-05-01", one.id),
        ("R4", MR, "date", "2025-05-02", one.id),
        ("R5", MR, "combo-date", "2025-05-02", one.id),
        ("R4", MA, "effective-time", "2025-05-01", two.id),
        ("R5", MA, "date", "2025-05-01", two.id),
        ("R4", MA, "_lastUpdated", "ge2025-05-01", two.id),
    ):
        page = find.search(service, caller, release, type_, [(name, day)], 10)
        assert [entry.id for entry in page.entries] == [id_], (release, name)
        if name != "_lastUpdated":
            assert find.search(service, caller, release, type_, [(name, "2024-05-01")], 10).entries == ()
