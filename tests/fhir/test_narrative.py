"""A narrative holds formatting and text of its own, and nothing that runs, loads or hides."""

from __future__ import annotations

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from fhir_infusion.fhir import narrative
from tests.fhir.kit import XHTML


def div(inner: str, attributes: str = "") -> str:
    return f"<div {XHTML}{attributes}>{inner}</div>"


RIGHT = [
    div("x"),
    div('<p class="a">x <b>y</b><br/></p><hr />'),
    div("<p>x</p>", ' xml:lang="de" lang="de" style="color: #123; margin: 1px"'),
    div('<table border="1"><tr><td colspan="2">x</td></tr></table>'),
    div('<table frame="box"><tr><td nowrap="nowrap">x</td></tr></table>'),
    div('<a href="http://x.org/?a=b&amp;c=d">x</a><a name="y">z</a><a href="#y">y</a><a href="mailto:a@b.c">m</a>'),
    div('<img src="#i" alt="x"/>'),
    div("&lt;&#160;&#xe9;&amp;"),
    div("<!-- hidden --> x"),
    "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>",
    div("<pre space=\"x\">a</pre><blockquote cite='http://x'>y</blockquote>"),
    div("x") + "\n",
]
WRONG = [
    ("<div>x</div>", "namespace"),
    (div(" \n"), "no text"),
    (div("<!-- x -->"), "no text"),
    (f"<div {XHTML}/>", "no text"),
    (div("<script>x</script>"), "element"),
    (div("<iframe/>"), "element"),
    (div("<form><input/></form>"), "element"),
    (div("<u>x</u>"), "element"),
    (div("<object>x</object>"), "element"),
    (div("x", ' onclick="a()"'), "attribute"),
    (div('<p onerror="a()">x</p>'), "attribute"),
    (div('<p bgcolor="red">x</p>'), "attribute"),
    (div('<p href="x">x</p>'), "attribute"),
    (div('<a href="javascript:a()">x</a>'), "address"),
    (div('<a href=" JaVaScRiPt:a()">x</a>'), "address"),
    (div('<a href="&#106;avascript:a()">x</a>'), "address"),
    (div('<a href="java&#10;script:a()">x</a>'), "address"),
    (div('<a href="java\tscript:a()">x</a>'), "address"),
    (div('<a href="data:text/html,x">x</a>'), "address"),
    (div('<a href="file:///etc/passwd">x</a>'), "address"),
    (div('<img src="http://x.org/a.png"/>'), "image"),
    (div('<img src="data:image/png;base64,AAAA"/>'), "image"),
    (div("<img/>"), "image"),
    (div('<p style="background: url(http://x)">x</p>'), "style"),
    (div('<p style="width: expression(a())">x</p>'), "style"),
    (div('<p style="a\\62 c">x</p>'), "style"),
    (div("<p>x"), "end tag"),
    (div("x</p>"), "end tag"),
    (f"<div {XHTML}><p>x</div></p>", "end tag"),
    (f"<div {XHTML}>x", "does not end"),
    ("x", "outside"),
    (div("x") + "y", "outside"),
    (div("x") + div("y"), "more than the one"),
    ("<p>x</p>", "more than the one"),
    ("</div>", "end tag"),
    (div("a&nbsp;b"), "entity"),
    (div("a & b"), "not well formed"),
    (div("<![CDATA[x]]>"), "not well formed"),
    (div("<p class=a>x</p>"), "not well formed"),
    (div("<"), "not well formed"),
    ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + div("x"), "not well formed"),
    ("<?xml version='1.0'?>" + div("x"), "not well formed"),
    ("", "does not end"),
]


@pytest.mark.parametrize("text", RIGHT)
def test_formatting_and_text_are_taken(text):
    assert narrative.fault(text) == ""


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_n1_anything_beyond_the_subset_is_refused(text, reason):
    assert reason in narrative.fault(text)
    assert not narrative.is_plain(text)


@pytest.mark.parametrize("text", RIGHT[:4])
def test_the_usual_is_known_quickly(text):
    assert narrative.is_plain(text)


PIECES = [
    *"ab <>&\"'/=",
    "<p>",
    "</p>",
    "<b>",
    "</b>",
    "<br/>",
    "&amp;",
    "&#160;",
    "&nbsp;",
    "<script>",
    "</a>",
    "<!--",
    "-->",
]
PIECES += [
    '<a href="javascript:x">',
    '<a href="#x">',
    "</div>",
    "<p ",
    ">",
    ' onclick="x"',
    ' style="a:url(b)"',
    "<div>",
]
pieces = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@each(pieces)
def test_law_a_quick_yes_is_never_wrong(inner):
    if narrative.is_plain(div(inner)):
        assert narrative.fault(div(inner)) == ""


@each(st.text(max_size=50))
def test_law_any_text_gets_an_answer(text):
    assert isinstance(narrative.fault(text), str)
    assert isinstance(narrative.is_plain(text), bool)
