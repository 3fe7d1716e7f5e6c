"""Runs inside the connection and transaction that `migrate` opened."""

from alembic import context

from winnow.adapters.sql.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
