"""Opening a database: find or create it, check that it is ours, bring its schema up to date.

`make_engine` and `make_ready` are the two halves of `open_database`, for callers that go on while a
database cannot be used yet.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import exc
from sqlalchemy.engine import URL, make_url

from db.error_classes import describe, is_damage, is_environment, says
from db.errors import (
    BackupError,
    BackupSourceError,
    DatabaseDamagedError,
    DatabaseOpenError,
    DatabaseUnavailableError,
)
from db.paths import sync
from db.server import check_server, hosts, make_server_ready, server_engine, shown
from db.sqlite_file import BEGIN_OPTION, check_file, make_file_ready, make_private, sqlite_engine
from db.upkeep.backup import back_up, made_name, unfinished_name
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

logger = logging.getLogger(__name__)

OPEN_RETRY_S = 10.0
"""Default wait for a database that another process is creating or migrating."""


def open_database(url: str, *, read_only: bool = False, private: bool = False) -> Engine:
    """Open a database; without `read_only` create or migrate it where needed.

    The caller owns the engine and calls `dispose()` on it at the end.

    Args:
        url: A path, `sqlite:///path`, or the SQLAlchemy URL of a server, such as
            `postgresql+psycopg://user@host/name`.
        read_only: Refuse every write; the database must exist and be up to date.
        private: Let only this user read a file that is created: it will hold secrets.

    Raises:
        DatabaseOpenError: It is missing, cannot be created, read or written, or belongs to another
            program.
        SchemaVersionError: Its schema is newer than this program, or older with `read_only`.
    """
    engine = make_engine(url, read_only=read_only)
    path = sqlite_path(engine)
    if private and path is not None:
        make_private(path)
    try:
        make_ready(engine, read_only=read_only)
    except BaseException:
        engine.dispose()
        raise
    return engine


def make_engine(url: str, *, read_only: bool = False) -> Engine:
    """Make an engine without connecting; see `open_database`.

    Raises:
        DatabaseOpenError: The address cannot be understood, or its driver is missing.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite_engine(_file_of(parsed), read_only=read_only)
    return server_engine(parsed)


def make_ready(
    engine: Engine,
    *,
    read_only: bool = False,
    patience_s: float | None = None,
    alone: bool = False,
) -> str | None:
    """Check the database of an engine, create it and bring it up to date; harmless when repeated.

    Before a file of an older version is changed, a copy of it is put beside it, which no
    `ad-monitor backup --keep` deletes.

    It is retried for `patience_s` (default: `OPEN_RETRY_S`) while another process holds it; each
    attempt may itself wait as long as `BUSY_TIMEOUT_MS`.

    Args:
        engine: See `make_engine`.
        read_only: Refuse a database that is not up to date.
        patience_s: How long to retry, in seconds.
        alone: Refuse to change an older database that another program has open, even if idle: that
            program may be older, and write what the new schema does not take.

    Returns:
        The schema revision that was found; `None` for a new database.

    Raises:
        DatabaseUnavailableError: It cannot be used now, but perhaps later.
        DatabaseOpenError, SchemaVersionError: See `open_database`.
    """
    patience_s = OPEN_RETRY_S if patience_s is None else patience_s
    path = sqlite_path(engine)
    if path is None:
        return make_server_ready(engine, read_only=read_only, patience_s=patience_s, alone=alone)
    return make_file_ready(
        engine,
        path,
        read_only=read_only,
        patience_s=patience_s,
        alone=alone,
        keeping_copy=_keeping_copy,
    )


def check_database(url: str) -> None:
    """Raise the lasting errors of `open_database`, without creating or changing anything.

    Raises:
        DatabaseOpenError, SchemaVersionError: See `open_database`.
    """
    engine = make_engine(url)
    path = sqlite_path(engine)
    try:
        if path is None:
            check_server(engine)
        else:
            check_file(path)
    except (DatabaseDamagedError, DatabaseUnavailableError):
        logger.debug("The database cannot be used now", exc_info=True)
    finally:
        engine.dispose()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that holds SQLite's write lock from its start.

    One that finds the lock taken half-way could not go on.
    """
    options = {BEGIN_OPTION: "IMMEDIATE"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """Connect for an answer that the caller can do without.

    Raises:
        DatabaseUnavailableError: The database cannot be read now, or has not been created yet.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except exc.DBAPIError as error:
        # 42P01 and 42703 are a server's "no such table" and "no such column".
        state = getattr(error.orig, "sqlstate", None)
        missing = says(str(error.orig), "no such table") or state in {"42P01", "42703"}
        if not (missing or is_environment(error) or is_damage(error)):
            raise
        raise DatabaseUnavailableError(
            lazy(
                "The database %(database)s cannot be read now (%(why)s).",
                database=engine.url.database,
                why=describe(error),
            )
        ) from error


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Connect to the database as it is at one moment: no reading appears before its play."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":  # SQLite always gives a snapshot.
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def sqlite_path(engine: Engine) -> Path | None:
    """Return the file behind an engine; `None` for a database on a server."""
    if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return None
    return Path(engine.url.database)


