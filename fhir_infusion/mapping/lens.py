"""A lens: one proven document, both directions.

``read`` turns a FHIR resource into a record, ``write`` a record into a FHIR resource. The compiled functions do the
work; where they refuse, the interpreter says why, with every reason and place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping import extended, interpret_read, interpret_write
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.mapping.compile import compile_plan, interpreted
from fhir_infusion.mapping.putback import family, without_references
from fhir_infusion.mapping.residue import MARKED, TEXTS, Entry, is_repair
from fhir_infusion.mapping.texts import Texts
from fhir_infusion.mapping.trace import Line, Recorder, Warned
from fhir_infusion.mapping.unit_texts import UNITS, UnitTexts

if TYPE_CHECKING:
    from fhir_infusion.mapping.plan import Plan
    from fhir_infusion.records.fields import Field

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of every element of the input.

    ``exceptions`` are the lines of what was not mapped, always there; ``lines`` are all of them, made when asked for by
    walking the input once more with the interpreter.
    """

    exceptions: tuple[Line, ...]
    walk: Callable[[], list[Line]] = field(repr=False)

    def lines(self) -> list[Line]:
        """Return one line per element instance, in the order of the input."""
        return self.walk()

    def summary(self) -> dict[str, int]:
        """Count the lines by state."""
        counts: dict[str, int] = {}
        for line in self.lines():
            counts[line.state] = counts.get(line.state, 0) + 1
        return counts


@dataclass(frozen=True, slots=True)
class Translation:
    """The other side of an input, what became of each of its elements, and the warnings of the pairs that were used.

    ``source`` is the record that was written: the input without texts that no longer describe it.
    """

    result: Json
    ledger: Ledger
    findings: tuple[Issue, ...] = ()
    source: Json = field(default_factory=dict)


OTHERWISE = "with its residue the resource would say something else here"


