"""Real FHIR servers as peers: started on a free port, killed and started again at will.

Habits that tests must know. HAPI: a stale ``If-Match`` is answered with 409 (not 412), a numeric id is the server's own
(a client's id needs a letter), version ids are 1, 2, 3 ..., a dangling reference is refused with 400; what it
acknowledged is there after a kill. Medplum: 412, version ids are UUIDs, 1.50 comes back as 1.5, a search has no next
link, no CapabilityStatement, a deleted resource reads 404; it keeps nothing when it ends.
"""

from __future__ import annotations

import subprocess
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from tests import exact_json, java, node

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

START_SECONDS = 240


class Reply(NamedTuple):
    """An answer. ``headers`` have lower-case names; ``json`` is None where there is no body."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Return the body; numbers compare as they are written."""
        return exact_json.loads(self.text) if self.text else None


class Program:
    """One server: its base URL stays the same when it is started again."""

    name = ""

    def __init__(self, directory: Path) -> None:
        """Prepare a server that keeps its log (and what else it keeps) in ``directory``; start nothing yet."""
        self._directory = directory
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.log = directory / f"{self.name}.log"

    def _command(self) -> list[str]:
        """Return what is run; it prints ``READY port=N``."""
        raise NotImplementedError

    @property
    def base(self) -> str:
        """The base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}/fhir"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def is_running(self) -> bool:
        """Say whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended or did not answer in time; the message holds the end of its log.
        """
        assert not self.is_running(), "the server is running"
        command = self._command()
        begins = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # it ends with us: where we are killed, its input ends
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            said = self.log.read_bytes()[begins:].decode("utf-8", "replace")
            port = said.partition("READY port=")[2].split("\n")
            if len(port) > 1:
                self._port = int(port[0])
                return
            time.sleep(0.2)
        self.kill()
        said = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{self.name} did not start:\n{said}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._process.communicate()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again on the same port, with the same database."""
        self.kill()
        self.start()

    def call(
        self, method: str, path: str, body: dict | str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request over a connection of its own; ``path`` is below the base, or a whole URL of this server."""
        return call(path if path.startswith("http") else f"{self.base}/{path}", method, body, headers)

    def all(self, search: str) -> list[dict]:
        """Return every resource that a search finds, over all its pages."""
        found: list[dict] = []
        following: str | None = search
        while following:
            reply = self.call("GET", following)
            assert reply.status == 200, reply.text
            found += [entry["resource"] for entry in reply.json.get("entry", [])]
            links = reply.json.get("link", [])
            following = next((link["url"] for link in links if link["relation"] == "next"), None)
        return found

    def everything(self, type_: str) -> list[dict]:
        """Return every resource of a type."""
        return self.all(f"{type_}?_count=500")


class Hapi(Program):
    """The HAPI FHIR JPA server. Its database is a file in its directory, or ``database``, a JDBC URL."""

    def __init__(
        self,
        project: Path,
        directory: Path,
        *,
        validate: bool = False,
        swift: bool = False,
        release: str = "R4",
        database: str = "",
    ) -> None:
        """Prepare it; start nothing yet.

        It starts in half the time without the JVM's second compiler, with which it is faster later (``swift``).
        """
        self.name = f"hapi-{release.lower()}"
        super().__init__(directory)
        self._project = project
        self._compiler = ["-XX:+UseParallelGC"] if swift else ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._database = database or str(directory / "database")
        self._options = [*(["validate"] if validate else []), *(["R5"] if release == "R5" else [])]

    def _command(self) -> list[str]:
        classes = java.classpath(self._project)
        return [
            *("java", "-Xmx1200m", *self._compiler, "-cp", classes),
            *("fhirinfusion.HapiServer", str(self._port), self._database, *self._options),
        ]


class Medplum(Program):
    """Medplum's router over its repository in memory."""

    name = "medplum"

    def __init__(self, project: Path, directory: Path) -> None:
        """Prepare it; start nothing yet."""
        super().__init__(directory)
        self._project = project

    def _command(self) -> list[str]:
        node.install(self._project)
        return ["node", str(self._project / "server.mjs"), str(self._port)]

    def everything(self, type_: str) -> list[dict]:
        """Return every resource of a type; there are no next links, but it gives as many as are asked for."""
        return self.all(f"{type_}?_count=1000000")


def call(url: str, method: str, body: dict | str | None = None, headers: dict[str, str] | None = None) -> Reply:
    """Send one request with FHIR JSON and return the answer, whatever its status. Redirects are not followed."""
    parts = urlsplit(url)
    assert parts.hostname in {"127.0.0.1", "localhost"}, "tests talk on loopback only"
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        content = exact_json.dumps(body) if isinstance(body, dict) else body
        connection.request(
            method,
            parts.path + (f"?{parts.query}" if parts.query else ""),
            None if content is None else content.encode(),
            {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json", **(headers or {})},
        )
        response = connection.getresponse()
        text = response.read().decode("utf-8")
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
    finally:
        connection.close()
