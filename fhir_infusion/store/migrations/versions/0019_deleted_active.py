"""What is gone there and was not ended here, so that it is counted without reading all that was ever deleted there."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("links", sa.Column("deleted_active", sa.BigInteger(), nullable=False, server_default="0"))
    # Of what went before, all may have been active then; those that ended since are left out when they are counted.
    op.execute("UPDATE links SET deleted_active = 1 WHERE ladder IN ('gone', 'lost')")
    some = sa.text("deleted_active = 1")
    op.create_index("links_deleted_active", "links", ["tenant", "endpoint"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
