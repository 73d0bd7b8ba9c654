"""The HAPI FHIR JPA server as a real peer: started on a free port, killed and started again at will.

Its database is a file, so a server that comes back has what it acknowledged. Habits that tests must know: a stale
``If-Match`` is answered with 409 (not 412), a numeric id is the server's own (a client's id needs a letter), version
ids are 1, 2, 3 ..., and a dangling reference is refused with 400.
"""

from __future__ import annotations

import subprocess
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from tests import exact_json, java

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


class Hapi:
    """One server: its base URL stays the same when it is started again."""

    def __init__(self, project: Path, directory: Path, *, validate: bool = False, swift: bool = False) -> None:
        """Prepare a server that keeps its database and its log in ``directory``; start nothing yet.

        It starts in half the time without the JVM's second compiler, with which it is faster later (``swift``).
        """
        self._project = project
        self._directory = directory
        self._validate = validate
        self._compiler = ["-XX:+UseParallelGC"] if swift else ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.log = directory / "hapi.log"

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
        classes = java.classpath(self._project)
        begins = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("java", "-Xmx1200m", *self._compiler, "-cp", classes),
                    *("fhirinfusion.HapiServer", str(self._port), str(self._directory / "database")),
                    *(["validate"] if self._validate else []),
                ],
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
        raise RuntimeError(f"HAPI did not start:\n{self.log.read_text(encoding='utf-8', errors='replace')[-3000:]}")

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
            following = next((link["url"] for link in reply.json["link"] if link["relation"] == "next"), None)
        return found


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
