"""Find what is stored: one resource, one version, or those that meet a search; as FHIR or as our own JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from fhir_infusion.actions import release_text, transact, whole
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import references
from fhir_infusion.fhir import search as fhir_search
from fhir_infusion.fhir.search import Criterion, Query, Wanted
from fhir_infusion.fhir.served import MAPPED, SERVED
from fhir_infusion.records.administration import AdministrationStatus
from fhir_infusion.records.order import OrderStatus
from fhir_infusion.store import include, versions
from fhir_infusion.store import search as store_search

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.actions.release_text import Unsaid
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """One version as FHIR JSON in the release asked for; where that cannot say it, ``unsaid`` tells why, without text.

    Only a page holds such a one: whoever asks for one version is refused.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    release: str
    text: str
    unsaid: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """One version as our JSON, an administration with its segments."""

    type: str
    id: str
    version: int
    last_updated: datetime
    record: Json


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was asked for; ``after`` begins the next page, None after the last.

    ``along`` came along with the entries: all that was asked for, or only some, where not ``is_all_along``. ``total``
    is how many match in all, where that was asked for.
    """

    entries: tuple[Found, ...]
    after: tuple[str, ...] | None
    along: tuple[Found, ...] = ()
    is_all_along: bool = True
    total: int | None = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some of what was asked for; ``after`` begins the next page, None after the last."""

    entries: tuple[FoundRecord, ...]
    after: tuple[str, ...] | None


def read(service: Service, caller: Caller, release: str, type: str, id: str) -> Found:
    """Return the current version of a resource.

    Raises:
        Refused: 404 this tenant has none, 410 it was deleted, 406 it cannot be said in this release.
        Unavailable: the storage cannot be read.
    """
    found = service.store.read(caller.tenant, lambda tx: versions.current(tx, type, id))
    return _one(service, caller, transact.known(found, type), release)


def vread(service: Service, caller: Caller, release: str, type: str, id: str, version: str) -> Found:
    """Return one version of a resource; https://hl7.org/fhir/R4/http.html#vread.

    Raises:
        Refused: 404 this tenant has no such version, 410 it was a deletion, 406 it cannot be said in this release.
        Unavailable: the storage cannot be read.
    """
    # A version id is opaque to clients; ours are counted from 1.
    number = int(version) if re.fullmatch("[1-9][0-9]{0,8}", version) else 0
    found = service.store.read(caller.tenant, lambda tx: versions.version(tx, type, id, number))
    return _one(service, caller, transact.known(found, type), release)


def record(service: Service, caller: Caller, type: str, id: str) -> FoundRecord:
    """Return the current state as our JSON; of an administration the whole, of a segment itself.

    Raises:
        Refused: 404 this tenant has none, 410 it was deleted.
        Unavailable: the storage cannot be read.
    """

    def work(tx: Tx) -> FoundRecord:
        stored = transact.known(versions.current(tx, type, id), type)
        return _as_record(stored, whole.record_of(whole.family(tx, stored)))

    return service.store.read(caller.tenant, work)


def search(
    service: Service,
    caller: Caller,
    release: str,
    type: str,
    parameters: Sequence[tuple[str, str]],
    count: int,
    after: Sequence[str] = (),
    home: str = "",
) -> Page:
    """Return up to ``count`` resources that meet a FHIR search, strictly: a parameter that is not known is refused.

    One that cannot be said in this release stands at its place all the same, as what is ``unsaid``. Of none there is
    only the total. ``home`` is our own address, which references may begin with.

    Raises:
        Refused: 400 a parameter, prefix, date or page token is not right.
        Unavailable: the storage cannot be read.
    """
    query = fhir_search.parse(type, release, parameters, home)

    def work(tx: Tx) -> tuple[store_search.Page, tuple[Stored, ...], bool, int | None]:
        total = store_search.total(tx, type, query) if query.total != "none" or not count else None
        if not count:
            return store_search.Page((), None), (), True, total
        page = store_search.page(tx, type, query, count, after)
        along, is_all = include.along(tx, page.entries, query.includes) if query.includes else ((), True)
        return page, along, is_all, total

    page, along, is_all, total = service.store.read(caller.tenant, work)
    found = _found(service, caller, (*page.entries, *along), release)
    matches = len(page.entries)
    return Page(tuple(found[:matches]), page.after, tuple(found[matches:]), is_all, total)


def named_in(
    service: Service, caller: Caller, release: str, pages: Sequence[Found], but: Collection[tuple[str, str]]
) -> tuple[tuple[Found, ...], bool]:
    """Return what some resources refer to in elements that no parameter of a search asks for, and whether that is all.

    So a weight comes along that ``supportingInformation`` names, a diagnosis, a plan. ``but`` are the type and id of
    what is there already. Patients, orders and administrations are left out: those of the patient that is asked for
    are found by the patient, and others are none of this one's.

    Raises:
        Unavailable: the storage cannot be read.
    """
    bodies = (fhir_json.read(one.text) for one in pages if one.text)
    texts = (text for body in bodies for _, text in references.referred(body, ""))
    found = dict.fromkeys(
        (match[1], match[2]) for text in texts if (match := _LITERAL.fullmatch(references.resource_named(text)))
    )
    wanted = [one for one in found if one[0] in _ALONG and one not in but]
    room = wanted[: include.MOST]
    stored = service.store.read(caller.tenant, lambda tx: include.current(tx, room))
    return tuple(_found(service, caller, stored, release)), room == wanted


