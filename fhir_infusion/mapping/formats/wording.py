"""Refusals and ledger lines of the engine in the words of a format: the site's names, one side's codes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import BREAKS_RULE, Issue
from fhir_infusion.mapping.formats import places
from fhir_infusion.mapping.formats.names import readable
from fhir_infusion.mapping.lens import OTHERWISE, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.mapping.trace import Line


def otherwise(at: str) -> Issue:
    """Return the refusal of residue with which a site would be told another thing."""
    accepted = "the residue read with it, or none"
    return Issue("error", "business-rule", at, OTHERWISE, accepted, "residue", BREAKS_RULE)


def turned(ledger: Ledger, turn: Callable[[Line], Line | None]) -> Ledger:
    """Return a ledger with each line as a step makes it, without those of which it makes nothing."""
    exceptions = tuple(made for line in ledger.exceptions if (made := turn(line)) is not None)
    return Ledger(exceptions, lambda: [made for line in ledger.lines() if (made := turn(line)) is not None])


def read_line(line: Line) -> Line:
    """Return a line of reading with the site's names."""
    return replace(line, path=readable(line.path))


def shown(issue: Issue) -> Issue:
    """Return a refusal with the site's names in its path."""
    return replace(issue, path=readable(issue.path))


def of_side(issue: Issue, side: str) -> Issue:
    """Return a refusal of a code with the codes of the side that it stands on alone: the codec names those of both."""
    found = next((part for part in issue.accepted.split("; ") if part.startswith(side)), None)
    return issue if found is None else replace(issue, accepted=found.removeprefix(side))


def unplaced(issue: Issue) -> Issue:
    """Return a refusal of the engine in the words of a format."""
    if issue.code == "structure":
        return replace(issue, reason=places.NO_PLACE, accepted="a record without it, or a pair for it")
    return issue


def of_site(line: str) -> str:
    """Return a complaint of the engine with the site's names, and with what the engine calls FHIR as the site."""
    place, _, words = line.partition(": ")
    return f"{place}: {readable(_FHIR.sub('site', words))}"


_FHIR: Final = re.compile(r"\bFHIR\b|(?<!')\bfhir\b(?!')")
"""How the engine's complaints name the other side; what stands in quotes is the document's own."""
