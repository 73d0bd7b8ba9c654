"""The translator of the settings, for commands that store nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_infusion.cli import load_settings
from fhir_infusion.errors import DocumentError
from fhir_infusion.translator import Translator, open_translator

if TYPE_CHECKING:
    from pathlib import Path

    from fhir_infusion.config import Settings


def build_translator(overlay: str | None = None) -> Translator:
    """Return the translator of the settings; see :func:`translator_for`.

    Raises ``SettingsError`` or ``DocumentError``.
    """
    return translator_for(load_settings(), overlay)


def translator_for(settings: Settings, overlay: str | None = None) -> Translator:
    """Return a translator without the lenses of overlays that are neither asked for nor set: they take seconds.

    Raises ``SettingsError`` or ``DocumentError``.
    """
    return open_translator(settings, overlays={overlay or settings.overlay})


def translator_in(directory: Path, settings: Settings, overlay: str | None = None) -> Translator:
    """Return the translator of a directory; what is wrong there is told with its name, for a command has two.

    Raises ``SettingsError`` or ``DocumentError``.
    """
    try:
        return translator_for(replace(settings, mappings=directory), overlay)
    except DocumentError as error:
        raise DocumentError(*(f"{directory}/{complaint}" for complaint in error.complaints)) from None
