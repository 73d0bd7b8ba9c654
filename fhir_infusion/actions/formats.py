"""Translating between a site's own JSON, our records and FHIR: the format's mapping, then the shipped one.

What a format reads is a record like any other: it is checked, and the arithmetic looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.records import check
from fhir_infusion.records.arithmetic import findings as computed
from fhir_infusion.translator import Translated

if TYPE_CHECKING:
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.lens import Translation
    from fhir_infusion.translator import Translator

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InFormat:
    """The site's JSON of several records, and what became of each record."""

    values: list[Any]
    done: tuple[Translated, ...]


def format_named(translator: Translator, name: str) -> Format:
    """Return a format.

    Raises ``Refused``: there is none of this name; says what is accepted.
    """
    found = translator.library.formats.get(name)
    if found is None:
        accepted = ", ".join(sorted(translator.library.formats)) or "none is there"
        raise Refused(
            Issue("error", "not-supported", "format", "there is no such format", accepted, "format", BREAKS_RULE)
        )
    return found


def from_format(translator: Translator, name: str, value: Any, *, strict: bool = False) -> list[Translated]:
    """Translate a site's JSON into records, one ``Translated`` for each, in the order of the input.

    Raises ``Refused`` with every reason of every record.
    """
    found = format_named(translator, name)
    return [checked(translator, one, strict=strict) for one in found.read(value)]


def checked(translator: Translator, read: Translation, *, strict: bool = False) -> Translated:
    """Return what a format read, checked as any record of ours is.

    Raises ``Refused`` with every reason.
    """
    check.refuse(read.result)
    found = (*read.findings, *computed(read.result))
    translator.gate(found, (read.ledger,), strict=strict)
    return Translated([read.result], (read.ledger,), found)


def to_format(translator: Translator, name: str, records: list[Json], *, strict: bool = False) -> InFormat:
    """Translate records into a site's JSON; records that are one object of the site follow each other.

    Raises ``Refused`` with every reason.
    """
    one = format_named(translator, name)
    for record in records:
        if record.get("record") != one.record:
            reason = "this format is of another record"
            raise Refused(Issue("error", "required", "record", reason, one.record, "record", BREAKS_RULE))
        check.refuse(record, as_sent=True)
    written = one.write(records)
    done = []
    for record, translation in zip(records, written.translations, strict=True):
        found = (*translation.findings, *computed(record, as_sent=True))
        translator.gate(found, (translation.ledger,), strict=strict)
        done.append(Translated([translation.result], (translation.ledger,), found))
    return InFormat(written.values, tuple(done))


@dataclass(frozen=True, slots=True)
class Asked:
    """A translation with a format on one side or both; ``source`` is empty where the input is a record or a resource.

    ``to`` is ``internal``, ``fhir`` or the name of a format.
    """

    source: str
    to: str
    release: str
    overlay: str | None = None
    strict: bool = False


def by_format(translator: Translator, asked: Asked, given: Any) -> tuple[list[Json], list[Translated]]:
    """Translate from or to a site's JSON; return the results, and each step that led to them.

    Raises ``Refused`` with every reason.
    """
    if asked.source:
        steps = from_format(translator, asked.source, given, strict=asked.strict)
        records = [step.results[0] for step in steps]
    elif "resourceType" in given:
        steps = [translator.to_internal(given, asked.release, asked.overlay, strict=asked.strict)]
        records = steps[0].results
    else:
        steps, records = [], [given]
    if asked.to == "internal":
        return records, steps
    if asked.to != "fhir":
        written = to_format(translator, asked.to, records, strict=asked.strict)
        return written.values, [*steps, *written.done]
    sent = [translator.to_fhir(record, asked.release, asked.overlay, strict=asked.strict) for record in records]
    return [resource for one in sent for resource in one.results], [*steps, *sent]
