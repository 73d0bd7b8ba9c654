"""What stands beside one element of a list of simple values stays with that element, through JSON text and edits."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.laws.kit import each_release, lens, through_text

MARK = {"extension": [{"url": "https://other.example/StructureDefinition/unknown", "valueString": "x"}]}
OTHER = {"id": "other"}


def order(release: str, days: list[str], marks: list[Any] | None) -> dict[str, Any]:
    drug: dict[str, Any] = {"text": "example"}
    repeat: dict[str, Any] = {"dayOfWeek": days} | ({"_dayOfWeek": marks} if marks is not None else {})
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        **({"medication": {"concept": drug}} if release == "R5" else {"medicationCodeableConcept": drug}),
        "subject": {"reference": "Patient/1"},
        "dosageInstruction": [{"id": "s1", "timing": {"repeat": repeat}}],
    }


def written_after(
    release: str, days: list[str], marks: list[Any], edited: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the repeat that is written after the days of the record were edited, and what the ledger drops."""
    record = through_text(lens("InfusionOrder", release).read(order(release, days, marks)).result)
    record["steps"][0]["timing"]["days_of_week"] = edited
    written = lens("InfusionOrder", release).write(record)
    repeat = written.result["dosageInstruction"][0]["timing"]["repeat"]
    return repeat, [line.path for line in written.ledger.exceptions if line.state == "dropped"]


@each_release
@pytest.mark.parametrize(
    ("days", "marks"),
    [
        (["mon"], [MARK]),
        (["mon", "tue", "wed"], [None, MARK, None]),
        (["mon", "tue", "wed"], [MARK, None, OTHER]),
        (["mon", "tue", "wed"], [None, MARK]),
        (["mon", "mon", "mon"], [None, OTHER, MARK]),
    ],
)
def test_marks_come_back_where_they_were(release: str, days: list[str], marks: list[Any]):
    resource = order(release, days, marks)
    record = through_text(lens("InfusionOrder", release).read(deepcopy(resource)).result)
    assert lens("InfusionOrder", release).write(record).result == resource


@each_release
@pytest.mark.parametrize(
    ("edited", "marks"),
    [
        (["tue", "mon", "wed"], [MARK, None, OTHER]),
        (["tue"], [MARK]),
        (["sun", "mon", "tue", "wed"], [None, None, MARK, OTHER]),
        (["mon", "wed", "sat"], [None, OTHER, None]),
    ],
)
def test_a_mark_stays_with_its_value_when_the_list_is_edited(release: str, edited: list[str], marks: list[Any]):
    repeat, _ = written_after(release, ["mon", "tue", "wed"], [None, MARK, OTHER], edited)
    assert repeat == {"dayOfWeek": edited, "_dayOfWeek": marks}


@each_release
def test_a_mark_whose_value_is_gone_is_dropped_and_told(release: str):
    assert written_after(release, ["mon", "tue"], [None, MARK], ["mon"]) == (
        {"dayOfWeek": ["mon"]},
        ["dosageInstruction[s1].timing.repeat._dayOfWeek[=1::tue]"],
    )
