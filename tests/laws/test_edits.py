"""An edit changes what it names and nothing else; text that described the old state goes out no more."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import Any, Final

from hypothesis import given, settings

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.records.check import check
from fhir_infusion.records.number import from_spelling
from tests.counts import count
from tests.laws.kit import (
    SEEDS,
    Json,
    Place,
    at,
    changed,
    each_record,
    each_release,
    golden_resources,
    lens,
    places,
    record_type_of,
    through_text,
    without,
    without_ids,
    written,
)
from tests.laws.test_residue import UNKNOWN, unknown

EXAMPLES = count(500, 10_000)
NOT_EDITED: Final = frozenset({"record", "residue", "representation"})


def editable(record: Json) -> list[Place]:
    return [
        path
        for path, _ in places(record)
        if path[0] not in NOT_EDITED and not (isinstance(path[-1], str) and path[-1].endswith("_id"))
    ]


def edit(record: Json, dice: Random) -> tuple[Json, Place] | None:
    """Return the record after one valid edit, and where: a value changed, an element inserted, deleted or moved."""
    found = editable(record)
    for _ in range(12):
        path = dice.choice(found)
        edited = _edited(record, path, dice)
        if edited is not None and check(edited, as_sent=True):
            return edited, path
    return None


def _edited(record: Json, path: Place, dice: Random) -> Json | None:
    value = at(record, path)
    if dice.random() < 0.15:
        return without(record, path)
    if isinstance(value, list):
        if len(value) == 1 or dice.random() < 0.3:
            return changed(record, path, lambda old: _inserted(old, dice))
        if dice.random() < 0.5:
            return changed(record, path, lambda old: _shuffled(old, dice))
        return without(record, (*path, dice.randrange(len(value))))
    return None if isinstance(value, dict) else changed(record, path, lambda old: _other(old, dice))


def _other(old: Any, dice: Random) -> Any:
    if isinstance(old, bool):
        return not old
    return f"{old}x" if isinstance(old, str) else dice.choice((old + 1, from_spelling("7.50"), 3))


def _inserted(old: list[Any], dice: Random) -> list[Any]:
    index = dice.randrange(len(old) + 1)
    return [*old[:index], without_ids(dice.choice(old)), *old[index:]]


def _shuffled(old: list[Any], dice: Random) -> list[Any]:
    new = list(old)
    dice.shuffle(new)
    return new


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_an_edit_is_read_back_as_that_edit_and_nothing_else(record_type: str, release: str, seed: int):
    here, dice = lens(record_type, release), Random(seed)
    for _, resource in written(record_type, release, seed):
        made = edit(here.read(resource).result, dice)
        if made is None:
            continue
        edited, path = made
        try:
            written_again = here.write(through_text(edited))
        except Refused:
            continue  # this release has no place for it, and says so
        back = here.read(written_again.result).result
        dropped = [line.path for line in written_again.ledger.exceptions if line.state == "dropped"]
        wanted, found = stripped(bare(edited), dropped), bare(back)
        assert list(differences(wanted, found)) == [], f"after an edit of {path}"


def stripped(record: Json, dropped: list[str]) -> Json:
    """Return the record without the texts that the ledger says were dropped, and what held nothing else."""
    copy = deepcopy(record)
    for path in dropped:
        steps: list[str | int] = [
            int(step[:-1]) if step.endswith("]") else step for step in path.replace("[", ".").split(".")
        ]
        _drop(copy, steps)
    return _without_empty(copy) if dropped else copy


def _without_empty(value: Any) -> Any:
    """Leave out the objects and lists that hold nothing, once every place has been found by its index."""
    if isinstance(value, dict):
        made = {name: _without_empty(inner) for name, inner in value.items()}
        return {name: inner for name, inner in made.items() if inner not in ({}, [])}
    if isinstance(value, list):
        return [inner for item in value if (inner := _without_empty(item)) not in ({}, [])]
    return value


def _drop(holder: Any, steps: list[str | int]) -> None:
    head, *rest = steps
    if isinstance(holder, list) and isinstance(head, int) and head < len(holder) and rest:
        _drop(holder[head], rest)
    elif isinstance(holder, dict) and head in holder:
        if rest:
            _drop(holder[head], rest)
        if not rest or not holder[head]:
            del holder[head]


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_after_an_edit_what_is_unknown_stands_where_it_stood_or_is_named(record_type: str, release: str, seed: int):
    here, dice = lens(record_type, release), Random(seed)
    for _, resource in written(record_type, release, seed):
        odd, marked = marked_elements(resource)
        made = edit(here.read(odd).result, dice)
        if made is None or not marked:
            continue
        try:
            written_again = here.write(through_text(made[0]))
        except Refused:
            continue
        text = fhir_json.write(written_again.result).decode()
        lost = [number for number in marked if f'"{UNKNOWN}-{number}"' not in text]
        told = sum(line.state == "dropped" for line in written_again.ledger.exceptions)
        assert len(lost) <= told
        assert all(text.count(f'"{UNKNOWN}-{number}"') == 1 for number in marked if number not in lost)


def marked_elements(resource: Json) -> tuple[Json, list[int]]:
    """Return a copy in which every dosage instruction, ingredient, note and identifier carries an extension of its own."""
    copy, numbers = deepcopy(resource), list[int]()
    for path, value in list(places(copy)):
        if (
            len(path) > 1
            and path[-2] in {"dosageInstruction", "ingredient", "note", "identifier"}
            and isinstance(value, dict)
        ):
            numbers.append(len(numbers))
            value.setdefault("extension", []).append(unknown(numbers[-1]))
    return copy, numbers


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_what_is_unknown_travels_with_its_element_when_a_list_is_reordered(record_type: str, release: str, seed: int):
    here, dice = lens(record_type, release), Random(seed)
    name = "steps" if record_type == "InfusionOrder" else "notes"
    member = "dosageInstruction" if record_type == "InfusionOrder" else "note"
    for _, resource in written(record_type, release, seed):
        if len(resource.get(member, ())) < 2:
            continue
        odd = deepcopy(resource)
        for number, element in enumerate(odd[member]):
            element.setdefault("extension", []).append(unknown(number))
        order = list(range(len(odd[member])))
        dice.shuffle(order)
        record = here.read(odd).result
        record[name] = [record[name][index] for index in order]
        back = here.write(through_text(record)).result
        assert list(differences([odd[member][index] for index in order], back[member])) == []


SENTINEL: Final = "7391.25"
DOSED: Final = ("dosageInstruction", "dosage")


def described(resource: Json, path: Place) -> Json:
    """Return a copy with the sentinel as this number, told again in every text that describes it."""
    copy = changed(resource, path, lambda _: from_spelling(SENTINEL))
    sentence = f"Give {SENTINEL} as charted"
    dosage = at(copy, path[:2]) if path[0] == "dosageInstruction" else at(copy, path[:1])
    dosage["text"] = sentence
    dosage["_text"] = {"extension": [{"url": f"{UNKNOWN}-in-another-language", "valueString": sentence}]}
    if "renderedDosageInstruction" in copy:
        copy["renderedDosageInstruction"] = sentence
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{sentence}</p></div>'
    copy["text"] = {"status": "generated", "div": div}
    return copy


def numbers_of_dosage(resource: Json) -> list[Place]:
    return [
        path
        for path, value in places(resource)
        if path[0] in DOSED and path[-1] == "value" and not isinstance(value, str)
    ]


@each_release
def test_an_edited_dose_leaves_its_old_number_nowhere(release: str):
    asked = 0
    for resource in golden_resources(release):
        here = lens(record_type_of(resource), release)
        for path in numbers_of_dosage(resource):
            told = described(resource, path)
            record = here.read(told).result
            assert SENTINEL in fhir_json.write(here.write(through_text(record)).result).decode(), "untouched, it stays"
            found = [place for place, value in places(record) if place[0] != "residue" and value == Decimal(SENTINEL)]
            assert len(found) == 1, f"{path} is held in one typed field"
            again = here.write(through_text(changed(record, found[0], lambda _: 12)))
            assert SENTINEL not in fhir_json.write(again.result).decode(), f"the old number after an edit of {found[0]}"
            dropped = {line.path for line in again.ledger.exceptions if line.state == "dropped"}
            assert "text" in dropped, "the narrative is named in the ledger"
            asked += 1
    assert asked > 100


@each_release
def test_an_edited_drug_leaves_its_old_display_nowhere(release: str):
    asked = 0
    for resource in golden_resources(release):
        here = lens(record_type_of(resource), release)
        record = here.read(resource).result
        codings = record.get("drug", {}).get("codings", ())
        if not codings or "display" not in codings[0]:
            continue
        record["drug"]["codings"][0]["code"] = "0000"
        again = here.write(through_text(record))
        place = here.read(again.result).result["drug"]["codings"][0]
        assert "display" not in place
        assert any(line.path == "drug.codings[0].display" for line in again.ledger.exceptions)
        asked += 1
    assert asked > 10
