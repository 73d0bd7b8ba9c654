"""JSON Patch: the examples of RFC 6902, exact numbers, and what is refused."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import json_patch


def patched(resource: str, operations: str) -> str:
    """What a patch makes of a resource, as text."""
    tree = json_patch.apply(json_patch.read(operations.encode()), fhir_json.read(resource))
    return fhir_json.write(tree).decode()


@pytest.mark.parametrize(
    ("resource", "operations", "made"),
    [
        # RFC 6902, appendix A, by its numbers.
        ('{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'),
        ('{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}'),
        ('{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'),
        ('{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'),
        ('{"a":"b","f":"c"}', '[{"op":"replace","path":"/a","value":"boo"}]', '{"a":"boo","f":"c"}'),
        (
            '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
            '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]',
            '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}',
        ),
        (
            '{"foo":["all","grass","cows","eat"]}',
            '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
            '{"foo":["all","cows","eat","grass"]}',
        ),
        (
            '{"baz":"qux","foo":["a",2,"c"]}',
            '[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]',
            '{"baz":"qux","foo":["a",2,"c"]}',
        ),
        (
            '{"foo":"bar"}',
            '[{"op":"add","path":"/child","value":{"grandchild":"x"}}]',
            '{"foo":"bar","child":{"grandchild":"x"}}',
        ),
        ('{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux","xyz":123}]', '{"foo":"bar","baz":"qux"}'),
        ('{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10}]', '{"/":9,"~1":10}'),
        ('{"foo":["bar"]}', '[{"op":"add","path":"/foo/-","value":["abc"]}]', '{"foo":["bar",["abc"]]}'),
        ('{"a":{"b":1}}', '[{"op":"copy","from":"/a","path":"/c"}]', '{"a":{"b":1},"c":{"b":1}}'),
        ('{"a":1}', '[{"op":"add","path":"/a","value":2}]', '{"a":2}'),
        ('{"a":1}', '[{"op":"move","from":"/a","path":"/a"}]', '{"a":1}'),
    ],
)
def test_each_operation_does_what_the_rfc_says(resource: str, operations: str, made: str):
    assert json.loads(patched(resource, operations)) == json.loads(made)


def test_what_is_not_touched_keeps_its_spelling_and_what_is_put_in_has_its_own():
    resource = '{"a":1.50,"b":[0.10,100,1E-7,-0],"c":{"d":5.0}}'
    assert patched(resource, '[{"op":"add","path":"/e","value":2.500}]') == resource[:-1] + ',"e":2.500}'
    moved = patched(resource, '[{"op":"move","from":"/a","path":"/z"},{"op":"copy","from":"/b/2","path":"/y"}]')
    assert moved == '{"b":[0.10,100,1E-7,-0],"c":{"d":5.0},"z":1.50,"y":1E-7}'


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (Decimal("1.50"), Decimal("1.5"), True),
        (Decimal("2.0"), 2, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": Decimal("2.0")}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([True], [1], False),
        ([1], {"a": 1}, False),
    ],
)
def test_a_test_compares_numbers_by_value_and_never_a_number_with_a_truth_value(
    one: Any, other: Any, *, are_equal: bool
):
    assert json_patch.equal(one, other) is are_equal
    assert json_patch.equal(other, one) is are_equal


def test_what_an_operation_has_emptied_is_not_there_any_more():
    emptied = patched(
        '{"a":[1],"b":{"c":{"d":1}},"e":2}', '[{"op":"remove","path":"/a/0"},{"op":"remove","path":"/b/c/d"}]'
    )
    assert emptied == '{"e":2}'


def test_of_a_list_with_a_twin_no_item_changes_its_place():
    resource = '{"given":["A",null],"_given":[null,{"id":"x","extension":[{"url":"u"}]}]}'
    made = patched(resource, '[{"op":"remove","path":"/_given/1/extension"},{"op":"remove","path":"/_given/1/id"}]')
    assert made == '{"given":["A",null]}'
    both = '{"given":["A","B"],"_given":[{"id":"x"},{"extension":[{"url":"u"}]}]}'
    made = patched(both, '[{"op":"remove","path":"/_given/0/id"}]')
    assert made == '{"given":["A","B"],"_given":[null,{"extension":[{"url":"u"}]}]}'
    alone = '{"_given":[{"id":"x"},{"extension":[{"url":"u"}]}]}'
    assert patched(alone, '[{"op":"remove","path":"/_given/0/id"}]') == '{"_given":[{"extension":[{"url":"u"}]}]}'


@pytest.mark.parametrize(
    "operation",
    [
        '{"op":"remove","path":"/nothing"}',
        '{"op":"replace","path":"/nothing","value":1}',
        '{"op":"replace","path":"/list/2","value":1}',
        '{"op":"replace","path":"/list/-","value":1}',
        '{"op":"remove","path":"/list/-"}',
        '{"op":"remove","path":"/list/00"}',
        '{"op":"remove","path":"/list/-1"}',
        '{"op":"remove","path":"/list/1e0"}',
        '{"op":"add","path":"/list/3","value":1}',
        '{"op":"add","path":"/list/01","value":1}',
        '{"op":"add","path":"/nothing/a","value":1}',
        '{"op":"add","path":"/text/a","value":1}',
        '{"op":"move","from":"/nothing","path":"/a"}',
        '{"op":"move","from":"/object","path":"/object/inner"}',
        '{"op":"copy","from":"/nothing","path":"/a"}',
        '{"op":"test","path":"/nothing","value":1}',
        '{"op":"test","path":"/text","value":"other"}',
        '{"op":"test","path":"/number","value":true}',
        '{"op":"remove","path":"/"}',
    ],
)
def test_an_operation_that_cannot_be_done_is_422_and_says_which_but_no_value(operation: str):
    resource = {"list": [1, 2], "object": {"a": 1}, "text": "JaneQPatient", "number": 1}
    before = copy.deepcopy(resource)
    with pytest.raises(Refused) as caught:
        json_patch.apply(
            json_patch.read(f'[{{"op":"test","path":"/number","value":1}},{operation}]'.encode()), resource
        )
    (issue,) = caught.value.issues
    assert (issue.status, issue.code, issue.path) == (422, "processing", "patch[1]")
    assert "JaneQPatient" not in str(issue)
    assert resource == before


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "5",
        "nonsense",
        "[1]",
        '["add"]',
        "[[]]",
        '[{"op":"merge","path":"/a"}]',
        '[{"op":["add"],"path":"/a"}]',
        '[{"path":"/a"}]',
        '[{"op":"add","path":"/a"}]',
        '[{"op":"add","value":1}]',
        '[{"op":"move","path":"/a"}]',
        '[{"op":"remove","path":"a"}]',
        '[{"op":"remove","path":""}]',
        '[{"op":"remove","path":"/a~2"}]',
        '[{"op":"remove","path":"/a~"}]',
        '[{"op":"remove","path":5}]',
        '[{"op":"add","path":"/a","value":null}]',
        '[{"op":"add","path":"/a","value":1e99999}]',
        '[{"op":"add","path":"/a","value":1234567890123456789}]',
        '[{"op":"add","path":"/a","value":NaN}]',
        '[{"op":"add","op":"remove","path":"/a","value":1}]',
        '[],"more":1',
        "[]}",
        '[],"patch":[]',
        "\ufeff[]",
    ],
)
def test_what_is_no_patch_is_400(body: str):
    with pytest.raises(Refused) as caught:
        json_patch.read(body.encode())
    assert caught.value.status == 400


def test_copies_of_copies_end_at_the_limit_of_a_resource():
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/x{number}"} for number in range(40)]
    with pytest.raises(Refused) as caught:
        json_patch.apply(json_patch.read(json.dumps(doubling).encode()), {"a": {"b": 1}})
    (issue,) = caught.value.issues
    assert (issue.status, issue.code) == (422, "too-costly")


def test_a_patch_of_too_many_operations_is_400():
    with pytest.raises(Refused) as caught:
        json_patch.read(json.dumps([{"op": "remove", "path": "/a"}] * 1_001).encode())
    assert caught.value.status == 400
