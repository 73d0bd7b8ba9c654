"""What a corpus of resources leaves over: its elements counted by what became of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.inspect import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fhir_infusion.mapping.trace import Line

Json = dict[str, Any]

INFUSION: Final = re.compile(
    r"(?:contained\.|medicationReference->Medication\.|medication\.reference->Medication\.)?"
    r"(?:dosageInstruction|dosage|ingredient|device|performer|performerType|authoredOn|recorded|effective\w*|occurence\w*|"
    r"effectiveDosePeriod)\b"
)
"""The elements that say how an infusion runs: dosage, ingredients, device, performer and times."""

_ASIDE: Final = re.compile(r"(?:contained\.|.*->\w+\.)?(?:text\.(?:div|status)|meta)\b")


@dataclass(slots=True)
class Coverage:
    """What became of the element instances of a corpus.

    Narrative, meta and unknown extensions are carried whole by design: they are counted ``aside``, not in ``states``.
    ``reasons`` counts, by path and reason, the resources that were refused for it.
    """

    resources: int = 0
    changed: int = 0
    refused: int = 0
    states: Counter[str] = field(default_factory=Counter)
    infusion: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Return the share of element instances that are mapped, 0 to 1 (a report, never a dose)."""
        return _share(self.states)

    @property
    def infusion_share(self) -> float:
        """Return the share of the infusion elements alone (``INFUSION``)."""
        return _share(self.infusion)

    def take(self, lines: Iterable[Line]) -> None:
        """Count the ledger of one resource."""
        for line in lines:
            path = plain(line.path.partition(".")[2])
            if not path:
                continue  # resourceType of a choice of documents
            is_aside = bool(_ASIDE.match(path)) or (line.state == "carried" and "xtension" in path)
            if line.state != "mapped":
                self.left["aside" if is_aside else line.state, path] += 1
            if not is_aside:
                self.states[line.state] += 1
                if INFUSION.match(path):
                    self.infusion[line.state] += 1


def _share(states: Counter[str]) -> float:
    return states["mapped"] / states.total() if states else 1


def coverage(judge: Callable[[Json], tuple[Iterable[Line], bool]], resources: Iterable[Json]) -> Coverage:
    """Count what becomes of a corpus; ``judge`` gives the ledger of a resource and whether it comes back equal.

    It may raise ``Refused``.
    """
    found = Coverage()
    for resource in resources:
        found.resources += 1
        try:
            lines, is_same = judge(resource)
        except Refused as error:
            found.refused += 1
            found.reasons.update({(plain(issue.path), issue.reason) for issue in error.issues})
            continue
        found.changed += not is_same
        found.take(lines)
    return found
