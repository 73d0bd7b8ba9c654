"""The second opinion: what fhir.resources' own models say of a resource.

Asked in strict mode, in tests and on a share of what is accepted. The models never parse or write what is kept: they
turn ``"5"`` into 5 and ``1.50`` into 1.5. Their texts hold values of the input, so that only the kind and place of an
error are passed on.
"""

from __future__ import annotations

import copy
import importlib
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from fhir_infusion.errors import Issue
from fhir_infusion.fhir.exact import name_in_path
from fhir_infusion.fhir.releases import RELEASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_ISSUES: Final = 100

_CODES: Final = {"missing": "required", "extra_forbidden": "structure", "list_type": "structure"}


def check_with_models(resource: dict[str, Any], release: str) -> tuple[Issue, ...]:
    """Return what the models of fhir.resources refuse, at most a hundred issues; nothing where they agree.

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    origin = RELEASES[release]
    name = resource.get("resourceType")
    if name in origin.unmodelled:
        return ()
    try:
        model = importlib.import_module(origin.models).get_fhir_model_class(name)
        model.model_validate(copy.deepcopy(resource))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return tuple(_issues(str(name), found, origin.added))[:MOST_ISSUES]
    except (KeyError, ValueError, TypeError, RecursionError):
        # What the models crash on: a contained type that they do not know, nesting beyond their depth.
        reason = "fhir.resources cannot read the resource"
        return (Issue("error", "structure", "", reason, "", "fhir.resources"),)
    return ()


def _issues(name: str, found: Sequence[Any], added: Iterable[str]) -> Iterable[Issue]:
    """Yield an issue for each error, but for those on elements that the release has and its models lack."""
    lacking = {path.rpartition(".")[2] for path in added}
    for error in found:
        if lacking.isdisjoint(error["loc"]):
            code = _CODES.get(error["type"], "value")
            reason = f"fhir.resources: {error['type']}"
            yield Issue("error", code, _path(name, error["loc"]), reason, "", "fhir.resources")


def _path(name: str, place: Sequence[str | int]) -> str:
    path = name
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{name_in_path(step)}"
    return path
