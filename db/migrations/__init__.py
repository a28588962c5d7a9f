"""The schema's revisions: which one a database has, and the way to the newest.

Alembic runs on the connection that `db.engine` hands over; there is no `alembic.ini`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from db.errors import DatabaseOpenError, SchemaVersionError
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

logger = logging.getLogger(__name__)

REVISIONS = tuple(f"{number:04d}" for number in range(1, 13))
"""All revisions, oldest first: Alembic, slow to load, is not needed to recognise the newest.

A test compares this with the scripts in `versions`.
"""

HEAD = REVISIONS[-1]
VERSION_TABLE = "alembic_version"


def identify(name: str, tables: set[str], versions: Sequence[str]) -> str | None:
    """Return the revision of a database, `None` if empty, from its tables and version rows.

    Raises:
        DatabaseOpenError: It belongs to another program.
        SchemaVersionError: It belongs to a newer version of this program.
    """
    if not tables - {VERSION_TABLE} and not versions:
        return None
    # Two tables that tell a database of a newer version from another program's.
    if versions and tables >= {"sessions", "readings"}:
        if len(versions) == 1 and versions[0] in REVISIONS:
            return versions[0]
        raise SchemaVersionError(
            lazy(
                "The database %(database)s has the schema %(schema)s, and this program "
                "knows schemas up to %(known)s; update the program, or choose another "
                "path.",
                database=name,
                schema=", ".join(versions),
                known=HEAD,
            )
        )
    raise DatabaseOpenError(
        lazy(
            "The database %(database)s belongs to another program; choose another path.",
            database=name,
        )
    )


def current_revision(connection: Connection, name: str) -> str | None:
    """Return the revision of a connected database; see `identify`."""
    tables = set(inspect(connection).get_table_names())
    versions: list[str] = []
    if VERSION_TABLE in tables:
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 (a constant)
        versions = [str(row[0]) for row in rows]
    return identify(name, tables, versions)


def require_head(revision: str | None, name: str) -> None:
    """Check that a database can be read without changing its schema.

    Raises:
        DatabaseOpenError: It is empty.
        SchemaVersionError: Its schema is older than this program's.
    """
    if revision is None:
        raise DatabaseOpenError(
            lazy(
                "The database %(database)s holds no sessions yet; record one first.", database=name
            )
        )
    if revision != HEAD:
        raise SchemaVersionError(
            lazy(
                "The database %(database)s has the older schema %(schema)s, expected "
                "%(known)s; `ad-monitor upgrade` with the same --db brings it up to date.",
                database=name,
                schema=revision,
                known=HEAD,
            )
        )


def upgrade(connection: Connection, revision: str | None) -> None:
    """Bring a database from a revision to the newest; no-op if it is there."""
    if revision == HEAD:
        return
    # Alembic takes longer to load than an up-to-date database takes to open.
    from importlib.resources import files  # noqa: PLC0415

    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files("db.migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if revision is None:
        logger.info("Created the database with schema %s.", HEAD)
    else:
        logger.info("Migrated the database from schema %s to %s.", revision, HEAD)
