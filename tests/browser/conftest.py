"""Chromium on the pages of a service that runs as an operator runs it; whatever would leave the machine fails the test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from tests import node, programs
from tests.real.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
SECONDS = 20


def chromium() -> str | None:
    """Return the Chromium of this machine, under the name that Debian or another system gives it."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the whole run; each test gets a profile of its own."""
    found = chromium()
    if found is None:
        pytest.skip(programs.missing("chromium"))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service with an embedded database and no remote, for pages that change nothing."""
    serving = Serving(tmp_path_factory.mktemp("served"), "")
    serving.start()
    yield serving
    serving.kill()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page. At its end: no request left this machine, nothing was blocked by the policy, no script failed."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(SECONDS * 1000)
    asked: list[str] = []
    told: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on(
        "console", lambda message: told.append(message.text) if "Content Security Policy" in message.text else None
    )
    yield opened
    context.close()
    assert [url for url in asked if urlsplit(url).hostname not in {"127.0.0.1", None}] == []
    assert told == []


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The program by Deque that judges whether a page can be used by everybody."""
    if node.missing():
        pytest.skip(node.missing())
    node.install(HERE)
    return (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def paste(page: Page, text: str) -> None:
    """Paste as people do, of the clipboard, at what has the focus."""
    page.set_default_timeout(60_000)  # what is so long takes a busy machine long
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+V")


def serious(page: Page, axe_source: str) -> list[str]:
    """Return what axe finds of a page that is serious or worse: the rule, and the first element."""
    page.evaluate(axe_source)
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
