"""What of one release cannot go out in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.mapping.putback import without_references

if TYPE_CHECKING:
    from fhir_infusion.mapping.library import Library
    from fhir_infusion.mapping.trace import Line

ORDER = {
    "resourceType": "MedicationRequest",
    "contained": [{"resourceType": "Provenance", "id": "made", "recorded": "2026-01-15T09:30:00Z"}],
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "dobutamine"},
    "subject": {"reference": "Patient/1"},
    "eventHistory": [{"reference": "#made"}, {"reference": "Provenance/7"}],
}


def test_a_reference_to_a_contained_resource_of_the_other_release_stays_behind_with_a_line(library: Library) -> None:
    read, write = library.lens("R4", "MedicationRequest"), library.lens("R5", "MedicationRequest")
    assert read is not None
    assert write is not None
    record = read.read(ORDER).result
    written = write.write(record, unsent=write.foreign(record))
    assert written.result["eventHistory"] == [{"reference": "Provenance/7"}]
    assert [line.path for line in written.ledger.exceptions if "contained resource" in line.why] == ["event_history[0]"]
    assert read.write(record).result == ORDER


def test_a_contained_resource_goes_along_into_the_other_release_and_back(library: Library) -> None:
    read, write = library.lens("R4", "MedicationRequest"), library.lens("R5", "MedicationRequest")
    assert read is not None
    assert write is not None
    written = write.write(read.read(ORDER).result).result
    assert written["contained"] == ORDER["contained"]
    assert written["eventHistory"] == ORDER["eventHistory"]
    assert read.write(write.read(written).result).result == ORDER


def test_residue_of_r4b_goes_back_in_r4_and_is_of_another_release_in_r5(library: Library) -> None:
    read, write = library.lens("R4", "MedicationRequest"), library.lens("R5", "MedicationRequest")
    assert read is not None
    assert write is not None
    record = read.read({**ORDER, "language": "en"}).result
    record["residue"] = [{**entry, "release": "R4B"} for entry in record["residue"]]
    assert read.write(record).result == {**ORDER, "language": "en"}
    assert read.foreign(record) == frozenset()
    assert write.foreign(record) == {"#made"}


def test_an_element_that_was_only_such_a_reference_goes_with_it_and_what_it_says_besides_stays() -> None:
    lines: list[Line] = []
    record: dict[str, Any] = {
        "status": "active",
        "encounter": {"reference": "#e"},
        "requester": {"reference": "#r", "display": "Dr"},
        "patient": {"reference": "#e"},
        "notes": [{"text": "n"}],
        "performers": [{"actor": {"reference": "#e"}, "performer_id": "k"}, {"actor": {"reference": "#kept"}}],
    }
    assert without_references(record, frozenset({"#e", "#r"}), "", lines) == {
        "status": "active",
        "requester": {"display": "Dr"},
        "patient": {"reference": "#e"},
        "notes": [{"text": "n"}],
        "performers": [{"actor": {"reference": "#kept"}}],
    }
    assert [line.path for line in lines] == ["encounter", "requester", "performers[0].actor", "performers[0]"]
