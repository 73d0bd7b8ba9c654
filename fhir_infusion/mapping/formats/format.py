"""A format, both ways: a site's JSON into records and records into the site's JSON, through the mapping engine."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import DocumentError, Issue, Refused
from fhir_infusion.mapping.build import Ingredients, build
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.mapping.document import Document, Table
from fhir_infusion.mapping.formats import beside, places, wording
from fhir_infusion.mapping.formats.document import Given, read_format
from fhir_infusion.mapping.formats.doubts import unknown
from fhir_infusion.mapping.formats.groups import Each, Feed
from fhir_infusion.mapping.formats.names import readable
from fhir_infusion.mapping.formats.nodes import elements
from fhir_infusion.mapping.formats.ordering import in_order
from fhir_infusion.mapping.formats.packing import is_packed, packed_input, several, unpacked_input, wire
from fhir_infusion.mapping.formats.shape import Turning, prepare, restore
from fhir_infusion.mapping.formats.values import SITE_FITS
from fhir_infusion.mapping.formats.wrong_codes import wrong_codes
from fhir_infusion.mapping.lens import Ledger, Lens, Translation
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.fields import table as field_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fhir_infusion.mapping.code_tables import CodeTable
    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.plan import Plan
    from fhir_infusion.mapping.residue import Entry
    from fhir_infusion.mapping.trace import Warned

Json = dict[str, Any]

PREFIX = "format:"
"""Begins the ``release`` of residue that was read from a format."""


@dataclass(frozen=True, slots=True)
class Written:
    """The site's JSON of several records, and what became of each record, in their order."""

    values: list[Any]
    translations: tuple[Translation, ...]


class _SiteLens(Lens):
    """The lens of a format: constants are set before anything is told of the record."""

    def _plainly_read(self, resource: Json) -> tuple[Json, list[Entry], list[Warned]]:
        record, entries, warned = super()._plainly_read(resource)
        places.fill(self.plan.root.iobj, record)
        return record, entries, warned


