"""What came of each attempt to deliver an outbox row, for ``sync trace``."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "attempts",
        *(
            sa.Column(name, sa.BigInteger(), primary_key=True, nullable=False, autoincrement=False)
            for name in ("seq", "fence")
        ),
        *(sa.Column(name, TEXT, nullable=False) for name in ("tenant", "endpoint", "aggregate")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("version", "attempt", "begun", "ended")),
        *(sa.Column(name, TEXT, nullable=False) for name in ("requests", "state", "code")),
        sqlite_with_rowid=False,
    )
    op.create_index("attempts_by_aggregate", "attempts", ["tenant", "aggregate", "begun"])


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
