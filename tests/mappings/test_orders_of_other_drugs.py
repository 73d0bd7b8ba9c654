"""Orders of the therapies in scope, of other drugs and shapes than the golden ones: each comes back digit by digit.

Written as an EHR would send them; invented, never clinical advice. What does not add up on purpose is told, and nothing else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences
from fhir_infusion.records.check import check
from tests.golden_write import translator

Json = dict[str, Any]

SNOMED: Final = "http://snomed.info/sct"
IV, SC, IT = (
    {"codings": [{"system": SNOMED, "code": code}], "text": text}
    for code, text in (("47625008", "IV"), ("34206005", "SC"), ("72607000", "Intrathecal"))
)


def q(said: str) -> Json:
    value, _, unit = said.partition(" ")
    code, _, text = unit.partition(" as ")
    return {
        "value": Decimal(value) if "." in value else int(value),
        "unit": code,
        **({"unit_text": text} if text else {}),
    }


def ratio(said: str) -> Json:
    top, bottom = said.split(" per ")
    return {"numerator": q(top), "denominator": q(bottom)}


def asked(dose: str = "", rate: str = "", basis: str = "ordered", **more: Any) -> Json:
    found: Json = {"basis": basis, **more}
    if dose:
        found["dose"] = q(dose)
    if rate:
        found["rate_ratio" if " per " in rate else "rate"] = (ratio if " per " in rate else q)(rate)
    return found


def made(dose: str = "", rate: str = "", **more: Any) -> Json:
    return asked(dose, rate, "calculated", **more)


def step(*dosings: Json, over: str = "", **more: Any) -> Json:
    timing = more.pop("timing", {})
    if over:
        value, unit = over.split()
        timing = {**timing, "duration": {"value": Decimal(value) if "." in value else int(value), "unit": unit}}
    return {**({"timing": timing} if timing else {}), **({"dosings": list(dosings)} if dosings else {}), **more}


def titrated(start: str, by: str, every: str, most: str = "", **more: Any) -> Json:
    return {"start": q(start), "step": q(by), "interval": q(every), **({"ceiling": q(most)} if most else {}), **more}


def bag(volume: str, *ingredients: tuple[str, str], **more: Any) -> Json:
    held = [{"drug": {"text": drug}, "role": "active", "strength": ratio(strength)} for drug, strength in ingredients]
    rest = {"drug": {"text": "base"}, "role": "base", "is_active": False, "quantity_sufficient": True}
    return {"total_volume": q(volume), "ingredients": [*held, rest], **more}


def order(drug: str, *steps: Json, route: Json = IV, **more: Any) -> Json:
    measured = [{"kind": kind, "value": q(value)} for kind, value in more.pop("measured", {}).items()]
    return {
        "record": "InfusionOrder",
        "order_id": f"other-{drug}",
        "status": "active",
        "intent": "order",
        "drug": {"text": drug},
        "patient": {"identifier": {"system": "https://example.org/patients", "value": "invented"}},
        **({"measurements": measured} if measured else {}),
        "steps": [{"step_id": f"s{at}", "route": route, **one} for at, one in enumerate(steps)],
        **more,
    }


Q12H, DAILY, FOUR_WEEKLY = (
    {"frequency": 1, "period": period, "period_unit": unit} for period, unit in ((12, "h"), (1, "d"), (4, "wk"))
)
ONCE = {"count": 1}

ORDERS: Final = (
    order(
        "vancomycin by AUC, loading first",
        step(
            asked("25 mg/kg"), made("2000 mg", "250 mL/h"), over="2 h", timing=ONCE, role="loading", sequence=1,
            max_rate=q("1000 mg/h"), max_per_administration=q("3000 mg"),
        ),
        step(asked("15 mg/kg"), made("1250 mg", "166.7 mL/h"), over="90 min", timing=Q12H, sequence=2, max_rate=q("1000 mg/h")),
        measured={"actual-weight": "82.40 kg", "target-auc": "500 mg.h/L", "creatinine-clearance": "74 mL/min"},
    ),
    order(
        "ketamine PCA with a basal rate",
        step(asked(rate="1 mg/h"), role="basal", sequence=1),
        step(
            asked("1 mg"), role="demand", sequence=1, as_needed=True,
            patient_control={"demand_dose": q("1 mg"), "lockout": q("10 min"), "max_demands": 4, "max_demands_period": q("1 h")},
            max_per_period=[{"limit_id": "h1", **ratio("5 mg per 1 h")}, {"limit_id": "h4", **ratio("20 mg per 4 h")}],
        ),
        preparation=bag("50 mL", ("ketamine", "50 mg per 50 mL"), final_concentration=ratio("1 mg per 1 mL")),
        infusion_type="pca",
    ),
    order(
        "parenteral nutrition of a neonate",
        step(asked(rate="130 mL/kg/d"), made("158.6 mL", "6.6 mL/h"), over="24 h", timing=DAILY),
        measured={"dosing-weight": "1.22 kg"},
        infusion_type="continuous",
        preparation=bag(
            "160 mL", ("amino acids", "4.27 g per 160 mL"), ("glucose", "18.3 g per 160 mL"), ("lipid", "3.66 g per 160 mL"),
            ("sodium", "3.66 mmol per 160 mL"), ("calcium gluconate", "1.830 mmol per 160 mL"), ("zinc", "488 ug per 160 mL"),
            ("heparin", "80 [iU] per 160 mL"),
        ),
    ),
    order(
        "platelets, an aliquot",
        step(asked("10 mL/kg"), made("31 mL", "31 mL/h"), over="60 min", timing={"count": 2, **Q12H}, max_per_administration=q("50 mL")),
        measured={"actual-weight": "3.10 kg"},
        preparation={"total_volume": q("31 mL"), "ingredients": [{"drug": {"text": "platelets"}, "strength": ratio("0.14 {unit} per 31 mL")}]},
    ),
    order(
        "ifosfamide on days 1 to 3",
        step(
            asked("1800 mg/m2"), made("3100 mg", "250 mL/h"), over="2 h",
            timing={"events": ["2026-11-02", "2026-11-03", "2026-11-04"], "days_of_cycle": [1, 2, 3], "cycle_length": {"value": 21, "unit": "d"}},
        ),
        measured={"body-surface-area": "1.72 m2"},
        preparation=bag("500 mL", ("ifosfamide", "3100 mg per 500 mL")),
        group={"identifier": {"system": "https://example.org/regimens", "value": "g"}, "position": 2, "relation": "main", "cycle": 1},
    ),
    order(
        "mesna that overlaps it",
        step(asked("360 mg/m2"), made("620 mg"), over="15 min", timing={"events": ["2026-11-02"]}, role="bolus", sequence=1),
        step(asked("1080 mg/m2"), made("1860 mg", "77.5 mg/h"), over="24 h", timing={"events": ["2026-11-02"]}, sequence=1),
        measured={"body-surface-area": "1.72 m2"},
        group={"identifier": {"system": "https://example.org/regimens", "value": "g"}, "position": 1, "relation": "rescue"},
    ),
    order(
        "heparin, capped",
        step(asked("60 [iU]/kg"), made("4000 [iU]"), timing=ONCE, role="bolus", sequence=1, max_per_administration=q("4000 [iU]")),
        step(
            asked(rate="12 [iU]/kg/h"), made(rate="10 mL/h"), sequence=2, max_rate=q("1000 [iU]/h"),
            titration=titrated("12 [iU]/kg/h", "2 [iU]/kg/h", "6 h", goal="aPTT 50 to 70 s", goal_range={"low": q("50 s"), "high": q("70 s")}),
            text="12 units/kg/h, at most 1,000 units/h",
        ),
        measured={"actual-weight": "96 kg"},
        preparation=bag("250 mL", ("heparin", "25000 [iU] per 250 mL")),
        infusion_type="continuous",
    ),
    order(
        "insulin, sliding",
        step(
            asked(rate="3.5 [iU]/h as units/h"), made(rate="3.5 mL/h"),
            titration=titrated("3.5 [iU]/h", "0.5 [iU]/h", "1 h", "20 [iU]/h", floor=q("0.5 [iU]/h"), goal="glucose"),
            text="Start 3.5 units/h; below 140 mg/dL 1.5 units/h",
        ),
        preparation=bag("100 mL", ("insulin", "100 [iU] per 100 mL")),
        infusion_type="continuous",
    ),
    order(
        "immune globulin in mL/kg/h",
        step(asked("0.4 g/kg"), made("26 g"), timing=FOUR_WEEKLY),
        *(
            step(asked(rate=f"{per_kg} mL/kg/h"), made(rate=f"{rate} mL/h"), over="30 min", role="ramp", sequence=at)
            for at, per_kg, rate in ((1, "0.5", "32.5"), (2, "1", "65"), (3, "2", "130"))
        ),
        step(asked(rate="4.80 mL/kg/h"), made(rate="312 mL/h"), role="ramp", sequence=4, max_rate=q("4.80 mL/kg/h")),
        measured={"actual-weight": "65 kg"},
        preparation={"total_volume": q("260 mL"), "ingredients": [{"drug": {"text": "immune globulin"}, "strength": ratio("26 g per 260 mL")}]},
    ),
    order(
        "treprostinil under the skin",
        step(asked(rate="1.25 ng/kg/min"), made(rate="0.005 mL/h"), titration=titrated("1.25 ng/kg/min", "1.25 ng/kg/min", "7 d", "40 ng/kg/min")),
        route=SC,
        measured={"actual-weight": "70 kg"},
        preparation={"total_volume": q("3 mL"), "final_concentration": ratio("1 mg per 1 mL")},
        infusion_type="continuous",
    ),
    order(
        "ziconotide into the spinal canal",
        step(asked(rate="2.4 ug/d"), made(rate="0.1 ug/h"), titration=titrated("2.4 ug/d", "1.2 ug/d", "7 d", "19.2 ug/d"), max_per_period=[ratio("19.2 ug per 24 h")]),
        route=IT,
        preparation=bag("20 mL", ("ziconotide", "500 ug per 20 mL")),
        infusion_type="continuous",
    ),
    order(
        "fluorouracil, elastomeric",
        step(asked("2400 mg/m2"), made("4440 mg"), over="46 h", timing={"frequency": 1, "period": 2, "period_unit": "wk", "count": 12}),
        measured={"body-surface-area": "1.85 m2"},
        preparation=bag("230 mL", ("fluorouracil", "4440 mg per 230 mL"), container={"text": "Elastomeric pump"}),
        care_setting="home",
    ),
    order(
        "norepinephrine in two channels by ideal weight",
        *(
            step(
                asked(rate="0.1 ug/kg/min"), made(rate="6.1 mL/h", calculated_from=["ideal-weight"]), pump={"channel": channel},
                titration=titrated("0.1 ug/kg/min", "0.02 ug/kg/min", "5 min", "1 ug/kg/min", goal_range={"low": q("65 mm[Hg]")}), **more,
            )
            for channel, more in (("A", {}), ("B", {"role": "alternative"}))
        ),
        measured={"actual-weight": "140 kg", "ideal-weight": "65.0 kg"},
        preparation=bag("250 mL", ("norepinephrine", "16 mg per 250 mL")),
        infusion_type="continuous",
    ),
    order(
        "amiodarone in three rates",
        step(asked("150 mg", "15 mg/min"), over="10 min", timing=ONCE, role="loading", sequence=1),
        step(asked(rate="1 mg/min"), made(rate="33.3 mL/h"), over="6 h", sequence=2),
        step(asked(rate="0.5 mg/min"), made(rate="16.7 mL/h"), over="18 h", sequence=3),
        preparation=bag("500 mL", ("amiodarone", "900 mg per 500 mL")),
    ),
    order(
        "oxytocin in milliunits",
        step(asked(rate="2 m[iU]/min as mU/min"), made(rate="2 mL/h"), titration=titrated("2 m[iU]/min", "2 m[iU]/min", "30 min", "20 m[iU]/min"), text="2 milliunits/min"),
        preparation=bag("500 mL", ("oxytocin", "30 [iU] per 500 mL")),
        infusion_type="continuous",
    ),
    order(
        "acetylcysteine in three bags",
        *(
            step(asked(f"{per_kg} mg/kg"), made(f"{dose} mg", f"{rate} mL/h"), over=over, timing=ONCE, sequence=at)
            for at, per_kg, dose, rate, over in ((1, 150, 9000, "200", "60 min"), (2, 50, 3000, "125", "4 h"), (3, 100, 6000, "62.5", "16 h"))
        ),
        measured={"actual-weight": "60 kg"},
    ),
    order(
        "cidofovir with ranges everywhere",
        step(
            asked("5 mg/kg"), made("350 mg", rate_range={"low": q("90 mL/h"), "high": q("110.0 mL/h")}),
            timing={
                "duration": {"value": 1, "max": Decimal("1.25"), "unit": "h"}, "frequency": 1, "period": 1, "period_max": 2,
                "period_unit": "wk", "bounds_range": {"low": q("2 wk"), "high": q("4 wk")},
            },
        ),
        measured={"actual-weight": "70 kg"},
        preparation=bag("100 mL", ("cidofovir", "350 mg per 100 mL")),
    ),
)  # fmt: skip

TOLD: Final = order(
    "amphotericin B with a test dose of another bag",
    step(asked("1 mg", "40 mL/h"), over="30 min", timing=ONCE, role="loading", sequence=1),
    step(asked("0.7 mg/kg"), made("49 mg", "125 mL/h"), over="4 h", timing=DAILY, sequence=2),
    measured={"actual-weight": "70.0 kg"},
    preparation=bag("500 mL", ("amphotericin B", "49 mg per 500 mL"), diluent_restriction="glucose 5 % only"),
)


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
@pytest.mark.parametrize("record", [*ORDERS, TOLD], ids=lambda record: record["drug"]["text"])
def test_an_order_of_another_drug_comes_back_digit_by_digit_and_only_what_does_not_add_up_is_told(
    record: Json, release: str
):
    assert check(record)
    sent = translator().to_fhir(record, release)
    (resource,) = sent.results
    read = translator().to_internal(fhir_json.read(fhir_json.write(resource)), release)
    (back,) = read.results
    assert [path for path in differences(record, {**back, "residue": []}) if path != "residue"] == []
    assert [line for line in (*sent.exceptions, *read.exceptions) if line.state == "dropped"] == []
    told = ["rate-duration-dose"] if record is TOLD else []
    assert [issue.rule for issue in sent.findings] == [issue.rule for issue in read.findings] == told


def test_the_texts_of_units_and_the_last_digits_are_those_that_were_sent():
    (resource,) = translator().to_fhir(ORDERS[0], "R4").results
    assert b'"value":82.40' in fhir_json.write(resource)
    (resource,) = translator().to_fhir(ORDERS[7], "R5").results
    assert b'"unit":"units/h"' in fhir_json.write(resource)
