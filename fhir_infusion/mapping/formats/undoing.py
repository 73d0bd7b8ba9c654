"""Rows of a feed that undo others: one that voids or corrects a row, one that cancels the whole.

What was undone, and what undid it, never counts: neither reaches the pairs, both go back where they stood. Nothing of
that is guessed: a row that undoes one that is not there, or that was undone already, is refused.

    undo:
      void: {only: {action: [void]}, of: of}        the row with the key that stands in `of` does not count
      correct: {only: {action: [fix]}, of: of}      this row counts in its place
      cancel: {only: {action: [cancel]}}            nothing of this ever was
      says: {State: entered-in-error}               what the record then says, also where every row is void
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue
from fhir_infusion.mapping.document import Mark, Shapes, Table, misshapen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Json = dict[str, Any]

UNDO_SHAPES: Final[Shapes] = {"void": (Table,), "correct": (Table,), "cancel": (Table,), "says": (Table,)}
KIND_SHAPES: Final[Shapes] = {"only": (Table,), "of": (str,)}
UNDONE: Final = "undone"
"""The member of a record's object that holds the rows which do not count, each with the key of the row before it."""

UNKNOWN: Final = "this undoes a row that is not there"
NO_ROW: Final = "this undoes a row that undoes another"
TWICE: Final = "this undoes a row that another row has undone"
NOTHING: Final = "no row of this counts"


