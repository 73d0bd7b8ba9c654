"""Logs are JSON lines, and nothing that was sent can reach them."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fhir_infusion.web import logs
from fhir_infusion.web.quiet_logger import QuietLogger

CANARY = "JaneQPatient"


Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("debug", stream)
    root.setLevel("DEBUG")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    root.handlers[:] = before
    root.setLevel(level)


def test_an_event_is_one_line_with_its_members(lines: Lines):
    logs.event("request", method="GET", route="/api/orders", status=200, ms=3, correlation_id="ab")
    (line,) = lines()
    assert {"event": "request", "method": "GET", "route": "/api/orders", "status": 200, "ms": 3}.items() <= line.items()
    assert line["level"] == "info"
    assert line["time"].endswith("+00:00")


def test_p1_the_text_of_an_exception_is_not_logged_but_where_it_was_raised_is(lines: Lines):
    try:
        {"a": 1}[CANARY]
    except KeyError as error:
        logs.event("fault", logging.ERROR, failure=error)
    (line,) = lines()
    assert line["exception"] == "KeyError"
    assert line["stack"][-1].startswith("test_logs.py:")
    assert CANARY not in json.dumps(line)


def test_p1_messages_of_libraries_are_not_logged_but_their_place_is(lines: Lines):
    logging.getLogger("sqlalchemy.engine").warning("parameters: %s", CANARY)
    logging.getLogger("urllib3").error(CANARY)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(CANARY, UserWarning, stacklevel=1)
    told = lines()
    assert [line["logger"] for line in told] == ["sqlalchemy.engine", "urllib3", "py.warnings"]
    assert CANARY not in json.dumps(told)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"Invalid request from ip=127.0.0.1: {CANARY}", ()),
        (f"Invalid Request Line '{CANARY}'", ()),
        ("Error handling request %s %s", ("GET", f"/fhir/r4/MedicationRequest?patient={CANARY}")),
    ],
)
def test_p1_gunicorns_messages_lose_their_values(lines: Lines, message: str, arguments: tuple[str, ...]):
    quiet = QuietLogger.__new__(QuietLogger)
    quiet.error_log = logging.getLogger("gunicorn.error")
    quiet.error_log.setLevel("DEBUG")
    quiet.warning(message, *arguments)
    (line,) = lines()
    assert line["event"] == "gunicorn"
    assert line["words"]
    assert CANARY not in json.dumps(line)
