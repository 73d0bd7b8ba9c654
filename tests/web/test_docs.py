"""The documentation as pages: every text, every link of it, and the reference of every operation."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from fhir_infusion.web import openapi
from fhir_infusion.web.docs import markdown, reference, texts
from fhir_infusion.web.openapi_requests import BASE
from tests.exact_json import dumps

if TYPE_CHECKING:
    from tests.web.conftest import Client

ROOT = Path(__file__).parents[2]
NAMES = [*texts.documents(), "api"]


class Found(HTMLParser):
    """The ids of a page, where its links lead, and every attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.attributes |= {f"{tag} {name}" for name in named}
        if "id" in named:
            self.ids.append(named["id"])
        if tag == "a":
            self.links.append(named["href"])


def page(client: Client, address: str) -> Found:
    reply = client.get(address)
    assert (reply.status_code, reply.mimetype) == (200, "text/html")
    return Found(reply.text)


def test_the_index_lists_every_text_that_is_shipped(client: Client):
    guides = {path.stem for path in (ROOT / "fhir_infusion" / "guides").glob("*.md")}
    assert set(texts.documents()) == guides | {"readme", "mappings", "definitions", "findings"}
    assert {f"/docs/{name}" for name in NAMES} <= set(page(client, "/docs").links)
    for one in texts.documents().values():
        assert one.title
        assert len(one.summary) > 20, one.name


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_page_or_a_heading_that_is_there(client: Client, name: str):
    here = f"/docs/{name}"
    found = page(client, here)
    assert len(found.ids) == len(set(found.ids))
    pages = {here: found}
    for link in found.links:
        address, _, fragment = link.partition("#")
        if address.startswith(("http://", "https://")):
            continue
        address = address or here
        if address not in pages and address.startswith("/docs"):
            pages[address] = page(client, address)
        elif address not in pages:
            assert client.get(address).status_code == 200, link
            continue
        assert not fragment or unescape(fragment) in pages[address].ids, link


@pytest.mark.parametrize("name", NAMES)
def test_a_text_brings_no_style_script_or_image_of_its_own(client: Client, name: str):
    found = page(client, f"/docs/{name}")
    assert not {
        one for one in found.attributes if one.split()[1] in {"style", "src"} or one.split()[1].startswith("on")
    }
    assert "default-src 'none'" in client.get(f"/docs/{name}").headers["Content-Security-Policy"]


def test_a_page_that_is_not_there_is_404_and_says_so(client: Client):
    reply = client.get("/docs/none")
    assert (reply.status_code, reply.mimetype) == (404, "text/html")
    assert "there is no such page" in reply.text


def test_what_is_no_markdown_is_shown_as_text():
    text = (
        '# A <b>head</b>\n\n<script>alert(1)</script> [bad](javascript:alert(1)) ![picture](x.png "t")\n\n'
        "```\n<i>&\n```\n\n<!-- a note -->\n\n| a | b |\n|---|--:|\n| <u> | 1 |\n"
    )
    made = str(markdown.render(text, "README.md", {}))
    assert not re.search(r"<(script|b|i|u|img)\b|href|style=|a note", made)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
    assert "<em>picture</em>" in made
    assert '<pre tabindex="0"><code>&lt;i&gt;&amp;\n</code></pre>' in made
    assert '<th class="number">b</th>' in made
    assert "<!--" not in made


def test_headings_are_named_as_where_markdown_is_hosted_and_links_go_to_pages():
    text = "## What's `this`?\n\n## What's `this`?\n\n[one](../b.md#x) [two](c.md) [three](#whats-this) [four](https://h.example)\n"
    made = str(markdown.render(text, "docs/a.md", {"b.md": "/docs/b"}))
    assert re.findall(r'id="([^"]+)"', made) == ["whats-this", "whats-this-1"]
    assert re.findall(r'<a href="([^"]+)"', made) == ["/docs/b#x", "#whats-this", "https://h.example"]
    assert ">four</a>" in made
    assert 'rel="noreferrer">four' in made
    assert " two " in made


def test_who_names_no_address_gets_the_documentation_and_from_there_every_page(client: Client):
    assert page(client, "/").links == page(client, "/docs").links
    assert {"/workbench", "/docs/api"} <= set(page(client, "/").links)


def test_the_reference_has_every_operation_with_a_line_for_curl(client: Client):
    described = {
        (method.upper(), address) for address, methods in openapi.description()["paths"].items() for method in methods
    }
    listed = [one for operations in reference.groups().values() for one in operations]
    assert {(one.method, one.address) for one in listed} == described
    text = unescape(client.get("/docs/api").text)
    for one in listed:
        assert one.requests, one.address
        for line, request in one.requests:
            assert line.startswith("curl -s")
            assert line.replace(BASE, "http://localhost") in text
            assert request.body in text
    for schema in reference.schemas():
        assert all(row.kind.words for row in schema.rows), schema.name


def test_each_example_is_right_by_its_own_schema():
    document = openapi.description()
    plain: Any = json.loads(dumps(document))
    seen = 0
    for methods in plain["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "example" in content and isinstance(content["example"], dict | list):
                    whole = {**content["schema"], "components": plain["components"]}
                    jsonschema.validate(content["example"], _resolved(whole))
                    seen += 1
    assert seen > 20


def _resolved(schema: Any) -> Any:
    """A record's schema names its parts from its own root."""
    ref = schema.get("$ref", "")
    found = schema["components"]["schemas"].get(ref.rpartition("/")[2], {})
    return found if "$defs" in found else schema
