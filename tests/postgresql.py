"""A PostgreSQL server of the tests' own: on a socket in a directory of its own, gone at the end.

It runs as an ordinary user, since it refuses to run as root; it does not listen on the network.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg

from fhir_infusion.store import open_store

ADMIN = "fhir"


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


class Server:
    """``start``, ``restart``, ``stop``; ``database`` makes a new one with our tables and returns its URL."""

    def __init__(self, *options: str) -> None:
        programs = directory_of_programs()
        assert programs is not None
        self._programs = programs
        self._user = _ordinary()
        self._numbers = count(1)
        self._options = options
        self.home = Path(tempfile.mkdtemp(prefix="fhir-pg-"))
        if self._user is not None:
            shutil.chown(self.home, self._user)

    def start(self) -> None:
        self._run("initdb", "--pgdata", "data", "--auth", "trust", "--username", ADMIN, "--encoding", "UTF8")
        self._control("start")
        self._admin("CREATE DATABASE prepared")
        open_store(self.url("prepared"), lambda: datetime.now(UTC)).close()

    def restart(self, mode: str = "fast") -> None:
        """Stop and start; ``immediate`` is a crash: no session is ended in order."""
        self._control("restart", "--mode", mode)

    def halt(self, mode: str = "immediate") -> None:
        self._control("stop", "--mode", mode)

    def go_on(self) -> None:
        self._control("start")

    def stop(self) -> None:
        """Stop, and remove everything."""
        subprocess.run([*self._command("pg_ctl"), "stop", "-D", "data", "-m", "immediate"], **self._settings(), check=False)
        shutil.rmtree(self.home)

    def url(self, name: str, user: str = ADMIN) -> str:
        return f"postgresql://{user}@/{name}?host={self.home}"

    def database(self) -> str:
        """Make a database of its own and return its URL."""
        name = f"test_{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE prepared")
        return self.url(name)

    def empty_database(self) -> str:
        """Make a database without tables and return its URL."""
        name = f"test_{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected."""
        name = url.partition("@/")[2].partition("?")[0]
        self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _control(self, *action: str) -> None:
        options = " ".join(["-c listen_addresses=", f"-k {self.home}", *self._options])
        self._run("pg_ctl", *action, "-D", "data", "-l", "log", "-w", "-t", "60", "-o", options)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([*self._command(program), *arguments], **self._settings(), check=False)
        if done.returncode != 0:
            log = self.home / "log"
            raise RuntimeError(f"{program} failed: {done.returncode}\n{log.read_text() if log.is_file() else ''}")

    def _command(self, program: str) -> list[str]:
        return [str(self._programs / program)]

    def _settings(self) -> dict[str, object]:
        as_user = {} if self._user is None else {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid}
        # What the server inherits stays open as long as it runs: no pipe of ours.
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(self.home)}
        return {**quiet, **as_user, "extra_groups": [] if as_user else None, "cwd": self.home, "env": environment}
