"""A date is a stretch of time as long as it is precise."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from fhir_infusion.fhir.dates import Stretch, days, moment, stretch

EPOCH = date(1970, 1, 1)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", "2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("2024-02", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        ("2024-12", "2024-12-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        ("2024-05-01T10:00", "2024-05-01T10:00:00+00:00", "2024-05-01T10:01:00+00:00"),
        ("2024-05-01T10:00:05Z", "2024-05-01T10:00:05+00:00", "2024-05-01T10:00:06+00:00"),
        ("2024-05-01T10:00:05+02:00", "2024-05-01T08:00:05+00:00", "2024-05-01T08:00:06+00:00"),
        ("2024-05-01T10:00:05-05:30", "2024-05-01T15:30:05+00:00", "2024-05-01T15:30:06+00:00"),
        ("2024-05-01T10:00:05.5Z", "2024-05-01T10:00:05.500+00:00", "2024-05-01T10:00:05.600+00:00"),
        ("2024-05-01T10:00:05.123Z", "2024-05-01T10:00:05.123+00:00", "2024-05-01T10:00:05.124+00:00"),
        ("2024-05-01T10:00:05.1234567Z", "2024-05-01T10:00:05.123+00:00", "2024-05-01T10:00:05.124+00:00"),
        ("2024-05-01T10:00:60Z", "2024-05-01T10:01:00+00:00", "2024-05-01T10:01:01+00:00"),
    ],
)
def test_a_date_covers_what_it_says(text, start, end):
    assert stretch(text) == Stretch(ms(start), ms(end))


WRONG = [
    "",
    "x",
    "24",
    "2024-13",
    "2024-00",
    "2024-02-30",
    "2023-02-29",
    "2024-05-00",
    "0000",
    "2024-05-01T",
    "2024-05T10:00",
]
WRONG += [
    "2024-05-01T24:00",
    "2024-05-01T10:60",
    "2024-05-01T10:00:61Z",
    "2024-05-01T10:00+15:00",
    "2024-05-01T10:00:00.Z",
    "2024 ",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_date_covers_nothing(text):
    assert stretch(text) is None


@st.composite
def nearly_moments(draw):
    """Draw what is a date with a time to the second, but for up to three characters."""
    text = list(
        draw(st.sampled_from(["2024-02-29T23:59:59+13:59", "0001-01-01T00:00:00-14:00", "9999-12-31T23:59:60Z"]))
    )
    for place in draw(st.lists(st.integers(0, len(text) - 1), max_size=3)):
        text[place] = draw(st.sampled_from("0123456789-:TZ+.W /\u0663"))
    return "".join(text)


@each(nearly_moments())
def test_law_a_moment_to_the_second_begins_when_it_does_with_a_fraction_that_says_nothing(text):
    # With a fraction it is taken apart piece by piece, without one at once.
    whole, apart = stretch(text), stretch(f"{text[:19]}.000{text[19:]}")
    assert (whole and whole.start) == (apart and apart.start)
    assert whole is None or whole.end - whole.start == 1000


@each(st.dates())
def test_law_days_are_counted_as_the_calendar_does(day):
    assert days(day.year, day.month, day.day) == (day - EPOCH).days
    covered = stretch(day.isoformat())
    assert covered == Stretch((day - EPOCH).days * 86_400_000, ((day - EPOCH).days + 1) * 86_400_000)


@each(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001  a zone is added
def test_law_moments_in_any_zone_compare_as_instants(at, offset):
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    local = (at + timedelta(minutes=offset)).replace(microsecond=0)
    assert moment(f"{local.isoformat()}{zone}") == moment(f"{at.replace(microsecond=0).isoformat()}Z")
    assert moment("2024-05-01T10:00:00.10Z")[1] == Decimal("0.1")
    second = round(at.replace(tzinfo=UTC, microsecond=0).timestamp() * 1000)
    assert stretch(f"{at.replace(microsecond=0).isoformat()}Z") == Stretch(second, second + 1000)
