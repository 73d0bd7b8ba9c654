"""The Python that small documents become, as it stands in ``tests/mapping/compiled``.

``python -m tests.compiled_write`` writes it anew, for review in the difference of the commit; no test does. What a
compiled function leaves to the interpreter, or does twice, no result shows: it stands here.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.config import Settings
from fhir_infusion.mapping.compile_read import read_source
from fhir_infusion.mapping.compile_write import write_source
from fhir_infusion.mapping.criteria import LookUp
from fhir_infusion.translator import open_translator
from tests.mapping import test_criteria, test_engines, test_lens, test_one_fragment
from tests.mapping.kit import KIT, lens_of

if TYPE_CHECKING:
    from fhir_infusion.mapping.source import Source

COMPILED: Final = Path(__file__).parent / "mapping" / "compiled"
SHIPPED: Final = COMPILED / "shipped.csv"

IDENTIFIER: Final = """
mapping: identifier
between: {internal: Identifier, fhir: Identifier, release: R4}
uses: [kit, words]
pairs:
  use: {fhir: use, codes: use}
  type: type
  system: system
  value: value
  period: {fhir: period, pairs: {start: start, end: end}}
  assigner: {fhir: assigner, pairs: {reference: reference, type: type, display: display, identifier_system: identifier.system, identifier_value: identifier.value}}
"""
USE: Final = "codes: use\nmap: {usual: usual, official: official, temp: temp, secondary: secondary, old: old}\n"

CONDITIONS: Final = """
mapping: substitution
between: {internal: Substitution, fhir: Extension, release: R4}
uses: [words]
pairs:
  allowed: {fhir: "extension[url=allowed].valueBoolean", when: allowed_kind missing}
  allowed_kind: extension[url=kind].valueCodeableConcept
  reason: {fhir: "extension[url=reason].valueCodeableConcept", when: allowed_kind exists}
"""

FOLLOWED: Final = """
mapping: followed
between: {internal: Concept, fhir: MedicationRequest, release: R4}
always: {resourceType: MedicationRequest}
mapped-or-refused: [supportingInformation]
pairs:
  text: language
  codings[]:
    fhir: "supportingInformation[->Observation,status=final][]"
    pairs:
      display: code.text
      version: {drop: true, why: w}
      system: {drop: true, why: w}
      code: {drop: true, why: w}
      user_selected: {drop: true, why: w}
"""

DOCUMENTS: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "only-many": (test_engines.ONLY_MANY, "Extension", {"kit": KIT}),
    "first-rest": (test_engines.FIRST_REST, "Extension", {"kit": KIT}),
    "list-alternatives": (test_engines.LIST_ALTERNATIVES, "CodeableConcept", {"kit": KIT}),
    "drops": (test_engines.DROPS, "Timing.repeat", {}),
    "contained": (test_engines.CONTAINED, "MedicationRequest", {"kit": KIT}),
    "owned": (test_engines.OWNED.replace("birthDate", "language"), "MedicationRequest", {"kit": KIT}),
    "dosing": (test_criteria.CODINGS, "Dosage.doseAndRate", {"kit": KIT, "basis": test_criteria.BASIS}),
    "warning": (test_lens.WARNING, "Ratio", {}),
    "one-fragment": (test_one_fragment.TWICE, "Extension", {"words": test_one_fragment.WORDS}),
    "followed": (FOLLOWED, "MedicationRequest", {}),
    "conditions": (CONDITIONS, "Extension", {"words": test_one_fragment.WORDS.replace(", warn: in words", "")}),
    "identifier": (
        IDENTIFIER, "Identifier", {"kit": KIT, "use": USE, "words": test_one_fragment.WORDS.replace(", warn: in words", "")}
    ),
}  # fmt: skip
"""Small documents by name: the text, the FHIR type, and the files beside it."""


def compiled(name: str) -> str:
    """Return the source of both directions of a small document, and what its names stand for."""
    text, fhir_type, files = DOCUMENTS[name]
    plan = lens_of(text, fhir_type, interpret=True, **files).plan
    return "\n\n".join(_shown(source(plan)) for source in (read_source, write_source)) + "\n"


def _shown(source: Source) -> str:
    text = "\n".join(source.lines)
    named = (
        f"# {name} = {_told(value)}" for name, value in source.known.items() if name.rstrip("0123456789")[-1:] == "_"
    )
    return "\n".join([text, *named])


def _told(value: Any) -> str:
    """Return a value as text that is the same in every process."""
    if isinstance(value, frozenset | set):
        return "{" + ", ".join(sorted(map(repr, value))) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_told(one)}" for key, one in value.items()) + "}"
    if callable(value):
        owner = getattr(value, "__self__", None)
        fits = f" of {_told(owner.numbers)}, {owner.rest}, {_told(owner.fits)}" if isinstance(owner, LookUp) else ""
        return getattr(value, "__qualname__", type(value).__name__) + fits
    return repr(value) if isinstance(value, str | int | tuple | None) else type(value).__name__


def shipped() -> str:
    """Return how much source the shipped documents become: lines, functions, and places left to the interpreter."""
    translator = open_translator(Settings(), overlays=())
    rows = ["document,release,way,lines,functions,left to the interpreter,names"]
    for release, fhir_type in product(("R4", "R5"), ("MedicationAdministration", "MedicationRequest")):
        plan = translator.lens(release, fhir_type).plan
        for way, source in (("read", read_source(plan)), ("write", write_source(plan))):
            functions = sum(line.startswith("def ") for line in source.lines)
            left = sum("raise Irregular" in line for line in source.lines)
            rows.append(f"{plan.document},{release},{way},{len(source.lines)},{functions},{left},{len(source.known)}")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write everything anew."""
    COMPILED.mkdir(exist_ok=True)
    for name in DOCUMENTS:
        (COMPILED / f"{name}.txt").write_text(compiled(name), encoding="utf-8")
    SHIPPED.write_text(shipped(), encoding="utf-8")


if __name__ == "__main__":
    main()
