"""tmp"""
from collections.abc import Callable
from typing import Any
from fhir_infusion.mapping import interpret_read, interpret_write
from fhir_infusion.mapping.plan import Plan
from fhir_infusion.mapping.residue import Entry
from fhir_infusion.mapping.trace import Line, Recorder
Json = dict[str, Any]
def compile_plan(plan: Plan) -> tuple[Callable[[Json], tuple[Json, list[Entry]]], Callable[[Json], tuple[Json, list[Line]]]]:
    def read(resource: Json) -> tuple[Json, list[Entry]]:
        return interpret_read.read(plan, resource, Recorder())

    def write(record: Json) -> tuple[Json, list[Line]]:
        recorder = Recorder()
        resource = interpret_write.write(plan, record, recorder)
        return resource, [line for line in recorder.lines if line.state != "mapped"]

    return read, write
