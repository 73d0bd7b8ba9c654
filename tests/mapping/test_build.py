"""What the builder takes, and each of its complaints: wrong_documents.yaml is the table of wrong documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_infusion.errors import DocumentError
from fhir_infusion.fhir import elements
from fhir_infusion.mapping.library import load
from tests.mapping.kit import CONCEPT, KIT, bare, complaints_of, lens_of

WRONG: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "wrong_documents.yaml").read_text("utf-8"))
UNMAPPED = "has no pair; map it, or drop it with a `why`"
PACKAGE = Path(__file__).parents[2] / "fhir_infusion" / "mapping"


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row["wrong"])
def test_a_wrong_document_is_refused_with_its_place_and_what_would_be_accepted(row: dict[str, Any]):
    told = complaints_of(row["document"], **row.get("files", {"kit": KIT}))
    about_fields = any(UNMAPPED in complaint for complaint in row["complaints"])
    assert [one for one in told if about_fields or UNMAPPED not in one] == row["complaints"]


def test_every_complaint_of_the_builder_has_its_wrong_document():
    """The words between the values of each complaint in the code stand in some row of the table."""
    told = "\n".join(complaint for row in WRONG for complaint in row["complaints"])
    said = [
        text
        for name in ("build", "types", "fits", "trees", "fragments", "completeness", "aliases")
        for text in re.findall(
            r'(?:add\([\w.\[\]"]+, f?|what = f?|return f)"([^"]{12,})"', (PACKAGE / f"{name}.py").read_text("utf-8")
        )
    ]
    missing = [text for text in said if max(re.split(r"\{[^}]*\}", text), key=len).strip("'; ") not in told]
    assert len(said) > 25
    assert missing == []


def test_all_complaints_of_all_documents_are_told_at_once():
    texts = {
        "one.yaml": "mapping: one\nbetween: {internal: Period, fhir: Period, release: R4}\npairs: {strat: start, edn: end}\n",
        "two.yaml": "mapping: two\nbetween: {internal: Perid, fhir: Period, release: R4}\npairs: {}\n",
    }
    with pytest.raises(DocumentError) as raised:
        load(texts, {"R4": elements.table("R4")}, {})
    places = [complaint.partition(" ")[0] for complaint in raised.value.complaints]
    assert places == ["one.yaml:3:", "one.yaml:3:", "two.yaml:2:"]


RIGHT = "mapping: m\nbetween: {internal: Period, fhir: Period, release: R4}\npairs:\n  start: start\n  end: end\n"
INHERITS = {
    "r5": "mapping: m\nextends: document\nbetween: {release: R5}\n",
    "site": "overlay: site\ndocuments: {document: {pairs: {start: start}}}\n",
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("end: end", "end: ende"), "document.yaml:5: 'ende' is not an element of Period; accepted: end"),
        (("end: end", "edn: end"), "document.yaml:5: 'edn' is not a field of Period; accepted: end"),
        (("end: end", "end: {drop: true}"), "document.yaml:5: a drop names its `why`"),
        (("end: end", "end: {to: end}"), "document.yaml:5: 'to' is not a member of a pair; accepted: "),
        (("end: end", "end: 'end['"), "document.yaml:5: "),
        (("  end: end\n", ""), f"document.yaml:3: Period: the field 'end' of Period {UNMAPPED}"),
    ],
)
def test_one_wrong_pair_is_one_complaint_also_in_what_extends_its_document(change: tuple[str, str], complaint: str):
    told = complaints_of(RIGHT.replace(*change), **INHERITS)
    assert len(told) == 1, told
    assert told[0].startswith(complaint)


def test_one_wrong_pair_inside_another_is_one_complaint():
    document = """
mapping: m
between: {internal: Identifier, fhir: Identifier, release: R4}
pairs:
  use: use
  system: system
  value: value
  type: {drop: true, why: not asked}
  assigner: {drop: true, why: not asked}
  period:
    fhir: period
    pairs:
      start: start
      end: ende
"""
    inner = "document.yaml:14: 'ende' is not an element of Period; accepted: end"
    outer = "document.yaml:11: 'priod' is not an element of Identifier; accepted: period, id"
    assert complaints_of(document) == [inner]
    assert complaints_of(document.replace("fhir: period", "fhir: priod").replace("ende", "end")) == [outer]


def test_a_field_without_pair_is_told_beside_another_that_has_a_wrong_one():
    assert complaints_of(RIGHT.replace("  start: start\n", "").replace("end: end", "end: ende")) == [
        "document.yaml:4: 'ende' is not an element of Period; accepted: end",
        f"document.yaml:3: Period: the field 'start' of Period {UNMAPPED}",
    ]


def test_a_complaint_below_an_overlay_names_the_line_of_the_overlay():
    base = "mapping: m\nbetween: {internal: Period, fhir: Period, release: R4}\npairs:\n  start: start\n  end: end\n"
    site = "overlay: site\ndocuments:\n  document:\n    pairs:\n      end: edn\n"
    told = "site.yaml:5: 'edn' is not an element of Period; accepted: end, id"
    assert told in complaints_of(base, site=site)


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_the_elements_of_a_list_keep_their_ids_as_keys():
    lens = lens_of(CONCEPT, "CodeableConcept", kit=KIT)
    record = {"codings": [{"code": "a"}, {"coding_id": "k", "code": "b"}], "text": "t"}
    resource = {"coding": [{"code": "a"}, {"id": "k", "code": "b"}], "text": "t"}
    assert lens.write(record).result == resource
    assert bare(lens.read(resource).result) == record


def test_a_pair_of_alternatives_is_written_to_the_first_whose_condition_holds():
    lens = lens_of(
        """
