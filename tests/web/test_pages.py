"""What all pages have in common: they load nothing, do nothing else, and show nothing without a token."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.web.routes import ROUTES

if TYPE_CHECKING:
    from tests.web.conftest import Client

PAGES = sorted({route.rule for route in ROUTES if route.is_page and route.method == "GET" and "<" not in route.rule})


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_and_may_do_nothing_else(client: Client, path: str):
    reply = client.get(path)
    assert reply.status_code == 200
    assert reply.mimetype == "text/html"
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for element in ("script", "style"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not re.search(r"<[^>]*\ssrc=|<link|<img|@import|url\(|<[^>]*\s(?:style|on\w+)=", reply.text)
    assert not re.search(r'href="(?![/#])', reply.text), "a link leads out of the service"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_a_token_is_the_form_that_asks_for_one(guarded: Client, path: str):
    reply = guarded.get(path)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert 'id="sign-in"' in reply.text
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_another_host_is_a_page_that_says_why_it_is_refused(client: Client, path: str):
    reply = client.get(path, host="evil.example")
    assert reply.status_code == 403
    assert reply.mimetype == "text/html"
    assert "only this machine may ask" in reply.text
    assert 'id="sign-in"' not in reply.text


@pytest.mark.parametrize("path", ["/workbench/none", "/console/none/such", "/docs/none/such"])
def test_an_address_below_a_page_that_there_is_not_is_a_page_that_says_so(client: Client, guarded: Client, path: str):
    reply = client.get(path)
    assert reply.status_code == 404
    assert reply.mimetype == "text/html"
    assert "there is nothing at this address" in reply.text
    assert guarded.get(path).mimetype == "text/html"
