"""The conditions of a search as SQL, over the index rows; a chain is a condition inside another.

https://hl7.org/fhir/R4/search.html: values of one parameter are alternatives, parameters must all hold. Every statement
names its tenant, inner ones too: nobody finds anything through what belongs to another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, func, literal, or_, select, union_all

from fhir_infusion.fhir.search import Chain, Criterion, Either, Has, Missing
from fhir_infusion.fhir.words import MOST_KEPT, folded
from fhir_infusion.store.index import TABLES
from fhir_infusion.store.tables import IDENTIFIERS, INDEX_ROWS, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from fhir_infusion.fhir.search import Condition, Wanted

_LAST_SIGN: Final = "\U0010ffff"
"""Sorts behind every text that begins as the one before it does."""

BROAD: Final = frozenset({"status", "intent", "priority", "category", "gender", "active"})
"""Parameters of codes whose one value names many resources: asked resource by resource, not listed as a whole."""

_OF_ONE: Final = frozenset({"patient", "subject"})
"""References to whom a resource is about."""

Behind = Literal["lower", "upper", "both"] | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose condition it is: a row of ``resources``, which may be an inner one under a name of its own."""

    tenant: str
    type: str
    resources: FromClause = RESOURCES

    @property
    def id(self) -> ColumnElement[str]:
        """The id of the row."""
        found: ColumnElement[str] = self.resources.c.id
        return found

    def inner(self, type: str) -> Scope:
        """Return the scope of resources of another type, apart from this one."""
        return replace(self, type=type, resources=RESOURCES.alias())

    def alive(self) -> list[ColumnElement[bool]]:
        """Return what holds of every resource of this scope."""
        mine = self.resources.c
        return [mine.tenant == self.tenant, mine.type == self.type, mine.deleted == false()]


def is_narrow(condition: Condition) -> bool:
    """Tell whether few resources meet a condition, so that they are listed first and all else is asked of them."""
    match condition:
        case Criterion(few=bool()):
            return bool(condition.few)
        case Criterion(kind="token"):
            is_identifier = condition.parameter.endswith(("identifier", ":of-type"))
            names_one = all(wanted.value is not None for wanted in condition.values)  # not all of a system
            return is_identifier and names_one and not condition.negated and not condition.match
        case Criterion():
            return condition.kind in {"id", "reference"} and not condition.negated
        case Either():
            return all(map(is_narrow, condition.conditions))
        case _:
            return isinstance(condition, Chain | Has)


def is_of_few(condition: Condition) -> bool:
    """Tell whether a condition names few resources: by an identifier, through a reference or not, or by their patient.

    Other references may lead to what very many have, such as one who prescribes.
    """
    match condition:
        case Chain() | Has():
            return is_of_few(condition.inner)
        case Either():
            return all(map(is_of_few, condition.conditions))
        case Criterion(kind="reference"):
            return condition.parameter in _OF_ONE and not condition.negated
        case _:
            return is_narrow(condition)


def is_bounded(condition: Condition) -> bool:
    """Tell whether a condition is one range of dates with an end or a beginning, which an index is read from."""
    if not isinstance(condition, Criterion) or condition.kind != "date" or condition.negated:
        return False
    return len(condition.values) == 1 and condition.values[0].prefix != "ne"


def is_from(wanted: Wanted) -> bool:
    """Tell whether a date is asked for from some moment on, so that nothing that ended before it is looked at."""
    return wanted.prefix in {"ge", "gt", "sa"}


def holds(scope: Scope, condition: Condition, *, each: bool = False, behind: Behind = None) -> ColumnElement[bool]:
    """Return the condition on the row of a scope.

    ``each``: asked of each row, since others have narrowed them down. ``behind``: it goes on behind a moment of change,
    which bounds it on that side; on both where few are left, among which no index is to be read from there.
    """
    match condition:
        case Criterion():
            return _criterion(scope, condition, each=each, behind=behind)
        case Missing():
            there = exists(_there(scope, condition))
            marked = exists(_rows(scope, "token", _beside(condition), []))
            return ~or_(there, marked) if condition.missing else or_(there, marked)
        case Chain():
            return scope.id.in_(_referring(scope, condition))
        case Has():
            return scope.id.in_(_referred(scope, condition))
        case Either():
            lists = [_listed(scope, one) for one in condition.conditions]
            # One list: of two, each with its IN, no database makes more than a question to each resource of the type.
            if all(one is not None for one in lists):
                return scope.id.in_(union_all(*(one for one in lists if one is not None)))
            return or_(*(holds(scope, one) for one in condition.conditions))
        case _:
            assert_never(condition)


