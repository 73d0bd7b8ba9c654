"""Several records in one object of a site, and rows of a feed that are one record: taken apart and put together.

Both work on the site's own JSON, before and after everything else, and lose nothing: what is put together is what was
taken apart, in its order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping.document import Shapes, Table, misshapen
from fhir_infusion.mapping.formats.names import shown
from fhir_infusion.mapping.formats.undoing import UNDONE, Problem, Undo, code, undo_of
from fhir_infusion.records.equality import same

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.mapping.formats.nodes import Node

Json = dict[str, Any]

EACH_SHAPES: Final[Shapes] = {"list": (str,), "by": (list,)}
FEED_SHAPES: Final[Shapes] = {
    "by": (list,),
    "rows": (str,),
    "row": (str,),
    "order": (str, list),
    "derive": (Table,),
    "undo": (Table,),
}
DERIVED_SHAPES: Final[Shapes] = {"take": (str,), "of": (str,), "codes": (Table,), "only": (Table,)}


@dataclass(frozen=True, slots=True)
class Each:
    """One record for each element of the list ``name``; objects with equal ``by`` are one object of the site."""

    name: str
    by: tuple[str, ...]

    def apart(self, value: Any) -> list[Json]:
        """Return one object for each element.

        Raises:
            Refused: there is no such list, or nothing in it.
        """
        several = value if isinstance(value, list) else [value]
        found = []
        before = None
        for position, one in enumerate(several):
            at = f"[{position}]." if isinstance(value, list) else ""
            key = self._key(one, at)
            if key == before:
                raise _refused(f"{at}{self.by[0]}", "the object before this has the same key", "one object for a key")
            before = key
            items = one.get(self.name) if isinstance(one, dict) else None
            if not isinstance(items, list) or not items:
                raise _refused(f"{at}{self.name}", "each element of this is a record", "a list that is not empty")
            found += [{**one, self.name: item} for item in items]
        return found

    def together(self, objects: list[Json]) -> list[Json]:
        """Return the site's objects: those with equal keys that follow each other are one.

        Raises:
            Refused: two of one key say different things of what they have in common.
        """
        made: list[Json] = []
        for one in objects:
            common = {name: value for name, value in one.items() if name != self.name}
            last = {name: value for name, value in made[-1].items() if name != self.name} if made else None
            if last is None or self._key(last, "") != self._key(common, ""):
                made.append({**common, self.name: [one.get(self.name, {})]})
                continue
            _demand_same(last, common, self.name)
            made[-1][self.name].append(one.get(self.name, {}))
        return made

    def runs(self, objects: list[Json]) -> list[list[int]]:
        """Return the positions of the objects that are one of the site: with equal keys, following each other."""
        keys = [self._key(one, "") for one in objects]
        return [[at for at, _ in run] for _, run in groupby(enumerate(keys), lambda pair: pair[1])]

    def _key(self, one: Any, at: str) -> str:
        return _key_of(one, self.by, at)


@dataclass(frozen=True, slots=True)
class Derived:
    """A member that no row has: it is what the ``take`` row says, and is checked, not written, on the way back."""

    name: str
    take: Literal["first", "last", "next"]
    of: str
    codes: Mapping[str, str] | None = None
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of_row(self, row: Json | None) -> Any:
        """Return the value that a row gives; ``None`` where it gives none."""
        if row is None or any(code(row.get(name)) not in accepted for name, accepted in self.only.items()):
            return None
        value = row.get(self.of)
        return value if self.codes is None else self.codes.get(code(value))


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows with equal ``by`` are one record; ``rows`` names the list they are in, ``row`` the key of each.

    ``varying`` are the members of a row; any other member of the shape is equal in all rows of one record.
    """

    by: tuple[str, ...]
    rows: str
    row: str
    common: frozenset[str]
    order: tuple[str, ...] = ()
    derived: tuple[Derived, ...] = ()
    undo: Undo | None = None

    def apart(self, rows: list[Json]) -> list[Json]:
        """Return one object for the rows of each record, as ``merged`` gives them, in the order of their first rows.

        Raises:
            Refused: a row contradicts another of its record, or says what is derived.
        """
        groups: dict[str, Json] = {}
        beside: list[tuple[str, str, Json]] = []
        for position, row in enumerate(rows):
            at = f"[{position}]"
            key = _key_of(row, self.by, f"{at}.")
            common = {name: held for name, held in row.items() if name in self.common}
            varying = {name: held for name, held in row.items() if name not in self.common}
            group = groups.setdefault(key, {self.rows: []})
            if self.undo is not None and self.undo.is_beside(row):
                beside.append((at, key, common))
                varying = row
            elif not any(self.rows_that_happened(group)):
                group |= common
            else:
                _demand_same({name: held for name, held in group.items() if name != self.rows}, common, self.rows, at)
            for one in self.derived:
                if one.name in row:
                    reason = "a row says what the format derives from the rows"
                    raise _refused(f"{at}.{shown(one.name)}", reason, "rows without it")
            group[self.rows].append(varying)
        for at, key, common in beside:  # these may say less of what is common, and nothing else
            if not any(self.rows_that_happened(groups[key])):
                groups[key] |= common
            known = {name: held for name, held in groups[key].items() if name in common}
            _demand_same(known, {name: common[name] for name in known}, self.rows, at)
        return [self._with_derived(group) for group in groups.values()]

    def rows_that_happened(self, group: Json) -> Iterator[Json]:
        """Yield the rows of a record that say what happened."""
        yield from (row for row in group[self.rows] if self.undo is None or not self.undo.is_beside(row))

    def key(self, row: Json) -> str:
        """Return the key of the record that a row is of."""
        return _key_of(row, self.by, "")

    def merged(
        self, before: list[Json], more: list[Json], bare: Callable[[Json], Json], taken: frozenset[str]
    ) -> list[Json]:
        """Return rows with those that came later behind them; what came before with the same content is left out.

        ``taken`` are the members that pairs take: of others a row that comes again may say more than before, for what
        was kept may have stayed behind with an edit.

        Raises:
            Refused: a row came before with another content.
        """
        places: dict[str, int] = {}
        rows: list[Json] = []
        for position, row in enumerate([*before, *more], -len(before)):
            key = _key_of(row, (*self.by, self.row), f"[{position}]." if position >= 0 else "")
            at = places.setdefault(key, len(rows))
            if at == len(rows):
                rows.append(row)
                continue
            known, again = bare(rows[at]), bare(row)
            more_said = again.keys() - known.keys() - taken
            if not same(known, {name: value for name, value in again.items() if name not in more_said}):
                reason = "this row came before with another content"
                raise _refused(
                    f"[{position}].{self.row}", reason, "the same row, or one with a key of its own", BREAKS_RULE
                )
            if more_said:
                rows[at] = row
        return rows

    def _with_derived(self, group: Json) -> Json:
        rows: list[Json] = group[self.rows]
        says: Mapping[str, Any] = {}
        made = {**group}
        if self.undo is not None:
            settled = self.undo.settle(rows)
            rows, says = settled.counted, self.undo.says if settled.cancelled else says
            made |= {UNDONE: settled.undone} if settled.undone else {}
        made[self.rows] = [dict(row) for row in rows]
        for one, holder, value in self._derivations(made, rows) if rows else ():
            if value is not None:
                holder[one.name] = value
        return {**made, **says}

    def problems(self, one: Json) -> list[Problem]:
        """Return why rows that undo others cannot be settled."""
        if self.undo is None:
            return []
        return self.undo.settle(self.undo.whole(one.get(self.rows) or [], one.get(UNDONE))).problems

    def _derivations(self, made: Json, rows: list[Json]) -> Iterator[tuple[Derived, Json, Any]]:
        """Yield each derived member, the object that it belongs to, and its value."""
        for one in self.derived:
            if one.take == "next":
                for holder, after in zip(made[self.rows], [*rows[1:], None], strict=True):
                    yield one, holder, one.of_row(after)
            else:
                yield one, made, one.of_row(rows[0 if one.take == "first" else -1])

    def together(self, objects: list[Json]) -> list[Json]:
        """Return the rows of each object.

        Raises:
            Refused: a derived member is not what the rows say.
        """
        return [row for one in objects for row in self._rows(one)]

    def _rows(self, one: Json) -> list[Json]:
        rows, undone = one.get(self.rows) or [], one.pop(UNDONE, None)
        whole = rows if self.undo is None else self.undo.whole(rows, undone)
        if not whole:
            raise _refused(self.rows, "the feed has no row for this", "one row or more", BREAKS_RULE)
        says: Mapping[str, Any] = {}
        if self.undo is not None and self.undo.settle(whole).cancelled:
            says = self.undo.says
        for derived, holder, value in list(self._derivations(one, rows)) if rows else ():
            given = holder.pop(derived.name, None)
            if not same(given, says.get(derived.name, value)):
                accepted = f"what the {derived.take} row says"
                raise _refused(derived.name, "the rows of the feed do not say this", accepted, BREAKS_RULE)
        common = {name: value for name, value in one.items() if name != self.rows}
        return [self._whole_row(common, row) for row in whole]

    def _whole_row(self, common: Json, row: Json) -> Json:
        """Return a row with what is common; one that only undoes another says of that no more than it said."""
        if self.undo is not None and self.undo.is_beside(row):
            return {name: common.get(name, value) for name, value in row.items()}
        return {**common, **row}


