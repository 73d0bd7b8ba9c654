"""What is read of a resource before it is written: its record, the findings, and the rows that it is found by.

That is most of the work of a change, and needs nothing of the database. It is done before the transaction, so that
nobody's change waits for another's being read.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    findings: Sequence[Issue]
    rows: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was read of a resource ahead of its transaction, and ``body_hash``, as of :func:`body_hash`."""

    resource: Json
    release: str
    body_hash: str
    read: Read


def body_hash(service: Service, resource: Json) -> str:
    """Return the digest of a resource without what only servers say."""
    known = _ahead(service, resource)
    return known.body_hash if known is not None else text.digest(transact.without_server_elements(resource))


def read(service: Service, resource: Json, release: str, body_hash: str = "") -> Read:
    """Read a resource, or return what was read of the same one ahead of its transaction.

    ``body_hash`` is that of :func:`body_hash`, where it is known.

    Raises:
        Refused: it is not right.
    """
    known = _ahead(service, resource)
    if known is not None and known.release == release:
        return known.read
    bare = transact.without_server_elements(resource)
    is_bare = bare == resource
    body_hash = body_hash or text.digest(bare)
    record, findings = _record(service, resource, None if is_bare else bare, release, body_hash)
    kept = _at_home(service, resource, record, release)
    return Read(kept, record, findings, entries(kept, release))


def ahead(service: Service, resources: Iterable[Json], release: str) -> Mapping[int, Ahead]:
    """Return what is read of the resources that are right, for the ``Service.ahead`` of the transaction to come."""
    found: dict[int, Ahead] = {}
    for resource in resources:
        digest = body_hash(service, resource)
        try:
            found[id(resource)] = Ahead(resource, release, digest, read(service, resource, release, digest))
        except Refused:
            continue  # the transaction tells of it, with its place
    return found


def _ahead(service: Service, resource: Json) -> Ahead | None:
    found: Ahead | None = service.ahead.get(id(resource))
    return found if found is not None and found.resource is resource else None


def _record(
    service: Service, resource: Json, bare: Json | None, release: str, body_hash: str
) -> tuple[Json, Sequence[Issue]]:
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
