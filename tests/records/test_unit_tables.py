"""Every entry of the unit tables says what the standard and the language say: one wrong letter is another dose."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_infusion.records import units
from fhir_infusion.records.unit_words import contradict, meanings

TENS = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
"""https://ucum.org/ucum, table 1."""


@pytest.mark.parametrize(("prefix", "power"), TENS.items())
def test_a_prefix_is_its_power_of_ten(prefix, power):
    assert units.convert(1, f"{prefix}g", "g") == Fraction(10) ** power
    assert units.convert(1, f"{prefix}[iU]/mL", "[iU]/mL") == Fraction(10) ** power


@pytest.mark.parametrize(("prefix", "power"), {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}.items())
def test_a_binary_prefix_is_its_power_of_two(prefix, power):
    assert units.convert(1, f"{prefix}By", "By") == 2**power


@pytest.mark.parametrize(
    ("value", "code", "same", "to"),
    [
        # https://ucum.org/ucum, tables 2 to 6 and the customary units, each by its definition.
        (1, "t", 1000, "kg"),
        (1, "[lb_av]", 7000, "[gr]"),
        (16, "[oz_av]", 1, "[lb_av]"),
        (1, "[gr]", Fraction("64.79891"), "mg"),
        (1, "[in_i]", Fraction("2.54"), "cm"),
        (1, "[ft_i]", 12, "[in_i]"),
        (1, "L", 1, "dm3"),
        (1, "l", 1, "L"),
        (1, "min", 60, "s"),
        (1, "h", 60, "min"),
        (1, "d", 24, "h"),
        (1, "wk", 7, "d"),
        (1, "a", Fraction("365.25"), "d"),
        (12, "mo", 1, "a"),
        (1, "kmol", 1000, "mol"),
        (1, "keq", 1000, "eq"),
        (1, "kosm", 1000, "osm"),
        (1, "kcal", 1000, "cal"),
        (1, "[IU]", 1, "[iU]"),
        (1, "%", 10, "10*-3"),
        (1, "10^3", 1000, "1"),
        (1, "10*3", 1000, "1"),
    ],
)
def test_a_unit_is_what_its_definition_says(value, code, same, to):
    assert units.convert(value, code, to) == same


@pytest.mark.parametrize(
    "pair", [("mol", "eq"), ("eq", "osm"), ("osm", "mol"), ("cal", "g"), ("m", "s"), ("[iU]", "mol")]
)
def test_units_of_another_kind_of_thing_never_convert(pair):
    assert units.convert(1, *pair) is None
    assert units.convert(1, pair[1], pair[0]) is None


@pytest.mark.parametrize(("code", "known"), [("m" * 64, False), ("1" * 64, True), ("1" * 65, False)])
def test_a_code_has_at_most_64_characters(code, known):
    assert units.is_ucum(code) is known


SPELLINGS = {
    "mg": ["mg", "milligram", "milligrams"],
    "g": ["g", "gm", "gram", "grams"],
    "kg": ["kg", "kilogram", "kilograms"],
    "ug": ["mcg", "ug", "\u00b5g", "\u03bcg", "microgram", "micrograms"],
    "ng": ["ng", "nanogram", "nanograms"],
    "mL": ["ml", "milliliter", "milliliters", "millilitre", "millilitres", "cc"],
    "L": ["l", "liter", "liters", "litre", "litres"],
    "dL": ["dl"],
    "h": ["h", "hr", "hrs", "hour", "hours"],
    "min": ["min", "mins", "minute", "minutes"],
    "s": ["s", "sec", "second", "seconds"],
    "d": ["d", "day", "days"],
    "wk": ["wk", "week", "weeks"],
    "mo": ["month", "months"],
    "a": ["year", "years"],
    "mmol": ["mmol", "millimole", "millimoles"],
    "mol": ["mol"],
    "meq": ["meq", "milliequivalent", "milliequivalents"],
    "[iU]": ["iu", "[iu]"],
    "m2": ["m2", "m\u00b2"],
    "cm": ["cm"],
}


def test_each_spelling_means_one_code_and_no_other_spelling_is_known():
    assert dict(units.WORDS) == {word: code for code, words in SPELLINGS.items() for word in words}


def test_what_is_repaired_is_each_amount_per_body_or_volume_and_time_with_a_spelling_that_is_not_ucum():
    wrong = {"mcg": "ug", "IU": "[iU]", "mEq": "meq", "cc": "mL", "hr": "h", "day": "d"}
    amounts = ["mg", "g", "ug", "ng", "mcg", "IU", "[iU]", "U", "mEq", "meq", "mmol", "mL", "ml", "L", "cc"]
    expected = dict(wrong)
    for amount in amounts:
        for per in ("", "/kg", "/m2", "/mL", "/ml", "/L"):
            for time in ("", "/h", "/hr", "/min", "/d", "/day"):
                right = "/".join(wrong.get(part, part) for part in f"{amount}{per}{time}".split("/"))
                if right != f"{amount}{per}{time}":
                    expected[f"{amount}{per}{time}"] = right
    assert dict(units.REPAIRS) == expected


