"""Where several JSON values differ, with what each says there."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.fhir.differences import apart


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ({"ours": {"a": 1}, "theirs": {"a": 1}}, []),
        ({"ours": {"a": 1}, "theirs": {"a": 2}}, [{"path": "a", "ours": 1, "theirs": 2}]),
        ({"ours": {"a": 1}, "theirs": {}}, [{"path": "a", "ours": 1}]),
        (
            {"base": {"a": [{"b": 1}]}, "ours": {"a": [{"b": 1}, {"c": 3}]}, "theirs": {"a": [{"b": 2}]}},
            [{"path": "a[0].b", "base": 1, "ours": 1, "theirs": 2}, {"path": "a[1]", "ours": {"c": 3}}],
        ),
        ({"ours": {"a": {"b": 1}}, "theirs": {"a": [1]}}, [{"path": "a", "ours": {"b": 1}, "theirs": [1]}]),
        ({"ours": {"a": True}, "theirs": {"a": 1}}, [{"path": "a", "ours": True, "theirs": 1}]),
        ({"ours": {"a": {"x": 1, "y": 2}}, "theirs": {"a": {"y": 2, "x": 1}}}, []),
    ],
)
def test_each_place_is_named_with_what_each_side_says(sides: dict[str, Any], expected: list[dict[str, Any]]):
    assert list(apart(sides)) == expected
