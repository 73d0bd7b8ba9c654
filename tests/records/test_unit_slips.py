"""A code that is one letter's case away from the unit that is meant is told, with what may be meant; never changed."""

from __future__ import annotations

import pytest

from fhir_infusion.records.arithmetic import findings
from fhir_infusion.records.check import check
from fhir_infusion.records.schemas import issues
from fhir_infusion.records.unit_slips import instead, meant
from tests.records.found import order, q, step

SLIPS = {
    "ML": "mL", "Ml": "mL", "ML/h": "mL/h", "Mg": "mg", "MG": "mg", "G": "g", "Meq": "meq", "Mmol": "mmol", "H": "h", "u": "U",
    "mL/H": "mL/h", "Mg/kg/min": "mg/kg/min", "mg/(24.H)": "mg/(24.h)", "mL/min/{1.73_M2}.H": "mL/min/{1.73_M2}.h",
}  # fmt: skip
"""These are UCUM, of something else."""

NOT_UCUM = {
    "Ug": "ug", "UG": "ug", "MCG": "ug", "KG": "kg", "MEQ": "meq", "MMOL": "mmol", "iu": "[iU]", "[iu]": "[iU]", "M2": "m2",
    "mmHg": "mm[Hg]", "µg/kg/min": "ug/kg/min", "gtt/min": "[drp]/min", "minutes": "min", "lb": "[lb_av]", "mg/kg/hour": "mg/kg/h", "units/h": "[iU]/h for international units, U/h for enzyme units",
    "MILLIUNITS/MIN": "m[iU]/min for international units, mU/min for enzyme units",
    "milliunits/minute": "m[iU]/min for international units, mU/min for enzyme units", "UG/KG/MIN": "ug/kg/min", "mL/HR": "mL/h", "D": "d", "gm": "g",
    "mg/m²": "mg/m2", "mg/m^2": "mg/m2", "mg/sqm": "mg/m2", "drops/min": "[drp]/min", "mL per hour": "mL/h", "mg per m2": "mg/m2",
    "units per hour": "[iU]/h for international units, U/h for enzyme units",
}  # fmt: skip

AS_USUAL = (
    *("mL", "ml", "l", "L", "dl", "mg", "kg", "[iU]", "[IU]", "m[iU]", "M[iU]", "U", "mU", "MU", "kU", "m2", "mL/min/{1.73_m2}"),
    *("mm[Hg]", "cm[H2O]", "[lb_av]", "[in_i]", "mg.h/L", "10*6.[iU]", "Mcal", "MJ", "%", "{ML}", "[USP'U]", "Cel", "mL/(8.h)"),
)  # fmt: skip
"""What is right, or what a case leaves open: a million units are as usual as a thousandth."""


@pytest.mark.parametrize(("code", "likely"), [*SLIPS.items(), *NOT_UCUM.items()])
def test_a_unit_in_another_case_may_mean_the_one_that_infusions_are_measured_in(code, likely):
    assert instead(code) == likely


@pytest.mark.parametrize("code", ["10²", "mL/uur", "tbl", "x" * 65])
def test_where_the_words_leave_open_what_is_meant_nothing_is_proposed(code):
    assert instead(code) is None


@pytest.mark.parametrize("code", AS_USUAL)
def test_what_is_as_usual_is_no_slip(code):
    assert meant(code) is None


@pytest.mark.parametrize("code", ["a", "pg", "uL", "nmol", "umol", "eq", "mosm", "osm", "kcal", "mL", "mg", "kg", "g", "ug", "ng", "mmol", "meq", "min", "d", "wk", "mo"])  # fmt: skip
def test_a_unit_in_capitals_may_mean_the_one_that_infusions_are_measured_in(code):
    assert instead(code.upper()) == code


def test_a_long_text_is_no_slip():
    assert meant("ML/" * 22) is None
    assert instead("units/" * 22) is None


@pytest.mark.parametrize("code", ["TAB", "puff", "units of blood", "unit dose"])
def test_what_means_no_unit_for_certain_has_no_other_in_its_place(code):
    assert instead(code) is None


@pytest.mark.parametrize(("code", "likely", "rule"), [*((*one, "unit-case") for one in SLIPS.items()), *((*one, "ucum") for one in NOT_UCUM.items())])  # fmt: skip
def test_our_own_order_with_a_unit_in_the_wrong_case_is_refused_with_the_unit_that_would_be_accepted_h9(
    code, likely, rule
):
    record = order(step({"dose": q(250, code)}))
    assert not check(record)
    expected = ("steps[0].dosings[0].dose.unit", rule, likely)
    assert [(one.path, one.rule, one.accepted) for one in issues(record)] == [expected]
    assert expected in [(one.path, one.rule, one.accepted) for one in findings(record)]
