"""Runs the migrations on the connection, and in the transaction, of `db.engine`."""

from __future__ import annotations

from alembic import context

import db.hub.tables  # noqa: F401 (their tables belong to the schema)
from db.hub.views import create_views, drop_views
from db.schema import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # SQLite cannot alter most of a table; Alembic then copies it.
    render_as_batch=True,
    # The caller begins with BEGIN IMMEDIATE, so that half a migration is never kept.
    transactional_ddl=True,
)
with context.begin_transaction():
    # A table that a view reads cannot be altered.
    min_viewers = drop_views(connection)
    context.run_migrations()
    if min_viewers is not None:
        create_views(connection, min_viewers)
