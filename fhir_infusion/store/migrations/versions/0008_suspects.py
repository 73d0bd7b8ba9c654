"""Outbox rows under suspicion: attempts that ended without a verdict are counted; a late stop is told once."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    for name in ("crashes", "suspected", "alerted"):
        # A column is added without touching the rows: however many there are, it takes no time.
        op.add_column("outbox", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    suspects = sa.text("crashes > 0 AND state <> 'dead'")
    op.create_index(
        "outbox_suspects",
        "outbox",
        ["tenant", "endpoint", "seq"],
        sqlite_where=suspects,
        postgresql_where=suspects,
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
