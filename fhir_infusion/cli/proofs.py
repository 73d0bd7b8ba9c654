"""Asking the laws of every document, of generated examples."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from fhir_infusion.cli.progress import steps_bar
from fhir_infusion.mapping.laws import Proof, prove
from fhir_infusion.records import parts
from fhir_infusion.records.examples import example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.config import Settings
    from fhir_infusion.mapping.library import Library

OTHER = {"R4": "R5", "R5": "R4"}


def prove_all(library: Library, settings: Settings, count: int) -> Iterator[tuple[str, Proof]]:
    """Yield the name and the proof of every document, overlays too."""
    for release, fhir_type, overlay in steps_bar(list(library.lenses), "documents"):
        lens = library.lenses[release, fhir_type, overlay]
        other = library.lenses.get((OTHER.get(release, ""), fhir_type, overlay))
        internal = lens.plan.internal_type

        def records(seed: int, internal: str = internal) -> list[dict[str, Any]]:
            made = example(internal, Random(seed))  # noqa: S311  seeded examples are no secrets
            return parts.split(made, settings.administration_system) if internal == "Administration" else [made]

        name = f"{release} {fhir_type}" + (f" with {overlay}" if overlay else "")
        yield name, prove(lens, records, Random, count, other)
