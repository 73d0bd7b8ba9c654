"""A PostgreSQL server of the tests' own: on a socket in a directory of its own, gone at the end.

It runs as an ordinary user, since it refuses to run as root. It listens on a socket in its directory only; with
``network`` on a free port of loopback, too, for programs that know no such sockets (JDBC). A second process waits beside
it and ends it where the tests did not come to their end, even where they were killed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from fhir_infusion.store import open_store
from fhir_infusion.store.tables import METADATA

ADMIN = "fhir"
GUARDED = "guarded"
PASSWORD = "made-up-for-tests"


def directory_of_programs() -> Path | None:
    """Return where initdb and pg_ctl lie, the newest first; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    in_path = shutil.which("initdb")
    candidates = [*found, *([Path(in_path).resolve().parent] if in_path else [])]
    return next((path for path in candidates if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


def missing() -> str:
    """Return why no server can be started, empty where one can."""
    if directory_of_programs() is None:
        return "PostgreSQL is not installed: initdb and pg_ctl are in no directory that is looked at"
    return ""


def _ordinary() -> str | None:
    """Return the user to run the server as, None where we are one ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Server:
    """``start``, ``restart``, ``stop``; ``emptied`` and ``database`` give the URL of a database."""

    def __init__(self, *options: str, network: bool = False) -> None:
        programs = directory_of_programs()
        assert programs is not None
        self._programs = programs
        self._user = _ordinary()
        self._numbers = count(1)
        self._shares = False
        self._options = options
        self._port = _free_port() if network else 0
        self.home = Path(tempfile.mkdtemp(prefix="fhir-pg-"))
        if self._user is not None:
            shutil.chown(self.home, self._user)
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # Its input ends when ours does: a pipe that no child inherits.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"cat; {self._programs / 'pg_ctl'} stop -D data -m immediate; rm -rf {self.home}"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            **self._quietly(),
        )
        self._run("initdb", "--pgdata", "data", "--auth", "trust", "--username", ADMIN, "--encoding", "UTF8")
        # One user has to show a password, so that there is one that can be found out.
        access = self.home / "data" / "pg_hba.conf"
        access.write_text(
            f"local all {GUARDED} scram-sha-256\nhost all {GUARDED} 127.0.0.1/32 scram-sha-256\n"
            + access.read_text().replace("\nhost ", "\n#host ")  # whoever else comes over the network shows no password
        )
        self._control("start")
        self._admin(f"CREATE ROLE {GUARDED} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")

    def restart(self, mode: str = "fast") -> None:
        """Stop and start; ``immediate`` is a crash: no session is ended in order."""
        self._control("restart", "--mode", mode)

    @property
    def pid(self) -> str:
        """The id of the running server, whose processes are below it."""
        return (self.home / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0]

    def halt(self, mode: str = "immediate") -> None:
        self._control("stop", "--mode", mode)

    def go_on(self) -> None:
        self._control("start")

    def stop(self) -> None:
        """Stop, and remove everything."""
        assert self._guard is not None
        self._guard.communicate()
        shutil.rmtree(self.home, ignore_errors=True)  # it is in a directory that only we may write in

    def url(self, name: str, user: str = ADMIN) -> str:
        return f"postgresql://{user}@/{name}?host={self.home}" + (f"&port={self._port}" if self._port else "")

    def emptied(self) -> str:
        """Return the URL of the one database that tests share, one after the other; nothing is in its tables."""
        url = self.url("shared")
        if not self._shares:
            self._admin("CREATE DATABASE shared")
            open_store(url, lambda: datetime.now(UTC)).close()
            self._shares = True
        with psycopg.connect(url) as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
            connection.execute("ALTER SEQUENCE outbox_seq_seq RESTART")
        return url

    def database(self, options: str = "") -> str:
        """Make a database of a test's own, without tables, and return its URL; it goes with the server."""
        name = f"test_{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def jdbc(self) -> str:
        """Make a database, without tables, and return its URL for a Java program; only with ``network``."""
        assert self._port, "the server does not listen on loopback"
        name = self.database().partition("@/")[2].partition("?")[0]
        return f"jdbc:postgresql://127.0.0.1:{self._port}/{name}?user={GUARDED}&password={PASSWORD}"

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _control(self, *action: str) -> None:
        where = ["-c listen_addresses=127.0.0.1", f"-p {self._port}"] if self._port else ["-c listen_addresses="]
        options = " ".join([*where, f"-k {self.home}", *self._options])
        self._run("pg_ctl", *action, "-D", "data", "-l", "log", "-w", "-t", "60", "-o", options)

    def _quietly(self) -> dict[str, Any]:
        """Return how each program runs: as the ordinary user, in its directory, with no output of ours."""
        return {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "user": self._user,
            "group": None if self._user is None else pwd.getpwnam(self._user).pw_gid,
            "extra_groups": None if self._user is None else [],
            "cwd": self.home,
            "env": {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(self.home)},
        }

    def _run(self, program: str, *arguments: str) -> None:
        # What the server inherits stays open as long as it runs: no pipe of ours.
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, **self._quietly(), check=False)
        if done.returncode != 0:
            log = self.home / "log"
            raise RuntimeError(f"{program} failed: {done.returncode}\n{log.read_text() if log.is_file() else ''}")
