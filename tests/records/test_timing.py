"""A code of a timing that contradicts the frequency beside it is told, with both."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.errors import BREAKS_RULE, Issue
from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.timing_findings import ABBREVIATIONS

Record = dict[str, Any]


def told(code: Record, **repeat: Any) -> list[tuple[str, str]]:
    record = {
        "record": "InfusionOrder",
        "status": "active",
        "steps": [{"timing": {"code": {"codings": [code]}, **repeat}}],
    }
    return [(issue.path, issue.reason) for issue in findings(record, as_sent=False) if issue.rule == "timing-code"]


def named(code: str) -> Record:
    return {"system": ABBREVIATIONS, "code": code}


def every(period: Any, unit: str = "h", **more: Any) -> Record:
    return {"frequency": 1, "period": period, "period_unit": unit, **more}


@pytest.mark.parametrize(
    ("code", "repeat", "reason"),
    [
        (named("Q6H"), every(8), "the code Q6H says every 6 h; the timing says 1 time in 8 h"),
        ({"system": "urn:ours", "code": "Q12H"}, every(1, "d"), "the code Q12H says every 12 h; the timing says 1 time in 1 d"),
        ({"code": "Q6H"}, every(8), "the code Q6H says every 6 h; the timing says 1 time in 8 h"),
        (named("BID"), every(1, "d", frequency=3), "the code BID says 2 times a day; the timing says 3 times in 1 d"),
        (named("QD"), every(12), "the code QD says once a day; the timing says 1 time in 12 h"),
        (named("QOD"), every(3, "d"), "the code QOD says every other day; the timing says 1 time in 3 d"),
        (named("WK"), every(2, "wk"), "the code WK says once a week; the timing says 1 time in 2 wk"),
        (
            named("TID"),
            every(Decimal("1.0"), "d", frequency=1, frequency_max=2, period_max=2),
            "the code TID says 3 times a day; the timing says 1 to 2 times in 1 to 2 d",
        ),
    ],
)  # fmt: skip
def test_a_code_that_the_frequency_contradicts_is_told_with_both(code: Record, repeat: Record, reason: str):
    assert told(code, **repeat) == [("steps[0].timing.code.codings[0]", reason)]


@pytest.mark.parametrize(
    ("code", "repeat"),
    [
        (named("Q6H"), every(6)),
        (named("Q6H"), every(1, "d", frequency=4)),
        (named("QID"), every(6)),
        (named("BID"), every(12)),
        (named("BID"), every(1, "d", frequency=1, frequency_max=2)),
        (named("Q8H"), every(6, period_max=8)),
        (named("MO"), every(1, "mo")),
        (named("Q6H"), {}),
        (named("Q6H"), {"frequency": 3}),
        (named("Q6H"), {"times_of_day": ["08:00:00"]}),
        ({"system": "urn:ours", "code": "BID"}, every(1, "d")),
        (named("UNKNOWN"), every(1, "d")),
        ({"display": "every 6 hours"}, every(8)),
    ],
)
def test_a_code_that_agrees_says_nothing_of_frequency_or_is_not_known_is_not_told(code: Record, repeat: Record):
    assert told(code, **repeat) == []


def test_the_timing_of_an_administration_is_looked_at_too():
    timing = {"code": {"codings": [named("Q6H")]}, **every(8)}
    record = {"record": "Administration", "status": "completed", "when": {"timing": timing}}
    (found,) = [issue for issue in findings(record, as_sent=False) if issue.rule == "timing-code"]
    reason = "the code Q6H says every 6 h; the timing says 1 time in 8 h"
    path = "when.timing.code.codings[0]"
    assert found == Issue("warning", "business-rule", path, reason, "", "timing-code", BREAKS_RULE)
