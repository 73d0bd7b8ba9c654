"""``translate`` from and to a site's own JSON.

Each record of the input is answered by itself: one that is refused does not stop the others. A number that
comes twice in one run is refused the second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fhir_infusion.actions.formats import checked, format_named, to_format
from fhir_infusion.cli.run import as_refused
from fhir_infusion.cli.site_documents import documents
from fhir_infusion.cli.translating import Done, Task, done_of, translate_bundle, translate_one
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.mapping.formats.places import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.cli.inputs import Input, Source
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.translator import Translated

Json = dict[str, Any]
Became = Done | tuple[str, Refused]


@dataclass(slots=True)
class Formats:
    """One run with a format on one side or both. ``kept`` are the records that the other side puts together."""

    task: Task
    given: str | None
    wanted: str | None
    kept: list[tuple[str, Json]] = field(default_factory=list)
    numbers: Numbers = field(default_factory=Numbers)

    def source(self, source: Source) -> Iterator[Became]:
        """Translate all that one file holds; what goes into a format comes with ``rest``."""
        for label, record, done in self._records(source):
            if isinstance(done, Refused):
                yield label, done
            elif self.wanted is not None:
                self.kept.append((label, record))
                yield replace(done, results=())
            elif self.task.to == "internal":
                yield done
            else:
                yield from self._to_fhir(label, record, done)

    def _to_fhir(self, label: str, record: Json, read: Done) -> Iterator[Became]:
        made = _attempt(lambda: translate_one(self.task, label, record))
        if isinstance(made, Refused):
            yield label, made
            return
        findings = tuple(dict.fromkeys((*read.findings, *made.findings)))
        yield replace(made, findings=findings, ledger=(*read.ledger, *made.ledger), notes=(*read.notes, *made.notes))

    def rest(self) -> Iterator[Became]:
        """Write the records that were kept, all together, as the site's JSON."""
        if self.wanted is None or not self.kept:
            return
        label = self.kept[0][0]
        wanted, records = self.wanted, [record for _, record in self.kept]
        made = _attempt(lambda: to_format(self.task.translator, wanted, records, strict=self.task.strict))
        if isinstance(made, Refused):
            yield label, made
            return
        for (own, _), done in zip(self.kept, made.done, strict=True):
            yield done_of(self.task, own, done, [])
        yield Done(label, tuple(made.values))

    def _records(self, source: Source) -> Iterator[tuple[str, Json, Done | Refused]]:
        if self.given is None:
            for item in source.inputs:
                yield from self._ours(item)
            return
        for label, value in documents(format_named(self.task.translator, self.given), source):
            if isinstance(value, Refused):
                yield label, {}, value
            else:
                yield from self._site(label, value)

    def _site(self, label: str, value: Any) -> Iterator[tuple[str, Json, Done | Refused]]:
        """Read a document of the site, record by record."""
        one = format_named(self.task.translator, self.given or "")
        try:
            objects = one.apart(value)
        except Refused as refused:
            yield label, {}, refused
            return
        for number, each in enumerate(objects, 1):
            own = f"{label}#{number}" if len(objects) > 1 else label
            read = _attempt(partial(self._checked, one, each))
            if isinstance(read, Refused):
                yield own, {}, read
            else:
                yield own, read.results[0], done_of(self.task, own, read, read.results)

    def _checked(self, one: Format, each: Any) -> Translated:
        """Read one record of the site; one whose number came before is refused."""
        read = checked(self.task.translator, one.read_one(each), strict=self.task.strict)
        self.numbers.demand_new(read.results[0])
        return read

    def _ours(self, item: Input) -> Iterator[tuple[str, Json, Done | Refused]]:
        """Read a record, a resource or a Bundle that is to become the site's JSON."""
        found = _attempt(lambda: list(self._read_ours(item)))
        if isinstance(found, Refused):
            yield item.label, {}, found
        else:
            yield from found

    def _read_ours(self, item: Input) -> Iterator[tuple[str, Json, Done | Refused]]:
        given = fhir_json.read(item.data)
        if "resourceType" not in given:
            yield item.label, given, Done(item.label, (given,))
            return
        inward = replace(self.task, to="internal")
        is_bundle = given["resourceType"] == "Bundle"
        several = (
            translate_bundle(inward, item.label, given)
            if is_bundle
            else iter([translate_one(inward, item.label, given)])
        )
        for became in several:
            if isinstance(became, tuple):
                yield became[0], {}, became[1]
                continue
            for number, record in enumerate(became.results):
                yield item.label, record, replace(became, results=(record,)) if not number else Done(item.label, ())


T = TypeVar("T")


def _attempt(make: Callable[[], T]) -> T | Refused:
    """Return what is made, or why it is not: a fault at one record must not end the run."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001  one fault, one answer
        return as_refused(error)