def each_of(table: Table, root: Node, complaints: list[str]) -> Each | None:
    """Read ``each``; what is wrong is added to the complaints."""
    wrong = misshapen(table, EACH_SHAPES, "`each`")
    complaints += wrong
    members = root.members or {}
    name, by = table.get("list"), [str(one) for one in table.get("by") or ()]
    if wrong or not isinstance(name, str) or not by:
        complaints.append(f"{table.mark}: `each` names its `list`, and the members `by` which objects are one")
        return None
    node = members.get(name)
    if node is None or node.members is None or node.is_list:
        objects = [one.name for one in members.values() if one.members is not None and not one.is_list]
        what = f"'{name}' is no object of the shape; accepted: one that the shape gives without []"
        complaints.append(f"{table.marks['list']}: {what}{''.join(f', {one}' for one in objects)}")
        return None
    complaints += _not_in(table, "by", by, members)
    return Each(name, tuple(by))


def feed_of(table: Table, root: Node, complaints: list[str]) -> Feed | None:
    """Read ``feed``; what is wrong is added to the complaints."""
    wrong = misshapen(table, FEED_SHAPES, "`feed`")
    complaints += wrong
    members = root.members or {}
    rows, row, by = table.get("rows"), table.get("row"), [str(one) for one in table.get("by") or ()]
    if wrong or not isinstance(rows, str) or not isinstance(row, str) or not by:
        what = "`feed` names the members `by` which rows are one, the list `rows`, and `row`, the key of each"
        complaints.append(f"{table.mark}: {what}")
        return None
    node = members.get(rows)
    if node is None or node.members is None or not node.is_list:
        lists = [one.name for one in members.values() if one.members is not None and one.is_list]
        what = f"'{rows}' is no list of objects in the shape; accepted: one that the shape gives with []"
        complaints.append(f"{table.marks['rows']}: {what}{''.join(f', {one}' for one in lists)}")
        return None
    given = table.get("order", [])
    order = tuple(map(str, given if isinstance(given, list) else [given]))
    complaints += [*_not_in(table, "row", [row], node.members), *_not_in(table, "order", order[1:], node.members)]
    moments = [one.name for one in node.members.values() if one.spelling and one.spelling.type in ("date", "dateTime")]
    if order and order[0] not in moments:
        what = f"'{order[0]}' is no moment of the rows"
        complaints.append(f"{table.marks['order']}: {what}; accepted: {', '.join(moments) or 'none is there'}")
    derived = _derived(table.get("derive") or Table(), node, members, complaints)
    names = {one.name for one in derived}
    common = frozenset(
        part for name, inner in members.items() if name != rows and name not in names for part in inner.names
    )
    complaints += _not_in(table, "by", by, common)
    undo = _undo(table, root, node, order, derived, complaints)
    return Feed(tuple(by), rows, row, common, order, derived, undo)


