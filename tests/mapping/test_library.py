"""The library as a whole: what a file is, overlays, settings, code tables both ways."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import DocumentError, Refused
from fhir_infusion.fhir import elements
from fhir_infusion.mapping.library import Library, load
from tests.mapping.kit import CONCEPT, KIT, SETTINGS, bare, complaints_of, lens_of, texts_of

if TYPE_CHECKING:
    from fhir_infusion.mapping.lens import Lens

TABLES = {"R4": elements.table("R4"), "R5": elements.table("R5")}

PERIOD = """
mapping: period
between: {internal: Period, fhir: Period, release: R4}
pairs:
  start: start
  end: end
"""
PERIOD_R5 = "mapping: period\nextends: document\nbetween: {release: R5}\n"
SITE = """
overlay: site
description: Starts stand in an extension.
defaults: {representation: split}
documents:
  document:
    pairs:
      start: extension[url=urn:start].valueDateTime
"""


def load_all(text: str = PERIOD, settings: dict[str, str] = SETTINGS, **files: str) -> Library:
    return load(texts_of(text, **files), TABLES, settings)


def lens(library: Library, release: str, fhir_type: str, overlay: str | None = None) -> Lens:
    found = library.lens(release, fhir_type, overlay)
    assert found is not None
    return found


# --- overlays ---------------------------------------------------------------------------------------------------------


def test_an_overlay_changes_its_lenses_and_no_others():
    library = load_all(site=SITE)
    assert library.overlays() == ["site"]
    assert lens(library, "R4", "Period").write({"start": "2024"}).result == {"start": "2024"}
    changed = {"extension": [{"url": "urn:start", "valueDateTime": "2024"}]}
    assert lens(library, "R4", "Period", "site").write({"start": "2024"}).result == changed


def test_an_overlay_of_an_r4_document_reaches_the_r5_document_that_extends_it():
    library = load_all(r5=PERIOD_R5, site=SITE)
    changed = {"extension": [{"url": "urn:start", "valueDateTime": "2024"}]}
    assert lens(library, "R5", "Period", "site").write({"start": "2024"}).result == changed
    assert bare(lens(library, "R5", "Period", "site").read(changed).result) == {"start": "2024"}
    assert lens(library, "R5", "Period").write({"start": "2024"}).result == {"start": "2024"}


def test_the_defaults_of_an_overlay_are_those_of_its_lenses():
    library = load_all(site=SITE)
    assert lens(library, "R4", "Period", "site").defaults == {"representation": "split"}
    assert lens(library, "R4", "Period").defaults == {}
    assert library.defaults == {None: {}, "site": {"representation": "split"}}


def test_the_readings_of_an_overlay_are_those_of_its_lenses():
    library = load_all(site=SITE + "readings: [pause]\n")
    assert lens(library, "R4", "Period", "site").readings == {"pause"}
    assert lens(library, "R4", "Period").readings == frozenset()


def test_the_shipped_overlay_reaches_both_releases(library: Library):
    record = {
        "record": "InfusionOrder",
        "status": "active",
        "intent": "order",
        "patient": {"reference": "Patient/1"},
        "drug": {"text": "x"},
        "care_setting": "clinic",
    }
    for release in ("R4", "R5"):
        written = lens(library, release, "MedicationRequest", "example-site").write(record).result
        site = {"system": "https://fhir.example.org/CodeSystem/order-category", "code": "OP"}
        assert written["category"] == [{"coding": [site]}]
        read = lens(library, release, "MedicationRequest", "example-site").read(written).result
        assert read["care_setting"] == "infusion-centre", "two of our codes share one of the site's: `back` says which"


def test_an_overlay_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(DocumentError, match="there is no overlay 'sight'; accepted: site"):
        load_all(site=SITE).lens("R4", "Period", "sight")


def test_r4b_uses_the_lens_of_r4_and_what_has_no_document_has_no_lens():
    library = load_all()
    assert library.lens("R4B", "Period") is library.lens("R4", "Period")
    assert library.lens("R5", "Period") is None
    assert library.lens("R4", "Patient") is None


# --- what is wrong with files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (
            {"site": "overlay: site\ndocuments:\n  documnt: {}"},
            "site.yaml:3: there is no document 'documnt'; accepted: document",
        ),
        ({"site": "overlay: site\ndocuments: {document: x}"}, "site.yaml:2: what changes in 'document' is a table"),
        ({"site": "overlay: site\ndocuments: x"}, "site.yaml:2: `documents` of an overlay is a table"),
        (
            {"site": "overlay: site\ndocument: {}"},
            "site.yaml:2: 'document' is not a member of an overlay; accepted: defaults, description, documents, overlay, readings",
        ),
        ({"a/site": "overlay: site", "b/site": "overlay: site"}, "b/site.yaml:1: another file has `overlay: site`"),
        (
            {"sight": "overlay: site"},
            "sight.yaml:1: the overlay of this file is named as the file; accepted: sight",
        ),
        (
            {"site": "overlay: site\ndefaults:\n  representaton: split"},
            "site.yaml:3: 'representaton' is no default; accepted: representation",
        ),
        (
            {"site": "overlay: site\ndefaults:\n  representation: splitt"},
            "site.yaml:3: 'splitt' is not a code of representation; accepted: split",
        ),
        ({"site": "overlay: site\nreadings: [pauze]"}, "site.yaml:2: 'pauze' is no reading; accepted: pause"),
        ({"site": "overlay: site\nreadings: pause"}, "site.yaml:2: `readings` of an overlay is a list"),
        (
            {"site": "overlay: site\ndocuments:\n  document:\n    pairs:\n      strat: ~"},
            "site.yaml:5: there is no 'strat' to remove; accepted: start",
        ),
        (
            {"r5": "mapping: m\nextends: document\nbetween: {release: R5}\npairs:\n  strat: ~"},
            "r5.yaml:5: there is no 'strat' to remove; accepted: start",
        ),
        (
            {"site": "overlay: site\ndocuments:\n  document:\n    systems:\n      strt: urn:start"},
            "site.yaml:5: nothing uses the system 'strt'; accepted: nothing, or no such line",
        ),
        ({"one": "codes: c\nmap: {a: b}", "two": "codes: c\nmap: {a: b}"}, "two.yaml:1: another file has `codes: c`"),
        ({"c": "codes: c"}, "c.yaml:1: a code table has a `map` of internal codes to FHIR codes"),
        ({"c": "codes: c\nmap: {}"}, "c.yaml:1: a code table has a `map` of internal codes to FHIR codes"),
        ({"c": "codes: c\nmap: [a]"}, "c.yaml:2: `map` of a code table is a table"),
        ({"c": "codes: c\nrelease: R6\nmap: {a: b}"}, "c.yaml:2: the release of a code table is R4 or R5"),
        (
            {"c": "codes: c\nmap: {a: b}\nbak: {}"},
            "c.yaml:3: 'bak' is not a member of a code table; accepted: back, codes, description, map, release, source, target, url",
        ),
        (
            {"c": "codes: c\nmap:\n  a: x\n  b: x"},
            "c.yaml:4: 'x' stands for two internal codes; name the way back under `back`",
        ),
        (
            {"c": "codes: c\nmap: {a: x, b: x}\nback:\n  x: d"},
            "c.yaml:4: 'd' is not an internal code of this table; accepted: a, b",
        ),
        (
            {"c": "codes: c\nmap: {a: x, b: x, c: y}\nback:\n  x: c"},
            "c.yaml:4: 'c' becomes 'y', so 'x' cannot come back as it",
        ),
        ({"again": PERIOD}, "document.yaml:2: 'again' maps Period in R4 too"),
        ({"wrong": "- a"}, None),
        ({"wrong": "a: [", "two": "mapping: ["}, None),
    ],
)
def test_a_file_that_does_not_hold_is_refused_with_its_place(files: dict[str, str], complaint: str | None):
    told = complaints_of(PERIOD, **files)
    assert len(told) == len(files) if complaint is None else told == [complaint]


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("uses: [kitt]", "document.yaml:3: there is no document 'kitt'; accepted: document, kit"),
        (
            "systems:\n  a: $setting.ordr_system",
            "document.yaml:4: there is no setting 'ordr_system'; accepted: order_system",
        ),
        ("systems:\n  a: [urn:a]", "document.yaml:4: the system 'a' is text: a URI or $setting.NAME"),
    ],
)
def test_what_a_document_uses_must_be_there(head: str, complaint: str):
    text = f"mapping: m\nbetween: {{internal: Period, fhir: Period, release: R4}}\n{head}\npairs: {{start: start, end: end}}\n"
    assert complaints_of(text, kit=KIT) == [complaint]


def test_a_system_that_some_document_uses_may_stay_unused_in_another():
    site = SITE.replace("    pairs:\n", "    systems: {other: urn:other, start: urn:start}\n    pairs:\n").replace(
        "urn:start]", "$start]"
    )
    assert complaints_of(PERIOD, site=site) == [
        "site.yaml:7: nothing uses the system 'other'; accepted: start, or no such line"
    ]
    own = PERIOD_R5 + "pairs:\n  start: start\n"
    assert load_all(site=site.replace("other: urn:other, ", ""), r5=own).overlays() == ["site"]


GUARDED = PERIOD.replace("pairs:", "mapped-or-refused: [start, end]\npairs:")


@pytest.mark.parametrize("change", ["[]", "[start]", "~"])
def test_a_change_takes_nothing_out_of_what_is_mapped_or_refused(change: str):
    for file, text in (
        ("site", f"overlay: site\ndocuments:\n  document:\n    mapped-or-refused: {change}\n"),
        ("r5", f"mapping: m\nextends: document\nbetween: {{release: R5}}\nmapped-or-refused: {change}\n"),
    ):
        (told,) = complaints_of(GUARDED, **{file: text})
        assert told.startswith(f"{file}.yaml:4: `mapped-or-refused` may be added to only; it lacks end")


def test_a_change_may_add_to_what_is_mapped_or_refused():
    site = "overlay: site\ndocuments: {document: {mapped-or-refused: [start, end, extension]}}\n"
    assert lens(load_all(GUARDED, site=site), "R4", "Period", "site").plan.guarded == {"start", "end", "extension"}


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_shipped_documents_without_a_guard_are_refused(release: str, texts: dict[str, str]):
    for name, type_name in (("infusion-order", "order"), ("administration", "administration")):
        file = f"{release.lower()}/{name}.yaml"
        (guards,) = [line for line in texts[file].splitlines() if line.startswith("mapped-or-refused")]
        without = {**texts, file: texts[file].replace(guards, "mapped-or-refused: [status]")}
        with pytest.raises(DocumentError) as raised:
            load(without, TABLES, {f"{kind}_system": "urn:x" for kind in ("order", "administration")}, interpret=True)
        assert any("it lacks" in told and "subject" in told for told in raised.value.complaints), type_name


NEVER_DROPPED = {
    "infusion-order": {
        "R4": "status doNotPerform medicationCodeableConcept medicationReference subject dosageInstruction",
        "R5": "status doNotPerform medication subject dosageInstruction",
    },
    "administration": {
        "R4": "status medicationCodeableConcept medicationReference subject dosage",
        "R5": "status medication subject dosage",
    },
}
"""What says who gets what, how much of it, and whether at all."""


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("name", NEVER_DROPPED)
def test_each_member_that_a_patient_depends_on_is_guarded_by_itself(name: str, release: str, texts: dict[str, str]):
    file = f"{release.lower()}/{name}.yaml"
    (guards,) = [line for line in texts[file].splitlines() if line.startswith("mapped-or-refused")]
    settings = {f"{kind}_system": "urn:x" for kind in ("order", "administration")}
    for member in NEVER_DROPPED[name][release].split():
        assert member in guards
        fewer = re.sub(rf"\b{member}\b,? ?", "", guards)
        with pytest.raises(DocumentError) as raised:
            load({**texts, file: texts[file].replace(guards, fewer)}, TABLES, settings, interpret=True, overlays=())
        assert any(f"it lacks {member}:" in told for told in raised.value.complaints), raised.value.complaints


# --- systems and settings ---------------------------------------------------------------------------------------------


def test_a_system_may_be_a_setting():
    text = """