mapping: coding
between: {internal: Coding, fhir: Extension, release: R4}
pairs:
  code: [{fhir: valueCode, when: system missing}, valueCoding.code]
  system: valueCoding.system
  version: valueCoding.version
  display: valueCoding.display
  user_selected: valueCoding.userSelected
""",
        "Extension",
    )
    assert lens.write({"code": "a"}).result == {"valueCode": "a"}
    assert lens.write({"code": "a", "system": "urn:s"}).result == {"valueCoding": {"code": "a", "system": "urn:s"}}


def test_a_condition_of_the_resource_decides_reading():
    lens = lens_of(
        """
mapping: coding
between: {internal: Coding, fhir: Coding, release: R4}
pairs:
  code: {fhir: code, when: "fhir:system exists"}
  version: {fhir: code, when: "fhir:system missing"}
  system: system
  display: display
  user_selected: userSelected
""",
        "Coding",
    )
    assert bare(lens.read({"code": "a", "system": "urn:s"}).result) == {"code": "a", "system": "urn:s"}
    assert bare(lens.read({"code": "a"}).result) == {"version": "a"}


def test_a_list_of_simple_values_may_ride_in_an_array_of_objects():
    lens = lens_of(
        """
mapping: words
between: {internal: Timing, fhir: Extension, release: R4}
pairs:
  weeks: extension[url=week][].valueUnsignedInt
  events: {drop: true, why: not asked}
  code: {drop: true, why: not asked}
  bounds_period: {drop: true, why: not asked}
  bounds_length: {drop: true, why: not asked}
  bounds_range: {drop: true, why: not asked}
  count: {drop: true, why: not asked}
  count_max: {drop: true, why: not asked}
  duration: {drop: true, why: not asked}
  frequency: {drop: true, why: not asked}
  frequency_max: {drop: true, why: not asked}
  period: {drop: true, why: not asked}
  period_max: {drop: true, why: not asked}
  period_unit: {drop: true, why: not asked}
  days_of_week: {drop: true, why: not asked}
  times_of_day: {drop: true, why: not asked}
  when: {drop: true, why: not asked}
  offset: {drop: true, why: not asked}
  days_of_cycle: {drop: true, why: not asked}
  cycle_length: {drop: true, why: not asked}
""",
        "Extension",
    )
    resource = {"extension": [{"url": "week", "valueUnsignedInt": 0}, {"url": "week", "valueUnsignedInt": 2}]}
    assert lens.write({"weeks": [0, 2]}).result == resource
    assert bare(lens.read(resource).result) == {"weeks": [0, 2]}


def test_the_first_and_the_rest_of_a_list_have_their_places():
    lens = lens_of(
        """
mapping: concept
between: {internal: Concept, fhir: Extension, release: R4}
uses: [kit]
pairs:
  text: {drop: true, why: not asked}
  codings[first]: valueCoding
  codings[rest]: extension[url=more][].valueCoding
""",
        "Extension",
        kit=KIT,
    )
    resource = {
        "valueCoding": {"code": "a"},
        "extension": [{"url": "more", "valueCoding": {"code": "b"}}, {"url": "more", "valueCoding": {"code": "c"}}],
    }
    record = {"codings": [{"code": "a"}, {"code": "b"}, {"code": "c"}]}
    assert lens.write(record).result == resource
    assert bare(lens.read(resource).result) == record


def test_an_element_of_another_release_is_told_with_the_release_that_has_it_and_what_this_one_has() -> None:
    def told(release: str, name: str) -> str:
        text = f"""
mapping: order
between: {{internal: InfusionOrder, fhir: MedicationRequest, release: {release}}}
pairs:
  rendered_instruction: {name}
"""
        with pytest.raises(DocumentError) as complaint:
            lens_of(text, "MedicationRequest", release)
        return next(line for line in complaint.value.complaints if name in line).partition(": ")[2]

    assert told("R4", "renderedDosageInstruction") == (
        "'renderedDosageInstruction' is an element of MedicationRequest in R5, not in the release of this document; "
        "accepted here: dosageInstruction, substitution, modifierExtension, reportedBoolean, reasonReference, or HL7's "
        "extension http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.renderedDosageInstruction"
    )
    assert told("R5", "reasonReference") == (
        "'reasonReference' is an element of MedicationRequest in R4, not in the release of this document; "
        "accepted here: reason, informationSource, reported, recorder, requester"
    )