def test_words_per_words_are_multiplied_out_and_an_unknown_part_makes_the_whole_unknown():
    assert units.in_words("Milligrams per hour") == units.parse("mg/h")
    assert units.in_words("mcg/kg/min") == units.parse("ug/kg/min")
    assert units.in_words("units/h") is None
    assert units.in_words("mg/") is None


MEANINGS = {
    "a prefix and a name": {
        "megagram": "Mg", "kilogram": "kg", "decigram": "dg", "centigram": "cg", "milligram": "mg", "microgram": "ug",
        "nanogram": "ng", "picogram": "pg",
    },
    "a name": {
        "gram": "g", "gramme": "g", "liter": "L", "litre": "L", "mole": "mol", "equivalent": "eq", "osmole": "osm",
        "osmol": "osm", "meter": "m", "metre": "m", "calorie": "cal", "joule": "J", "international unit": "[iU]",
        "picomole": "pmol",
    },
    "a symbol": {
        "gm": "g", "kgm": "kg", "mgm": "mg", "mcgm": "ug", "ugm": "ug", "ngm": "ng", "kmol": "kmol", "umol": "umol",
        "nmol": "nmol", "ul": "uL", "nl": "nL", "kl": "kL", "eq": "eq", "ueq": "ueq", "mosm": "mosm", "osm": "osm",
        "kcal": "kcal", "iu": "[iU]", "kiu": "k[iU]", "cg": "cg", "pg": "pg", "dl": "dL", "cl": "cL", "mm": "mm",
    },
    "a habit": {
        "mc": "ug", "ucg": "ug", "kilo": "kg", "mcl": "uL", "y": "a", "yr": "a", "mo": "mo", "mth": "mo", "msec": "ms",
        "ie": "[iU]", "ui": "[iU]", "mval": "meq", "val": "eq", "m^2": "m2", "m**2": "m2", "sqm": "m2",
        "square meter": "m2", "square metre": "m2", "cm3": "mL", "ccm": "mL", "drops": "[drp]", "gtt": "[drp]",
        "percent": "%", "%": "%", "mIU": "m[iU]", "MIU": "M[iU]",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "code"), [pair for words in MEANINGS.values() for pair in words.items()], ids=lambda value: value
)
def test_a_word_means_its_unit_and_nothing_else(word, code):
    assert meanings(word) == {units.parse(code)}
    assert not contradict(code, word)
    assert contradict("[degF]", word)


@pytest.mark.parametrize(("word", "codes"), {"m": {"m", "min", "mo"}, "miu": {"m[iU]", "M[iU]"}}.items())
def test_a_word_that_may_mean_several_contradicts_none_of_them(word, codes):
    assert meanings(word) == {units.parse(code) for code in codes}


@pytest.mark.parametrize(
    ("word", "powers"),
    {
        "U": {0}, "u": {0}, "unit": {0}, "units": {0}, "mU": {-3}, "milliunit": {-3}, "mu": {-3, 6}, "MU": {6},
        "Mu": {6}, "megaunit": {6}, "kU": {3}, "ku": {3}, "KU": {3}, "kilounit": {3}, "uU": {-6}, "microunit": {-6},
        "million units": {6}, "mill units": {6}, "mio units": {6}, "mln units": {6}, "thousand units": {3},
        "thou. units": {3}, "billion units": {9}, "10^6 units": {6}, "10*3 units": {3}, "1000 units": {3},
        "1,000,000 units": {6},
    }.items(),
)  # fmt: skip
def test_units_of_activity_are_counted_by_their_power_of_ten(word, powers):
    assert {unit.factor for unit in meanings(word)} >= {Fraction(10) ** power for power in powers}
    assert {dimension for unit in meanings(word) for dimension in unit.dimension} <= {("unit", 1), ("U", 1)}


@pytest.mark.parametrize(
    "piece",
    ["dose", "administration", "infusion", "bolus", "injection", "vial", "bag", "ampoule", "ampule", "syringe", "bottle",
     "patient", "treatment", "cycle", "doses", "Bags"],
)  # fmt: skip
def test_per_piece_is_the_amount_itself(piece):
    assert meanings(f"mg/{piece}") == {units.parse("mg")}
    assert meanings(piece) == frozenset()
