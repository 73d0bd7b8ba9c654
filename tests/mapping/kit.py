"""Loading small documents in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.fhir import elements
from fhir_infusion.mapping.library import load

if TYPE_CHECKING:
    from fhir_infusion.mapping.lens import Lens


def lens_of(text: str, fhir_type: str, release: str = "R4", **files: str) -> Lens:
    """Return the lens of one small document; further files by name."""
    texts = {"document.yaml": text, **{f"{name}.yaml": content for name, content in files.items()}}
    library = load(
        texts, {"R4": elements.table("R4"), "R5": elements.table("R5")}, {"order_system": "https://example.org/o"}
    )
    lens = library.lens(release, fhir_type)
    assert lens is not None
    return lens


def complaint_of(text: str, **files: str) -> str:
    """Return the complaints that loading the document gives."""
    texts = {"document.yaml": text, **{f"{name}.yaml": content for name, content in files.items()}}
    with pytest.raises(DocumentError) as raised:
        load(texts, {"R4": elements.table("R4")}, {"order_system": "https://example.org/o"})
    return str(raised.value)


def bare(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without residue."""
    return {name: value for name, value in record.items() if name != "residue"}
