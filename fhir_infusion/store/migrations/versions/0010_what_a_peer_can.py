"""What is wrong with a peer now, and what a probe saw of it."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    for name in ("trouble", "can"):
        op.add_column("endpoints", sa.Column(name, TEXT, nullable=False, server_default=""))
    for name in ("troubled", "probed"):
        op.add_column("endpoints", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
