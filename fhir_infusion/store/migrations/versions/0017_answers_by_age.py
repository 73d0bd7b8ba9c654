"""The answers under the keys of clients by their age, so that the old ones are found and forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    some = sa.text("answer <> ''")
    op.create_index("idempotency_by_age", "idempotency", ["tenant", "at"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    """Raise: versions that were appended are not taken back."""
    raise NotImplementedError
