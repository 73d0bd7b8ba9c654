"""Indexes of the outbox of which each begins with what only it is asked for."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    for name, *columns in (
        ("outbox_by_state", "state", "tenant", "endpoint", "lane", "rank", "seq"),
        ("outbox_by_aggregate", "aggregate", "tenant", "endpoint", "seq"),
    ):
        op.drop_index(name, "outbox")
        op.create_index(name, "outbox", columns)


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
