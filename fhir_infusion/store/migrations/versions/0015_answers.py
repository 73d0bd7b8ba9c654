"""What a change under a key of its client did, so that it is answered the same again."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("idempotency", sa.Column("answer", TEXT, nullable=False, server_default=""))


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
