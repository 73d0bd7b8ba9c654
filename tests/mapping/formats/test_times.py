"""Dates and times in a site's form: read and written to the letter, and an hour that is not one moment is refused."""

from __future__ import annotations

import pytest

from fhir_infusion.mapping.formats import times
from fhir_infusion.mapping.formats.times import NotTakenError

BERLIN = times.zone_of("Europe/Berlin")
NEW_YORK = times.zone_of("America/New_York")


def form(text: str) -> times.Form:
    made = times.form(text)
    assert isinstance(made, times.Form), made
    return made


@pytest.mark.parametrize(
    ("text", "zone", "site", "ours"),
    [
        ("DD.MM.YYYY HH:mm", BERLIN, "03.03.2025 08:05", "2025-03-03T08:05:00+01:00"),
        ("DD.MM.YYYY HH:mm", BERLIN, "03.07.2025 08:05", "2025-07-03T08:05:00+02:00"),
        ("MM/DD/YYYY hh:mm A", NEW_YORK, "12/31/2025 12:30 AM", "2025-12-31T00:30:00-05:00"),
        ("MM/DD/YYYY hh:mm A", NEW_YORK, "07/04/2025 12:00 PM", "2025-07-04T12:00:00-04:00"),
        ("M/D/YYYY H:mm", NEW_YORK, "7/4/2025 9:05", "2025-07-04T09:05:00-04:00"),
        ("YYYYMMDDHHmmss", BERLIN, "20240229235959", "2024-02-29T23:59:59+01:00"),
        ("YYYY-MM-DDTHH:mm:ss.SSSZZ", None, "2025-01-02T03:04:05.120-05:00", "2025-01-02T03:04:05.120-05:00"),
        ("YYYY-MM-DDTHH:mm:ssZZ", BERLIN, "2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+02:00"),
        ("DD-MMM-YYYY HH:mm", BERLIN, "05-Oct-2025 00:00", "2025-10-05T00:00:00+02:00"),
    ],
)
def test_a_moment_is_read_with_its_offset_and_written_as_it_came(text, zone, site, ours):
    assert times.read_time(form(text), zone, site) == ours
    assert times.write_time(form(text), zone, ours) == site


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("26.10.2025 02:00", "went back"),
        ("26.10.2025 02:30", "went back"),
        ("30.03.2025 02:30", "went forward"),
        ("31.02.2025 10:00", "no such day"),
        ("01.13.2025 10:00", "no such day"),
        ("01.01.2025 24:00", "no such time"),
        ("1.1.2025 10:00", "not of the form"),
        ("01.01.25 10:00", "not of the form"),
        ("01.01.2025 10:00:00", "not of the form"),
        (" 01.01.2025 10:00", "not of the form"),
        (20250101, "not of the form"),
    ],
)
def test_what_is_not_one_moment_of_the_form_is_refused_with_its_reason(value, reason):
    with pytest.raises(NotTakenError, match=reason) as told:
        times.read_time(form("DD.MM.YYYY HH:mm"), BERLIN, value)
    assert told.value.accepted
    assert str(value) not in str(told.value)


@pytest.mark.parametrize("site", ["26.10.2025 01:59", "26.10.2025 03:00", "30.03.2025 01:59", "30.03.2025 03:00"])
def test_the_hours_beside_the_doubled_and_the_missing_one_are_read(site):
    ours = times.read_time(form("DD.MM.YYYY HH:mm"), BERLIN, site)
    assert times.write_time(form("DD.MM.YYYY HH:mm"), BERLIN, ours) == site


def test_a_moment_with_another_offset_is_written_as_the_same_moment_of_the_zone():
    assert times.write_time(form("DD.MM.YYYY HH:mm"), BERLIN, "2025-07-04T22:30:00Z") == "05.07.2025 00:30"


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        ("2025-10-26T00:30:00Z", "went back"),
        ("2025-10-26T02:30:00+01:00", "went back"),
        ("2025-07-04T22:30:15Z", "cannot show"),
        ("2025-07-04T22:30:00.5Z", "cannot show"),
        ("2025-07-04", "a moment only"),
        ("2025-07", "a moment only"),
        ("2016-12-31T23:59:60Z", "leap second"),
    ],
)
def test_a_moment_that_the_form_cannot_show_is_refused_not_cut(ours, reason):
    with pytest.raises(NotTakenError, match=reason):
        times.write_time(form("DD.MM.YYYY HH:mm"), BERLIN, ours)


@pytest.mark.parametrize(
    ("text", "site", "ours"),
    [
        ("DD.MM.YYYY", "29.02.2024", "2024-02-29"),
        ("MM/DD/YYYY", "12/01/1960", "1960-12-01"),
        ("YYYYMMDD", "20240229", "2024-02-29"),
    ],
)
def test_a_day_is_read_and_written(text, site, ours):
    assert times.read_date(form(text), site) == ours
    assert times.write_date(form(text), ours) == site


@pytest.mark.parametrize("ours", ["2024", "2024-02", "2024-02-29T10:00:00Z"])
def test_only_a_whole_day_is_written_as_one(ours):
    with pytest.raises(NotTakenError, match="whole day"):
        times.write_date(form("DD.MM.YYYY"), ours)


def test_a_time_of_day_is_read_and_written_and_its_seconds_are_not_cut():
    assert times.read_clock(form("HH:mm"), "08:05") == "08:05:00"
    assert times.write_clock(form("HH:mm"), "08:05:00") == "08:05"
    with pytest.raises(NotTakenError, match="cannot show"):
        times.write_clock(form("HH:mm"), "08:05:30")


@pytest.mark.parametrize(("text", "told"), [("DD.MM.YY", "YY"), ("DD.MM.YYYY DD", "twice"), ("YYYY-MM-DD x", "'x'")])
def test_a_form_that_would_have_to_guess_is_no_form(text, told):
    assert told in str(times.form(text))


@pytest.mark.parametrize("text", ["YYYYMMDDHH", "YYYY-MM-DD HH:ss"])
def test_minutes_that_a_form_does_not_show_are_refused_not_cut(text):
    assert times.write_time(form(text), BERLIN, "2025-07-03T08:00:00+02:00").startswith("2025")
    with pytest.raises(NotTakenError, match="cannot show these minutes"):
        times.write_time(form(text), BERLIN, "2025-07-03T08:30:00+02:00")
    with pytest.raises(NotTakenError, match="cannot show these minutes"):
        times.write_clock(form("HH"), "08:30:00")


def test_a_leap_second_of_a_time_of_day_has_no_place():
    with pytest.raises(NotTakenError, match="leap second"):
        times.write_clock(form("HH:mm:ss"), "23:59:60")


def test_the_last_evening_of_9999_which_stands_for_no_end_is_read_and_written():
    site, ours = "9999-12-31 23:59", "9999-12-31T23:59:00-05:00"
    assert times.read_time(form("YYYY-MM-DD HH:mm"), NEW_YORK, site) == ours
    assert times.write_time(form("YYYY-MM-DD HH:mm"), NEW_YORK, ours) == site


@pytest.mark.parametrize("ours", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-12:00"])
def test_a_moment_that_is_in_no_year_of_the_zone_is_refused(ours):
    with pytest.raises(NotTakenError, match="in no year"):
        times.write_time(form("YYYY-MM-DD HH:mm"), BERLIN, ours)
