"""The orders of a listing, each of which is read page by page after a key (keyset), never at a number of rows.

- By creation: an entry that is changed while somebody pages keeps its place, so it is neither skipped nor repeated.
- By last change (``_lastUpdated`` is asked for or sorted by), for whoever keeps a copy in step: the upper bound is set
  by the first page; what changes after it is found by asking again from there on.
- By a date that is asked for, where nothing else narrows it down: from where its range begins.
- By parameters: what has no value of the first comes last, in the order of the next, and so on; these are ``phases``,
  read one after the other, so that the first key is read in order from an index. What is made after the first page is
  not listed. An entry moves only if the value that it is sorted by is changed itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, or_, select, tuple_

from fhir_infusion.fhir.search import Criterion
from fhir_infusion.store.criteria import Behind, compared, ends, is_bounded, is_from, is_narrow, is_of_few
from fhir_infusion.store.index import TABLES
from fhir_infusion.store.tables import INDEX_DATES, INDEX_ROWS, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.fhir.search import Query, SortKey

_COLUMNS: Final = {"date": ("start", "end"), "token": ("value", "system"), "uri": ("value", "system")}
_TEXT_COLUMNS: Final = ("value", "text")


@dataclass(frozen=True, slots=True)
class Key:
    """One term of an order."""

    term: ColumnElement[Any]
    descending: bool = False
    is_number: bool = False

    def read(self, value: str) -> int | str:
        """Return a value of a page token. Raises ``ValueError``."""
        return int(value) if self.is_number else value


def column_of(number: int) -> str:
    """Return the name of the column that holds a key."""
    return f"key_{number}"


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a listing: ``joined`` tables with how they are joined, conditions, and the terms of its order.

    ``first``: conditions that say where to begin, which behind a key would mislead a database.
    ``is_worked_out``: few are left, whose keys are worked out once for each, before they are sorted.
    """

    keys: tuple[Key, ...]
    joined: tuple[tuple[FromClause, ColumnElement[bool]], ...] = ()
    conditions: tuple[ColumnElement[bool], ...] = ()
    first: tuple[ColumnElement[bool], ...] = ()
    is_worked_out: bool = False

    def of(self, rows: FromClause) -> Phase:
        """Return the same order of rows that hold the keys as columns, named by :func:`column_of`."""
        columns = [replace(key, term=rows.c[column_of(number)]) for number, key in enumerate(self.keys)]
        return Phase(tuple(columns))

    def after(self, values: Sequence[int | str]) -> ColumnElement[bool]:
        """Return the condition that a row stands behind these values of the keys."""
        if len({key.descending for key in self.keys}) == 1:
            here, there = tuple_(*(key.term for key in self.keys)), tuple_(*values)
            return here < there if self.keys[0].descending else here > there
        behind: ColumnElement[bool] | None = None
        for key, value in zip(reversed(self.keys), reversed(values), strict=True):
            beyond = key.term < value if key.descending else key.term > value
            behind = beyond if behind is None else or_(beyond, and_(key.term == value, behind))
        first = self.keys[0]
        # Said once more of the first key alone: from that a database knows where in the index to begin.
        begins = first.term <= values[0] if first.descending else first.term >= values[0]
        return begins if behind is None else and_(begins, behind)


@dataclass(frozen=True, slots=True)
class Order:
    """How a listing is read. ``stamp`` is bounded by what was there at the first page; ``driver``: see ``drivers``."""

    name: str
    stamp: ColumnElement[int]
    phases: tuple[Phase, ...]
    driver: Criterion | None = None

    @property
    def side(self) -> Behind:
        """On which side the key of a page bounds the moment of change, where that is what is sorted by."""
        return None if not self.name.startswith("changed") else "upper" if self.is_newest_first else "lower"

    @property
    def is_newest_first(self) -> bool:
        """Whether the bound itself is what is sorted by, in descending order."""
        return self.phases[0].keys[0].descending and self.phases[0].keys[0].term is self.stamp


def order(tenant: str, type: str, query: Query) -> Order:
    """Return the order of a query."""
    first = query.sort[0] if query.sort else None
    if first is None and any(isinstance(one, Criterion) and one.kind == "lastUpdated" for one in query.criteria):
        return _by_change(query, descending=False)
    if first is None:
        return _by_creation(tenant, type, query)
    if first.kind == "lastUpdated":
        return _by_change(query, descending=first.descending)
    if any(map(is_narrow, query.criteria)):
        # Few are left to be sorted: better than to walk an index past all that do not match.
        keys = tuple(key for one in query.sort for key in _computed(tenant, type, one))
        return Order("sorted", _BARE_CREATED, (Phase((*keys, *_BARE_CREATION), is_worked_out=True),))
    return Order("sorted", RESOURCES.c.created, tuple(_phases(tenant, type, query.sort)))


