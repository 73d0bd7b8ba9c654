from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_infusion.records.equality import same
from fhir_infusion.records.number import Spelled


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        (Decimal("1.50"), Decimal("1.5"), False),
        (Decimal("1.50"), Decimal("1.50"), True),
        (5, Decimal(5), True),
        (Spelled("1e3"), Decimal(1000), False),
        (True, 1, False),
        ("1", 1, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (None, None, True),
        ("a", "a", True),
    ],
)
def test_records_are_the_same_as_written(left, right, verdict):
    assert same(left, right) is verdict
