"""What a unit in words means, and whether it contradicts the UCUM code beside it.

A word may mean several things (``U``: international units, enzyme units, units of a product; ``MU``: million units);
text contradicts a code where all that it may mean is something else. Text in which any part is not known for certain
(``bag``, ``Einheiten``, ``as written``) contradicts nothing.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.units import ONE, WORDS, Unit, multiply, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 64
"""Longer text is no unit."""

_MOST_PARTS: Final = 5
"""No unit is per more than so many; each part may mean up to three things."""

COUNT: Final = "unit"
"""The dimension of a unit of which it is not said which: international, enzyme, product, anti-Xa …"""

_ARBITRARY: Final = re.compile(r"U|\[.*U\]")
"""UCUM's units of activity: each is a dimension of its own, and people call each of them a unit."""

_KNOWN: Final = frozenset({"g", "m", "s", "mol", "eq", "osm", "cal", "J", "[iU]", "U", "[drp]"})
"""What infusions are measured in: a text that is UCUM by chance (``pc``, ``St``, ``EA``) is a word all the same."""

_BY_CHANCE: Final = re.compile(r"(?<![A-Za-z\[])(?:[a-zA-Z]?t|as|a|ar|U)(?![A-Za-z\]])")
"""UCUM that is hardly ever meant as such: tonnes (``ct`` is a count, ``pt`` a patient), years, attoseconds."""

_PREFIXES: Final = {
    "": "",
    "mega": "M",
    "kilo": "k",
    "deci": "d",
    "centi": "c",
    "milli": "m",
    "micro": "u",
    "nano": "n",
}
_STEMS: Final = {
    "gram": "g", "gramme": "g", "liter": "L", "litre": "L", "mole": "mol", "equivalent": "eq", "osmole": "osm",
    "osmol": "osm", "meter": "m", "metre": "m", "calorie": "cal", "joule": "J",
    "internationalunit": "[iU]",
}  # fmt: skip
_SYMBOLS: Final = {"g": "g", "gm": "g", "l": "L", "mol": "mol", "eq": "eq", "osm": "osm", "iu": "[iU]", "cal": "cal"}

_WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    **{prefix + stem: (_PREFIXES[prefix] + code,) for prefix in _PREFIXES for stem, code in _STEMS.items()},
    **{prefix + word: (prefix + code,) for prefix in ("", "k", "m", "u", "n") for word, code in _SYMBOLS.items()},
    **{word: (code,) for word, code in WORDS.items()},
    "cg": ("cg",), "pg": ("pg",), "picogram": ("pg",), "picomole": ("pmol",), "dl": ("dL",), "cl": ("cL",),
    "mc": ("ug",), "ucg": ("ug",), "mcgm": ("ug",), "mgm": ("mg",), "kgm": ("kg",), "kilo": ("kg",), "mcl": ("uL",),
    "m": ("m", "min", "mo"), "mm": ("mm",), "y": ("a",), "yr": ("a",), "mo": ("mo",), "mth": ("mo",), "msec": ("ms",),
    "ie": ("[iU]",), "ui": ("[iU]",), "miu": ("m[iU]", "M[iU]"), "mval": ("meq",), "val": ("eq",),
    "m^2": ("m2",), "m**2": ("m2",), "sqm": ("m2",), "squaremeter": ("m2",), "squaremetre": ("m2",),
    "cm3": ("mL",), "ccm": ("mL",), "drop": ("[drp]",), "gtt": ("[drp]",), "percent": ("%",), "%": ("%",),
    "lb": ("[lb_av]",), "pound": ("[lb_av]",),
})  # fmt: skip
"""Spellings in lower case, without plural and without the stop of an abbreviation, and what each may mean."""

_UNITS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType({
    "U": (0,), "u": (0,), "unit": (0,), "mU": (-3,), "milliunit": (-3,), "mu": (-3, 6), "MU": (6,), "Mu": (6,),
    "megaunit": (6,), "kU": (3,), "ku": (3,), "KU": (3,), "kilounit": (3,), "uU": (-6,), "microunit": (-6,),
})  # fmt: skip
"""Units of activity by their power of ten. Here the case counts: ``mU`` is a thousandth, ``MU`` a million."""

_EXACT: Final = {"mIU": "m[iU]", "MIU": "M[iU]"}

_TIMES: Final = {"million": 6, "mill": 6, "mio": 6, "mln": 6, "thousand": 3, "thou": 3, "billion": 9}
_POWER: Final = re.compile(r"10\s?[*^]\s?([1-9])\s?(.+)|1((?:,?000)+)\s?(.+)")
_NUMBERED: Final = re.compile(r"([1-9][0-9]{0,3}(?:\.[0-9]{1,3})?)\s?([^0-9.,].*)")

_PIECES: Final = frozenset({
    "dose", "administration", "infusion", "bolus", "injection", "vial", "bag", "ampoule", "ampule", "syringe", "bottle",
    "patient", "treatment", "cycle",
})  # fmt: skip
"""What an amount may be per without being another kind of amount."""

_PER: Final = re.compile(r"\s*/\s*|(?:^|\s+)per\s+")
_BODY: Final = re.compile(r"(?<=kg|m2)\s?(?:body\s?weight|bw|bsa|body\s?surface(?:\s?area)?)", re.IGNORECASE)
_ASIDE: Final = re.compile(r"(.*\S)\s*\(([^()]*)\)")
_SIGNS: Final = str.maketrans({"μ": "u", "\u2044": "/", "\u2215": "/", "·": ".", "⋅": "."})


