"""The translator of the settings, for commands that store nothing."""

from __future__ import annotations

from fhir_infusion.cli import load_settings
from fhir_infusion.translator import Translator, open_translator


def build_translator() -> Translator:
    """Return the translator of the settings; of its lenses only those that are used get compiled.

    Raises ``SettingsError`` or ``DocumentError``.
    """
    return open_translator(load_settings(), eager=False)
