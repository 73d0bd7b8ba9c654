"""Units of measure: what is UCUM, what is per time, and exact arithmetic between units.

https://ucum.org/ucum, grammar by ucumvert. Values are ``Fraction``: a factor is never rounded and never a float. Only
what is the same kind of thing converts: an international unit is not an enzyme unit, a milliequivalent is not a
millimole (that needs the valence), a drop is not a volume (that needs the set); each is a dimension of its own.
A parse takes about 1 ms, so its results are cached.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from lark import Token, Tree
from lark.exceptions import LarkError
from ucumvert.parser import get_ucum_parser

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

UCUM: Final = "http://unitsofmeasure.org"

_PARSER = get_ucum_parser()

_PREFIXES: Final = MappingProxyType({
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
})  # fmt: skip
_BINARY: Final = MappingProxyType({"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40})

_ATOMS: Final[Mapping[str, tuple[Fraction, tuple[tuple[str, int], ...]]]] = MappingProxyType(
    {
        # UCUM's definitions (ucum-essence), as far as infusions compute with them; any other is its own dimension.
        "g": (Fraction(1), (("g", 1),)),
        "t": (Fraction(1_000_000), (("g", 1),)),
        "[lb_av]": (Fraction("453.59237"), (("g", 1),)),
        "[oz_av]": (Fraction("28.349523125"), (("g", 1),)),
        "[gr]": (Fraction("0.06479891"), (("g", 1),)),
        "m": (Fraction(1), (("m", 1),)),
        "[in_i]": (Fraction("0.0254"), (("m", 1),)),
        "[ft_i]": (Fraction("0.3048"), (("m", 1),)),
        "L": (Fraction(1, 1000), (("m", 3),)),
        "l": (Fraction(1, 1000), (("m", 3),)),
        "s": (Fraction(1), (("s", 1),)),
        "min": (Fraction(60), (("s", 1),)),
        "h": (Fraction(3600), (("s", 1),)),
        "d": (Fraction(86_400), (("s", 1),)),
        "wk": (Fraction(604_800), (("s", 1),)),
        "mo": (Fraction(2_629_800), (("s", 1),)),
        "a": (Fraction(31_557_600), (("s", 1),)),
        "mol": (Fraction(1), (("mol", 1),)),
        "eq": (Fraction(1), (("eq", 1),)),
        "osm": (Fraction(1), (("osm", 1),)),
        "[iU]": (Fraction(1), (("[iU]", 1),)),
        "[IU]": (Fraction(1), (("[iU]", 1),)),
        "cal": (Fraction(1), (("cal", 1),)),
        "%": (Fraction(1, 100), ()),
        "10*": (Fraction(10), ()),
        "10^": (Fraction(10), ()),
    }
)


class Unit(NamedTuple):
    """A unit as a factor to base units and the exponents of the base units, sorted by name."""

    factor: Fraction
    dimension: tuple[tuple[str, int], ...]


ONE: Final = Unit(Fraction(1), ())

_MOST_SIGNS: Final = 3
"""Of an exponent: a factor with millions of digits would take minutes to compute."""

_LARGEST: Final = 10**300
"""Of a factor's two sides. The largest of a real unit is far below; a number of 4300 digits cannot even be written."""


class _TooHighError(ValueError):
    """An exponent or a factor that no unit has."""


@lru_cache(maxsize=8192)
def parse(code: str) -> Unit | None:
    """Return what a UCUM code means, ``None`` where it is not UCUM. Annotations such as ``{tbl}`` mean 1."""
    if len(code) > 64:
        return None
    try:
        tree = _PARSER.parse(code)
        return _meaning(tree)
    except (LarkError, _TooHighError):
        return None


def is_ucum(code: str) -> bool:
    """Return whether a code is a UCUM unit expression."""
    return parse(code) is not None


def is_per_time(code: str) -> bool:
    """Return whether a UCUM code is per time: ``mL/h``, ``ug/kg/min``, ``mL.h-1``, ``mg/(24.h)``."""
    unit = parse(code)
    return unit is not None and dict(unit.dimension).get("s", 0) < 0


def is_time(code: str) -> bool:
    """Return whether a UCUM code is a length of time."""
    unit = parse(code)
    return unit is not None and unit.dimension == (("s", 1),)


def multiply(left: Unit, right: Unit, power: int = 1) -> Unit:
    """Return ``left`` times ``right`` to the ``power``."""
    exponents = dict(left.dimension)
    for base, exponent in right.dimension:
        exponents[base] = exponents.get(base, 0) + exponent * power
    dimension = tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))
    return Unit(left.factor * right.factor**power, dimension)


def convert(value: Decimal | int | Fraction, code: str, to: str) -> Fraction | None:
    """Return the value in another unit, exactly; ``None`` where the two are not the same kind of thing."""
    source, target = parse(code), parse(to)
    if source is None or target is None or source.dimension != target.dimension:
        return None
    return Fraction(value) * source.factor / target.factor


def is_more(value: Decimal | int, code: str, than: Decimal | int, other: str) -> bool:
    """Return whether one amount is certainly above another of a different unit; what has no dimension is not known."""
    unit = parse(code)
    converted = convert(value, code, other) if unit is not None and unit.dimension else None
    return converted is not None and converted > than


