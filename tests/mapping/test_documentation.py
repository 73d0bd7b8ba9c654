"""A document as tables for people: every pair stands in them, in words, and what an overlay changes is marked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.actions.mappings import described
from fhir_infusion.config import Settings
from fhir_infusion.mapping.documentation import html, markdown, page
from fhir_infusion.mapping.inspect import pairs
from fhir_infusion.translator import Translator
from tests.mapping.kit import lens_of

if TYPE_CHECKING:
    from fhir_infusion.mapping.documentation import Page
    from fhir_infusion.mapping.library import Library

CODING = """
mapping: coding
between: {internal: Coding, fhir: Extension, release: R4}
always: {url: "https://x.example/a|b"}
pairs:
  code:
    - {fhir: valueCode, when: system missing}
    - {fhir: valueCoding.code, when: "fhir:valueCoding exists"}
  system: valueCoding.system
  version: {drop: true, why: the site has none}
  display: {fhir: valueCoding.display, warn: "odd <here>"}
  user_selected: {const: true}
"""


@pytest.fixture(scope="module")
def translator(library: Library) -> Translator:
    return Translator(library, Settings())


def section(one: Page, heading: str) -> list[tuple[str, ...]]:
    return [row for each in one.sections if each.heading == heading for row in each.rows]


def test_pairs_conditions_fixed_values_and_what_is_left_out_are_told_in_words():
    one = page(lens_of(CODING, "Extension"), {}, {})
    assert one.title == "Coding and Extension, R4"
    assert section(one, "What stands where") == [
        (
            "`code`",
            "The code.",
            "`Extension.valueCode`",
            "as it is",
            "written here where `system` is not there",
            "`document.yaml:7`",
        ),
        (
            "`code`",
            "The code.",
            "`Extension.valueCoding.code`",
            "as it is",
            "read from here where `valueCoding` is there",
            "`document.yaml:8`",
        ),
        ("`system`", "The code system.", "`Extension.valueCoding.system`", "as it is", "", "`document.yaml:9`"),
        (
            "`display`",
            "What the code means, in words.",
            "`Extension.valueCoding.display`",
            "as it is; told as a finding: odd <here>",
            "",
            "`document.yaml:11`",
        ),
    ]
    assert section(one, "Fixed") == [
        ("record `user_selected`", "`true`"),
        ("FHIR `Extension.url`", "`https://x.example/a|b`"),
    ]
    assert section(one, "Left out") == [("record `version`", "the site has none")]


def test_markdown_and_html_show_the_same_and_markup_in_a_document_is_text():
    pages = [page(lens_of(CODING, "Extension"), {}, {})]
    assert "| FHIR `Extension.url` | `https://x.example/a\\|b` |" in markdown(pages)
    made = html(pages)
    assert "<td>as it is; told as a finding: odd &lt;here&gt;</td>" in made
    assert "<code>Extension.valueCoding.code</code>" in made
    assert len(re.findall("<tr>", made)) == sum(len(one.rows) + 1 for one in pages[0].sections)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_every_place_of_a_dose_and_every_table_with_its_displays_is_in_the_shipped_documents(
    translator: Translator, release: str
):
    (order,) = described.pages(translator, Settings(), release, fhir_type="MedicationRequest")
    rows = section(order, "What stands where")
    held = {row[0] for row in rows}
    lens = translator.lens(release, "MedicationRequest")
    simple = {f"`{pair.internal}`" for pair in pairs(lens) if ".dosings[]." in pair.internal}
    assert {one for one in simple if "basis_codings" not in one} <= held
    dose = next(row for row in rows if row[0] == "`steps[].dosings[].dose`")
    assert dose[2:4] == (
        "`MedicationRequest.dosageInstruction[].doseAndRate[].doseQuantity`",
        "number and unit, the unit in UCUM; every digit kept",
    )
    assert all(words for _, words, *_ in rows)
    status = section(order, f"Codes: order-status-{release.lower()}")
    assert ("`on-hold`", "`on-hold`", "On Hold", "") in status
    assert {row[3] for row in section(order, "Inside: Concept")} >= {"as it is"}


def test_what_an_overlay_changes_is_marked_and_what_it_replaces_is_told(translator: Translator):
    (order,) = described.pages(translator, Settings(), "R4", "example-site", "MedicationRequest")
    marked = [row for row in section(order, "What stands where") if "changed by the overlay" in row[-1]]
    assert [row[0] for row in marked] == ["`care_setting`"]
    assert "by the table `example-site-category`" in marked[0][3]
    (replaced,) = section(order, "Changed by the overlay")
    assert replaced[0] == "`care_setting`"
    assert "care-setting].valueCode" in replaced[1]
    assert ("`clinic`", "`OP`", "", "read back as `infusion-centre`") in section(order, "Codes: example-site-category")
    (plain,) = described.pages(translator, Settings(), "R4", None, "MedicationRequest")
    assert section(plain, "Changed by the overlay") == []
    assert not any("changed" in row[-1] for row in section(plain, "What stands where"))