class Lens:
    """One document, compiled both ways."""

    def __init__(self, plan: Plan, fields: Mapping[str, Mapping[str, Field]], *, interpret: bool = False) -> None:
        """Keep the plan; the interpreter does the work until ``compile`` is called, ``interpret`` after it too."""
        self.plan = plan
        self._texts = Texts(plan.internal_type, fields)
        self._unit_texts = UnitTexts(plan.internal_type, fields)
        self._oracle = interpreted(plan)
        self._read, self._write = self._oracle
        self._done = interpret

    def compile(self) -> Lens:
        """Compile the plan where it is not yet; return this lens.

        By one thread at a time: the makers of syntax trees in CPython 3.11 count their depth for all threads together,
        and fail ("AST constructor recursion depth mismatch") where two of them are deep in theirs.
        """
        if not self._done:
            self._read, self._write = compile_plan(self.plan)
            self._done = True
        return self

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Return what the document sets for records of this side, such as ``representation``."""
        return self.plan.defaults

    @property
    def readings(self) -> frozenset[str]:
        """Return what the overlay asks to be read from several elements together, such as ``pause``."""
        return self.plan.readings

    def read(self, resource: Json) -> Translation:
        """Read a FHIR resource into a record.

        Raises ``Refused`` with every reason.
        """
        record, entries, warned = self._plainly_read(resource)
        release = self.plan.release
        residue: list[Json] = [
            {"release": release, "path": path, "value": value}
            if after is None
            else {"release": release, "path": path, "after": after, "value": value}
            for path, after, value in entries
        ]
        sealed = self._texts.seal(record, narrative="text" in resource)
        exceptions = tuple(_residue_line(entry) for entry in entries)
        if self.plan.drops:
            exceptions += tuple(line for line in self._walk_read(resource) if line.state == "dropped")
        if sealed:
            residue.append({"release": release, "path": TEXTS, "value": sealed})
        units = self._unit_texts.seal(record)
        if units:
            residue.append({"release": release, "path": UNITS, "value": units})
        held = extended.seal(resource, ((path, value) for path, _, value in entries)) if entries else ""
        if held:
            residue.append({"release": release, "path": extended.EXTENDED, "value": held})
        if residue:
            record["residue"] = residue
        return Translation(record, Ledger(exceptions, lambda: self._walk_read(resource)), _findings(warned))

    def _plainly_read(self, resource: Json) -> tuple[Json, list[Entry], list[Warned]]:
        """Return the record without its residue, what is left over, and the warnings."""
        try:
            return self._read(resource)
        except Exception:  # noqa: BLE001  whatever the compiled function met, the interpreter gives the reason
            return self._oracle[0](resource)

    def renewed(self, record: Json) -> tuple[Json, list[Line]]:
        """Return a whole record without texts of units that were edited, and a line for each.

        It is asked for before the record is checked: a stale text would contradict the new unit.
        """
        return self._unit_texts.fresh(record)

    def settled(self, record: Json) -> Json:
        """Return the record of one resource without the texts that describe what was edited, as ``write`` sends it."""
        return self._texts.fresh(record)[0]

    def foreign(self, record: Json) -> frozenset[str]:
        """Return the references (``#id``) to contained resources of a record that were read in another release."""
        return _lost_contained(record, self.plan.release)

    def write(self, record: Json, *, unsent: frozenset[str] = frozenset()) -> Translation:
        """Write a record as a FHIR resource.

        Contained resources that were read in another release go out as they are, but for those of ``unsent``: they stay
        behind, and the references to them with them.

        Raises ``Refused`` with every reason.
        """
        record = _adopted(record, self.plan.release, unsent)
        fresh, stale = self._texts.fresh(record)
        if unsent:
            fresh = without_references(fresh, unsent, "", stale)
        try:
            resource, lost, warned = self._write(fresh)
        except Exception:  # noqa: BLE001  as in read
            resource, lost, warned = self._oracle[1](fresh)
        ledger = Ledger((*stale, *lost), lambda: self._walk_write(fresh, stale))
        return Translation(resource, ledger, (*_findings(warned), *_of_extended(resource, fresh)), fresh)

    def demand_same(self, written: Translation) -> None:
        """Refuse residue with which a valid resource says another thing than the record that it was written from.

        Whoever sends a record can send any residue with it. Where there is none there is nothing to ask: the laws hold.

        Raises ``Refused`` with every place.
        """
        if all(entry["path"][0] == "$" for entry in written.source.get("residue", ())):
            return
        read, _, _ = self._plainly_read(written.result)
        accepted = "the residue read with it, or none"
        places = list(differences(bare(written.source), bare(read)))
        if places:
            raise Refused(
                *(Issue("error", "business-rule", at, OTHERWISE, accepted, "residue", BREAKS_RULE) for at in places)
            )

    def _walk_read(self, resource: Json) -> list[Line]:
        recorder = Recorder()
        with contextlib.suppress(Refused):  # the refusals are among the lines
            interpret_read.read(self.plan, resource, recorder)
        return recorder.lines

    def _walk_write(self, record: Json, stale: list[Line]) -> list[Line]:
        recorder = Recorder()
        with contextlib.suppress(Refused):  # the refusals are among the lines
            interpret_write.write(self.plan, record, recorder)
        return [*stale, *recorder.lines]


def _adopted(record: Json, release: str, unsent: frozenset[str]) -> Json:
    """Return the record with contained resources of another release taken for some of this one."""
    residue = record.get("residue", ())
    if not any(_is_foreign(entry, release) for entry in residue):
        return record
    adopted = [
        {**entry, "release": release} if _is_foreign(entry, release) and _local(entry) not in unsent else entry
        for entry in residue
    ]
    return {**record, "residue": adopted}


def _is_foreign(entry: Json, release: str) -> bool:
    return bool(entry["path"] == "contained[]" and family(entry["release"]) != family(release))


def _lost_contained(record: Json, release: str) -> frozenset[str]:
    """Return the references to contained resources that are residue of another release."""
    return frozenset(_local(entry) for entry in record.get("residue", ()) if _is_foreign(entry, release))


def _local(entry: Json) -> str:
    return f"#{entry['value'].get('id')}"


def _findings(warned: list[Warned]) -> tuple[Issue, ...]:
    return tuple(
        Issue("warning", "informational", pair.partition(" : ")[0], warning, "", "warn")
        for pair, warning in dict.fromkeys(warned)
    )


def _of_extended(resource: Json, record: Json) -> Iterator[Issue]:
    """Yield a finding for each edited element that holds an unknown extension."""
    residue = record.get("residue", ())
    for entry in residue:
        if entry["path"] == extended.EXTENDED:
            yield from extended.edited(resource, entry["value"], ((one["path"], one["value"]) for one in residue))


def _residue_line(entry: Entry) -> Line:
    path = str(entry[0])
    if is_repair(path.rpartition(".")[2]):
        return Line(
            path.removesuffix(MARKED),
            "mapped",
            "",
            "unit repaired; the original goes back until the quantity is edited",
        )
    return Line(path.removesuffix(MARKED), "carried", "", "residue")
