"""Findings on words that contradict the structure beside them.

HL7's own examples hold such (medicationrequest0319: text 8 L/min, rate 50 mL/h). An amount in the text, with a unit
that is known for certain, that no quantity of the record equals is told, with the quantity of its kind that is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.amounts import Amount, amount, ratio, rounded, span, stated
from fhir_infusion.records.findings import finding
from fhir_infusion.records.units import WORDS, in_words

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]

_UNIT: Final = "|".join(sorted((re.escape(word) for word in WORDS), key=len, reverse=True))
_AMOUNT: Final = re.compile(
    rf"(?<![\w.,])(\d{{1,12}}(?:[.,]\d{{1,12}})*)\s?((?:{_UNIT})(?:\s?(?:/|\sper\s)\s?(?:{_UNIT}))*)(?![\w/])",
    re.IGNORECASE,
)
_TIME: Final = (("s", 1),)
_LONGEST: Final = 4096
"""Longer text is not searched: it is no dosage instruction."""


def text_findings(record: Part) -> Iterator[Issue]:
    """Yield the amounts in the dosage text that the structure does not hold."""
    texts = [(f"steps[{at}].text", step["text"]) for at, step in enumerate(record.get("steps", ())) if "text" in step]
    texts += [(name, record[name]) for name in ("rendered_instruction", "text") if name in record]
    held: list[tuple[Amount, str]] | None = None
    for path, text in texts:
        for number, unit in _AMOUNT.findall(text) if len(text) <= _LONGEST else ():
            found = _said(number, unit)
            if found is None:
                continue
            held = list(_amounts(record)) if held is None else held
            yield from _contradiction(path, found, f"{number} {unit}", held)


def _contradiction(path: str, found: Amount, said: str, held: list[tuple[Amount, str]]) -> Iterator[Issue]:
    """Only where the structure has something of the same kind: what it lacks altogether, the text merely adds."""
    alike = [words for other, words in held if other.dimension == found.dimension]
    if found.dimension == _TIME or any(
        other.base == found.base for other, _ in held if other.dimension == found.dimension
    ):
        return
    rate = dict(found.dimension).get("s", 0) < 0
    alike = alike or [words for other, words in held if rate and dict(other.dimension).get("s", 0) < 0]
    if alike:
        yield finding(
            path, f"the text says {said}; the structure says {', '.join(dict.fromkeys(alike))}", "text-contradicts"
        )


def _said(number: str, unit: str) -> Amount | None:
    """Return an amount in words; a comma before three digits divides thousands, any other comma is a decimal one."""
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", number).replace(",", ".")
    meaning = in_words(unit)
    if meaning is None or plain.count(".") > 1:
        return None
    return Amount(Fraction(Decimal(plain)) * meaning.factor, meaning.dimension, "")


def _amounts(part: Any) -> Iterator[tuple[Amount, str]]:
    """Yield every quantity, ratio and span of a record, with its words."""
    if isinstance(part, list):
        for item in part:
            yield from _amounts(item)
    elif isinstance(part, dict):
        held = amount(part)
        if held is not None:
            yield held, stated(part)
        elif "numerator" in part:
            per = ratio(part)
            if per is not None:
                yield per, f"{stated(part['numerator'])} per {stated(part['denominator'])}"
        else:
            length = span(part)
            if length is not None:
                yield length, f"{rounded(Fraction(part['value']))} {part['unit']}"
        for name, member in part.items():
            if name != "residue":
                yield from _amounts(member)
