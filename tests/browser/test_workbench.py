"""The days of those who work on mappings: at the workbench, with a mouse and without one."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import Error

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.examples import therapies
from tests.browser.conftest import paste, serious

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from tests.real.serving import Serving

ORDER = "33-dobutamine-titration/order"
DAY = "33-dobutamine-titration/administration-1-day"
RATE = "steps[0].dosings[0].rate.value"
WRITTEN = "dosageInstruction[0].doseAndRate[0].rateQuantity.value"
HOSTILE = '<script>document.title = "hostile"</script><img src=x onerror="document.title=1">'


def line(page: Page, side: str, path: str) -> Locator:
    return page.locator(f"#{side} [data-path='{path}']")


def open_example(page: Page, served: Serving, name: str = ORDER, **more: str) -> None:
    page.goto(
        served.base + "/workbench?" + "&".join(f"{key}={value}" for key, value in {"example": name, **more}.items())
    )


def says(page: Page, words: str) -> None:
    page.get_by_text(words).first.wait_for()


def test_an_order_is_pasted_and_the_other_side_appears_while_typing(page: Page, served: Serving):
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").fill(therapies()[ORDER].text)
    says(page, "Translated to FHIR: 43 carried, 62 mapped.")
    assert line(page, "result", WRITTEN).inner_text() == '"value": 2.5,'
    page.get_by_label("Release").select_option("R5")
    line(page, "result", "medication.reference.reference").wait_for()
    page.get_by_role("button", name="Use the result as input").click()
    line(page, "result", RATE).wait_for()
    assert '"resourceType": "MedicationRequest"' in page.get_by_label("Input").input_value()


def test_a_document_that_was_chosen_in_passing_does_not_come_over_what_is_typed_into_the_next(
    page: Page, served: Serving
):
    open_example(page, served, document="r4/infusion-order.yaml")
    late: list[Route] = []
    page.route("**/workbench", lambda route: route.continue_() if late else late.append(route))
    with page.expect_request("**/workbench"):
        page.locator("#document").select_option("r4/administration.yaml")
    page.locator("#document").select_option("r4/types.yaml")
    field = page.get_by_role("textbox", name="r4/types.yaml")
    field.fill("mine")
    page.route("**/workbench", lambda route: route.fallback())
    with suppress(Error):  # the browser has given it up by now
        late[0].continue_()
    says(page, "It does not load")
    page.wait_for_timeout(500)
    assert field.input_value() == "mine"
    assert page.get_by_role("alert").count() == 0


def test_why_a_rate_came_out_so_is_seen_by_pointing_at_it(page: Page, served: Serving):
    open_example(page, served)
    line(page, "result", WRITTEN).click()
    told = page.locator("#told").inner_text()
    assert f'From {RATE} = "value": 2.5,' in told
    assert f'To {WRITTEN} = "value": 2.5,' in told
    assert re.search(r"By rate ↔ rateQuantity r4/types\.yaml:\d+ · rate", told)
    assert "on" in (line(page, "source", RATE).get_attribute("class") or "").split()
    page.locator("#rules .rule", has_text="rate ↔ rateQuantity").click()
    assert line(page, "result", WRITTEN).evaluate("one => one.classList.contains('on')")
    assert line(page, "source", "steps[0].dosings[1].rate.value").evaluate("one => one.classList.contains('on')")


def test_the_partner_on_another_page_is_one_link_away(page: Page, served: Serving):
    open_example(page, served, DAY)
    line(page, "source", "segments[5].rate.value").click()
    page.get_by_text("Show what it becomes, on another page").click()
    page.locator("#result .main").wait_for()
    assert page.locator("#result .main").inner_text() == '"value": 5.0,'


def test_what_is_refused_leads_to_its_place(page: Page, served: Serving):
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").fill(therapies()[ORDER].text.replace('"ug/kg/min"', '"ug per kg"', 1))
    says(page, "Refused:")
    page.locator("#refused a").first.click()
    assert page.locator("#source .main").count() == 1
    assert "is-refused" in (page.locator("#source .main").get_attribute("class") or "")


def test_a_mapping_is_changed_and_what_would_change_is_seen(page: Page, served: Serving):
    open_example(page, served)
    page.get_by_text("Edit the mapping").click()
    page.get_by_label("Document").select_option("r4/infusion-order.yaml")
    editor = page.locator("#mapping")
    editor.wait_for()
    text = editor.input_value()
    editor.fill(
        text.replace("extension[url=$care-setting].valueCode", "extension[url=https://site.example/care].valueCode")
    )
    says(page, "1 place of the result would be other")
    assert page.locator("#trial .new").inner_text() == '+ "https://site.example/care"'
    assert line(page, "result", "extension[0].url").inner_text().endswith('StructureDefinition/care-setting",')
    editor.fill(text.replace("  status: {fhir", "  state: {fhir"))
    page.locator("#trial .complaints a").first.click()
    assert editor.evaluate("one => one.value.slice(one.selectionStart, one.selectionEnd)").startswith("  state: {fhir")


def test_with_the_keyboard_alone_an_example_is_found_and_a_line_followed_to_its_partner(page: Page, served: Serving):
    page.goto(served.base + "/workbench")
    page.locator("#examples summary").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Find").focus()
    page.keyboard.type("dobutamine titration order")
    says(page, "1 found")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**example=33-dobutamine-titration*")
    page.locator("#source").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.path") == "status"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent").startswith("status ↔ status")
    page.keyboard.press("ArrowRight")
    assert (
        page.evaluate("document.activeElement.closest('.json').id + ' ' + document.activeElement.dataset.path")
        == "result status"
    )
    page.keyboard.press("Escape")
    assert page.locator(".on").count() == 0


def test_a_link_holds_what_was_pasted_behind_its_hash_only(page: Page, served: Serving):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").fill(therapies()[ORDER].text.replace("ORD-3301", "ORD-SECRET"))
    says(page, "Translated to FHIR: 43 carried")
    page.get_by_label("Release").select_option("R5")
    line(page, "result", "medication.reference.reference").wait_for()
    page.get_by_role("button", name="Link to this").click()
    says(page, "The address above is now a link")
    address = page.url
    assert "release=R5#z=" in address
    page.goto("about:blank")
    page.goto(address)
    line(page, "source", "order_id").filter(has_text="ORD-SECRET").wait_for()
    line(page, "result", "medication.reference.reference").wait_for()
    assert not any("z=" in url.partition("#")[0] or "SECRET" in url for url in asked)


def test_script_in_any_field_stays_text(page: Page, served: Serving):
    record = fhir_json.read(therapies()[DAY].text)
    record["administration_id"] = record["patient"]["name"] = HOSTILE
    for segment in record["segments"]:
        segment.setdefault("reason", {})["text"] = HOSTILE
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").fill(fhir_json.write_pretty(record).decode())
    says(page, "Translated to FHIR:")
    for one in (line(page, "source", "patient.name"), line(page, "source", "segments[0].reason.text")):
        one.click()
        assert HOSTILE.replace('"', '\\"') in one.inner_text()
    assert page.locator("main img, main script").count() == 0
    assert page.title().startswith("Workbench")


STATES = {
    "order": f"example={ORDER}",
    "ledger": f"example={ORDER}&state=carried&page=0",
    "administration": f"example={DAY}",
    "bundle": "example=33-dobutamine-titration&side=fhir",
    "examples": "find=insulin",
    "mapping": f"example={ORDER}&document=r4/infusion-order.yaml",
    "nothing": "example=nothing",
    "no such release": f"example={ORDER}&release=R9",
    "no JSON": "",
    "refused": "",
    "held": "",
    "a mapping that does not load": f"example={ORDER}&document=r4/infusion-order.yaml",
}
TYPED = {
    "no JSON": ("Input", "{", "not JSON at line 1"),
    "refused": ("Input", '{"record": "InfusionOrder", "order_id": 5}', "refused"),
    "held": ("Input", "[" + " " * 200_001 + "]", "Held:"),
    "a mapping that does not load": ("r4/infusion-order.yaml", "pairs: {\n", "It does not load"),
}
"""What is put in a field, and what the page says then."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious_in_any_state_and_none_is_wider_than_a_phone(
    page: Page, served: Serving, axe_source: str, state: str, scheme: Literal["light", "dark"]
):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{served.base}/workbench?{STATES[state]}")
    if state in TYPED:
        name, text, told = TYPED[state]
        page.get_by_role("textbox", name=name).focus()
        paste(page, text)
        says(page, told)
    elif page.locator("#source a").count():
        page.locator("#source a").nth(4).click()
    assert serious(page, axe_source) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert serious(page, axe_source) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_works_without_its_script(page: Page, served: Serving):
    context = page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]  # there is one
    plain = context.new_page()
    plain.goto(served.base + "/workbench")
    plain.get_by_label("Input").fill(therapies()[ORDER].text)
    plain.get_by_role("button", name="Translate").click()
    assert line(plain, "result", WRITTEN).inner_text() == '"value": 2.5,'
    context.close()
