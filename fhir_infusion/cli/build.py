"""Building what commands work with: the translator, a store, a service, a running service."""

from __future__ import annotations

from fhir_infusion.actions.translate import Translator, open_translator
from fhir_infusion.cli import load_settings


def build_translator() -> Translator:
    """Return the translator of the settings.

    Raises ``SettingsError`` or ``DocumentError``.
    """
    return open_translator(load_settings())
