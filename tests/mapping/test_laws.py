"""Proving a lens: right documents hold, planted faults break the law that they should."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.mapping.codecs import Codec, read_quantity
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.mapping.laws import Broken, Proof, Refusal, edit, prove
from fhir_infusion.mapping.lens import Lens, Translation
from fhir_infusion.records.fields import table
from fhir_infusion.records.number import from_spelling
from tests.mapping.kit import CONCEPT, KIT, lens_of

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

RANGE = """
mapping: range
between: {internal: Range, fhir: Range, release: R4}
pairs: {low: low, high: high}
"""


def ranges(seed: int) -> list[Json]:
    return [{"low": {"value": Decimal("1.50"), "unit": "mL/h"}, "high": {"value": seed + 2, "unit": "mL/h"}}]


def concepts(seed: int) -> list[Json]:
    codings = [
        {"system": "urn:s", "code": f"c{seed}"},
        {"coding_id": "k", "system": "urn:t", "code": "x", "display": "X"},
    ]
    return [{"codings": codings, "text": "words"}]


def range_lens() -> Lens:
    return lens_of(RANGE, "Range")


def concept_lens() -> Lens:
    return lens_of(CONCEPT, "CodeableConcept", kit=KIT)


def interpreting(lens: Lens) -> Lens:
    """Return a lens of the same plan that interprets, so that what is planted in the plan is what it does."""
    return Lens(lens.plan, table(), interpret=True)


def laws_broken(lens: Any, records: Callable[[int], list[Json]], count: int = 20) -> set[str]:
    proof = prove(lens, records, Random, count)
    assert not proof.holds
    return {broken.law for broken in proof.broken}


# --- what holds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lens", "records"), [(range_lens, ranges), (concept_lens, concepts)])
def test_a_right_document_holds(lens: Callable[[], Lens], records: Callable[[int], list[Json]]):
    proof = prove(lens(), records, Random, 40, lens())
    assert proof == Proof(40, 0, ())
    assert proof.holds


def test_a_lens_that_refuses_most_examples_is_not_proven():
    proof = prove(concept_lens(), lambda _: [{"speed": 1}], Random, 4)
    reason = "this is not a field of the record"
    assert proof == Proof(4, 4, (), (Refusal("speed", reason, 4),), (Refusal("speed", reason, 4),))
    assert not proof.holds
    assert Proof(asked=4, refused=1, broken=()).holds


@pytest.mark.parametrize(("good", "never"), [(0, True), (1, False)])
def test_a_field_that_is_refused_each_time_is_not_proven_though_few_examples_are(good: int, *, never: bool):
    def records(seed: int) -> list[Json]:
        return [{"codings": [{"code": "a"}]}] * 9 + [{"codings": [{"system": "urn:s" if seed < good else 5}]}]

    lens = lens_of(SYSTEM_TABLE, "CodeableConcept", systems="codes: systems\nmap: {'urn:s': 'urn:S'}\n")
    proof = prove(lens, records, Random, 4)
    accepted = "no pair of the mapping takes this value in this release"
    refusal = Refusal("codings.system", accepted, 4 - good)
    assert (proof.refused, proof.refusals, proof.never) == (4 - good, (refusal,), (refusal,) if never else ())
    assert proof.holds is not never


SYSTEM_TABLE = """
mapping: concept
between: {internal: Concept, fhir: CodeableConcept, release: R4}
pairs:
  codings[]:
    fhir: coding[]
    pairs:
      system: {fhir: system, codes: systems}
      version: version
      code: code
      display: display
      user_selected: userSelected
  text: text
"""


def test_a_code_that_cannot_come_back_as_itself_breaks_no_law_because_it_is_said_aloud():
    text = """
mapping: m
between: {internal: Identifier, fhir: Extension, release: R4}
pairs:
  value: {fhir: valueCode, codes: letters}
  use: {drop: true, why: w}
  type: {drop: true, why: w}
  system: {drop: true, why: w}
  period: {drop: true, why: w}
  assigner: {drop: true, why: w}