_LITERAL: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_ALONG: Final = frozenset(SERVED) - {*MAPPED, "Patient"}


def records(
    service: Service,
    caller: Caller,
    type: str,
    parameters: Sequence[tuple[str, str]],
    count: int,
    after: Sequence[str] = (),
) -> RecordPage:
    """Return records that meet the parameters of our own listing; ``RECORD_PARAMETERS`` names them.

    An administration stands at its parent's place with all its segments; what is stored as a segment of it without
    fitting it follows by itself.

    Raises:
        Refused: 400 a parameter, a moment or the page token is not right.
        Unavailable: the storage cannot be read.
    """
    query = _query(service, type, parameters)

    def work(tx: Tx) -> RecordPage:
        page = store_search.page(tx, type, query, count, after, lone=True)
        entries = [entry for stored in page.entries for entry in _with_segments(tx, stored)]
        return RecordPage(tuple(entries), page.after)

    return service.store.read(caller.tenant, work)


RECORD_PARAMETERS: Final = {
    "MedicationRequest": ("patient", "status", "order_id", "changed_since"),
    "MedicationAdministration": ("patient", "status", "administration_id", "order", "changed_since"),
}

STATUSES: Final = {
    "MedicationRequest": get_args(OrderStatus),
    "MedicationAdministration": get_args(AdministrationStatus),
}
"""What ``status`` of our own listing may be; any other would find nothing, without a word."""


def _query(service: Service, type: str, parameters: Sequence[tuple[str, str]]) -> Query:
    asked: list[tuple[str, str]] = []
    criteria: list[Criterion] = []
    for name, value in parameters:
        if name not in RECORD_PARAMETERS[type]:
            accepted = ", ".join(RECORD_PARAMETERS[type])
            raise Refused(
                Issue("error", "not-supported", name[:64], "there is no such parameter", accepted, "parameter")
            )
        if not value:
            raise Refused(Issue("error", "invalid", name, "the parameter is empty", "a value", "parameter"))
        if name == "status" and (unknown := set(value.split(",")) - set(STATUSES[type])):
            reason = "there is no such status" if len(unknown) == 1 else "there are no such statuses"
            raise Refused(Issue("error", "invalid", name, reason, ", ".join(STATUSES[type]), "parameter"))
        if name == transact.IDENTITY[type]:
            wanted = Wanted(system=transact.system_of(service, type), value=value)
            criteria.append(Criterion("identifier", "token", (wanted,)))
        elif name in _REFERRED:
            asked.append(_referred(name, value))
        else:
            asked.append((_IN_FHIR.get(name, name), f"ge{value}" if name == "changed_since" else value))
    try:
        parsed = fhir_search.parse(type, transact.HOME, asked)
    except Refused as refused:
        ours = {theirs: name for name, theirs in (*_IN_FHIR.items(), *_REFERRED.items())}
        raise Refused(*(replace(one, path=ours.get(one.path, one.path)) for one in refused.issues)) from None
    return replace(parsed, criteria=(*criteria, *parsed.criteria))


_IN_FHIR: Final = {"changed_since": "_lastUpdated", "order": "request"}
"""What our parameters are called in FHIR, where that is another name."""

_REFERRED: Final = {"patient": "patient.identifier", "order": "request.identifier"}
"""Our parameters that ask what is referred to, and how its identifier is asked in FHIR: of the resource that a
reference leads to as well as of the reference itself, for whoever knows only the number misses neither."""


def _referred(name: str, value: str) -> tuple[str, str]:
    if "|" in value:
        return _REFERRED[name], value
    if "/" not in value and not value.startswith("urn:"):
        # It would be taken for an id of ours, and somebody's own number would find nothing, without a word.
        reference = "Patient/7" if name == "patient" else "MedicationRequest/7"
        accepted = f"a reference ({reference}) or an identifier (system|value)"
        raise Refused(Issue("error", "invalid", name, "an id or a number alone", accepted, "parameter"))
    return _IN_FHIR.get(name, name), value


def _with_segments(tx: Tx, stored: Stored) -> list[FoundRecord]:
    family = whole.family(tx, stored)
    own, *alone = whole.records_of(family)
    by_identifier = {whole.part_of(child).get("administration_id"): child for child in family.children}
    return [
        _as_record(stored, own),
        *(_as_record(by_identifier[one.get("administration_id")], one) for one in alone),
    ]


def _as_record(stored: Stored, whole_record: Json) -> FoundRecord:
    return FoundRecord(stored.type, stored.id, stored.version, stored.last_updated, whole_record)


def _one(service: Service, caller: Caller, stored: Stored, release: str) -> Found:
    (body,) = release_text.texts(service, caller.tenant, [stored], release)
    if isinstance(body, str):
        return _as_found(stored, release, body)
    raise body.fault or Refused(*body.issues)


def _found(service: Service, caller: Caller, found: Sequence[Stored], release: str) -> list[Found]:
    bodies = release_text.texts(service, caller.tenant, found, release)
    return [_as_found(stored, release, body) for stored, body in zip(found, bodies, strict=True)]


def _as_found(stored: Stored, release: str, body: str | Unsaid) -> Found:
    said, unsaid = (body, ()) if isinstance(body, str) else ("", body.issues)
    return Found(stored.type, stored.id, stored.version, stored.last_updated, release, said, unsaid)
