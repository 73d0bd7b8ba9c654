"""Somebody without a mouse: from one thing to the next by Tab, each of them seen while it has the focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Page

_MOST: Final = 400
"""Steps after which something cannot be reached."""

_FOCUSED: Final = """() => {
  const one = document.activeElement;
  if (!one || one === document.body || one === document.documentElement) return {name: "", fault: "nothing has the focus"};
  const name = (one.getAttribute("aria-label") || one.labels?.[0]?.textContent || (one.getAttribute("aria-labelledby") || "")
    .split(" ").map((id) => document.getElementById(id)?.textContent || "").join(" ") || one.textContent).trim().replace(/\\s+/g, " ");
  const style = getComputedStyle(one), box = one.getClientRects()[0];
  let fault = "";
  if (one.id === "main") fault = ""; // a page begins there, and who looks sees that it is another
  else if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) fault = "it has no outline";
  else if (!box) fault = "it is not drawn";
  else {
    const x = Math.min(Math.max(box.left + Math.min(box.width / 2, 40), 1), innerWidth - 2);
    const y = (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2;
    const there = document.elementFromPoint(x, y);
    if (box.bottom < 1 || box.top > innerHeight - 1) fault = "it is out of sight";
    else if (!there || !(one.contains(there) || there.contains(one))) fault = "it is covered by " + (there?.id || there?.tagName);
  }
  return {name, fault};
}"""


@dataclass(frozen=True)
class Keys:
    """The keyboard of a page. ``faults`` are all places where who looks does not see what has the focus."""

    page: Page
    faults: list[str]

    def focused(self) -> str:
        """Return what has the focus is called; note it where nobody sees it."""
        told = self.page.evaluate(_FOCUSED)
        if told["fault"]:
            self.faults.append(f"{told['name'][:60]!r}: {told['fault']}")
        return str(told["name"])

    def to(self, name: str, key: str = "Tab") -> None:
        """Go on until the focus is on what is called so."""
        passed: list[str] = []
        for _ in range(_MOST):
            self.page.keyboard.press(key)
            passed.append(self.focused() if self.page.evaluate("document.activeElement !== document.body") else "")
            if passed[-1].startswith(name):
                return
        raise AssertionError(f"{name} is not reached by {key}: {list(dict.fromkeys(one[:40] for one in passed))}")

    def press(self, *keys: str) -> None:
        """Press one key after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type a text."""
        self.page.keyboard.type(text)
