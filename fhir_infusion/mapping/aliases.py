"""The names that a document gives to URIs: ``$name`` in paths and values, declared under ``systems``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fhir_infusion.mapping.complaints import Complaints, near

if TYPE_CHECKING:
    from fhir_infusion.mapping.document import Mark

_ALIAS: Final = re.compile(r"\$[A-Za-z0-9_.-]*[A-Za-z0-9_-]")
UNDECLARED: Final = "urn:undeclared"
"""Stands for an unknown name while further complaints are looked for."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """The URIs by name, and where complaints go; ``used`` are the names that were asked for."""

    uris: Mapping[str, str]
    complaints: Complaints
    used: set[str] = field(default_factory=set)

    def all_of(self, text: str, mark: Mark) -> str:
        """Replace every ``$name``. URIs with brackets, commas or equals signs cannot stand in a criterion."""
        return _ALIAS.sub(lambda match: self.one(match[0], mark), text)

    def one(self, text: str, mark: Mark) -> str:
        """Return the URI of ``$name``; any other text is itself."""
        if not text.startswith("$"):
            return text
        uri = self.uris.get(text[1:])
        self.used.add(text[1:])
        if uri is None:
            accepted = near(text[1:], self.uris)
            self.complaints.add(mark, f"'{text}' is not declared under `systems`; accepted: {accepted}")
        return uri or f"{UNDECLARED}:{text[1:]}"
