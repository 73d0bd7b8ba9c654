"""One item side by side: both sides as lines, the pairs between them, and the ledger of the input.

Which element of a resource belongs to which of the record is told by the trace of reading, in which every list has its
index: a resource that was written is read once more for it. The ledger is that of the direction that was asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue
from fhir_infusion.mapping.trace import Line
from fhir_infusion.web.workbench.shown import Side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_infusion.translator import Translator
    from fhir_infusion.web.workbench.asked import Asked
    from fhir_infusion.web.workbench.items import Item, Part

Json = dict[str, Any]

_ONLY: Final = "[only]"
_RECORD: Final = 0
_QUANTITY: Final[Mapping[str, tuple[str, ...]]] = {
    # The members of FHIR's Quantity and those of ours that hold the same.
    "value": ("value",),
    "code": ("unit", "unit_text"),
    "unit": ("unit_text", "unit"),
    "system": ("unit_system", "unit"),
    "comparator": ("comparator",),
}
_OF_SEGMENT: Final[Mapping[str, str]] = {
    # What a part of an administration says of itself, and where the whole says it of the segment.
    "when.start": "start",
    "when.end": "end",
    "dose_given": "dose",
    "volume_given": "volume",
    "performers[0].actor": "performer",
    "status_reasons[0]": "reason",
    "body_site": "body_site",
}


@dataclass(slots=True)
class Rule:
    """A pair of the document (or a rule without one): its two paths, its file:line, its codecs and code tables.

    ``source`` is the line of the document as it stands there.
    """

    number: int
    pair: str
    mark: str
    source: str = ""
    how: set[str] = field(default_factory=set)
    uses: int = 0

    @property
    def sides(self) -> tuple[str, str]:
        """The path of the record and that of FHIR."""
        left, _, right = self.pair.partition(" : ")
        return left, right


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. ``row`` is the line of the input, ``to_row`` that of the output where there is one."""

    line: Line
    row: int | None
    to_row: int | None
    rule: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal or a finding, and the line of the input that it is about."""

    issue: Issue
    row: int | None


@dataclass(slots=True)
class View:
    """Both sides of an item. ``joins`` gives each line of a side the lines of the other and the rules of its pairs."""

    source: Side = field(default_factory=Side)
    result: Side = field(default_factory=Side)
    rules: list[Rule] = field(default_factory=list)
    of_source: dict[int, set[str]] = field(default_factory=dict)
    of_result: dict[int, set[str]] = field(default_factory=dict)
    ledger: list[Entry] = field(default_factory=list)
    issues: list[Told] = field(default_factory=list)
    findings: list[Told] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Count the lines of the ledger by state."""
        return Counter(entry.line.state for entry in self.ledger)

    @property
    def states(self) -> dict[int, str]:
        """Return the state of each line of the input that the ledger names, the gravest of several."""
        found: dict[int, str] = {}
        for entry in sorted(self.ledger, key=lambda entry: _GRAVITY[entry.line.state]):
            if entry.row is not None:
                found[entry.row] = entry.line.state
        for told in self.issues:
            if told.row is not None:
                found[told.row] = "refused"
        return found


_GRAVITY: Final = {"mapped": 0, "carried": 1, "dropped": 2, "refused": 3}


def look(translator: Translator, item: Item, asked: Asked, texts: Mapping[str, str] | None = None) -> View:
    """Return an item side by side; ``texts`` are the documents by path, from which the lines of the pairs are shown."""
    return _Looking(translator, item, asked, texts or {}).look()


