"""The pages on paper, in forced colours and without motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_workbench import DAY, STATES, line

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.real.serving import Serving

A4 = {"width": 760, "height": 1040}
"""The paper between its margins, in CSS pixels."""

CUT = """() => [...document.querySelectorAll("main *")].filter((one) => one.checkVisibility() && !one.closest("svg, .hidden")
  && getComputedStyle(one).overflow !== "visible" && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
).map((one) => one.tagName + "#" + one.id)"""
"""What would have to be scrolled to be read."""

DARK = """() => [...document.querySelectorAll("body, body *")].filter((one) => one.checkVisibility()
  && /^rgb\\(/.test(getComputedStyle(one).backgroundColor)
  && getComputedStyle(one).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, each) => sum + Number(each), 0) < 384
).map((one) => one.tagName + "#" + one.id)"""


@pytest.mark.parametrize("state", ["order", "administration", "bundle", "mapping"])
def test_on_paper_nothing_is_cut_dark_or_to_be_pressed(page: Page, served: Serving, state: str):
    page.set_viewport_size(A4)  # type: ignore[arg-type]  # a size
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(f"{served.base}/workbench?{STATES[state]}")
    assert page.evaluate(CUT) == []
    assert page.evaluate(DARK) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    pressed = page.locator("button:visible")
    assert [one for one in pressed.all_inner_texts() if not one.startswith(("entry", "Bundle.entry"))] == []
    for table in page.locator("#outcome details table").all():
        assert table.is_visible()


def test_in_forced_colours_what_belongs_together_and_what_was_carried_is_told_apart(page: Page, served: Serving):
    page.emulate_media(forced_colors="active")
    page.goto(f"{served.base}/workbench?example={DAY}")
    line(page, "source", "status").click()
    marked = line(page, "source", "status")
    other, carried = line(page, "source", "record"), line(page, "source", "care_setting")
    assert _style(marked, "backgroundColor") != _style(other, "backgroundColor")
    assert page.locator("#result .on").count() > 0
    assert _style(page.locator("#result .on").first, "backgroundColor") == _style(marked, "backgroundColor")
    assert _style(carried, "borderLeftColor") != _style(other, "borderLeftColor")
    planned, given = page.locator(".chart path.planned:not(.area)").first, page.locator(".chart path.given").first
    assert _style(planned, "stroke") != _style(given, "stroke")
    assert _style(planned, "strokeDasharray") != _style(given, "strokeDasharray") == "none"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.goto(served.base + "/console")
    tabs = page.get_by_role("navigation", name="Console").get_by_role("link")
    assert [_style(tabs.nth(at), "textDecorationLine") for at in range(2)] == ["underline", "none"]


@pytest.mark.parametrize("path", ["/workbench", "/console", "/docs"])
def test_nothing_moves_by_itself(page: Page, served: Serving, path: str):
    page.emulate_media(reduced_motion="reduce")
    page.goto(served.base + path)
    assert page.evaluate("document.getAnimations().length") == 0
    moving = """() => [...document.querySelectorAll("*")].filter((one) => { const style = getComputedStyle(one);
      return style.animationName !== "none" || /[1-9]/.test(style.transitionDuration) || style.scrollBehavior === "smooth"; }).length"""
    assert page.evaluate(moving) == 0


def _style(one: Locator, name: str) -> str:
    return str(one.evaluate("(one, name) => getComputedStyle(one)[name]", name))
