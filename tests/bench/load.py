"""``python -m tests.bench.load``: the service under load, beside a HAPI JPA server on the same machine in the same run.

Both keep what they acknowledge on disk (SQLite with a full sync; H2 with no write delay) and get the same requests from
the same clients, one server at a time, in turns; whose turn it is not stands still (SIGSTOP), so that nobody pays for what
the other has still to clear up. Told are answers a second, the 50th, 95th and 99th percentile, the
processor time that each answer took, which other work on the machine changes least, and the memory that is taken: what
is resident, of pages that processes share each its part. ``--workers 2`` has the service as several
processes, whose memory and time are told together, ``--database postgresql`` with those of the database's. ``--overload 60`` adds a minute of more than the
service manages, without HAPI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from urllib.parse import urlsplit

import click

from tests import postgresql
from tests.real.server import Hapi
from tests.real.serving import Serving

Json = dict[str, Any]

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "01-paclitaxel-weekly"
PAGE: Final = 50
ENTRIES: Final = 100
PATIENTS: Final = 20
STORED: Final = 2_000
"""Administrations that a search has before it, some of each patient."""


@dataclass
class Target:
    """One server: where it is, and the processes whose memory is its own."""

    name: str
    base: str
    pids: Callable[[], set[str]]
    patients: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """One request, as bytes that go over the wire but for the head."""

    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True)
class Took:
    """What one turn showed: answers by status, and the milliseconds that each of the right ones took.

    ``processor``: the seconds of processor time that the server took meanwhile.
    """

    seconds: float
    statuses: dict[int, int]
    milliseconds: list[float]
    processor: float = 0.0

    def rate(self) -> float:
        """Return right answers a second."""
        return len(self.milliseconds) / self.seconds


class Client:
    """A connection that stays open; reads an answer by its Content-Length or its chunks."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._host = f"{parts.hostname}:{parts.port}"
        self._base = parts.path
        self._address = (parts.hostname or "", parts.port or 0)
        self._connect()

    def send(self, request: Request) -> tuple[int, dict[bytes, bytes], bytes]:
        """Return status, headers in small letters, and body."""
        head = (
            f"{request.method} {self._base}{request.path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Accept: application/fhir+json\r\nContent-Type: application/fhir+json\r\n"
            f"Content-Length: {len(request.body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + request.body)
        status = int(self._input.readline().split()[1])
        headers: dict[bytes, bytes] = {}
        while line := self._input.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(self._input.readline(), 16):
                body += self._input.read(size)
                self._input.readline()
            self._input.readline()
        else:
            body = self._input.read(int(headers.get(b"content-length", b"0")))
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
            self._connect()
        return status, headers, body

    def close(self) -> None:
        self._input.close()
        self._socket.close()

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")


def run(base: str, clients: int, seconds: float, following: Callable[[], Request]) -> Took:
    """Send requests over so many connections at once for so long; each client sends its next after an answer."""
    gate = threading.Barrier(clients + 1)
    lock = threading.Lock()
    statuses: dict[int, int] = {}
    milliseconds: list[float] = []

    def one() -> None:
        client = Client(base)
        mine: list[float] = []
        found: dict[int, int] = {}
        gate.wait()
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            request = following()
            status, _, _ = client.send(request)
            found[status] = found.get(status, 0) + 1
            if status < 300:
                mine.append((time.perf_counter() - begin) * 1000)
        client.close()
        with lock:
            milliseconds.extend(mine)
            for status, times in found.items():
                statuses[status] = statuses.get(status, 0) + times

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    gate.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    return Took(time.perf_counter() - begin, statuses, milliseconds)


_NUMBERS: Final = count(1)


def order(patient: str) -> str:
    """Return an order of 5 KB that no server has seen."""
    return _ORDER.replace(_PATIENT, patient).replace(_NAME, str(uuid.uuid4()))


def administration(patient: str) -> str:
    """Return an administration that no server has seen."""
    return _ADMINISTRATION.replace(_PATIENT, patient).replace(_NAME, str(uuid.uuid4()))


_PATIENT: Final = "Patient/whose"
_NAME: Final = "name-of-this-one"


def _golden(name: str) -> str:
    """Return a golden resource as a text in which patient and identifier are to be filled in: clients must cost little."""
    body: Json = json.loads((GOLDEN / name).read_text(encoding="utf-8"))
    for member in ("id", "request"):
        body.pop(member, None)
    body["identifier"][0]["value"] = _NAME
    return json.dumps({**body, "subject": {"reference": _PATIENT}})


_ORDER: Final = _golden("order.r4.json")
_ADMINISTRATION: Final = _golden("administration-day-8.r4.json")


def transaction(resources: Iterable[str]) -> bytes:
    """Return a Bundle that creates resources."""
    entries = (
        f'{{"fullUrl":"urn:uuid:{uuid.uuid4()}","resource":{one},'
        f'"request":{{"method":"POST","url":"{_TYPE.search(one)[1]}"}}}}'  # type: ignore[index]  # every resource has one
        for one in resources
    )
    return f'{{"resourceType":"Bundle","type":"transaction","entry":[{",".join(entries)}]}}'.encode()


_TYPE: Final = re.compile(r'"resourceType": "(\w+)"')


def prepared(target: Target) -> None:
    """Give a server patients, orders to read and administrations to search."""
    client = Client(target.base)

    def made(type_: str, body: str) -> str:
        status, headers, answer = client.send(Request("POST", f"/{type_}", body.encode()))
        assert status == 201, answer[:2000]
        return "/".join(headers[b"location"].decode().split("/_history")[0].split("/")[-2:])

    target.patients = [made("Patient", '{"resourceType":"Patient","birthDate":"1966-11-30"}') for _ in range(PATIENTS)]
    target.orders = [made("MedicationRequest", order(target.patients[0])) for _ in range(100)]
    for first in range(0, STORED, 100):
        new = (administration(target.patients[number % PATIENTS]) for number in range(first, first + 100))
        status, _, answer = client.send(Request("POST", "", transaction(new)))
        assert status == 200, answer[:2000]
    client.close()


def kinds(target: Target) -> dict[str, Callable[[], Request]]:
    """Return what is asked of a server, by name."""

    def number() -> int:
        return next(_NUMBERS)

    return {
        "create": lambda: Request("POST", "/MedicationRequest", order(target.patients[0]).encode()),
        "read": lambda: Request("GET", f"/{target.orders[number() % len(target.orders)]}"),
        "search": lambda: Request(
            "GET", f"/MedicationAdministration?patient={target.patients[number() % PATIENTS]}&_count={PAGE}"
        ),
        "transaction": lambda: Request("POST", "", transaction(order(target.patients[0]) for _ in range(ENTRIES))),
    }


def memory(pids: set[str]) -> int:
    """Return the memory that processes have resident, MB; a page that several share counts once."""
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # a process of the database may end at any time
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            total += int(rollup.split("\nPss:")[1].split()[0])
    return total // 1024


def processor(pids: set[str]) -> float:
    """Return the seconds of processor time that processes have taken."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def below(pid: str) -> set[str]:
    """Return a process and all that it started, and those started."""
    found = {pid}
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            found |= below(child)
    return found


def told(took: Took) -> Json:
    """Return a turn's numbers."""
    hundredths = quantiles(took.milliseconds, n=100) if len(took.milliseconds) > 1 else [0.0] * 99
    return {
        "per_second": round(took.rate(), 1),
        "p50": round(hundredths[49], 1),
        "p95": round(hundredths[94], 1),
        "p99": round(hundredths[98], 1),
        "processor_ms": round(1000 * took.processor / max(len(took.milliseconds), 1), 3),
        "statuses": took.statuses,
    }


@click.command()
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each turn.")
@click.option("--rounds", default=3, show_default=True, help="Turns of each; the middle one is told.")
@click.option("--clients", "numbers", multiple=True, type=int, default=(1, 16), show_default=True)
@click.option("--only", multiple=True, help="Of create, read, search, transaction.")
@click.option("--alone", is_flag=True, help="Without HAPI.")
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--workers", default=1, show_default=True, help="Processes of ours.")
@click.option("--overload", default=0.0, help="Seconds of creates from 64 clients at once, then 16 again.")
def main(
    *,
    file: Path | None,
    seconds: float,
    rounds: int,
    numbers: tuple[int, ...],
    only: tuple[str, ...],
    alone: bool,
    database: str,
    workers: int,
    overload: float,
) -> None:
    """Measure, and print what was seen."""
    folder = Path(tempfile.mkdtemp(prefix="fhir-load-"))
    server = postgresql.Server() if database == "postgresql" else None
    if server is not None:
        server.start()
    ours = Serving(folder, "", server.database() if server is not None else "", workers)
    other = Hapi(Path(__file__).parents[1] / "real" / "hapi", folder, swift=True)
    report: Json = {}
    try:
        ours.start()
        targets = [Target("ours", f"{ours.base}/fhir/r4", lambda: _of_ours(ours, server))]
        if not alone:
            other.start()
            targets.append(Target("HAPI", other.base, lambda: below(str(other.pid))))
        for target in targets:
            prepared(target)
        for clients in numbers:
            for kind in only or kinds(targets[0]):
                row = report[f"{kind}, {clients} at once"] = compared(targets, kind, clients, seconds, rounds)
                click.echo(f"{kind}, {clients} at once: {json.dumps(row)}")
        report["memory, MB"] = {target.name: memory(target.pids()) for target in targets}
        if overload:
            report["overload"] = overloaded(targets[0], overload)
    finally:
        ours.stop()
        other.stop()
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    click.echo("\n".join(table(report)))
    click.echo(json.dumps({name: report[name] for name in ("memory, MB", "overload") if name in report}))
    if file is not None:
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _of_ours(ours: Serving, server: postgresql.Server | None) -> set[str]:
    """Return every process of ours: the one that was started, its workers, and those of the database."""
    return below(ours.pid) | (below(server.pid) if server is not None else set())


def table(report: Json) -> list[str]:
    """Return the lines of a table in Markdown: answers a second and the 99th percentile of each server."""
    lines = ["| asked | ours, 1/s | p99, ms | CPU, ms | HAPI, 1/s | p99, ms | CPU, ms | ratio |", f"|{'---|' * 8}"]
    for name, row in report.items():
        if "ours" not in row or name == "memory, MB":
            continue
        cells = [
            f"{one['per_second']} | {one['p99']} | {one['processor_ms']}"
            for one in (row["ours"], row.get("HAPI", {"per_second": "", "p99": "", "processor_ms": ""}))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {row.get('ratio', '')} |")
    return lines


@contextmanager
def still(targets: list[Target]) -> Iterator[None]:
    """Stop the processes of servers for the time of a block."""
    pids = [int(pid) for target in targets for pid in target.pids()]

    def tell(what: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):  # a process of the database may end at any time
                os.kill(pid, what)

    try:
        tell(signal.SIGSTOP)
        yield
    finally:
        tell(signal.SIGCONT)


def compared(targets: list[Target], kind: str, clients: int, seconds: float, rounds: int) -> Json:
    """Return what each server showed, in turns, the first of which only warms; and how they compare."""
    turns: dict[str, list[Took]] = {target.name: [] for target in targets}
    for turn in range(rounds + 1):
        for target in targets:
            with still([other for other in targets if other is not target]):
                before = processor(target.pids())
                took = run(target.base, clients, seconds, kinds(target)[kind])
                if turn:
                    turns[target.name].append(replace(took, processor=processor(target.pids()) - before))
    row: Json = {name: told(sorted(all_, key=Took.rate)[len(all_) // 2]) for name, all_ in turns.items()}
    if "HAPI" in row:
        row["ratio"] = round(row["ours"]["per_second"] / max(row["HAPI"]["per_second"], 0.1), 2)
    return row


def overloaded(target: Target, seconds: float) -> Json:
    """Return what creates from 64 clients at once showed, how many of them are kept, and 16 clients afterwards."""
    before = total(target)
    took = run(target.base, 64, seconds, kinds(target)["create"])
    kept = total(target) - before
    after = run(target.base, 16, 5, kinds(target)["create"])
    return {"64 at once": told(took), "kept": kept, "16 at once afterwards": told(after)}


def total(target: Target) -> int:
    """Return how many orders a server says that it has."""
    client = Client(target.base)
    status, _, body = client.send(Request("GET", "/MedicationRequest?_summary=count"))
    client.close()
    assert status == 200, body[:500]
    return int(json.loads(body)["total"])


if __name__ == "__main__":
    main()
