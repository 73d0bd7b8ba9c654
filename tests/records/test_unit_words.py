"""A unit in words contradicts the code beside it where all that it may mean is something else."""

from __future__ import annotations

from functools import partial

import pytest

from fhir_infusion.records.unit_words import contradict, meanings
from fhir_infusion.records.units import is_ucum
from tests.steps import steps_of

CONTRADICT = {
    "mg": (
        "mcg", "mcg.", "mcgs", "µcg", "μcg", "µg", "μg", "ug", "ng", "gms", "Gram(s)", "g", "kilo", "kilograms", "mL", "mls",
        "unit", "units", "UNITS", "u", "U", "IU", "mEq", "million units", "10^6 units", "g/dose", "mcg per dose", "mg/kg",
        "mg per kg", "mcg/kg/min", "micro gram", "mcg (microgram)", "g (as trihydrate)", "mu", "grams per vial",
    ),
    "[iU]": ("mU", "MU", "million units", "million IU", "milliunits", "mIU", "MIU", "mu", "mio IE", "kU", "1,000 units", "mg"),
    "m[iU]": ("units", "U", "IU", "MU", "million units"),
    "U": ("IU", "mU"),
    "L": ("cm3",),
    "mL": ("uL", "L", "mL/h", "mg"),
    "mL/h": ("mL/min", "ml/min.", "mL/m", "mL", "L/h", "mg/h"),
    "ug/kg/min": ("mcg/min", "mg/kg/min", "mcg/kg/h", "ug/min", "mcg/kg"),
    "mg/(24.h)": ("mg/12h", "mg/h", "g/day"),
    "[iU]/h": ("units/kg/hr", "mU/h", "U/min"),
    "mmol": ("mEq", "mol", "umol"),
    "kcal": ("cal",),
    "g": ("kg", "mg"),
    "g/L": ("g/dL",),
    "h": ("min", "days"),
    "/min": ("/h",),
    "mg/{dose}": ("g/dose",),
    "{unit}": ("mg",),
}  # fmt: skip

AGREE = {
    "mg": (
        "mg", "MG", "Mg", "mgs", "mg.", "m g", "mgm", "milligram", "milligram(s)", "Milligrams", "mg/dose", "mg per dose",
        "milligram (qualifier value)", "mg (salt)",
    ),
    "ug": ("mcg", "MCG", "mcg.", "mcgs", "µg", "μg", "microgram(s)"),
    "mL": ("mL", "ml", "ML", "mls", "cc", "cm3", "ccm", "milliliter (iso1000)", "millilitres"),
    "uL": ("microliter",),
    "[iU]": ("unit", "units", "Units", "UNITS", "unit(s)", "u", "U", "IU", "I.U.", "IE", "UI", "international units", "[iU]"),
    "m[iU]": ("mU", "milliunits", "mIU", "miu"),
    "M[iU]": ("MU", "MIU", "miu", "million units", "MILLION UNITS", "mio. IE", "1000000 units", "10*6 units", "10^6 U"),
    "k[iU]": ("kU", "thousand units", "1000 units", "1,000 IU"),
    "U": ("U", "units"),
    "[USP'U]": ("units",),
    "[anti'Xa'U]": ("U",),
    "[iU]/kg/h": ("units/kg/hr", "IU per kg per hour"),
    "mL/h": ("mL/h", "ml/hr", "ml/hr.", "mls/hr", "cc/hr", "mL per hour", "milliliter(s)/hour"),
    "mL/min": ("mL/m", "ml/min."),
    "ug/kg/min": (
        "mcg/kg/min", "µg/kg/min", "microgram/kilogram/minute", "mcg per kg per min", "micrograms/kg per minute",
        "mcg/kg body weight/min",
    ),
    "mg/m2": ("mg/m2", "mg/m²", "mg/m^2", "mg/sq m", "mg per square meter", "mg/m2 BSA"),
    "mg/(24.h)": ("mg/24h", "mg/24 hr", "mg/day", "mg per 24 hours", "mg/(24.h)"),
    "mg.min/mL": ("mg.min/mL", "mg·min/mL"),
    "meq": ("mEq", "mval", "milliequivalents (chemical)"),
    "mmol": ("mmol", "MMOL", "millimoles"),
    "/min": ("/min", "per min"),
    "%": ("percent",),
    "1": ("units",),
    "{unit}": ("units",),
    "{Unit}/mL": ("units/mL",),
    "{IU}/mL": ("IU/mL",),
    "{gtt}/min": ("gtt/min",),
    "{drop}/min": ("drops per minute",),
    "[drp]": ("drop",),
    "mg/{dose}": ("mg/dose",),
    "d": ("day", "days"),
    "min": ("m", "minutes"),
}  # fmt: skip

KNOWN = {
    "cg": ("cg",), "pg": ("pg", "picogram"), "pmol": ("picomole",), "dL": ("dl", "dL"), "cL": ("cl", "cL"),
    "ug": ("mc", "ucg", "mcgm", "mcg"), "mg": ("mgm",), "kg": ("kgm", "kilo"), "uL": ("mcl",), "min": ("m",), "mo": ("m", "mo", "mth"),
    "mm": ("mm",), "a": ("y", "yr"), "ms": ("msec",), "[iU]": ("ie", "ui"), "m[iU]": ("miu",), "M[iU]": ("miu",), "meq": ("mval",), "eq": ("val",),
    "m2": ("m^2", "m**2", "sqm", "square meter", "square metre"), "mL": ("cm3", "ccm"), "[drp]": ("drop", "gtt", "drops"), "%": ("percent", "%"),
}  # fmt: skip

NOT_KNOWN = (
    "bag", "vials (50 mg)", "Einheiten", "as written", "mg of drug", "tablet", "tabs", "puff", "each", "vial", "amp", "1", "日",
    "Stück", "mg/x", "x/mL", "mg/hr" * 3, "mg" * 40, "()", "/", "//", "million",
    # UCUM by chance: parsec, stere, exaampere, and the tonnes
    "pc", "St", "EA", "ct", "pt", "t", "as", "a",
)  # fmt: skip


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in CONTRADICT.items() for text in texts])
def test_a_text_that_can_only_mean_something_else_contradicts_the_code_h9(code: str, text: str):
    assert is_ucum(code)
    assert contradict(code, text)


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in KNOWN.items() for text in texts])
def test_a_spelling_is_known_so_that_it_contradicts_what_it_does_not_mean(code: str, text: str):
    assert not contradict(code, text)
    assert contradict("mg" if code not in {"cg", "pg", "ug", "mg", "kg"} else "mL", text)


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in AGREE.items() for text in texts])
def test_a_text_that_may_mean_the_code_does_not_contradict_it(code: str, text: str):
    assert is_ucum(code)
    assert meanings(text)
    assert not contradict(code, text)


@pytest.mark.parametrize("text", NOT_KNOWN)
def test_a_text_whose_meaning_is_not_known_for_certain_contradicts_nothing(text: str):
    assert meanings(text) == frozenset()
    assert [code for code in (*CONTRADICT, *AGREE) if contradict(code, text)] == []


def test_a_code_that_is_not_ucum_is_contradicted_by_nothing():
    assert not contradict("nope", "mg")


def test_no_text_takes_long():
    worst = ("m/" * 32, "(" * 64, "10^6 " * 12, "per " * 16, "mg " * 21, "1" + ",000" * 15, "s" * 64, "." * 64)
    for text in worst:
        meanings.cache_clear()
        assert steps_of(partial(meanings, text)) < 500_000, text
