"""The workbench without its script: what is asked in the address, what is pasted, and what is shown of it."""

from __future__ import annotations

import html
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from fhir_infusion.actions import bundles
from fhir_infusion.web.examples import therapies
from fhir_infusion.web.tokens import add_token
from fhir_infusion.web.workbench.asked import MOST_MAPPING, Asked
from fhir_infusion.web.workbench.items import items_of
from fhir_infusion.web.workbench.looking import look
from tests.exact_json import dumps, loads
from tests.web.conftest import Client, Json, issues

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from werkzeug.test import TestResponse

    from fhir_infusion.translator import Translator
    from fhir_infusion.web.workbench.shown import Row

FORM = "application/x-www-form-urlencoded"
ORDER = "33-dobutamine-titration/order"
DAY = "33-dobutamine-titration/administration-1-day"


@pytest.fixture
def client(bench: Client) -> Client:
    return bench


def pasted(client: Client, text: str, **fields: Any) -> TestResponse:
    return client.post("/workbench", urlencode({"input": text, **fields}, doseq=True), FORM)


def told(reply: TestResponse) -> str:
    """What came of it, in the sentence for who cannot see the page."""
    (sentence,) = re.findall(r'data-told="([^"]*)"', reply.text)
    return html.unescape(sentence)


def lines(reply: TestResponse, letter: str) -> dict[str, str]:
    """The lines of the input (i) or the result (o) by their path: what is shown."""
    found = re.findall(rf'<a id="{letter}\d+"[^>]* data-path="([^"]*)"[^>]*>(.*?)</a>', reply.text, re.DOTALL)
    return {html.unescape(path): html.unescape(re.sub(r"<[^>]*>", "", shown)) for path, shown in found}


def joins(reply: TestResponse) -> dict[str, tuple[str, list[str]]]:
    """Each line by its id: its path, and the ids of what it belongs to."""
    found = re.findall(r'<a id="([io]\d+)"[^>]* data-path="([^"]*)"(?: data-joins="([^"]*)")?', reply.text)
    return {id_: (html.unescape(path), ids.split()) for id_, path, ids in found}


def partners(reply: TestResponse, letter: str, path: str) -> set[str]:
    """The paths on the other side that a path is joined with."""
    every = joins(reply)
    (ids,) = [ids for id_, (own, ids) in every.items() if own == path and id_[0] == letter]
    return {every[one][0] for one in ids if one in every}


def test_an_example_is_shown_with_every_digit_on_both_sides(client: Client):
    reply = client.get(f"/workbench?example={ORDER}")
    assert reply.status_code == 200
    assert lines(reply, "i")["measurements[0].value.value"] == '"value": 80.0,'
    assert lines(reply, "o")["contained[1].valueQuantity.value"] == '"value": 80.0,'
    assert told(reply) == "Translated to FHIR: 43 carried, 62 mapped."


def test_a_rate_is_joined_with_the_element_that_it_becomes_and_with_its_pair(client: Client):
    reply = client.get(f"/workbench?example={ORDER}")
    rate = "steps[0].dosings[0].rate"
    assert partners(reply, "i", f"{rate}.value") == {"dosageInstruction[0].doseAndRate[0].rateQuantity.value"}
    assert partners(reply, "o", "dosageInstruction[0].doseAndRate[0].rateQuantity.code") == {f"{rate}.unit"}
    (ids,) = [ids for _, (path, ids) in joins(reply).items() if path == f"{rate}.value"]
    (rule,) = re.findall(rf'id="{next(one for one in ids if one[0] == "r")}"[^>]*>(.*?)</a>', reply.text)
    assert re.sub(r"<[^>]*>", "", rule).startswith("rate ↔ rateQuantity r4/types.yaml:")


def test_each_part_of_an_administration_is_joined_with_its_segment(client: Client):
    reply = client.get(f"/workbench?example={DAY}")
    assert "dosage.rateQuantity.value" in partners(reply, "i", "segments[1].rate.value")
    assert partners(reply, "i", "segments[1].start") >= {"effectivePeriod.start"}
    assert partners(reply, "i", "segments[1].dose.value") == {"dosage.dose.value"}


