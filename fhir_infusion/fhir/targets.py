"""References to a type of resource that a release does not allow at their place, such as a Device as R5's performer.

What was right in one release may not be in another; there it is taken out, and whoever asked is told where.
https://hl7.org/fhir/R5/medicationrequest-definitions.html#MedicationRequest.performer
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.errors import Issue
    from fhir_infusion.fhir.json import Resource

RULE: Final = "reference-target"
_STEP: Final = re.compile(r"([A-Za-z]+)(?:\[([0-9]+)\])?")
_NEVER_OUT: Final = ("subject", "medication")
"""To whom and what: a resource that cannot say these says nothing."""


def without_wrong_targets(resource: Resource, release: str, found: Iterable[Issue]) -> tuple[Resource, tuple[str, ...]]:
    """Return a resource without the references that the release does not allow, and where they stood.

    ``found`` is what validation found in it. An element of which nothing is left goes with its reference, and a
    performer with who it was.

    Raises:
        Refused: it cannot be without them; names each.
    """
    wrong = [issue for issue in found if issue.rule == RULE]
    if not wrong:
        return resource, ()
    bare: Any = copy.deepcopy(resource)
    # From the end, so that the numbers of what is still to go stay right.
    for issue in reversed(wrong):
        steps = [(name, int(number) if number else None) for name, number in _STEP.findall(issue.path)][1:]
        if steps[0][0] in _NEVER_OUT:
            raise Refused(*(_as_error(one) for one in wrong))
        _take_out(bare, steps)
    errors = [issue for issue in validate(bare, release) if issue.severity in {"error", "fatal"}]
    if errors:
        raise Refused(*(_as_error(one) for one in wrong))
    return bare, tuple(issue.path for issue in wrong)


def _take_out(holder: Any, steps: list[tuple[str, int | None]]) -> bool:
    """Take out what stands at the end of the steps; say whether the holder is to go as well."""
    (stated, number), *rest = steps
    name = stated if stated in holder else f"{stated}Reference"
    inner = holder[name] if number is None else holder[name][number]
    if rest and not _take_out(inner, rest):
        return False
    if number is not None:
        del holder[name][number]
    if number is None or not holder[name]:
        del holder[name]
    return stated == "actor" or not holder.keys() - {"id"}


def _as_error(issue: Issue) -> Issue:
    return replace(issue, severity="error")
