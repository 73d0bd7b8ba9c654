"""What an input holds: records one by one, each with its resources on the FHIR side and what became of it.

A record is one item. Of a Bundle each record is one, put together from the entries that are its parts; an entry that
is refused, or of a type without a mapping, is an item too, so that nothing of the input is missing from the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import bundles
from fhir_infusion.actions.formats import checked, format_named
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.exact import name_in_path
from fhir_infusion.mapping.lens import Ledger
from fhir_infusion.records.arithmetic import findings_between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.translator import Translator
    from fhir_infusion.web.workbench.asked import Asked

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One resource on the FHIR side, or an object of a site's own JSON.

    ``place`` is its entry in the Bundle that was pasted, else empty.

    ``number`` is 0 for a lone resource and for a parent, from 1 for the part of each segment.
    """

    place: str
    resource: Any
    number: int = 0
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One record and its resources. ``written``: the record was the input, and the resources are made of it."""

    record: Json | None
    parts: tuple[Part, ...] = ()
    written: bool = False
    ledgers: tuple[Ledger, ...] = ()
    issues: tuple[Issue, ...] = ()
    findings: Sequence[Issue] = ()
    note: str = ""

    @property
    def title(self) -> str:
        """What it is, without a word of the input but names that the standard gives."""
        places = ", ".join(part.place for part in self.parts if part.place)
        first = self.parts[0].resource if self.parts else {}
        kind = (self.record or {}).get("record") or (first.get("resourceType") if isinstance(first, dict) else "")
        state = "refused" if self.issues else self.note or "translated"
        return ", ".join(filter(None, (places, name_in_path(str(kind)) if kind else "", state)))


@dataclass(frozen=True, slots=True)
class Items:
    """All items of an input, in its order. ``is_bundle`` tells that it may hold several."""

    items: tuple[Item, ...]
    is_bundle: bool = False
    records: tuple[Json, ...] = field(default=())


def items_of(translator: Translator, given: Any, asked: Asked) -> Items:
    """Return what an input holds; the direction is told by its content.

    Raises:
        Refused: it is neither a record nor a resource, or the Bundle is wrong as such.
    """
    if asked.format:
        read = tuple(_of_format(translator, given, asked))
        return Items(read, is_bundle=len(read) > 1, records=tuple(one.record for one in read if one.record is not None))
    if given.get("resourceType") == "Bundle":
        found = tuple(_of_bundle(translator, given, asked))
        return Items(found, is_bundle=True, records=tuple(one.record for one in found if one.record is not None))
    if "resourceType" in given:
        item = _read(translator, Part("", given), asked)
    elif "record" in given:
        item = _written(translator, given, asked)
    else:
        reason, accepted = "it does not say what it is", "`resourceType` of a FHIR resource, or `record` of a record"
        raise Refused(Issue("error", "required", "", reason, accepted))
    return Items((item,), records=(item.record,) if item.record is not None else ())


def _written(translator: Translator, record: Json, asked: Asked) -> Item:
    try:
        done = translator.to_fhir(record, asked.release, asked.overlay or None, strict=asked.strict)
    except Refused as refused:
        return Item(record, (), written=True, issues=refused.issues)
    parts = tuple(Part("", resource, number) for number, resource in enumerate(done.results))
    return Item(record, parts, written=True, ledgers=done.ledgers, findings=done.findings)


def _read(translator: Translator, part: Part, asked: Asked) -> Item:
    resource = part.resource
    kind = resource.get("resourceType")
    if isinstance(kind, str) and kind not in translator.types and part.place:
        return Item(None, (part,), note="no mapping for this type")
    try:
        done = translator.to_internal(resource, asked.release, asked.overlay or None, strict=asked.strict)
    except Refused as refused:
        return Item(None, (part,), issues=refused.issues)
    (ledger,) = done.ledgers
    return Item(done.results[0], (Part(part.place, resource, 0, ledger),), ledgers=(ledger,), findings=done.findings)


def _of_format(translator: Translator, given: Any, asked: Asked) -> Iterator[Item]:
    """Yield a record for each object (or rows that belong together) of a site's own JSON."""
    one = format_named(translator, asked.format)
    objects = one.apart(given)
    for number, value in enumerate(objects, 1):
        part = Part(f"record {number}" if len(objects) > 1 else "", value)
        try:
            read = one.read_one(value)
            done = checked(translator, read, strict=asked.strict)
        except Refused as refused:
            yield Item(None, (part,), issues=refused.issues)
            continue
        yield Item(read.result, (replace(part, ledger=read.ledger),), ledgers=(read.ledger,), findings=done.findings)


def _of_bundle(translator: Translator, bundle: Json, asked: Asked) -> Iterator[Item]:
    read = [_read(translator, Part(place, resource), asked) for place, resource in bundles.resources_of(bundle)]
    whole = [one for one in read if one.record is not None]
    records = [one.record for one in whole if one.record is not None]
    between = findings_between(records, [bundles.address(bundle, one.parts[0].place) for one in whole])
    findings = {
        id(one): [*one.findings, *(issue for at, issue in between if at == number)] for number, one in enumerate(whole)
    }
    joined = bundles.joined(records)
    alone = {id(record) for record in records}
    wholes = {one["administration_id"]: one for one in joined if id(one) not in alone}
    taken: set[str] = set()
    for one in read:
        name = (one.record or {}).get("administration_id", "")
        parent = name if name in wholes else name.rpartition("#")[0]
        if one.record is None or parent not in wholes:
            yield replace(one, findings=tuple(findings.get(id(one), ())))
        elif parent not in taken:
            taken.add(parent)
            yield _together(wholes[parent], parent, whole, findings)


def _together(record: Json, name: str, read: list[Item], findings: dict[int, list[Issue]]) -> Item:
    """Return the item of an administration whose parent and parts were entries of their own."""
    order = [name, *(f"{name}#{segment['segment_id']}" for segment in record["segments"])]
    own = {(one.record or {}).get("administration_id"): one for one in read}
    members = [own[each] for each in order]
    parts = tuple(
        Part(one.parts[0].place, one.parts[0].resource, number, one.parts[0].ledger)
        for number, one in enumerate(members)
    )
    told = tuple(
        issue.under(one.parts[0].place) if issue.path else issue for one in members for issue in findings[id(one)]
    )
    return Item(record, parts, ledgers=tuple(ledger for one in members for ledger in one.ledgers), findings=told)
