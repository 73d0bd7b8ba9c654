"""What remotes have lost, so that it is counted without reading all links."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    some = sa.text("ladder = 'lost'")
    op.create_index("links_lost", "links", ["tenant", "endpoint"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