def _listed(scope: Scope, condition: Condition) -> Select[*tuple[Any, ...]] | None:
    """Return the ids of what meets a condition, None where it is asked of each resource instead."""
    match condition:
        case Chain():
            return _referring(scope, condition)
        case Has():
            return _referred(scope, condition)
        case Criterion():
            return _named(scope, condition)
        case _:
            return None


def _there(scope: Scope, condition: Missing) -> Select[*tuple[Any, ...]]:
    """Return the rows of a parameter; that of an identifier that we made is none, for the resource does not say it."""
    table, minted = TABLES[condition.kind].alias(), IDENTIFIERS.alias()
    rows = select(table.c.id).where(table.c.id == scope.id, *_of(table, scope, (condition.parameter,)))
    if condition.parameter != "identifier":
        return rows
    ours = [minted.c.tenant == scope.tenant, minted.c.type == scope.type, minted.c.minted]
    return rows.where(
        ~exists(select(minted.c.id).where(*ours, minted.c.system == table.c.system, minted.c.value == table.c.value))
    )


def _beside(condition: Missing) -> tuple[str, ...]:
    name = condition.parameter
    return (f"{name}:present", f"{name}:identifier") if condition.kind == "reference" else (f"{name}:present",)


def _criterion(scope: Scope, asked: Criterion, *, each: bool, behind: Behind) -> ColumnElement[bool]:
    if asked.kind == "id":
        return scope.id.in_([wanted.value for wanted in asked.values])
    if asked.kind == "lastUpdated":
        return or_(*(_at(wanted, scope.resources.c.last_updated, behind) for wanted in asked.values))
    named = None if each else _named(scope, asked)
    if named is not None:
        return scope.id.in_(named)
    table = TABLES[asked.kind].alias()
    found = exists().where(table.c.id == scope.id, *_meeting(table, scope, asked))
    return ~found if asked.negated else found


def _named(scope: Scope, asked: Criterion) -> Select[*tuple[Any, ...]] | None:
    """Return the ids of what meets a criterion where these are few, else None."""
    is_listed = asked.kind in {"token", "reference", "uri", "string"} and asked.parameter not in BROAD
    if asked.few is False:
        # Of each resource it is asked where its rows say where to look: by a code without its system they do not.
        is_listed = is_listed and all(one.value is not None and one.system is None for one in asked.values)
    if asked.negated or not (is_listed or asked.few):
        return None
    table = TABLES[asked.kind].alias()
    return select(table.c.id).where(*listed(table, scope, asked))


def listed(table: FromClause, scope: Scope, asked: Criterion) -> list[ColumnElement[bool]]:
    """Return what holds of the index rows that meet a criterion, with the bounds between which an index is read."""
    begins, stops = ends(asked.values[0], table) if is_bounded(asked) else ((), ())
    return [*_meeting(table, scope, asked), *begins, *stops]


def _meeting(table: FromClause, scope: Scope, asked: Criterion) -> list[ColumnElement[bool]]:
    """Return what holds of the index rows that meet a criterion."""
    matching = or_(*(_matches(table, asked, wanted) for wanted in asked.values))
    return [*_of(table, scope, (asked.parameter,)), matching]


def ends(wanted: Wanted, rows: FromClause) -> tuple[tuple[ColumnElement[bool], ...], tuple[ColumnElement[bool], ...]]:
    """Return what a range says of the beginning and of the end of a listing in its order."""
    if is_from(wanted):
        return (rows.c.end > wanted.start,), ()
    return ((rows.c.start >= wanted.start,) if wanted.prefix == "eq" else ()), (rows.c.start < wanted.end,)


def _at(wanted: Wanted, moment: ColumnElement[Any], behind: Behind) -> ColumnElement[bool]:
    """Compare an instant with the range asked for, as bounds from which a database knows where in an index to begin.

    Where a listing goes on behind a key, the bound on that side is an expression: the key says where to begin.
    """
    low, high = (moment + 0 if behind in {side, "both"} else moment for side in ("lower", "upper"))
    start, end = wanted.start, wanted.end
    within = and_(low >= start, high < end)
    found: dict[str, ColumnElement[bool]] = {
        "eq": within,
        "ne": ~within,
        "gt": low >= end,
        "lt": high < start,
        "ge": low >= start,
        "le": high < end,
        "sa": low >= end,
        "eb": high < start,
        "ap": within,
    }
    return found[wanted.prefix]


def _of(table: FromClause, scope: Scope, parameters: Sequence[str]) -> list[ColumnElement[bool]]:
    named = table.c.parameter == parameters[0] if len(parameters) == 1 else table.c.parameter.in_(parameters)
    return [table.c.tenant == scope.tenant, table.c.type == scope.type, named]