def same_meaning(code: str, other: str) -> bool:
    """Return whether two UCUM codes mean the same unit: ``ml`` and ``mL``."""
    return code == other or (parse(code) is not None and parse(code) == parse(other))


def _meaning(node: Tree[Token] | Token) -> Unit:
    if isinstance(node, Token):  # an annotation; the grammar leaves no other bare token to get here
        return ONE
    parts = node.children
    if node.data == "simple_unit":
        return _simple(*(str(part) for part in parts))
    if node.data == "annotatable":
        power = str(parts[1])
        if len(power) > _MOST_SIGNS:
            raise _TooHighError
        return _bounded(multiply(ONE, _meaning(parts[0]), int(power)))
    if node.data == "component":
        return _meaning(parts[0])
    if node.data == "main_term":
        return multiply(ONE, _meaning(parts[-1]), -1 if len(parts) == 2 else 1)
    left, operator, right = parts
    return _bounded(multiply(_meaning(left), _meaning(right), 1 if operator == "." else -1))


def _bounded(unit: Unit) -> Unit:
    if max(unit.factor.numerator, unit.factor.denominator) > _LARGEST:
        raise _TooHighError
    return unit


def _simple(first: str, atom: str = "") -> Unit:
    if not atom:
        return Unit(Fraction(first), ()) if first.isdigit() else _atom(first)
    prefix = Fraction(_BINARY[first]) if first in _BINARY else Fraction(10) ** _PREFIXES[first]
    factor, dimension = _atom(atom)
    return Unit(prefix * factor, dimension)


def _atom(code: str) -> Unit:
    known = _ATOMS.get(code)
    return Unit(*known) if known else Unit(Fraction(1), ((code, 1),))


def _repairs() -> dict[str, str]:
    parts = {spelling: code for spelling, (code, _) in REPAIRED.items()}
    amounts = ["mcg", "IU", "mEq", "cc", "mg", "g", "ug", "ng", "mL", "ml", "L", "mmol", "meq", "[iU]", "U"]
    pers = ["", "/kg", "/m2", "/mL", "/ml", "/L"]
    times = ["", "/hr", "/h", "/min", "/d", "/day"]
    found = {}
    for whole in (amount + per + time for amount in amounts for per in pers for time in times):
        repaired = "/".join(parts.get(part, part) for part in whole.split("/"))
        if repaired != whole:
            found[whole] = repaired
    return {**found, **{part: code for part, code in parts.items() if part not in found}}


REPAIRED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "mcg": ("ug", "UCUM writes microgram ug"),
        "IU": ("[iU]", "UCUM writes international unit [iU]"),
        "mEq": ("meq", "UCUM writes milliequivalent in lower case"),
        "cc": ("mL", "a cubic centimetre is a millilitre"),
        "hr": ("h", "UCUM writes hour h"),
        "day": ("d", "UCUM writes day d"),
    }
)
"""The spellings that are repaired, each with its UCUM code and the reason. ``units`` is not among them: it would be a
guess (international units, enzyme units, product units)."""

REPAIRS: Final[Mapping[str, str]] = MappingProxyType(_repairs())
"""Whole codes that are not UCUM and what they are repaired to, on reading, reversibly and with a ledger line."""

WORDS: Final[Mapping[str, str]] = MappingProxyType({
    "mg": "mg", "milligram": "mg", "milligrams": "mg", "g": "g", "gm": "g", "gram": "g", "grams": "g",
    "kg": "kg", "kilogram": "kg", "kilograms": "kg", "mcg": "ug", "ug": "ug", "µg": "ug", "μg": "ug",
    "microgram": "ug", "micrograms": "ug", "ng": "ng", "nanogram": "ng", "nanograms": "ng",
    "ml": "mL", "milliliter": "mL", "milliliters": "mL", "millilitre": "mL", "millilitres": "mL", "cc": "mL",
    "l": "L", "liter": "L", "liters": "L", "litre": "L", "litres": "L", "dl": "dL",
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "min": "min", "mins": "min", "minute": "min",
    "minutes": "min", "s": "s", "sec": "s", "second": "s", "seconds": "s", "d": "d", "day": "d", "days": "d",
    "wk": "wk", "week": "wk", "weeks": "wk", "month": "mo", "months": "mo", "year": "a", "years": "a",
    "mmol": "mmol", "millimole": "mmol", "millimoles": "mmol", "mol": "mol",
    "meq": "meq", "milliequivalent": "meq", "milliequivalents": "meq",
    "iu": "[iU]", "[iu]": "[iU]", "m2": "m2", "m²": "m2", "cm": "cm",
})  # fmt: skip
"""Spellings that people and systems write for a unit, in lower case, and the one UCUM code that they mean."""


@lru_cache(maxsize=8192)
def in_words(text: str) -> Unit | None:
    """Return what a unit in words means where every part of it is a well-known spelling, else ``None``."""
    found = ONE
    for position, part in enumerate(text.lower().replace(" per ", "/").split("/")):
        code = WORDS.get(part.strip())
        unit = parse(code) if code else None
        if unit is None:
            return None
        found = multiply(found, unit, -1 if position else 1)
    return found
