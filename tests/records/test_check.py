from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_infusion.records import check as checks
from fhir_infusion.records.check import check, refuse
from fhir_infusion.records.fields import table
from fhir_infusion.records.record_rules import RULES
from fhir_infusion.records.rules import broken
from fhir_infusion.records.schemas import _shaped, issues
from fhir_infusion.records.value_rules import QUICK
from tests.counts import count
from tests.generators import records, spoiled
from tests.records.samples import DOBUTAMINE
from tests.records.speed import measure


@settings(max_examples=count(60, 5000))
@given(records())
def test_the_generated_check_takes_every_valid_record(record):
    assert check(record)
    assert check(record, as_sent=True)
    assert issues(record) == ()


@settings(max_examples=count(300, 20_000))
@given(spoiled(), st.booleans())
def test_the_generated_check_and_marshmallow_agree_on_spoiled_records(record, as_sent):
    assert check(record, as_sent=as_sent) is (issues(record, as_sent=as_sent) == ())


@settings(max_examples=count(100, 5000))
@given(spoiled())
def test_what_our_own_json_may_hold_may_also_be_read_from_fhir(record):
    assert check(record, as_sent=True) or not check(record)


QUICKS = {
    id(rule): eval(f"lambda part: ({rule.quick})", dict(QUICK))  # noqa: S307  our own text
    for rules in RULES.values()
    for rule in rules
}


@settings(max_examples=count(60, 5000))
@given(spoiled())
def test_a_rule_finds_nothing_where_its_quick_expression_holds(record):
    """Rules are asked of parts of the right shape; where ``quick`` is true the generated check does not call them."""
    root = record.get("record") if record.get("record") in ("InfusionOrder", "Administration") else "InfusionOrder"
    for rule_type, rules in RULES.items():
        for part in _parts(record, root, rule_type):
            fields = table()[rule_type]
            if all(field.name in part for field in fields.values() if field.required) and all(
                _shaped(rule_type, name, value) for name, value in part.items() if name in fields
            ):
                told = [rule for rule in rules if QUICKS[id(rule)](part) and list(rule.find(part))]
                assert told == []


def _parts(part, type_name, wanted):
    if not isinstance(part, dict):
        return
    if type_name == wanted and part:
        yield part
    for name, field in table()[type_name].items():
        values = part.get(name)
        for value in values if field.is_list and isinstance(values, list) else [values]:
            if field.nested:
                yield from _parts(value, field.type, wanted)


@pytest.mark.parametrize(
    "record", [None, [], "x", 5, {}, {"record": "Order"}, {"record": ["InfusionOrder"]}, {"record": None}]
)
def test_what_is_no_record_is_refused(record):
    assert not check(record)
    (issue,) = issues(record)
    assert (issue.code, issue.status, issue.path) in {("structure", 400, ""), ("structure", 400, "record")}


def test_the_record_s_name_may_be_said_from_outside_but_not_contradicted():
    nameless = {name: value for name, value in DOBUTAMINE.items() if name != "record"}
    assert not check(nameless)
    assert check(nameless, "InfusionOrder")
    refuse(nameless, "InfusionOrder")
    assert not check(DOBUTAMINE, "Administration")
    assert [issue.path for issue in issues(DOBUTAMINE, "Administration")] == ["record"]


@pytest.mark.parametrize("which", ["own", "sent"])
def test_the_generated_source_is_python_with_one_function_per_record_type(which):
    names = {node.name for node in ast.parse(checks.source(rules=which)).body if isinstance(node, ast.FunctionDef)}
    assert {f"check_{name}" for name in table()} <= names


def test_the_walk_of_the_rules_passes_by_what_has_no_shape():
    assert list(broken("x", "InfusionOrder", RULES, lambda *_: True, as_sent=False)) == []


def test_the_generated_check_is_much_faster_than_marshmallow():
    assert measure(24)["ratio"] > 5  # 38 when last measured