_CREATION: Final = (Key(RESOURCES.c.created, is_number=True), Key(RESOURCES.c.id))
_BARE_CREATED: Final = RESOURCES.c.created + 0
_BARE_CREATION: Final = (Key(_BARE_CREATED, is_number=True), Key(RESOURCES.c.id))
"""As an expression: where few are left, the index by creation is not to be walked past all that do not match."""


def _by_change(query: Query, *, descending: bool) -> Order:
    # As in _BARE_CREATION where few are left.
    moment = RESOURCES.c.last_updated + 0 if any(map(is_of_few, query.criteria)) else RESOURCES.c.last_updated
    keys = (Key(moment, descending, is_number=True), Key(RESOURCES.c.id, descending))
    return Order("changed-newest-first" if descending else "changed", moment, (Phase(keys),))


def is_read_in_order(query: Query) -> bool:
    """Tell whether a listing is read from the index of all that it asks for, so that it passes nothing else."""
    if query.sort:
        return False
    if all(isinstance(one, Criterion) and is_bounded(one) for one in query.criteria):
        return True
    return len(query.criteria) == 1 and _driver(query) is not None


def _by_creation(tenant: str, type: str, query: Query) -> Order:
    """Return the order of creation, read from the index rows of one value where there is one such."""
    driver = _driver(query)
    if driver is None and any(map(is_narrow, query.criteria)):
        return Order("created", _BARE_CREATED, (Phase(_BARE_CREATION),))
    dated = [one for one in query.criteria if isinstance(one, Criterion) and is_bounded(one)]
    if driver is None and dated:
        return _by_date(tenant, type, next((one for one in dated if is_from(one.values[0])), dated[0]))
    if driver is None:
        return Order("created", RESOURCES.c.created, (Phase(_CREATION),))
    (wanted,) = driver.values
    rows = INDEX_ROWS.alias("driver")
    joined = and_(rows.c.tenant == RESOURCES.c.tenant, rows.c.type == RESOURCES.c.type, rows.c.id == RESOURCES.c.id)
    conditions = (
        rows.c.tenant == tenant,
        rows.c.type == type,
        rows.c.parameter == driver.parameter,
        rows.c.value == wanted.value,
        rows.c.system == (wanted.system or ""),
    )
    keys = (Key(rows.c.created, is_number=True), Key(rows.c.id))
    return Order("created", rows.c.created, (Phase(keys, ((rows, joined),), conditions),), driver)


def _by_date(tenant: str, type: str, driver: Criterion) -> Order:
    """Return the order of a date that is asked for, read from where its range begins.

    By creation all would be read that was made before: what happened late was mostly recorded late.
    """
    (wanted,) = driver.values
    rows, other = INDEX_DATES.alias("driver"), INDEX_DATES.alias()
    first, tie = ("end", "start") if is_from(wanted) else ("start", "end")
    joined = and_(rows.c.tenant == RESOURCES.c.tenant, rows.c.type == RESOURCES.c.type, rows.c.id == RESOURCES.c.id)
    same = [other.c[name] == rows.c[name] for name in ("tenant", "type", "id", "parameter")]
    before = tuple_(other.c[first] + 0, other.c[tie] + 0) < tuple_(rows.c[first], rows.c[tie])
    meets = compared(wanted, other.c.start + 0, other.c.end + 0)
    # Each resource stands once, by the first of its dates that meets what is asked for; counted as in _is_first.
    first_of_it = select(func.count() == 0).select_from(other).where(*same, before, meets).correlate(rows)
    conditions = (
        rows.c.tenant == tenant,
        rows.c.type == type,
        rows.c.parameter == driver.parameter,
        # Where it begins stands apart, where it ends does not: behind a key it still has to end.
        compared(wanted, rows.c.start + 0, rows.c.end + 0),
        first_of_it.scalar_subquery(),
    )
    begins, stops = ends(wanted, rows)
    names = (first, tie, "created", "id")
    keys = tuple(Key(rows.c[name], is_number=name != "id") for name in names)
    phase = Phase(keys, ((rows, joined),), (*conditions, *stops), begins)
    return Order("dated", rows.c.created, (phase,), driver)


