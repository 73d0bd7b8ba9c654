"""Versions of resources: appended, never changed; and what stands beside them.

A version is the JSON text as it came, with only ``id``, ``meta.versionId`` and ``meta.lastUpdated`` set by us
(https://hl7.org/fhir/R4/http.html#create), the record that was read from it, and the digest of the mapping that read
it. Its translation into another release is kept from the first read on: an equal ETag means an equal body.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, select, tuple_, update

from fhir_infusion.fhir.json import Resource
from fhir_infusion.fhir.search import Entry
from fhir_infusion.store import dialect, feed, index, text
from fhir_infusion.store.statement import Statement, inserting
from fhir_infusion.store.tables import IDENTIFIERS, RESOURCES, TRANSLATIONS, VERSIONS
from fhir_infusion.store.tx import from_ms, instant, to_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fhir_infusion.store.tx import Tx


class Moved(Exception):
    """The resource has another version by now than the one that was changed; nothing was written."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource as it is kept.

    ``text`` and ``record`` are JSON; the record is empty for what has none. It is in the parts form: one record is one
    resource. ``parent`` is the id
    of the administration that this one is a segment of, else empty. ``created`` is the moment of version 1.
    """

    type: str
    id: str
    version: int
    release: str
    created: datetime
    last_updated: datetime
    deleted: bool
    text: str
    record: str
    digest: str
    parent: str

    @property
    def aggregate(self) -> str:
        """The name of the resource in outbox and links, such as ``MedicationRequest/7``."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A business identifier that names a resource, for ever; ``minted`` says that we made it."""

    system: str
    value: str
    minted: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A version to be written. ``resource`` need not have id and meta; ``previous`` is the version that it follows.

    ``deleted``: the version says that the resource was deleted; it has no text, no record and nothing to be found by.
    """

    type: str
    id: str
    release: str
    resource: Resource
    record: Resource
    digest: str
    entries: tuple[Entry, ...]
    previous: Stored | None = None
    parent: str = ""
    bound: Bound | None = None
    deleted: bool = False


COLUMNS: Final = (
    VERSIONS.c.type,
    VERSIONS.c.id,
    VERSIONS.c.version,
    VERSIONS.c.release,
    RESOURCES.c.created,
    VERSIONS.c.last_updated,
    VERSIONS.c.deleted,
    VERSIONS.c.text,
    VERSIONS.c.record,
    VERSIONS.c.digest,
    RESOURCES.c.parent,
)
"""What :func:`selected` selects, in the order of the fields of :class:`Stored`."""

_SAME_RESOURCE: Final = and_(
    VERSIONS.c.tenant == RESOURCES.c.tenant, VERSIONS.c.type == RESOURCES.c.type, VERSIONS.c.id == RESOURCES.c.id
)
_IS_CURRENT: Final = VERSIONS.c.version == RESOURCES.c.version
_THIS: Final = and_(
    RESOURCES.c.tenant == bindparam("tenant"), RESOURCES.c.type == bindparam("type"), RESOURCES.c.id == bindparam("id")
)


def selected(*conditions: ColumnElement[bool], every_version: bool = False) -> Select[*tuple[Any, ...]]:
    """Return the statement that gives :class:`Stored` rows; current versions only, unless told otherwise."""
    joined = _SAME_RESOURCE if every_version else and_(_SAME_RESOURCE, _IS_CURRENT)
    return select(*COLUMNS).select_from(RESOURCES).join(VERSIONS, joined).where(*conditions)


def stored(row: Sequence[Any]) -> Stored:
    """Return what a row of :func:`selected` holds."""
    (*key, release, created, last_updated, deleted, text_, record, digest, parent) = row
    # A driver may give a flag as a number.
    moments = (from_ms(created), from_ms(last_updated))
    return Stored(*key, release, *moments, bool(deleted), text_, record, digest, parent)  # type: ignore[call-arg]  # in the order of the fields


_CURRENT: Final = Statement(selected(_THIS))
_VERSION: Final = Statement(selected(_THIS, VERSIONS.c.version == bindparam("version"), every_version=True))
_HISTORY: Final = Statement(selected(_THIS, every_version=True).order_by(VERSIONS.c.version.desc()))
_CHILDREN: Final = Statement(
    selected(
        RESOURCES.c.tenant == bindparam("tenant"),
        RESOURCES.c.type == "MedicationAdministration",
        RESOURCES.c.parent == bindparam("parent"),
        RESOURCES.c.deleted == bindparam("is_deleted"),
    ).order_by(RESOURCES.c.created)
)
_BY_IDENTIFIER: Final = Statement(
    selected(
        IDENTIFIERS.c.tenant == bindparam("tenant"),
        IDENTIFIERS.c.type == bindparam("type"),
        IDENTIFIERS.c.system == bindparam("system"),
        IDENTIFIERS.c.value == bindparam("value"),
    ).join(
        IDENTIFIERS,
        and_(
            IDENTIFIERS.c.tenant == RESOURCES.c.tenant,
            IDENTIFIERS.c.type == RESOURCES.c.type,
            IDENTIFIERS.c.id == RESOURCES.c.id,
        ),
    )
)


_IDENTIFIER_OF: Final = Statement(
    select(IDENTIFIERS.c.system, IDENTIFIERS.c.value, IDENTIFIERS.c.minted)
    .where(
        IDENTIFIERS.c.tenant == bindparam("tenant"),
        IDENTIFIERS.c.type == bindparam("type"),
        IDENTIFIERS.c.id == bindparam("id"),
    )
    # The sender's own before a minted one: an order may get its identifier later.
    .order_by(IDENTIFIERS.c.minted)
    .limit(1)
)


def current(tx: Tx, type: str, id: str) -> Stored | None:
    """Return the newest version, None where the resource is not known."""
    row = _CURRENT.one(tx, {"tenant": tx.tenant, "type": type, "id": id})
    return stored(row) if row is not None else None


def version(tx: Tx, type: str, id: str, version: int) -> Stored | None:
    """Return one version, None where there is none."""
    values = {"tenant": tx.tenant, "type": type, "id": id, "version": version}
    row = _VERSION.one(tx, values)
    return stored(row) if row is not None else None


def history(tx: Tx, type: str, id: str) -> tuple[Stored, ...]:
    """Return every version, newest first."""
    return tuple(map(stored, _HISTORY.rows(tx, {"tenant": tx.tenant, "type": type, "id": id})))


def children(tx: Tx, parent_id: str, *, deleted: bool = False) -> tuple[Stored, ...]:
    """Return the administrations that are segments of this one, in the order they were made in: those that stand.

    With ``deleted`` those that were deleted.
    """
    values = {"tenant": tx.tenant, "parent": parent_id, "is_deleted": deleted}
    return tuple(map(stored, _CHILDREN.rows(tx, values)))


def alive(found: Stored | None) -> Stored | None:
    """Return a version that is there and was not deleted."""
    return None if found is None or found.deleted else found


def by_identifier(tx: Tx, type: str, system: str, value: str) -> Stored | None:
    """Return the resource that a business identifier of ours or the sender's names, deleted or not: it is for ever."""
    values = {"tenant": tx.tenant, "type": type, "system": system, "value": value}
    row = _BY_IDENTIFIER.one(tx, values)
    return stored(row) if row is not None else None