class _Looking:
    """Puts a view together."""

    def __init__(self, translator: Translator, item: Item, asked: Asked, texts: Mapping[str, str]) -> None:
        self.documents = {path: text.splitlines() for path, text in texts.items()}
        self.translator, self.item, self.asked = translator, item, asked
        self.view = View()
        self.ours, self.fhir = Side(), Side()
        self.rules: dict[tuple[str, str], Rule] = {}

    def look(self) -> View:
        view, item = self.view, self.item
        if item.record is not None:
            self.ours.add(_RECORD, item.record)
        for part in item.parts:
            self.fhir.add(part.number, part.resource, _heading(part, len(item.parts)))
        view.source, view.result = (self.ours, self.fhir) if item.written else (self.fhir, self.ours)
        for part in item.parts:
            for line in self._lines(part):
                self._join(part, line)
        view.ledger = list(self._ledger())
        first: dict[str, int] = {}
        for row in sorted(view.of_source):
            for one in view.of_source[row]:
                first.setdefault(one, row)
        view.rules = sorted(self.rules.values(), key=lambda rule: (not rule.mark, first.get(f"r{rule.number}", 0)))
        view.issues = [Told(issue, self._row(issue.path)) for issue in item.issues]
        view.findings = [Told(issue, self._found(issue.path)) for issue in item.findings]
        return view

    def _lines(self, part: Part) -> list[Line]:
        """Return the trace of reading a resource."""
        if part.ledger is not None:
            return part.ledger.lines()
        if self.item.record is None:
            return []
        fhir_type = str(part.resource["resourceType"])
        lens = self.translator.lens(self.asked.release, fhir_type, self.asked.overlay or None)
        return lens.read(part.resource).ledger.lines()

    def _join(self, part: Part, line: Line) -> None:
        """Join an element of a resource with that of the record, and both with their rule."""
        there = self.fhir.at(part.number, self._at(line.path, part))
        if there is None:
            return
        rule = self._rule(line)
        here = self._in_record(part.number, line) if line.to else None
        of_fhir, of_ours = self._joins()
        of_fhir.setdefault(there, set()).add(f"r{rule.number}")
        if here is not None:
            of_ours.setdefault(here, set()).update((f"r{rule.number}", self._id(there, is_fhir=True)))
            of_fhir[there].add(self._id(here, is_fhir=False))

    def _joins(self) -> tuple[dict[int, set[str]], dict[int, set[str]]]:
        view = self.view
        return (view.of_result, view.of_source) if self.item.written else (view.of_source, view.of_result)

    def _id(self, row: int, *, is_fhir: bool) -> str:
        return f"{'i' if is_fhir != self.item.written else 'o'}{row}"

    def _rule(self, line: Line) -> Rule:
        key = (line.pair or line.why, line.mark)
        rule = self.rules.get(key)
        if rule is None:
            rule = self.rules[key] = Rule(len(self.rules), *key, self._source(line.mark))
        if line.why and line.pair:
            rule.how.add(line.why)
        rule.uses += 1
        return rule

    def _source(self, mark: str) -> str:
        file, _, number = mark.rpartition(":")
        found = self.documents.get(file, [])[int(number) - 1 : int(number)] if number.isdigit() else []
        return found[0].strip() if found else ""

    def _in_record(self, number: int, line: Line) -> int | None:
        path = self._of_whole(number, line.to)
        member = line.path.rpartition(".")[2]
        for name in _QUANTITY.get(member, ()):
            if self.ours.has(_RECORD, f"{path}.{name}"):
                return self.ours.at(_RECORD, f"{path}.{name}")
        repeated = member[member.find("[") :] if member.endswith("]") else ""
        if repeated and self.ours.has(_RECORD, path + repeated):
            path += repeated
        return self.ours.at(_RECORD, path)

    def _of_whole(self, number: int, path: str) -> str:
        """Return where the whole record says what a part says at a path."""
        path = path.replace(_ONLY, "[0]")
        if not number:
            is_total = path.startswith("dose_total") and not self.ours.has(_RECORD, "dose_total")
            return path.replace("dose_total", "dose_given", 1) if is_total else path
        segment = f"segments[{number - 1}]"
        if path.startswith("segments[0]"):
            return path.replace("segments[0]", segment, 1)
        for own, name in _OF_SEGMENT.items():
            if (path + ".").startswith(own + ".") and self.ours.has(_RECORD, f"{segment}.{name}"):
                return f"{segment}.{name}{path[len(own) :]}"
        return path

    def _ledger(self) -> Iterator[Entry]:
        """Yield what became of each element of the input; what several parts say of one element once."""
        if not self.item.written:
            for part, ledger in zip(self.item.parts, self.item.ledgers, strict=False):
                for line in ledger.lines():
                    row = self.fhir.at(part.number, self._at(line.path, part))
                    yield self._entry(line, row)
            return
        seen: set[str] = set()
        skipped = len(self.item.ledgers) - len(self.item.parts)
        for at, ledger in enumerate(self.item.ledgers):
            for line in ledger.lines():
                path = self._of_whole(max(0, at - skipped), line.path)
                if path in seen or not self.ours.has(_RECORD, path):
                    continue
                seen.add(path)
                yield self._entry(line, self.ours.at(_RECORD, path))

    def _entry(self, line: Line, row: int | None) -> Entry:
        joined = self.view.of_source.get(row, set()) if row is not None else set()
        rows = sorted(int(one[1:]) for one in joined if one[0] == "o")
        rule = self.rules.get((line.pair or line.why, line.mark))
        return Entry(line, row, rows[0] if rows else None, rule.number if rule else None)

    def _at(self, path: str, part: Part) -> str:
        """Return where an element of a trace stands in a part."""
        return _place(path, part.resource, self.asked.format or str(part.resource.get("resourceType")))

    def _row(self, path: str) -> int | None:
        """Return the line of the input that an issue is about."""
        if self.item.written:
            return self.ours.at(_RECORD, path)
        for part in self.item.parts:
            own = path.removeprefix(part.place).removeprefix(".") if part.place else path
            if not part.place or path.startswith(part.place) or len(self.item.parts) == 1:
                return self.fhir.at(part.number, self._at(own, part))
        return None

    def _found(self, path: str) -> int | None:
        """Return the line of the input that a finding is about: findings name places of the record."""
        here = self.ours.at(_RECORD, path)
        if self.item.written or here is None:
            return here if self.item.written else self._row(path)
        rows = sorted(int(one[1:]) for one in self._below(here) if one[0] == "i")
        return rows[0] if rows else None

    def _below(self, row: int) -> set[str]:
        """Return what a line of the record and those inside it are joined with."""
        rows = self.ours.rows
        end = next((at for at in range(row + 1, len(rows)) if rows[at].indent <= rows[row].indent), len(rows))
        return {one for at in range(row, end) for one in self.view.of_result.get(at, ())}


def _heading(part: Part, count: int) -> str:
    if part.place:
        return part.place
    if count == 1:
        return ""
    return "the whole" if not part.number else f"segment {part.number}"


def _place(path: str, resource: Any, of: str) -> str:
    """Return where an element of a trace stands: without what it is ``of`` in front, what is contained at its place."""
    path = path.removeprefix(f"{of}.")
    reference, arrow, inside = path.partition("->")
    if not arrow:
        return path
    named = _value(resource, f"{reference}.reference")
    contained = resource.get("contained", ())
    at = next((at for at, one in enumerate(contained) if f"#{one.get('id')}" == named), None)
    return reference if at is None else f"contained[{at}].{inside.partition('.')[2]}"


def _value(tree: Any, path: str) -> Any:
    """Return the value at a plain path, ``None`` where there is none."""
    for name, index in _STEP.findall(path):
        tree = tree.get(name) if isinstance(tree, dict) else None
        if index:
            tree = tree[int(index)] if isinstance(tree, list) and int(index) < len(tree) else None
    return tree


_STEP: Final = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")
