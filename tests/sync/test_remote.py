"""What the endpoint makes of answers, with requests patched; real sockets are used in tests/faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import responses
from responses import matchers

from fhir_infusion.actions.condition import token_value
from fhir_infusion.config import Remote
from fhir_infusion.sync.remote import Endpoint
from fhir_infusion.sync.replies import Doubtful, Forbidden, Redirected, Stamp, Unauthorized, Written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "https://fhir.example:8443/r4"
ORDER = {"resourceType": "MedicationRequest", "status": "active"}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    one = Endpoint(Remote("pharmacy", BASE))
    yield one
    one.close()


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        (f"{BASE}?_getpages=1", True),
        (f"{BASE}/MedicationRequest?page=2", True),
        ("HTTPS://FHIR.EXAMPLE:8443/r4/MedicationRequest", True),
        ("MedicationRequest?page=2", True),
        ("/r4/MedicationRequest?page=2", True),
        ("https://fhir.example/r4/MedicationRequest", False),
        ("http://fhir.example:8443/r4/MedicationRequest", False),
        ("https://fhir.example.evil:8443/r4/x", False),
        ("https://user@fhir.example:8443/r4/x", False),
        (f"{BASE}-admin/x", False),
        (f"{BASE}/../admin", False),
        (f"{BASE}/%2e%2e/admin", False),
        (f"{BASE}/a%2f..%2fadmin", False),
        ("https://fhir.example:8443\\@evil/r4", False),
        ("//evil.example/r4/x", False),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("http://169.254.169.254/r4", False),
        (f"{BASE}/x y", False),
        ("https://[bad/r4", False),
    ],
)
def test_a_link_is_followed_only_within_the_same_origin_and_path(endpoint: Endpoint, link: str, followed: object):
    assert (endpoint.own(link) is not None) == followed


@responses.activate
def test_a_next_link_out_of_the_endpoint_is_not_asked_for(endpoint: Endpoint):
    assert endpoint.page("MedicationRequest", "https://evil.example/r4?x") == Doubtful("next link leaves the endpoint")
    assert len(responses.calls) == 0


@responses.activate
def test_a_create_says_what_must_not_exist_yet_and_wants_the_resource_back(endpoint: Endpoint):
    responses.post(
        f"{BASE}/MedicationRequest",
        status=201,
        headers={"Location": f"{BASE}/MedicationRequest/7/_history/1"},
        match=[
            matchers.header_matcher(
                {
                    "If-None-Exist": "identifier=urn:o|A%201%26x%3Dy%5C|z",
                    "Prefer": "return=representation",
                    "Content-Type": "application/fhir+json",
                    "Accept": "application/fhir+json",
                }
            ),
            matchers.json_params_matcher(ORDER),
        ],
    )
    reply = endpoint.create(ORDER, ("urn:o", "A 1&x=y|z"))
    assert reply == Written(201, Stamp("MedicationRequest", "7", "1", 'W/"1"'), None)
    assert "Authorization" not in responses.calls[0].request.headers


@responses.activate
def test_an_update_carries_if_match_and_one_that_creates_if_none_match(endpoint: Endpoint):
    responses.put(f"{BASE}/MedicationRequest/7", json={**ORDER, "id": "7"})
    endpoint.update({**ORDER, "id": "7"}, 'W/"3"')
    endpoint.update({**ORDER, "id": "7"})
    headers = [call.request.headers for call in responses.calls]
    assert [(one.get("If-Match"), one.get("If-None-Match")) for one in headers] == [('W/"3"', None), (None, "*")]


@responses.activate
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(endpoint: Endpoint, status: int):
    responses.get(f"{BASE}/MedicationRequest/7", status=status, headers={"Location": "https://evil.example/r4"})
    assert endpoint.read("MedicationRequest", "7") == Redirected()
    assert len(responses.calls) == 1


@responses.activate
def test_a_location_elsewhere_is_as_good_as_none(endpoint: Endpoint):
    responses.post(
        f"{BASE}/MedicationRequest", status=201, headers={"Location": "https://evil.example/MedicationRequest/7"}
    )
    assert endpoint.create(ORDER) == Written(201, None, None)


@responses.activate
def test_an_answer_longer_than_the_cap_is_cut_off():
    endpoint = Endpoint(Remote("pharmacy", BASE, max_bytes=1000))
    responses.get(f"{BASE}/MedicationRequest/7", body=b" " * 1001)
    assert endpoint.read("MedicationRequest", "7") == Doubtful("answer too long")
    endpoint.close()


def _with_secret(path: Path, auth: str, secret: str) -> Endpoint:
    path.write_text(secret + "\n")
    return Endpoint(Remote("pharmacy", BASE, auth=auth, token_file=path))  # type: ignore[arg-type]


@responses.activate
def test_credentials_are_sent_as_bearer_or_basic_and_never_shown(tmp_path: Path):
    responses.get(f"{BASE}/MedicationRequest/7", status=403)
    for auth, secret, header in (("bearer", "s3cret", "Bearer s3cret"), ("basic", "user:pass", "Basic dXNlcjpwYXNz")):
        endpoint = _with_secret(tmp_path / auth, auth, secret)
        assert endpoint.read("MedicationRequest", "7") == Forbidden()
        assert responses.calls[-1].request.headers["Authorization"] == header
        assert secret not in repr(endpoint)
        endpoint.close()


@responses.activate
def test_a_refused_token_is_read_anew_once_and_not_again(tmp_path: Path):
    endpoint = _with_secret(tmp_path / "token", "bearer", "old")
    responses.get(f"{BASE}/MedicationRequest/7", status=401)
    assert endpoint.read("MedicationRequest", "7") == Unauthorized()
    assert len(responses.calls) == 1
    (tmp_path / "token").write_text("new\n")
    assert endpoint.read("MedicationRequest", "7") == Unauthorized()
    sent = [call.request.headers["Authorization"] for call in responses.calls]
    assert sent == ["Bearer old", "Bearer old", "Bearer new"]
    endpoint.close()


@pytest.mark.parametrize(
    ("system", "value", "token"),
    [("urn:o", "1", "urn:o|1"), ("urn:o", "a|b", r"urn:o|a\|b"), ("urn:o", r"a,b$c\d", r"urn:o|a\,b\$c\\d")],
)
def test_an_identifier_is_escaped_as_a_search_value(system: str, value: str, token: str):
    assert token_value(system, value) == token
