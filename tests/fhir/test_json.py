"""FHIR JSON is read and written digit for digit, and what is not right is refused with its place."""

from __future__ import annotations

import json
import string
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import exact
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.exact import LIMITS, Limits
from fhir_infusion.records.number import Spelled, beyond_limits
from tests.fhir.kit import FILES, needs_examples, read


def refusal(data: bytes | str, **limits: int) -> Refused:
    with pytest.raises(Refused) as caught:
        fhir_json.read(data, Limits(**limits)) if limits else fhir_json.read(data)
    return caught.value


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + '{"a":1}' + "}" * (levels - 1)


NOT_JSON = [
    (b"", "the body is empty"),
    (b"  \n ", "the body is empty"),
    (b"{", "not JSON"),
    (b'{"a":1,}', "not JSON"),
    (b"{'a':1}", "not JSON"),
    (b'{"a":01}', "not JSON"),
    (b'{"a":1.}', "not JSON"),
    (b'{"a":"\x01"}', "not JSON"),
    (b'{"a":1} x', "not JSON"),
    (b'{"a":1}{"a":1}', "not JSON"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    (b'{"a":NaN}', "NaN"),
    (b'{"a":-Infinity}', "Infinity"),
    (b'{"a":"\xff"}', "not UTF-8"),
    (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    (b"[]", "not an object"),
    (b"5", "not an object"),
    (b'"x"', "not an object"),
    (b"null", "not an object"),
]


@pytest.mark.parametrize(("data", "reason"), NOT_JSON)
def test_what_is_not_one_json_object_is_refused_as_structure(data: bytes, reason: str):
    (issue,) = refusal(data).issues
    assert (issue.status, issue.code, issue.path) == (400, "structure", "")
    assert reason in issue.reason


REFUSED = [
    ('{"a":1,"a":2}', "structure", "a"),
    ('{"resourceType":"Patient","x":[{"b":{"a":1,"a":1}}]}', "structure", "Patient.x[0].b.a"),
    ('{"a":"1","\\u0061":"1"}', "structure", "a"),
    ('{"a":null}', "value", "a"),
    ('{"":[null]}', "value", "(unreadable name)[0]"),
    ('{"a":[null]}', "value", "a[0]"),
    ('{"a":[null],"_a":[null]}', "value", "a[0]"),
    ('{"_a":[null,{"id":"x"}]}', "value", "_a[0]"),
    ('{"a":{}}', "structure", "a"),
    ('{"a":[]}', "structure", "a"),
    ('{"a":[[]]}', "structure", "a[0]"),
    ('{"a":""}', "structure", "a"),
    ("{}", "structure", ""),
    ('{"a":"\\u0000"}', "value", "a"),
    ('{"a":"x\\b"}', "value", "a"),
    ('{"a":"\\u001f"}', "value", "a"),
    ('{"a":"\\ud800"}', "structure", "a"),
    ('{"a":"\\udc00\\ud800"}', "structure", "a"),
    ('{"a":1234567890123456789}', "too-long", "a"),
    ('{"a":-1.234567890123456789}', "too-long", "a"),
    ('{"a":100000000000000000000000000}', "too-long", "a"),
    ('{"a":1e39}', "too-costly", "a"),
    ('{"a":1e999999999}', "too-costly", "a"),
    ('{"a":1e-40}', "too-costly", "a"),
    ('{"a":0e77}', "too-costly", "a"),
    ('{"a":0.' + "0" * 60 + "}", "too-long", "a"),
    ('{"a":"' + "x" * 65537 + '"}', "too-long", "a"),
    ('{"a":"' + "é" * 32769 + '"}', "too-long", "a"),
    ('{"a":' * 32 + "[1]" + "}" * 32, "too-costly", ".".join("a" * 32)),
    (nested(33), "too-costly", ".".join("a" * 32)),
    ('{"a":' * 5000 + "1" + "}" * 5000, "too-costly", None),
    ('{"a":' + "[" * 40 + "1" + "]" * 40 + "}", "too-costly", None),
]


@pytest.mark.parametrize(("data", "code", "path"), REFUSED)
def test_what_fhir_json_cannot_hold_is_refused_with_its_place(data: str, code: str, path: str | None):
    error = refusal(data)
    assert error.status == 400
    assert (error.issues[0].code) == code
    assert path is None or error.issues[0].path == path


def test_every_fault_is_found_at_once_but_no_more_than_a_hundred():
    error = refusal('{"a":null,"b":"","c":{"d":1,"d":2}}')
    assert [issue.path for issue in error.issues] == ["a", "b", "c.d"]
    assert len(refusal(json.dumps({"a": [""] * 500})).issues) == 100


def test_no_value_of_the_input_is_in_an_issue_and_no_strange_name():
    error = refusal('{"Jane Q. Patient":null,"name":"Jane\\u0000Patient"}')
    assert [issue.path for issue in error.issues] == ["(unreadable name)", "name"]
    assert "Jane" not in str(error)


RIGHT = [
    '{"a":[null,"x"],"_a":[{"id":"y"},null]}',
    '{"_a":[null,{"id":"y"}],"a":["x",null]}',
    nested(32),
    '{"a":' + "[" * 30 + "1" + "]" * 30 + "}",
    '{"a":"' + "x" * 65536 + '"}',
    '{"a":"\\u00b5g \\u003cb\\u003e \\n \\t \\r \\/ \\" \\\\ \\ud83d\\ude00"}',
    '{"a":123456789012345678,"b":0.000000000000000000000000000001}',
    '{"a" : 1}',
    '{"a": true, "b": false}',
    '{"a":"x","b":"\\\\u0000"}',
]


@pytest.mark.parametrize("data", RIGHT)
def test_what_fhir_json_can_hold_is_read(data: str):
    assert fhir_json.read(data) == json.loads(data, parse_float=Decimal)
    assert fhir_json.read(data) == exact.read(data.encode())


@pytest.mark.parametrize(
    "number",
    [
        "1.50",
        "1.0",
        "0.10",
        "1e3",
        "1E-8",
        "1E+2",
        "0.00000001",
        "-0",
        "-0.0",
        "0",
        "5",
        "1.50E+2",
        "123456789012345678",
        "-7.1e-7",
        "0.1234567",
        "1e0",
        "100.000",
    ],
)
def test_a_number_is_written_as_it_was_read(number: str):
    text = f'{{"a":{number},"b":[{number}]}}'
    tree = fhir_json.read(text)
    assert fhir_json.write(tree) == text.encode()
    assert tree["a"] == Decimal(number)
    assert type(tree["a"]) is not float
    assert fhir_json.write(exact.read(text.encode())) == text.encode()


def test_a_computed_number_is_written_in_plain_digits():
    tree: dict[str, Any] = {
        "a": Decimal("1E-8"),
        "b": [Decimal("1E+3"), {"c": Decimal("2.5")}],
        "d": "E-mail",
        "e": Spelled("1e3"),
    }
    assert fhir_json.write(tree) == b'{"a":0.00000001,"b":[1000,{"c":2.5}],"d":"E-mail","e":1e3}'


def test_what_json_does_not_know_is_not_written():
    with pytest.raises(TypeError, match="complex"):
        fhir_json.write({"a": complex(1, 1)})  # type: ignore[dict-item]  # that is the point


def test_pretty_text_is_the_same_with_spaces_and_ends_with_a_line():
    assert fhir_json.write_pretty({"a": [Decimal("1.50")]}) == b'{\n  "a": [\n    1.50\n  ]\n}\n'


def test_a_body_is_limited_in_length_and_a_bundle_to_more():
    text = '{"resourceType":"%s","a":"%s"}'
    assert refusal(text % ("Patient", "x" * 200), body=100).issues[0].status == 413
    assert fhir_json.read(text % ("Bundle", "x" * 200), Limits(body=100))["resourceType"] == "Bundle"
    error = refusal(text % ("Bundle", "x" * 200), body=100, bundle=150)
    assert (error.status, error.issues[0].code) == (413, "too-long")
    assert refusal(b'{"a":"' + b"x" * LIMITS.bundle + b'"}').status == 413


def test_elements_are_counted_and_limited():
    assert fhir_json.read(json.dumps({"a": [1] * 19_999}))
    (issue,) = refusal(json.dumps({"resourceType": "Patient", "a": [1] * 20_000})).issues
    assert (issue.code, issue.path) == ("too-costly", "Patient")


def bundle(*resources: object) -> str:
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    )


def test_entries_of_a_bundle_are_limited_in_number_and_each_by_itself():
    many = {"resourceType": "Patient", "a": [1] * 15_000}
    assert len(fhir_json.read(bundle(many, many))["entry"]) == 2
    (issue,) = refusal(bundle(many, {"a": [1] * 20_001})).issues
    assert (issue.code, issue.path) == ("too-costly", "Bundle.entry[1].resource")
    (issue,) = refusal(bundle(*[{"a": 1}] * 1001)).issues
    assert (issue.status, issue.code, issue.path) == (413, "too-long", "Bundle.entry")
    assert fhir_json.read(bundle(json.loads(nested(32))))
    deep = '{"resourceType":"Bundle","entry":[{"resource":' + nested(33) + "}]}"
    assert refusal(deep).issues[0].path.startswith("Bundle.entry[0].resource.a")
    assert refusal('{"resourceType":"Bundle","entry":{"a":null}}').issues[0].path == "Bundle.entry.a"
    assert (
        refusal('{"resourceType":"Bundle","entry":[5,{"resource":null}]}').issues[0].path == "Bundle.entry[1].resource"
    )


def test_text_may_come_as_str_and_a_lone_surrogate_in_it_is_refused():
    assert fhir_json.read('{"a":"µ"}') == {"a": "µ"}
    assert refusal('{"a":"\ud800"}').issues[0].code == "structure"


# ------------------------------------------------------------------------------------------------------------ laws

digits = st.text(string.digits, min_size=1, max_size=9)
numbers = st.builds(
    lambda sign, whole, fraction, exponent: sign + (whole.lstrip("0") or "0") + fraction + exponent,
    st.sampled_from(["", "-"]),
    digits,
    st.one_of(st.just(""), st.builds(lambda text: "." + text, digits)),
    st.one_of(
        st.just(""), st.builds(lambda e, n: f"{e}{n}", st.sampled_from(["e", "E", "e+", "E-"]), st.integers(0, 15))
    ),
)
names = st.text(string.ascii_letters, min_size=1, max_size=8)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
scalars = st.one_of(
    numbers,
    texts.map(json.dumps),
    texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["true", "false"]),
)


