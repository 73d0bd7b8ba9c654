"""``fhir-infusion sync trace``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.build import reading_service
from fhir_infusion.cli.options import database_option, tenant_option
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.trace import Event, short_names, trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@click.command("trace")
@database_option
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("order", metavar="ORDER")
def trace(database: str | None, tenant: str, as_json: bool, order: str) -> None:
    """Tell what happened to ORDER and its administrations, here and at each remote, with each request and its answer.

    ORDER is its id, its order_id, or system|value. Nothing of the content is shown.
    """
    settings = load_settings(database=database)
    with reading_service(settings) as service:
        events = trace_of(service, tenant, order)
    for line in map(_object, events) if as_json else _lines(events):
        click.echo(line)


def _object(event: Event) -> bytes:
    return fhir_json.write({**asdict(event), "at": event.at.isoformat()})


def _lines(events: Sequence[Event]) -> Iterator[str]:
    """Give the events for reading: each resource by a short name that the first lines explain."""
    names = short_names(events)
    for resource, name in names.items():
        yield f"{name} = {resource}"
    yield ""
    wide = max((len(event.endpoint) for event in events), default=0)
    long = max((len(name) for name in names.values()), default=0)
    for event in events:
        moment = event.at.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
        told = f"version {event.version}" if event.kind in {"version", "queued", "attempt"} else event.kind
        where = event.endpoint or "here"
        yield f"{moment}  {names[event.resource]:{long}}  {where:{max(wide, 4)}}  {told}: {event.text}"
        for one in event.requests:
            yield f"{'':26}{one.request} -> {one.answer}, {one.ms} ms"
