"""Validation against base FHIR and the rules of safety.

https://hl7.org/fhir/R4/validation.html. 1. The generated code of the release answers whether all is right; nearly
always it is, in some tens of microseconds. 2. Else ``collect`` finds every issue: 400 for what breaks base FHIR, 422
for what is right FHIR but not taken. Profiles, unknown extensions, code systems and codes without a required binding
are no matter of base FHIR and never a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.collect import collect
from fhir_infusion.fhir.generate import checks, quick

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue


def validate(resource: Any, release: str) -> tuple[Issue, ...]:
    """Return every issue of a resource (the JSON of ``json.read``), none where all is right.

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    return () if quick(resource, release) else collect(resource, release)


def demand_valid(resource: Any, release: str) -> None:
    """Do nothing where a resource is right.

    Raises:
        Refused: with every error of the resource.
        KeyError: ``release`` is not R4, R4B or R5.
    """
    errors = [issue for issue in validate(resource, release) if issue.severity in {"fatal", "error"}]
    if errors:
        raise Refused(*errors)


def prepare(release: str) -> None:
    """Make the validators of a release now, so that the first request need not wait (about a second).

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    checks(release)