def code(value: Any) -> str:
    """Return a value as a document names it: a number or a truth value as its JSON, text as it is."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows that undo: those whose members have one of these values; ``of`` has the key of the row that is undone."""

    only: Mapping[str, tuple[str, ...]]
    of: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why rows cannot be settled: the position of the row, its member, the reason, and what would be accepted."""

    position: int
    member: str
    reason: str
    accepted: str

    def issue(self, rows: str) -> Issue:
        """Return the refusal of the record that has these ``rows``."""
        at = f"{rows}[{self.position}].{self.member}"
        return Issue("error", "business-rule", at, self.reason, self.accepted, "undo", BREAKS_RULE)


@dataclass(slots=True)
class Settled:
    """The rows of one record that count, and those that do not; ``cancelled``: the whole never was."""

    counted: list[Json] = field(default_factory=list)
    undone: list[Json] = field(default_factory=list)
    cancelled: bool = False
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Undo:
    """What a feed says of rows that undo others; ``row`` is the member with the key of a row."""

    row: str
    kinds: Mapping[str, Kind]
    says: Mapping[str, Any]

    def kind(self, row: Json) -> str:
        """Return ``void``, ``correct`` or ``cancel``, or nothing where a row is like any other."""
        for name, kind in self.kinds.items():
            if all(code(row.get(member)) in accepted for member, accepted in kind.only.items()):
                return name
        return ""

    def is_beside(self, row: Json) -> bool:
        """Whether a row is no row of what happened: it says only what another one, or the whole, is not."""
        return self.kind(row) in ("void", "cancel")

    def undone_by(self, rows: Iterable[Json]) -> list[Any]:
        """Return the keys that rows undo."""
        return [row.get(self.kinds[kind].of) for row in rows if (kind := self.kind(row)) in ("void", "correct")]

    def settle(self, rows: Sequence[Json]) -> Settled:
        """Return which rows of one record count."""
        kinds = [self.kind(row) for row in rows]
        found = Settled(cancelled="cancel" in kinds)
        by = self._undone(rows, kinds, found.problems)
        happened = [place for place, kind in enumerate(kinds) if kind not in ("void", "cancel")]
        counted = {place for place in happened if place not in by}
        if not counted and self.says and happened:
            found.cancelled = True
            counted = {at for at in happened if all(kinds[one] == "void" for one in by.get(at, ()))}
        if not counted:
            found.problems.append(Problem(0, self.row, NOTHING, "a row that counts, or what a cancelled one `says`"))
        before = None
        for place, row in enumerate(rows):
            if place in counted:
                found.counted.append(row)
                before = row.get(self.row)
            else:
                found.undone.append({"row": row} if before is None else {"after": before, "row": row})
        return found

    def _undone(self, rows: Sequence[Json], kinds: Sequence[str], problems: list[Problem]) -> dict[int, list[int]]:
        """Return the places of the rows that are undone, each with those of the rows that undo it."""
        places = {row.get(self.row): place for place, row in enumerate(rows)}
        by: dict[int, list[int]] = {}
        for place, kind in enumerate(kinds):
            if kind not in ("void", "correct"):
                continue
            target = self._target(rows[place], places)
            if target is None:
                problems.append(Problem(place, self.kinds[kind].of, UNKNOWN, "the key of a row of this record"))
            elif kinds[target] in ("void", "cancel") or self._in_circle(rows, places, place):
                accepted = "the key of a row that says what happened"
                problems.append(Problem(place, self.kinds[kind].of, NO_ROW, accepted))
            else:
                by.setdefault(target, []).append(place)
        for several in by.values():
            if len(several) > 1 and any(kinds[place] == "correct" for place in several):
                of = self.kinds[kinds[several[-1]]].of
                problems.append(Problem(several[-1], of, TWICE, "the key of the row that counts now"))
        return by

    def _target(self, row: Json, places: Mapping[Any, int]) -> int | None:
        """Return the place of the row that a row undoes, if it undoes one and that is there."""
        kind = self.kinds.get(self.kind(row))
        key = row.get(kind.of) if kind is not None and kind.of else None
        return places.get(key) if isinstance(key, str | int) and not isinstance(key, bool) else None

    def _in_circle(self, rows: Sequence[Json], places: Mapping[Any, int], start: int) -> bool:
        """Whether a row undoes itself, or one that undoes it in turn."""
        seen, place = set(), start
        while place not in seen:
            seen.add(place)
            following = self._target(rows[place], places)
            if following is None:
                return False
            place = following
        return True

    def whole(self, counted: Sequence[Json], undone: Any) -> list[Json]:
        """Return all rows of a record, each where it stood."""
        held = [one for one in undone if isinstance(one, dict) and isinstance(one.get("row"), dict)] if undone else []
        keys = {row.get(self.row) for row in counted}
        made = [one["row"] for one in held if "after" not in one]
        for row in counted:
            made += [row, *(one["row"] for one in held if "after" in one and one["after"] == row.get(self.row))]
        return made + [one["row"] for one in held if "after" in one and one["after"] not in keys]


def undo_of(table: Table, row: str, members: Iterable[str], derived: Iterable[str], complaints: list[str]) -> Undo:
    """Read ``undo``; ``members`` are those of a row, ``derived`` those of the whole. Complaints are added."""
    complaints += misshapen(table, UNDO_SHAPES, "`undo`")
    kinds = {}
    for name in ("void", "correct", "cancel"):
        given = table.get(name)
        if isinstance(given, Table):
            kinds[name] = _kind(given, name, tuple(members), table.marks[name], complaints)
    said = table.get("says")
    says = dict(said) if isinstance(said, Table) else {}
    complaints += [
        f"{table['says'].marks[name]}: '{name}' is not derived from the rows; accepted: {', '.join(derived)}"
        for name in says
        if name not in tuple(derived)
    ]
    if "cancel" in kinds and not says:
        complaints.append(f"{table.marks['cancel']}: nothing tells what a cancelled record says; accepted: `says`")
    return Undo(row, kinds, says)


def _kind(given: Table, name: str, members: tuple[str, ...], mark: Mark, complaints: list[str]) -> Kind:
    wrong = misshapen(given, KIND_SHAPES, "a row that undoes")
    only, of = given.get("only"), given.get("of", "")
    if not wrong and (not only or (name == "cancel") == bool(of)):
        what = "rows that undo have `only`, which tells them"
        wrong.append(f"{mark}: {what}, and `of`, where the key of the undone row stands (not of `cancel`)")
    unknown = [one for one in (*(only or ()), of) if one and one not in members]
    if not wrong and unknown:
        wrong.append(f"{mark}: '{unknown[0]}' is no member of a row; accepted: {', '.join(members)}")
    complaints += wrong
    if wrong or only is None:
        return Kind({})
    return Kind({str(key): tuple(map(code, held)) for key, held in only.items()}, str(of))
