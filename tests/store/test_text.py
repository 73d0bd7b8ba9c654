"""The digest of JSON tells apart what is not the same."""

from decimal import Decimal

import pytest

from fhir_infusion.store import text


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ('{"a":1,"b":[{"c":1,"d":2}]}', '{"b":[{"d":2,"c":1}],"a":1}', True),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        ('{"a":1.50}', '{"a":1.5}', False),
        ('{"a":1}', '{"a":1.0}', False),
        ('{"a":1E-8}', '{"a":0.00000001}', False),
        ('{"a":1}', '{"a":"1"}', False),
        ('{"a":true}', '{"a":1}', False),
        ('{"a":"é"}', '{"a":"e\\u0301"}', False),
        ('{"a":"\\u00e9"}', '{"a":"é"}', True),
    ],
)
def test_equal_is_what_is_written_the_same_whatever_the_order_of_members(one, other, equal):
    assert (text.digest(text.read(one)) == text.digest(text.read(other))) == equal


def test_what_is_no_json_has_no_digest():
    with pytest.raises(TypeError):
        text.digest({"a": object()})  # type: ignore[dict-item]  # that is the point
    assert text.digest({"a": Decimal("1.50")}) == text.digest(text.read('{"a":1.50}'))
