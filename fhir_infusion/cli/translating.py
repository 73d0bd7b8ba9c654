"""One input to its results, for ``translate``: a record, a resource, or a Bundle with all in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import bundles
from fhir_infusion.cli.run import as_refused
from fhir_infusion.config import Release
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.exact import name_in_path
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records.arithmetic import findings_between
from fhir_infusion.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.translator import Translated


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of every input of a run. ``ledger``: every element is wanted, which costs another walk."""

    translator: Translator
    to: str
    release: Release
    overlay: str | None = None
    bundle: bool = False
    strict: bool = False
    ledger: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one input. ``notes`` are told to the person at the terminal."""

    label: str
    results: tuple[dict[str, Any], ...]
    findings: Sequence[Issue] = ()
    ledger: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()


def translate_one(task: Task, label: str, given: dict[str, Any]) -> Done:
    """Translate one record or resource; what becomes several resources is one Bundle.

    Raises ``Refused``.
    """
    if task.to == "internal":
        if given.get("resourceType") == "Bundle":
            reason = "a Bundle gives several records, and a line gives one line"
            accepted = "the Bundle as a file, or its entries as lines"
            raise Refused(Issue("error", "not-supported", "Bundle", reason, accepted))
        done = task.translator.to_internal(given, task.release, overlay=task.overlay, strict=task.strict)
        return done_of(task, label, done, done.results)
    done = task.translator.to_fhir(given, task.release, overlay=task.overlay, strict=task.strict)
    if task.bundle:
        return done_of(task, label, done, [bundles.transaction(done.results)])
    return done_of(task, label, done, [bundles.lone_or_collection(done.results)])


def done_of(task: Task, label: str, done: Translated, results: list[dict[str, Any]]) -> Done:
    """Return what became of one input, with its results."""
    lines = tuple(done.lines) if task.ledger else ()
    return Done(label, tuple(results), done.findings, lines, _losses(done))


def _losses(done: Translated) -> tuple[str, ...]:
    """Return what was dropped, in words: a loss is told even where nobody asked for the ledger."""
    return tuple(f"dropped {line.path}: {line.why}" for line in done.exceptions if line.state == "dropped")


def translate_bundle(task: Task, label: str, bundle: dict[str, Any]) -> Iterator[Done | tuple[str, Refused]]:
    """Yield the refusals of single entries, then all records of the Bundle, parents and children as one.

    Raises ``Refused`` where the Bundle itself is wrong.
    """
    records: list[dict[str, Any]] = []
    places: list[str] = []
    findings: list[Issue] = []
    ledger: list[Line] = []
    notes: list[str] = []
    for path, resource in bundles.resources_of(bundle):
        fhir_type = resource.get("resourceType")
        if isinstance(fhir_type, str) and fhir_type not in task.translator.types:
            notes.append(f"{path}: no mapping for {name_in_path(fhir_type)}; not translated")
            continue
        try:
            done = task.translator.to_internal(resource, task.release, overlay=task.overlay, strict=task.strict)
        except Exception as error:  # noqa: BLE001  a fault at one entry must not lose the others
            yield f"{label}#{path}", as_refused(error)
            continue
        records.extend(done.results)
        places.extend([path] * len(done.results))
        findings.extend(issue.under(path) for issue in done.findings)
        notes.extend(f"{path}: {loss}" for loss in _losses(done))
        if task.ledger:
            ledger.extend(replace(line, path=f"{path}.{line.path}") for line in done.lines)
    between = findings_between(records, [bundles.address(bundle, place) for place in places])
    findings.extend(issue.under(places[position]) for position, issue in between)
    yield Done(label, tuple(bundles.joined(records)), tuple(findings), tuple(ledger), tuple(notes))
