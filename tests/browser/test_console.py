"""An operator's day at the console: decide a conflict, replay what was put aside, follow an order to every server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest

from tests.browser.conftest import serious
from tests.browser.ward import HOSTILE, open_ward
from tests.real.serving import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.ward import Ward

WHY = "asked the ward"


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with open_ward(tmp_path) as opened:
        yield opened


def test_a_conflict_is_found_compared_and_decided(page: Page, ward: Ward):
    page.goto(ward.serving.base + "/console")
    page.get_by_role("listitem").filter(has_text="changed on both sides").get_by_role("link", name="Show them").click()
    page.get_by_role("link", name=re.compile("Compare and decide")).click()
    row = page.get_by_role("row").filter(has_text="dosageInstruction[0].text")
    assert row.get_by_role("cell").all_inner_texts() == ["not there", "slower, 1.50 mL/h new", f"{HOSTILE} new"]
    assert page.title().startswith("Conflict ")
    ward.change_there("A-1", "faster")
    page.get_by_label("Ours: our newest version").check()
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("alert").get_by_text("one side has changed since the conflict was held").wait_for()
    assert "faster" in page.get_by_role("row").filter(has_text="dosageInstruction[0].text").inner_text()
    page.get_by_label("Ours: our newest version").check()
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()
    page.get_by_text("Nothing waits.").wait_for()
    eventually(lambda: ward.orders()["A-1"]["dosageInstruction"][0]["text"] == "slower, 1.50 mL/h")
    page.reload()
    page.goto(ward.serving.base + "/console/audit?action=conflict-resolved")
    assert f"ours: {WHY}" in page.get_by_role("row").nth(1).inner_text()


def test_what_was_put_aside_is_looked_at_and_replayed(page: Page, ward: Ward):
    page.goto(ward.serving.base + "/console")
    page.get_by_role("listitem").filter(has_text="Put aside on the way out").get_by_role("link").click()
    page.get_by_role("table").get_by_role("row").nth(1).get_by_role("link").first.click()
    assert "POST MedicationRequest" in page.get_by_role("table").inner_text()
    page.get_by_role("link", name="Show what it tells").click()
    assert '"A-2"' in page.get_by_label("Content").inner_text()
    page.get_by_role("link", name="Back").click()
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("status").get_by_text("Replayed: 1 on the way again; row 5: is acked now.").wait_for()
    eventually(lambda: "A-2" in ward.orders())
    page.goto(ward.serving.base + "/console/audit?action=read")
    assert page.get_by_role("row").count() == 2  # the heading, and the one reading


def test_one_order_is_followed_from_the_ehr_to_the_server(page: Page, ward: Ward):
    page.goto(ward.serving.base + "/console")
    page.get_by_role("link", name="Timeline of an order").click()
    page.get_by_label("Order").fill("A-1")
    page.get_by_role("button", name="Show").click()
    happened = page.get_by_role("region", name="What happened").get_by_role("list").first.inner_text()
    for text in (
        "version 1: active, create by open",
        "POST MedicationRequest",
        "→ 201",
        "conflict (clinical)",
        "given-1",
    ):
        assert text in happened
    assert "not known there" not in page.get_by_role("region", name="How it stands").first.inner_text()


def test_without_a_script_everything_is_done_on_loopback(browser: Browser, ward: Ward):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(ward.serving.base + "/console/remotes/hospital/aside")
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Give up").click()
    page.get_by_text("Given up: 1.").wait_for()
    context.close()


def test_with_a_token_the_same_is_done_by_the_script(page: Page, tmp_path: Path):
    with open_ward(tmp_path, with_tokens=True) as ward:
        page.goto(ward.serving.base + "/console/conflicts")
        page.get_by_label("Token").fill(ward.token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name=re.compile("Compare and decide")).click()
        page.get_by_label("Theirs: it is written here").check()
        page.get_by_label("Why").fill(WHY)
        page.get_by_role("button", name="Decide").click()
        page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()
        assert ward.token not in page.url + page.content()
        page.go_back()
        page.get_by_role("heading", name="Changed on both sides resolved").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_something_waits(
    page: Page, tmp_path: Path, axe_source: str, scheme: Literal["light", "dark"]
):
    with open_ward(tmp_path) as ward:
        held = ward.ask("GET", "/api/sync/conflicts")["items"][0]["id"]
        page.emulate_media(color_scheme=scheme)
        for path in (
            *("/console", "/console/remotes/hospital", "/console/remotes/hospital/aside", "/console/conflicts"),
            *(f"/console/conflicts/{held}", "/console/trace?order=A-1", "/console/trace?order=none", "/console/audit"),
            *("/console/rows/1", "/console/rows/1/content", "/console/remotes/hospital/quarantine"),
        ):
            page.set_viewport_size({"width": 1280, "height": 900})
            page.goto(ward.serving.base + path)
            assert serious(page, axe_source) == [], path
            page.set_viewport_size({"width": 390, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
