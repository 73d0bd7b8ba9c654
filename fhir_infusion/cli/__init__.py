"""The command line: one command group a file, read only when it is called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fhir_infusion import config
from fhir_infusion.cli.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = {
    "translate": "Records to FHIR, FHIR to records.",
    "roundtrip": "Each resource to a record and back: what changed?",
    "validate": "What is wrong with resources.",
    "amounts": "What was given of each ingredient of a mixture.",
    "mapping": "Mapping documents: check, explain, test, coverage, diff.",
    "serve": "Serve /api, /fhir and the workbench.",
    "worker": "Keep other FHIR servers in step, without the web service.",
    "sync": "Other FHIR servers: status, push, pull, and what needs a person.",
    "simulate-server": "A FHIR server that misbehaves on purpose, to try sync against.",
    "db": "The database: upgrade, check.",
    "demo": "Post invented orders, and show what happens.",
    "schema": "The JSON Schema of a record, a report or a trace.",
    "token": "Bearer tokens: add, list, revoke.",
    "audit": "The audit trail: verify.",
}
"""Each command and what it does, in the order in which they are of use."""


class Commands(click.Group):
    """The commands by their names; each is the object ``command`` of the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names in the order in which they are of use."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  the signature is click's
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Return a command, importing its module now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fhir_infusion.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--settings", "path", type=click.Path(path_type=Path), help="The settings file (TOML).")
@click.version_option(package_name="fhir-infusion")
@click.pass_context
def root(context: click.Context, path: Path | None) -> None:
    """FHIR interoperability for infusion orders and administrations: exact, both ways, nothing lost in silence.

    Exit codes: 0 done, 1 something was refused, 2 wrong usage.
    """
    context.obj = path


def load_settings(**overrides: object) -> config.Settings:
    """Return the settings of the file, the environment and the options of the running command.

    Raises ``SettingsError``.
    """
    path = click.get_current_context().find_object(Path)
    return config.load(path, os.environ, overrides)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(root, arguments))