@lru_cache(maxsize=8192)
def contradict(code: str, text: str) -> bool:
    """Return whether a unit in words certainly means something else than the UCUM code beside it."""
    unit = parse(code)
    if unit is None or code == text:
        return False
    said = meanings(text)
    if not said or not said.isdisjoint(_ways(unit) | _uncounted(said, unit)):
        return False
    # An annotation says in words what is counted, and means 1 to UCUM: {drop}/min, {iU}/mL, mg/{dose}.
    return "{" not in code or said.isdisjoint(meanings(code.replace("{", "").replace("}", "")))


@lru_cache(maxsize=8192)
def meanings(text: str) -> frozenset[Unit]:
    """Return all that a unit in words may mean; nothing where any part of it is not known for certain."""
    if len(text) > _LONGEST:
        return frozenset()
    plain = " ".join(unicodedata.normalize("NFKC", text).translate(_SIGNS).replace("(s)", "").split())
    aside = _ASIDE.fullmatch(plain)
    if aside is None:
        return _said(plain)
    first = _said(aside[1])  # milliliter (iso1000), mL (millilitre), mg (per kg)
    return first | _said(f"{aside[1]} {aside[2]}") if first else _said(plain)


def _ways(unit: Unit) -> frozenset[Unit]:
    """Return a unit, and it with its units of activity called just units."""
    return frozenset((unit, Unit(unit.factor, just_units(unit.dimension))))


def is_counted(dimension: tuple[tuple[str, int], ...]) -> bool:
    """Return whether a dimension is of units of which it is not said which: units/h, units/kg."""
    return any(base == COUNT for base, _ in dimension)


@lru_cache(maxsize=1024)
def just_units(dimension: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return a dimension in which units of activity, whichever they are, are called just units."""
    return tuple(sorted((COUNT if _ARBITRARY.fullmatch(base) else base, power) for base, power in dimension))


def _uncounted(said: frozenset[Unit], unit: Unit) -> frozenset[Unit]:
    """Return the meanings that are the unit where what is counted is left out: ``{unit}/mL``."""
    return frozenset(
        one
        for one in said
        if Unit(one.factor, tuple(part for part in one.dimension if part[0] not in (COUNT, "[drp]"))) == unit
    )


def _said(text: str) -> frozenset[Unit]:
    found = _as_ucum(text)
    split = _PER.split(_BODY.sub("", text))
    parts = [_part(part.strip(), first=not at) for at, part in enumerate(split)] if len(split) <= _MOST_PARTS else []
    if parts and all(parts):
        for choice in product(*parts):
            made = choice[0]
            for unit in choice[1:]:
                made = multiply(made, unit, -1)
            found |= {made}
    return found


def _as_ucum(text: str) -> frozenset[Unit]:
    unit = None if " " in text or _BY_CHANCE.search(text) else parse(text)
    if unit is None or not unit.dimension or not {base for base, _ in unit.dimension} <= _KNOWN:
        return frozenset()
    return _ways(unit)


def _part(text: str, *, first: bool) -> frozenset[Unit]:
    """Return what a part between two slashes may mean; the first may be left out (``/min``) or counted in millions."""
    if first and not text:
        return frozenset((ONE,))
    named = _word(text) or (frozenset() if " " in text else _as_ucum(text))
    if named or first:
        return named or _counted(text)
    numbered = _NUMBERED.fullmatch(text)
    if numbered is not None:
        return _times(Fraction(numbered[1]), numbered[2])
    return frozenset((ONE,)) if not _PIECES.isdisjoint((text.lower(), _singular(text.lower()))) else frozenset()


def _counted(text: str) -> frozenset[Unit]:
    """Return what is counted by the thousand or million: ``million units``, ``10^6 IU``, ``1,000 units``."""
    word, _, rest = text.partition(" ")
    power = _TIMES.get(word.lower().rstrip("."))
    if power is not None:
        return _times(Fraction(10) ** power, rest)
    counted = _POWER.fullmatch(text)
    if counted is None:
        return frozenset()
    power = int(counted[1]) if counted[1] else counted[3].count("0")
    return _times(Fraction(10) ** power, counted[2] or counted[4])


def _times(factor: Fraction, word: str) -> frozenset[Unit]:
    return frozenset(Unit(factor * unit.factor, unit.dimension) for unit in _word(word))


def _word(text: str) -> frozenset[Unit]:
    for spelling in _spellings(text):
        if spelling in _UNITS:
            return frozenset(Unit(Fraction(10) ** power, ((COUNT, 1),)) for power in _UNITS[spelling])
        codes = (_EXACT[spelling],) if spelling in _EXACT else _WORDS.get(spelling.lower(), ())
        found = frozenset(unit for code in codes if (unit := parse(code)) is not None)
        if found:
            return found
    return frozenset()


def _spellings(text: str) -> tuple[str, ...]:
    """Return a word as it is, then without stops, spaces and hyphens, each without a plural too."""
    joined = re.sub(r"[.\s-]", "", text)
    return tuple(
        dict.fromkeys(form for word in (text, joined) for one in (word, _singular(word)) for form in _cases(one))
    )


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word[-1] in "sS" else word


def _cases(word: str) -> tuple[str, ...]:
    """Return a word with its case; a long one in lower case too, of which the case says nothing (``UNITS``)."""
    return (word,) if len(word) < 4 else (word, word.lower())
