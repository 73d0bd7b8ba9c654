"""The documents in use as tables for people, for a command and for a page alike."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from fhir_infusion.config import mappings_dir
from fhir_infusion.mapping.documentation import Page, html, markdown, page

if TYPE_CHECKING:
    from fhir_infusion.config import Settings
    from fhir_infusion.translator import Translator


def pages(
    translator: Translator, settings: Settings, release: str, overlay: str | None = None, fhir_type: str | None = None
) -> list[Page]:
    """Return a page for each resource type, or for one; what an overlay changes is marked.

    Raises:
        Refused: there is no such release, overlay or mapping.
    """
    codes, found = translator.library.codes, displays(settings)
    made = []
    for one in [fhir_type] if fhir_type is not None else sorted(translator.types):
        lens = translator.lens(release, one, overlay)
        base = translator.library.lens(release, one) if overlay is not None else None
        made.append(page(lens, codes, found, base))
    return made


def text(
    translator: Translator,
    settings: Settings,
    release: str,
    overlay: str | None = None,
    fhir_type: str | None = None,
    *,
    as_html: bool = False,
) -> str:
    """Return the same as Markdown, or as a fragment of HTML; raises as :func:`pages`."""
    return (html if as_html else markdown)(pages(translator, settings, release, overlay, fhir_type))


def displays(settings: Settings) -> dict[str, str]:
    """Return the published display of each code, by ``system|code``; nothing where the documents have no sources."""
    sources = mappings_dir(settings) / "codes" / "SOURCES.csv"
    if not sources.is_file():
        return {}
    with sources.open(encoding="utf-8", newline="") as file:
        return {row["system|code"]: row["display"] for row in csv.DictReader(file)}
