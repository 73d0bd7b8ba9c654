"""The subset of XHTML that a narrative may use.

https://hl7.org/fhir/R4/narrative.html (txt-1, txt-2). Checked with patterns, never with an XML parser, so that there
are no entities or external documents to attack. Stricter than the standard in two points: an image must be one of the
resource's own (``#id``), and nothing may carry a script, by address or by style.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Final

_ELEMENTS: Final = frozenset(
    {
        *("p", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "a", "span", "b", "em", "i", "strong", "small", "big"),
        *("tt", "dfn", "q", "var", "abbr", "acronym", "cite", "blockquote", "hr", "address", "bdo", "kbd", "sub"),
        *("sup", "ul", "ol", "li", "dl", "dt", "dd", "pre", "table", "caption", "colgroup", "col", "thead", "tr"),
        *("tfoot", "tbody", "th", "td", "code", "samp", "img", "map", "area"),
    }
)
_ATTRIBUTES: Final = frozenset(
    {
        *("title", "style", "class", "id", "lang", "xml:lang", "xml:space", "dir", "accesskey", "tabindex"),
        *("span", "width", "align", "valign", "char", "charoff", "abbr", "axis", "headers", "scope", "rowspan"),
        "colspan",
    }
)
_ATTRIBUTES_OF: Final = {
    "a": frozenset({"href", "name", "charset", "type", "hreflang", "rel", "rev", "shape", "coords"}),
    "area": frozenset({"shape", "coords", "href", "nohref", "alt"}),
    "blockquote": frozenset({"cite"}),
    "div": frozenset({"xmlns"}),
    "img": frozenset({"src", "border", "alt", "longdesc", "height", "usemap", "ismap"}),
    "map": frozenset({"name"}),
    "pre": frozenset({"space"}),
    "q": frozenset({"cite"}),
    "table": frozenset({"summary", "border", "frame", "rules", "cellspacing", "cellpadding"}),
    "td": frozenset({"nowrap"}),
}
_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"

_TOKEN: Final = re.compile(
    r"[^<&]+"
    r"|&(?:\#[0-9]{1,7}|\#x[0-9a-fA-F]{1,6}|(?P<entity>[A-Za-z][A-Za-z0-9]{0,30}));"
    r"|</(?P<end>[A-Za-z][A-Za-z0-9]*)\s*>"
    r"|<(?P<start>[A-Za-z][A-Za-z0-9]*)"
    r"(?P<attributes>(?:\s+[A-Za-z:_][A-Za-z0-9:_.-]*\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(?P<empty>/?)>"
    r"|<!--(?:(?!--).)*-->",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(r"([A-Za-z:_][A-Za-z0-9:_.-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_SCRIPT_ADDRESS: Final = re.compile(r"[\s\x00-\x20]*(?:javascript|vbscript|data|file)\s*:", re.IGNORECASE)
_SCRIPT_STYLE: Final = re.compile(r"url\s*\(|expression\s*\(|javascript:|@import|\\", re.IGNORECASE)
_ADDRESSES: Final = frozenset({"href", "src", "cite", "longdesc", "usemap"})


def fault(div: str) -> str:
    """Return what a narrative's div holds beyond the subset, in words without any of its text, or the empty string."""
    reader = _Reader()
    position = 0
    while position < len(div):
        token = _TOKEN.match(div, position)
        if token is None:
            return "markup that is not well formed, or of a kind that a narrative may not use"
        position = token.end()
        found = reader.take(token)
        if found:
            return found
    if not reader.closed:
        return "a div that does not end"
    return "" if reader.has_content else "no text and no image"


