"""Bulk exports."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "exports",
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("export_id", TEXT, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("release", TEXT, nullable=False),
        sa.Column("types", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "export_id"),
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
