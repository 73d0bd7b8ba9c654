"""Proving a library before it is used: asked once for each set of documents, and said where a law breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.actions.prove import ensure_proven, parts_of, proofs
from fhir_infusion.config import Settings
from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.laws import Broken, Proof, Refusal
from tests.golden_write import translator

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.mapping.library import Library

SETTINGS = Settings()


def small_library() -> Library:
    """Return a part of the shipped library: one lens and its other release, and one format."""
    library = translator().library
    lenses = {key: lens for key, lens in library.lenses.items() if key[1:] == ("MedicationAdministration", None)}
    formats = {"ward-orders": library.formats["ward-orders"]}
    return replace(library, lenses=lenses, defaults={None: {}}, formats=formats)


def test_every_lens_is_proven_by_name():
    found = dict(proofs(small_library(), SETTINGS, count=3))
    assert list(found) == ["R4 MedicationAdministration", "R5 MedicationAdministration", "format ward-orders"]
    assert all(proof.holds and proof.asked >= 3 for proof in found.values())


def test_the_lenses_of_an_overlay_are_proven_under_its_name():
    library = translator().library
    part = replace(library, lenses={key: lens for key, lens in library.lenses.items() if key[2] == "example-site"})
    names = [name for name, _ in proofs(part, SETTINGS, count=1)]
    assert "R4 MedicationRequest example-site" in names


def test_a_library_is_proven_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = tmp_path / "proven"
    library = small_library()
    ensure_proven(library, SETTINGS, known, count=1)
    assert known.read_text(encoding="ascii").split() == [library.digest]
    monkeypatch.setattr("fhir_infusion.actions.prove.proofs", None)
    ensure_proven(library, SETTINGS, known, count=1)


def test_another_set_of_documents_is_proven_anew(tmp_path: Path):
    known = tmp_path / "proven"
    ensure_proven(small_library(), SETTINGS, known, count=1)
    ensure_proven(replace(small_library(), digest="other"), SETTINGS, known, count=1)
    assert len(known.read_text(encoding="ascii").split()) == 2


def test_without_a_place_for_it_nothing_is_noted():
    ensure_proven(small_library(), SETTINGS, None, count=1)


def test_a_broken_law_stops_the_start_and_is_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = Proof(9, 0, tuple(Broken("back", seed, "steps[0].text") for seed in range(9)))
    monkeypatch.setattr("fhir_infusion.actions.prove.proofs", lambda *_: [("R4 X", broken), ("R5 X", Proof(9, 0, ()))])
    with pytest.raises(DocumentError) as raised:
        ensure_proven(small_library(), SETTINGS, tmp_path / "proven")
    assert raised.value.complaints == tuple(
        f"R4 X: the law 'back' does not hold at steps[0].text (example {seed})" for seed in range(5)
    )
    assert not (tmp_path / "proven").exists()


def test_a_lens_that_refuses_most_examples_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fhir_infusion.actions.prove.proofs", lambda *_: [("R4 X", Proof(10, 5, ()))])
    with pytest.raises(DocumentError) as raised:
        ensure_proven(small_library(), SETTINGS, tmp_path / "proven")
    assert raised.value.complaints == ("R4 X: 5 of 10 examples are refused; fewer than half may be",)


def test_a_lens_that_refuses_a_field_each_time_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refusal = Refusal("steps.route", "no pair takes it", 3)
    monkeypatch.setattr(
        "fhir_infusion.actions.prove.proofs", lambda *_: [("R4 X", Proof(10, 3, (), (refusal,), (refusal,)))]
    )
    with pytest.raises(DocumentError) as raised:
        ensure_proven(small_library(), SETTINGS, tmp_path / "proven")
    assert raised.value.complaints == ("R4 X: steps.route is refused each time: no pair takes it",)


def test_each_overlay_is_a_part_of_its_own_and_formats_are_proven_with_the_documents_without_one():
    library = translator().library
    found = dict(parts_of(library))
    assert set(found) == {None, *library.overlays()}
    assert found[None].formats == library.formats
    assert not any(part.formats for overlay, part in found.items() if overlay is not None)
    assert {key for part in found.values() for key in part.lenses} == set(library.lenses)
    assert len({part.digest for part in found.values()}) == len(found)
