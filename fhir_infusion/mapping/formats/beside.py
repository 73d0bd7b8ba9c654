"""What no pair takes, and what it was read beside: it goes back only where that is unchanged.

A member that is kept may describe any other: a dose for each square metre beside the dose that was made of it, a name
beside a code. When an object of the site is read, its residue keeps a digest of all that the pairs take
(``$beside``). What is kept goes back while that is what will be written; else it stays behind with a line, or the
record is refused, as the shape says:

    kept                      while all that the pairs take but the status is unchanged; so does what the shape does
                              not know. One that speaks of a status itself goes back while that is unchanged, too
    kept(with A, B)           while A and B are
    kept(always)              always: it describes nothing
    kept(else refuse)         where it would have to stay behind, the record is refused
    kept(with A, B; else refuse)
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue
from fhir_infusion.mapping.formats.names import is_aside, plain, plain_aside, readable, safe, words
from fhir_infusion.mapping.formats.nodes import Keeping
from fhir_infusion.mapping.formats.shape import ordered_text
from fhir_infusion.mapping.residue import ABSENT, split_path
from fhir_infusion.records.equality import same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.formats.shape import Turning

Json = dict[str, Any]
Way = tuple[str, ...]
"""Names of paths from the object of one record to a member, without keys of lists."""

BESIDE: Final = "$beside"
"""The path of the residue entry."""

EDITED: Final = "it may describe what was edited since it was read"
UNKNOWN: Final = "nothing tells what it was read beside"
ALONE: Final = "the records that are one object of the site do not all say this"
_MENDED: Final = "a record as it was read, or a pair for this member"


@dataclass(frozen=True, slots=True)
class Stale:
    """A residue entry that may describe what was edited; ``way`` is its place without keys."""

    entry: Json
    way: Way
    keeping: Keeping
    why: str

    @property
    def is_filler(self) -> bool:
        """Whether it stands for nothing."""
        return split_path(self.entry["path"])[-1][0].startswith(ABSENT)

    @property
    def shown(self) -> str:
        """Return its path with the site's own names."""
        return readable(self.entry["path"])

    def issue(self, name: str) -> Issue:
        """Return the refusal of the record of a format."""
        return Issue("error", "business-rule", f"{name}.{self.shown}", self.why, _MENDED, "kept", BREAKS_RULE)


def seal(root: Node, residue: Iterable[Json], value: Any, turn: Turning) -> Json | None:
    """Return what a residue that was read from an object of the site was read beside; nothing where there is none."""
    keepings = [(way, keeping) for _, way, keeping in _entries(root, residue) if not keeping.always]
    if not keepings:
        return None
    made: Json = {"of": _digest(_said(root, value, turn)), "but": _digest(_said(root, value, turn, status=False))}
    named = {".".join(way): _of_names(root, keeping.names, value, turn) for way, keeping in keepings if keeping.names}
    return {**made, "with": named} if named else made


def stale(root: Node, residue: Sequence[Json], value: Any, turn: Turning) -> list[Stale]:
    """Return what may not go back beside the object that a record would be written as."""
    given = next((entry["value"] for entry in residue if entry["path"] == BESIDE), None)
    sealed: Mapping[str, Any] = given if isinstance(given, dict) else {}
    named = sealed.get("with")
    whole = ""
    only_status: bool | None = None
    found = []
    for entry, way, keeping in _entries(root, residue):
        if keeping.always:
            continue
        if keeping.names:
            before = named.get(".".join(way)) if isinstance(named, dict) else None
            now = _of_names(root, keeping.names, value, turn)
        else:
            before, now = sealed.get("of"), whole or _digest(_said(root, value, turn))
            whole = now
        if before != now and not keeping.names and not _speaks_of_status(entry, way, root.status_codes):
            if only_status is None:
                only_status = sealed.get("but") == _digest(_said(root, value, turn, status=False))
            if only_status:
                continue
        if before != now:
            found.append(Stale(entry, way, keeping, EDITED if before else UNKNOWN))
    return found


def share(root: Node, records: Sequence[tuple[Sequence[Json], list[Stale]]], own: str) -> None:
    """Add to what is stale what records that are one object do not all say, ``own`` being the list of what is theirs.

    ``records`` are the residue of each and what of it is stale.
    """
    common = [
        {
            entry["path"]: entry
            for entry in residue
            if split_path(entry["path"])[0][0] != safe(own) and not any(entry is one.entry for one in old)
        }
        for residue, old in records
    ]
    for mine, (_, old) in zip(common, records, strict=True):
        for path, entry in mine.items():
            if path[0] == "$" or path.endswith("[*]"):
                continue
            if not all(path in other and same(other[path]["value"], entry["value"]) for other in common):
                way = _way(path)
                old.append(Stale(entry, way, _keeping(root, way), ALONE))