@dataclass(slots=True)
class _Reader:
    """What has been read so far: the elements still open, whether the div is closed, whether it holds something."""

    open_elements: list[str] = field(default_factory=list)
    closed: bool = False
    has_content: bool = False

    def take(self, token: re.Match[str]) -> str:
        """Take one token; return what is wrong with it."""
        if token.group("start") is not None:
            return self.start(token)
        if token.group("end") is not None:
            return self.end(token.group("end"))
        if token.group("entity") and token.group("entity") not in _ENTITIES:
            return "an entity that XML does not know"
        if not token.group().startswith("<!--") and token.group().strip():
            self.has_content = True
            return "" if self.open_elements else "text outside the div"
        return ""

    def start(self, token: re.Match[str]) -> str:
        """Take a start tag."""
        name, is_root = token.group("start"), not self.open_elements
        if self.closed or (is_root and name != "div"):
            return "more than the one div"
        self.has_content = self.has_content or name == "img"
        if not token.group("empty"):
            self.open_elements.append(name)
        elif is_root:
            self.closed = True
        return _start_fault(name, token.group("attributes"), is_root=is_root)

    def end(self, name: str) -> str:
        """Take an end tag."""
        if not self.open_elements or self.open_elements.pop() != name:
            return "an end tag that does not match"
        self.closed = not self.open_elements
        return ""


def is_plain(div: str) -> bool:
    """Tell quickly whether a div is one of the usual kind in which ``fault`` finds nothing."""
    return _PLAIN.fullmatch(div) is not None and _SOMETHING.search(div) is not None


_MOST_LEVELS: Final = 12
"""How deep elements may lie within each other to be known quickly."""

_NAMES: Final = "p|b|i|div|table|tbody|thead|tr|td|th|span|a|ul|ol|li|h[1-6]|hr|br|code|blockquote|pre|em|strong|su[bp]"
_QUOTED: Final = r"(?:\"[^\"<&]*+\"|'[^'<&]*+')"
_GENERAL: Final = rf" (?:class|id|title|colspan|rowspan|lang|width)={_QUOTED}| style=\"[A-Za-z0-9:;,.%# -]*+\""
_LINK: Final = rf" name={_QUOTED}| href=\"(?:https?://)?(?:[^\"<&:]|&amp;)*+\""
_GIVEN: Final = rf"(?:(?<=<a)(?:{_GENERAL}|{_LINK})*+|(?<=<table)(?:{_GENERAL}| border={_QUOTED})*+|(?:{_GENERAL})*+)"


def _content(level: int) -> str:
    """Return the pattern of what may stand in an element at a level: text and whole elements."""
    if level > _MOST_LEVELS:
        return r"(?:[^<&]++|&(?:amp|lt|gt|quot|apos|\#[0-9]{1,6});)*+"
    element = rf"<(?P<l{level}>{_NAMES}){_GIVEN} ?(?:/>|>{_content(level + 1)}</(?P=l{level})>)"
    return rf"(?:[^<&]++|&(?:amp|lt|gt|quot|apos|\#[0-9]{{1,6}});|{element})*+"


_PLAIN: Final = re.compile(
    r"<div xmlns=(?:\"http://www\.w3\.org/1999/xhtml\"|'http://www\.w3\.org/1999/xhtml')"
    rf"(?:{_GENERAL}| xml:lang={_QUOTED})*+>{_content(1)}</div>"
)
_SOMETHING: Final = re.compile(r">\s*+[^<\s]")


def _as_followed(address: str) -> str:
    """Return an address as a browser follows it: without tabs and line feeds, wherever they stand."""
    return re.sub(r"[\t\n\r]", "", html.unescape(address))


def _start_fault(element: str, attributes: str, *, is_root: bool) -> str:
    """Return what is wrong with a start tag."""
    given = {name: double or single for name, double, single in _ATTRIBUTE.findall(attributes)}
    own = _ATTRIBUTES_OF.get(element, frozenset())
    if element not in _ELEMENTS or any(name not in _ATTRIBUTES and name not in own for name in given):
        return "an element or attribute that a narrative may not use"
    if is_root and given.get("xmlns") != _NAMESPACE:
        return "a div that is not in the XHTML namespace"
    if element == "img" and not given.get("src", "").startswith("#"):
        return "an image from outside the resource"
    if any(_SCRIPT_ADDRESS.match(_as_followed(given[name])) for name in _ADDRESSES.intersection(given)):
        return "an address that runs a script, opens a file or carries data"
    if _SCRIPT_STYLE.search(html.unescape(given.get("style", ""))):
        return "a style that loads or runs something"
    return ""
