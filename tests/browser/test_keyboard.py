"""A whole day without a mouse, at the workbench and at the console: nothing is lost, trapped or out of sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.web.examples import therapies
from tests.browser.conftest import paste
from tests.browser.keys import Keys
from tests.browser.test_workbench import ORDER, line, says
from tests.browser.ward import open_ward
from tests.real.serving import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.real.serving import Serving

WHY = "asked the ward"


@pytest.fixture
def keys(page: Page) -> Keys:
    return Keys(page, [])


def test_an_order_is_pasted_followed_and_looked_up_in_the_ledger_without_a_mouse(
    page: Page, served: Serving, keys: Keys
):
    page.goto(served.base + "/workbench")
    keys.press("Tab")
    assert keys.focused() == "To the content"
    keys.press("Enter")
    keys.to("Input")
    keys.press("Control+A")
    paste(page, therapies()[ORDER].text)
    says(page, "Translated to FHIR: 43 carried, 62 mapped.")
    assert keys.focused() == "Input"
    keys.to("Record")
    for _ in range(30):
        keys.press("ArrowDown")
        keys.focused()
    keys.press("Home", "ArrowDown", "ArrowDown", "ArrowRight")
    assert keys.focused().startswith("status ↔ status")
    keys.press("ArrowRight")
    assert keys.focused().startswith('"status"')
    keys.press("ArrowLeft", "ArrowLeft")
    assert keys.focused().startswith('"status"')
    keys.to("carried 43")
    keys.press("Space")
    page.locator("#ledger .carried").first.wait_for(state="detached")
    assert keys.focused().startswith("carried")
    keys.to("Table of the ledger")
    keys.to("status")
    keys.press("Enter")
    assert page.evaluate("document.activeElement.closest('.json').id + document.activeElement.dataset.path") == (
        "sourcestatus"
    )
    keys.to("Release", "Shift+Tab")
    keys.type("R5")
    line(page, "result", "medication.reference.reference").wait_for()
    assert keys.focused().startswith("Release")
    keys.to("Overlay")
    keys.press("ArrowDown")
    says(page, "Translated to FHIR")
    assert keys.focused().startswith("Overlay")
    assert keys.faults == []


def test_a_mapping_is_edited_and_compared_without_a_mouse(page: Page, served: Serving, keys: Keys):
    page.goto(f"{served.base}/workbench?example={ORDER}")
    keys.to("Edit the mapping")
    keys.press("Enter")
    keys.to("Document none")
    keys.type("r4/infusion-order")
    page.get_by_role("textbox", name="r4/infusion-order.yaml").wait_for()
    keys.to("r4/infusion-order.yaml")
    text = page.locator("#mapping").input_value()
    keys.press("Control+End")
    keys.type("\n  nonsense: nowhere")
    says(page, "It does not load")
    assert keys.focused().startswith("r4/infusion-order.yaml")
    page.locator("#trial .complaints a").first.wait_for()
    keys.to(page.locator("#trial .complaints a").first.inner_text())
    keys.press("Enter")
    assert page.evaluate("document.activeElement.id") == "mapping"
    keys.press("Control+A")
    paste(
        page,
        text.replace("extension[url=$care-setting].valueCode", "extension[url=https://site.example/care].valueCode"),
    )
    says(page, "1 place of the result would be other")
    keys.to("Try it on all examples")
    keys.press("Enter")
    page.get_by_text("examples would change").first.wait_for(timeout=120_000)
    assert keys.focused().startswith("What r4/infusion-order.yaml would change")
    keys.to("Record")
    assert keys.faults == []


def test_the_documents_are_gone_through_with_the_arrows_and_the_focus_stays_with_them(
    page: Page, served: Serving, keys: Keys
):
    page.goto(f"{served.base}/workbench?example={ORDER}&document=r4/infusion-order.yaml")
    keys.to("Document none")
    names = page.locator("#document option").all_inner_texts()
    at = names.index("r4/infusion-order.yaml")
    for name in names[at + 1 : at + 3]:
        keys.press("ArrowDown")
        page.locator("#editor label", has_text=name).last.wait_for()
        assert keys.focused().startswith("Document")
    assert keys.faults == []


def test_pages_and_records_are_turned_without_a_mouse_and_the_focus_stays_on_what_turns_them(
    page: Page, served: Serving, keys: Keys
):
    page.goto(f"{served.base}/workbench?example=33-dobutamine-titration/administration-1-day")
    keys.to("Next in lines of to_lines")
    for words in ("lines 801 to", "lines 1601 to"):
        keys.press("Enter")
        page.get_by_text(words).first.wait_for()
    assert keys.focused() in {"Next in lines of to_lines", "FHIR"}
    page.goto(f"{served.base}/workbench?example=33-dobutamine-titration&side=fhir")
    page.get_by_text("Choose another").wait_for()
    keys.to("Choose another")
    if not page.locator("details", has=page.locator(".records")).evaluate("one => one.open"):
        keys.press("Enter")
    third = page.locator(".records button").nth(2).inner_text()
    keys.to(third)
    keys.press("Enter")
    page.get_by_text("Shown is 3:").wait_for()
    assert keys.focused() == third
    assert page.evaluate("document.activeElement.getAttribute('aria-current')") == "true"
    assert keys.faults == []


@pytest.mark.parametrize("with_tokens", [False, True])
def test_an_operator_s_day_without_a_mouse(page: Page, keys: Keys, tmp_path: Path, *, with_tokens: bool):
    with open_ward(tmp_path, with_tokens=with_tokens) as ward:
        page.goto(ward.serving.base + "/console")
        if with_tokens:
            keys.to("Token")
            keys.type("wrong")
            keys.press("Enter")
            says(page, "This token does not open this page.")
            assert keys.focused() == "Token"
            keys.type(ward.token)
            keys.press("Enter")
        page.get_by_role("heading", name="Remotes").wait_for()
        # A conflict is found, compared and decided.
        keys.to("Conflicts")
        keys.press("Enter")
        page.get_by_role("heading", name="Conflicts").wait_for()
        keys.to("Compare and decide")
        keys.press("Enter")
        page.get_by_role("heading", name="Changed on both sides").wait_for()
        ward.change_there("A-1", "faster")
        _decide(keys)
        page.get_by_role("alert").get_by_text("one side has changed since the conflict was held").wait_for()
        _decide(keys)
        page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()
        eventually(lambda: ward.orders()["A-1"]["dosageInstruction"][0]["text"] == "slower, 1.50 mL/h")
        # What was put aside is replayed.
        keys.to("Remotes")
        keys.press("Enter")
        page.get_by_role("heading", name="Remotes").wait_for()
        keys.to("Show them")
        keys.press("Enter")
        page.get_by_role("heading", name="Put aside for").wait_for()
        keys.to("Choose all of these")
        keys.press("Enter")
        assert keys.focused() == "Choose all of these"
        keys.to("Why", "Shift+Tab")
        keys.type(WHY)
        keys.to("Replay")
        keys.press("Enter")
        page.get_by_role("status").get_by_text("Replayed: 1 on the way again").wait_for()
        eventually(lambda: "A-2" in ward.orders())
        # An order is followed, and the way back leads where one came from.
        keys.to("Timeline of an order")
        keys.press("Enter")
        page.get_by_role("heading", name="Timeline of an order").wait_for()
        keys.to("Order")
        keys.type("A-1")
        keys.press("Enter")
        page.get_by_role("heading", name="What happened").wait_for()
        keys.to("How it stands")
        assert keys.faults == []


def _decide(keys: Keys) -> None:
    keys.to("Ours: our newest version")
    keys.press("Space")
    keys.to("Why")
    keys.type(WHY)
    keys.press("Tab", "Enter")
