"""Pictures of the pages for the README, of invented patients: ``make screenshots`` writes them anew."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests import programs
from tests.browser.conftest import chromium
from tests.browser.ward import open_ward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE = Path(__file__).parent / "screenshots"
DESK, PHONE = (1360, 900), (390, 844)
ORDER = "/workbench?example=33-dobutamine-titration/order"
DAY = "/workbench?example=33-dobutamine-titration/administration-1-day"
RATE = "[data-path='steps[0].dosings[0].rate.value']"
SHOWN = {
    "workbench": (ORDER, RATE, "", DESK, "light"),
    "workbench-dark": (ORDER, RATE, "", DESK, "dark"),
    "workbench-phone": (ORDER, RATE, "", PHONE, "light"),
    "chart": (DAY, "", "svg", DESK, "light"),
    "console": ("/console", "", "", DESK, "light"),
    "reference": ("/docs/api", "", "", DESK, "light"),
}
"""Name: address, what is pointed at, what of the page (what the window shows where empty), size, light or dark."""


def main(folder: Path = HERE) -> None:
    """Take each picture of a service with a remote, on which things wait for a person."""
    found = chromium()
    if found is None:
        raise SystemExit(programs.missing("chromium"))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, open_ward(Path(work)) as ward, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, picture in _pictures(browser, ward.serving.base):
            (folder / f"{name}.png").write_bytes(picture)
        browser.close()


def _pictures(browser: Browser, base: str) -> Iterator[tuple[str, bytes]]:
    for name, (address, point, part, (width, height), scheme) in SHOWN.items():
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
        page.goto(base + address)
        if point:
            page.locator(point).first.evaluate("line => line.scrollIntoView({block: 'center'})")
            page.locator(point).first.click()
        yield name, page.locator(part).first.screenshot() if part else page.screenshot()
        page.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
