"""Where a peer was when it was linked: ids of one server mean nothing on another."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("endpoints", sa.Column("place", TEXT, nullable=False, server_default=""))


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
