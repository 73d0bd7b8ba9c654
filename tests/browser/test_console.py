"""An operator's day at the console: decide a conflict, replay what was put aside, follow an order to every server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest

from fhir_infusion.web.tokens import add_token
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
            assert serious(page, axe_source) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_what_another_decided_meanwhile_is_said_and_nothing_is_done_twice(page: Page, ward: Ward):
    page.goto(ward.serving.base + "/console/remotes/hospital/aside?state=dead")
    row = page.get_by_role("checkbox").first.get_attribute("value")
    page.get_by_role("checkbox").first.check()
    ward.ask("POST", "/api/sync/remotes/hospital/skip", {"rows": [int(str(row))], "reason": "by another"})
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Give up").click()
    page.get_by_role("alert").wait_for()
    page.goto(ward.serving.base + "/console/audit?action=sync-skipped")
    assert [one for one in page.get_by_role("row").all_inner_texts() if WHY in one] == []


def test_a_conflict_that_another_decided_meanwhile_is_not_decided_again(page: Page, ward: Ward):
    held = ward.ask("GET", "/api/sync/conflicts")["items"][0]["id"]
    page.goto(f"{ward.serving.base}/console/conflicts/{held}")
    shown = ward.serving.call("GET", f"/api/sync/conflicts/{held}")
    tag = {name.lower(): value for name, value in shown.headers.items()}["etag"]
    ward.ask(
        "POST", f"/api/sync/conflicts/{held}/resolve", {"keep": "theirs", "reason": "by another"}, **{"If-Match": tag}
    )
    page.get_by_label("Ours: our newest version").check()
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Decide").click()
    page.get_by_text("by another").or_(page.get_by_role("heading", name="Not done")).first.wait_for()
    page.goto(ward.serving.base + "/console/audit?action=conflict-resolved")
    assert [one for one in page.get_by_role("row").all_inner_texts() if WHY in one] == []


@pytest.mark.parametrize("with_tokens", [False, True])
def test_a_double_click_does_it_once_and_says_that_it_was_done(page: Page, tmp_path: Path, *, with_tokens: bool):
    with open_ward(tmp_path, with_tokens=with_tokens) as ward:
        page.goto(ward.serving.base + "/console/conflicts")
        if with_tokens:
            page.get_by_label("Token").fill(ward.token)
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name=re.compile("Compare and decide")).click()
        page.get_by_label("Theirs: it is written here").check()
        page.get_by_label("Why").fill(WHY)
        page.get_by_role("button", name="Decide").dblclick()
        page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()
        page.get_by_role("link", name="Audit trail").click()
        page.get_by_label("Action").fill("conflict-resolved")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url(re.compile("action=conflict-resolved"))
        page.get_by_text(f"theirs: {WHY}").first.wait_for()
        assert len([one for one in page.get_by_role("row").all_inner_texts() if WHY in one]) == 1


def test_all_of_a_list_are_chosen_at_once(page: Page, ward: Ward):
    page.goto(ward.serving.base + "/console/remotes/hospital/aside")
    page.get_by_role("button", name="Choose all of these").click()
    boxes = page.get_by_role("checkbox")
    assert boxes.count() == 2
    assert [boxes.nth(at).is_checked() for at in range(2)] == [True, True]
    page.get_by_role("button", name="Choose all of these").click()
    assert [boxes.nth(at).is_checked() for at in range(2)] == [False, False]


def test_who_is_no_operator_sees_no_console_and_is_told_what_is_missing(page: Page, tmp_path: Path):
    with open_ward(tmp_path, with_tokens=True) as ward:
        _, plain = add_token(tmp_path / "tokens.toml", "plain", "default", "2026-01-02")
        for path in ("/console", "/console/conflicts", "/console/remotes/hospital/aside"):
            page.goto(ward.serving.base + path)
            page.get_by_label("Token").fill(plain)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_text("does not open this page").wait_for()
            assert "A-1" not in page.get_by_role("main").inner_text()
