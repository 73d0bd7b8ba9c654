"""An index of dates by their end: what is asked for from some moment on is read from there."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_index(
        "index_dates_by_end", "index_dates", ["tenant", "type", "parameter", "end", "start", "created", "id"]
    )


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("index_dates_by_end", "index_dates")
