"""What each finding is told of: a record, and the rule, the place and the words that it has to give.

The table of findings in the README takes its examples from here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.records.samples import GIVEN, changed

D = Decimal
Record = dict[str, Any]


def q(value: Any, unit: str) -> Record:
    return {"value": D(value) if isinstance(value, str) else value, "unit": unit}


def over(value: int, unit: str = "h", **more: Any) -> Record:
    return {"duration": {"value": value, "unit": unit}, **more}


def order(*steps: Record, **more: Any) -> Record:
    return {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "drug"},
        **({"steps": list(steps)} if steps else {}),
        **more,
    }


def step(*dosings: Record, **more: Any) -> Record:
    return {"dosings": list(dosings), **more} if dosings else more


def given_(**more: Any) -> Record:
    return {
        "record": "Administration",
        "status": "completed",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "drug"},
        "when": {"at": "2024-05-01"},
        **more,
    }


def weight(value: Any, kind: str = "actual-weight") -> Record:
    return {"kind": kind, "value": q(value, "kg")}


def measure(kind: str, value: Any, unit: str) -> Record:
    return {"kind": kind, "value": q(value, unit)}


BAG = {"total_volume": q(250, "mL"), "ingredients": [{"drug": {"text": "x"}, "amount": q(500, "mg")}]}
ORDERED, CALCULATED = {"basis": "ordered"}, {"basis": "calculated"}
AUC = step({**ORDERED, "dose": q(5, "mg.min/mL")}, {**CALCULATED, "dose": q(825, "mg")})
SNOMED = "http://snomed.info/sct"
SC = {"codings": [{"system": SNOMED, "code": "34206005"}]}


def pca(limit: Any, lockout: Any = None, demand: Any = None, basal: Any = None, hours: int = 4) -> Record:
    control: Record = {"demand_dose": q(1, "mg") if demand is None else demand}
    if lockout is not None:
        control["lockout"] = lockout
    steps = [
        {
            "role": "demand",
            "patient_control": control,
            "max_per_period": [{"numerator": limit, "denominator": q(hours, "h")}],
        }
    ]
    if basal is not None:
        steps.append({"role": "basal", "dosings": [{"rate": basal}]})
    return order(*steps)


# record, rule, path, what is said: with both numbers
FOUND: list[tuple[Record, str, str, str]] = [
    (order(step({"rate": q(30, "mL/h")}, timing=over(3)), preparation=BAG), "rate-duration-volume", "steps[0]", "30 mL/h for 3 h makes 90 mL; the preparation holds 250 mL"),
    (order(step({"rate": q(100, "mL/h")}, timing=over(3)), preparation=BAG), "rate-duration-volume", "steps[0]", "100 mL/h for 3 h makes 300 mL; the preparation holds 250 mL"),
    (order(step({"rate_ratio": {"numerator": q(1000, "mL"), "denominator": q(8, "h")}}, timing=over(4)), preparation=BAG), "rate-duration-volume", "steps[0]", "1000 mL per 8 h for 4 h makes 500 mL; the preparation holds 250 mL"),
    (order(step({"rate": q(100, "mL/h")}, timing=over(1), sequence=1), step({"rate": q(200, "mL/h")}, timing=over(1), sequence=2), preparation=BAG), "rate-duration-volume", "steps", "the steps run 100 mL + 200 mL, which makes 300 mL; the preparation holds 250 mL"),
    (order(step({"rate": q(100, "mL/h")}, timing=over(3), sequence=1), step({"rate": q(200, "mL/h")}, sequence=2), preparation=BAG), "rate-duration-volume", "steps", "100 mL/h for 3 h makes 300 mL; the preparation holds 250 mL"),
    (order(step({"rate": q(125, "mL/h")}, timing=over(2, events=["2024"])), step({"rate": q(90, "mL/h")}, timing=over(2)), preparation=BAG), "rate-duration-volume", "steps[1]", "90 mL/h for 2 h makes 180 mL; the preparation holds 250 mL"),
    (order(step({"dose": q(500, "mg"), "rate": q(50, "mg/h")}, timing=over(4))), "rate-duration-dose", "steps[0].dosings[0]", "50 mg/h for 4 h makes 200 mg; the dose is 500 mg"),
    (order(step({"rate": q(12, "mL/h")}, {"rate": q("2.5", "mg/h")}), preparation=BAG), "concentration-rate", "steps[0].dosings[1].rate", "12 mL/h of this preparation makes 24 mg/h; the rate is 2.5 mg/h"),
    (order(step({"rate": q(12, "mL/h")}, {"rate_ratio": {"numerator": q(100, "mg"), "denominator": q(1, "h")}}), preparation=BAG), "concentration-rate", "steps[0].dosings[1].rate_ratio", "12 mL/h of this preparation makes 24 mg/h; the rate is 100 mg per 1 h"),
    (order(step({"rate": q(12, "mL/h")}, {"rate": q("2.5", "ug/kg/min")}), preparation=BAG, measurements=[weight(80)]), "concentration-rate", "steps[0].dosings[1].rate", "12 mL/h of this preparation makes 400 ug/min; the rate is 2.5 ug/kg/min at 80 kg (actual weight)"),
    (order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(500, "mg")}), measurements=[weight(70)]), "calculated-dose", "steps[0].dosings[1].dose", "5 mg/kg at 70 kg (actual weight) makes 350 mg; calculated is 500 mg"),
    (order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(350, "mg")}), measurements=[weight(70), weight(60, "dosing-weight")]), "calculated-dose", "steps[0].dosings[1].dose", "5 mg/kg at 60 kg (dosing weight) makes 300 mg; calculated is 350 mg"),
    (order(step({**ORDERED, "dose": q(175, "mg/m2")}, {**CALCULATED, "dose": q(280, "mg")}), measurements=[measure("body-surface-area", "1.80", "m2")]), "calculated-dose", "steps[0].dosings[1].dose", "175 mg/m2 at 1.80 m2 makes 315 mg; calculated is 280 mg"),
    (order(AUC, measurements=[measure("gfr", 140, "mL/min")]), "calculated-dose", "steps[0].dosings[1].dose", "AUC 5 mg.min/mL at a GFR of 140 mL/min (counted as 125 mL/min) makes 750 mg; calculated is 825 mg"),
    (order(AUC, measurements=[measure("creatinine-clearance", 90, "mL/min")]), "calculated-dose", "steps[0].dosings[1].dose", "AUC 5 mg.min/mL at a GFR of 90 mL/min makes 575 mg; calculated is 825 mg"),
    (order(step({**ORDERED, "dose": q(500, "mg")}, {**CALCULATED, "dose": q(450, "mg")})), "calculated-dose", "steps[0].dosings[1].dose", "ordered 500 mg makes 500 mg; calculated is 450 mg"),
    (order(step({**ORDERED, "rate": q("2.5", "ug/kg/min")}, {**CALCULATED, "rate": q(60, "mL/h")}), preparation=BAG, measurements=[weight(80)]), "calculated-dose", "steps[0].dosings[1].rate", "2.5 ug/kg/min at 80 kg (actual weight) of this preparation makes 6 mL/h; calculated is 60 mL/h"),
    (order(step({**ORDERED, "dose": q(8, "mg/kg")}, {**CALCULATED, "dose": q(900, "mg")}, max_per_administration=q(800, "mg")), measurements=[weight(112)]), "max-per-administration", "steps[0].dosings[1].dose", "the dose is 900 mg, above the limit of 800 mg"),
    (order(step({"dose_range": {"low": q(1, "g"), "high": q(2, "g")}}, max_per_administration=q(1500, "mg"))), "max-per-administration", "steps[0].dosings[0].dose_range.high", "the dose is 2 g, above the limit of 1500 mg"),
    (order(step({"dose": q(100, "mg")}, max_per_lifetime=q(500, "mg"), timing={"count": 2, "count_max": 6})), "max-per-lifetime", "steps[0].dosings[0].dose", "6 x 100 mg is above the limit of a life, 500 mg"),
    (order(step({"dose": q(100, "mg")}, max_per_lifetime=q(500, "mg"), timing={"count": 6})), "max-per-lifetime", "steps[0].dosings[0].dose", "6 x 100 mg is above the limit of a life, 500 mg"),
    (order(step({"rate": q(200, "mL/h")}, max_rate=q(180, "mL/h"))), "max-rate", "steps[0].dosings[0].rate", "the rate is 200 mL/h, above the limit of 180 mL/h"),
    (order(step({"rate": q(30, "mL/h")}, role="ramp", max_rate=q(180, "mL/h")), step({"rate_range": {"high": q(240, "mL/h")}}, role="ramp")), "max-rate", "steps[1].dosings[0].rate_range.high", "the rate is 240 mL/h, above the limit of 180 mL/h"),
    (order(step({"rate": q(400, "mL/h")}, max_rate=q(10, "mg/min")), preparation=BAG), "max-rate", "steps[0].dosings[0].rate", "400 mL/h of this preparation makes 13.33 mg/min, above the limit of 10 mg/min"),
    (order(step({"dose": q(1, "g")}, timing=over(1), max_rate=q(10, "mg/min"))), "max-rate", "steps[0].dosings[0].dose", "1 g in 1 h makes 16.67 mg/min, above the limit of 10 mg/min"),
    (order(step({"dose": q(20, "mg/kg")}, timing=over(1), max_rate=q(10, "mg/min")), measurements=[weight(70)]), "max-rate", "steps[0].dosings[0].dose", "20 mg/kg at 70 kg (actual weight) in 1 h makes 23.33 mg/min, above the limit of 10 mg/min"),
    (order(step({"rate": q(30, "mL/h")}, max_rate=q("0.5", "mg/kg/h")), preparation=BAG, measurements=[weight(80)]), "max-rate", "steps[0].dosings[0].rate", "30 mL/h of this preparation makes 60 mg/h, above the limit of 0.5 mg/kg/h"),
    (order(step({"rate_ratio": {"numerator": q(500, "mg"), "denominator": q(10, "min")}}, max_rate=q(25, "mg/min"))), "max-rate", "steps[0].dosings[0].rate_ratio", "500 mg in 10 min makes 50 mg/min, above the limit of 25 mg/min"),
    (order(step(titration={"start": q(30, "ug/min"), "ceiling": q(20, "ug/min")})), "titration", "steps[0].titration.start", "the start of the titration is 30 ug/min, above the limit of 20 ug/min"),
    (order(step(titration={"floor": q(30, "ug/min"), "ceiling": q(20, "ug/min")})), "titration", "steps[0].titration.floor", "the floor of the titration is 30 ug/min, above the limit of 20 ug/min"),
    (order(step({"rate": q(2, "ug/min")}, titration={"ceiling": q(1000, "ng/min")})), "titration", "steps[0].dosings[0].rate", "the rate is 2 ug/min, above the limit of 1000 ng/min"),
    (order(step(titration={"ceiling": q(20, "ug/min")}, max_rate=q(10, "ug/min"))), "max-rate", "steps[0].titration.ceiling", "the ceiling of the titration is 20 ug/min, above the limit of 10 ug/min"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 6, "period_unit": "h"}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "4 x 1 g makes 4 g; the limit is 3 g in 24 h"),
    (order(step({"dose": q(5, "g")}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "1 x 5 g makes 5 g; the limit is 3 g in 24 h"),
    (order(step({"dose": q(5001, "mg")}, timing={"frequency": 2, "period": 1, "period_unit": "d"}, max_per_period=[{"numerator": q(10000, "mg"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "2 x 5001 mg makes 10002 mg; the limit is 10000 mg in 24 h"),
    (order(step({"rate": q(10, "mL/h")}, max_per_period=[{"numerator": q(200, "mL"), "denominator": q(1, "d")}])), "max-per-period", "steps[0].max_per_period[0]", "10 mL/h for 24 h makes 240 mL; the limit is 200 mL in 1 d"),
    (order(step({"dose": q(100, "mg"), "rate": q(50, "mL/h")}, max_per_period=[{"numerator": q(1000, "mL"), "denominator": q(24, "h")}]), infusion_type="continuous"), "max-per-period", "steps[0].max_per_period[0]", "50 mL/h for 24 h makes 1200 mL; the limit is 1000 mL in 24 h"),
    (order(step({"rate": q(100, "mL/h")}, timing=over(2, frequency=3, period=1, period_unit="d"), max_per_period=[{"numerator": q(500, "mL"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "100 mL/h for 6 h makes 600 mL; the limit is 500 mL in 24 h"),
    (pca(q(3, "mg"), basal=q(1, "mg/h")), "pca-limit", "steps[0].max_per_period[0]", "one demand of 1 mg and a basal rate that makes 4 mg is above the limit of 3 mg in 4 h"),
    (pca(q(3, "mg"), demand=q(4, "mg")), "pca-limit", "steps[0].max_per_period[0]", "one demand of 4 mg is above the limit of 3 mg in 4 h"),
    (pca(q(40, "mg"), lockout=q(8, "min")), "pca-limit", "steps[0].max_per_period[0]", "30 x 1 mg (lockout 8 min) makes 30 mg at most, so the limit of 40 mg in 4 h limits nothing"),
    (order(step({"dose": q(0, "mg")})), "zero-dose", "steps[0].dosings[0].dose", "a dose of 0 is ordered"),
    (order(preparation={**BAG, "final_concentration": {"numerator": q(4, "mg"), "denominator": q(1, "mL")}}), "final-concentration", "preparation.final_concentration", "500 mg in 250 mL makes 2 mg per 1 mL; the final concentration is 4 mg per 1 mL"),
    (order(preparation={"total_volume": q(2, "L"), "ingredients": [{"drug": {"text": "a"}, "amount": q(1500, "mL")}, {"drug": {"text": "b"}, "amount": q(700, "mL")}]}), "ingredient-volumes", "preparation.total_volume", "the ingredients, 1.5 L + 0.7 L, make 2.2 L; the preparation holds 2 L"),
    (order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(999, "mg")}), measurements=[measure("actual-weight", 170, "cm")]), "measurement-unit", "measurements[0].value", "170 cm is no actual weight"),
    (order(step({**ORDERED, "dose": q(5, "mg/m2")}, {**CALCULATED, "dose": q(5, "mg")}), measurements=[measure("body-surface-area", 2, "cm")]), "measurement-unit", "measurements[0].value", "2 cm is no body surface area"),
    (order(measurements=[measure("height", 180, "kg"), weight(80), measure("body-surface-area", "2.00", "m2")]), "measurement-unit", "measurements[0].value", "180 kg is no height"),
    (order(measurements=[measure("body-surface-area", "1.82", "kg")]), "measurement-unit", "measurements[0].value", "1.82 kg is no body surface area"),
    (order(measurements=[measure("gfr", 90, "mL")]), "measurement-unit", "measurements[0].value", "90 mL is no gfr"),
    (order(measurements=[measure("height", 180, "cm"), weight(80), measure("body-surface-area", "1.77", "m2")]), "body-surface", "measurements", "180 cm and 80 kg do not make a body surface of 1.77 m2"),
    (order(measurements=[measure("height", 180, "cm"), weight(80), measure("body-surface-area", "1.20", "m2")]), "body-surface", "measurements", "180 cm and 80 kg do not make a body surface of 1.20 m2"),
    (order(step({"rate": q(50, "mL/h")}, text="give 8 L/min")), "text-contradicts", "steps[0].text", "the text says 8 L/min; the structure says 50 mL/h"),
    (order(step({"rate": q("7.5", "mL/h")}, text="4mcg/kg/min")), "text-contradicts", "steps[0].text", "the text says 4 mcg/kg/min; the structure says 7.5 mL/h"),
    (order(step({"dose": q(500, "mg")}), rendered_instruction="1,000 mg in 250 mL", preparation={"total_volume": q(250, "mL")}), "text-contradicts", "rendered_instruction", "the text says 1,000 mg; the structure says 500 mg"),
    (order(step({"dose": q(500, "mg")}, text="2,5 g over 30 min")), "text-contradicts", "steps[0].text", "the text says 2,5 g; the structure says 500 mg"),
    (order(step({"dose": q(10, "mg")}, text="5 mg"), residue=[{"release": "R4", "path": "x", "value": q(5, "mg")}]), "text-contradicts", "steps[0].text", "the text says 5 mg; the structure says 10 mg"),
    (order(step({"dose": q(10, "mg")}, timing={"frequency": 2, "period": 1, "period_unit": "d", "bounds_length": q(5, "d")}, text="10 mg, 101 mg in all")), "text-contradicts", "steps[0].text", "the text says 101 mg; the structure says 10 mg"),
    (order(drug={"text": "Adalimumab 40 mg"}, steps=[{"route": SC}]), "not-an-infusion", "drug", "not an infusion: adalimumab is a subcutaneous injection"),
    (order(drug={"codings": [{"code": "L04AB04"}]}), "not-an-infusion", "drug", "not an infusion: adalimumab is a subcutaneous injection"),
    ({name: value for name, value in order(preparation={"ingredients": [{"drug": {"codings": [{"display": "etanercept"}]}}]}).items() if name != "drug"}, "not-an-infusion", "preparation", "not an infusion: etanercept is a subcutaneous injection"),
    (order(step({"dose": q(5, "mg")}, route=SC)), "not-an-infusion", "steps[0].route", "not an infusion: the route is subcutaneous, and neither rate nor duration is stated"),
    (order(step({"dose": q(5, "mg")}, route={"text": "give i.m."})), "not-an-infusion", "steps[0].route", "not an infusion: the route is intramuscular, and neither rate nor duration is stated"),
    (given_(dose_given=q(5, "mg"), route={"text": "oral"}), "not-an-infusion", "route", "not an infusion: the route is oral, and neither rate nor duration is stated"),
    (order(step({"rate_as_stated": q(20, "min")})), "rate-per-time", "steps[0].dosings[0].rate_as_stated", "what stands where a rate belongs is not per time"),
    (given_(segments=[{"rate_as_stated": q(20, "min")}]), "rate-per-time", "segments[0].rate_as_stated", "what stands where a rate belongs is not per time"),
    (order(step({"dose": q(125, "mL/h")})), "amount-per-time", "steps[0].dosings[0].dose", "what stands where an amount belongs is per time"),
    (order(step({"dose_range": {"high": {"value": 20, "unit_text": "mcg/kg/min"}}})), "amount-per-time", "steps[0].dosings[0].dose_range.high", "what stands where an amount belongs is per time"),
    (order(step({"dose": q(5, "mg")}, max_per_administration=q(5, "mg/min"))), "amount-per-time", "steps[0].max_per_administration", "what stands where an amount belongs is per time"),
    (pca(q(20, "mg"), demand=q(1, "mg/h")), "amount-per-time", "steps[0].patient_control.demand_dose", "what stands where an amount belongs is per time"),
    (given_(dose_given=q(20, "mL/h")), "amount-per-time", "dose_given", "what stands where an amount belongs is per time"),
    (given_(demand_counts={"deliveries": 1, "delivered": q(8, "mg/h")}), "amount-per-time", "demand_counts.delivered", "what stands where an amount belongs is per time"),
    (order(step({"dose": q(5, "TAB")})), "ucum", "steps[0].dosings[0].dose.unit", "the unit is not a UCUM code"),
    (order(step({"dose": {**q(5, "mg"), "unit_text": "mcg"}})), "unit-text", "steps[0].dosings[0].dose.unit_text", "the unit in words means something else than the unit's code"),
    (changed(GIVEN, "segments.1.volume.value", 40), "rate-time-volume", "segments[1].volume", "20 mL/h for 60 min makes 20 mL; the volume is 40 mL"),
    (changed(GIVEN, "segments.1.rate", q(50, "mg/h")), "rate-time-dose", "segments[1].dose", "50 mg/h for 60 min makes 50 mg; the dose is 40 mg"),
    (changed(GIVEN, "dose_given.value", 100), "sum-of-segments-dose", "dose_given", "the segments make 60 mg; in all it is 100 mg"),
    (changed(GIVEN, "dose_given.value", 61), "sum-of-segments-dose", "dose_given", "the segments make 60 mg; in all it is 61 mg"),
    (changed(changed(GIVEN, "dose_given.value", 61), "representation"), "sum-of-segments-dose", "dose_given", "the segments make 60 mg; in all it is 61 mg"),
    (changed(GIVEN, "dose_given", q("0.061", "g")), "sum-of-segments-dose", "dose_given", "the segments make 0.06 g; in all it is 0.061 g"),
    (changed(GIVEN, "dose_given", q("60.0000001", "mg")), "sum-of-segments-dose", "dose_given", "the segments make 60 mg; in all it is 60.0000001 mg"),
    (changed(GIVEN, "segments.1.dose"), "sum-of-segments-dose", "dose_given", "the segments make 20 mg; in all it is 60 mg"),
    (changed(changed(GIVEN, "dose_given"), "representation"), "dose-total-missing", "dose_given", "the segments make 60 mg; no total is stated, so that who adds up the doses of administrations counts none of it"),
    (changed(GIVEN, "volume_given.value", 20), "sum-of-segments-volume", "volume_given", "the segments make 30 mL; in all it is 20 mL"),
    (changed(changed(GIVEN, "segments.1.dose"), "dose_given.value", 10), "sum-of-segments-dose", "dose_given", "the segments make 20 mg; in all it is 10 mg"),
    (given_(dose_given=q(100, "mg"), volume_given=q(100, "mL"), preparation=BAG), "concentration-dose", "dose_given", "100 mL of this preparation makes 200 mg; the dose given is 100 mg"),
    (given_(status="not-done", dose_given=q(100, "mg")), "not-done-dose", "dose_given", "it was not done, and 100 mg were given"),
    (given_(status="not-done", dose_given={"value": 1, "unit_text": "bag"}), "not-done-dose", "dose_given", "it was not done, and a dose is stated"),
    (given_(dose_given=q(1, "mg"), dose_total=q(1, "mg")), "dose-twice", "dose_given", "it carries a dose, and so do the administrations that are part of it: adding them up counts twice"),
    (given_(demand_counts={"attempts": 3, "deliveries": 5}), "demand-counts", "demand_counts", "5 demands were served of 3 made"),
    # orders: the dose through the concentration, the patient, or another statement of the step
    (order(step({"dose": q(400, "mg"), "rate": q(125, "mL/h")}, timing=over(2)), preparation=BAG), "rate-duration-dose", "steps[0].dosings[0]", "125 mL/h for 2 h of this preparation makes 500 mg; the dose is 400 mg"),
    (order(step({**ORDERED, "dose": q(5, "mg/kg")}, {**CALCULATED, "dose": q(350, "mg"), "rate": q(25, "mL/h")}, timing=over(2)), preparation={"final_concentration": {"numerator": q(2, "mg"), "denominator": q(1, "mL")}}, measurements=[weight(70)]), "rate-duration-dose", "steps[0].dosings[1]", "25 mL/h for 2 h of this preparation makes 100 mg; the dose is 350 mg"),
    (order(step({**ORDERED, "rate": q("0.2", "mg/kg/h")}, {**CALCULATED, "dose": q(80, "mg")}, timing=over(4)), measurements=[weight(75)]), "rate-duration-dose", "steps[0].dosings[0]", "0.2 mg/kg/h at 75 kg (actual weight) for 4 h makes 60 mg; the dose is 80 mg"),
    (order(step({"dose": q(400, "mg"), "rate": q(100, "mL/h")}, timing=over(1), role="loading"), step({"rate": q(5, "mL/h")}), preparation=BAG), "rate-duration-dose", "steps[0].dosings[0]", "100 mL/h for 1 h of this preparation makes 200 mg; the dose is 400 mg"),
    # limits across kinds of units
    (order(step({"rate": q("2.5", "ug/kg/min")}, titration={"start": q(60, "mL/h"), "ceiling": q(20, "ug/kg/min")}), preparation=BAG, measurements=[weight(80)]), "titration", "steps[0].titration.start", "the start of the titration, 60 mL/h of this preparation, makes 2000 ug/min, above the limit of 20 ug/kg/min"),
    (order(step(titration={"floor": q(8, "mg/h"), "ceiling": q(3, "mL/h")}), preparation=BAG), "titration", "steps[0].titration.floor", "the floor of the titration, 8 mg/h of this preparation, makes 4 mL/h, above the limit of 3 mL/h"),
    (order(step(titration={"ceiling": q(20, "ug/kg/min")}, max_rate=q(40, "mL/h")), preparation=BAG, measurements=[weight(80)]), "max-rate", "steps[0].titration.ceiling", "the ceiling of the titration, 20 ug/kg/min at 80 kg (actual weight) of this preparation, makes 48 mL/h, above the limit of 40 mL/h"),
    (order(step(titration={"start": q(2, "ug/min"), "floor": q(5, "ug/min")})), "titration", "steps[0].titration.start", "the start of the titration is 2 ug/min, below the least of 5 ug/min"),
    (order(step({"rate": q(1, "mL/h")}, titration={"floor": q(5, "mg/h")}), preparation=BAG), "titration", "steps[0].dosings[0].rate", "the rate, 1 mL/h of this preparation, makes 2 mg/h, below the least of 5 mg/h"),
    (order(step(titration={"step": q(30, "ug/min"), "floor": q(5, "ug/min"), "ceiling": q(20, "ug/min")})), "titration", "steps[0].titration.step", "one step is 30 ug/min; from 5 ug/min, the floor, to 20 ug/min it is 15 ug/min"),
    (order(step(titration={"step": q(60, "mL/h"), "start": q("2.5", "mg/h"), "ceiling": q(50, "mg/h")}), preparation=BAG), "titration", "steps[0].titration.step", "one step is 60 mL/h of this preparation, which makes 120 mg/h; from 2.5 mg/h, the start, to 50 mg/h it is 47.5 mg/h"),
    (order(step({"rate": q(20, "mL/h")}, max_per_period=[{"numerator": q(500, "mg"), "denominator": q(24, "h")}]), preparation=BAG), "max-per-period", "steps[0].max_per_period[0]", "20 mL/h for 24 h of this preparation makes 960 mg; the limit is 500 mg in 24 h"),
    (order(step({"rate": q(15, "mg/h")}, timing=over(5, frequency=1, period=1, period_unit="d"), max_per_period=[{"numerator": q(60, "mg"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "15 mg/h for 5 h makes 75 mg; the limit is 60 mg in 24 h"),
    (order(step({"dose": q(40, "g")}, timing={"days_of_cycle": [1, 2, 3, 4], "cycle_length": {"value": 28, "unit": "d"}}, max_per_period=[{"numerator": q(140, "g"), "denominator": q(28, "d")}])), "max-per-period", "steps[0].max_per_period[0]", "4 x 40 g makes 160 g; the limit is 140 g in 28 d"),
    (order(*(step({"dose": q(dose, "g")}, sequence=at, timing={"days_of_cycle": [1, 2, 3, 4], "cycle_length": {"value": 28, "unit": "d"}}, max_per_period=[{"numerator": q(140, "g"), "denominator": q(28, "d")}]) for at, dose in enumerate((10, 30)))), "max-per-period", "steps[0].max_per_period[0]", "4 x (10 g + 30 g) makes 160 g; the limit is 140 g in 28 d"),
    (order({"role": "demand", "dosings": [{"dose": q(5, "mg")}], "patient_control": {"lockout": q(1, "h")}, "max_per_period": [{"numerator": q(3, "mg"), "denominator": q(4, "h")}]}), "max-per-period", "steps[0].max_per_period[0]", "1 x 5 mg makes 5 mg; the limit is 3 mg in 4 h"),
    # how often, in each way that systems say it
    (order(step({"dose": q(1, "g")}, timing={"times_of_day": ["00:00:00", "06:00:00", "12:00:00", "18:00:00"]}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "4 x 1 g makes 4 g; the limit is 3 g in 24 h"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 1, "period_unit": "d", "times_of_day": ["08:00:00", "20:00:00"]}, max_per_period=[{"numerator": q(1, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "2 x 1 g makes 2 g; the limit is 1 g in 24 h"),
    (order(step({"dose": q(1, "g")}, timing={"when": ["MORN", "NOON", "EVE", "NIGHT"]}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "4 x 1 g makes 4 g; the limit is 3 g in 24 h"),
    (order(step({"dose": q(1, "g")}, timing={"code": {"codings": [{"code": "Q6H"}]}}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "4 x 1 g makes 4 g; the limit is 3 g in 24 h"),
    (order(step({"dose": q(10, "mg")}, timing={"days_of_week": ["mon", "wed", "fri"]}, max_per_period=[{"numerator": q(20, "mg"), "denominator": q(1, "wk")}])), "max-per-period", "steps[0].max_per_period[0]", "3 x 10 mg makes 30 mg; the limit is 20 mg in 1 wk"),
    (order(step({"dose": q(10, "mg")}, timing={"days_of_week": ["sat", "sun", "mon"], "times_of_day": ["08:00:00", "20:00:00"]}, max_per_period=[{"numerator": q(50, "mg"), "denominator": q(3, "d")}])), "max-per-period", "steps[0].max_per_period[0]", "6 x 10 mg makes 60 mg; the limit is 50 mg in 3 d"),
    (order(step({"dose": q(1, "g")}, timing={"events": ["2026-03-04T20:00:00Z", "2026-03-05T08:00:00Z", "2026-03-05T19:59:00Z", "2026-03"]}, max_per_period=[{"numerator": q(2, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "3 x 1 g makes 3 g; the limit is 2 g in 24 h"),
    (order(*(step({"dose": q(2, "g")}, timing={"times_of_day": [time]}, max_per_period=[{"numerator": q(3, "g"), "denominator": q(1, "d")}]) for time in ("08:00:00", "20:00:00"))), "max-per-period", "steps[0].max_per_period[0]", "1 x (2 g + 2 g) makes 4 g; the limit is 3 g in 1 d"),
    (order(*(step({"dose": q(1, "g")}, timing={"times_of_day": times}, max_per_period=[{"numerator": q(2, "g"), "denominator": q(1, "d")}]) for times in (["08:00:00"], ["14:00:00", "20:00:00"]))), "max-per-period", "steps[0].max_per_period[0]", "1 x 1 g + 2 x 1 g makes 3 g; the limit is 2 g in 1 d"),
    # a limit of a period: through the weight, and of a rate that is a ratio
    (order(step({"dose": q(15, "mg/kg")}, timing={"frequency": 4, "period": 1, "period_unit": "d"}, max_per_period=[{"numerator": q(4, "g"), "denominator": q(24, "h")}]), measurements=[weight(80)]), "max-per-period", "steps[0].max_per_period[0]", "4 x 15 mg/kg at 80 kg (actual weight) makes 4.8 g; the limit is 4 g in 24 h"),
    (order(step({"rate": q("0.5", "mg/kg/h")}, max_per_period=[{"numerator": q(500, "mg"), "denominator": q(24, "h")}]), measurements=[weight(80)]), "max-per-period", "steps[0].max_per_period[0]", "0.5 mg/kg/h at 80 kg (actual weight) for 24 h makes 960 mg; the limit is 500 mg in 24 h"),
    (order(step({"rate": q(1, "mg/kg/h")}, max_per_period=[{"numerator": q(20, "mg/kg"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "1 mg/kg/h for 24 h makes 24 mg/kg; the limit is 20 mg/kg in 24 h"),
    (order(step({"rate_ratio": {"numerator": q(24, "g"), "denominator": q(12, "h")}}, max_per_period=[{"numerator": q(40, "g"), "denominator": q(24, "h")}])), "max-per-period", "steps[0].max_per_period[0]", "2 g/h for 24 h makes 48 g; the limit is 40 g in 24 h"),
    (order(step({"rate": q(10, "mL/h")}, max_per_period=[{"numerator": q(400, "mg"), "denominator": q(1, "d")}]), preparation=BAG), "max-per-period", "steps[0].max_per_period[0]", "10 mL/h for 24 h of this preparation makes 480 mg; the limit is 400 mg in 1 d"),
    (order(step({"dose": q(2, "g/m2")}, timing={"frequency": 2, "period": 1, "period_unit": "d"}, max_per_period=[{"numerator": q(3000, "mg/m2"), "denominator": q(1, "d")}])), "max-per-period", "steps[0].max_per_period[0]", "2 x 2 g/m2 makes 4 g/m2; the limit is 3000 mg/m2 in 1 d"),
    (order(step({"dose": q(2, "g/kg")}, max_per_administration=q(1000, "mg/kg"))), "max-per-administration", "steps[0].dosings[0].dose", "the dose is 2 g/kg, above the limit of 1000 mg/kg"),
    # what runs, where no dose is stated
    (order(step({"rate": q(2, "g/h")}, timing=over(4), max_per_administration=q(4, "g"))), "max-per-administration", "steps[0].dosings[0]", "2 g/h for 4 h makes 8 g, above the limit of 4 g"),
    (order(step({"rate_ratio": {"numerator": q(250, "mL"), "denominator": q(1, "h")}}, timing=over(2), max_per_administration=q(800, "mg")), preparation=BAG), "max-per-administration", "steps[0].dosings[0]", "250 mL/h of this preparation for 2 h makes 1000 mg, above the limit of 800 mg"),
    (order(step({"rate_ratio": {"numerator": q(120, "mL"), "denominator": q(2, "h")}}, titration={"ceiling": q(50, "mL/h")})), "titration", "steps[0].dosings[0].rate_ratio", "the rate is 60 mL/h, above the limit of 50 mL/h"),
    (order(step({"rate_ratio": {"numerator": q(500, "mg"), "denominator": q(250, "mL")}})), "rate-per-time", "steps[0].dosings[0].rate_ratio", "what stands where a rate belongs is not per time"),
    # a rate that is a ratio, and two doses of which nobody says which was ordered
    (order(step({**ORDERED, "rate": q("2.5", "ug/kg/min")}, {**CALCULATED, "rate_ratio": {"numerator": q(60, "mL"), "denominator": q(1, "h")}}), preparation=BAG, measurements=[weight(80)]), "calculated-dose", "steps[0].dosings[1].rate_ratio", "2.5 ug/kg/min at 80 kg (actual weight) of this preparation makes 6 mL/h; calculated is 60 mL/h"),
    (order(step({"dose": q(3500, "mg")}, {"dose": q(5, "mg/kg")}), measurements=[weight(70)]), "calculated-dose", "steps[0].dosings[0].dose", "5 mg/kg at 70 kg (actual weight) makes 350 mg; beside it stands 3500 mg"),
    # a range of rates or of durations beside a dose
    (order(step({"dose": q(500, "mL"), "rate_range": {"low": q(500, "mL/h"), "high": q(600, "mL/h")}}, timing=over(4))), "rate-duration-dose", "steps[0].dosings[0]", "500 mL/h for 4 h makes 2000 mL; the dose is 500 mL"),
    (order(step({"dose": q(500, "mL"), "rate": q(500, "mL/h")}, timing={"duration": {"value": 4, "max": 5, "unit": "h"}})), "rate-duration-dose", "steps[0].dosings[0]", "500 mL/h for 4 h makes 2000 mL; the dose is 500 mL"),
    (order(step({"dose": q(500, "mL"), "rate_range": {"high": q(50, "mL/h")}}, timing={"duration": {"value": 4, "max": 5, "unit": "h"}})), "rate-duration-dose", "steps[0].dosings[0]", "50 mL/h for 5 h makes 250 mL; the dose is 500 mL"),
    (order(step({"rate": q("2.5", "ug/kg/min")}, text="2.5 mcg/kg/min, max 200 mcg/kg/min", titration={"ceiling": q(20, "ug/kg/min")})), "text-contradicts", "steps[0].text", "the text says 200 mcg/kg/min; the structure says 2.5 ug/kg/min, 20 ug/kg/min"),
    (order(step({"dose": q(50, "mg")}, text="up to 5 mg")), "text-contradicts", "steps[0].text", "the text says 5 mg; the structure says 50 mg"),
    (order(step({"dose": q(1, "g")}, minimum_gap=q(6, "h"), timing={"frequency": 1, "period": 4, "period_unit": "h"})), "dose-gap", "steps[0].minimum_gap", "the timing says 1 time in 4 h; the least time between two doses is 6 h"),
    (order({"role": "demand", "minimum_gap": q(10, "min"), "patient_control": {"demand_dose": q(1, "mg"), "lockout": q(8, "min")}}), "dose-gap", "steps[0].minimum_gap", "the lockout is 8 min; the least time between two doses is 10 min"),
    (order({"role": "demand", "minimum_gap": q(15, "min"), "patient_control": {"demand_dose": q(5, "mL"), "max_demands": 6, "max_demands_period": q(1, "h")}}), "pca-limit", "steps[0].patient_control.max_demands", "a lockout of 15 min allows 4 demands in 1 h, so that the most, 6, limits nothing"),
    (order(step({"dose": q(5, "mg")}, text="give .5 mg")), "text-contradicts", "steps[0].text", "the text says .5 mg; the structure says 5 mg"),
    (order(step({"dose": q(5, "mg.min/mL")}, {"dose": q(5750, "mg")}), measurements=[measure("gfr", 90, "mL/min")]), "calculated-dose", "steps[0].dosings[1].dose", "AUC 5 mg.min/mL at a GFR of 90 mL/min makes 575 mg; beside it stands 5750 mg"),
    # words on how long, how often and which way
    (order(step({"dose": q(1, "g")}, timing=over(30, "min"), text="1 g IV over 4 hours")), "text-contradicts", "steps[0].text", "the text says over 4 hours; the structure says 30 min"),
    (order(step({"dose": q(1, "g")}, timing=over(30, "min"), text="1 g over 1 hour and 30 minutes")), "text-contradicts", "steps[0].text", "the text says over 1 hour 30 minutes; the structure says 30 min"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 8, "period_unit": "h"}, text="1 g every 12 hours. Change the line every 72 hours")), "text-contradicts", "steps[0].text", "the text says every 12 hours; the structure says 1 time in 8 h"),
    (order(step({"dose": q(1, "g")}, timing={"duration": {"value": 2, "max": 4, "unit": "h"}}, text="1 g over at least 30 min")), "text-contradicts", "steps[0].text", "the text says over 30 min; the structure says 2 to 4 h"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 6, "period_unit": "h"}, text="1 g every 8 hours")), "text-contradicts", "steps[0].text", "the text says every 8 hours; the structure says 1 time in 6 h"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 3, "period": 1, "period_unit": "d"}, text="1 g q12h")), "text-contradicts", "steps[0].text", "the text says every 12 h; the structure says 3 times in 1 d"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 2, "period": 1, "period_unit": "wk"}, text="1 g twice daily")), "text-contradicts", "steps[0].text", "the text says twice a day; the structure says 2 times in 1 wk"),
    (order(step({"dose": q(1, "g")}, timing={"code": {"codings": [{"code": "Q6H"}]}}, text="1 g BID")), "text-contradicts", "steps[0].text", "the text says BID; the structure says Q6H"),
    (order(step({"dose": q(2, "mg")}, route={"codings": [{"system": SNOMED, "code": "47625008"}]}, text="2 mg intrathecally")), "text-contradicts", "steps[0].text", "the text says intrathecal; the route is intravenous"),
    (order(step({"dose": q(2, "mg")}, route={"text": "I.V."}, text="2 mg intrathecal")), "text-contradicts", "steps[0].text", "the text says intrathecal; the route is intravenous"),
    # the patient's own demands
    (order({"role": "demand", "dosings": [{"dose": q(2, "mg")}], "patient_control": {"demand_dose": q(1, "mg")}}), "demand-dose", "steps[0].dosings[0].dose", "one demand is 1 mg; the dose is 2 mg"),
    (order({"role": "demand", "dosings": [{"dose": q(2, "mL")}], "patient_control": {"demand_dose": q(1, "mg")}}, preparation=BAG), "demand-dose", "steps[0].dosings[0].dose", "one demand is 1 mg of this preparation, which is 0.5 mL; the dose is 2 mL"),
    (order({"role": "demand", "patient_control": {"demand_dose": q(5, "mL"), "lockout": q(15, "min"), "max_demands": 6, "max_demands_period": q(1, "h")}}), "pca-limit", "steps[0].patient_control.max_demands", "a lockout of 15 min allows 4 demands in 1 h, so that the most, 6, limits nothing"),
    (order({"role": "demand", "patient_control": {"demand_dose": q(1, "mg"), "lockout": q(5, "min"), "max_demands": 4, "max_demands_period": q(1, "h")}, "max_per_period": [{"numerator": q(20, "mg"), "denominator": q(4, "h")}]}), "pca-limit", "steps[0].max_per_period[0]", "16 x 1 mg (4 demands in 1 h) makes 16 mg at most, so the limit of 20 mg in 4 h limits nothing"),
    (pca(q(30, "mg"), lockout=q(10, "min"), basal=q("0.5", "mL/h")) | {"preparation": BAG}, "pca-limit", "steps[0].max_per_period[0]", "24 x 1 mg (lockout 10 min) and a basal rate that makes 4 mg makes 28 mg at most, so the limit of 30 mg in 4 h limits nothing"),
    # units, as every order of heparin, insulin and oxytocin says them
    (order(step({"rate": q(50, "[iU]/h")}, text="insulin 5 units/hr")), "text-contradicts", "steps[0].text", "the text says 5 units/hr; the structure says 50 [iU]/h"),
    (order(step({"rate": q(12500, "[USP'U]/h")}, text="25,000 units in 250 mL at 1,250 units/hr")), "text-contradicts", "steps[0].text", "the text says 1,250 units/hr; the structure says 12500 [USP'U]/h"),
    (order(step({"rate": q(20, "m[iU]/min")}, text="2 milliunits/min")), "text-contradicts", "steps[0].text", "the text says 2 milliunits/min; the structure says 20 m[iU]/min"),
    (order(step({"rate": q(2, "[iU]/min")}, text="2 mU/min")), "text-contradicts", "steps[0].text", "the text says 2 mU/min; the structure says 2 [iU]/min"),
    (order(step({"dose": q(24000000, "[iU]")}, text="2.4 million units")), "text-contradicts", "steps[0].text", "the text says 2.4 million units; the structure says 24000000 [iU]"),
    (order(step({"dose": q(8, "[iU]/kg")}, text="80 units/kg, anti-Xa 0.3 units/mL")), "text-contradicts", "steps[0].text", "the text says 80 units/kg; the structure says 8 [iU]/kg"),
    # a range of rates
    (order(step({"rate_range": {"low": q(900, "mL/h"), "high": q(1100, "mL/h")}}, timing={"duration": {"value": 1, "max": 2, "unit": "h"}}), preparation=BAG), "rate-duration-volume", "steps[0]", "the lowest rate, 900 mL/h, for 1 h makes 900 mL; the preparation holds 250 mL"),
    (order(step({**ORDERED, "dose": q(2, "g/kg")}, {**CALCULATED, "dose": q(100, "g")}, timing={"count": 5}), measurements=[weight(80)]), "calculated-dose", "steps[0].dosings[1].dose", "2 g/kg at 80 kg (actual weight) makes 160 g; calculated is 100 g"),
    # a rate is capped by the largest rate, but a cap mends no slip of ten
    (order(step({**ORDERED, "rate": q(12, "[iU]/kg/h")}, {**CALCULATED, "rate": q("8.0", "mL/h")}, max_rate=q(1000, "[iU]/h")), preparation={"final_concentration": {"numerator": q(100, "[iU]"), "denominator": q(1, "mL")}}, measurements=[weight(96)]), "calculated-dose", "steps[0].dosings[1].rate", "12 [iU]/kg/h at 96 kg (actual weight) of this preparation makes 11.52 mL/h; calculated is 8.0 mL/h"),
    (order(step({**ORDERED, "dose": q(120, "g/m2")}, {**CALCULATED, "dose": q(20, "g")}, max_per_administration=q(20, "g")), measurements=[measure("body-surface-area", "1.78", "m2")]), "calculated-dose", "steps[0].dosings[1].dose", "120 g/m2 at 1.78 m2 makes 213.6 g; calculated is 20 g"),
    # a rate in mL/h says nothing of the drug where no preparation is stated
    (order(step({**ORDERED, "dose": q(25, "mg/kg")}, {**CALCULATED, "dose": q(2000, "mg"), "rate": q(250, "mL/h")}, timing=over(1), max_rate=q(1000, "mg/h")), measurements=[weight("80.0")]), "max-rate", "steps[0].dosings[1].dose", "2000 mg in 1 h makes 2000 mg/h, above the limit of 1000 mg/h"),
    (order(step({"rate": q("0.1", "ug/kg/min")}, titration={"start": q(1, "ug/kg/min"), "step": q("0.02", "ug/kg/min")})), "titration", "steps[0].titration.start", "the start of the titration is 1 ug/kg/min; the rate is 0.1 ug/kg/min"),
    (order(step({"dose": q(50, "ug")}, timing=over(1)), preparation={"total_volume": q(50, "mL"), "ingredients": [{"drug": {"text": "x"}, "amount": q(500, "ug")}]}), "dose-of-bag", "steps[0]", "the dose is 50 ug; the preparation holds 500 ug"),
    (order(step({"dose": q(444, "mg")}, timing=over(46)), preparation={"total_volume": q(230, "mL"), "ingredients": [{"drug": {"text": "x"}, "amount": q(4440, "mg")}]}), "dose-of-bag", "steps[0]", "the dose is 444 mg; the preparation holds 4440 mg"),
    (order(step({"dose": q("2.6", "g")}), step({"rate": q(30, "mL/h")}, role="ramp", timing=over(30, "min")), step({"rate": q(60, "mL/h")}, role="ramp"), preparation={"total_volume": q(260, "mL"), "ingredients": [{"drug": {"text": "x"}, "amount": q(26, "g")}]}), "dose-of-bag", "steps[0]", "the dose is 2.6 g; the preparation holds 26 g"),
    # ramps and tapers
    (order(step({"rate": q(60, "mL/h")}, role="ramp", sequence=1), step({"rate": q(30, "mL/h")}, role="ramp", sequence=2)), "ramp", "steps[1].dosings[0].rate", "the ramp falls from 60 mL/h to 30 mL/h"),
    (order(step({"rate": q(60, "mL/h")}, role="ramp", sequence=1), step({"rate": q(90, "mL/h")}, role="ramp", sequence=2, max_rate=q(180, "mL/h"))), "ramp", "steps[1].dosings[0].rate", "the ramp ends at 90 mL/h, below its largest rate of 180 mL/h"),
    (order(step({"rate": q(45, "mL/h")}, role="ramp"), step({"rate": q(90, "mL/h")}, role="ramp", max_rate=q(200, "mg/h")), preparation=BAG), "ramp", "steps[1].dosings[0].rate", "the ramp ends at 90 mL/h, below its largest rate of 200 mg/h"),
    (order(step({"rate": q("190.9", "mL/h")}, role="taper", sequence=1), step({"rate": q("181.8", "mL/h")}, role="maintenance", sequence=2)), "ramp", "steps[0].dosings[0].rate", "the taper runs at 190.9 mL/h, faster than the plateau of 181.8 mL/h"),
    (order(step({"rate": q("90.9", "mL/h")}, timing=over(1), role="taper", sequence=1), step({"rate": q("218.2", "mL/h")}, timing=over(10), role="maintenance", sequence=2), step({"rate": q("90.9", "mL/h")}, timing=over(1), role="taper", sequence=3), preparation={"total_volume": q(2000, "mL")}), "rate-duration-volume", "steps", "the steps run 90.9 mL + 2182 mL + 90.9 mL, which makes 2363.8 mL; the preparation holds 2000 mL"),
    (order(step({"dose": q(60, "mg/kg")}, timing={"count": 8}, max_per_lifetime=q(1000, "mg")), measurements=[weight(70)]), "max-per-lifetime", "steps[0].dosings[0].dose", "8 x 60 mg/kg at 70 kg (actual weight) makes 33600 mg, above the limit of a life, 1000 mg"),
    (order(step({"dose": q(108, "mg")}, timing={"count": 8}, max_per_lifetime=q(450, "mg/m2")), measurements=[measure("body-surface-area", "1.80", "m2")]), "max-per-lifetime", "steps[0].dosings[0].dose", "8 x 108 mg makes 864 mg, above the limit of a life, 450 mg/m2"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 1, "period_unit": "d", "bounds_length": q(6, "wk")}, max_per_lifetime=q(20, "g"))), "max-per-lifetime", "steps[0].dosings[0].dose", "42 x 1 g is above the limit of a life, 20 g"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 6, "period": 1, "period_unit": "d"}, max_per_period=[{"numerator": q(60, "mg/kg"), "denominator": q(1, "d")}]), measurements=[weight(70)]), "max-per-period", "steps[0].max_per_period[0]", "6 x 1 g makes 6000 mg; the limit is 60 mg/kg in 1 d"),
    # other ways to write what is per the body
    (order(step({**ORDERED, "dose": q(5, "mg.kg-1")}, {**CALCULATED, "dose": q(3500, "mg")}), measurements=[weight(70)]), "calculated-dose", "steps[0].dosings[1].dose", "5 mg.kg-1 at 70 kg (actual weight) makes 350 mg; calculated is 3500 mg"),
    (order(step({**ORDERED, "dose": q(5, "mg/kg{ideal}")}, {**CALCULATED, "dose": q(3500, "mg")}), measurements=[weight(70)]), "calculated-dose", "steps[0].dosings[1].dose", "5 mg/kg{ideal} at 70 kg (actual weight) makes 350 mg; calculated is 3500 mg"),
    (order(step({**ORDERED, "rate": q(5, "ug/(kg.min)")}, {**CALCULATED, "rate": q(3500, "ug/min")}), measurements=[weight(70)]), "calculated-dose", "steps[0].dosings[1].rate", "5 ug/(kg.min) at 70 kg (actual weight) makes 350 ug/min; calculated is 3500 ug/min"),
    (order(step({"dose_range": {"low": q(0, "[iU]"), "high": q(10, "[iU]")}}, text="2 units, 12 units over 400")), "text-contradicts", "steps[0].text", "the text says 12 units; the structure says 0 [iU], 10 [iU]"),
    # more than are compared with each other
    (order(step(*[{"dose": q(5, "mg")}] * 21)), "not-compared", "steps[0].dosings[20]", "only the first 20 doses and rates of one step are compared with each other"),
    (order(measurements=[{**weight(70 + at), "measurement_id": f"m{at}"} for at in range(21)]), "not-compared", "measurements[20]", "only the first 20 measurements are compared with each other"),
    # one of two
    (order(step({"rate": q(50, "mL/h")}, {"rate": q(500, "mL/h")})), "two-amounts", "steps[0].dosings[1].rate", "the rate is 500 mL/h; beside it stands 50 mL/h, and nothing says which"),
    (order(step({**ORDERED, "dose": q(50, "mg")}, {**ORDERED, "dose": q(1, "g")})), "two-amounts", "steps[0].dosings[1].dose", "the dose is 1 g; beside it stands 50 mg, and nothing says which"),
    # ranges that are turned
    (order(step({"dose": q(1, "g")}, timing={"frequency": 4, "frequency_max": 2, "period": 1, "period_unit": "d"})), "timing-range", "steps[0].timing.frequency", "the most, 2, is below the least, 4"),
    (order(step({"dose": q(1, "g")}, timing={"duration": {"value": 30, "max": 20, "unit": "min"}})), "timing-range", "steps[0].timing.duration", "the most, 20, is below the least, 30"),
    (order(step({"dose": q(1, "g")}, timing={"count": 4, "count_max": 2})), "timing-range", "steps[0].timing.count", "the most, 2, is below the least, 4"),
    (order(step({"dose": q(1, "g")}, timing={"frequency": 1, "period": 8, "period_max": 6, "period_unit": "h"})), "timing-range", "steps[0].timing.period", "the most, 6, is below the least, 8"),
    # the bag
    (order(preparation={"total_volume": q(500, "mL"), "ingredients": [{"drug": {"text": "a"}, "amount": q(10, "mL")}, {"drug": {"text": "b"}, "strength": {"numerator": q(400, "mL"), "denominator": q(500, "mL")}}]}), "ingredient-volumes", "preparation.total_volume", "the ingredients, 10 mL + 400 mL, make 410 mL; the preparation holds 500 mL, and nothing fills it up"),
    (order(preparation={"total_volume": q(120, "mL"), "final_concentration": {"numerator": q(2, "mg"), "denominator": q(1, "mL")}, "ingredients": [{"drug": {"text": "a"}, "strength": {"numerator": q(360, "mg"), "denominator": q(120, "mL")}}, {"drug": {"text": "a"}, "strength": {"numerator": q(120, "mg"), "denominator": q(120, "mL")}}]}), "final-concentration", "preparation.final_concentration", "360 mg per 120 mL + 120 mg per 120 mL makes 4 mg per 1 mL; the final concentration is 2 mg per 1 mL"),
    # administrations
    (given_(segments=[{"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T11:00:00Z", "rate": q(20, "mL/h"), "dose": q(80, "mg")}], dose_given=q(80, "mg"), preparation=BAG), "rate-time-dose", "segments[0].dose", "20 mL/h for 60 min of this preparation makes 40 mg; the dose is 80 mg"),
    (given_(segments=[{"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T11:00:00Z", "rate": q(5, "ug/kg/min"), "volume": q(24, "mL")}], preparation=BAG, measurements=[weight(80)]), "rate-time-volume", "segments[0].volume", "5 ug/kg/min at 80 kg (actual weight) for 60 min of this preparation makes 12 mL; the volume is 24 mL"),
    (given_(when={"start": "2024-05-01T10:00:00Z"}, segments=[{"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T11:00:00Z", "rate": q(20, "mL/h")}, {"start": "2024-05-01T11:00:00Z", "rate": q(40, "mL/h")}]), "segment-end", "segments[1]", "it is completed, and nothing says when its last segment ended"),
    (given_(when={"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T12:00:00Z"}, segments=[{"rate": q(100, "mL/h")}], volume_given=q(250, "mL")), "rate-time-volume", "volume_given", "100 mL/h for 120 min makes 200 mL; the volume is 250 mL"),
    (given_(when={"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T12:00:00Z"}, segments=[{"rate": q(50, "mg/h")}], dose_given=q(500, "mg")), "rate-time-dose", "dose_given", "50 mg/h for 120 min makes 100 mg; the dose is 500 mg"),
    (given_(dose_given=q(400, "mg"), when={"at": "2024-05-01T10:00:00Z"}, waste=[{"amount": q(150, "mg"), "time": "2024-05-01T10:30:00Z"}], preparation=BAG), "more-than-bag", "dose_given", "400 mg given and 150 mg wasted make 550 mg; the preparation holds 500 mg"),
    (given_(dose_given=q(400, "mg"), waste=[{"amount": q(150, "mg")}], preparation=BAG), "more-than-bag", "dose_given", "400 mg given and 150 mg wasted make 550 mg; the preparation holds 500 mg"),
    (given_(volume_given=q(300, "mL"), preparation=BAG), "more-than-bag", "volume_given", "300 mL given; the preparation holds 250 mL"),
    (given_(dose_given=q(2, "{unit}"), preparation={"ingredients": [{"drug": {"text": "red cells"}, "unit_number": "X9999 26 004201"}]}), "unit-numbers", "dose_given", "2 {unit} given; 1 unit number is recorded"),
    (given_(dose_given=q(1, "{unit}"), preparation={"ingredients": [{"drug": {"text": "red cells"}, "unit_number": "X9999 26 004201"}, {"drug": {"text": "red cells"}, "unit_number": "X9999 26 004202"}]}), "unit-numbers", "dose_given", "1 {unit} given; 2 unit numbers are recorded"),
    (given_(dose_given=q(5, "mg"), demand_counts={"deliveries": 8, "delivered": q(8, "mg")}), "demand-counts", "demand_counts.delivered", "demands alone delivered 8 mg; in all 5 mg were given"),
    (given_(demand_counts={"deliveries": 0, "delivered": q(8, "mg")}), "demand-counts", "demand_counts.delivered", "0 demands were served, and 8 mg delivered by them"),
    (order(step({"dose": q(1, "g")}, timing={"code": {"codings": [{"code": "Q8H"}]}, "frequency": 1, "period": 6, "period_unit": "h"})), "timing-code", "steps[0].timing.code.codings[0]", "the code Q8H says every 8 h; the timing says 1 time in 6 h"),
]  # fmt: skip

IN_WORDS = order({"text": "2 g IV every 24 hours"})
"""An order of which everything but the drug is said in words."""

OF_AN_ORDER = (
    order(
        {"role": "demand", "patient_control": {"demand_dose": q(1, "mg")}},
        step({"rate": q(5, "mL/h")}, role="basal"),
        status="cancelled",
    ),
    given_(
        demand_counts={"deliveries": 24, "delivered": q(18, "mg")},
        segments=[{"rate": q(50, "mL/h")}],
        drug={"text": "another"},
    ),
)
"""A cancelled order and an administration that says otherwise of its drug, its demands and its rate."""
