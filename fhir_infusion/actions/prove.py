"""Proving a library before it is used: the laws of every lens, asked of seeded examples, and of each format's samples.

A library whose documents are the ones proven before (by digest) is not asked again; the digests stand in a small file
beside the database.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import DocumentError, Refused
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.mapping.laws import Proof, prove
from fhir_infusion.records import parts
from fhir_infusion.records.examples import example

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fhir_infusion.config import Settings
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.library import Library

SHORT = 25
"""Examples asked of each lens where a full proof was made elsewhere; ``mapping check`` asks ``FULL``."""

FULL = 500


def proofs(library: Library, settings: Settings, count: int = FULL) -> Iterator[tuple[str, Proof]]:
    """Ask the laws of every lens; yield its name and the proof."""
    for (release, fhir_type, overlay), lens in sorted(
        library.lenses.items(), key=lambda item: tuple(map(str, item[0]))
    ):
        other = library.lens("R5" if release == "R4" else "R4", fhir_type, overlay)
        name = f"{release} {fhir_type}" + (f" {overlay}" if overlay else "")
        internal = lens.plan.internal_type

        def records(seed: int, internal: str = internal) -> list[dict[str, Any]]:
            made = example(internal, random.Random(seed), residue=False)  # noqa: S311  seeded examples, not secrets
            return parts.split(made, settings.administration_system) if internal == "Administration" else [made]

        yield name, prove(lens.compile(), records, random.Random, count, other)
    for name, one in sorted(library.formats.items()):
        yield f"format {name}", prove_format(one, samples_of(one), random.Random, count)


def samples_of(one: Format) -> list[Any]:
    """Return the samples that stand in a format's document.

    Raises:
        DocumentError: a sample is not JSON; says where and why.
    """
    found = []
    for number, (mark, text) in enumerate(one.given.samples, 1):
        try:
            found.append(read_plain(text.encode()))
        except Refused as refused:
            issue = refused.issues[0]
            raise DocumentError(f"{mark}: sample {number}: {issue.reason}; accepted: {issue.accepted}") from None
    return found


def ensure_proven(library: Library, settings: Settings, known: Path | None, count: int = FULL) -> None:
    """Prove the library unless its digest stands in the file ``known``, then note it there.

    Raises:
        DocumentError: a law does not hold, which names the lens, the law, the seed and the path; or a lens refuses so
            many examples that its laws say nothing.
    """
    if library.digest in _noted(known):
        return
    complaints = [
        complaint for name, proof in proofs(library, settings, count) for complaint in _complaints(name, proof)
    ]
    if complaints:
        raise DocumentError(*complaints)
    if known is not None:
        with known.open("a", encoding="ascii") as file:
            file.write(library.digest + "\n")


def is_known(library: Library, known: Path | None) -> bool:
    """Tell whether every overlay of a library was proven before, by the file ``known``."""
    noted = _noted(known)
    return all(part.digest in noted for _, part in parts_of(library))


def _noted(known: Path | None) -> set[str]:
    return set(known.read_text(encoding="ascii").split()) if known is not None and known.is_file() else set()


def parts_of(library: Library) -> Iterator[tuple[str | None, Library]]:
    """Yield each overlay, first the documents without one and the formats, as a library of its lenses alone.

    Each is proven by itself: what is proven stays known by its digest where another overlay does not keep a law.
    """
    for overlay in (None, *library.overlays()):
        lenses = {key: lens for key, lens in library.lenses.items() if key[2] == overlay}
        formats = library.formats if overlay is None else {}
        yield overlay, replace(library, digest=f"{library.digest}:{overlay or ''}", lenses=lenses, formats=formats)


def ensure_all_proven(library: Library, settings: Settings, known: Path | None, count: int = FULL) -> None:
    """Prove every overlay of a library; see :func:`ensure_proven`.

    Raises:
        DocumentError: with what is wrong with each.
    """
    complaints: list[str] = []
    for _, part in parts_of(library):
        try:
            ensure_proven(part, settings, known, count)
        except DocumentError as error:
            complaints += error.complaints
    if complaints:
        raise DocumentError(*complaints)


def _complaints(name: str, proof: Proof) -> list[str]:
    """Return why a lens may not be used; the first five places where a law breaks."""
    if proof.broken:
        return [
            f"{name}: the law '{broken.law}' does not hold at {broken.path} (example {broken.seed})"
            for broken in proof.broken[:5]
        ]
    told = [f"{name}: {refusal.path} is refused each time: {refusal.reason}" for refusal in proof.never]
    if proof.too_many:
        told.append(f"{name}: {proof.refused} of {proof.asked} examples are refused; fewer than half may be")
    return told
