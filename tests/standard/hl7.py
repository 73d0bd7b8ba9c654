"""HL7's reference validator, offline, one process per release.

It judges what we emit and what we accept. How it stays offline, and what that costs:

* The definitions of R4 and R5 come from jars; ours from ``profiles/``; stand-ins for published extensions that the
  jars lack from ``tests/standard/definitions`` (a folder ``r4`` or ``r5`` there is for that release only).
* Codes of code systems that are part of FHIR are checked, UCUM by its grammar. Those of others (SNOMED CT, RxNorm,
  LOINC, ATC ...) cannot be: the validator's support chain is told to make an unknown code system a *warning*. Nothing
  is filtered by message text; a caller asks for :func:`errors` and gets every error there is.
* An extension without a definition is an error, unless ``allow_unknown_extensions``: for input published by others.
"""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests import exact_json, java

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO, Any

HERE = Path(__file__).parent
PROJECT = HERE / "validator"
DEFINITIONS = (HERE.parent.parent / "profiles", HERE / "definitions")
START_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Finding:
    """One message of the validator. ``path`` is its FHIRPath-like location, ``rule`` its message id."""

    severity: str
    path: str
    rule: str
    message: str


class Hl7:
    """The validators of both releases, each started at its first use. Close it at the end."""

    def __init__(self, definitions: Sequence[Path] = DEFINITIONS) -> None:
        """Remember where the definitions lie; start nothing yet."""
        self._definitions = definitions
        self._processes: dict[str, _Process] = {}
        self._lock = threading.Lock()

    def validate(
        self, resources: Iterable[dict | str | bytes], release: str, *, allow_unknown_extensions: bool = False
    ) -> list[list[Finding]]:
        """Return the findings of each resource, information left out.

        Args:
            resources: JSON text, sent as it is, or dicts, written with every digit.
            release: ``R4`` (also for R4B: the types concerned are the same) or ``R5``.
            allow_unknown_extensions: accept extensions and profiles without a definition.
        """
        return [self._ask(_text(resource), release, allow_unknown_extensions) for resource in resources]

    def validate_together(
        self, resources: Sequence[dict], release: str, *, allow_unknown_extensions: bool = False
    ) -> list[list[Finding]]:
        """As :meth:`validate`, but in one Bundle, where the types of referenced resources are checked as well.

        Each resource has an id, unique among those of its type: references go by ``Type/id``.
        """
        base = "https://fhir.example/base"
        entries = [
            {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", "resource": resource}
            for resource in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        found: list[list[Finding]] = [[] for _ in resources]
        for finding in self._ask(_text(bundle), release, allow_unknown_extensions):
            place = finding.path.removeprefix("Bundle.entry[").partition("]")[0]
            # What concerns the Bundle as a whole is said at the first resource, so that nobody misses it.
            found[int(place) if place.isdigit() else 0].append(finding)
        return found

    def close(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            process.close()
        self._processes.clear()

    def _ask(self, text: str, release: str, allow_unknown_extensions: bool) -> list[Finding]:  # noqa: FBT001  # private
        with self._lock:
            release = "R4" if release == "R4B" else release
            if release not in self._processes:
                self._processes[release] = _Process(release, self._definitions)
            answer = self._processes[release].ask(("any " if allow_unknown_extensions else "known ") + text)
        return [
            Finding(each["severity"], each["path"] or "", each["id"] or "", each["message"] or "")
            for each in answer
            if each["severity"] != "information"
        ]


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return what makes a resource wrong: errors and fatal ones, without warnings."""
    return [finding for finding in findings if finding.severity in {"error", "fatal"}]


class _Process:
    def __init__(self, release: str, definitions: Sequence[Path]) -> None:
        if release not in {"R4", "R5"}:
            raise ValueError("release: accepted are R4, R4B and R5")
        directories = [str(path) for path in definitions if path.is_dir()]
        self._process = subprocess.Popen(
            [
                *("java", "-Xmx1500m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"),
                *("-cp", java.classpath(PROJECT), "fhirinfusion.ValidatorLines", release, *directories),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            self.definitions = self._read()["ready"]
        finally:
            timer.cancel()

    def ask(self, line: str) -> list[dict]:
        stdin = self._stream(self._process.stdin)
        stdin.write(line + "\n")
        stdin.flush()
        answer: list[dict] = self._read()
        return answer

    def close(self) -> None:
        self._stream(self._process.stdin).close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stream(self._process.stdout).close()

    def _read(self) -> Any:
        line = self._stream(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"HL7's validator ended with code {self._process.wait()}; its reason is on stderr")
        return json.loads(line)

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream


def _text(resource: dict | str | bytes) -> str:
    if isinstance(resource, dict):
        return exact_json.dumps(resource)
    text = resource.decode("utf-8") if isinstance(resource, bytes) else resource
    # A line break inside a JSON string is written \n, so any real one is between tokens.
    return text.removeprefix("\ufeff").replace("\r", " ").replace("\n", " ")
