"""The tables. A change here needs a migration beside it; a test compares the two.

Those of what can be searched for stand in ``index_tables``, kinds of columns in ``columns``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, LargeBinary, Table, text

from fhir_infusion.store.columns import METADATA, SEQUENCE, TEXT, flag, key, number, number_key, words
from fhir_infusion.store.index_tables import INDEX_DATES, INDEX_QUANTITIES, INDEX_ROWS, INDEX_STRINGS

__all__ = [
    "ATTEMPTS",
    "AUDIT",
    "CONFLICTS",
    "CURSORS",
    "ENDPOINTS",
    "EXPORTS",
    "FEEDS",
    "IDEMPOTENCY",
    "IDENTIFIERS",
    "INBOX",
    "INDEX_DATES",
    "INDEX_QUANTITIES",
    "INDEX_ROWS",
    "INDEX_STRINGS",
    "LINKS",
    "LOADS",
    "METADATA",
    "NUDGES",
    "OUTBOX",
    "PATIENTS_MADE",
    "RESOURCES",
    "SECRETS",
    "SUBSCRIPTIONS",
    "SUBSCRIPTION_EVENTS",
    "TRANSLATIONS",
    "VERSIONS",
]

SECRETS: Final = Table("secrets", METADATA, key("name"), Column("value", LargeBinary, nullable=False))

# One row a tenant: the last moment given out (lastUpdated never goes back, even if the clock does), and the end of
# the audit chain, kept apart from the chain so that a cut tail is noticed.
FEEDS: Final = Table(
    "feeds", METADATA, key("tenant"), number("last_updated"), number("audit_seq"), words("audit_digest")
)

# The current state of each resource. `created` is the moment of its first version: listings are kept in its order.
RESOURCES: Final = Table(
    "resources",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    number("version"),
    number("created"),
    number("last_updated"),
    flag("deleted"),
    words("parent"),
    Index("resources_by_creation", "tenant", "type", "created", "id"),
    Index("resources_by_change", "tenant", "type", "last_updated", "id"),
    Index("resources_by_parent", "tenant", "type", "parent", "id"),
    sqlite_with_rowid=False,
)

# Append-only: no statement of this package updates or deletes a row.
VERSIONS: Final = Table(
    "versions",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    number_key("version"),
    words("release"),
    number("last_updated"),
    flag("deleted"),
    words("text"),
    words("record"),
    words("digest"),
    Index("versions_by_change", "tenant", "last_updated"),
    Index("versions_of_type_by_change", "tenant", "type", "last_updated"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
)

TRANSLATIONS: Final = Table(
    "translations",
    METADATA,
    key("tenant"),
    key("type"),
    key("id"),
    number_key("version"),
    key("release"),
    words("text"),
    ForeignKeyConstraint(
        ["tenant", "type", "id", "version"],
        ["versions.tenant", "versions.type", "versions.id", "versions.version"],
    ),
)

# Business identifiers, unique for ever: the sender's own, or one that we minted.
IDENTIFIERS: Final = Table(
    "identifiers",
    METADATA,
    key("tenant"),
    key("type"),
    key("system"),
    key("value"),
    words("id"),
    flag("minted"),
    Index("identifiers_by_resource", "tenant", "type", "id"),
    ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
    sqlite_with_rowid=False,
)

# Of the keys of clients, which have an answer, the index gives the oldest; business identifiers have none, and stay.
IDEMPOTENCY: Final = Table(
    "idempotency",
    METADATA,
    key("tenant"),
    key("client"),
    key("key"),
    words("body_hash"),
    words("type"),
    words("id"),
    number("version"),
    number("at"),
    Column("answer", TEXT, nullable=False, server_default=""),
    Index(
        "idempotency_by_age",
        *("tenant", "at"),
        sqlite_where=text("answer <> ''"),
        postgresql_where=text("answer <> ''"),
    ),
    sqlite_with_rowid=False,
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    key("tenant"),
    number_key("seq"),
    number("at"),
    words("action"),
    words("client"),
    words("type"),
    words("id"),
    number("version"),
    words("detail"),
    words("previous"),
    words("digest"),
)

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    words("tenant"),
    words("endpoint"),
    words("aggregate"),
    number("version"),
    words("payload_hash"),
    words("lane"),
    number("rank"),
    words("state"),
    number("attempt"),
    number("not_before"),
    words("lease_owner"),
    number("lease_until"),
    number("fence"),
    words("last_error_code"),
    words("depends_on"),
    number("enqueued"),
    number("crashes"),
    number("suspected"),
    number("alerted"),
    # Each begins with what only it is asked for: a database without statistics could take one for the other.
    Index("outbox_by_state", "state", "tenant", "endpoint", "lane", "rank", "seq"),
    Index("outbox_by_aggregate", "aggregate", "tenant", "endpoint", "seq"),
    Index(
        "outbox_suspects",
        *("tenant", "endpoint", "seq"),
        sqlite_where=text("crashes > 0 AND state <> 'dead'"),
        postgresql_where=text("crashes > 0 AND state <> 'dead'"),
    ),
    sqlite_autoincrement=True,  # a number is never used twice, even after a purge
)

# What came of each claim of an outbox row: which requests, and the class of each answer. No content.
ATTEMPTS: Final = Table(
    "attempts",
    METADATA,
    number_key("seq"),
    number_key("fence"),
    words("tenant"),
    words("endpoint"),
    words("aggregate"),
    number("version"),
    number("attempt"),
    number("begun"),
    number("ended"),
    words("requests"),
    words("state"),
    words("code"),
    Index("attempts_by_aggregate", "tenant", "aggregate", "begun"),
    sqlite_with_rowid=False,
)

LINKS: Final = Table(
    "links",
    METADATA,
    key("tenant"),
    key("endpoint"),
    key("aggregate"),
    words("remote_type"),
    words("remote_id"),
    words("version_id"),
    words("etag"),
    words("last_updated"),
    words("base"),
    number("last_sent_version"),
    number("last_acked_version"),
    words("ladder"),
    words("seen"),
    number("doubted"),
    number("deleted_active"),
    Index("links_by_remote", "tenant", "endpoint", "remote_type", "remote_id"),
    Index(
        "links_lost",
        *("tenant", "endpoint"),
        sqlite_where=text("ladder = 'lost'"),
        postgresql_where=text("ladder = 'lost'"),
    ),
    Index(
        "links_deleted_active",
        *("tenant", "endpoint"),
        sqlite_where=text("deleted_active = 1"),
        postgresql_where=text("deleted_active = 1"),
    ),
)

# The patients that we made at a peer (``store.patients_made``).
PATIENTS_MADE: Final = Table(
    "patients_made",
    METADATA,
    *(key(name) for name in ("tenant", "endpoint", "person")),
    words("remote_id"),
    number("asked"),
    sqlite_with_rowid=False,
)

INBOX: Final = Table(
    "inbox",
    METADATA,
    *(key(name) for name in ("tenant", "endpoint", "type", "id", "version")),
    words("last_updated"),
    number("moment"),
    words("text"),
    words("state"),
    words("codes"),
    number("received"),
    number("attempts"),
    Index("inbox_by_state", "tenant", "endpoint", "type", "state", "moment"),
)

CURSORS: Final = Table(
    "cursors",
    METADATA,
    *(key(name) for name in ("tenant", "endpoint", "type", "filter")),
    words("watermark"),
    words("next_link"),
    words("max_seen"),
    words("first_date"),
    Column("last_success", BigInteger),
    words("peer_date"),
)

# What is known of a peer as a whole. `paused` is since when it is left alone until a person says otherwise, `troubled`
# since when `trouble` holds, `probed` when `can` was seen; 0 where it is not so.
ENDPOINTS: Final = Table(
    "endpoints",
    METADATA,
    key("tenant"),
    key("endpoint"),
    number("paused"),
    words("why"),
    words("trouble"),
    number("troubled"),
    words("can"),
    number("probed"),
    number("throttled"),
    words("place"),
    sqlite_with_rowid=False,
)

# Bulk loads that are under way (``store.loads``).
LOADS: Final = Table(
    "loads",
    METADATA,
    key("tenant"),
    key("endpoint"),
    *(words(name) for name in ("types", "state", "status_url", "transaction_time", "files", "digest", "codes")),
    *(number(name) for name in ("file", "line", "received", "skipped", "starts", "failures", "not_before", "touched")),
    sqlite_with_rowid=False,
)

# The ids of our Subscriptions at a peer, by which it tells that something changed (``store.nudges``).
NUDGES: Final = Table(
    "nudges",
    METADATA,
    key("tenant"),
    key("endpoint"),
    words("subscriptions"),
    sqlite_with_rowid=False,
)

CONFLICTS: Final = Table(
    "conflicts",
    METADATA,
    key("tenant"),
    key("conflict_id"),
    words("endpoint"),
    words("aggregate"),
    number("opened"),
    words("fields"),
    words("base"),
    words("ours"),
    words("theirs"),
    words("state"),
    words("resolution"),
    Index("conflicts_by_aggregate", "tenant", "endpoint", "aggregate", "state"),
)

# What a bulk export gives out is read from the versions when it is fetched: here is only what was asked, and when.
EXPORTS: Final = Table(
    "exports",
    METADATA,
    key("tenant"),
    key("export_id"),
    words("client"),
    words("request"),
    words("release"),
    words("types"),
    number("since"),
    number("moment"),
    number("requested"),
)

# What a client asked to be told of, and how far it was told. Moments are 0 where there is none; `is_open` is 1 once the
# endpoint took the handshake; `events` is the number of the last event, `sent` that of the last one that arrived,
# `stops` that of the last one that stops an order; `failures` are those since something arrived.
SUBSCRIPTIONS: Final = Table(
    "subscriptions",
    METADATA,
    key("tenant"),
    key("subscription_id"),
    words("release"),
    words("status"),
    words("type"),
    words("client"),
    words("base"),
    words("text"),
    words("secret"),
    words("error"),
    words("lease_owner"),
    number("version"),
    number("created"),
    number("last_updated"),
    number("ends"),
    number("heartbeat"),
    number("is_open"),
    number("events"),
    number("sent"),
    number("stops"),
    number("failures"),
    number("failing_since"),
    number("not_before"),
    number("contacted"),
    number("lease_until"),
    Index("subscriptions_by_status", "status", "not_before"),
)

# Which version each event of a subscription is about: written with that version, never changed.
SUBSCRIPTION_EVENTS: Final = Table(
    "subscription_events",
    METADATA,
    key("tenant"),
    key("subscription_id"),
    number_key("number"),
    number("at"),
    words("type"),
    words("id"),
    number("version"),
)
