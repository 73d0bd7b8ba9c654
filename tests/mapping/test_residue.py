"""The residue: paths with keys, keys derived from content, and arrays put together again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_infusion.mapping.putback import put_back
from fhir_infusion.mapping.residue import (
    arrange,
    below,
    derived_key,
    describes,
    digest,
    display_residue,
    holds_only_marks,
    is_derived,
    left_over,
    plain_token,
    plain_tokens,
    read_key,
    split_path,
    write_key,
)
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.number import from_spelling
from fhir_infusion.records.residue_rules import escape, unescape

TOKENS = st.text(alphabet=st.sampled_from("ab[]%5BD.~=/:#"), min_size=1, max_size=12)


# --- paths ------------------------------------------------------------------------------------------------------------


@given(token=TOKENS)
def test_a_token_comes_back_from_its_escaped_form_which_has_no_bracket(token: str):
    assert unescape(escape(token)) == token
    assert not set("[]") & set(escape(token))


@given(tokens=st.lists(TOKENS, min_size=1, max_size=4))
def test_a_path_is_split_into_its_names_and_tokens_whatever_is_in_them(tokens: list[str]):
    path = ".".join(f"name{index}[{escape(token)}]" for index, token in enumerate(tokens))
    assert split_path(path) == [(f"name{index}", token) for index, token in enumerate(tokens)]
    assert split_path(f"{path}.last") == [*split_path(path), ("last", None)]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("text", [("text", None)]),
        ("a.b.c", [("a", None), ("b", None), ("c", None)]),
        ("note[]", [("note", "")]),
        ("note[*]", [("note", "*")]),
        ("a[k].b[]", [("a", "k"), ("b", "")]),
        ("extension[https://x.example/a.b].valueCode", [("extension", "https://x.example/a.b"), ("valueCode", None)]),
    ],
)
def test_a_path_is_split(path: str, parts: list[tuple[str, str | None]]):
    assert split_path(path) == parts


def test_a_prefix_goes_before_relative_paths_only():
    entries: list[list[Any]] = [["before", None, 1], ["a", None, 1], ["/contained[m].b", None, 1]]
    below(entries, 1, "dosage.")
    assert [entry[0] for entry in entries] == ["before", "dosage.a", "/contained[m].b"]


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["a", "1", "~a", "~~a", "~"])
def test_an_element_id_comes_back_from_its_key(identifier: str):
    assert read_key(write_key(identifier)) == identifier
    assert not is_derived(write_key(identifier))


def test_a_derived_key_is_never_written_out():
    key = derived_key({"text": "a"}, {})
    assert is_derived(key)
    assert read_key(key) is None
    assert not is_derived(None)


def test_equal_elements_get_keys_of_their_own():
    used: dict[str, int] = {}
    first = derived_key({"text": "a"}, used)
    used[f"{first}.3"] = 1
    keys = [derived_key({"text": "a"}, used) for _ in range(3)]
    assert keys == [f"{first}.2", f"{first}.4", f"{first}.5"]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": Decimal("1.50")}, {"a": Decimal("1.5")}, False),
        ({"a": from_spelling("1e2")}, {"a": 100}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": True}, {"a": 1}, False),
        ([1, 2], [2, 1], False),
        ({"step_id": "~1", "text": "t"}, {"step_id": "~2", "text": "t"}, True),
        ({"step_id": "~~1"}, {"step_id": "~~2"}, False),
        ({"step_id": "s1"}, {"step_id": "s2"}, False),
    ],
)
def test_a_digest_counts_numbers_as_written_and_neither_order_nor_derived_keys(left: Any, right: Any, equal: bool):  # noqa: FBT001  a column of the table
    assert (digest(left) == digest(right)) is equal


def test_a_simple_value_in_an_array_is_named_by_its_count_its_place_and_itself():
    assert [plain_token([1, 2, 1], index, "weeks") for index in range(3)] == ["=1:weeks:1", "=1:weeks:2", "=2:weeks:1"]
    assert list(plain_tokens([1, 2, 1], "weeks")) == ["=1:weeks:1", "=1:weeks:2", "=2:weeks:1"]


def test_a_display_is_tied_to_what_it_describes():
    entry = display_residue("Route", {"display": "Route", "code": "1"})
    assert entry == {"display": "Route", "of": describes({"code": "1"})}
    assert describes({"code": "2"}) != entry["of"]


@pytest.mark.parametrize(
    ("value", "marks"),
    [
        ({}, True),
        ({"id": "a", "extension": [{"url": "u"}]}, True),
        ({"_value": {"id": "a"}}, True),
        ({"low": {"id": "a"}}, True),
        ({"low": {"value": 1}}, False),
        ({"value": 1}, False),
        ("text", False),
        ([], False),
    ],
)
def test_only_ids_extensions_and_primitive_marks_hold_no_meaning(value: Any, marks: bool):  # noqa: FBT001  a column of the table
    assert holds_only_marks(value) is marks


# --- arrays -----------------------------------------------------------------------------------------------------------

A, B, C = ("a", "A"), ("b", "B"), ("c", "C")


@pytest.mark.parametrize(
    ("mapped", "left", "order", "array"),
    [
        ([A, B], [], None, ["A", "B"]),
        ([A, B], [(None, "x")], None, ["x", "A", "B"]),
        ([A, B], [("a", "x"), ("a", "y")], None, ["A", "x", "y", "B"]),
        ([B, A], [("a", "x")], None, ["B", "A", "x"]),
        ([B], [("a", "x")], None, ["B", "x"]),
        ([], [("a", "x"), (None, "y")], None, ["y", "x"]),
        ([(None, "N")], [("a", "x")], None, ["N", "x"]),
        ([A, B, C], [], ["c", "a", "b"], ["C", "A", "B"]),
        ([A, B, C], [], ["c", "a"], ["C", "B", "A"]),
        ([A, (None, "N"), B], [("b", "x")], ["b", "a"], ["B", "x", "N", "A"]),
        ([A, B], [], ["gone", "b", "a"], ["B", "A"]),
    ],
)
def test_an_array_is_put_together_in_the_order_it_had(
    mapped: list[tuple[str | None, Any]], left: list[tuple[str | None, Any]], order: list[str] | None, array: list[Any]
):
    assert arrange(mapped, left, order) == array


def test_of_two_that_were_left_over_at_one_place_the_one_that_did_not_go_back_has_no_line():
    residue = [{"release": "R4", "path": "extension[]", "value": {"url": url}} for url in ("urn:a", "urn:b")]
    lost = [Line("extension[]", "dropped", "", "no place")]
    assert put_back(residue, lost) == [Line("extension[]", "carried", "", "residue")]
    assert put_back(residue, lost * 2) == []


@pytest.mark.parametrize(
    ("name", "value", "holder", "kept"),
    [
        ("language", "en", {"language": "en"}, [("language", "en")]),
        ("_given", [None, {"id": "x"}], {"given": ["a", "b"]}, [("_given[=1::b]", {"id": "x"})]),
        ("_given", [{"id": "x"}], {"given": ["a", "a"]}, [("_given[=1::a]", {"id": "x"}), ("_given[*]", 1)]),
        ("_status", {"id": "x"}, {}, [("_status", {"id": "x"})]),
        ("_status", {"id": "x"}, {"status": "s"}, [("_status~", {"of": digest("s"), "mark": {"id": "x"}})]),
        ("_given", [{"id": "x"}, None], {"given": ["a"]}, [("_given~", {"of": digest(["a"]), "mark": [{"id": "x"}, None]})]),
    ],
)  # fmt: skip
def test_a_mark_is_kept_beside_the_value_that_it_stands_at(name: str, value: Any, holder: Any, kept: Any):
    assert list(left_over(name, value, holder)) == kept


def test_a_digest_that_was_stored_before_is_still_the_same():
    assert digest("x") == "efd7361e9a4f"
    value = {"value": Decimal("1.50"), "unit": "mg", "codings": [{"user_selected": True, "code": "a"}]}
    assert digest(value) == digest({**value, "coding_id": "~0a1b"}) == "8175ecae5cd6"
    assert digest(value) != digest({**value, "value": Decimal("1.5")})
