"""What was asked and told, a JSON line for each request: the ground truth of a run.

Nobody is named in it: an identifier has the number of its first appearance, ids are the server's own. Bodies are noted
only where that was asked for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.simulated.state import STRANGERS, identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from fhir_infusion.simulated.asked import Answer, Asked
    from fhir_infusion.simulated.scenario import Fault
    from fhir_infusion.simulated.state import State, Version


class Ledger:
    """The lines, kept and written to ``out``. Whoever calls holds the server's lock."""

    def __init__(self, out: TextIO | None = None, *, with_bodies: bool = False) -> None:
        """Begin with no line."""
        self.lines: list[dict[str, Any]] = []
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._out = out
        self._with_bodies = with_bodies

    def number_of(self, type_: str, system: str, value: str) -> int:
        """Return the number that an identifier of a type has in the lines; it gets one at its first appearance."""
        return self._numbers.setdefault((type_, system, value), len(self._numbers) + 1)

    def note(  # noqa: PLR0913  each is one member of the line
        self, number: int, moment: str, asked: Asked, answer: Answer, fault: Fault | None, touched: Sequence[Version]
    ) -> None:
        """Note one request with what became of it; ``touched`` are the versions that a fault changed or undid."""
        line: dict[str, Any] = {
            "number": number,
            "moment": moment,
            "method": asked.method,
            "interaction": asked.interaction,
            "type": asked.type,
            "id": answer.id or asked.id,
            "identifiers": [self.number_of(asked.type, *one) for one in answer.identifiers],
            "condition": self._condition(asked),
            "fault": f"{fault.number} {fault.kind.name}" if fault is not None else "",
            "touched": [self._named(one) for one in touched],
            "effect": answer.effect,
            "status": answer.status,
            "answered": {"before": "no", "within": "in part"}.get(answer.sent.close, "whole"),
        }
        if self._with_bodies:
            line["asked"] = asked.body.decode(errors="replace")
            line["sent"] = answer.body[:65_536].decode(errors="replace")
        self.tell(line)

    def tell(self, line: dict[str, Any]) -> None:
        """Keep a line, and write it."""
        self.lines.append(line)
        if self._out is not None:
            self._out.write(fhir_json.write(line).decode() + "\n")
            self._out.flush()

    def _named(self, version: Version) -> dict[str, Any]:
        named = [self.number_of(version.type, *one) for one in identifiers(version.resource or {})]
        return {"type": version.type, "id": version.id, "identifiers": named}

    def _condition(self, asked: Asked) -> str:
        if condition := asked.headers.get("if-none-exist", ""):
            told = [name for name, _ in parse_qsl(condition)]
            return "if-none-exist " + ",".join(told)
        for name in ("if-match", "if-none-match"):
            if name in asked.headers:
                return f"{name} {asked.headers[name][:80]}"
        return ""


def counted(state: State) -> dict[str, dict[str, int]]:
    """Return of each type how many resources there are, and how many identifiers stand once, or more than once."""
    told = {}
    for type_ in sorted({type_ for type_, _ in state.versions}):
        kept = [state.current(one, id_) for one, id_ in state.versions if one == type_]
        resources = [version.resource for version in kept if version is not None and version.resource is not None]
        named = Counter(one for resource in resources for one in set(identifiers(resource)) if one[0] != STRANGERS)
        told[type_] = {
            "resources": len(resources),
            "identifiers_once": sum(1 for count in named.values() if count == 1),
            "identifiers_more_than_once": sum(1 for count in named.values() if count > 1),
            "without_identifier": sum(1 for resource in resources if not identifiers(resource)),
        }
    return told


def summary(state: State, asked: int, told: Mapping[str, int]) -> dict[str, Any]:
    """Return how it stands: requests, how often each fault was told, and what the server holds."""
    return {"requests": asked, "faults": dict(told), "types": counted(state)}
