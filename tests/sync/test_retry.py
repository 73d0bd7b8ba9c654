from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_infusion.sync import retry
from fhir_infusion.sync.retry import CLOSED, Circuit

NOW = datetime(2025, 5, 1, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("attempt", "longest"),
    [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (40, 900), (10**9, 900)],
)
def test_waits_double_from_one_second_to_fifteen_minutes_with_full_jitter(attempt: int, longest: int):
    assert retry.wait(attempt, lambda: 1.0) == longest * SECOND
    assert retry.wait(attempt, lambda: 0.5) == longest * SECOND / 2
    assert retry.wait(attempt, lambda: 0.0) == timedelta(0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("1000000000", 900),
        ("9" * 400, 900),
        ("Thu, 01 May 2025 08:02:00 GMT", 120),
        ("Thursday, 01-May-25 08:02:00 GMT", 120),
        ("Thu, 01 May 2025 08:02:00 -0000", 120),
        ("Thu, 01 May 2025 07:00:00 GMT", 0),
        ("Thu, 01 May 9999 07:00:00 GMT", 900),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0664", None),
    ],
)
def test_f9_retry_after_is_read_as_seconds_or_date_and_capped(header: str, seconds: Any):
    asked = retry.asked(header, NOW)
    assert asked == (None if seconds is None else seconds * SECOND)


@pytest.mark.parametrize("header", ["60", "Thu, 01 May 2025 08:01:00 GMT"])
@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0])
def test_f9_nothing_is_sent_inside_the_window_that_was_asked_for(header: str, draw: float):
    circuit = retry.throttled(CLOSED, NOW, lambda: draw, header)
    assert not circuit.allows(NOW + 59 * SECOND)
    assert circuit.allows(NOW + 62 * SECOND)
    assert circuit.why == "throttled"


def test_f9_an_absurd_retry_after_opens_no_longer_than_fifteen_minutes():
    assert retry.throttled(CLOSED, NOW, lambda: 1.0, "1000000000").allows(NOW + timedelta(minutes=15, seconds=1))


def test_f9_without_retry_after_there_is_a_pause_all_the_same():
    assert not retry.throttled(CLOSED, NOW, lambda: 0.0, "").allows(NOW + SECOND / 4)


def test_an_endpoint_is_left_alone_after_three_failures_in_a_row_and_asked_again_later():
    once = retry.failed(CLOSED, NOW, lambda: 0.0, "unreachable")
    twice = retry.failed(once, NOW, lambda: 0.0, "unreachable")
    thrice = retry.failed(twice, NOW, lambda: 0.0, "unreachable")
    assert [one.allows(NOW) for one in (once, twice, thrice)] == [True, True, False]
    assert thrice == Circuit(3, NOW + SECOND / 2, "unreachable")
    assert thrice.allows(NOW + SECOND)


def test_wrong_credentials_leave_an_endpoint_alone_at_once():
    circuit = retry.misconfigured(CLOSED, NOW, lambda: 0.0, "unauthorized")
    assert (circuit.allows(NOW), circuit.why) == (False, "unauthorized")


def test_the_longest_window_that_may_be_asked_for_is_kept_with_its_jitter():
    circuit = retry.throttled(CLOSED, NOW, lambda: 1.0, "900")
    assert circuit.open_until == NOW + timedelta(minutes=15, seconds=1)
    assert not circuit.allows(NOW)
    assert circuit.allows(NOW + timedelta(minutes=15, seconds=1))


def test_a_window_that_lies_farther_ahead_than_any_that_is_asked_for_is_none_for_our_clock_went_back():
    assert Circuit(3, NOW + timedelta(hours=1), "failing").allows(NOW)
