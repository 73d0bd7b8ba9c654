"""``fhir-infusion sync``: other FHIR servers, by hand. ``serve`` does the same all the time."""

from __future__ import annotations

import click

from fhir_infusion.cli.sync import (
    conflicts,
    dead,
    duplicates,
    exchange,
    load,
    probe,
    quarantine,
    reconcile,
    resume,
    status,
    subscribe,
    trace,
)


@click.group("sync")
def command() -> None:
    """Other FHIR servers, sections [remotes.NAME] of the settings: how far in step, and what needs a person."""


for _command in (
    status.status,
    exchange.push,
    exchange.pull,
    load.load,
    trace.trace,
    conflicts.held,
    conflicts.conflict,
    conflicts.resolve,
    resume.resume,
    subscribe.subscribe,
    reconcile.command,
    duplicates.command,
    dead.dead,
    dead.replay,
    dead.skip,
    quarantine.quarantine,
    quarantine.rewind,
    probe.probe,
    probe.keys,
):
    command.add_command(_command)