def which_exist(tx: Tx, named: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these resources (type and id) that are here and not deleted."""
    if not named:
        return set()
    found = select(RESOURCES.c.type, RESOURCES.c.id).where(
        RESOURCES.c.tenant == tx.tenant,
        RESOURCES.c.deleted == false(),
        tuple_(RESOURCES.c.type, RESOURCES.c.id).in_(sorted(named)),
    )
    return {(type_, id_) for type_, id_ in tx.connection.execute(found)}


def adopt(tx: Tx, child: Stored, parent_id: str) -> None:
    """Make an administration that came before its parent a segment of it; its versions stay as they are."""
    _ADOPT.write(tx, {"of_tenant": tx.tenant, "of_type": child.type, "of_id": child.id, "of_parent": parent_id})


def identifier_of(tx: Tx, type: str, id: str) -> Bound | None:
    """Return the business identifier that names a resource, minted or not."""
    row = _IDENTIFIER_OF.one(tx, {"tenant": tx.tenant, "type": type, "id": id})
    return Bound(row[0], row[1], bool(row[2])) if row is not None else None


def put(tx: Tx, draft: Draft) -> Stored:
    """Append a version: 1. its moment, 2. the pointer, 3. the version, 4. its identifier, 5. its index rows.

    Raises:
        Moved: somebody was faster: the resource has another version than ``draft.previous``.
    """
    previous = draft.previous
    moment = feed.advance(tx)
    number = previous.version + 1 if previous else 1
    created = to_ms(previous.created) if previous else moment
    key = {"tenant": tx.tenant, "type": draft.type, "id": draft.id}
    _point(tx, key, number, moment, created, draft)
    text_ = "" if draft.deleted else text.write(text.with_meta(draft.resource, draft.id, number, instant(moment)))
    kept = Stored(
        type=draft.type,
        id=draft.id,
        version=number,
        release=draft.release,
        created=from_ms(created),
        last_updated=from_ms(moment),
        deleted=draft.deleted,
        text=text_,
        record=text.write(draft.record) if draft.record else "",
        digest=draft.digest,
        parent=draft.parent,
    )
    _APPEND.write(
        tx,
        {
            **key,
            "version": number,
            "release": kept.release,
            "last_updated": moment,
            "deleted": kept.deleted,
            "text": kept.text,
            "record": kept.record,
            "digest": kept.digest,
        },
    )
    if draft.bound is not None:
        values = {"system": draft.bound.system, "value": draft.bound.value, "minted": draft.bound.minted}
        _BIND.write(tx, {**key, **values})
    index.keep(tx, key, created, draft.entries, fresh=previous is None)
    return kept


def translation(tx: Tx, type: str, id: str, version: int, release: str) -> str | None:
    """Return the JSON text that was given out for a version in another release, None where it never was."""
    found = select(TRANSLATIONS.c.text).where(
        TRANSLATIONS.c.tenant == tx.tenant,
        TRANSLATIONS.c.type == type,
        TRANSLATIONS.c.id == id,
        TRANSLATIONS.c.version == version,
        TRANSLATIONS.c.release == release,
    )
    return tx.connection.execute(found).scalar_one_or_none()


def keep_translation(tx: Tx, type: str, id: str, version: int, release: str, text: str) -> str:
    """Keep the first translation of a version; return the one that is kept, which may be another's."""
    values = {"tenant": tx.tenant, "type": type, "id": id, "version": version, "release": release, "text": text}
    if dialect.insert_once(tx.connection, TRANSLATIONS, values):
        return text
    return translation(tx, type, id, version, release) or text


_APPEND: Final = inserting(VERSIONS)
_BIND: Final = inserting(IDENTIFIERS)
_BEGIN: Final = dialect.once(RESOURCES)
_FOLLOW: Final = Statement(
    update(RESOURCES)
    .where(
        RESOURCES.c.tenant == bindparam("of_tenant"),
        RESOURCES.c.type == bindparam("of_type"),
        RESOURCES.c.id == bindparam("of_id"),
        RESOURCES.c.version == bindparam("after"),
    )
    .values(
        version=bindparam("to"),
        last_updated=bindparam("moment"),
        deleted=bindparam("is_deleted"),
        parent=bindparam("of_parent"),
    )
)

_ADOPT: Final = Statement(
    update(RESOURCES)
    .where(
        RESOURCES.c.tenant == bindparam("of_tenant"),
        RESOURCES.c.type == bindparam("of_type"),
        RESOURCES.c.id == bindparam("of_id"),
    )
    .values(parent=bindparam("of_parent"))
)


def _point(tx: Tx, key: dict[str, str], number: int, moment: int, created: int, draft: Draft) -> None:
    if draft.previous is None:
        row = {"version": number, "created": created, "last_updated": moment, "deleted": False, "parent": draft.parent}
        if not _BEGIN.write(tx, {**key, **row}):
            raise Moved
        return
    values: dict[str, str | int] = {f"of_{name}": value for name, value in key.items()}
    values |= {"after": draft.previous.version, "to": number, "moment": moment, "of_parent": draft.parent}
    if _FOLLOW.write(tx, {**values, "is_deleted": draft.deleted}) != 1:
        raise Moved
