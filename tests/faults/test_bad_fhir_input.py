"""Bad input (reliability 2.4), as bytes: each is refused with its status and code, without a value, and quickly.

The same door is used for what is posted, for files and for what other servers send.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.validate import demand_valid, prepare
from tests.counts import count
from tests.fhir.kit import FILES, needs_examples, order, release_of
from tests.fhir.wrong import CANARY, RESOURCES
from tests.steps import steps_of

CANARIES = (CANARY, "MRN-4711", "1980-02-30")


def text(resource: Any) -> str:
    return json.dumps(resource, default=lambda number: int(number) if number == int(number) else float(number))


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"url": "a", "valueString": "x"}
    for _ in range(levels):
        node = {"url": "a", "extension": [node]}
    return order(extension=[node | {"url": "http://x.org/e"}])


def issues_of(data: bytes, release: str) -> tuple[Issue, ...]:
    try:
        demand_valid(fhir_json.read(data), release)
    except Refused as error:
        return error.issues
    return ()


@pytest.fixture(autouse=True, scope="module")
def _validators():
    """Make the validators before anything is counted, as the server does before it serves."""
    for release in ("R4", "R4B", "R5"):
        prepare(release)


def refusal(data: str | bytes, release: str = "R4") -> tuple[Issue, ...]:
    with pytest.raises(Refused) as caught:
        demand_valid(fhir_json.read(data), release)
    issues = caught.value.issues
    assert not [canary for canary in CANARIES if canary in repr(issues) + str(caught.value)]
    return issues


RIGHT = text(order())
ROWS: list[tuple[str, str | bytes, int, str]] = [
    ("not JSON", b"JaneQPatient", 400, "structure"),
    ("XML", b"<MedicationRequest/>", 400, "structure"),
    ("byte order mark", b"\xef\xbb\xbf" + RIGHT.encode(), 400, "structure"),
    ("trailing bytes", RIGHT + "JaneQPatient", 400, "structure"),
    ("lone surrogate", RIGHT.replace("dobutamine", "\\ud800"), 400, "structure"),
    ("overlong UTF-8", RIGHT.encode().replace(b"dobutamine", b"\xc0\xaf"), 400, "structure"),
    ("NaN", RIGHT.replace('"value": 5', '"value": NaN'), 400, "structure"),
    ("Infinity", RIGHT.replace('"value": 5', '"value": -Infinity'), 400, "structure"),
    ("top-level array", f"[{RIGHT}]", 400, "structure"),
    ("top-level number", "5", 400, "structure"),
    ("empty body", b"", 400, "structure"),
    ("duplicate property", RIGHT.replace('"status": "active"', '"status": "active", "status": "cancelled"'), 400, "structure"),
    ("duplicate property deep", RIGHT.replace('"value": 5,', '"value": 5, "value": 50,', 1), 400, "structure"),
    ("33 levels", text(nested(16)), 400, "too-costly"),
    ("nested until the stack ends", '{"a":' * 100_000, 400, "too-costly"),
    ("20,001 elements", text(order(note=[{"text": "x"}] * 10_001)), 400, "too-costly"),
    ("string of more than 64 kB", text(order(note=[{"text": "x" * 65_537}])), 400, "too-long"),
    ("number of 19 digits", RIGHT.replace('"value": 5', '"value": 1.234567890123456789', 1), 400, "too-long"),
    ("huge exponent", RIGHT.replace('"value": 5', '"value": 1e999999999', 1), 400, "too-costly"),
    ("2 MiB", text(order(note=[{"text": "x" * 60_000}] * 35)), 413, "too-long"),
    ("Bundle of 6 MiB", text({"resourceType": "Bundle", "x": "x" * 6 * 1024 * 1024}), 413, "too-long"),
    ("Bundle of 1,001 entries", text({"resourceType": "Bundle", "type": "batch", "entry": [{"fullUrl": "urn:x"}] * 1001}), 413, "too-long"),
    *((name, text(resource), status, code) for name, resource, status, code in RESOURCES),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status", "code"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_bad_input_is_refused_with_its_status_and_code_without_a_value_and_without_much_work(data, status, code):
    issues: list[Issue] = []
    assert steps_of(lambda: issues.extend(refusal(data))) < 500_000
    assert (status, code) in [(issue.status, issue.code) for issue in issues]
    assert min(issue.status for issue in issues) == status


def test_what_is_right_passes():
    demand_valid(fhir_json.read(RIGHT), "R4")
    demand_valid(fhir_json.read(text(nested(12))), "R4")


def test_l7_the_largest_body_that_is_taken_costs_little():
    resource = order(note=[{"text": "x" * 80} for _ in range(9_900)])
    data = text(resource)
    assert 900_000 < len(data) < 1024 * 1024
    assert steps_of(lambda: demand_valid(fhir_json.read(data), "R4")) < 1_000_000


@needs_examples
def test_spoiled_bytes_of_published_examples_are_read_or_refused_and_nothing_else():
    dice = random.Random(11)
    taken = refused = 0
    for file in FILES:
        data = file.read_bytes()
        for _ in range(count(20, 100)):
            at = dice.randrange(len(data))
            spoiled = data[:at] + dice.randbytes(dice.randint(0, 2)) + data[at + dice.randint(0, 3) :]
            found = issues_of(spoiled, release_of(file))
            assert all(issue.status in {400, 413, 422} and issue.reason for issue in found)
            taken, refused = taken + (not found), refused + bool(found)
    assert taken + refused == count(20, 100) * len(FILES)
    assert refused > taken / 10
