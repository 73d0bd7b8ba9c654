"""One fragment in several places: both engines tell each place, and bring back what is left over to it."""

from __future__ import annotations

from tests.mapping.kit import bare, lens_of
from tests.mapping.test_engines import both, comes_back

TWICE = """
mapping: substitution
between: {internal: Substitution, fhir: Extension, release: R4}
uses: [words]
pairs:
  allowed: {drop: true, why: codes only}
  allowed_kind: extension[url=kind].valueCodeableConcept
  reason: extension[url=reason].valueCodeableConcept
"""
WORDS = """
mapping: words
between: {release: R4}
fragments:
  concept:
    between: {internal: Concept, fhir: CodeableConcept}
    pairs:
      codings[]: {fhir: "coding[]", pairs: {system: system, version: version, code: code, display: display, user_selected: userSelected}}
      text: {fhir: text, warn: in words}
"""


@both
def test_a_fragment_in_two_places_tells_each_place(*, interpret: bool):
    lens = lens_of(TWICE, "Extension", interpret=interpret, words=WORDS)
    record = {"allowed_kind": {"codings": [{"code": "E"}]}, "reason": {"text": "shortage"}}
    resource = {
        "extension": [
            {"url": "kind", "valueCodeableConcept": {"coding": [{"code": "E"}]}},
            {"url": "reason", "valueCodeableConcept": {"text": "shortage"}},
        ]
    }
    comes_back(lens, record, resource)
    assert [finding.path for finding in lens.read(resource).findings] == ["reason.text"]
    assert [finding.path for finding in lens.write(record).findings] == ["reason.text"]
    both_in_words = {"allowed_kind": {"text": "any"}, "reason": {"text": "shortage"}}
    assert [finding.path for finding in lens.write(both_in_words).findings] == ["allowed_kind.text", "reason.text"]


@both
def test_what_a_fragment_leaves_over_in_two_places_comes_back_to_each(*, interpret: bool):
    lens = lens_of(TWICE, "Extension", interpret=interpret, words=WORDS)
    left = [{"url": "http://other.example", "valueCode": code} for code in "abc"]
    resource = {
        "extension": [
            {"url": "kind", "valueCodeableConcept": {"coding": [{"code": "E", "extension": [left[0]]}]}},
            {
                "url": "reason",
                "valueCodeableConcept": {"text": "shortage", "extension": [left[1]]},
                "extension": [left[2]],
            },
        ]
    }
    read = lens.read(resource).result
    (key,) = (coding["coding_id"] for coding in read["allowed_kind"]["codings"])
    assert [(entry["path"], entry["value"]) for entry in read["residue"] if entry["path"][0] != "$"] == [
        (f"extension[kind].valueCodeableConcept.coding[{key}].extension", [left[0]]),
        ("extension[reason].valueCodeableConcept.extension", [left[1]]),
        ("extension[reason].extension", [left[2]]),
    ]
    assert lens.write(read).result == resource


@both
def test_an_object_that_says_nothing_to_us_is_left_over(*, interpret: bool):
    lens = lens_of(TWICE, "Extension", interpret=interpret, words=WORDS)
    left = {"url": "kind", "valueCodeableConcept": {"extension": [{"url": "http://other.example", "valueCode": "a"}]}}
    read = lens.read({"extension": [left]}).result
    assert bare(read) == {}
    assert lens.write(read).result == {"extension": [left]}
