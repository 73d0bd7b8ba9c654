"""Tables of their own for times, words and amounts; what is stored is indexed again, by every parameter."""

import sqlalchemy as sa
from alembic import op

from fhir_infusion.fhir.index import entries
from fhir_infusion.store.text import read

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Compared byte by byte everywhere.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OWNER = ("tenant", "type", "id", "parameter")
KINDS = {
    "token": "index_rows",
    "reference": "index_rows",
    "uri": "index_rows",
    "date": "index_dates",
    "string": "index_strings",
    "quantity": "index_quantities",
}
COLUMNS = {
    "index_rows": ("system", "value"),
    "index_dates": ("start", "end"),
    "index_strings": ("value", "text"),
    "index_quantities": ("unit", "low", "high"),
}
BY = {
    "index_rows": ("index_rows_by_value", ("value", "system", "created", "id")),
    "index_dates": ("index_dates_by_start", ("start", "end", "created", "id")),
    "index_strings": ("index_strings_by_value", ("value", "text", "created", "id")),
    "index_quantities": ("index_quantities_by_value", ("unit", "low", "high", "id")),
}


def upgrade() -> None:
    """Make the change."""
    op.drop_table("index_rows")
    made = {name: _table(name) for name in COLUMNS}
    for name, (index, columns) in BY.items():
        op.create_index(index, name, ["tenant", "type", "parameter", *columns])
    _fill(made)


def _table(name: str) -> sa.Table:
    is_number = name == "index_dates"
    return op.create_table(
        name,
        *(sa.Column(column, TEXT, nullable=False) for column in OWNER),
        *(
            sa.Column(column, sa.BigInteger() if is_number else TEXT, nullable=False, autoincrement=False)
            for column in COLUMNS[name]
        ),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant", "type", "id"], ["resources.tenant", "resources.type", "resources.id"]),
        sa.PrimaryKeyConstraint(*OWNER, *COLUMNS[name]),
        sqlite_with_rowid=False,
    )


def _fill(made: dict[str, sa.Table]) -> None:
    connection = op.get_bind()
    of = sa.table("resources", *map(sa.column, ("tenant", "type", "id", "version", "created", "deleted")))
    texts = sa.table("versions", *map(sa.column, ("tenant", "type", "id", "version", "release", "text")))
    keys = ("tenant", "type", "id", "version")
    current = sa.and_(*(of.c[name] == texts.c[name] for name in keys))
    columns = (of.c.tenant, of.c.type, of.c.id, of.c.created, texts.c.release, texts.c.text)
    key = sa.tuple_(of.c.tenant, of.c.type, of.c.id)
    after = ("", "", "")
    # Some at a time: what is stored may be more than fits into memory.
    while True:
        found = (
            sa.select(*columns)
            .select_from(of.join(texts, current))
            .where(of.c.deleted == sa.false(), key > sa.tuple_(*after))
            .order_by(of.c.tenant, of.c.type, of.c.id)
            .limit(500)
        )
        some = connection.execute(found).all()
        if not some:
            return
        rows: dict[str, dict[tuple, None]] = {name: {} for name in made}
        for *owner, created, release, text in some:
            after = tuple(owner)
            for entry in entries(read(text), release):
                name = KINDS[entry.kind]
                values = (getattr(entry, column) for column in COLUMNS[name])
                rows[name][*owner, entry.parameter, *values, created] = None
        for name, table in made.items():
            if rows[name]:
                names = (*OWNER, *COLUMNS[name], "created")
                connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows[name]])


def downgrade() -> None:
    """Refuse: a backup is the way back, since a version may have been written that the older tables cannot hold."""
    raise NotImplementedError
