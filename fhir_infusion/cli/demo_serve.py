"""``fhir-infusion demo --serve``: a service of its own beside a server that misbehaves, with things to see and decide.

Everything lies in a folder that is gone at the end: orders and administrations of all therapies, sent to the other
server as in real life; one of them is refused there, one was changed on both sides, one is forbidden there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fhir_infusion.cli.http import Answer, ask
from fhir_infusion.cli.run import tell
from fhir_infusion.config import EXAMPLE_ORDER_SYSTEM
from fhir_infusion.errors import SettingsError, Unavailable
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.simulated.server import Simulator

Json = dict[str, Any]

_MR: Final = "MedicationRequest"
_SCENARIO: Final = """
[server]
update_create = false

[[fault]]
kind = "status"
status = 422
when = { interaction = "create", type = "MedicationRequest", nth = 7 }
"""
"""One order is refused there."""

_BOTH: Final = "DEMO-1"
"""The order that is changed on both sides."""

_FORBIDDEN: Final = "DEMO-2"
"""The order that becomes its opposite there."""

_WORDS: Final = "as the ward has it"
_UNDER_WAY: Final = frozenset({"pending", "leased", "sent", "unknown"})
_SECONDS: Final = 240
"""How long the service may take to begin, and the other server to have all: seconds, on a machine that is busy."""


class Ward:
    """A service that runs at ``address`` beside a server that lies."""

    def __init__(self, address: str, there: Simulator) -> None:
        self.address, self.there = address, there

    def send(self, method: str, path: str, body: bytes | None = None, media: str = "application/json") -> Answer:
        """Send one request to the service."""
        return ask(self.address, method, path, body, media=media)

    def trouble(self) -> None:
        """Change one order on both sides, and have another forbid there what was ordered."""
        self._settled()
        self._change(_BOTH, lambda one: one["dosageInstruction"][0].update(text=f"{_WORDS} there"))
        self._change(_FORBIDDEN, lambda one: one.update(doNotPerform=True))
        found = self.send("GET", "/api/orders?limit=500").body["items"]
        (mine,) = [one for one in found if one["record"].get("order_id") == _BOTH]
        record: Json = mine["record"]
        record["steps"][0]["text"] = f"{_WORDS} here"
        path, match = f"/api/orders/{mine['id']}", f'W/"{mine["version"]}"'
        ask(self.address, "PUT", path, fhir_json.write(record), match=match)
        self._settled()

    def _settled(self) -> None:
        """Wait until everything was told or put aside."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            (remote,) = self.send("GET", "/api/sync/status").body["items"]
            waits = any(count for state, count in remote["outbox"].items() if state in _UNDER_WAY)
            if not waits and not any(feed["unapplied"] for feed in remote["feeds"].values()):
                return
            time.sleep(0.5)

    def _change(self, order_id: str, how: Callable[[Json], None]) -> None:
        """Change an order there, as somebody else would."""
        address, _, root = self.there.base.removeprefix("http://").partition("/")
        found = ask(address, "GET", f"/{root}/{_MR}?identifier={EXAMPLE_ORDER_SYSTEM}|{order_id}")
        resource = found.body["entry"][0]["resource"]
        how(resource)
        body = fhir_json.write(resource)
        ask(address, "PUT", f"/{root}/{_MR}/{resource['id']}", body, media="application/fhir+json")


@contextmanager
def open_ward(address: str) -> Iterator[Ward]:
    """Give a service at ``host:port`` beside a server that misbehaves; both end with it, and all that they hold.

    Raises:
        SettingsError: something answers there already, or the service does not begin.
    """
    from fhir_infusion.simulated.scenario import parse  # noqa: PLC0415  read only where it is called
    from fhir_infusion.simulated.server import Simulator  # noqa: PLC0415  as the line above

    with suppress(Unavailable):
        ask(address, "GET", "/health/live", seconds=2)
        raise SettingsError(f"a service runs at {address} already; accepted is another --port")
    there = Simulator(parse(_SCENARIO, "R4", "demo"))
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text(f'[remotes.hospital]\nbase_url = "{there.base}"\npoll_seconds = 2\n', encoding="utf-8")
        process = _serve(Path(folder), address)
        try:
            _wait(process, address)
            yield Ward(address, there)
        finally:
            process.terminate()
            process.wait()
            there.close()


@contextmanager
def until_told() -> Iterator[Callable[[], object]]:
    """Do what is within until Ctrl-C or a signal to end, and then what ends it in order; give a way to wait for it."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        with suppress(KeyboardInterrupt):
            yield threading.Event().wait
    finally:
        signal.signal(signal.SIGTERM, before)


def invite(ward: Ward) -> None:
    """Say where there is what to see."""
    tell("its data are forgotten when it ends; Ctrl-C ends it")
    base = f"http://{ward.address}"
    click.echo(f"the workbench, with what becomes of each element: {base}/workbench")
    click.echo(f"the console, with what waits for a person: {base}/console")
    click.echo(f"one order, from here to the other server: {base}/console/trace?order={_BOTH}")


def _serve(folder: Path, address: str) -> subprocess.Popen[bytes]:
    host, _, port = address.rpartition(":")
    given = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_INFUSION_")}
    command = (sys.executable, "-m", "fhir_infusion", "--settings", str(folder / "settings.toml"), "serve")
    options = ("--host", host, "--port", port, "--database", f"sqlite:///{folder}/demo.db")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen((*command, *options), env=given, stdout=log, stderr=log)  # noqa: S603  our own command


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        with suppress(Unavailable):
            if ask(address, "GET", "/health/live", seconds=10).status == 200:
                return
        time.sleep(0.2)
    raise SettingsError(f"the service does not begin at {address}; accepted is a port that is free")