"""
    lens = lens_of(text, "Extension", letters="codes: letters\nmap: {a: X, b: X}\nback: {X: b}\n")
    assert prove(lens, lambda _: [{"value": "a"}, {"value": "b"}], Random, 5).broken == ()


# --- planted faults ---------------------------------------------------------------------------------------------------


def plant(lens: Lens, fault: Callable[[Codec], Codec]) -> Lens:
    """Return a lens with another codec in each leaf of its outermost object."""
    for member in lens.plan.root.fobj.members.values():
        for leaf in member.leaves:
            leaf.codec = fault(leaf.codec)
    return interpreting(lens)


def read_shortened(fhir: Json) -> Json:
    """Read a quantity, losing trailing zeros as a number would."""
    quantity = read_quantity(fhir)
    return {**quantity, "value": Decimal(quantity["value"]).normalize()}


def test_a_codec_that_loses_trailing_zeros_breaks_back():
    lens = plant(range_lens(), lambda codec: replace(codec, read=read_shortened))
    assert laws_broken(lens, ranges) >= {"back", "again"}


def test_a_codec_that_adds_a_zero_when_writing_breaks_back():
    def write(quantity: Any) -> Json:
        return {
            "value": from_spelling(f"{quantity['value']}0"),
            "code": quantity["unit"],
            "system": "http://unitsofmeasure.org",
        }

    lens = plant(range_lens(), lambda codec: replace(codec, write=write))
    assert "back" in laws_broken(lens, ranges)


def test_two_fields_exchanged_on_one_way_break_back():
    lens = range_lens()
    low, high = (lens.plan.root.iobj.members[name].leaves for name in ("low", "high"))
    low[0].fhir, high[0].fhir = high[0].fhir, low[0].fhir
    assert "back" in laws_broken(interpreting(lens), ranges)


class Wrong:
    """A lens that changes what comes out."""

    def __init__(
        self, lens: Lens, read: Callable[[Json], Json] = deepcopy, write: Callable[[Json], Json] = deepcopy
    ) -> None:
        """Keep the lens and the changes."""
        self.lens, self.plan, self.changed_read, self.changed_write = lens, lens.plan, read, write

    def read(self, resource: Json) -> Translation:
        translation = self.lens.read(resource)
        return replace(translation, result=self.changed_read(translation.result))

    def write(self, record: Json) -> Translation:
        translation = self.lens.write(record)
        return replace(translation, result=self.changed_write(translation.result))


def reversed_list(name: str) -> Callable[[Json], Json]:
    return lambda value: {**value, name: value[name][::-1]} if name in value else value


def refuse(_: Json) -> Json:
    raise Refused(Issue("error", "value", "text", "not this one"))


def forget_edits(record: Json) -> Json:
    """Say that every coding of the second system is `x`, as it was."""
    codings = [{**coding, "code": "x"} if coding["system"] == "urn:t" else coding for coding in record["codings"]]
    return {**record, "codings": codings}


WRONG: dict[str, tuple[Any, str]] = {
    "a list reversed when read": ({"read": reversed_list("codings")}, "back"),
    "a list reversed when written": ({"write": reversed_list("coding")}, "back"),
    "a list reversed both ways is wrong to the oracle only": (
        {"read": reversed_list("codings"), "write": reversed_list("coding")},
        "oracle",
    ),
    "a text lost when read": ({"read": lambda record: {k: v for k, v in record.items() if k != "text"}}, "back"),
    "what was written is refused when read": ({"read": refuse}, "back"),
    "an edit forgotten": ({"read": forget_edits}, "edit"),
}


@pytest.mark.parametrize(("fault", "law"), WRONG.values(), ids=WRONG)
def test_a_wrong_lens_breaks_its_law(fault: Any, law: str):
    broken = laws_broken(Wrong(concept_lens(), **fault), concepts, 60)
    assert law in broken
    assert broken <= {"back", "again", "oracle", "edit", "other"}


def test_a_lens_that_cannot_write_what_it_read_breaks_again():
    wrong = Wrong(concept_lens(), read=lambda record: {**record, "speed": 1})
    assert "again" in laws_broken(wrong, concepts)


def test_a_lens_that_differs_from_the_other_release_breaks_other():
    other = Wrong(concept_lens(), read=reversed_list("codings"))
    proof = prove(concept_lens(), concepts, Random, 5, other)  # type: ignore[arg-type]  # it stands for a lens
    assert {broken.law for broken in proof.broken} == {"other"}
    refusing = Wrong(concept_lens(), read=refuse)
    assert prove(concept_lens(), concepts, Random, 5, refusing).holds  # type: ignore[arg-type]  # as above


def test_a_broken_law_names_its_example_and_the_first_place():
    proof = prove(Wrong(concept_lens(), read=reversed_list("codings")), concepts, Random, 2)  # type: ignore[arg-type]  # as above
    assert Broken("back", 1, "codings[0].code") in proof.broken


def test_the_oracle_finds_an_interpreter_that_refuses_what_the_compiled_writer_takes():
    lens = Lens(concept_lens().plan, table()).compile()
    lens.plan.root.iobj.members["text"].leaves.clear()
    assert "oracle" in laws_broken(lens, concepts)


# --- the tools of the laws --------------------------------------------------------------------------------------------


def test_a_record_without_residue_derived_keys_and_what_only_the_reader_sets():
    record = {
        "residue": [1],
        "representation": "single",
        "steps": [{"step_id": "~1", "text": "a"}, {"step_id": "~~1"}, {"step_id": "s"}],
    }
    assert bare(record) == {"steps": [{"text": "a"}, {"step_id": "~~1"}, {"step_id": "s"}]}


@pytest.mark.parametrize(
    ("left", "right", "places"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": Decimal("1.5")}, {"a": Decimal("1.50")}, ["a"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["a[1].b"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
        ({"a": 1, "b": 1}, {"a": 2, "c": 1}, ["a", "b", "c"]),
        (1, 2, [""]),
    ],
)
def test_differences_are_named_by_their_places(left: Any, right: Any, places: list[str]):
    assert list(differences(left, right)) == places


def test_an_edit_changes_one_place_and_leaves_the_record_as_it_was():
    record = concepts(0)[0]
    before = deepcopy(record)
    changed = {next(differences(record, edit(record, Random(seed)))) for seed in range(60)}
    assert record == before
    assert {"text", "codings[0].code", "codings[1].display", "codings"} <= changed
    assert all("coding_id" not in place or place.startswith("codings[") for place in changed)


def test_an_edit_of_a_list_takes_an_element_out_or_moves_one():
    record = {"codings": [{"user_selected": True}, {"user_selected": False}]}
    made = [edit(record, Random(seed))["codings"] for seed in range(20)]
    assert [{"user_selected": False}] in made
    assert [{"user_selected": False}, {"user_selected": True}] in made


def test_numbers_are_edited_by_value():
    assert edit({"low": {"value": Decimal("1.50")}}, Random(1)) == {"low": {"value": Decimal("2.50")}}


def test_a_record_in_which_nothing_may_be_edited_stays():
    assert edit({"record": "InfusionOrder", "residue": [], "reported": True}, Random(1)) == {
        "record": "InfusionOrder",
        "residue": [],
        "reported": True,
    }