def _undo(
    table: Table, root: Node, rows: Node, order: tuple[str, ...], derived: tuple[Derived, ...], complaints: list[str]
) -> Undo | None:
    """Read ``undo``, and let the shape know the member that keeps what does not count."""
    given, members = table.get("undo"), root.members if root.members is not None else {}
    if not isinstance(given, Table):
        return None
    mark = table.marks["undo"]
    tops = [one.name for one in derived if one.take != "next"]
    undo = undo_of(given, str(table["row"]), rows.members or {}, tops, complaints)
    if "correct" in undo.kinds and not order:
        complaints.append(f"{mark}: nothing tells where a corrected row belongs; accepted: `order` of the feed")
    if UNDONE in members:
        complaints.append(
            f"{mark}: '{UNDONE}' is where the rows go that do not count; accepted: another name in the shape"
        )
    members[UNDONE] = replace(
        rows, name=UNDONE, is_list=False, members=None, keeping=replace(rows.keeping, always=True)
    )
    return undo


def _not_in(table: Table, keyword: str, names: Iterable[str], members: Iterable[str]) -> list[str]:
    known = sorted(members)
    return [
        f"{table.marks[keyword]}: '{name}' is not in the shape there; accepted: {', '.join(known)}"
        for name in names
        if name not in known
    ]


