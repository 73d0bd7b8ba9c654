"""What the server says it can do: exactly what the scenario lets it.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

import json
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any

from fhir_infusion.fhir.releases import release_of

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.simulated.scenario import Ability

SOFTWARE = "fhir-infusion simulate-server"


@cache
def resource_types(release: str) -> tuple[str, ...]:
    """Return the names of the resource types of a release, ``R4`` or ``R5``."""
    named = json.loads(pkgutil.get_data("fhir_infusion.simulated", "resource_types.json") or b"{}")
    return tuple(named[release])


def statement(ability: Ability, release: str, base: str, date: str) -> Resource:
    """Return the CapabilityStatement."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": SOFTWARE},
        "implementation": {"description": "misbehaves on purpose; for tests only", "url": base},
        "fhirVersion": release_of(release).version,
        "format": ["application/fhir+json"],
        "rest": [_rest(ability, release)],
    }


def _rest(ability: Ability, release: str) -> dict[str, Any]:
    rest: dict[str, Any] = {
        "mode": "server",
        "resource": [_resource(ability, name) for name in resource_types(release)],
    }
    if ability.transactions:
        rest["interaction"] = [{"code": "transaction"}, {"code": "batch"}]
    if ability.export:
        definition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"
        rest["operation"] = [{"name": "export", "definition": definition}]
    return rest


def _resource(ability: Ability, name: str) -> dict[str, Any]:
    codes = ["read", "vread", "update", "delete", "create", "search-type"]
    codes += ["history-type", "history-instance"] if ability.history else []
    return {
        "type": name,
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": ability.update_create,
        "conditionalCreate": ability.conditional_create,
        "conditionalRead": "not-supported",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [
            {"name": "identifier", "type": "token"},
            {"name": "_id", "type": "token"},
            {"name": "_lastUpdated", "type": "date"},
        ],
    }