def server_hosts(url: str) -> tuple[str, ...]:
    """Return the machines on which a database is, by its address; none for a file.

    Raises:
        DatabaseOpenError: It is no path and no database URL.
    """
    parsed = _parse(url)
    return () if parsed.get_backend_name() == "sqlite" else hosts(parsed)


def shown_address(url: str) -> str:
    """Return the path or address of a database without passwords.

    Raises:
        DatabaseOpenError: It is no path and no database URL.
    """
    return shown(_parse(url)) if "://" in url else url


@contextmanager
def _keeping_copy(path: Path, revision: str) -> Iterator[Path]:
    """Copy a database of an older version, and keep the copy if nothing fails while it is changed.

    Meanwhile the copy has the name of an unfinished backup, so that the next attempt deletes it if
    the program is killed.

    Raises:
        DatabaseDamagedError: It is damaged.
        DatabaseUnavailableError: There is no room for the copy, or it cannot be written.
    """
    copy = made_name(path, path.parent, kind="before-upgrade")
    try:
        back_up(path, copy, kind="before-upgrade")
    except BackupSourceError as error:
        raise DatabaseDamagedError(str(error)) from error
    except BackupError as error:
        raise DatabaseUnavailableError(
            lazy(
                "The database %(path)s has the older schema %(revision)s and is not "
                "brought up to date before a copy of it is beside it. %(why)s",
                path=path,
                revision=revision,
                why=error,
            )
        ) from error
    waiting = unfinished_name(copy)
    _rename(copy, waiting)
    try:
        yield copy
        _rename(waiting, copy)
    finally:
        with suppress(OSError):
            waiting.unlink(missing_ok=True)


def _rename(copy: Path, name: Path) -> None:
    try:
        copy.rename(name)
        sync(name.parent)
    except OSError as error:
        raise DatabaseUnavailableError(
            lazy(
                "The copy %(name)s cannot be kept (%(why)s); check the disk and the folder.",
                name=name,
                why=error.strerror,
            )
        ) from error


def _parse(url: str) -> URL:
    if not url:
        raise DatabaseOpenError(
            lazy("Invalid database: expected a path or a database URL, received an empty text.")
        )
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        # People type passwords unescaped. SQLAlchemy would end one at its first @, and show the
        # rest as the host.
        typed = r"(?<=://)([^/@:?#]*:)([^@]*@[^?]*)(?=@)"
        parsed = make_url(re.sub(typed, lambda m: m[1] + m[2].replace("@", "%40"), url, count=1))
        if parsed.port is not None and not 1 <= parsed.port <= 65535:
            raise ValueError("port out of range")
    except (exc.ArgumentError, ValueError) as error:
        raise DatabaseOpenError(
            lazy(
                "Invalid database URL: expected a path, sqlite:///PATH or "
                "postgresql+psycopg://…, received %(url)s.",
                url=repr(url),
            )
        ) from error
    if parsed.drivername in {"postgresql", "postgres"}:
        # As psql writes it; SQLAlchemy would take another driver.
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _file_of(url: URL) -> Path:
    database = url.database or ""
    if database in {"", ":memory:"} or database.startswith("file:"):
        raise DatabaseOpenError(
            lazy(
                "Invalid database: expected the path of a file that outlives the "
                "program, received %(url)s.",
                url=repr(str(url)),
            )
        )
    # Absolute, so that a later change of the working folder does not move the database.
    return Path(os.path.abspath(Path(database).expanduser()))  # noqa: PTH100 (resolve() would follow links)
