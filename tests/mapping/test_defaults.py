from __future__ import annotations

from tests.mapping.kit import CONCEPT, KIT, lens_of


def test_the_default_of_a_document_is_that_of_its_lens_and_without_any_there_is_none():
    split = lens_of(f"{CONCEPT}defaults: {{representation: split}}\n", "CodeableConcept", kit=KIT)
    assert split.defaults == {"representation": "split"}
    assert lens_of(CONCEPT, "CodeableConcept", kit=KIT).defaults == {}