mapping: m
between: {internal: Identifier, fhir: MedicationRequest, release: R4}
systems: {orders: $setting.order_system}
pairs:
  value: identifier[system=$orders].value
  use: identifier[system=$orders].use
  type: {drop: true, why: w}
  system: {drop: true, why: w}
  period: {drop: true, why: w}
  assigner: {drop: true, why: w}
"""
    library = load_all(text, {"order_system": "https://hospital.example/orders"})
    written = lens(library, "R4", "MedicationRequest").write({"value": "7"}).result
    assert written == {"identifier": [{"system": "https://hospital.example/orders", "value": "7"}]}


def test_the_digest_names_the_documents_and_the_settings():
    digests = {
        load_all().digest,
        load_all(PERIOD + "# a comment\n").digest,
        load_all(settings={"order_system": "urn:other"}).digest,
        load_all(r5=PERIOD_R5).digest,
    }
    assert len(digests) == 4
    assert load_all().digest == load_all().digest


# --- code tables ------------------------------------------------------------------------------------------------------

DOSING = """
mapping: identifier
between: {internal: Identifier, fhir: Extension, release: R4}
pairs:
  value: {fhir: valueCode, codes: letters}
  use: {drop: true, why: w}
  type: {drop: true, why: w}
  system: {drop: true, why: w}
  period: {drop: true, why: w}
  assigner: {drop: true, why: w}
