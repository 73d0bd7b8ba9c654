"""What shows that a peer's clock or its data went back; how often a received version was tried."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    for table, name in (("cursors", "peer_date"), ("links", "seen")):
        op.add_column(table, sa.Column(name, TEXT, nullable=False, server_default=""))
    for table, name in (("inbox", "attempts"), ("links", "doubted")):
        op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "endpoints",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("endpoint", TEXT, nullable=False),
        sa.Column("paused", sa.BigInteger(), nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "endpoint"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