class Format:
    """One format document, ready for use."""

    def __init__(self, given: Given, plan: Plan) -> None:
        """Keep what the document says and its plan."""
        self.given = given
        self.lens = _SiteLens(plan, field_table(), interpret=True)
        self._wire = wire(given.root, given.group) if is_packed(given.root) else None
        self._keys = frozenset(name for members in field_table().values() for name, item in members.items() if item.key)

    @property
    def name(self) -> str:
        """Return the name of the format."""
        return self.given.name

    @property
    def record(self) -> str:
        """Name the kind of its records: ``InfusionOrder`` or ``Administration``."""
        return self.given.record

    @property
    def without_order(self) -> frozenset[str]:
        """Return the names of the record's lists of which the site's JSON shows no order."""
        return places.without_order(self.given.root, self.lens.plan)

    def read(self, value: Any) -> list[Translation]:
        """Read the site's JSON: an object or a list of them, rows of a feed in any number.

        Raises ``Refused`` with every reason.
        """
        objects = self.apart(value)
        read, issues = [], []
        for position, one in enumerate(objects):
            try:
                read.append(self._read(one))
            except Refused as refused:
                several = f"[{position}]" if len(objects) > 1 else ""
                issues += [issue.under(several) if several else issue for issue in refused.issues]
        if not issues:
            issues = _twice(translation.result for translation in read)
        if issues:
            raise Refused(*issues)
        return read

    def apart(self, value: Any) -> list[Any]:
        """Return the objects that become one record each; of the rows of a feed, in the order of their moments.

        Raises ``Refused``.
        """
        value = self.unpacked(self.in_order(value))
        if self.given.group is not None:
            return list(self.given.group.apart(value))
        return value if isinstance(value, list) else [value]

    def rows_of(self, one: Json) -> list[Any]:
        """Return the rows of a feed, or the object of the site, that ``apart`` took apart.

        Raises ``Refused``.
        """
        own = copy.deepcopy(one)
        return self.packed([own] if self.given.group is None else self.given.group.together([own]))

    def unpacked(self, value: Any) -> Any:
        """Return the site's JSON with each object and list of the shape as such.

        Raises ``Refused``.
        """
        return self._turned(unpacked_input, value)

    def packed(self, objects: list[Any]) -> list[Any]:
        """Return objects of the shape as the site writes them.

        Raises ``Refused``.
        """
        made: list[Any] = self._turned(packed_input, objects)
        return made

    def _turned(self, step: Callable[[Node, Any, Turning], Any], value: Any) -> Any:
        """Return a value as a step makes it, the same where the site writes objects and lists as such."""
        if self._wire is None:
            return value
        turn = Turning(self.given.fillers)
        made = step(self._wire, value, turn)
        if turn.issues:
            raise Refused(*turn.issues)
        return made

    def in_order(self, value: Any) -> Any:
        """Return the rows of a feed in the order of their moments, where the format names these; else the value.

        Raises ``Refused``: a moment is none.
        """
        return self.merged([], self.several(value)) if self._is_feed else value

    def several(self, value: Any) -> list[Any]:
        """Return the objects, or the rows, that a document of the site has; one alone is a list of one."""
        return several(self.given.root, value)

    def merged(self, before: list[Any], more: list[Any]) -> list[Any]:
        """Return rows of a feed with those that came later, each in its place.

        Raises ``Refused``: a row came before with another content, or a moment is none.
        """
        if not isinstance(self.given.group, Feed):
            return [*before, *more]
        before, more = ([*self.unpacked(rows)] if rows else [] for rows in (before, more))
        feed = self.given.group
        nodes = (self.given.root, (self.given.root.members or {})[feed.rows])
        taken = frozenset(name for node in nodes for name, inner in node.spelled().items() if not inner.kept)
        rows = feed.merged(before, more, self._without_fillers, taken)
        return self.packed(in_order(feed, self.given.root, rows, self.given.fillers) if feed.order else rows)

    @property
    def _is_feed(self) -> bool:
        return isinstance(self.given.group, Feed)

    def _without_fillers(self, row: Json) -> Json:
        turn = Turning(self.given.fillers)
        return {name: value for name, value in row.items() if not turn.is_filler(value)}

    def read_one(self, one: Any) -> Translation:
        """Read what ``apart`` gave.

        Raises ``Refused`` with every reason.
        """
        return self._read(one)

    def number_of(self, one: Json) -> str:
        """Return the site's own number of what ``apart`` gave, or nothing: rows that undo others do not say more."""
        tree = prepare(self.given.root, one, self.name, Turning(self.given.fillers))
        try:
            return str(self.lens.read(tree).result.get(places.NUMBERS[self.record], ""))
        except Refused:
            return ""

    def _read(self, one: Any) -> Translation:
        if isinstance(self.given.group, Feed) and isinstance(one, dict):
            unsettled = self.given.group.problems(one)
            if unsettled:
                raise Refused(*(each.issue(self.given.group.rows) for each in unsettled))
        turn = Turning(self.given.fillers)
        tree = prepare(self.given.root, one, self.name, turn)
        if turn.issues:
            raise Refused(*(wording.shown(issue) for issue in turn.issues))
        try:
            read = self.lens.read(tree)
        except Refused as refused:
            raise Refused(*(wording.shown(wording.of_side(issue, "in: ")) for issue in refused.issues)) from None
        if wrong := [*places.without_number(read.result), *places.without_unit(read.result)]:
            raise Refused(*wrong)
        sealed = beside.seal(self.given.root, read.result.get("residue", ()), one, turn)
        if sealed is not None:
            entry = {"release": self.lens.plan.release, "path": beside.BESIDE, "value": sealed}
            read.result["residue"].append(entry)
        findings = (*read.findings, *unknown(self, one))
        return replace(read, findings=findings, ledger=wording.turned(read.ledger, wording.read_line))

    def write(self, records: list[Json]) -> Written:
        """Write records as the site's JSON; those that are one object of the site must follow each other.

        Raises ``Refused`` with every reason.
        """
        if issues := _twice(records):
            raise Refused(*issues)
        written = [self._written(record) for record in records]
        stale = [self._stale(record, one) for record, one in zip(records, written, strict=True)]
        self._share(records, written, stale)
        translations = tuple(
            self._without(record, old) if old else one for record, one, old in zip(records, written, stale, strict=True)
        )
        self._demand_same(records, translations)
        objects = [translation.result for translation in translations]
        values = objects if self.given.group is None else self.given.group.together([dict(one) for one in objects])
        return Written(self.packed(values), translations)

    def _stale(self, record: Json, written: Translation) -> list[beside.Stale]:
        """Return what a record keeps that may describe what was edited since it was read."""
        turn = Turning(self.given.fillers)
        return beside.stale(self.given.root, self._residue(record), written.result, turn)

    def _demand_same(self, records: list[Json], written: tuple[Translation, ...]) -> None:
        """Refuse residue with which the site's JSON says another thing than without it.

        Whoever sends a record can send any residue with it.

        Raises ``Refused`` with every place.
        """
        issues = []
        for record, one in zip(records, written, strict=True):
            if all(entry["path"].startswith("$") for entry in self._residue(record)):
                continue
            others = [entry for entry in record["residue"] if entry["release"] != self.lens.plan.release]
            plain = self._read(self._written({**record, "residue": others}).result).result
            said = self._read(one.result).result
            issues += [wording.otherwise(at) for at in differences(bare(plain), bare(said))]
        if issues:
            raise Refused(*issues)

    def _share(self, records: list[Json], written: list[Translation], stale: list[list[beside.Stale]]) -> None:
        """Let records that are one object of the site leave out the same of what they have in common."""
        if isinstance(self.given.group, Each):
            for run in self.given.group.runs([one.result for one in written]):
                own = [(self._residue(records[each]), stale[each]) for each in run]
                beside.share(self.given.root, own, self.given.group.name)

    def _residue(self, record: Json) -> list[Json]:
        return [one for one in record.get("residue", ()) if one["release"] == self.lens.plan.release]

    def _without(self, record: Json, stale: list[beside.Stale]) -> Translation:
        """Write a record without what may describe what was edited.

        Raises ``Refused`` where the shape says so of one of these.
        """
        refused = [one.issue(self.name) for one in stale if one.keeping.refuse]
        if refused:
            raise Refused(*refused)
        left = [entry for entry in record["residue"] if not any(entry is one.entry for one in stale)]
        written = self._written({**record, "residue": left})
        lines = [Line(one.shown, "dropped", "", one.why) for one in stale if not one.is_filler]
        ledger = written.ledger
        return replace(written, ledger=Ledger((*ledger.exceptions, *lines), lambda: [*ledger.lines(), *lines]))

    def _written(self, record: Json) -> Translation:
        plan = self.lens.plan
        issues = [
            *places.without_number(record),
            *places.demand(plan.root.iobj, record),
            *places.without_unit(record),
        ]
        if issues:
            raise Refused(*issues)
        try:
            written = self.lens.write(record)
        except Refused as refused:
            raise Refused(*(wording.unplaced(wording.of_side(issue, "out: ")) for issue in refused.issues)) from None
        turn = Turning(self.given.fillers)
        value = restore(self.given.root, written.result, self.name, turn)
        if turn.issues:
            raise Refused(*(wording.shown(issue) for issue in turn.issues))
        own = frozenset(places.own_keys(record, self._keys))
        left = {told.path.removeprefix(f"{self.name}."): told.why for told in turn.lines}

        def line(one: Line) -> Line | None:
            """Return a line with the site's names; none for a key that was made up and says nothing."""
            if one.why == places.NO_KEY and one.path not in own:
                return None
            path = readable(one.path) if one.path not in own else one.path
            if one.to in left:
                return Line(path, "dropped", "", left[one.to])
            return replace(one, to=readable(one.to), path=path)

        ledger = wording.turned(written.ledger, line)
        if left:
            ledger = Ledger(tuple(one for one in ledger.lines() if one.state != "mapped"), ledger.lines)
        return replace(written, result=value, ledger=ledger)


