"""What holds of every page: light and dark, on a desk and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from fhir_infusion.web.routes import ROUTES
from fhir_infusion.web.tokens import add_token
from tests.browser.conftest import serious
from tests.real.serving import Serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

PAGES = sorted({route.rule for route in ROUTES if route.is_page and route.method == "GET" and "<" not in route.rule})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(
    page: Page, served: Serving, axe_source: str, path: str, scheme: Literal["light", "dark"]
):
    page.emulate_media(color_scheme=scheme)
    page.goto(served.base + path)
    assert serious(page, axe_source) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_no_wider_than_a_phone(page: Page, served: Serving, path: str):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(served.base + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_where_tokens_are_asked_for_a_page_opens_with_one_and_closes_again(page: Page, tmp_path: Path):
    """The token goes in a header, stays in this tab, and is gone with the sign-out."""
    tokens = tmp_path / "tokens.toml"
    _, text = add_token(tokens, "engineer", "default", "2026-01-02")
    serving = Serving(tmp_path, f'tokens = "{tokens}"\n')
    serving.start()
    try:
        page.goto(serving.base + "/workbench")
        page.get_by_label("Token").fill("fhirinf_00000000_wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("does not open this page").wait_for()
        page.get_by_label("Token").fill(text)
        page.get_by_label("Token").press("Enter")
        page.get_by_role("heading", name="Workbench").wait_for()
        assert text not in page.url + page.content()
        page.reload()
        page.get_by_role("heading", name="Workbench").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        assert page.context.cookies() == []
    finally:
        serving.kill()
