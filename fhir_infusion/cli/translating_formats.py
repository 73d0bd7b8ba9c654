"""``translate`` from and to a site's own JSON.

Each record of the input is answered by itself: one that is refused does not stop the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions.formats import checked, format_named, to_format
from fhir_infusion.cli.run import as_refused
from fhir_infusion.cli.site_documents import documents
from fhir_infusion.cli.translating import Done, Task, done_of, translate_bundle, translate_one
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.cli.inputs import Input, Source

Json = dict[str, Any]
Became = Done | tuple[str, Refused]


@dataclass(slots=True)
class Formats:
    """One run with a format on one side or both. ``kept`` are the records that the other side puts together."""

    task: Task
    given: str | None
    wanted: str | None
    kept: list[tuple[str, Json]] = field(default_factory=list)

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
        try:
            made = translate_one(self.task, label, record)
        except Exception as error:  # noqa: BLE001  a fault at one record must not end the run
            yield label, as_refused(error)
            return
        findings = tuple(dict.fromkeys((*read.findings, *made.findings)))
        yield replace(made, findings=findings, ledger=(*read.ledger, *made.ledger), notes=(*read.notes, *made.notes))

    def rest(self) -> Iterator[Became]:
        """Write the records that were kept, all together, as the site's JSON."""
        if self.wanted is None or not self.kept:
            return
        label = self.kept[0][0]
        try:
            made = to_format(
                self.task.translator, self.wanted, [record for _, record in self.kept], strict=self.task.strict
            )
        except Exception as error:  # noqa: BLE001  as above: one fault, one answer
            yield label, as_refused(error)
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
            try:
                read = checked(self.task.translator, one.read_one(each), strict=self.task.strict)
            except Exception as error:  # noqa: BLE001  as above: one fault, one answer
                yield own, {}, as_refused(error)
                continue
            yield own, read.results[0], done_of(self.task, own, read, read.results)

    def _ours(self, item: Input) -> Iterator[tuple[str, Json, Done | Refused]]:
        """Read a record, a resource or a Bundle that is to become the site's JSON."""
        try:
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
        except Exception as error:  # noqa: BLE001  as above: one fault, one answer
            yield item.label, {}, as_refused(error)
