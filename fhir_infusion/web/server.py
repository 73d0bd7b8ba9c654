"""Serving with gunicorn: one process of threads, or several, which share what was made before their fork.

1. In the parent: the settings are checked, the address is bound; where there will be several workers, the mappings are
   loaded, which their memory is mostly of, and SQLite's lock is taken. No thread, connection or other lock is there
   before the fork. What is there is taken out of the collector's sight, which would write to each object, so that the
   processes go on sharing it.
2. In the worker (``post_worker_init``): the service is built with its writing and synchronising threads, which takes
   the database lock; a worker that follows another waits for the lock as long as the other may take to end.
3. At the end: no new connections, running requests are finished, then the threads end and the lock is given back.

SIGHUP has each process read the mapping documents anew, prove them and exchange them (``web.mappings``). gunicorn's own
answer to it, new processes for the old ones, would end the service where a document is wrong, and stop it for the time
of a start where one process alone may write.

No preload (2. would be before the fork), no max_requests (a restart costs the proof of the mappings and empties
caches), no control socket, no trust in forwarding headers.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from fhir_infusion.errors import FhirInfusionError, SettingsError
from fhir_infusion.web import collector, logs, mappings, metrics
from fhir_infusion.web.app import create_app
from fhir_infusion.web.context import Company
from fhir_infusion.web.patience import Pieces
from fhir_infusion.web.quiet_logger import QuietLogger
from fhir_infusion.web.quiet_worker import QuietWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.config import Settings
    from fhir_infusion.web.running import Running

GRACEFUL_SECONDS: Final = 30
BOOT_SECONDS: Final = 180
"""How long a worker may be silent: longer than the slowest proof of the mapping documents."""

KEEP_ALIVE_SECONDS: Final = 65
"""How long a connection may rest. One closed while its client sends leaves that client in doubt about an order,
so we close later than the pools of clients and proxies do (60 s is usual); a resting connection costs no thread."""

THREADS: Final = 16
"""Requests answered at once; measured, many threads halve the rate of work that is bound by the processor."""

_ADDRESS_SECONDS: Final = 5
"""How long an address is waited for that another program has: one that is ending gives it back in that time."""

_NOT_SERVED_ON: Final = {
    errno.EADDRINUSE: "another program serves there; accepted is another --port",
    errno.EACCES: "this user may not serve there; accepted is a --port from 1024",
    errno.EADDRNOTAVAIL: "this machine has no such address; accepted is another --host",
}


class Server(BaseApplication):
    """gunicorn's application object. ``build`` is called in the worker process, after the fork."""

    def __init__(self, settings: Settings, build: Callable[[str, float], Running]) -> None:
        """Keep what the worker will need."""
        self._settings = settings
        self._build = build
        self.running: Running | None = None
        self._app: Callable[..., Any] = _not_yet
        self._asked_early = False
        self._counted = metrics.room(settings.workers)
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's configuration; neither its files nor its environment variable are read."""
        values: dict[str, Any] = {
            "bind": address_of(self._settings.host, self._settings.port),
            "worker_class": QuietWorker,
            "workers": self._settings.workers,
            "threads": THREADS,
            "timeout": BOOT_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "preload_app": False,
            "max_requests": 0,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "limit_request_line": 8190,
            "accesslog": None,
            "logger_class": QuietLogger,
            "proc_name": "fhir-infusion",
            "pre_fork": _about_to_fork,
            "post_worker_init": _started,
            "worker_exit": _ended,
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until told to stop."""
        _Arbiter(self).run()

    def reload_mappings(self) -> None:
        """Read the mapping documents anew, in a thread of its own; what comes of it is in the log."""
        if self.running is None:
            self._asked_early = True  # what is being built may have read them before they were changed
            return
        threading.Thread(target=mappings.reload, args=(self.running.live,), name="mappings", daemon=True).start()

    def load(self) -> Callable[..., Any]:
        """Return the WSGI application: the one that ``begin`` builds before the first request is taken."""
        return self._answer

    def _answer(self, environ: Any, start_response: Any) -> Any:
        return Pieces(self._app(environ, start_response))

    def begin(self, address: str, part: int | None) -> None:
        """Build the service and its application, in the worker, which counts in a part of its own."""
        logs.configure(self._settings.log_level)
        try:
            self.running = self._build(address, GRACEFUL_SECONDS)
            running = self.running
            counters = metrics.Metrics(self._counted, part) if part is not None else metrics.Metrics()
            company = Company(partial(_tell_others, self._settings), counters)
            self._app = create_app(running.service, running.owner_token, running.worker, running.live, company)
        except FhirInfusionError as error:
            # The family's messages hold no patient data, and say what to do.
            print(f"fhir-infusion: {error}", file=sys.stderr)  # noqa: T201  the operator is at the terminal
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        except Exception as error:  # noqa: BLE001  its message may hold anything, and gunicorn would print it
            logs.event("fault", logging.CRITICAL, failure=error)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        if self._asked_early:
            self.reload_mappings()


class _Arbiter(Arbiter):
    """gunicorn's parent process, which hands SIGHUP on."""

    def handle_hup(self) -> None:
        """Have every process read the mapping documents anew."""
        self.kill_workers(signal.SIGHUP)


def _tell_others(settings: Settings) -> None:
    """Have the other processes of this service read the mapping documents anew, by way of the parent."""
    if settings.workers > 1:
        os.kill(os.getppid(), signal.SIGHUP)


def address_of(host: str, port: int) -> str:
    """Return a host and a port as they stand in an address of the web."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_address(host: str, port: int) -> None:
    """Try whether a host and port can be served on: gunicorn's words on it are told without the port, five times.

    Raises:
        SettingsError: they cannot; says why, and what is accepted.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + _ADDRESS_SECONDS
    while True:
        try:
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.5)
                continue
            why = _NOT_SERVED_ON.get(error.errno or 0, "nothing can be served there; accepted is another --host")
            raise SettingsError(f"{address_of(host, port)}: {why}") from None
        return


def serve(settings: Settings, build: Callable[[str, float], Running]) -> bool:
    """Serve until told to stop; say whether it ended well.

    ``build`` is given the address (``host:port``) where work of other processes of this machine is taken, and the
    seconds to wait for the database lock; it raises of the failure family.
    """
    logs.configure(settings.log_level)
    parent = os.getpid()
    try:
        Server(settings, build).run()
    except SystemExit as end:
        if os.getpid() != parent:
            raise  # a worker's end: its exit code tells the parent whether another start makes sense
        return end.code in {None, 0}
    return True


def _not_yet(_environ: object, _start_response: object) -> Any:
    raise RuntimeError("no request is taken before the application is built")


def _about_to_fork(arbiter: Any, worker: Any) -> None:
    # That of one that died is free again; who is added by a signal (SIGTTIN) counts for itself.
    taken = {other.part for other in arbiter.WORKERS.values()}
    worker.part = next((part for part in range(worker.cfg.workers) if part not in taken), None)
    collector.set_aside_anew()


def _started(worker: Any) -> None:
    app: Server = worker.app
    host, port = worker.sockets[0].sock.getsockname()[:2]
    # A socket bound to every address is reached on loopback too.
    host = str({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))  # noqa: S104  compared, not bound
    app.begin(address_of(host, port), worker.part)
    collector.set_aside()
    logs.event("serving", port=port)


def _ended(_arbiter: object, worker: Any) -> None:
    app: Server = worker.app
    if app.running is not None:
        app.running.close()
        logs.event("stopped")
