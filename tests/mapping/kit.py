"""Loading small documents in tests."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.errors import DocumentError
from fhir_infusion.fhir import elements
from fhir_infusion.mapping.library import load
from fhir_infusion.mapping.runtime import Irregular

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.mapping.lens import Lens


KIT = """
mapping: kit
between: {release: R4}
fragments:
  coding:
    between: {internal: Coding, fhir: Coding}
    pairs: {system: system, version: version, code: code, display: display, user_selected: userSelected}
  range: {between: {internal: Range, fhir: Range}, pairs: {low: low, high: high}}
"""
"""Fragments for small documents."""

CONCEPT = """
mapping: concept
between: {internal: Concept, fhir: CodeableConcept, release: R4}
uses: [kit]
pairs:
  codings[]: coding[]
  text: text
"""
"""The smallest document with a list; uses ``KIT``."""

SETTINGS = {"order_system": "https://example.org/o"}


def texts_of(text: str, **files: str) -> dict[str, str]:
    """Return the texts of a small library: one document, and further files by name."""
    return {"document.yaml": text, **{f"{name}.yaml": content for name, content in files.items()}}


def lens_of(text: str, fhir_type: str, release: str = "R4", *, interpret: bool = False, **files: str) -> Lens:
    """Return the lens of one small document; further files by name.

    Where a compiled function stumbles, a lens asks the interpreter, which hides that from users, and from tests. So a
    compiled lens from here fails where the interpreter does what the compiled function could not, and did not leave to
    it as irregular, and where the two do not make the same.
    """
    tables = {"R4": elements.table("R4"), "R5": elements.table("R5")}
    lens = load(texts_of(text, **files), tables, SETTINGS, interpret=interpret).lens(release, fhir_type)
    assert lens is not None
    if not interpret:
        lens._read = _alone(lens._read, lens._oracle[0])
        lens._write = _alone(lens._write, lens._oracle[1])
    return lens


def _alone(compiled: Callable[[Any], Any], interpreted: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def work(value: Any) -> Any:
        try:
            made = compiled(deepcopy(value))
        except Irregular:
            return interpreted(value)
        except Exception as stumbled:
            result = interpreted(value)  # a refusal is for the interpreter to say
            raise StumbledError(repr(result)) from stumbled
        assert _shown(made) == _shown(interpreted(value))
        return compiled(value)

    return work


def _shown(made: Any) -> str:
    result, rest, warned = made
    return json.dumps([result, [str(one) for one in rest], [str(one) for one in warned]], sort_keys=True, default=str)


class StumbledError(BaseException):
    """A compiled function failed at what the interpreter can do; no lens takes it for a reason to ask that one."""


def complaints_of(text: str, **files: str) -> list[str]:
    """Return the complaints that loading a document gives."""
    with pytest.raises(DocumentError) as raised:
        load(texts_of(text, **files), {"R4": elements.table("R4"), "R5": elements.table("R5")}, SETTINGS)
    return list(raised.value.complaints)


def bare(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without residue."""
    return {name: value for name, value in record.items() if name != "residue"}
