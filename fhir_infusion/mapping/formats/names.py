"""Member names of a site's JSON as names of paths: any text, one to one, and readable where it can be.

Paths and residue are made of letters, digits and underscores. Any other character becomes its number between two
underscores, an underscore is doubled, and a name that means something to the engine gets a head of its own.
"""

from __future__ import annotations

import re
from typing import Final

from fhir_infusion.mapping.residue import ABSENT

HEAD: Final = "X_00_"
"""Begins a name that would be read as something else."""

WHOLE: Final = "J_00_"
"""Begins the name of a member that is kept as the text of its JSON, for no JSON of ours may hold it."""

_HEADS: Final = (HEAD, ABSENT, WHOLE)
_RESERVED: Final = frozenset(
    {"id", "display", "extension", "modifierExtension", "contained", "resourceType", "reference", "text", "meta"}
    | {"language", "implicitRules"}
)
_OTHER: Final = re.compile(r"[^A-Za-z0-9]")
_ESCAPED: Final = re.compile(r"_(?:([0-9a-f]*)_)")
_USUAL: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_-]{0,63}")
_SMALL: Final = "a-zß-öø-ÿµ"
_LARGE: Final = "A-ZÀ-ÖØ-Þ"
_WORDS: Final = re.compile(
    rf"[{_LARGE}]?[{_SMALL}]+(?:(?<=m)[2²](?![^\W_]))?|[{_LARGE}]+(?:(?<=M)[2²](?![^\W_]))?(?![{_SMALL}])"
)
_WORD: Final = re.compile(r"[A-Za-z0-9_]+")
_STEP: Final = re.compile(r'(?:"([^"]+)"|([^."\[\]]+))((?:\[[^\]]*\])*)(?:\.|$)')


def words(text: str) -> list[str]:
    """Return the words of a name or text in small letters: ``ratePerM2`` is rate, per and m2; other digits are none."""
    return [word.lower() for word in _WORDS.findall(text)]


def safe(name: str) -> str:
    """Return the name of a member as a path has it."""
    made = _OTHER.sub(lambda match: "__" if match[0] == "_" else f"_{ord(match[0]):x}_", name)
    return HEAD + made if name in _RESERVED or not made[:1].isalpha() or made.startswith(_HEADS) else made


def plain(made: str) -> str:
    """Return the name of the site's member: undo ``safe``; what is no character stays, for any residue names paths."""
    return _ESCAPED.sub(_character, made.removeprefix(HEAD))


def _character(match: re.Match[str]) -> str:
    number = int(match[1] or "5f", 16)
    return chr(number) if number < 0xD800 or 0xDFFF < number <= 0x10FFFF else match[0]


def aside(name: str, *, is_filler: bool) -> str:
    """Return the name that keeps a filler, or a value that only the site's JSON may hold, as the text of its JSON."""
    return (ABSENT if is_filler else WHOLE) + safe(name)


def is_aside(made: str) -> bool:
    """Whether a name keeps the text of a member's JSON."""
    return made.startswith((ABSENT, WHOLE))


def plain_aside(made: str) -> str:
    """Return the site's name of the member that a name keeps."""
    return plain(made.removeprefix(ABSENT).removeprefix(WHOLE))


def shown(name: str) -> str:
    """Return a member's name as a refusal may show it: a name of a usual kind, else a stand-in.

    What stands where a name should be can be anything, a patient's name among it.
    """
    return name if _USUAL.fullmatch(name) else "(unreadable name)"


def readable(path: str) -> str:
    """Return a path with the site's own names."""
    return _WORD.sub(lambda match: plain_aside(match[0]) if "_" in match[0] else match[0], path)


def site_path(text: str) -> str | None:
    """Return a site path with the names that the engine takes; ``None`` where it is no path."""
    steps, at = [], 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            return None
        name = match[1] or match[2]
        brackets = re.sub(r"\[([^=\]]+)=", lambda found: f"[{safe(found[1].strip())}=", match[3])
        steps.append(safe(name.strip()) + brackets)
        at = match.end()
    return ".".join(steps) if steps else None
