"""${message}."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.store.tables import TEXT  # for each text column, in place of sa.Text()
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Refuse: a backup is the way back, since a version may have been written that the older tables cannot hold."""
    raise NotImplementedError
