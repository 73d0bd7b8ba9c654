"""The lying server, with a bulk export: files of lines as they were at the kick-off, and whatever a test puts into them.

``asked`` notes its requests too; their ``type`` is ``$export``, ``status`` or ``file``.
"""

from __future__ import annotations

from dataclasses import replace
from email.utils import format_datetime
from typing import Any

from tests import exact_json
from tests.faults.peer import Act, Asked, Peer
from tests.faults.rig import of_theirs

TYPES = ("MedicationRequest", "MedicationAdministration")


class Exporting(Peer):
    """``running`` is how often it says that an export is not ready; ``files`` is what an export holds, by name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.running = 0
        self.retry_after = ""
        self.exports = 0
        self.known: set[str] = set()
        self.ended: list[str] = []
        self.files: dict[str, list[bytes]] = {}
        self.extra: dict[str, list[bytes]] = {}
        self.elsewhere = ""
        self.counts = False
        self.per_file = 10**9
        self.transaction_time = ""

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any] | None, Act | None]:
        if asked.type not in {"$export", "status", "file"}:
            return super().answer(asked)
        with self._lock:
            self.asked.append(asked)
            act = next((found for lie in self.lies if (found := lie(asked)) is not None), None)
            if act is not None and not act.effect:
                return act.status, dict(act.headers), None, act
            status, headers, body = self._export(asked)
        return status, headers, None, replace(act or Act(), body=body)

    def _export(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.type == "$export":
            return 202, {"Content-Location": f"{self.base}/status/{self._kick_off(asked)}"}, b""
        if asked.type == "status":
            return self._status(asked)
        lines = self.files.get(asked.id)
        if lines is None or asked.id.partition("-")[0] not in self.known:
            return 404, {}, b""
        return 200, {"Content-Type": "application/fhir+ndjson"}, b"".join(line + b"\n" for line in lines)

    def _kick_off(self, asked: Asked) -> str:
        self.exports += 1
        name = str(self.exports)
        self.known.add(name)
        self.transaction_time = self._moment.isoformat(timespec="milliseconds")
        for type_ in asked.query.get("_type", ",".join(TYPES)).split(","):
            lines = [exact_json.dumps(one).encode() for one in self.all(type_)]
            lines += self.extra.get(type_, [])
            for number, first in enumerate(range(0, len(lines), self.per_file)):
                self.files[f"{name}-output-{type_}-{number}"] = lines[first : first + self.per_file]
        for kind, type_ in (("deleted", "Bundle"), ("error", "OperationOutcome")):
            if kind in self.extra:
                self.files[f"{name}-{kind}-{type_}-0"] = self.extra[kind]
        return name

    def _status(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.id not in self.known:
            return 404, {}, b""
        if asked.method == "DELETE":
            self.known.discard(asked.id)
            self.ended.append(asked.id)
            return 202, {}, b""
        if self.running:
            self.running -= 1
            return 202, {"Retry-After": self.retry_after, "X-Progress": "CANARY Jane 40% of it"}, b""
        parts: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": [], "error": []}
        for name, lines in self.files.items():
            export, kind, type_, _ = name.split("-")
            if export == asked.id:
                count = {"count": len(lines)} if self.counts else {}
                parts[kind].append({"type": type_, "url": f"{self.elsewhere or self.base}/file/{name}", **count})
        body = {"transactionTime": self.transaction_time, "request": self.base, "requiresAccessToken": True, **parts}
        return 200, {"Date": format_datetime(self._moment, usegmt=True)}, exact_json.dumps(body).encode()

    def fill(self, count: int) -> None:
        """Hold so many orders of one patient."""
        patient = self.put({"resourceType": "Patient", "identifier": [{"system": "urn:test:mrn", "value": "mrn-9"}]})
        for number in range(count):
            self.put(an_order(number, patient["id"]))

    def kept(self, kind: str) -> list[Asked]:
        return [one for one in self.asked if one.type == kind]


def an_order(number: int, patient: str) -> dict[str, Any]:
    """Return an order as another server has it, of a patient there."""
    return of_theirs(number, subject={"reference": f"Patient/{patient}"})
