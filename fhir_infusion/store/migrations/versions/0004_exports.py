"""Bulk exports."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "exports",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("export_id", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "export_id"),
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
