"""The mapping documents in use, read anew while the service runs: built, proven, and only then exchanged.

What does not load, or does not keep a law, is not used: the documents before it stay, and why is kept to be told.
A request that runs goes on with the documents that it began with (``Translator.held``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fhir_infusion.config import mapping_texts, mappings_dir
from fhir_infusion.errors import DocumentError, SettingsError
from fhir_infusion.translator import compile_all, digest_of, load_library

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.config import Settings
    from fhir_infusion.mapping.library import Library
    from fhir_infusion.translator import Translator

Json = dict[str, Any]
Reloaded = Literal["unchanged", "exchanged", "refused"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why documents were not taken: each complaint has file:line, or names the law, the example and the path."""

    at: datetime
    complaints: tuple[str, ...]


class Live:
    """The documents that a translator uses. May be asked from any thread; one reload goes on at a time."""

    def __init__(
        self,
        translator: Translator,
        settings: Settings,
        clock: Callable[[], datetime],
        prove: Callable[[Library], None],
        proven: datetime | None = None,
    ) -> None:
        """Begin with the library of the translator, which was proven at a moment.

        ``prove`` raises ``DocumentError`` where a lens of a library does not keep a law.
        """
        self._translator = translator
        self._settings = settings
        self._clock = clock
        self._prove = prove
        self._one = threading.Lock()
        self.proven = proven
        self.failure: Failure | None = None

    @property
    def digest(self) -> str:
        """Return the name of the documents in use."""
        return self._translator.in_use.digest

    def reload(self) -> Reloaded:
        """Read the documents anew; where they changed, build and prove them, and use them from then on."""
        with self._one:
            try:
                texts = mapping_texts(mappings_dir(self._settings))
                if digest_of(self._settings, texts) == self.digest:
                    self.failure = None
                    return "unchanged"
                library = load_library(self._settings, lambda: texts)
                _demand_overlays(library, self._settings)
                compile_all(library)
                self._prove(library)
            except DocumentError as error:
                return self._refused(*error.complaints)
            except SettingsError as error:
                return self._refused(str(error))
            except OSError:
                return self._refused("a document cannot be read; accepted: readable files")
            self._translator.exchange(library)
            self.proven, self.failure = self._clock(), None
            return "exchanged"

    def _refused(self, *complaints: str) -> Reloaded:
        self.failure = Failure(self._clock(), complaints)
        return "refused"

    def document(self) -> Json:
        """Return as JSON what is in use, and why what was tried last is not."""
        library, failure = self._translator.in_use, self.failure
        lenses = sorted(library.lenses.items(), key=lambda item: item[1].plan.document)
        documents = [
            {"document": lens.plan.document, "release": release, "record": lens.plan.internal_type, "type": fhir_type}
            for (release, fhir_type, overlay), lens in lenses
            if overlay is None
        ]
        told: Json = {
            "digest": library.digest,
            **({"proven": self.proven.isoformat()} if self.proven is not None else {}),
            "documents": documents,
            "overlays": sorted(library.overlays()),
            "formats": [{"format": name, "record": one.record} for name, one in sorted(library.formats.items())],
        }
        if failure is not None:
            told["failure"] = {"at": failure.at.isoformat(), "complaints": list(failure.complaints)}
        return told


def _demand_overlays(library: Library, settings: Settings) -> None:
    """Refuse documents without an overlay that the settings name."""
    wanted = {settings.overlay, *(remote.overlay for remote in settings.remotes)} - {"", *library.overlays()}
    if wanted:
        accepted = ", ".join(sorted(library.overlays()))
        raise DocumentError(*(f"overlays/{name}.yaml: the settings name it; there are {accepted}" for name in wanted))