def _derived(table: Table, row: Node, members: Mapping[str, Node], complaints: list[str]) -> tuple[Derived, ...]:
    found = []
    inside = row.members or {}
    for name, said in table.items():
        mark = table.marks[name]
        if not isinstance(said, Table) or misshapen(said, DERIVED_SHAPES, "a derived member"):
            complaints.append(f"{mark}: a derived member has `take` and `of`, and may have `codes` and `only`")
            continue
        take, of = said.get("take"), said.get("of")
        place = inside if take == "next" else members
        if take not in ("first", "last", "next") or of not in inside:
            accepted = ", ".join(inside)
            complaints.append(
                f"{mark}: `take` is first, last or next, and `of` a member of a row; accepted: {accepted}"
            )
        elif name not in place:
            where = "in the rows" if take == "next" else "at its top"
            complaints.append(f"{mark}: '{name}' is not in the shape, {where}; accepted: {', '.join(place)}")
        elif unknown := _not_in(said, "only", said.get("only") or (), inside):
            complaints += unknown
        elif any(not isinstance(held, list) for held in (said.get("only") or Table()).values()):
            what = "`only` has a list of codes for each member of a row, such as [STOP]"
            complaints.append(f"{said.marks['only']}: {what}")
        else:
            codes = said.get("codes")
            only = {key: tuple(map(code, held)) for key, held in (said.get("only") or Table()).items()}
            named = {key: str(held) for key, held in codes.items()} if codes is not None else None
            found.append(Derived(name, take, str(of), named, only))
    return tuple(found)


def _demand_same(left: Json, right: Json, rows: str, at: str = "") -> None:
    """Refuse two objects of one key that differ in what they have in common."""
    for name in {**left, **right}:
        if name != rows and not (name in left and name in right and same(left[name], right[name])):
            place = f"{at}.{shown(name)}" if at else shown(name)
            reason = "what belongs to one key says different things here"
            raise _refused(place, reason, "the same in all that have the key", BREAKS_RULE)


def _key_of(one: Any, names: tuple[str, ...], at: str) -> str:
    """Return the key of an object of the site as one text."""
    if not isinstance(one, dict):
        raise _refused(at.rstrip("."), "this is no object", "an object")
    values = [one.get(name) for name in names]
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str | int) or value == "":
            raise _refused(f"{at}{name}", "an object is found by this, and it is not there", "text or a number")
    return json.dumps(values)


def _refused(at: str, reason: str, accepted: str, status: int = 400) -> Refused:
    return Refused(Issue("error", "structure", at, reason, accepted, "group", status))
