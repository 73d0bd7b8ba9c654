"""What a CapabilityStatement says; it is what a server claims, no more. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource

EXPORTS: Final = frozenset({"export", "patient-export", "group-export"})
_RELEASES: Final = {"4.0": "R4", "4.3": "R4B", "5.0": "R5"}


def of_type(statement: Resource, type_: str) -> dict[str, Any]:
    """Return what it says of a type, empty where that does not occur."""
    for server in _objects(statement.get("rest")):
        for one in _objects(server.get("resource")):
            if one.get("type") == type_:
                return one
    return {}


def interactions(statement: Resource, type_: str) -> frozenset[str]:
    """Return the codes of the interactions with a type."""
    listed = _objects(of_type(statement, type_).get("interaction"))
    return frozenset(one["code"] for one in listed if isinstance(one.get("code"), str))


def parameters(statement: Resource, type_: str) -> frozenset[str]:
    """Return the names of the search parameters of a type, those of all types with them."""
    listed = _objects(of_type(statement, type_).get("searchParam"))
    for server in _objects(statement.get("rest")):
        listed += _objects(server.get("searchParam"))
    return frozenset(one["name"] for one in listed if isinstance(one.get("name"), str))


def takes_batches(statement: Resource) -> bool:
    """Say whether it offers batches."""
    offered = [one for server in _objects(statement.get("rest")) for one in _objects(server.get("interaction"))]
    return any(one.get("code") == "batch" for one in offered)


def exports(statement: Resource) -> bool:
    """Say whether it offers a bulk export."""
    for server in _objects(statement.get("rest")):
        places = [server, *_objects(server.get("resource"))]
        if any(one.get("name") in EXPORTS for place in places for one in _objects(place.get("operation"))):
            return True
    return False


def release(statement: Resource) -> str:
    """Return the release that it is of, empty where it is none of R4, R4B and R5."""
    version = statement.get("fhirVersion")
    return _RELEASES.get(version[:3], "") if isinstance(version, str) else ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
