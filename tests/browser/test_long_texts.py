"""Long texts at the workbench: a ramp of 500 steps, a Bundle of 5 MB, and how a key feels beside them."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.examples import therapies
from tests.browser.conftest import paste
from tests.browser.test_workbench import HOSTILE, ORDER, line, says
from tests.golden_write import goldens, resources_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.real.serving import Serving

_KEY = """async (id) => {
  const field = document.getElementById(id), began = performance.now();
  field.setRangeText("x", 0, 0, "end");
  field.dispatchEvent(new InputEvent("input", {bubbles: true, inputType: "insertText"}));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}"""
"""Milliseconds from a key until the page stands there anew."""


def test_a_long_text_is_held_outside_the_field_and_translated_with_the_keyboard_alone(page: Page, served: Serving):
    text = ramp(HOSTILE)
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").fill("what stood there")
    page.get_by_label("Input").press("Control+A")
    paste(page, text)
    held = page.get_by_role("group", name=f"Held: InfusionOrder with 500 steps, {round(len(text) / 1000)} kB")
    held.wait_for()
    assert focused(page) == "held"
    assert page.get_by_label("Input").is_hidden()
    assert held.locator("pre").inner_text() == "\n".join(text.split("\n")[:8]) + " …"
    line(page, "source", "steps[10].step_id").wait_for()
    page.get_by_label("Release").select_option("R5")
    line(page, "result", "medication.reference.reference").wait_for()
    held.focus()
    with page.expect_request("**/workbench"):
        page.keyboard.press("Control+Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "input"
    assert page.get_by_label("Input").input_value() == text
    page.keyboard.type(" ")
    says(page, "So much is translated when you ask for it: Ctrl and Enter.")
    assert page.get_by_label("Input").input_value() == " " + text
    assert held.is_hidden()


def test_a_held_text_is_replaced_by_what_is_pasted_over_it_and_removed(page: Page, served: Serving):
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").focus()
    page.keyboard.press("Control+A")
    paste(page, bundle_of(1_000_000))
    page.get_by_role("group", name="Held: Bundle with").wait_for()
    paste(page, ramp(""))
    page.get_by_role("group", name="Held: InfusionOrder").wait_for()
    page.get_by_role("button", name="Remove it").click()
    assert focused(page) == "input"
    assert page.get_by_label("Input").input_value() == ""
    paste(page, ramp(""))
    page.get_by_role("group", name="Held: InfusionOrder").wait_for()
    paste(page, therapies()[ORDER].text)
    assert focused(page) == "input"
    assert page.get_by_label("Input").input_value() == therapies()[ORDER].text
    line(page, "result", "dosageInstruction[0].doseAndRate[0].rateQuantity.value").wait_for()


def test_a_text_that_grows_under_somebody_s_fingers_stays_in_its_field(page: Page, served: Serving):
    page.goto(served.base + "/workbench")
    page.get_by_label("Input").fill("{")
    paste(page, " " * 199_990)
    page.keyboard.type(" more than is held")
    assert len(page.get_by_label("Input").input_value()) == 200_009
    assert page.locator("#held").is_hidden()
    paste(page, "and more")
    assert page.get_by_label("Input").input_value().endswith("heldand more")


def test_a_held_text_becomes_what_is_read_next_and_stays_where_a_mapping_is_opened(page: Page, served: Serving):
    page.goto(served.base + "/workbench?example=33-dobutamine-titration/order")
    page.get_by_label("Input").press("Control+A")
    paste(page, ramp("", 250))
    page.locator("#editor summary").click()
    page.get_by_label("Document").select_option("r4/infusion-order.yaml")
    page.locator("#mapping").wait_for()
    page.get_by_role("group", name="Held: InfusionOrder with 250 steps").wait_for()
    page.get_by_role("button", name="Use the result as input").click()
    page.get_by_role("group", name="Held: MedicationRequest").wait_for()
    assert line(page, "source", "resourceType").inner_text() == '"resourceType": "MedicationRequest",'


def test_a_ramp_of_500_steps_and_a_bundle_of_5_mb_stay_usable(
    page: Page, served: Serving, record_testsuite_property: Callable[[str, object], None]
):
    """How long they take is told with the results, and asserted nowhere: a busy machine is no fault of the page."""
    page.goto(served.base + "/workbench")
    began = time.monotonic()
    page.get_by_label("Input").press("Control+A")
    paste(page, ramp(""))
    line(page, "source", "steps[10].step_id").wait_for()
    record_testsuite_property("seconds of a ramp of 500 steps", round(time.monotonic() - began, 2))
    assert page.locator(".chart").count() == 1
    page.locator(".side", has=page.locator("#source")).get_by_role("button", name="Next").click()
    line(page, "source", "steps[20].step_id").wait_for()
    text = bundle_of(5_200_000)
    page.goto(served.base + "/workbench?document=r4/infusion-order.yaml")
    began = time.monotonic()
    page.get_by_label("Input").press("Control+A")
    paste(page, text)
    page.get_by_role("group", name="Held: Bundle with ").wait_for()
    record_testsuite_property(f"seconds of pasting {len(text)} characters", round(time.monotonic() - began, 2))
    record_testsuite_property("milliseconds of a key beside them", round(page.evaluate(_KEY, "mapping")))
    page.get_by_text("The Bundle holds").wait_for(timeout=120_000)
    record_testsuite_property(f"seconds of a Bundle of {len(text)} characters", round(time.monotonic() - began, 2))
    assert page.locator("#source a").count() > 50


def focused(page: Page) -> str:
    """Return the id of what has the focus."""
    return str(page.evaluate("document.activeElement.id"))


def ramp(name: str, count: int = 500) -> str:
    """An order of so many steps, its text in lines; each step is called ``name`` and its number."""
    order = fhir_json.read(therapies()["21-immune-globulin-dermatomyositis/order"].text)
    steps = order["steps"]
    kept = ("timing", "dosings", "route")
    order["steps"] = [
        {"step_id": f"s{at}", "sequence": at + 1, "text": f"{name}{at}", **{each: steps[at % 4][each] for each in kept}}
        for at in range(count)
    ]
    return fhir_json.write_pretty(order).decode()


def bundle_of(size: int) -> str:
    """As many golden resources as have so many characters, at most as many as are taken at once."""
    resources = [one for golden in goldens() for one in resources_of(fhir_json.read(golden.fhir("R4").read_bytes()))]
    entries: list[Any] = []
    so_far = 0
    for resource in itertools.cycle(resources):
        so_far += len(fhir_json.write(resource)) + 20
        if so_far > size or len(entries) == 1000:
            break
        entries.append({"resource": resource})
    return fhir_json.write({"resourceType": "Bundle", "type": "collection", "entry": entries}).decode()