def _way(path: str) -> Way:
    return tuple(safe(plain_aside(name)) if is_aside(name) else name for name, _ in split_path(path))


def _entries(root: Node, residue: Iterable[Json]) -> Iterator[tuple[Json, Way, Keeping]]:
    """Yield each entry that holds something, its way, and how it is kept."""
    for entry in residue:
        name, token = split_path(entry["path"])[-1]
        if name.startswith(("$", ABSENT)) or token == "*":  # noqa: S105  a place in an array, no secret
            continue
        way = _way(entry["path"])
        yield entry, way, _keeping(root, way)


def _keeping(node: Node, way: Way) -> Keeping:
    """Return how the shape says that a member is kept; what it does not know may describe anything."""
    for name in way:
        known = (one for one in (node.members or {}).values() if one.path_name == name)
        inner = next(known, None) or node.joined_of(plain(name))
        if inner is None:
            return Keeping()
        node = inner
    return node.keeping


_SAID: Final = """
status state stat active inactive ongoing current currently live running run started starts planned scheduled pending
stop stopped held hold pause paused suspended resumed completed complete done finished ended expired closed open
cancel cancelled canceled discontinued withdrawn revoked void voided draft error given dc
zustand aktiv inaktiv laufend laeuft lauft aktuell gestoppt abgesetzt pausiert unterbrochen beendet abgeschlossen fertig
storno storniert entwurf geplant offen gegeben fehler
statut etat actif active inactif arret arrete arretee suspendu suspendue termine terminee annule annulee brouillon
estado activo activa inactivo detenido suspendido suspendida terminado finalizado completado anulado cancelado borrador
stato attivo attiva inattivo sospeso sospesa fermato terminato completato annullato bozza
actief inactief gestopt onderbroken afgerond voltooid geannuleerd
"""
"""Words of a status in English, German, French, Spanish, Italian and Dutch, without accents."""
_STATUS: Final = frozenset(_SAID.split())
_ACCENTS: Final = re.compile(r"[\u0300-\u036f]")


def _speaks_of_status(entry: Json, way: Way, codes: frozenset[str]) -> bool:
    """Whether a member says anything of a status, by its name or in its value: it would contradict another status.

    ``codes`` are those of a status that the format has.
    """
    return any(_has_status(each, codes) for each in (*map(readable, way), entry["value"]))


def _has_status(value: Any, codes: frozenset[str]) -> bool:
    if isinstance(value, dict):
        return any(_has_status(name, codes) or _has_status(held, codes) for name, held in value.items())
    if isinstance(value, list):
        return any(_has_status(one, codes) for one in value)
    if not isinstance(value, str):
        return False
    said = phrase(value)
    return not _STATUS.isdisjoint(said.split()) or any(f" {code} " in f" {said} " for code in codes)


def phrase(text: str) -> str:
    """Return the words of a text as they are compared: in small letters, without accents and marks."""
    return " ".join(words(_ACCENTS.sub("", unicodedata.normalize("NFKD", text))))


# ------------------------------------------------------------------------------------------------ digests


def _said(node: Node, value: Any, turn: Turning, *, status: bool = True) -> Any:
    """Return what the pairs take of a value of the site, fillers left out; ``status``: that too."""
    if isinstance(value, list):
        return [_said(node, item, turn, status=status) for item in value]
    if node.members is None or not isinstance(value, dict):
        return value
    made: Json = {}
    for inner in node.members.values():
        for name in () if inner.kept or (inner.is_status and not status) else inner.names:
            if name in value and not turn.is_filler(value[name]):
                held = _said(inner, value[name], turn, status=status) if name == inner.name else value[name]
                if held not in ({}, []):
                    made[name] = held
    return made


def _of_names(root: Node, names: Iterable[Way], value: Any, turn: Turning) -> str:
    return _digest([_at(root, way, _said(root, value, turn)) for way in names])


def _at(node: Node, way: Way, value: Any) -> Any:
    """Return what stands at a way, in each element of a list."""
    if isinstance(value, list):
        return [_at(node, way, item) for item in value]
    if not way or not isinstance(value, dict):
        return value
    inner = next(one for one in (node.members or {}).values() if one.path_name == way[0])
    if inner.parts or inner.columns:
        return [value.get(name) for name in inner.names]
    return _at(inner, way[1:], value[inner.name]) if inner.name in value else None


def _digest(value: Any) -> str:
    return blake2b(ordered_text(value), digest_size=6).hexdigest()
