from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_infusion.records.moments import interval, is_after, seconds_between


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ("2025", "2024", True),
        ("2024", "2024", False),
        ("2024-05", "2024-04", True),
        ("2024-05", "2024", False),
        ("2024-05-02", "2024-05-01", True),
        ("2024-05-02", "2024-05-01T23:00:00Z", False),  # that day began 14 h earlier elsewhere
        ("2024-05-04", "2024-05-01T23:00:00Z", True),
        ("2024-05-01T10:00:01Z", "2024-05-01T10:00:00Z", True),
        ("2024-05-01T10:00:00+02:00", "2024-05-01T09:00:00Z", False),
        ("2024-05-01T10:00:00-05:00", "2024-05-01T14:59:59Z", True),
        ("2024-12-31T23:59:60Z", "2024-12-31T23:59:58Z", True),
        ("9999", "2024-01-01T00:00:00Z", False),
        ("2024-01-01T00:00:00Z", "0001", False),
        ("9999", "2024", True),
    ],
)
def test_one_moment_is_after_another_only_for_certain(left, right, verdict):
    assert is_after(left, right) is verdict


def test_the_ends_of_time_have_no_interval():
    assert interval("9999-12-31") is None
    assert interval("0001-01-01") is None


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2024-05-01T10:00:00Z", "2024-05-01T12:00:00+01:00", Fraction(3600)),
        ("2024-05-01T10:00:00.250Z", "2024-05-01T10:00:01Z", Fraction(3, 4)),
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00.000000001Z", Fraction(1, 10**9)),
        ("2024-05-01T10:00:00.5+02:00", "2024-05-01T08:00:02.25Z", Fraction(7, 4)),
        ("2024-05-01", "2024-05-02T10:00:00Z", None),
        ("2024-05-01T10:00:00Z", "2024-05", None),
        ("0001-01-01T00:00:00.5+14:00", "2024-05-01T10:00:00Z", None),
    ],
)
def test_seconds_between_two_moments_are_exact(start, end, seconds):
    assert seconds_between(start, end) == seconds
