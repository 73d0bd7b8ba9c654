"""Markdown to HTML for pages that load nothing and run nothing: what is no Markdown is shown as text.

Raw HTML is escaped, comments are left out, an image is its words. A heading can be linked to as where Markdown is
hosted (lower case, hyphens); a link to a file is turned into one to its page, or, where there is none, into its words.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from markdown_it import MarkdownIt
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markdown_it.token import Token

_COMMENT: Final = re.compile(r"^<!--.*?-->$", re.MULTILINE | re.DOTALL)
_NOT_IN_SLUG: Final = re.compile(r"[^\w\- ]")
_OUTSIDE: Final = ("https://", "http://")


def render(text: str, path: str, pages: Mapping[str, str]) -> Markup:
    """Return the HTML of a text.

    Args:
        text: the Markdown.
        path: of its file, from which its relative links go.
        pages: path of a file to the address of its page.
    """
    tokens = _PARSER.parse(_COMMENT.sub("", text))
    _name_headings(tokens)
    for token in tokens:
        if token.children:
            token.children = _linked(token.children, path, pages)
        # A style that stands at an element is what the policy of our pages forbids.
        align = token.attrs.pop("style", None)
        if align == "text-align:right":
            token.attrSet("class", "number")
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))  # noqa: S704  the renderer escapes all text


def words(text: str) -> Markup:
    """Return a sentence in Markdown as HTML, such as one with names in backticks."""
    return Markup(_PARSER.renderInline(text))  # noqa: S704  the renderer escapes all text


def title(text: str) -> str:
    """Return the words of the first heading."""
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "")


def summary(text: str) -> str:
    """Return the first paragraph as plain words."""
    tokens = _PARSER.parse(_COMMENT.sub("", text))
    inline = next((tokens[at + 1] for at, token in enumerate(tokens) if token.type == "paragraph_open"), None)
    return _words(inline.children or []) if inline is not None else ""


def _words(tokens: Sequence[Token]) -> str:
    return "".join(" " if token.type in {"softbreak", "hardbreak"} else token.content for token in tokens)


def _name_headings(tokens: Sequence[Token]) -> None:
    seen: Counter[str] = Counter()
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            slug = _NOT_IN_SLUG.sub("", _words(tokens[at + 1].children or []).lower()).strip().replace(" ", "-")
            token.attrSet("id", f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1


def _linked(tokens: Sequence[Token], path: str, pages: Mapping[str, str]) -> list[Token]:
    """Return the inline tokens with each link led to its page, and without those that lead nowhere."""
    kept: list[Token] = []
    dropped: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            target = _target(str(token.attrs["href"]), path, pages)
            dropped.append(not target)
            token.attrs = {"href": target, **({"rel": "noreferrer"} if target.startswith(_OUTSIDE) else {})}
        if token.type in {"link_open", "link_close"} and dropped[-1]:
            if token.type == "link_close":
                dropped.pop()
            continue
        if token.type == "link_close":
            dropped.pop()
        kept.append(token)
    return kept


def _target(href: str, path: str, pages: Mapping[str, str]) -> str:
    if href.startswith(("#", *_OUTSIDE)):
        return href
    file, mark, fragment = href.partition("#")
    page = pages.get(posixpath.normpath(posixpath.join(posixpath.dirname(path), file)))
    return f"{page}{mark}{fragment}" if page else ""


def _image(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return str(Markup("<em>{}</em>").format(tokens[index].content))


def _code(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    # What is wider than the page is scrolled, also by keys.
    return str(Markup('<pre tabindex="0"><code>{}</code></pre>\n').format(tokens[index].content))


def _table_open(*_: Any) -> str:
    return '<div class="scroll" tabindex="0"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.add_render_rule("image", _image)
    made.add_render_rule("fence", _code)
    made.add_render_rule("code_block", _code)
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", _table_close)
    return made


_PARSER: Final = _parser()
