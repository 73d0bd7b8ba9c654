"""Whether two records say the same, to the last digit.

``Decimal("1.50") == Decimal("1.5")`` and ``True == 1`` in Python, and neither is the same in a record: the number of
digits is precision (https://hl7.org/fhir/R4/datatypes.html#decimal). Order of members is free, order of lists is not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

from fhir_infusion.records.number import spelling_of

if TYPE_CHECKING:
    from collections.abc import Hashable


def same(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal as written."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if _is_number(left) and _is_number(right):
        return spelling_of(left) == spelling_of(right)
    return type(left) is type(right) and bool(left == right)


def key_of(value: Any) -> Hashable:
    """Return what is equal for two JSON values that are the same, and for no others."""
    if isinstance(value, dict):
        return dict, frozenset((name, key_of(held)) for name, held in value.items())
    if isinstance(value, list):
        return list, tuple(map(key_of, value))
    return ("number", spelling_of(value)) if _is_number(value) else (type(value), value)


def _is_number(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