def written(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return JSON texts of arrays and objects of these, with all sorts of white space."""
    space = st.sampled_from(["", " ", "\n", "\t \r\n"])
    arrays = st.builds(
        lambda gap, items: f"[{gap}{f'{gap},{gap}'.join(items)}{gap}]", space, st.lists(values, min_size=1)
    )
    objects = st.builds(
        lambda gap, members: f"{{{gap}{f',{gap}'.join(f'{json.dumps(k)}{gap}:{gap}{v}' for k, v in members.items())}}}",
        space,
        st.dictionaries(names, values, min_size=1, max_size=5),
    )
    return st.one_of(arrays, objects)


documents = st.dictionaries(names, st.recursive(scalars, written, max_leaves=20), min_size=1).map(
    lambda members: "{" + ",".join(f"{json.dumps(name)}: {value}" for name, value in members.items()) + "}"
)


@each(documents)
def test_law_what_is_read_and_written_is_the_same_text_but_for_spaces_and_escapes(document: str):
    again = fhir_json.write(fhir_json.read(document))
    kept = json.loads(document, parse_float=str, parse_int=str)
    assert json.loads(again, parse_float=str, parse_int=str) == kept
    assert list(json.loads(again)) == list(json.loads(document))


@each(documents)
def test_law_the_quick_way_and_the_exact_way_read_the_same(document: str):
    assert repr(fhir_json.read(document)) == repr(exact.read(document.encode()))


@each(documents, st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_law_a_spoiled_text_is_read_or_refused_and_nothing_else(document: str, at: int, spoil: bytes):
    data = document.encode()
    spoiled = data[: at % len(data)] + spoil + data[at % len(data) + 1 :]
    try:
        tree = fhir_json.read(spoiled)
    except Refused:
        with pytest.raises(Refused):
            exact.read(spoiled)
    else:
        assert repr(tree) == repr(exact.read(spoiled))


def test_each_doubled_property_of_an_object_of_a_hundred_thousand_is_told():
    members = ",".join(f'"a{number}":1' for number in range(100_000))
    assert [issue.path for issue in refusal(f'{{{members},"a7":1,"a9":1}}').issues][:2] == ["a7", "a9"]


@each(documents, st.integers(0, 10**6))
def test_law_a_doubled_property_never_passes(document: str, at: int):
    tree = json.loads(document)
    name = list(tree)[at % len(tree)]
    doubled = document[:-1] + f",{json.dumps(name)}:1}}"
    assert any(issue.reason.startswith("the property stands") for issue in refusal(doubled).issues)


@each(numbers)
def test_law_what_is_within_the_limits_prints_as_it_came(number: str):
    if not beyond_limits(number):
        assert fhir_json.write(fhir_json.read(f'{{"a":{number}}}')) == f'{{"a":{number}}}'.encode()


@needs_examples
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_published_example_comes_back_digit_for_digit(file):
    again = fhir_json.write(read(file))
    assert json.loads(again, parse_float=str, parse_int=str) == json.loads(
        file.read_bytes(), parse_float=str, parse_int=str
    )
    assert msgspec.json.decode(again) == json.loads(file.read_bytes())


@pytest.mark.parametrize("id_", ["1-0", "7-0a-0", "x,-0,x", ":-0}"])
def test_what_was_written_is_read_again_whatever_its_ids_and_its_zeros_are(id_: str):
    """What is kept of an answer may have empty lists, and an id may look like a negative zero."""
    kept: dict[str, Any] = {"id": id_, "findings": [], "value": Decimal("-0"), "more": [Decimal("-0"), Decimal("1.50")]}
    read = fhir_json.read_again(fhir_json.write(kept).decode())
    assert read == kept
    assert [str(one) for one in (read["value"], *read["more"])] == ["-0", "-0", "1.50"]
    without: dict[str, Any] = {"id": id_, "findings": []}
    assert fhir_json.read_again(fhir_json.write(without).decode()) == without
