"""Indexes for the history of a type and of everything: versions by the moment of their change."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_index("versions_by_change", "versions", ["tenant", "last_updated"])
    op.create_index("versions_of_type_by_change", "versions", ["tenant", "type", "last_updated"])


def downgrade() -> None:
    """Undo the change."""
    op.drop_index("versions_of_type_by_change", "versions")
    op.drop_index("versions_by_change", "versions")