def _twice(records: Iterable[Json]) -> list[Issue]:
    """Return a refusal of each record whose number another had before."""
    numbers, issues = places.Numbers(), []
    for position, record in enumerate(records):
        try:
            numbers.demand_new(record)
        except Refused as refused:
            issues += [issue.under(f"[{position}]") for issue in refused.issues]
    return issues


def build_format(file: str, table: Table, codes: Mapping[str, CodeTable]) -> Format:
    """Build a format; ``codes`` are the code tables of the library, beside those of the document.

    Raises:
        DocumentError: with every complaint, each with file:line.
    """
    given = read_format(file, table)
    release = PREFIX + given.name
    content = Table({"between": Table({"internal": given.record, "fhir": given.name, "release": release})})
    content.mark, content.marks = given.mark, {"between": given.mark, "pairs": given.pairs.mark}
    content["between"].mark = given.mark
    content["between"].marks = dict.fromkeys(("internal", "fhir", "release"), given.mark)
    content["pairs"] = given.pairs
    ingredients = Ingredients(
        {}, given.systems, elements(given.root), field_table(), {**codes, **given.codes}, SITE_FITS, whole=False
    )
    try:
        plan = build(Document(file.removesuffix(".yaml"), content), ingredients)
    except DocumentError as error:
        raise DocumentError(*(wording.of_site(line) for line in error.complaints)) from None
    left = [
        f"{node.mark}: no pair takes '{node.name}'; accepted: a pair, or `{node.name}: kept`"
        for node in places.unpaired(given.root, plan)
    ]
    for path in places.wrong_drops(plan, given.record):
        what = f"'{path}' could change what the patient gets, so no rule may leave it out; accepted: a pair"
        left.append(f"{given.pairs.mark}: {what}")
    left += places.wrong_joins(plan, given.root)
    number = plan.root.iobj.members.get(places.NUMBERS[given.record])
    if number is None or not number.leaves:
        what = f"no pair takes '{places.NUMBERS[given.record]}': {places.NO_NUMBER}; accepted: a pair for it"
        left.append(f"{given.pairs.mark}: {what}")
    left += wrong_codes(given, plan)
    if left:
        raise DocumentError(*left)
    places.complete(plan, field_table(), given.why)
    places.mark_status(given.root, plan)
    return Format(given, plan)
