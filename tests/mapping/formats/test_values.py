"""How a site spells values: what is taken comes back to the letter, what would not is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.mapping.formats.times import NotTakenError, zone_of
from fhir_infusion.mapping.formats.values import Spelling, spelling
from fhir_infusion.records.equality import same
from fhir_infusion.records.number import from_spelling

TABLES: dict[str, dict[str, dict[str, Any]]] = {
    "often": {
        "BID": {"frequency": 2, "period": 1},
        "Q36H": {"frequency": 1, "period": Decimal("1.5")},
        "AM": {"at": ["08:00:00"]},
    }
}


def of(text: str) -> Spelling:
    made = spelling(text, zone_of("Europe/Berlin"), TABLES)
    assert isinstance(made, Spelling), made
    return made


TAKEN = [
    ("text", "1.50", "1.50"),
    ("text", " blanks stay ", " blanks stay "),
    ("number", Decimal("1.50"), Decimal("1.50")),
    ("number", from_spelling("1E-8"), from_spelling("1E-8")),
    ("whole", 3, 3),
    ("flag", False, False),
    ("decimal-text", "1.50", Decimal("1.50")),
    ("decimal-text", "0", 0),
    ("decimal-text", "-0.10", Decimal("-0.10")),
    ("decimal-comma", "1,50", Decimal("1.50")),
    ("decimal-comma", "0,00000001", from_spelling("0.00000001")),
    ("whole-text", "90", 90),
    ("digits", 4711, "4711"),
    ("flag(J,N)", "J", True),
    ("date(DD.MM.YYYY)", "01.02.1960", "1960-02-01"),
    ("time(DD.MM.YYYY HH:mm)", "01.02.2025 10:00", "2025-02-01T10:00:00+01:00"),
    ("clock(HH:mm)", "10:00", "10:00:00"),
    ("iso-time", "2025-02-01T10:00:00Z", "2025-02-01T10:00:00Z"),
    ("table(often)", "Q36H", {"frequency": 1, "period": Decimal("1.5")}),
    ("table(often)", "AM", {"at": ["08:00:00"]}),
]


@pytest.mark.parametrize(("name", "site", "ours"), TAKEN)
def test_what_is_taken_comes_back_to_the_letter(name, site, ours):
    assert same(of(name).take(site), ours)
    assert same(of(name).write(ours), site)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("decimal-text", value)
            for value in ("1,50", "01.5", ".5", "5.", "1e3", "+1", " 1", "1 ", "1.000,5", "", "\u0661", 1, None)
        ],
        *[("decimal-comma", value) for value in ("1.50", "1.000,5", ",5", "5,", Decimal("1.5"))],
        ("decimal-text", "1" * 19),
        ("decimal-text", "0." + "1" * 19),
        *[("number", value) for value in ("1.5", True, None, Decimal("1" * 19))],
        *[("whole", value) for value in (Decimal("1.0"), "1", True)],
        *[("whole-text", value) for value in ("1.0", "01", "-0", "")],
        *[("digits", value) for value in ("4711", Decimal("1.0"))],
        *[("flag(J,N)", value) for value in ("j", "Y", "", True)],
        *[("flag", value) for value in ("true", 1)],
        *[("table(often)", value) for value in ("bid", "TID", ["BID"])],
        ("text", 5),
    ],
)
def test_what_would_have_to_be_guessed_is_refused_with_what_is_accepted_and_without_the_value(name, value):
    with pytest.raises(NotTakenError) as told:
        of(name).take(value)
    assert told.value.accepted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decimal-text", from_spelling("1E3")),
        ("digits", "A7"),
        ("digits", "007"),
        ("table(often)", {"frequency": 3}),
        ("flag(J,N)", "x"),
    ],
)
def test_what_the_site_cannot_say_is_refused_when_it_is_written(name, value):
    with pytest.raises(NotTakenError):
        of(name).write(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("decimal", "no spelling"),
        ("flag(Y)", "text for yes"),
        ("flag(Y,Y)", "text for yes"),
        ("date(DD.MM.YYYY HH:mm)", "whole day"),
        ("time(DD.MM.YYYY)", "a moment"),
        ("clock(DD HH:mm)", "time of day"),
        ("table(seldom)", "no table"),
        ("date(DD.MM.YY)", "four digits"),
    ],
)
def test_a_spelling_that_is_none_says_what_is_accepted(text, told):
    made = spelling(text, None, TABLES)
    assert isinstance(made, str)
    assert told in made
    assert "accepted" in made or "four digits" in made


def test_a_local_time_needs_a_zone():
    assert "zone" in str(spelling("time(DD.MM.YYYY HH:mm)", None, {}))


def test_two_codes_that_say_the_same_have_no_way_back():
    assert "no way back" in str(spelling("table(x)", None, {"x": {"BID": {"f": 2}, "2x": {"f": 2}}}))
