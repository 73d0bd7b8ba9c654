"""The tables. A change here needs a migration beside it; a test compares the two.

Times are whole milliseconds since 1970 in UTC, so that they compare the same on every database. JSON is kept as text:
a database's own JSON type would respell numbers. Each primary key begins with the tenant.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

METADATA: Final = MetaData()

# Compared byte by byte everywhere: another collation would order otherwise, and change with the operating system.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER PRIMARY KEY


def _key(name: str) -> Column[str]:
    return Column(name, TEXT, primary_key=True, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, TEXT, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _number_key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, nullable=False, autoincrement=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


SECRETS: Final = Table("secrets", METADATA, _key("name"), Column("value", LargeBinary, nullable=False))

# One row a tenant: the last moment given out (lastUpdated never goes back, even if the clock does), and the end of
# the audit chain, kept apart from the chain so that a cut tail is noticed.
FEEDS: Final = Table(
    "feeds", METADATA, _key("tenant"), _number("last_updated"), _number("audit_seq"), _text("audit_digest")
)

# The current state of each resource. `created` is the moment of its first version: listings are kept in its order.
RESOURCES: Final = Table(
    "resources",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _number("version"),
    _number("created"),
    _number("last_updated"),
    _flag("deleted"),
    _text("parent"),
    Index("resources_by_creation", "tenant", "type", "created", "id"),
    Index("resources_by_change", "tenant", "type", "last_updated", "id"),
    Index("resources_by_parent", "tenant", "type", "parent", "id"),
    sqlite_with_rowid=False,
)

# Append-only: no statement of this package updates or deletes a row.
VERSIONS: Final = Table(
    "versions",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _number_key("version"),
    _text("release"),
    _number("last_updated"),
    _flag("deleted"),
    _text("text"),
    _text("record"),
    _text("digest"),
    Index("versions_by_change", "tenant", "last_updated"),
    Index("versions_of_type_by_change", "tenant", "type", "last_updated"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
)

TRANSLATIONS: Final = Table(
    "translations",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _number_key("version"),
    _key("release"),
    _text("text"),
    ForeignKeyConstraint(
        ["tenant", "type", "id", "version"],
        ["versions.tenant", "versions.type", "versions.id", "versions.version"],
    ),
)

# Business identifiers, unique for ever: the sender's own, or one that we minted.
IDENTIFIERS: Final = Table(
    "identifiers",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("system"),
    _key("value"),
    _text("id"),
    _flag("minted"),
    Index("identifiers_by_resource", "tenant", "type", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)

# What can be searched for, of the current version only: codes, references and addresses; times; words; amounts.
# `created` is repeated so that a listing by one value is read in order from the index, page by page, without sorting.
INDEX_ROWS: Final = Table(
    "index_rows",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _key("parameter"),
    _key("system"),
    _key("value"),
    _number("created"),
    Index("index_rows_by_value", "tenant", "type", "parameter", "value", "system", "created", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
INDEX_DATES: Final = Table(
    "index_dates",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _key("parameter"),
    _number_key("start"),
    _number_key("end"),
    _number("created"),
    Index("index_dates_by_end", "tenant", "type", "parameter", "end", "start", "created", "id"),
    Index("index_dates_by_start", "tenant", "type", "parameter", "start", "end", "created", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
INDEX_STRINGS: Final = Table(
    "index_strings",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _key("parameter"),
    _key("value"),
    _key("text"),
    _number("created"),
    Index("index_strings_by_value", "tenant", "type", "parameter", "value", "text", "created", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)
INDEX_QUANTITIES: Final = Table(
    "index_quantities",
    METADATA,
    _key("tenant"),
    _key("type"),
    _key("id"),
    _key("parameter"),
    _key("unit"),
    _key("low"),
    _key("high"),
    _number("created"),
    Index("index_quantities_by_value", "tenant", "type", "parameter", "unit", "low", "high", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)

IDEMPOTENCY: Final = Table(
    "idempotency",
    METADATA,
    _key("tenant"),
    _key("client"),
    _key("key"),
    _text("body_hash"),
    _text("type"),
    _text("id"),
    _number("version"),
    _number("at"),
    sqlite_with_rowid=False,
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    _key("tenant"),
    _number_key("seq"),
    _number("at"),
    _text("action"),
    _text("client"),
    _text("type"),
    _text("id"),
    _number("version"),
    _text("detail"),
    _text("previous"),
    _text("digest"),
)

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    _text("tenant"),
    _text("endpoint"),
    _text("aggregate"),
    _number("version"),
    _text("payload_hash"),
    _text("lane"),
    _number("rank"),
    _text("state"),
    _number("attempt"),
    _number("not_before"),
    _text("lease_owner"),
    _number("lease_until"),
    _number("fence"),
    _text("last_error_code"),
    _text("depends_on"),
    _number("enqueued"),
    _number("crashes"),
    _number("suspected"),
    _number("alerted"),
    Index("outbox_by_state", "tenant", "endpoint", "state", "lane", "rank", "seq"),
    Index("outbox_by_aggregate", "tenant", "endpoint", "aggregate", "seq"),
    Index(
        "outbox_suspects",
        *("tenant", "endpoint", "seq"),
        sqlite_where=text("crashes > 0 AND state <> 'dead'"),
        postgresql_where=text("crashes > 0 AND state <> 'dead'"),
    ),
    sqlite_autoincrement=True,  # a number is never used twice, even after a purge
)

LINKS: Final = Table(
    "links",
    METADATA,
    _key("tenant"),
    _key("endpoint"),
    _key("aggregate"),
    _text("remote_type"),
    _text("remote_id"),
    _text("version_id"),
    _text("etag"),
    _text("last_updated"),
    _text("base"),
    _number("last_sent_version"),
    _number("last_acked_version"),
    _text("ladder"),
    _text("seen"),
    _number("doubted"),
    Index("links_by_remote", "tenant", "endpoint", "remote_type", "remote_id"),
)

INBOX: Final = Table(
    "inbox",
    METADATA,
    _key("tenant"),
    _key("endpoint"),
    _key("type"),
    _key("id"),
    _key("version"),
    _text("last_updated"),
    _number("moment"),
    _text("text"),
    _text("state"),
    _text("codes"),
    _number("received"),
    _number("attempts"),
    Index("inbox_by_state", "tenant", "endpoint", "type", "state", "moment"),
)

CURSORS: Final = Table(
    "cursors",
    METADATA,
    _key("tenant"),
    _key("endpoint"),
    _key("type"),
    _key("filter"),
    _text("watermark"),
    _text("next_link"),
    _text("max_seen"),
    _text("first_date"),
    Column("last_success", BigInteger),
    _text("peer_date"),
)

# What is known of a peer as a whole. `paused` is since when it is left alone until a person says otherwise, `troubled`
# since when `trouble` holds, `probed` when `can` was seen; 0 where it is not so.
ENDPOINTS: Final = Table(
    "endpoints",
    METADATA,
    _key("tenant"),
    _key("endpoint"),
    _number("paused"),
    _text("why"),
    _text("trouble"),
    _number("troubled"),
    _text("can"),
    _number("probed"),
    sqlite_with_rowid=False,
)

CONFLICTS: Final = Table(
    "conflicts",
    METADATA,
    _key("tenant"),
    _key("conflict_id"),
    _text("endpoint"),
    _text("aggregate"),
    _number("opened"),
    _text("fields"),
    _text("base"),
    _text("ours"),
    _text("theirs"),
    _text("state"),
    _text("resolution"),
    Index("conflicts_by_aggregate", "tenant", "endpoint", "aggregate", "state"),
)

# What a bulk export gives out is read from the versions when it is fetched: here is only what was asked, and when.
EXPORTS: Final = Table(
    "exports",
    METADATA,
    _key("tenant"),
    _key("export_id"),
    _text("client"),
    _text("request"),
    _text("release"),
    _text("types"),
    _number("since"),
    _number("moment"),
    _number("requested"),
)

# What a client asked to be told of, and how far it was told. Moments are 0 where there is none; `is_open` is 1 once the
# endpoint took the handshake; `events` is the number of the last event, `sent` that of the last one that arrived,
# `stops` that of the last one that stops an order; `failures` are those since something arrived.
SUBSCRIPTIONS: Final = Table(
    "subscriptions",
    METADATA,
    _key("tenant"),
    _key("subscription_id"),
    _text("release"),
    _text("status"),
    _text("type"),
    _text("client"),
    _text("base"),
    _text("text"),
    _text("secret"),
    _text("error"),
    _text("lease_owner"),
    _number("version"),
    _number("created"),
    _number("last_updated"),
    _number("ends"),
    _number("heartbeat"),
    _number("is_open"),
    _number("events"),
    _number("sent"),
    _number("stops"),
    _number("failures"),
    _number("failing_since"),
    _number("not_before"),
    _number("contacted"),
    _number("lease_until"),
    Index("subscriptions_by_status", "status", "not_before"),
)

# Which version each event of a subscription is about: written with that version, never changed.
SUBSCRIPTION_EVENTS: Final = Table(
    "subscription_events",
    METADATA,
    _key("tenant"),
    _key("subscription_id"),
    _number_key("number"),
    _number("at"),
    _text("type"),
    _text("id"),
    _number("version"),
)
