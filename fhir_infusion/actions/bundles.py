"""What belongs together as one Bundle, and a Bundle of it taken apart again.

https://hl7.org/fhir/bundle.html#transaction. A preparation or a measurement, contained in its order when it is sent
as one resource, becomes an entry of its own; its place is named by ``urn:uuid``, which says nothing outside the Bundle.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from fhir_infusion.actions.condition import condition
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.records.parts import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Json = dict[str, Any]

MOST_NESTED: Final = 3
"""How deep Bundles may stand in Bundles."""

LIFTED: Final = frozenset({"Medication", "Observation"})
"""Contained resources that become entries."""

URN: Final = "urn:uuid:"


def collection(resources: Sequence[Json]) -> Json:
    """Return the resources of one record as one Bundle, the parent first."""
    entries = [{"fullUrl": full_url(resource), "resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def lone_or_collection(resources: Sequence[Json]) -> Json:
    """Return one resource as it is, several as one Bundle."""
    return resources[0] if len(resources) == 1 else collection(resources)


def transaction(resources: Sequence[Json]) -> Json:
    """Return a transaction that creates the resources and what they contain, once however often it is sent."""
    entries: list[Json] = []
    for resource in resources:
        own = full_url(resource)
        places = {f"#{one['id']}": f"{URN}{uuid5(NAMESPACE_URL, own + one['id'])}" for one in _to_lift(resource)}
        for one in _to_lift(resource):
            request = {"method": "POST", "url": one["resourceType"]}
            entries.append({"fullUrl": places[f"#{one['id']}"], "resource": one, "request": request})
        rest = [one for one in resource.get("contained", ()) if f"#{one.get('id')}" not in places]
        whole = {**resource, "contained": rest} if rest else {**resource}
        if not rest:
            whole.pop("contained", None)
        sent = _with_references(whole, partial(_placed, places))
        entries.append({"fullUrl": own, "resource": sent, "request": _request(resource)})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _placed(places: Mapping[str, str], reference: str) -> str:
    return places.get(reference, reference)


def full_url(resource: Json) -> str:
    """Return the ``urn:uuid`` of a resource: of its business identifier, or of its content where it has none."""
    named = _identifier(resource)
    name = f"{named[0]}|{named[1]}" if named else fhir_json.write(resource).decode()
    return f"{URN}{uuid5(NAMESPACE_URL, name)}"


def address(bundle: Json, place: str) -> str:
    """Return the ``fullUrl`` of the entry at ``entry[7]``, or in a Bundle in it; nothing where it has none."""
    holder: Any = {"resource": bundle}
    for step in place.split("."):
        holder = holder["resource"]["entry"][int(step.removeprefix("entry[").removesuffix("]"))]
    url = holder.get("fullUrl")
    return url if isinstance(url, str) else ""


def resolved(bundle: Json) -> list[tuple[int, Any]]:
    """Return the entries, each with its number, after what they say of each other by ``urn:uuid`` is contained again.

    Only preparations and measurements are put together; an entry that was is gone from the list, one that nobody refers
    to stays. Entries that are not as FHIR wants them are left as they are.
    """
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        return [(0, entries)]
    parts = {url: resource for entry in entries if (found := _part(entry)) for url, resource in [found]}
    used: set[str] = set()
    kept = [(number, _entry_with(entry, parts, used)) for number, entry in enumerate(entries)]
    return [(number, entry) for number, entry in kept if not ((found := _part(entry)) and found[0] in used)]


def joined(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put parents and children together; a lone resource stays the ``single`` administration that it was read as."""
    bare = [{name: value for name, value in record.items() if name != "representation"} for record in records]
    own = {id(stripped): record for stripped, record in zip(bare, records, strict=True)}
    return [own.get(id(one), one) for one in join(bare)]


def resources_of(bundle: dict[str, Any], path: str = "", depth: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the resources in a Bundle with their paths, those of Bundles inside it too.

    What entries say of each other by ``urn:uuid`` is put together first: outside the Bundle that says nothing.
    Raises ``Refused`` where an entry has no resource or Bundles are nested too deep.
    """
    for index, entry in resolved(bundle):
        place = f"{path}{'.' if path else ''}entry[{index}]"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            raise Refused(_wrong("structure", place, "the entry holds no resource", "an entry with its resource"))
        if resource.get("resourceType") != "Bundle":
            yield place, resource
        elif depth == MOST_NESTED:
            raise Refused(_wrong("too-costly", place, "Bundles are nested too deep", f"{MOST_NESTED} levels"))
        else:
            yield from resources_of(resource, place, depth + 1)


def _wrong(code: str, place: str, reason: str, accepted: str) -> Issue:
    return Issue("error", code, f"Bundle.{place}", reason, accepted)


def _part(entry: Any) -> tuple[str, Json] | None:
    """Return the address and the resource of an entry that can be contained."""
    if not isinstance(entry, dict):
        return None
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if not (isinstance(url, str) and url.startswith(URN) and isinstance(resource, dict)):
        return None
    return (url, resource) if resource.get("resourceType") in LIFTED else None


def _entry_with(entry: Any, parts: dict[str, Json], used: set[str]) -> Any:
    """Return an entry whose resource contains the parts that it refers to."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") in LIFTED:
        return entry
    contained = list(resource.get("contained", ()))
    taken = {one.get("id") for one in contained if isinstance(one, dict)}
    names: dict[str, str] = {}

    def local(reference: str) -> str:
        if reference not in parts:
            return reference
        if reference not in names:
            names[reference] = name = _free_id(parts[reference], taken)
            taken.add(name)
            contained.append({**parts[reference], "id": name})
            used.add(reference)
        return f"#{names[reference]}"

    whole = _with_references(resource, local)
    return {**entry, "resource": {**whole, "contained": contained}} if names else entry


def _free_id(resource: Json, taken: set[Any]) -> str:
    wanted = str(resource.get("id", resource["resourceType"].lower()))
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _to_lift(resource: Json) -> list[Json]:
    """Return the contained resources that can stand alone: named, and without a word of others beside them."""
    return [
        one
        for one in resource.get("contained", ())
        if one.get("resourceType") in LIFTED and "id" in one and not _refers_locally(one)
    ]


def _refers_locally(value: Any) -> bool:
    if isinstance(value, dict):
        reference = value.get("reference")
        return (isinstance(reference, str) and reference.startswith("#")) or any(map(_refers_locally, value.values()))
    return isinstance(value, list) and any(map(_refers_locally, value))


def _with_references(value: Any, turn: Callable[[str], str]) -> Any:
    """Return JSON in which every ``reference`` is turned; what is contained is left as it is."""
    if isinstance(value, dict):
        return {
            name: turn(inner)
            if name == "reference" and isinstance(inner, str)
            else inner
            if name == "contained"
            else _with_references(inner, turn)
            for name, inner in value.items()
        }
    return [_with_references(one, turn) for one in value] if isinstance(value, list) else value


def _request(resource: Json) -> Json:
    """Return how the resource is created: at most once where it has a business identifier."""
    request = {"method": "POST", "url": resource["resourceType"]}
    named = _identifier(resource)
    return {**request, "ifNoneExist": condition(*named)} if named else request


def _identifier(resource: Json) -> tuple[str, str] | None:
    for one in resource.get("identifier", ()):
        if "system" in one and "value" in one:
            return one["system"], one["value"]
    return None
