"""``fhir-infusion simulate-server``: a FHIR server that misbehaves on purpose."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fhir_infusion.cli.run import DONE, tell
from fhir_infusion.config import is_loopback
from fhir_infusion.errors import SettingsError
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from fhir_infusion.simulated.scenario import Scenario

ENDS: Final = (signal.SIGTERM, signal.SIGINT)


@click.command("simulate-server")
@click.option(
    "--faults", type=click.Path(path_type=Path), help="What it does wrong, and when (TOML). [default: nothing]"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--release", type=click.Choice(["R4", "R5"]), default="R4", show_default=True, help="What it speaks.")
@click.option("--log", type=click.Path(path_type=Path), help="A file for a JSON line of each request.")
@click.option("--log-bodies", is_flag=True, help="With their bodies: with invented patients only.")
@click.option("--list-faults", is_flag=True, help="Tell each kind of fault with its parameters.")
@click.option("--example", is_flag=True, help="Print a file of faults that plays every kind.")
def command(
    faults: Path | None,
    host: str,
    port: int,
    release: str,
    log: Path | None,
    log_bodies: bool,
    list_faults: bool,
    example: bool,
) -> int:
    """Serve FHIR from memory at /fhir, with the faults of a file, until told to stop; then tell what it holds."""
    from fhir_infusion.simulated import kinds, scenario  # noqa: PLC0415  read only where it is called

    if list_faults:
        click.echo(kinds.described())
        return DONE
    if example:
        click.echo(scenario.EXAMPLE.read_text(encoding="utf-8"), nl=False)
        return DONE
    plan = scenario.load(faults, release) if faults is not None else scenario.Scenario()
    _serve(plan, host, port, release, log, log_bodies)
    return DONE


def _serve(plan: Scenario, host: str, port: int, release: str, log: Path | None, log_bodies: bool) -> None:
    from fhir_infusion.simulated.ledger import Ledger  # noqa: PLC0415  read only where it is called
    from fhir_infusion.simulated.server import STATE_PATH, Simulator  # noqa: PLC0415  as the line above

    ending = threading.Event()
    before = {one: signal.signal(one, lambda *_: ending.set()) for one in ENDS}
    try:
        with ExitStack() as stack:
            try:
                out = stack.enter_context(log.open("a", encoding="utf-8")) if log is not None else None
                ledger = Ledger(out, with_bodies=log_bodies)
                simulator = Simulator(plan, release, host=host, port=port, ledger=ledger)
            except OSError as error:
                raise SettingsError(
                    f"{error.strerror}; accepted is a free address, and a log that can be written"
                ) from error
            stack.callback(simulator.close)
            tell(f"THIS SERVER LIES ON PURPOSE ({len(plan.faults)} faults, seed {plan.seed}). It is for tests, with")
            tell("invented patients only: it keeps everything in memory, and lets in whoever asks.")
            if not is_loopback(host):
                tell(f"IT IS OPEN TO OTHER MACHINES, at {host}.")
            click.echo(f"{simulator.base} ({release}); its state: {simulator.base.removesuffix('/fhir')}{STATE_PATH}")
            ending.wait()
            told = simulator.summary()
            ledger.tell({"end": told})
            click.echo(fhir_json.write_pretty(told).decode(), nl=False)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
