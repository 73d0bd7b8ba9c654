"""Bring the tables of a database up to date, with Alembic; the revisions lie in ``migrations/versions``.

Each revision runs in a transaction of its own together with the note that it ran: a process killed midway leaves the
database at the last whole revision, and the next start goes on from there. Of several processes that start at once
one does it, and the others find it done.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from fhir_infusion.errors import SettingsError
from fhir_infusion.store import dialect, postgresql

if TYPE_CHECKING:
    from sqlalchemy import Engine


def upgrade(engine: Engine, to: str = "head") -> None:
    """Run the revisions that this database has not seen, those up to ``to``.

    Raises:
        SettingsError: the database knows a revision that this program does not, or cannot hold every text.
    """
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        if dialect.is_shared(connection):
            postgresql.demand_unicode(connection)
            postgresql.lock_upgrades(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
        if current == scripts.get_current_head():
            return
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise SettingsError("database: made by a newer version of this program; accepted is that version or later")
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
