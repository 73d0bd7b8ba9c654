"""Compiling a plan: both directions as straight-line Python, or both by the interpreter (the oracle)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.mapping import interpret_read, interpret_write
from fhir_infusion.mapping.compile_read import Read, compile_read
from fhir_infusion.mapping.compile_write import Write, compile_write
from fhir_infusion.mapping.trace import Line, Recorder, Warned

if TYPE_CHECKING:
    from fhir_infusion.mapping.plan import Plan
    from fhir_infusion.mapping.residue import Entry

Json = dict[str, Any]


def compile_plan(plan: Plan) -> tuple[Read, Write]:
    """Return the compiled reader and writer."""
    return compile_read(plan), compile_write(plan)


def interpreted(plan: Plan) -> tuple[Read, Write]:
    """Return the reader and writer that interpret the plan."""

    def read(resource: Json) -> tuple[Json, list[Entry], list[Warned]]:
        recorder = Recorder()
        record, entries = interpret_read.read(plan, resource, recorder)
        return record, entries, recorder.warnings

    def write(record: Json) -> tuple[Json, list[Line], list[Warned]]:
        recorder = Recorder()
        resource = interpret_write.write(plan, record, recorder)
        return resource, [line for line in recorder.lines if line.state in ("dropped", "refused")], recorder.warnings

    return read, write
