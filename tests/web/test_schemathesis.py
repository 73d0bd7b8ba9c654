"""The OpenAPI document against the service: no request gets a 5xx, or an answer that the document does not name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fhir_infusion.web import openapi
from fhir_infusion.web.app import create_app
from tests.counts import count

if TYPE_CHECKING:
    from tests.web.conftest import Make

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CASES = count(1_000, 20_000)
"""In all, shared by the operations."""


@cache
def operations() -> list[tuple[str, str]]:
    described = openapi.description()["paths"]
    return [(path, method) for path, methods in described.items() for method in methods]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("path", "method"), operations())
def test_no_request_gets_an_answer_that_the_document_does_not_name(make_service: Make, path: str, method: str):
    app = create_app(make_service())
    document = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operation = document[path][method]

    @settings(
        max_examples=max(20, CASES // len(operations())),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def holds(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    holds()
