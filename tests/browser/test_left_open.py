"""A page that was left open: the service was started again or is down, the token is no longer one, somebody was faster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fhir_infusion.web.tokens import add_token, revoke_token
from tests.browser.ward import open_ward

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.ward import Ward

WHY = "asked the ward"


def open_conflict(page: Page, ward: Ward) -> None:
    page.goto(ward.serving.base + "/console/conflicts")
    if ward.token:
        sign_in(page, ward.token)
    page.get_by_role("link", name=re.compile("Compare and decide")).click()
    page.get_by_role("heading", name="Changed on both sides").wait_for()


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def decide(page: Page) -> None:
    page.get_by_label("Theirs: it is written here").check()
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Decide").click()


def test_a_service_that_is_down_is_told_above_the_page_and_asked_again_decides_once(page: Page, tmp_path: Path):
    with open_ward(tmp_path, with_tokens=True) as ward:
        open_conflict(page, ward)
        ward.serving.kill()
        decide(page)
        told = page.get_by_role("alert").inner_text()
        assert told.startswith("The service does not answer. Whether this was done is not known: try again")
        assert page.get_by_label("Why").input_value() == WHY
        page.get_by_role("link", name="Audit trail").click()
        page.get_by_text("The service does not answer. Try again in a moment.").wait_for()
        ward.serving.start()
        page.get_by_role("button", name="Decide").click()
        page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()


def test_a_page_that_was_open_while_the_service_was_started_again_still_decides(page: Page, tmp_path: Path):
    with open_ward(tmp_path) as ward:
        open_conflict(page, ward)
        ward.serving.kill()
        ward.serving.start()
        decide(page)
        page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()


def test_who_decides_with_a_token_that_is_revoked_is_asked_for_another_and_nothing_was_decided(
    page: Page, tmp_path: Path
):
    with open_ward(tmp_path, with_tokens=True) as ward:
        open_conflict(page, ward)
        _, another = add_token(tmp_path / "tokens.toml", "another", "default", "2026-01-02", operator=True)
        revoke_token(tmp_path / "tokens.toml", ward.token.split("_")[1], "2026-01-03")
        decide(page)
        page.get_by_role("heading", name="Sign in").wait_for()
        page.get_by_text("Not without a token").wait_for()
        sign_in(page, another)
        page.get_by_role("heading", name="Changed on both sides").wait_for()
        decide(page)
        page.get_by_role("status").get_by_text("Decided about MedicationRequest/").wait_for()
        assert another not in page.url + page.content()
