"""What the workbench draws of an order that was given several times."""

from __future__ import annotations

import html
import re
from copy import deepcopy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fhir_infusion.records import course
from fhir_infusion.web.examples import therapies
from fhir_infusion.web.workbench.administrations import MOST_CHARTS, MOST_ROWS, Drawn, drawn
from tests.web.test_workbench import client

if TYPE_CHECKING:
    import pytest
    from werkzeug.test import TestResponse

    from tests.web.conftest import Client

Record = dict[str, Any]
__all__ = ["client"]


def of(therapy: str) -> tuple[Record, list[Record]]:
    """The only order of a therapy, and its administrations."""
    found = [one.record for one in therapies().values() if one.name.startswith(f"{therapy}/")]
    (order,) = [one for one in found if one["record"] == "InfusionOrder"]
    return order, [one for one in found if one["record"] == "Administration"]


def titles(made: Drawn) -> list[tuple[str, str]]:
    return [(one.title, one.note) for one in made.charts]


def headings(reply: TestResponse) -> list[str]:
    return [html.unescape(one) for one in re.findall(r"<h2 id=\"chart-\d+\">(.*?)</h2>", reply.text)]


def test_each_administration_is_drawn_beside_the_occasion_of_its_day():
    made = drawn(*of("10-infliximab-rheumatoid-arthritis"), None)
    planned = "planned: loading, at 3 stated times, in weeks 0, 2, 6, drawn is one of them"
    assert titles(made) == [
        (
            "Planned and given, 1 of 2: ADM-1001-0",
            f"given: completed, began 2026-01-05T09:10:00+01:00; {planned}",
        ),
        ("Planned and given, 2 of 2: ADM-1001-2", f"given: stopped, began 2026-01-19T09:05:00+01:00; {planned}"),
        ("Planned: steps[1]", "maintenance, every 8 weeks, drawn is one of them"),
    ]


def test_what_belongs_to_no_occasion_for_certain_is_drawn_alone():
    made = drawn(*of("26-vancomycin"), None)
    assert [one.title for one in made.charts] == [
        "Planned: steps[0]",
        "Planned: steps[1]",
        "Given, 1 of 3: ADM-2601-1",
        "Given, 2 of 3: ADM-2601-2",
    ]


def test_the_list_adds_up_what_was_given_and_nothing_of_what_was_not():
    rows = drawn(*of("26-vancomycin"), None).given
    assert [(one.status, one.volume, one.dose, one.volumes, one.doses) for one in rows] == [
        ("completed", "500 mL", "2000 mg", "500 mL", "2000 mg"),
        ("completed", "300 mL", "1200 mg", "800 mL", "3200 mg"),
        ("not-done", "nothing", "nothing", "800 mL", "3200 mg"),
    ]


def test_an_administration_that_says_no_dose_makes_the_sum_a_least_one():
    order, given = of("26-vancomycin")
    given = deepcopy(given)
    del given[0]["dose_given"]
    given[1]["dose_given"] = {"value": Decimal("1200.50"), "unit": "mg"}
    rows = drawn(order, given, None).given
    assert [(one.dose, one.doses) for one in rows[:2]] == [("", ""), ("1200.5 mg", "at least 1200.5 mg")]


def test_doses_of_another_kind_are_not_added():
    order, given = of("26-vancomycin")
    given = deepcopy(given)
    given[1]["dose_given"] = {"value": 5, "unit": "[iU]"}
    assert [one.doses for one in drawn(order, given, None).given] == ["2000 mg", "", ""]


def test_more_than_are_drawn_are_counted():
    order, (given, *_) = of("28-ceftriaxone-home")
    many = [{**given, "administration_id": f"A-{at}"} for at in range(MOST_CHARTS + 3)]
    made = drawn(order, many, None)
    assert (len(made.charts), made.more, len(made.given)) == (MOST_CHARTS, 3, MOST_CHARTS + 3)


def test_a_thousand_administrations_are_listed_and_drawn_as_fast_as_a_few(monkeypatch: pytest.MonkeyPatch):
    reckoned: list[Record] = []
    real = course.given

    def counted(record: Record) -> course.Course:
        reckoned.append(record)
        return real(record)

    monkeypatch.setattr(course, "given", counted)
    order, (given, *_) = of("28-ceftriaxone-home")
    made = drawn(order, [{**given, "administration_id": f"A-{at}"} for at in range(1000)], None)
    assert (len(reckoned), made.more, len(made.given)) == (MOST_CHARTS, 1000 - MOST_CHARTS, MOST_ROWS)


def test_an_order_shows_all_that_was_given_of_it(client: Client):
    reply = client.get("/workbench?example=28-ceftriaxone-home/order")
    assert [one.rpartition(": ")[2] for one in headings(reply)] == ["ADM-2801-1", "ADM-2801-2", "ADM-2801-3"]
    assert "<td>ADM-2801-3</td>" in reply.text


def test_an_administration_shows_itself_and_where_it_stands_among_the_others(client: Client):
    reply = client.get("/workbench?example=28-ceftriaxone-home/administration-2-patient")
    assert headings(reply) == ["Course of the infusion. Planned and given, 2 of 3: ADM-2801-2"]
    assert reply.text.count("<td>ADM-2801-") == 3


def test_of_a_bundle_the_same_is_drawn(client: Client):
    reply = client.get("/workbench?example=28-ceftriaxone-home&side=fhir")
    assert len(headings(reply)) == 3


def test_demands_that_may_be_made_are_drawn_and_named(client: Client):
    reply = client.get("/workbench?example=35-pca-morphine-basal/order")
    assert reply.text.count('class="demand planned"') == 16
    assert "a dose that may be demanded" in reply.text
    assert "16 doses at most: 1 mg on demand, at most every 8 min" in reply.text
    (said,) = re.findall(r"<desc[^>]*>(.*?)</desc>", reply.text)
    planned = "Planned: 1 stretch, at most 16 demands, 4 to 20 mL by 4 h, 4 to 20 mg by 4 h."
    assert said == f"{planned} Given: 1 stretch, 1 amount without a rate, 30 mL by 12 h, 30 mg by 12 h."
