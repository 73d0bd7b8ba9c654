"""What is written by hand with the contract of the mapping keeps it: nothing unknown is lost, nothing is shared."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import differences
from tests.bench import hand_in_whole, hand_out_whole
from tests.bench.hand_in_parts import spelled
from tests.bench.inputs import SHAPES, Input, inputs
from tests.golden_write import translator

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

STRANGE = "strange"
URL = "https://strange.example.org"


@pytest.fixture(scope="module")
def made() -> list[Input]:
    return inputs(translator(), len(SHAPES), 11)


def _containers(value: Any) -> Iterator[Any]:
    """Yield every object and list of a tree, the outer before the inner."""
    if isinstance(value, (dict, list)):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _objects(value: Any) -> int:
    return sum(isinstance(one, dict) for one in _containers(value))


def _with_a_strange_member(value: Json, at: int) -> Json:
    """Return a copy in which the object at this place of the walk has one member more."""
    copy = deepcopy(value)
    objects = [one for one in _containers(copy) if isinstance(one, dict)]
    objects[at][STRANGE] = "kept"
    return copy


def _with_a_strange_extension(value: Json) -> Iterator[Json]:
    """Yield copies in which one array of extensions has one more, in front or behind, strange or doubled."""
    arrays = [at for at, one in enumerate(_containers(value)) if isinstance(one, dict) and "extension" in one]
    for at in arrays:
        for front in (True, False):
            for doubled in (True, False):
                copy = deepcopy(value)
                array = list(_containers(copy))[at]["extension"]
                one = {**deepcopy(array[0]), "id": STRANGE} if doubled else {"url": URL, "valueString": STRANGE}
                array.insert(0 if front else len(array), one)
                yield copy


def test_a_member_that_is_not_known_is_kept_with_its_path(made: list[Input]):
    for one in made:
        fhir = fhir_json.read(one.fhir)
        for at in range(_objects(fhir)):
            record, left = hand_in_whole.to_internal(_with_a_strange_member(fhir, at))
            assert not list(differences(one.record, record))
            assert len(left) == 1
            assert STRANGE in f"{spelled(left[0][0])}={left[0][1]}"


def test_an_extension_that_is_not_known_or_there_twice_is_kept(made: list[Input]):
    for one in made:
        for fhir in _with_a_strange_extension(fhir_json.read(one.fhir)):
            _, left = hand_in_whole.to_internal(fhir)
            assert STRANGE in str(left)
            assert "extension" in spelled(left[0][0])


def test_a_unit_of_another_system_an_identifier_and_a_resource_of_their_own_are_kept(made: list[Input]):
    fhir = fhir_json.read(made[0].fhir)
    strange: Json = {"system": URL, "value": STRANGE}
    contained: Json = {"resourceType": "Basic", "id": STRANGE}
    fhir["identifier"].insert(0, strange)
    fhir["contained"].append(contained)
    medication = next(one for one in fhir["contained"] if one["resourceType"] == "Medication")
    medication["ingredient"][0]["strength"]["numerator"]["system"] = URL
    record, left = hand_in_whole.to_internal(fhir)
    assert [(spelled(path), value) for path, value in left] == [("identifier", strange), ("contained", contained)]
    assert record["order_id"] == made[0].record["order_id"]
    assert record["preparation"]["ingredients"][0]["strength"]["numerator"]["unit_system"] == URL


def test_a_member_of_a_record_that_is_not_known_is_refused_by_name(made: list[Input]):
    for one in made:
        for at in range(_objects(one.record)):
            with pytest.raises(hand_out_whole.UnknownMembersError, match=STRANGE):
                hand_out_whole.to_fhir(_with_a_strange_member(one.record, at))


def test_nothing_is_shared_with_the_input(made: list[Input]):
    for one in made:
        fhir = fhir_json.read(one.fhir)
        record, left = hand_in_whole.to_internal(fhir)
        resource = hand_out_whole.to_fhir(one.record)
        assert left == []
        assert not list(differences(one.record, record))
        assert not list(differences(fhir, resource))
        for given, result in ((fhir, record), (one.record, resource)):
            assert not {id(part) for part in _containers(given)} & {id(part) for part in _containers(result)}