def _rows(
    scope: Scope, kind: str, parameters: Sequence[str], matching: Sequence[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    table = TABLES[kind].alias()
    return select(table.c.id).where(table.c.id == scope.id, *_of(table, scope, parameters), *matching)


def _referring(scope: Scope, chain: Chain) -> Select[*tuple[Any, ...]]:
    """Return the ids of what refers to a resource that meets the inner condition."""
    reference, target = INDEX_ROWS.alias(), scope.inner(chain.target)
    meets = select(literal(f"{chain.target}/").concat(target.id)).where(*target.alive(), holds(target, chain.inner))
    return select(reference.c.id).where(*_of(reference, scope, (chain.parameter,)), reference.c.value.in_(meets))


def _referred(scope: Scope, has: Has) -> Select[*tuple[Any, ...]]:
    """Return the ids of what is referred to by a resource that meets the inner condition."""
    reference, source = INDEX_ROWS.alias(), scope.inner(has.source)
    meets = select(source.id).where(*source.alive(), holds(source, has.inner))
    begins = f"{scope.type}/"
    return select(func.substr(reference.c.value, len(begins) + 1)).where(
        *_of(reference, source, (has.parameter,)), _begins(reference.c.value, begins), reference.c.id.in_(meets)
    )


def _matches(table: FromClause, asked: Criterion, wanted: Wanted) -> ColumnElement[bool]:
    match asked.kind:
        case "date":
            return compared(wanted, table.c.start, table.c.end)
        case "quantity":
            return and_(table.c.unit == wanted.unit, _amount(table, wanted))
        case "string":
            return _text(table, asked, wanted.value or "")
        case _:
            return _code(table, asked, wanted)


def _code(table: FromClause, asked: Criterion, wanted: Wanted) -> ColumnElement[bool]:
    """Match a token, reference or uri."""
    text = wanted.value or ""
    match asked.match:
        case "code-text":
            return func.lower(table.c.value).like(f"{_escaped(text)}%", escape="\\")
        case "below":
            return or_(table.c.value == text, _begins(table.c.value, text.rstrip("/") + "/"))
        case "above":
            return table.c.value.in_(_parents(text))
    found: list[ColumnElement[bool]] = []
    if wanted.value is not None:
        found.append(table.c.value == wanted.value)
    if wanted.system is not None:
        found.append(table.c.system == wanted.system)
    return and_(*found) if found else table.c.value != ""


def _parents(address: str) -> list[str]:
    """Return an address and those that it is below of: ``http://a/b``, ``http://a/b/``, ``http://a``."""
    after_host = address.find("/", address.find("://") + 3) if "://" in address else address.find("/")
    cuts = [at for at, sign in enumerate(address) if sign == "/" and after_host != -1 and at >= after_host]
    return list(dict.fromkeys([address, *(address[:at] for at in cuts), *(address[: at + 1] for at in cuts)]))


def _text(table: FromClause, asked: Criterion, text: str) -> ColumnElement[bool]:
    match asked.match:
        case "exact":
            # Folded a text may have more signs than are kept of it; the text itself has not.
            return and_(table.c.value == folded(text)[:MOST_KEPT], table.c.text == text)
        case "contains":
            return table.c.value.like(f"%{_escaped(text)}%", escape="\\")
        case _:
            return _begins(table.c.value, text)


def _begins(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Compare as a range, which every database reads from an index."""
    return and_(column >= text, column < f"{text}{_LAST_SIGN}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _amount(table: FromClause, wanted: Wanted) -> ColumnElement[bool]:
    """Compare the range of a quantity with the one asked for, both ends belonging to it."""
    low, high = table.c.low, table.c.high
    within = and_(low >= wanted.low, high <= wanted.high)
    found: dict[str, ColumnElement[bool]] = {
        "eq": within,
        "ne": ~within,
        "gt": high > wanted.high,
        "lt": low < wanted.low,
        "ge": high >= wanted.high,
        "le": low <= wanted.low,
        "sa": low > wanted.high,
        "eb": high < wanted.low,
        "ap": and_(low <= wanted.high, high >= wanted.low),
    }
    return found[wanted.prefix]


def compared(wanted: Wanted, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool]:
    """Compare the range [start, end) with the one asked for; https://hl7.org/fhir/R4/search.html#prefix."""
    within = and_(start >= wanted.start, end <= wanted.end)
    found: dict[str, ColumnElement[bool]] = {
        "eq": within,
        "ne": ~within,
        "gt": end > wanted.end,
        "lt": start < wanted.start,
        "ge": or_(end > wanted.end, within),
        "le": or_(start < wanted.start, within),
        "sa": start >= wanted.end,
        "eb": end <= wanted.start,
        "ap": and_(start < wanted.end, end > wanted.start),
    }
    return found[wanted.prefix]
