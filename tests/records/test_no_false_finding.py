"""Orders and administrations as pharmacies write them that a finding must not be made of.

A false finding costs trust in all others. Each here is right arithmetic that a simpler check takes for a contradiction.
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.check import check
from tests.records.found import BAG, CALCULATED, ORDERED, SNOMED, Record, given_, order, over, q, step, weight


def bag(volume: int, *ingredients: Record, **more: Any) -> Record:
    return {"total_volume": q(volume, "mL"), "ingredients": list(ingredients), **more}


def holds(value: Any, unit: str, **more: Any) -> Record:
    return {"drug": {"text": "a"}, "amount": q(value, unit), **more}


def per(value: Any, unit: str, in_value: Any, in_unit: str = "mL", **more: Any) -> Record:
    return {
        "drug": {"text": "a"},
        "strength": {"numerator": q(value, unit), "denominator": q(in_value, in_unit)},
        **more,
    }


HEPARIN = bag(250, holds(25000, "[iU]"))
MILRINONE = bag(100, holds(20, "mg"))
FLUOROURACIL = bag(250, holds(5000, "mg"))
PER_DAY: Record = {"frequency": 1, "period": 1, "period_unit": "d"}
NAFCILLIN = bag(300, per(12, "g", 300))
PIPERACILLIN = bag(100, per(4, "g", 100), per("0.5", "g", 100))

UNITS_IN_TEXT = {
    "a nomogram beside the rate to begin with": order(
        step(
            {**ORDERED, "rate": q(18, "[iU]/kg/h")},
            {**CALCULATED, "rate": q("13.5", "mL/h")},
            text="18 units/kg/h (1,350 units/h); anti-Xa 0.2 to 0.29 units/mL: raise by 2 units/kg/h; above 1 unit/mL lower by 3 units/kg/h",
        ),
        preparation=HEPARIN,
        measurements=[weight(75)],
        infusion_type="continuous",
    ),
    "units of whichever kind": order(step({"dose": q(2000, "[USP'U]")}, text="2,000 units")),
    "units of an annotation": order(step({"dose": q(1, "{unit}")}, text="1 unit over 2 to 4 h")),
    "million units": order(
        step(
            {"dose": q(24000000, "[iU]"), "rate": q(1000000, "[iU]/h")},
            timing=over(24),
            text="24 million units over 24 h",
        )
    ),
    "mu, which may be a thousandth or a million": order(step({"rate": q(2, "m[iU]/min")}, text="3 mu/min")),
    "what the structure does not say": order(step({"dose": q(250, "mL")}, text="25,000 units in 250 mL")),
}

CAPPED_AND_PARTS = {
    "a range of rates of which the lowest runs what the bag holds": order(
        step({"rate_range": {"low": q(125, "mL/h"), "high": q(250, "mL/h")}}, timing=over(2)), preparation=BAG
    ),
    "a range of rates of the drug": order(
        step({"rate_range": {"low": q(900, "mg/h"), "high": q(1000, "mg/h")}}, timing=over(1)), preparation=BAG
    ),
    "a range of rates without its lowest": order(
        step({"rate_range": {"high": q(900, "mL/h")}}, timing=over(1)), preparation=BAG
    ),
    "heparin: 12 units/kg/h, at most 1000 units/h, as the pump runs it": order(
        step(
            {**ORDERED, "rate": q(12, "[iU]/kg/h")},
            {**CALCULATED, "rate": q(10, "mL/h")},
            max_rate=q(1000, "[iU]/h"),
        ),
        preparation=HEPARIN,
        measurements=[weight(96)],
        infusion_type="continuous",
    ),
    "methotrexate: 12 g/m2, at most 20 g": order(
        step({**ORDERED, "dose": q(12, "g/m2")}, {**CALCULATED, "dose": q(20, "g")}, max_per_administration=q(20, "g")),
        measurements=[{"kind": "body-surface-area", "value": q("2.40", "m2")}],
    ),
    "vancomycin: 2 g in 2 h beside a rate in mL/h, not faster than 10 mg/min by the tenth of a pump": order(
        step({"dose": q(1200, "mg"), "rate": q(125, "mL/h")}, timing=over(2), max_rate=q(10, "mg/min")),
    ),
    "a rate that was raised since the start": order(
        step({"rate": q(18, "ug/kg/min")}, titration={"start": q(2, "ug/kg/min"), "ceiling": q(20, "ug/kg/min")}),
    ),
    "a push of a tenth from the syringe, as needed": order(
        step({"dose": q(10, "ug")}, as_needed=True, timing={"frequency": 1, "period": 5, "period_unit": "min"}),
        preparation=bag(10, holds(100, "ug")),
    ),
    "a bolus of a tenth from the bag, at a rate": order(
        step({"dose": q(2500, "[iU]"), "rate": q(150, "mL/h")}, timing=over(10, "min"), role="bolus"),
        preparation=HEPARIN,
    ),
    "insulin: a bolus over a minute, then a rate from the same bag": order(
        step({"dose": q(7, "[iU]")}, timing=over(1, "min"), role="bolus"),
        step({"rate": q(7, "mL/h")}, role="maintenance"),
        preparation=bag(100, holds(100, "[iU]")),
    ),
}

LIMIT_OF_A_DAY: Record = {"max_per_period": [{"numerator": q(3, "g"), "denominator": q(24, "h")}]}

HOW_OFTEN = {
    "as often as the least time between two doses allows": order(
        step(
            {"dose": q(1, "g")},
            minimum_gap=q(240, "min"),
            timing={"frequency": 1, "period": 3, "period_max": 4, "period_unit": "h"},
        )
    ),
    "on three days of the week, each day": order(
        step(
            {"dose": q(1, "g")},
            timing={**PER_DAY, "days_of_week": ["mon", "wed", "fri"]},
            max_per_period=[{"numerator": q(3, "g"), "denominator": q(1, "wk")}],
        )
    ),
    "three times a week on three days of it": order(
        step(
            {"dose": q(1, "g")},
            timing={"frequency": 3, "period": 1, "period_unit": "wk", "days_of_week": ["mon", "wed", "fri"]},
            max_per_period=[{"numerator": q(3, "g"), "denominator": q(1, "wk")}],
        )
    ),
    "three days of the week within a day": order(
        step({"dose": q(3, "g")}, timing={"days_of_week": ["mon", "tue", "wed"]}, **LIMIT_OF_A_DAY)
    ),
    "at three times of a day": order(
        step(
            {"dose": q(1, "g")},
            timing={
                "frequency": 3,
                "period": 1,
                "period_unit": "d",
                "times_of_day": ["08:00:00", "14:00:00", "20:00:00"],
            },
            **LIMIT_OF_A_DAY,
        )
    ),
    "every three weeks at one of two times of the day": order(
        step(
            {"dose": q(2, "g")},
            timing={"frequency": 1, "period": 3, "period_unit": "wk", "times_of_day": ["08:00:00", "14:00:00"]},
            **LIMIT_OF_A_DAY,
        )
    ),
    "a code that nobody knows": order(
        step({"dose": q(2, "g")}, timing={"code": {"codings": [{"code": "Q6H PRN"}]}}, **LIMIT_OF_A_DAY)
    ),
    "exact times a day apart": order(
        step(
            {"dose": q(2, "g")},
            timing={"events": ["2026-03-04T08:00:00Z", "2026-03-05T08:00:00Z"]},
            **LIMIT_OF_A_DAY,
        )
    ),
    "two doses at one time of the day, either of which may be meant": order(
        *(
            step({"dose": q(2, "g")}, sequence=1, timing={"times_of_day": ["08:00:00"]}, **LIMIT_OF_A_DAY)
            for _ in range(2)
        )
    ),
    "a dose by weight that the cap of one dose keeps below the limit of a day": order(
        step(
            {"dose": q(15, "mg/kg")},
            timing={"frequency": 4, "period": 1, "period_unit": "d"},
            max_per_administration=q("0.75", "g"),
            **LIMIT_OF_A_DAY,
        ),
        measurements=[weight(80)],
    ),
    "a dose by weight that is below the limit by one of two weights": order(
        step({"dose": q(10, "mg/kg")}, timing={"frequency": 4, "period": 1, "period_unit": "d"}, **LIMIT_OF_A_DAY),
        measurements=[weight(80), weight(70, "ideal-weight")],
    ),
    "a rate beside its dose, which is below the cap": order(
        step({"dose": q(4, "g"), "rate": q(100, "mL/h")}, timing=over(1), max_per_administration=q(4, "g")),
        preparation=bag(100, per(4, "g", 100)),
    ),
    "a rate that runs just the cap": order(
        step({"rate": q(1, "g/h")}, timing=over(4), max_per_administration=q(4, "g")),
    ),
    "two doses beside each other, one by weight, as nobody says which was ordered": order(
        step({"dose": q(5, "mg/kg")}, {"dose": q(360, "mg")}), measurements=[weight(70)]
    ),
    "a dose within what a range of rates makes in a range of durations": order(
        step(
            {"dose": q(500, "mL"), "rate_range": {"low": q(100, "mL/h"), "high": q(200, "mL/h")}},
            timing={"duration": {"value": 2, "max": 6, "unit": "h"}},
        )
    ),
    "two doses beside each other, of which each says what it is": order(
        step({**ORDERED, "dose": q(50, "mg")}, {**ORDERED, "basis_text": "loading", "dose": q(500, "mg")}),
        step({"dose": q(500, "mg")}, {"dose": q("0.5", "g")}, {"dose": q(5, "mL")}),
    ),
    "a dose by weight of which all together are below the limit of a life": order(
        step({"dose": q(1, "mg/kg")}, timing={"count": 8}, max_per_lifetime=q(1, "g")), measurements=[weight(70)]
    ),
    "a limit of a life by weight, and no weight": order(
        step({"dose": q(60, "mg")}, timing={"count": 8}, max_per_lifetime=q(1, "mg/kg"))
    ),
    "as often within its bounds as the limit of a life allows": order(
        step(
            {"dose": q(1, "g")},
            timing={"frequency": 1, "period": 5, "period_unit": "d", "bounds_length": q(6, "wk")},
            max_per_lifetime=q(8, "g"),
        )
    ),
    "an AUC, which is an amount times a time": order(step({**ORDERED, "dose": q(5, "mg.min/mL")})),
    "a rate of drops, and one of a count of what nobody says": order(
        step({"rate_ratio": {"numerator": {"value": 20, "unit_text": "gtt"}, "denominator": q(1, "min")}}),
        step({"rate_ratio": {"numerator": q(5, "mg"), "denominator": {"value": 1, "unit_text": "hour"}}}),
    ),
}

IV: Record = {"codings": [{"system": SNOMED, "code": "47625008"}]}

WORDS = {
    "thousands divided by a space": order(step({"dose": q(10000, "[iU]")}, text="10 000 units, 10\u00a0000 IU")),
    "two of 500 mg": order(step({"dose": q(1000, "mg")}, text="2 500 mg")),
    "a number without its zero": order(step({"dose": q("0.5", "mg")}, text=".5 mg or ,5 mg")),
    "how a rate is raised and to what, of which the structure says nothing": order(
        step(
            {"rate": q("2.5", "ug/kg/min")},
            text="2.5 mcg/kg/min, titrate by 1.5 mcg/kg/min every 10 min, max. rate 20 mcg/kg/min, not to exceed: 30 mcg/kg/min",
        )
    ),
    "each of the doses of a sliding scale": order(
        step({"dose_range": {"low": q(0, "[iU]"), "high": q(10, "[iU]")}}, text="2 units from 150, 4 units from 200")
    ),
    "how long, in another unit": order(step({"dose": q(1, "g")}, timing=over(1), text="1 g over 60 minutes")),
    "how long, the first and the rest": order(
        step({"dose": q(1, "g")}, timing=over(24), text="1 g: a quarter over 10 min, the rest over 24 h")
    ),
    "how long, which the structure does not say": order(step({"dose": q(1, "g")}, text="1 g over 60 minutes")),
    "how long, as the least duration": order(
        step({"dose": q(1, "g")}, timing=over(2), minimum_duration=q(1, "h"), text="1 g over at least 60 min")
    ),
    "how often, in another unit": order(
        step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 3, "period_unit": "wk"}, text="1 g every 21 days")
    ),
    "how often, by month and by weeks": order(
        step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 1, "period_unit": "mo"}, text="1 g every 4 weeks")
    ),
    "how often, three times a day and every 8 hours": order(
        step({"dose": q(1, "g")}, timing={"frequency": 3, "period": 1, "period_unit": "d"}, text="1 g q8h")
    ),
    "how often, within a range": order(
        step(
            {"dose": q(1, "g")},
            timing={"frequency": 1, "period": 4, "period_max": 6, "period_unit": "h"},
            text="1 g every 6 hours",
        )
    ),
    "how often, beside days of a cycle": order(
        step({"dose": q(1, "g")}, timing={"days_of_cycle": [1, 8], "cycle_length": {"value": 28, "unit": "d"}}, text="1 g weekly, 2 of every 3 weeks")
    ),
    "how long, in hours and minutes": order(
        step({"dose": q(1, "g")}, timing=over(90, "min"), text="1 g over 1 hour 30 minutes"),
        step({"dose": q(1, "g")}, timing=over(90, "min"), text="1 g over 1 h and 30 min"),
    ),
    "how long, and when something else is given before it": order(
        step({"dose": q(1, "g")}, timing=over(1), text="1 g over 1 hour 30 min before chemotherapy")
    ),
    "how long a limit holds": order(
        step({"dose": q(1, "g")}, timing=over(15, "min"), text="1 g in 15 minutes, maximum 4 g over 24 hours")
    ),
    "how often something else is done": order(
        step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 8, "period_unit": "h"}, text="1 g. Change the line every 72 hours"),
        step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 12, "period_unit": "h"}, text="1 g. Check trough levels every 3 days"),
        step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 12, "period_unit": "h"}, text="1 g; monitor creatinine once daily"),
    ),
    "how often on a day of those that the structure says": order(
        step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 1, "period_unit": "wk"}, text="once daily on day 1 of each week"),
        step({"dose": q(1, "g")}, timing={"frequency": 2, "period": 1, "period_unit": "wk"}, text="once a day, Monday and Thursday"),
    ),
    "a port under the skin, to a vein": order(
        step({"dose": q(1, "g")}, route=IV, text="by the subcutaneous port"),
        step({"dose": q(1, "g")}, route=IV, text="by a subcutaneous implanted venous port"),
    ),
    "how often it is adjusted": order(
        step(
            {"rate": q(5, "mL/h")},
            timing=PER_DAY,
            titration={"step": q(1, "mL/h"), "interval": q(2, "h")},
            text="raise every 2 hours",
        )
    ),
    "a route that is named as another": order(step({"dose": q(2, "mg")}, route=IV, text="2 mg. NOT intrathecal")),
    "a route that is named among others": order(step(route=IV, text="intravenous or subcutaneous")),
    "a route that nobody knows": order(step(route={"text": "by the usual way"}, text="intrathecal")),
}  # fmt: skip

LITRE = [{"numerator": q(1000, "mL"), "denominator": q(24, "h")}]

BEGUN = {"start": "2024-05-01T10:00:00Z", "rate": q(20, "mL/h")}

WITHOUT_AN_END = {
    "a last segment that ends with the whole": given_(
        when={"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T11:00:00Z"}, segments=[BEGUN]
    ),
    "a last segment that runs": given_(status="in-progress", when={"start": "2024-05-01T10:00:00Z"}, segments=[BEGUN]),
    "a last segment of a moment": given_(
        when={"start": "2024-05-01T10:00:00Z"},
        segments=[{**BEGUN, "event": event} for event in ("started", "completed")],
    ),
    "a push at one moment": given_(when={"at": "2024-05-01T10:00:00Z"}, segments=[BEGUN]),
    "a segment of which no time is said": given_(when={"start": "2024-05-01"}, segments=[{"rate": q(20, "mL/h")}]),
}

TWO_LITRES = {"rate_ratio": {"numerator": q(2000, "mL"), "denominator": q(3, "h")}}

OF_A_PERIOD = {
    "a ratio whose rate has no end of digits, in its own time": order(
        step(
            TWO_LITRES,
            timing=over(3),
            max_per_administration=q(2000, "mL"),
            max_per_period=[{"numerator": q(2000, "mL"), "denominator": q(3, "h")}],
        )
    ),
    "a ratio whose rate has no end of digits, in a day": order(
        step(TWO_LITRES, max_per_period=[{"numerator": q(16000, "mL"), "denominator": q(24, "h")}])
    ),
    "a rate that ends with the dose beside it": order(
        step({"dose": q(100, "mg"), "rate": q(50, "mL/h")}, max_per_period=LITRE)
    ),
    "a rate that runs for its bounds": order(
        step({"rate": q(50, "mL/h")}, timing={"bounds_length": q(4, "h")}, max_per_period=LITRE)
    ),
}

BOLUS_FROM_THE_BAG = {
    "heparin: a bolus of 60 mL, then 13.5 mL/h without an end": order(
        step(
            {**CALCULATED, "dose": q(6000, "[iU]"), "rate": q(360, "mL/h")},
            timing=over(10, "min", count=1),
            role="bolus",
            sequence=1,
        ),
        step({**CALCULATED, "rate": q("13.5", "mL/h")}, role="maintenance", sequence=2),
        preparation=HEPARIN,
        infusion_type="continuous",
    ),
    "milrinone: loading, then a range of rates, the type not said": order(
        step({"rate": q(105, "mL/h")}, timing=over(10, "min", count=1), role="loading", sequence=1),
        step({"rate_range": {"low": q("7.9", "mL/h"), "high": q("15.8", "mL/h")}}, role="maintenance", sequence=2),
        preparation=MILRINONE,
    ),
    "fluorouracil: a push and 46 hours from one reservoir, each with a count of its own": order(
        step({"rate": q(5, "mL/min")}, timing=over(4, "min", count=1), role="bolus", sequence=1),
        step({"rate": q(5, "mL/h")}, timing=over(46, count=2), role="maintenance", sequence=2),
        preparation=FLUOROURACIL,
    ),
    "an epidural loading dose before background and demand": order(
        step({"rate": q(2, "mL/min")}, timing=over(5, "min", count=1), role="loading", sequence=1),
        step({"rate": q(8, "mL/h")}, role="basal", sequence=2),
        preparation=bag(250, per(2, "ug", 1)),
    ),
}

BAG_HOLDS_MORE = {
    "7.2 mL/h for a day from a bag of 200 mL": order(
        step({"rate": q("7.2", "mL/h")}, timing=over(24, **PER_DAY)),
        preparation=bag(200, holds(40, "mg")),
        infusion_type="continuous",
    ),
    "the same where nothing but the duration says that it runs by the clock": order(
        step({"rate": q("7.2", "mL/h")}, timing=over(24)), preparation=bag(200, holds(40, "mg"))
    ),
    "every 8 hours, each over 8 hours": order(
        step({"rate": q(10, "mL/h")}, timing=over(8, frequency=1, period=8, period_unit="h")),
        preparation=bag(100, holds(40, "mg")),
    ),
    "the dose is a part of the bag, and the rate and duration make that part": order(
        step({"dose": q(400, "mg"), "rate": q(100, "mL/h")}, timing=over(2)), preparation=BAG
    ),
    "the dose is a volume that is a part of the bag": order(
        step({"dose": q(200, "mL"), "rate": q(100, "mL/h")}, timing=over(2)), preparation=BAG
    ),
}

OF_ONE_INGREDIENT = {
    "10 mL of vitamins in a bag that runs at 510 mL per 4 h": order(
        step({"dose": q(10, "mL"), "rate_ratio": {"numerator": q(510, "mL"), "denominator": q(4, "h")}}, timing=over(4)),
        preparation=bag(510, per(5, "mL", 510), per(5, "mL", 510), per(500, "mL", 510, role="base")),
    ),
    "the dose of piperacillin, the rate of both": order(
        step({"dose": q(4, "g"), "rate": q(9, "g/h")}, timing=over(30, "min")), preparation=PIPERACILLIN
    ),
    "the dose of both, the rate of piperacillin": order(
        step({"dose": q("4.5", "g"), "rate": q(8, "g/h")}, timing=over(30, "min")), preparation=PIPERACILLIN
    ),
    "7.5 mL of vitamins given of 382.5 mL in all": given_(
        dose_given=q("7.5", "mL"),
        volume_given=q("382.5", "mL"),
        preparation=bag(510, per(5, "mL", 510), per(5, "mL", 510), per(500, "mL", 510, role="base")),
        segments=[{"start": "2024-05-01T09:00:00Z", "end": "2024-05-01T12:00:00Z", "rate_ratio": {"numerator": q(510, "mL"), "denominator": q(4, "h")}, "dose": q("7.5", "mL"), "volume": q("382.5", "mL")}],
    ),
}  # fmt: skip

PUMP_STEPS = {
    "0.3 mL/h for 0.33": order(step({"dose": q(8, "mL"), "rate": q("0.3", "mL/h")}, timing=over(24))),
    "3.3 mL/h for 3.333": order(
        step({"rate": q("3.3", "mL/h")}, timing=over(72)), preparation=bag(240, holds(84, "ug"))
    ),
    "0.2 mL/h for 0.21 through the concentration": order(
        step({**ORDERED, "rate": q("0.42", "mg/h")}, {**CALCULATED, "rate": q("0.2", "mL/h")}), preparation=BAG
    ),
}

DERIVED_IN_TEXT = {
    "the volume rate of a drug rate": order(
        step({"rate": q(18, "[iU]/h")}, {"rate": q(18, "[iU]/h")}, text="18 IU/h (0.18 mL/h)"), preparation=HEPARIN
    ),
    "the volume rate of a rate by weight": order(
        step({"rate": q("2.5", "ug/kg/min")}, text="2.5 mcg/kg/min (6 mL/h)", max_rate=q(60, "mL/h")), preparation=BAG, measurements=[weight(80)]
    ),
    "rounded as a pump takes it": order(
        step({"rate": q("0.375", "ug/kg/min")}, text="from 7.9 mL/h", max_rate=q(20, "mL/h")), preparation=MILRINONE, measurements=[weight(70)]
    ),
    "the total of a course": order(step({"dose": q(40, "g")}, timing={"count": 4, **PER_DAY}, text="160 g over 4 days: 40 g a day")),
    "the total of a cycle": order(
        step({"dose": q(35, "g")}, timing={"days_of_cycle": [1, 2, 3, 4], "cycle_length": {"value": 28, "unit": "d"}}, text="35 g on days 1 to 4, 140 g in all")
    ),
    "the total of a day": order(step({"dose": q(1000, "mL")}, timing={"frequency": 3, "period": 1, "period_unit": "d"}, text="three bags of 1000 mL a day, 3 L in all")),
    "the dose by weight": order(step({"dose": q(350, "mg")}, text="350 mg (5 mg/kg)"), measurements=[weight(70)], preparation=bag(250, holds(1, "{unit}"))),
    "a dose rate of a dose over its duration": order(step({"dose": q(100, "mg"), "rate": q(50, "mL/h")}, timing=over(2), text="100 mg at 50 mg/h")),
    "a volume rate of the bag over its duration": order(step({"dose": q(100, "mg"), "rate": q(50, "mg/h")}, timing=over(2), text="100 mg in 250 mL at 125 mL/h"), preparation=bag(250, holds(100, "mg"))),
    "the volume of the dose": order(step({"dose": q(60, "mg")}, text="60 mg (30 mL)"), preparation=BAG),
    "what the steps of a ramp make": order(
        step({"rate": q(30, "mL/h")}, timing=over(30, "min"), sequence=1),
        step({"rate": q(60, "mL/h")}, timing=over(30, "min"), sequence=2),
        rendered_instruction="30 mL/h, then 60 mL/h for 30 minutes each: 15 mL and 30 mL, 45 mL in all",
        preparation=bag(45, holds(90, "mg")),
    ),
    "the strength of the bag": order(step({"dose": q(60, "mg")}, text="60 mg of 2 mg/mL"), preparation={**BAG, "ingredients": [holds(500, "mg"), per(9, "mg", 1, role="base")]}),
    "the weight, where the record has none": order(step({"dose": q(350, "mg")}, text="350 mg for 70 kg")),
    "the weight, rounded": order(step({"dose": q(350, "mg")}, text="350 mg for 70 kg"), measurements=[weight("69.8")]),
    "a value of the laboratory": order(step({"rate": q(2, "mL/h")}, text="2 mL/h to a glucose of 180 mg/dL"), preparation=BAG | {"final_concentration": {"numerator": q(2, "mg"), "denominator": q(1, "mL")}}),
}  # fmt: skip

DIVIDED_OVER_DAYS = {
    "2 g/kg over the days of a cycle": order(
        step({**ORDERED, "dose": q(2, "g/kg")}, {**CALCULATED, "dose": q(35, "g")}, timing={"days_of_cycle": [1, 2, 3, 4], "cycle_length": {"value": 28, "unit": "d"}}),
        measurements=[weight(70)],
    ),
    "2 g/kg over a count of days": order(
        step({**ORDERED, "dose": q(2, "g/kg")}, {**CALCULATED, "dose": q(28, "g")}, timing={"count": 5, **PER_DAY}), measurements=[weight(70)]
    ),
    "1 g in two parts, by events": order(
        step({**ORDERED, "dose": q(1, "g")}, {**CALCULATED, "dose": q(500, "mg")}, timing={"events": ["2024-05-01", "2024-05-02"]})
    ),
}  # fmt: skip

LIMITS = {
    "a rate for four hours a day under the limit of a day": order(
        step({"rate": q(15, "mg/h")}, timing=over(4, **PER_DAY), max_per_period=[{"numerator": q(60, "mg"), "denominator": q(24, "h")}])
    ),
    "once, though the timing says a period": order(
        step({"dose": q(1, "g")}, timing={"count": 1, "frequency": 1, "period": 6, "period_unit": "h"}, max_per_period=[{"numerator": q(2, "g"), "denominator": q(24, "h")}])
    ),
    "three days in a week": order(
        step({"dose": q(1, "g")}, timing={**PER_DAY, "bounds_length": q(3, "d")}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(1, "wk")}])
    ),
    "one demand in a limit shorter than the lockout": order(
        {"role": "demand", "patient_control": {"demand_dose": q(1, "mg"), "lockout": q(6, "h")}, "max_per_period": [{"numerator": q(1, "mg"), "denominator": q(4, "h")}]}
    ),
    "a ninth demand fits into the hour": order(
        {"role": "demand", "patient_control": {"demand_dose": q(1, "mg"), "lockout": q(7, "min")}, "max_per_period": [{"numerator": q(9, "mg"), "denominator": q(1, "h")}]}
    ),
}  # fmt: skip

RAMPS = {
    "a ramp whose last step says a range": order(
        step({"rate": q(30, "mL/h")}, role="ramp", max_rate=q(180, "mL/h")),
        step({"rate_range": {"high": q(180, "mL/h")}}, role="ramp"),
    ),
    "one step that is raised by titration": order(
        step({"rate": q(30, "mL/h")}, role="ramp", max_rate=q(180, "mL/h"), titration={"step": q(30, "mL/h"), "interval": q(30, "min")})
    ),
    "a ramp that ends before its largest rate because the bag is empty": order(
        step({"rate": q(30, "mL/h")}, timing=over(1), role="ramp", sequence=1),
        step({"rate": q(60, "mL/h")}, timing=over(1), role="ramp", sequence=2, max_rate=q(180, "mL/h")),
        preparation=bag(90, holds(90, "mg")),
    ),
    "two ramps on two days": order(
        *(step({"rate": q(rate, "mL/h")}, timing={"events": [day]}, role="ramp", sequence=at, max_rate=q(60, "mL/h"))
          for at, (day, rate) in enumerate((("2024-05-01", 30), ("2024-05-01", 60), ("2024-05-15", 45), ("2024-05-15", 60))))
    ),
}  # fmt: skip

ALL = {
    **WORDS,
    **OF_A_PERIOD,
    **WITHOUT_AN_END,
    **HOW_OFTEN,
    **CAPPED_AND_PARTS,
    **UNITS_IN_TEXT,
    **RAMPS,
    **BOLUS_FROM_THE_BAG,
    **BAG_HOLDS_MORE,
    **OF_ONE_INGREDIENT,
    **PUMP_STEPS,
    **DERIVED_IN_TEXT,
    **DIVIDED_OVER_DAYS,
    **LIMITS,
}


@pytest.mark.parametrize("name", ALL)
def test_right_arithmetic_is_no_finding(name: str):
    assert check(ALL[name])
    assert [issue for issue in findings(ALL[name]) if issue.rule != "words-only"] == []