"""
LETTERS = "codes: letters\nmap: {a: X, b: Y, c: X}\nback: {X: c}\n"


@pytest.mark.parametrize(("ours", "theirs", "back"), [("a", "X", "c"), ("b", "Y", "b"), ("c", "X", "c")])
def test_a_code_table_is_read_both_ways(ours: str, theirs: str, back: str):
    lens = lens_of(DOSING, "Extension", letters=LETTERS)
    assert lens.write({"value": ours}).result == {"valueCode": theirs}
    assert bare(lens.read({"valueCode": theirs}).result) == {"value": back}


@pytest.mark.parametrize(("side", "value"), [("read", {"valueCode": "secret"}), ("write", {"value": "secret"})])
def test_a_code_in_neither_column_is_refused_with_those_that_are(side: str, value: dict[str, Any]):
    lens = lens_of(DOSING, "Extension", letters=LETTERS)
    with pytest.raises(Refused) as refused:
        getattr(lens, side)(value)
    (issue,) = refused.value.issues
    assert issue.code == "code-invalid"
    assert issue.accepted == "out: a, b, c; in: X, Y"
    assert "secret" not in f"{issue}"


# --- compiling --------------------------------------------------------------------------------------------------------


def test_a_lens_may_be_compiled_when_it_is_first_asked_for():
    library = load(texts_of(CONCEPT, kit=KIT), TABLES, SETTINGS)
    kept = library.lenses["R4", "CodeableConcept", None]
    assert kept._read is kept._oracle[0]
    asked = library.lens("R4", "CodeableConcept")
    assert asked is kept
    assert kept._read is not kept._oracle[0]
    compiled = kept._read
    assert library.lens("R4", "CodeableConcept") is kept
    assert kept._read is compiled


def test_overlays_that_are_not_asked_for_are_named_but_not_built():
    texts = texts_of(PERIOD, site=SITE, other=SITE.replace("overlay: site", "overlay: other"))
    library = load(texts, TABLES, SETTINGS, overlays={"other"})
    assert {overlay for _, _, overlay in library.lenses} == {None, "other"}
    assert library.overlays() == ["other", "site"]
    assert library.digest == load(texts, TABLES, SETTINGS).digest


def test_the_lenses_of_overlays_are_compiled_beforehand_where_they_are_named():
    library = load(texts_of(PERIOD, site=SITE), TABLES, SETTINGS)
    library.compile({None})
    compiled = {overlay: lens._read is not lens._oracle[0] for (_, _, overlay), lens in library.lenses.items()}
    assert compiled == {None: True, "site": False}
