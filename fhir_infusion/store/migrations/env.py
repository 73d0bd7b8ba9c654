"""What Alembic runs: every revision in its own transaction, on the connection that it was given."""

from alembic import context

from fhir_infusion.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transaction_per_migration=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
