"""Code tables as ConceptMaps: what stands in them; HL7's validator judges the shipped ones in tests/standard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.code_tables import CodeTable
from fhir_infusion.mapping.concept_maps import UNITS, VERSION, complete_ones, concept_map, matches, tables_of

CODEC = codecs.table("some-letters", {"a": "X", "b": "Y", "c": "X"}, {"X": "c", "Y": "b"})
TABLE = CodeTable("some-letters", "urn:map", "Letters and others.", "urn:ours", "urn:theirs", "", CODEC)


@pytest.mark.parametrize(
    ("release", "relation", "wider"),
    [
        ("R4", "equivalence", "wider"),
        ("R4B", "equivalence", "wider"),
        ("R5", "relationship", "source-is-narrower-than-target"),
    ],
)
def test_a_table_is_a_concept_map_with_its_relations_and_what_is_read_back(release: str, relation: str, wider: str):
    shared = {"code": "X", relation: wider, "comment": "read back as c"}
    assert concept_map(TABLE, release) == {
        "resourceType": "ConceptMap",
        "id": "some-letters",
        "url": "urn:map",
        "version": VERSION,
        "name": "SomeLetters",
        "title": "Some letters",
        "status": "active",
        "experimental": False,
        "publisher": "fhir-infusion",
        "description": "Letters and others.",
        "group": [
            {
                "source": "urn:ours",
                "target": "urn:theirs",
                "element": [
                    {"code": "a", "target": [shared]},
                    {"code": "b", "target": [{"code": "Y", relation: "equivalent"}]},
                    {"code": "c", "target": [shared]},
                ],
            }
        ],
    }
    assert "description" not in concept_map(replace(TABLE, description=""), release)


def test_a_table_of_the_other_release_or_without_systems_is_none():
    with pytest.raises(DocumentError, match="the code table 'some-letters' is for R5"):
        concept_map(replace(TABLE, release="R5"), "R4")
    with pytest.raises(DocumentError, match="has no url and no target, so it is no ConceptMap"):
        concept_map(replace(TABLE, url="", target=""), "R4")


def test_the_repaired_units_are_one_too():
    made = concept_map(UNITS, "R4")
    (group,) = made["group"]
    assert (made["url"], made["description"]) == (UNITS.url, UNITS.description)
    assert {element["code"]: element["target"][0]["code"] for element in group["element"]}["hr"] == "h"


def test_a_code_that_several_share_is_wider_and_read_back_each_of_them_narrower_the_right_one_first():
    found = [(one.system, one.code, one.relation) for one in matches(TABLE, "R4", "a")]
    assert found == [("urn:theirs", "X", "wider")]
    back = [(one.system, one.code, one.relation) for one in matches(TABLE, "R4", "X", reverse=True)]
    assert back == [("urn:ours", "c", "narrower"), ("urn:ours", "a", "narrower")]
    narrower = "source-is-narrower-than-target"
    assert [one.relation for one in matches(TABLE, "R5", "X", reverse=True)] == [narrower, narrower]
    assert [one.relation for one in matches(TABLE, "R5", "Y", reverse=True)] == ["equivalent"]
    assert matches(TABLE, "R4", "X") == matches(TABLE, "R4", "a", reverse=True) == []


def test_a_table_that_lacks_a_part_is_told_of_but_is_no_concept_map():
    bare = replace(TABLE, name="bare", url="")
    codes = {"some-letters": TABLE, "bare": bare, "other": replace(TABLE, release="R5")}
    assert tables_of(codes, "R4B") == {"some-letters": TABLE, "bare": bare, UNITS.name: UNITS}
    assert complete_ones(codes, "R4B") == {"some-letters": TABLE, UNITS.name: UNITS}
