"""A number that a peer only writes otherwise stays as it is written here: the laws of ``compare.spelled``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.sync.compare import alike, exact, spelled
from fhir_infusion.sync.conflicts import merge
from tests.counts import count

NUMBERS = st.sampled_from(["0", "0.0", "1", "1.0", "1.50", "1.5", "0.10", "0.1", "-2.00", "1234567890.123456789"]).map(
    Decimal
)
LEAVES = NUMBERS | st.sampled_from(["", "1.50", "mg", True, False])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
MANY = settings(max_examples=count(200, 5_000))


def rounded(value: Any) -> Any:
    """As a server gives it back that keeps numbers by value only."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return Decimal(format(value.normalize(), "f")) if isinstance(value, Decimal) else value


def numbers(value: Any) -> list[Decimal]:
    if isinstance(value, dict):
        return [one for name in sorted(value) for one in numbers(value[name])]
    if isinstance(value, list):
        return [one for inner in value for one in numbers(inner)]
    return [value] if isinstance(value, Decimal) else []


@MANY
@given(mine=VALUES, base=VALUES, other=VALUES)
def test_h15_no_value_is_changed_only_how_it_is_written(mine: Any, base: Any, other: Any):
    assert alike(spelled(mine, base, other), other)


@MANY
@given(mine=VALUES)
def test_h15_i8_what_a_peer_rounded_and_left_alone_stays_as_it_is_written_here(mine: Any):
    there = rounded(mine)
    assert exact(spelled(mine, there, there)) == exact(mine)
    assert exact(spelled(mine, mine, there)) == exact(mine)


@MANY
@given(mine=VALUES, base=VALUES, other=VALUES)
def test_spelling_twice_is_spelling_once(mine: Any, base: Any, other: Any):
    once = spelled(mine, base, other)
    assert exact(spelled(mine, base, once)) == exact(once)


@MANY
@given(mine=VALUES, base=VALUES, other=VALUES)
def test_a_number_that_nobody_else_has_stays_as_they_wrote_it(mine: Any, base: Any, other: Any):
    known = {str(one) for one in numbers(mine)}
    theirs = {str(one) for one in numbers(other)}
    assert {str(one) for one in numbers(spelled(mine, base, other))} <= known | theirs


@MANY
@given(mine=st.lists(VALUES, min_size=1, max_size=4), data=st.data())
def test_h15_an_entry_that_they_put_in_between_moves_no_spelling(mine: list[Any], data: st.DataObject):
    there = rounded(mine)
    place = data.draw(st.integers(0, len(mine)))
    put_in = {"only": "theirs"}
    other = [*there[:place], put_in, *there[place:]]
    kept = spelled(mine, there, other)
    assert kept[place] == put_in
    # Entries of one value are exchangeable: which of them is which cannot be told.
    assert sorted(map(exact, kept)) == sorted(map(exact, [*mine, put_in]))


def order(*dosages: Any) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "status": "active", "dosageInstruction": list(dosages)}


def dosage(value: str, text: str = "run") -> dict[str, Any]:
    return {"text": text, "doseAndRate": [{"doseQuantity": {"value": Decimal(value), "unit": "mg"}}]}


@pytest.mark.parametrize(
    ("theirs", "expected", "respelled"),
    [
        # (what they have now, what we have then, what is told); we have 1.50 and 2.0, they had 1.5 and 2
        ((dosage("1.5"), dosage("2")), (dosage("1.50"), dosage("2.0")), ()),
        ((dosage("1.5", "slow"), dosage("2")), (dosage("1.50", "slow"), dosage("2.0")), ("dosageInstruction",)),
        ((dosage("1.6"), dosage("2")), (dosage("1.6"), dosage("2.0")), ("dosageInstruction",)),
        ((dosage("2"), dosage("1.5")), (dosage("2.0"), dosage("1.50")), ("dosageInstruction",)),
        ((dosage("2"),), (dosage("2.0"),), ("dosageInstruction",)),
        ((dosage("1.500"), dosage("2")), (dosage("1.50"), dosage("2.0")), ("dosageInstruction",)),
        ((dosage("7"), dosage("8"), dosage("9")), (dosage("7"), dosage("8"), dosage("9")), ()),
    ],
)
def test_h15_i8_our_spelling_stays_where_another_part_of_the_dosage_is_taken(
    theirs: Any, expected: Any, respelled: tuple[str, ...]
):
    ours = order(dosage("1.50"), dosage("2.0"))
    merged = merge(ours, ours, order(dosage("1.5"), dosage("2")), order(*theirs))
    assert (exact(merged.resource), merged.held) == (exact(order(*expected)), ())
    assert merged.respelled == respelled
