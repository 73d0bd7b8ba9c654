"""Code tables as ConceptMaps: what stands in them; HL7's validator judges the shipped ones in tests/standard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.code_tables import CodeTable
from fhir_infusion.mapping.concept_maps import UNITS, VERSION, concept_map

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
