"""The translator of the settings, for commands that store nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.cli import load_settings
from fhir_infusion.translator import Translator, open_translator

if TYPE_CHECKING:
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
