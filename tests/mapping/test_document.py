"""Documents as text: every value with its file and line, no guesses of YAML, merged along ``extends``."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.document import Mark, Table, merge, read_yaml, resolve

MEMBERS = "always, between, defaults, drop, extends, fragments, mapped-or-refused, mapping, pairs, systems, uses"


def tables(**texts: str) -> dict[str, Table]:
    return {name: read_yaml(f"{name}.yaml", dedent(text)) for name, text in texts.items()}


def refusal(text: str) -> list[str]:
    with pytest.raises(DocumentError) as raised:
        read_yaml("d.yaml", dedent(text))
    return list(raised.value.complaints)


def test_every_table_and_key_knows_its_line():
    table = read_yaml("d.yaml", "a: 1\nb:\n  c: x\n  d: {e: y}\n")
    assert table.mark == Mark("d.yaml", 1)
    assert {name: mark.line for name, mark in table.marks.items()} == {"a": 1, "b": 2}
    assert table["b"].mark.line == 3
    assert {name: mark.line for name, mark in table["b"].marks.items()} == {"c": 3, "d": 4}
    assert str(table["b"]["d"].marks["e"]) == "d.yaml:4"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1.50", "1.50"),
        ("2024-01-01", "2024-01-01"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        (".", "."),
        ("true", True),
        ("false", False),
        ("5", 5),
        ("-5", -5),
        ("'5'", "5"),
        ("'true'", "true"),
        ("~", None),
        ("null", None),
        ("", None),
        ("''", ""),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_yaml_does_not_guess_what_a_word_means(text: str, value: Any):
    assert read_yaml("d.yaml", f"a: {text}\n") == {"a": value}


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    assert refusal("a: 1\nb: {c: 1,\n  c: 2}\n") == ["d.yaml:3: 'c' stands twice; the first is at line 2"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: &x [1]\nb: *x\n", "d.yaml:2: not YAML: an alias, which documents do not have"),
        ("a: &x [*x]\n", "d.yaml:1: not YAML: an alias, which documents do not have"),
        ("a: b\x00\n", "d.yaml:1: not YAML: a character that no YAML holds"),
        ("[" * 5000, "d.yaml:1: it is nested too deep; accepted: no more levels than the shipped documents have"),
        ("a: 1\n? [b, c]\n: 2\n", "d.yaml:2: not YAML that is taken: a list or table as a key; accepted: a text"),
        ("a: 1\n---\nb: 2\n", "d.yaml:2: not YAML: but found another document; accepted: one document in a file"),
    ],
)
def test_what_would_not_end_or_cannot_be_read_is_a_complaint(text: str, complaint: str):
    assert refusal(text) == [complaint]


def test_what_is_not_yaml_is_refused_with_its_line():
    assert refusal("a: 1\nb: [\n") == ["d.yaml:3: not YAML: expected the node content, but found '<stream end>'"]
    assert refusal("a: 1\n\tb: 2\n")[0].startswith("d.yaml:2: not YAML: ")


@pytest.mark.parametrize("text", ["", "- a\n", "text\n", "# nothing\n"])
def test_a_document_that_is_no_table_is_refused(text: str):
    assert refusal(text) == ["d.yaml:1: a document is a mapping; accepted keys: " + MEMBERS]


# --- merging ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "change", "merged"),
    [
        ("pairs: {a: x}", "pairs: {b: y}", {"pairs": {"a": "x", "b": "y"}}),
        ("pairs: {a: x, b: y}", "pairs: {a: z}", {"pairs": {"a": "z", "b": "y"}}),
        ("pairs: {a: x, b: y}", "pairs: {a: ~}", {"pairs": {"b": "y"}}),
        ("pairs: {a: x}", "pairs: {c: ~}", {"pairs": {"a": "x"}}),
        ("pairs: {a: x}", "pairs: ~", {}),
        ("pairs: {a: x}", "pairs: {a: {codes: t}}", {"pairs": {"a": {"fhir": "x", "codes": "t"}}}),
        ("pairs: {a: x}", "pairs: {a: {fhir: y}}", {"pairs": {"a": {"fhir": "y"}}}),
        ("pairs: {a: {fhir: x, codes: t}}", "pairs: {a: {codes: ~}}", {"pairs": {"a": {"fhir": "x"}}}),
        ("pairs: {a: {fhir: x}}", "pairs: {a: y}", {"pairs": {"a": "y"}}),
        ("pairs: {a: [x, y]}", "pairs: {a: [z]}", {"pairs": {"a": ["z"]}}),
        (
            "pairs: {a: {fhir: x, pairs: {b: y}}}",
            "pairs: {a: {pairs: {c: z}}}",
            {"pairs": {"a": {"fhir": "x", "pairs": {"b": "y", "c": "z"}}}},
        ),
    ],
)
def test_tables_merge_by_key_and_a_tilde_removes(base: str, change: str, merged: dict[str, Any]):
    assert merge(read_yaml("base.yaml", base), read_yaml("change.yaml", change)) == merged


def test_what_is_merged_keeps_the_places_of_both():
    merged = merge(
        read_yaml("base.yaml", "pairs:\n  a: x\n  b: y\n"), read_yaml("change.yaml", "# changed\npairs:\n  b: z\n")
    )
    assert {name: str(mark) for name, mark in merged["pairs"].marks.items()} == {
        "a": "base.yaml:2",
        "b": "change.yaml:3",
    }


def test_merging_leaves_both_as_they_were():
    base, change = read_yaml("base.yaml", "pairs: {a: x}"), read_yaml("change.yaml", "pairs: {a: ~, b: y}")
    merge(base, change)
    assert (base, change) == ({"pairs": {"a": "x"}}, {"pairs": {"a": None, "b": "y"}})


# --- extends ----------------------------------------------------------------------------------------------------------


def test_a_document_may_extend_one_that_extends_another():
    chain = tables(
        first="pairs: {a: x, b: x, c: x}",
        second="extends: first\npairs: {b: y, c: ~}",
        third="extends: second\npairs: {c: z}",
    )
    assert resolve("third", chain).content["pairs"] == {"a": "x", "b": "y", "c": "z"}
    assert resolve("second", chain).content["pairs"] == {"a": "x", "b": "y"}
    assert resolve("third", chain).name == "third"


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ({"a": "mapping: a\nextends: b"}, "a.yaml:2: there is no document 'b'; accepted: a"),
        ({"a": "extends: a"}, "a.yaml:1: 'a' extends itself"),
        ({"a": "extends: b", "b": "mapping: b\nextends: a"}, "b.yaml:2: 'a' extends itself"),
        ({"a": "extends: [b]", "b": ""}, "a.yaml:1: `extends` of a document is text"),
        (
            {"a": "extends: b", "b": "pears: {}"},
            "b.yaml:1: 'pears' is not a member of a document; accepted: " + MEMBERS,
        ),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(texts: dict[str, str], complaint: str):
    with pytest.raises(DocumentError) as raised:
        resolve("a", tables(**{name: text or "mapping: m" for name, text in texts.items()}))
    assert raised.value.complaints == (complaint,)


def test_a_document_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(DocumentError, match=r"x\.yaml:1: there is no document 'x'; accepted: a, b"):
        resolve("x", tables(a="mapping: a", b="mapping: b"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n\tb: c", "blanks, no tabs"),
        ("a: drugs: Over", "one `key: value` a line, text with ': ' in it in quotes"),
        ("a: {b: extension[url=x].value}", "text with [ or ] in it in quotes, where it stands between { and }"),
        ('a: "b" c', "what follows text in quotes on the next line"),
        ("a:\n  b: 1\n c: 2", "lines that belong together begin below each other"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line_and_what_to_do(text: str, told: str):
    with pytest.raises(DocumentError, match=rf"^a\.yaml:\d: not YAML: .*; accepted: {re.escape(told)}$"):
        read_yaml("a.yaml", text)
