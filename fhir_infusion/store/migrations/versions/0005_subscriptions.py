"""Subscriptions, and the events of each."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXTS = ("release", "status", "type", "client", "base", "text", "secret", "error", "lease_owner")
_NUMBERS = (
    *("version", "created", "last_updated", "ends", "heartbeat", "is_open", "events", "sent", "stops", "failures"),
    *("failing_since", "not_before", "contacted", "lease_until"),
)


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "subscriptions",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("subscription_id", TEXT, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _NUMBERS),
        sa.PrimaryKeyConstraint("tenant", "subscription_id"),
    )
    op.create_index("subscriptions_by_status", "subscriptions", ["status", "not_before"])
    op.create_table(
        "subscription_events",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("subscription_id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subscription_id", "number"),
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