def test_the_direction_is_told_by_the_content(client: Client, order: Json, resource: Json):
    assert told(pasted(client, dumps(order))).startswith("Translated to FHIR:")
    assert told(pasted(client, dumps(resource))).startswith("Translated to Record:")
    assert told(pasted(client, "{}")) == "Refused: 1 reason."
    assert told(pasted(client, "not JSON")) == "Refused: 1 reason."
    assert told(pasted(client, "")) == ""


def test_what_is_refused_leads_to_its_place_in_the_input(client: Client, resource: Json):
    reply = pasted(client, dumps({**resource, "status": "CANARY"}))
    assert reply.status_code == 200
    (row,) = re.findall(r'data-show="(i\d+)" href="#i\d+">MedicationRequest.status</a>', reply.text)
    assert joins(reply)[row][0] == "status"
    assert "is-refused" in re.findall(rf'<a id="{row}" class="([^"]*)"', reply.text)[0]
    assert "a code outside the required binding" in reply.text


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_every_element_of_every_example_is_joined_and_in_the_ledger_on_both_sides(translator: Translator, release: str):
    """Of a record only its own words have no partner: what it is, how it is sent, and keys that ids become."""
    asked = Asked(release=release)
    alone: set[str] = set()
    for example in therapies().values():
        (written,) = items_of(translator, example.record, asked).items
        there = look(translator, written, asked)
        made = bundles.lone_or_collection([part.resource for part in written.parts])
        (read,) = items_of(translator, made, asked).items
        back = look(translator, read, asked)
        alone |= unjoined(there.source.rows, there.of_source) | unjoined(back.result.rows, back.of_result)
        assert unjoined(there.source.rows, there.states) <= {"representation"}, example.name
        assert unjoined(back.source.rows, back.states) == set(), example.name
    assert alone <= {"record", "representation", "measurements.measurement_id", "preparation.preparation_id"}


def unjoined(rows: list[Row], known: Collection[int]) -> set[str]:
    """The paths, without indexes, of the simple values of which nothing is known, nor of what they stand in."""
    found: set[str] = set()
    above: list[tuple[int, bool]] = []
    for at, row in enumerate(rows):
        while above and above[-1][0] >= row.indent:
            above.pop()
        here = at in known or bool(above and above[-1][1])
        above.append((row.indent, here))
        if row.path and not here and row.text[-1] not in "{[" and not row.path.startswith("residue"):
            found.add(re.sub(r"\[\d+\]", "", row.path))
    return found


def test_a_therapy_is_one_bundle_whose_records_are_chosen_from(client: Client):
    address = "/workbench?example=33-dobutamine-titration&side=fhir"
    reply = client.get(address)
    assert "The Bundle holds 4 records" in reply.text
    chosen = client.get(f"{address}&record=1")
    assert partners(chosen, "o", "segments[1].rate.value") == {"dosage.rateQuantity.value"}
    assert "entry[3]" in chosen.text


def test_a_bundle_shows_what_is_refused_and_what_has_no_mapping_among_its_records(client: Client, resource: Json):
    bad = {**resource, "status": "CANARY"}
    entries = [{"resource": one} for one in (resource, bad, {"resourceType": "Patient", "id": "p"})]
    bundle = dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    reply = pasted(client, bundle)
    assert "entry[1], MedicationRequest, refused" in reply.text
    assert "entry[2], Patient, no mapping for this type" in reply.text
    assert told(pasted(client, bundle, record=1)) == "Refused: 1 reason."
    assert "There is no mapping for this type." in pasted(client, bundle, record=2).text


def test_the_ledger_is_filtered_by_state_and_paged(client: Client):
    reply = client.get(f"/workbench?example={ORDER}&state=carried")
    states = re.findall(r'<td class="state (\w+)">', reply.text)
    assert set(states) == {"carried"}
    assert len(states) == 43
    whole = client.get(f"/workbench?example={ORDER}&page=1")
    assert "elements 101 to 105 of 105" in re.sub(r"\s+", " ", whole.text)


