"""What is read of a resource before it is written: its record, the findings, and the rows that it is found by.

That is most of the work of a change, and needs nothing of the database. It is done before the transaction, so that
nobody's change waits for another's being read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_infusion.actions import second_opinion, transact, whole
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir.search import Entry, entries
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.fhir.validate import validate
from fhir_infusion.store import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fhir_infusion.service import Service

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A resource as it is kept, its record (``{}`` where none maps it), the findings, and its index rows."""

    resource: Json
    record: Json
    findings: tuple[Issue, ...]
    rows: tuple[Entry, ...]


def read(service: Service, resource: Json, release: str, body_hash: str = "") -> Read:
    """Read a resource, or return what was read of the same one ahead of its transaction.

    ``body_hash`` is the digest of it without what only servers say, where that is known.

    Raises:
        Refused: it is not right.
    """
    bare = transact.without_server_elements(resource)
    is_bare = bare == resource
    body_hash = body_hash or text.digest(bare)
    if service.ahead:
        known: Read | None = service.ahead.get((release, body_hash if is_bare else text.digest(resource)))
        if known is not None:
            return known
    record, findings = _record(service, resource, None if is_bare else bare, release, body_hash)
    kept = _at_home(service, resource, record, release)
    return Read(kept, record, findings, entries(kept, release))


def ahead(service: Service, resources: Iterable[Json], release: str) -> Mapping[tuple[str, str], Read]:
    """Return what is read of the resources that are right, for the ``Service.ahead`` of the transaction to come."""
    found: dict[tuple[str, str], Read] = {}
    for resource in resources:
        try:
            found[release, text.digest(resource)] = read(service, resource, release)
        except Refused:
            continue  # the transaction tells of it, with its place
    return found


def _record(
    service: Service, resource: Json, bare: Json | None, release: str, body_hash: str
) -> tuple[Json, tuple[Issue, ...]]:
    """Return the record and the findings; ``bare`` is the resource without what only servers say, if it says that."""
    is_mapped = resource["resourceType"] in MAPPED
    if bare is not None or not is_mapped:
        issues = validate(resource, release)
        errors = [issue for issue in issues if issue.severity in {"error", "fatal"}]
        if errors:
            raise Refused(*errors)
        if not is_mapped:
            second_opinion.ask(service, bare or resource, release, body_hash)
            return {}, issues
    translated = service.translator.to_internal(bare or resource, release, service.dialect or None)
    second_opinion.ask(service, bare or resource, release, body_hash)
    (record,) = translated.results
    return {name: value for name, value in record.items() if name != "resource_id"}, translated.findings


def _at_home(service: Service, resource: Json, record: Json, release: str) -> Json:
    """Return a resource as it is kept: one in the dialect of another server is written anew from its record."""
    if not service.dialect or resource["resourceType"] not in MAPPED:
        return resource
    (kept,) = service.translator.to_fhir(whole.single(record), release, as_sent=True).results
    return {**kept, **{name: resource[name] for name in ("id", "meta") if name in resource}}
