"""Whether two records say the same, to the last digit.

``Decimal("1.50") == Decimal("1.5")`` and ``True == 1`` in Python, and neither is the same in a record: the number of
digits is precision (https://hl7.org/fhir/R4/datatypes.html#decimal). Order of members is free, order of lists is not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeGuard

from fhir_infusion.records.number import spelling_of


def same(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal as written."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if _is_number(left) and _is_number(right):
        return spelling_of(left) == spelling_of(right)
    return type(left) is type(right) and bool(left == right)


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
