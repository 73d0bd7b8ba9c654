"""The patients that we made at a peer: a search there may show them late."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "patients_made",
        *(sa.Column(name, TEXT, primary_key=True, nullable=False) for name in ("tenant", "endpoint", "person")),
        sa.Column("remote_id", TEXT, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
