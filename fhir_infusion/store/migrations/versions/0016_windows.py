"""Until when a peer asked to be left alone, for every process on this database."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("endpoints", sa.Column("throttled", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