def test_release_overlay_and_strict_are_taken_and_stand_in_the_link(client: Client):
    reply = client.get(f"/workbench?example={ORDER}&release=R5&strict=yes&overlay=example-site")
    assert "medication.reference" in lines(reply, "o") or "medication" in lines(reply, "o")
    (here,) = re.findall(r'<a id="here" href="([^"]*)"', reply.text)
    query = "?example=33-dobutamine-titration%2Forder&amp;release=R5&amp;overlay=example-site&amp;strict=yes"
    assert here == f"/workbench{query}"
    assert client.get(html.unescape(here)).text == reply.text


def test_what_was_pasted_stands_in_no_link(client: Client, order: Json):
    reply = pasted(client, dumps(order), example=ORDER, release="R5")
    assert 'id="here"' not in reply.text
    assert all("ORD" not in link and "DEMO" not in link for link in re.findall(r'href="(/[^"]*)"', reply.text))


def test_the_result_becomes_the_input(client: Client, order: Json):
    reply = pasted(client, dumps(order), turn="yes")
    text = html.unescape(re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", reply.text, re.DOTALL)[0])
    assert loads(text)["resourceType"] == "MedicationRequest"  # type: ignore[index]  # it is an object
    assert told(reply).startswith("Translated to Record:")


def test_a_part_of_the_page_is_enough_while_somebody_types(client: Client, order: Json):
    reply = pasted(client, dumps(order), live="yes")
    assert told(reply).startswith("Translated to FHIR:")
    assert "<textarea" in reply.text
    assert order["order_id"] not in re.findall(r"<textarea[^>]*>(.*?)</textarea>", reply.text, re.DOTALL)[0]


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\'"&lt;{{ 7 * 7 }}'


def test_script_in_any_field_is_shown_as_text(client: Client, order: Json):
    order["order_id"] = HOSTILE
    order["patient"]["name"] = HOSTILE
    order["steps"][0]["text"] = HOSTILE
    for text in (dumps(order), dumps({**order, HOSTILE: HOSTILE}), HOSTILE):
        reply = pasted(client, text)
        assert "<img" not in reply.text
        assert len(re.findall("<script", reply.text)) == 1, "the page's own"
        assert "49" not in re.findall(r'<div id="outcome".*', reply.text)[0]


def test_what_is_written_in_an_address_stands_nowhere_as_markup(client: Client):
    reply = client.get(f"/workbench?{urlencode({'find': HOSTILE})}")
    assert reply.status_code == 200
    assert "<img" not in reply.text
    assert "No example has these words." in reply.text


def test_examples_are_found_by_words(client: Client):
    reply = client.get("/workbench?find=dobutamine+order")
    assert len(re.findall(r'class="as"', reply.text)) == 1
    assert "33 dobutamine titration" in reply.text


@pytest.mark.parametrize(
    "query",
    ["release=R3", "overlay=none", "example=nothing", "side=left", "state=lost", "record=-1", "page=x", "input={}"],
)
def test_what_cannot_be_asked_is_refused(client: Client, query: str):
    reply = client.get(f"/workbench?{query}")
    assert reply.status_code == 400
    assert issues(reply)[0]["code"] in {"invalid", "not-supported"}


def test_500_steps_are_shown_page_by_page(client: Client, order: Json):
    step = order["steps"][0]
    order["steps"] = [{**step, "step_id": f"s{at}", "sequence": at + 1} for at in range(500)]
    reply = pasted(client, dumps(order))
    assert re.search(r"lines 1 to 800 of \d{4,}", reply.text)
    assert re.search(r"elements 1 to 100 of \d{4,}", reply.text)
    assert len(reply.data) < 2_000_000
    later = pasted(client, dumps(order), lines=2)
    assert "steps[100].step_id" in lines(later, "i") or len(lines(later, "i")) > 300


def test_the_page_shows_what_every_overlay_and_release_is_called(client: Client):
    reply = client.get("/workbench")
    for name in ("example-site", "isik", "R4B", "R5"):
        assert f"<option>{name}</option>" in reply.text


def test_the_script_makes_no_markup_of_text(client: Client):
    reply = client.get("/workbench")
    assert not any(way in reply.text for way in ("innerHTML", "insertAdjacentHTML", "eval(", "document.write"))


def rows(reply: TestResponse) -> list[list[str]]:
    """The numbers below the chart."""
    (table,) = re.findall(r'<table class="course">(.*?)</table>', reply.text, re.DOTALL)
    return [
        [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    ]


def test_what_was_given_is_drawn_beside_what_was_planned_with_the_numbers_in_a_table(client: Client):
    reply = client.get(f"/workbench?example={DAY}")
    found = rows(reply)
    planned = "2.5 ug/kg/min, 6.0 mL/h at first; titrated, 2.5 ug/kg/min to 20 ug/kg/min"
    assert found[0] == ["planned", "steps[0]", "0 min", "no end", "6 to 48 mL/h", "not known", "not known", planned]
    assert found[3] == ["given", "segments[2]", "20 min", "4 h 20 min", "18 mL/h", "75 mL", "150 mg", "7.5 ug/kg/min"]
    assert found[-1][:7] == ["given", "segments[5]", "6 h 30 min", "7 h", "12 mL/h", "117 mL", "234 mg"]
    (said,) = re.findall(r"<desc[^>]*>(.*?)</desc>", reply.text)
    assert said == "Planned: 1 stretch. Given: 6 stretches, 117 mL by 7 h, 234 mg by 7 h."
    assert "planned: no time is stated: it runs until it is ended" in reply.text
    assert re.findall(r'class="area planned"', reply.text)
    assert re.findall(r'class="line given"', reply.text)


def test_the_chart_of_a_bundle_takes_the_order_from_beside_it(client: Client):
    reply = client.get("/workbench?example=21-immune-globulin-dermatomyositis&side=fhir&record=1")
    assert {row[0] for row in rows(reply)} == {"planned", "given"}


def test_what_was_pasted_alone_is_drawn_alone(client: Client):
    reply = pasted(client, therapies()[DAY].text)
    assert {row[0] for row in rows(reply)} == {"given"}


def test_a_rate_per_kilogram_without_a_weight_is_told_and_not_drawn(client: Client):
    record = deepcopy(therapies()[ORDER].record)
    del record["measurements"]
    record["steps"][0]["dosings"] = record["steps"][0]["dosings"][:1]
    reply = pasted(client, dumps(record))
    assert "2.5 ug/kg/min is per size of the patient, and no such measurement is stated" in reply.text
    assert "<svg" not in reply.text


ORDERS = "r4/infusion-order.yaml"
CARE_SETTING = "extension[url=$care-setting].valueCode"


def edited(client: Client, old: str, new: str, **fields: Any) -> TestResponse:
    """What came of one change of a document, tried on an order."""
    opened = client.get(f"/workbench?{urlencode({'example': ORDER, 'document': ORDERS})}")
    text = html.unescape(re.findall(r'<textarea id="mapping"[^>]*>\n(.*?)</textarea>', opened.text, re.DOTALL)[0])
    assert old in text
    more = {"document": ORDERS, "mapping": text.replace(old, new), **fields}
    return pasted(client, therapies()[ORDER].text, **more)


def places(reply: TestResponse) -> list[tuple[str, ...]]:
    """Where the result would be other: the path, what is served, what is edited."""
    found = re.findall(r'<tr><td class="path">([^<]*)</td><td>(.*?)</td><td>(.*?)</td></tr>', reply.text, re.DOTALL)
    return [(html.unescape(a), *(html.unescape(re.sub(r"<[^>]*>", "", one)) for one in rest)) for a, *rest in found]


def test_a_document_that_is_opened_and_not_changed_is_not_tried(client: Client):
    reply = edited(client, "a", "a")
    assert 'id="mapping"' in reply.text
    assert 'id="trial"' not in reply.text


def test_a_change_of_a_document_shows_what_it_would_change_and_changes_nothing(client: Client, translator: Translator):
    before = translator.library.digest
    reply = edited(client, CARE_SETTING, "extension[url=https://site.example/care].valueCode")
    assert "It loads." in reply.text
    assert "20 examples asked, 0 refused, nothing broken" in reply.text
    ours = '- "https://w3id.org/fhir-infusion/StructureDefinition/care-setting"'
    assert places(reply) == [("extension[0].url", ours, '+ "https://site.example/care"')]
    assert translator.library.digest == before
    again = client.get(f"/workbench?example={ORDER}")
    assert lines(again, "o")["extension[0].url"] == f'"url": {ours[2:]},'


def test_a_change_is_tried_on_all_examples_when_that_is_asked(client: Client):
    reply = edited(client, CARE_SETTING, "extension[url=https://site.example/care].valueCode", every="yes")
    orders = [one for one in therapies().values() if "care_setting" in one.record and one.kind == "order"]
    assert f"{len(orders)} of {len(therapies())} examples would change" in reply.text


def test_a_document_that_does_not_load_tells_each_line(client: Client):
    reply = edited(client, "  status: {fhir", "  status_of_it: {fhir")
    assert "It does not load" in reply.text
    assert re.findall(rf'data-line="\d+">{ORDERS}:\d+: ', reply.text)
    assert told(reply).startswith("Translated to FHIR:"), "by what is served"


def test_text_that_is_no_yaml_is_a_complaint(client: Client):
    for text in ("{", "a: [", "\x00", "- - -\n" * 100, "&a [*a, *a]"):
        reply = pasted(client, therapies()[ORDER].text, document=ORDERS, mapping=text)
        assert reply.status_code == 200, text
        assert "It does not load" in reply.text


def test_a_document_of_no_such_name_is_refused_and_so_is_one_too_long(client: Client):
    assert client.get("/workbench?document=../secrets").status_code == 400
    assert pasted(client, "", document=ORDERS, mapping="#" * (MOST_MAPPING + 1)).status_code == 400


def test_only_operators_edit_where_there_are_tokens(guarded: Client, tokens: Path):
    _, plain = add_token(tokens, "reader", "default", "2026-01-02")
    _, operator = add_token(tokens, "engineer", "default", "2026-01-02", operator=True)
    address = f"/workbench?document={ORDERS}"
    for text, status in ((plain, 403), (operator, 200)):
        assert guarded.get(address, authorization=f"Bearer {text}").status_code == status
        page = guarded.get("/workbench", authorization=f"Bearer {text}")
        assert ('id="editor"' in page.text) == (status == 200)
    body = urlencode({"input": "{}", "document": ORDERS, "mapping": "x"})
    assert guarded.post("/workbench", body, FORM, authorization=f"Bearer {plain}").status_code == 403


def test_a_sites_own_json_is_shown_beside_the_record_that_its_format_makes(client: Client):
    reply = client.get("/workbench?example=format/ward-orders&format=ward-orders")
    assert told(reply).startswith("Translated to Record:")
    assert any(ids and id_[0] == "i" for id_, (_, ids) in joins(reply).items())
    assert "formats/ward-orders.yaml:" in reply.text
    text = html.unescape(re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", reply.text, re.DOTALL)[0])
    turned = pasted(client, text, format="ward-orders", turn="yes")
    assert told(turned).startswith("Translated to FHIR:")
    assert told(pasted(client, text, format="nowhere")) == "Refused: 1 reason."
    assert told(pasted(client, "[null]", format="ward-orders")).startswith("Refused:")


@pytest.mark.parametrize("name", ["pump-events", "tpn-pharmacy", "home-infusion"])
def test_every_shipped_format_has_its_sample_among_the_examples(client: Client, name: str):
    reply = client.get(f"/workbench?example=format/{name}&format={name}")
    assert reply.status_code == 200
    assert told(reply).startswith("Translated to Record:")
    assert f"a site's own JSON: {name}" in html.unescape(reply.text)


@pytest.mark.parametrize("name", ["when", "segments", "status", "preparation", "dose_given", "measurements", "order"])
@pytest.mark.parametrize("value", ["2026-01-15T10", 1, [1], None])
def test_a_record_of_any_shape_is_refused_with_its_reasons_and_nothing_is_reckoned_of_it(
    client: Client, name: str, value: Any
):
    text = dumps({**therapies()[DAY].record, name: value})
    reply = pasted(client, text)
    assert reply.status_code == 200
    assert told(reply).startswith("Refused:")
    assert "<svg" not in reply.text


@pytest.mark.parametrize("name", ["steps", "drug", "preparation", "measurements", "patient"])
@pytest.mark.parametrize("value", ["x", 1, [1], None])
def test_an_order_of_any_shape_is_refused_with_its_reasons(client: Client, name: str, value: Any):
    reply = pasted(client, dumps({**therapies()[ORDER].record, name: value}))
    assert reply.status_code == 200
    assert told(reply).startswith("Refused:")
