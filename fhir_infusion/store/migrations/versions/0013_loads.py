"""Bulk loads that are under way, for ``sync load``; and our Subscriptions at remotes, for ``sync subscribe``."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.columns import TEXT

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "loads",
        *(sa.Column(name, TEXT, primary_key=True, nullable=False) for name in ("tenant", "endpoint")),
        *(
            sa.Column(name, TEXT, nullable=False)
            for name in ("types", "state", "status_url", "transaction_time", "files", "digest", "codes")
        ),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("file", "line", "received", "skipped", "starts", "failures", "not_before", "touched")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "nudges",
        *(sa.Column(name, TEXT, primary_key=True, nullable=False) for name in ("tenant", "endpoint")),
        sa.Column("subscriptions", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
