"""One text of the record that a site has in several members, such as a family and a given name.

    Family + Given: joined(", ")                         "Weiss, Eva" from "Weiss" and "Eva", and back
    Family + Given: joined(", "; of hl7-text)            each with the escapes of HL7 v2
    Family + Given: joined(", "; else kept(with MRN))    kept as it came where it could not be split again

Each member has text without the mark, or none has any. A text is split where the mark makes as many parts of it as
there are members. What could not come back so is refused; `else` keeps it, or leaves the text out with a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.formats.times import NotTakenError
from fhir_infusion.mapping.formats.values import SIMPLE, Spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD: Final = "joined("
_JOINED: Final = re.compile(
    r'joined\("(?P<mark>[^"]+)"(?:; of (?P<of>text|hl7-text))?(?:; else (?P<kept>kept\((?:with .+|always)\)))?\)'
)
ACCEPTED: Final = 'joined("MARK"), joined("MARK"; of hl7-text), joined("MARK"; else kept(with A))'


@dataclass(frozen=True, slots=True)
class Joining:
    """How members say one text: the mark between, how each is spelled, and whether what cannot be is ``kept``."""

    mark: str
    spelling: Spelling
    is_kept: bool = False

    def join(self, texts: Sequence[Any]) -> str | None:
        """Return the text of members; ``None`` where it could not be split into them again."""
        try:
            parts = [self.spelling.take(text) for text in texts]
        except NotTakenError:
            return None
        whole = self.mark.join(parts)
        return whole if all(parts) and whole.split(self.mark) == parts else None

    def split(self, whole: str, count: int) -> list[str] | None:
        """Return the texts of members; ``None`` where they would not be joined to this again."""
        parts = whole.split(self.mark)
        return [self.spelling.write(part) for part in parts] if len(parts) == count and all(parts) else None


def is_joined(text: str) -> bool:
    """Whether a spelling says that members are joined."""
    return text.startswith(_HEAD)


def joining(text: str) -> tuple[Joining, str] | None:
    """Return how members are joined and how they are kept, or nothing where the text does not say it."""
    match = _JOINED.fullmatch(text)
    if match is None:
        return None
    return Joining(match["mark"], SIMPLE[match["of"] or "text"], match["kept"] is not None), match["kept"] or ""


_UNSPLIT: Final = "it cannot be split into "


def unsplit(names: Sequence[str]) -> str:
    """Return why a text is left out."""
    return _UNSPLIT + ", ".join(names)


def is_unsplit(why: str) -> bool:
    """Whether a line of the ledger says that a text is left out."""
    return why.startswith(_UNSPLIT)
