"""A site's own JSON under its format: what becomes of each path of a corpus, and what another format changes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions.formats import checked, format_named, to_format
from fhir_infusion.actions.mappings.along import along
from fhir_infusion.actions.mappings.turning import Compared, State, compare, places, turn
from fhir_infusion.errors import Refused
from fhir_infusion.fhir.differences import differences
from fhir_infusion.mapping.formats.groups import Feed
from fhir_infusion.mapping.formats.shape import Turning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.actions.mappings.turning import Outcome
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.trace import Line
    from fhir_infusion.translator import Translated, Translator

Json = dict[str, Any]

UNCOUNTED: Final = ("empty", "derived")
"""What is no value of the site: its fillers, and what the format says of the rows of a feed."""


@dataclass(slots=True)
class Census:
    """What became of a corpus: how often each path was in which state, and what was refused, by place and reason.

    From the site a path is ``mapped``; ``kept`` by the shape; ``unknown`` to the shape, and kept too; ``carried`` where
    no pair took it this time; ``dropped`` by a rule; ``empty`` where a filler stands; ``derived`` by the format from
    the rows of a feed. To the site a path of the record is ``mapped``, ``carried`` or ``dropped``.

    ``changed`` are records that did not come back as they were, by the place where they differ.
    """

    records: int = 0
    refused: int = 0
    changed: int = 0
    paths: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)

    @property
    def states(self) -> Counter[str]:
        """Return how many values are in which state, without ``UNCOUNTED``."""
        found: Counter[str] = Counter()
        for (path, state), count in self.paths.items():
            if path and state not in UNCOUNTED:
                found[state] += count
        return found

    def site(self, translator: Translator, one: Format, value: Any) -> None:
        """Count a document of the site: each record of it is read, and written again."""
        try:
            objects = one.apart(value)
        except Refused as error:
            self.records += 1
            self._refuse(error)
            return
        for given in objects:
            self.records += 1
            try:
                read = checked(translator, one.read_one(given))
            except Refused as error:
                self._refuse(error, one.name)
                continue
            for line in read.lines:
                path = line.path.partition(".")[2]
                self.paths[_without_indexes(path), _state(one, given, path, line)] += 1
            self._back(one, given, read)

    def _refuse(self, error: Refused, root: str = "") -> None:
        self.refused += 1
        paths = [(_without_indexes(issue.path).removeprefix(f"{root}."), issue.reason) for issue in error.issues]
        self.reasons.update(set(paths))

    def _back(self, one: Format, given: Json, read: Translated) -> None:
        try:
            wanted, written = one.rows_of(given), one.write(read.results).values
        except Refused as error:
            found = [f"{issue.path}: {issue.reason}" for issue in error.issues]
        else:
            found = list(differences(wanted, written))
        if found:
            self.changed += 1
            self.differing.update({_without_indexes(path).removeprefix(".") for path in found})

    def ours(self, translator: Translator, one: Format, record: Outcome) -> None:
        """Count what :func:`record_of` gave: it is written as the site's JSON."""
        if record is None:
            return
        self.records += 1
        if isinstance(record, tuple):
            self.refused += 1
            self.reasons.update((_without_indexes(path), "it is refused as a resource") for path in record)
            return
        try:
            (done,) = to_format(translator, one.name, [record]).done
        except Refused as error:
            self._refuse(error)
            return
        self.paths.update((_without_indexes(line.path), line.state) for line in done.lines)


def record_of(translator: Translator, given: Json, release: str, overlay: str | None) -> Outcome:
    """Return a record as it is, and the record of a resource, which may be refused or have no mapping."""
    return turn(translator, given, release, overlay) if "resourceType" in given else given


def _without_indexes(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def _state(one: Format, given: Json, path: str, line: Line) -> str:
    """Return what became of a path of the site, in the words of :class:`Census`."""
    way = [(name, value) for name, value in along(given, path) if name]
    if line.state != "carried":
        return "derived" if _is_derived(one, [name for name, _ in way]) else line.state
    node = one.given.root
    for name, _ in way:
        inner = (node.members or {}).get(name) or node.joined_of(name)
        if inner is None or inner.kept or inner.kept_whole:
            return "unknown" if inner is None else "kept"
        node = inner
    value = way[-1][1]
    if Turning(one.given.fillers).is_filler(value) or value in ([], {}):
        return "empty"
    return "carried" if node.joining is None else "kept"


def _is_derived(one: Format, names: list[str]) -> bool:
    group = one.given.group
    if not isinstance(group, Feed):
        return False
    inside = names[1:] if names[:1] == [group.rows] else names
    return any([derived.name] == inside for derived in group.derived)


# ------------------------------------------------------------------------------------------------ what a change changes


_WORST: Final[tuple[State, ...]] = ("changed", "refused", "skipped")


@dataclass(frozen=True, slots=True)
class Turned:
    """One record under two formats: as it is ``read`` from the site, and as it is ``written`` for the site."""

    read: Compared | None
    written: Compared | None

    @property
    def _both(self) -> list[tuple[str, Compared]]:
        return [(side, one) for side, one in (("read", self.read), ("written", self.written)) if one is not None]

    @property
    def state(self) -> State:
        """Return ``changed`` where either way is, else ``refused`` where either is by both."""
        found: set[State] = {one.state for _, one in self._both}
        worst: list[State] = [state for state in _WORST if state in found]
        return worst[0] if worst else "same"

    def in_words(self) -> str:
        """Return where the two differ, or refuse; no values."""
        return "; ".join(f"{side}: {one.in_words()}" for side, one in self._both if one.state != "same")

    def document(self) -> Json:
        """Return the same as JSON, without values."""
        return {"state": self.state, **{side: one.document() for side, one in self._both}}


def turned(old: Translator, new: Translator, name: str, value: Any) -> Iterator[Turned]:
    """Compare what two formats of one name make of a document of the site, record by record, and back.

    Raises ``Refused``: either side has no such format.
    """
    before, after = (_read(one, name, value) for one in (old, new))
    if len(before) != len(after):
        yield Turned(compare(_together(before), _together(after)), None)
        return
    for left, right in zip(before, after, strict=True):
        back = written(old, new, name, left).written if isinstance(left, dict) else None
        yield Turned(compare(left, right), back)


def written(old: Translator, new: Translator, name: str, record: Outcome) -> Turned:
    """Compare what two formats of one name make of what :func:`record_of` gave.

    Raises ``Refused``: either side has no such format.
    """
    sides = (_written(one, name, record) if isinstance(record, dict) else record for one in (old, new))
    return Turned(None, compare(*sides))


def _read(translator: Translator, name: str, value: Any) -> list[Outcome]:
    one = format_named(translator, name)
    try:
        objects = one.apart(value)
    except Refused as error:
        return [places(error)]
    return [_read_one(translator, one, given) for given in objects]


def _read_one(translator: Translator, one: Format, given: Json) -> Outcome:
    try:
        return checked(translator, one.read_one(given)).results[0]
    except Refused as error:
        return places(error)


def _together(outcomes: list[Outcome]) -> Json:
    return {"records": [{"refused": list(one)} if isinstance(one, tuple) else one for one in outcomes]}


def _written(translator: Translator, name: str, record: Json) -> Outcome:
    try:
        values = to_format(translator, name, [record]).values
    except Refused as error:
        return places(error)
    return values[0] if len(values) == 1 else {"rows": values}
