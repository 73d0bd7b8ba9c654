"""``fhir-infusion translate``: records to FHIR, FHIR to records, from files or standard input.

- One JSON document gives its result on one line; a Bundle gives one record a line (``--to internal``).
- NDJSON gives exactly one line a line, in order, never joined; a refused line becomes its OperationOutcome, and so does
  one at which we fail.
- With ``--from NAME`` the input is a site's own JSON, with ``--to NAME`` the output (``translating_formats``).
- Several files give their results as NDJSON, in order.
- A refused document prints its OperationOutcome on standard output; the reasons stand on standard error too.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

import click

from fhir_infusion.cli.inputs import Input, open_source
from fhir_infusion.cli.options import files_argument, overlay_option, release_option
from fhir_infusion.cli.progress import bytes_bar
from fhir_infusion.cli.reports import report, trace_of
from fhir_infusion.cli.run import DONE, REFUSED, as_refused, sentence, tell
from fhir_infusion.cli.translating import Task, translate_bundle, translate_one
from fhir_infusion.cli.translating_formats import Formats
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.problems import outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fhir_infusion.cli.translating import Done
    from fhir_infusion.config import Release
    from fhir_infusion.errors import Refused


@dataclass(slots=True)
class Writer:
    """Where the answers of one run go, and whether anything was refused."""

    task: Task
    report: IO[bytes] | None
    trace: IO[bytes] | None
    has_refused: bool = False

    def done(self, done: Done) -> None:
        """Write the results of one input, its findings, its report and its trace."""
        for result in done.results:
            click.echo(fhir_json.write(result))
        for issue in done.findings:
            tell(f"{done.label}: {issue.severity}: {sentence(issue)}")
        for note in done.notes:
            tell(f"{done.label}: {note}")
        self._report(report(done.label, "done", len(done.results), findings=done.findings, ledger=done.ledger))
        if self.trace is not None:
            for line in done.ledger:
                self.trace.write(fhir_json.write(trace_of(done.label, line)) + b"\n")

    def became(self, outcomes: Iterable[Done | tuple[str, Refused]]) -> None:
        """Write what became of each input."""
        for one in outcomes:
            if isinstance(one, tuple):
                self.refused(*one)
            else:
                self.done(one)

    def refused(self, label: str, error: Refused) -> None:
        """Write the OperationOutcome of one input in the place of its result."""
        self.has_refused = True
        click.echo(fhir_json.write(outcome(error.issues)))
        for issue in error.issues:
            tell(f"{label}: refused: {sentence(issue)}")
        self._report(report(label, "refused", 0, issues=error.issues))

    def _report(self, line: dict[str, Any]) -> None:
        if self.report is not None:
            self.report.write(fhir_json.write(line) + b"\n")


@click.command("translate")
@click.option("--to", required=True, metavar="fhir|internal|FORMAT", help="What to make of the input.")
@click.option("--from", "source_format", metavar="FORMAT", help="The site's format that the input is in.")
@release_option
@overlay_option
@click.option("--bundle", is_flag=True, help="With --to fhir: a transaction Bundle with all that belongs together.")
@click.option("--strict", is_flag=True, help="Refuse what would be dropped, and safety findings.")
@click.option("--report", "report_file", type=click.File("wb"), help="Write what became of each input, as NDJSON.")
@click.option("--trace", "trace_file", type=click.File("wb"), help="Write which pair took each element, as NDJSON.")
@files_argument
def command(
    to: str,
    source_format: str | None,
    release: Release,
    overlay: str | None,
    report_file: IO[bytes] | None,
    trace_file: IO[bytes] | None,
    files: tuple[str, ...],
    *,
    bundle: bool,
    strict: bool,
) -> int:
    """Translate; exit code 1 if anything was refused."""
    from fhir_infusion.cli.translator import build_translator  # noqa: PLC0415  brings the mappings

    if bundle and to != "fhir":
        raise click.UsageError("--bundle goes with --to fhir")
    is_wanted = report_file is not None or trace_file is not None
    task = Task(build_translator(overlay), to, release, overlay, bundle=bundle, strict=strict, ledger=is_wanted)
    formats = _formats(task, source_format)
    writer = Writer(task, report_file, trace_file)
    with ExitStack() as stack:
        bar = stack.enter_context(bytes_bar(files))
        for file in files:
            source = stack.enter_context(open_source(file, bar.update))
            if formats is not None:
                writer.became(formats.source(source))
                continue
            for item in source.inputs:
                writer.became(_outcomes(task, item))
    if formats is not None:
        writer.became(formats.rest())
    return REFUSED if writer.has_refused else DONE


def _formats(task: Task, source_format: str | None) -> Formats | None:
    """Return what a format on one side or both asks for.

    Raises ``click.UsageError`` where there is no such format.
    """
    known = task.translator.library.formats
    wanted = task.to if task.to not in _SIDES else None
    for name, where in ((source_format, "--from"), (wanted, "--to")):
        if name is not None and name not in known:
            told = ", ".join((*(_SIDES if where == "--to" else ()), *sorted(known)))
            raise click.UsageError(f"{where}: '{name}' is no format; accepted: {told}")
    return Formats(task, source_format, wanted) if source_format or wanted else None


_SIDES: Final = ("fhir", "internal")


def _outcomes(task: Task, item: Input) -> Iterator[Done | tuple[str, Refused]]:
    try:
        given = fhir_json.read(item.data)
        if given.get("resourceType") == "Bundle" and task.to == "internal" and item.line is None:
            yield from translate_bundle(task, item.label, given)
        else:
            yield translate_one(task, item.label, given)
    except Exception as error:  # noqa: BLE001  a fault at one line must not end the run
        yield item.label, as_refused(error)
