"""The bulk export of everything, ``$export``: asked for, asked after, and fetched as NDJSON, a file for each type.

https://hl7.org/fhir/uv/bulkdata/export.html. What is given is what searches showed when it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated import query as queries
from fhir_infusion.simulated.asked import Answer, Asked, refused
from fhir_infusion.simulated.statement import resource_types

if TYPE_CHECKING:
    from fhir_infusion.simulated.interactions import World


@dataclass(slots=True)
class _Export:
    moment: str
    files: dict[str, bytes]
    counts: dict[str, int]
    polled: int = 0


@dataclass(slots=True)
class Exports:
    """The exports that were asked for. Whoever calls holds the server's lock."""

    _kept: dict[str, _Export] = field(default_factory=dict)
    _given: int = 0

    def do(self, world: World, asked: Asked) -> Answer:
        """Begin an export, tell how far it is, give a file, or forget it."""
        if not world.ability.export:
            return refused(404, "not-supported", "no export here")
        match asked.parts[1:]:
            case ():
                return self._begun(world, asked)
            case (number,) if number in self._kept and asked.method == "DELETE":
                del self._kept[number]
                return Answer(202)
            case (number,) if number in self._kept:
                return self._told(world, number, self._kept[number])
            case (number, name) if number in self._kept and name in self._kept[number].files:
                body = self._kept[number].files[name]
                return Answer(200, {"Content-Type": "application/fhir+ndjson"}, body)
        return refused(404, "not-found", "no such export")

    def _begun(self, world: World, asked: Asked) -> Answer:
        wanted = dict(asked.query)
        if "respond-async" not in asked.headers.get("prefer", "") or wanted.keys() - {
            "_type",
            "_since",
            "_outputFormat",
        }:
            return refused(400, "invalid", "accepted is Prefer: respond-async, with _type and _since")
        since = [("_lastUpdated", f"ge{wanted['_since']}")] if "_since" in wanted else []
        types = wanted["_type"].split(",") if "_type" in wanted else resource_types(world.release)
        files, counts = {}, {}
        try:
            for name in types:
                found = queries.found(queries.searched(since), world.state.shown(name))
                if found:
                    files[name] = b"".join(fhir_json.write(one.resource) + b"\n" for one in found)
                    counts[name] = len(found)
        except Refused as error:
            return refused(error.status, error.issues[0].code, str(error))
        self._given += 1
        moment = world.state.now().isoformat(timespec="milliseconds")
        self._kept[str(self._given)] = _Export(moment, files, counts)
        return Answer(202, {"Content-Location": f"{world.base}/$export/{self._given}"})

    def _told(self, world: World, number: str, export: _Export) -> Answer:
        export.polled += 1
        if export.polled == 1:
            return Answer(202, {"X-Progress": "in progress", "Retry-After": "1"})
        manifest: dict[str, Any] = {
            "transactionTime": export.moment,
            "request": f"{world.base}/$export",
            "requiresAccessToken": False,
            "output": [
                {"type": name, "url": f"{world.base}/$export/{number}/{name}", "count": export.counts[name]}
                for name in export.files
            ],
            "error": [],
        }
        return Answer(200, {"Content-Type": "application/json"}, fhir_json.write(manifest))