def _driver(query: Query) -> Criterion | None:
    """Return the criterion whose index rows are read in the order of creation: one code with its system, or reference.

    Of one value there is one row a resource; a narrow one is preferred, and to one that is not whatever names few: the
    index of a status is not to be walked past the orders of all patients but the one whose number is asked for.
    """
    single = [
        one
        for one in query.criteria
        if isinstance(one, Criterion)
        and one.kind in {"token", "reference"}
        and len(one.values) == 1
        and not one.negated
        and not one.match
        and one.values[0].value is not None
        and (one.kind == "reference" or one.values[0].system is not None)
    ]
    narrow = next((one for one in single if is_narrow(one)), None)
    if narrow is not None or not single or any(map(is_of_few, query.criteria)):
        return narrow
    return single[0]


def _phases(tenant: str, type: str, sort: Sequence[SortKey]) -> list[Phase]:
    """Return the parts of an order by parameters: those with the first, those without it by the next, …; the rest."""
    found: list[Phase] = []
    lacking: list[ColumnElement[bool]] = []
    for place, key in enumerate(sort):
        if key.kind in {"id", "lastUpdated"}:
            found.append(Phase((_own(key), *_CREATION), conditions=tuple(lacking)))
            return found
        rows = TABLES[key.kind].alias("ordering")
        mine = and_(rows.c.tenant == RESOURCES.c.tenant, rows.c.type == RESOURCES.c.type, rows.c.id == RESOURCES.c.id)
        value, tie = (rows.c[name] for name in _columns(key))
        named = (rows.c.tenant == tenant, rows.c.type == type, rows.c.parameter == key.parameter)
        is_date = key.kind == "date"
        if place + 1 < len(sort):
            rest = [one for later in sort[place + 1 :] for one in _computed(tenant, type, later)]
            keys = (Key(value, key.descending, is_date), *rest, *_CREATION)
        else:
            keys = (
                Key(value, key.descending, is_date),
                Key(tie, key.descending, is_date),
                Key(rows.c.created, key.descending, is_number=True),
                Key(rows.c.id, key.descending),
            )
        found.append(Phase(keys, ((rows, mine),), (*named, _is_first(key, rows), *lacking)))
        lacking.append(~exists(_values(tenant, type, key)[0]))
    return [*found, Phase(_CREATION, conditions=tuple(lacking))]


def _columns(key: SortKey) -> tuple[str, str]:
    return _COLUMNS.get(key.kind, _TEXT_COLUMNS)


def _is_first(key: SortKey, rows: FromClause) -> ColumnElement[bool]:
    """Return that none of the resource's other values stands before this one; each stands once, by its first.

    They are counted, for each row that is read: a database would turn NOT EXISTS into a join of all rows. Whether there
    are none is said within: a number compared with 0 PostgreSQL takes for 1 row of 200 (DEFAULT_EQ_SEL), so that it
    sorts all that matches, believing it to be little.
    """
    other = TABLES[key.kind].alias()
    here = tuple_(*(rows.c[name] for name in _columns(key)))
    there = tuple_(*(_bare(key, other.c[name]) for name in _columns(key)))
    same = [other.c[name] == rows.c[name] for name in ("tenant", "type", "id", "parameter")]
    before = there > here if key.descending else there < here
    return select(func.count() == 0).select_from(other).where(*same, before).correlate(rows).scalar_subquery()


def _bare(key: SortKey, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as an expression: the values of one resource are not to be looked for in the index by value."""
    return column + 0 if key.kind == "date" else column.concat("")


def _values(tenant: str, type: str, key: SortKey) -> tuple[Any, ColumnElement[Any]]:
    """Return the statement of a resource's values of a parameter, and the column that is sorted by."""
    rows = TABLES[key.kind].alias()
    value = rows.c[_columns(key)[0]]
    mine = (
        rows.c.tenant == tenant,
        rows.c.type == type,
        rows.c.id == RESOURCES.c.id,
        rows.c.parameter == key.parameter,
    )
    return select(value).where(*mine).correlate(RESOURCES), value


def _computed(tenant: str, type: str, key: SortKey) -> list[Key]:
    """Return the terms of a key that is worked out for each resource; what has no value comes last."""
    if key.kind in {"id", "lastUpdated"}:
        return [_own(key)]
    statement, value = _values(tenant, type, key)
    is_date = key.kind == "date"
    outermost = (func.max if key.descending else func.min)(_bare(key, value))
    found = statement.with_only_columns(outermost).scalar_subquery()
    return [
        Key(case((found.is_(None), 1), else_=0), is_number=True),
        Key(func.coalesce(found, 0 if is_date else ""), key.descending, is_date),
    ]


def _own(key: SortKey) -> Key:
    column = RESOURCES.c.id if key.kind == "id" else RESOURCES.c.last_updated
    return Key(column, key.descending, is_number=key.kind == "lastUpdated")
