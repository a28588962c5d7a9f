"""Opening a database: find or create it, check that it is ours, bring its schema up to date.

SQLite files are looked at through a read-only connection first, so that a file that is something else, or of a newer
program, is refused untouched.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import create_engine, event, exc, inspect
from sqlalchemy.engine import URL, make_url

from db.errors import DatabaseError, DatabaseOpenError, SchemaVersionError
from db.migrations import HEAD, REVISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 2000
"""How long SQLite itself waits for another writer; several times the longest commit, well below the close limit."""

OPEN_RETRY_S = 10.0
"""How long opening waits for a database that another process is creating or migrating."""

OPEN_RETRY_PAUSE_S = 0.05

BEGIN_OPTION = "sqlite_begin"
"""Execution option of a connection: "IMMEDIATE" takes SQLite's write lock at once, the default "DEFERRED" does not."""

_SQLITE_MAGIC = b"SQLite format 3\x00"
_VERSION_TABLE = "alembic_version"
_OUR_TABLES = frozenset({"sessions", "readings"})
"""Tables by which a database of a newer program is told from somebody else's."""

_BUSY_WORDS = ("locked", "busy")
"""How SQLite's messages say that another connection holds the lock; Python 3.10 shows no error code."""


def open_database(url: str, *, read_only: bool = False) -> Engine:
    """Open a database; without `read_only` also create it with its folder, and migrate it, where needed.

    The caller owns the engine and calls `dispose()` on it at the end.

    Args:
        url: A path, `sqlite:///path`, or the SQLAlchemy URL of a server, such as `postgresql+psycopg://user@host/name`.
        read_only: Refuse every write; the database must exist and be up to date.

    Raises:
        DatabaseOpenError: It is missing, cannot be created, read or written, or is not one of this program.
        SchemaVersionError: Its schema is newer than this program, or older and `read_only` was asked for.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(_sqlite_path(parsed), read_only=read_only)
    return _open_server(parsed, read_only=read_only)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that takes SQLite's write lock at its start: one that found it taken half-way could not go on."""
    with engine.connect().execution_options(**{BEGIN_OPTION: "IMMEDIATE"}) as connection, connection.begin():
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it was at one moment: no reading appears whose play was not there yet."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":  # SQLite gives a snapshot anyway.
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def sqlite_path(engine: Engine) -> Path | None:
    """The file behind an engine of `open_database`; `None` for a database on a server."""
    if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return None
    return Path(engine.url.database)


def is_environment(error: BaseException) -> bool:
    """Whether the world failed (lock held, disk full, server away) and not the program: trying again may help then."""
    if not isinstance(error, exc.OperationalError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _says(str(error.orig), *_BUSY_WORDS, "full", "disk I/O", "readonly", "unable to open")
    return True


def _dump_json(value: object) -> str:
    """JSON that people can read; half a surrogate pair, from a file name that is no Unicode, becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _says(text: str, *words: str) -> bool:
    return any(word in text for word in words)


def _parse(url: str) -> URL:
    if not url:
        raise DatabaseOpenError("Invalid database: expected a path or a database URL, received an empty text.")
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        return make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise DatabaseOpenError(
            f"Invalid database URL: expected a path, sqlite:///PATH or postgresql+psycopg://…, received {url!r}."
        ) from error


def _sqlite_path(url: URL) -> Path:
    database = url.database or ""
    if database in {"", ":memory:"} or database.startswith("file:"):
        raise DatabaseOpenError(
            f"Invalid database: expected the path of a file that outlives the program, received {str(url)!r}."
        )
    # Absolute, so that a later change of the working folder does not move the database.
    return Path(os.path.abspath(Path(database).expanduser()))  # noqa: PTH100 (resolve() would follow links)


def _open_sqlite(path: Path, *, read_only: bool) -> Engine:
    _prepare_place(path, read_only=read_only)
    revision = _retry_while_locked(path, partial(_inspect_file, path))
    if read_only and revision != HEAD:
        if revision is None:
            raise DatabaseOpenError(f"The database {path} holds no sessions yet; record one first.")
        raise SchemaVersionError(
            f"The database {path} has the older schema {revision}, expected {HEAD}; "
            "open it once for writing (start a run) to bring it up to date."
        )
    engine = _sqlite_engine(path, read_only=read_only)
    try:
        _retry_while_locked(path, partial(_make_ready, engine, path, read_only=read_only))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _prepare_place(path: Path, *, read_only: bool) -> None:
    """Check what the file system can tell, and create the folder of a new database."""
    try:
        if path.is_dir():
            raise DatabaseOpenError(
                f"The database {path} is a folder; give the path of a file, such as {path / 'ads.db'}."
            )
        exists = path.exists()
        if exists and not path.is_file():
            raise DatabaseOpenError(f"The database {path} is not a regular file; give the path of one.")
        if not exists and read_only:
            raise DatabaseOpenError(f"There is no database {path}; record a session first, or check the path.")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseOpenError(
            f"The folder of the database {path} cannot be used ({error.strerror}); choose another path."
        ) from error
    if read_only:
        return
    if exists and not os.access(path, os.W_OK):
        raise DatabaseOpenError(f"The database {path} is read-only; make it writable or choose another path.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise DatabaseOpenError(
            f"The folder {path.parent} of the database is not writable; change its permissions or choose another path."
        )


def _inspect_file(path: Path) -> str | None:
    """The schema revision of a file, without writing to it; `None` when it is missing or still empty.

    Raises:
        DatabaseOpenError: It is not a database, or not one of ours.
        SchemaVersionError: It is ours and newer than this program.
        sqlite3.Error: It cannot be read.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            return None
        with path.open("rb") as file:
            magic = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise DatabaseOpenError(
            f"The database {path} cannot be read ({error.strerror}); choose another path."
        ) from error
    if magic != _SQLITE_MAGIC:
        raise DatabaseOpenError(f"The file {path} is not an SQLite database; choose another path.")
    # Reading in write-ahead mode makes files beside the database, and a reader that may not write leaves them there.
    # Where no write is under way, it is read as a file that does not change; if one began meanwhile, once more.
    quiet = _is_quiet(path)
    tables, versions = _read_versions(path, "mode=ro&immutable=1" if quiet else "mode=ro")
    if quiet and not _is_quiet(path):
        tables, versions = _read_versions(path, "mode=ro")
    return _judge(str(path), tables, versions)


def _is_quiet(path: Path) -> bool:
    """Whether all of a database is in its main file."""
    return not any(_size(path.with_name(path.name + suffix)) for suffix in ("-wal", "-journal"))


def _size(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read_versions(path: Path, how: str) -> tuple[set[str], list[str]]:
    """The names of all tables, and the rows of the version table."""
    with closing(_connect_uri(path, how)) as connection:
        tables = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
        }
        if _VERSION_TABLE not in tables:
            return tables, []
        rows = connection.execute(f"SELECT * FROM {_VERSION_TABLE}")  # noqa: S608 (a constant)
        return tables, [str(row[0]) for row in rows]


def _judge(name: str, tables: set[str], versions: Sequence[str]) -> str | None:
    """Which of our revisions a database has, from its table names and the rows of the version table."""
    if not tables - {_VERSION_TABLE} and not versions:
        return None
    if len(versions) == 1 and versions[0] in REVISIONS and tables >= _OUR_TABLES:
        return versions[0]
    if versions and tables >= _OUR_TABLES:
        raise SchemaVersionError(
            f"The database {name} has the schema {', '.join(versions)}, and this program knows schemas up to {HEAD}; "
            "update the program, or choose another path."
        )
    raise DatabaseOpenError(f"The database {name} belongs to another program; choose another path.")


def _connect_uri(path: Path, how: str) -> sqlite3.Connection:
    # The pool lends a connection to one thread at a time, so the check of the module is not needed.
    return sqlite3.connect(
        f"file:{quote(str(path))}?{how}", uri=True, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
    )


def _sqlite_engine(path: Path, *, read_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        if not read_only:
            return _connect_uri(path, "mode=rwc")
        # In a folder that cannot be written nobody else writes either. Elsewhere a reader takes part in write-ahead
        # mode, and tidies up at the end if it is the last; `query_only` keeps it from writing.
        frozen = not os.access(path.parent, os.W_OK) and _is_quiet(path)
        return _connect_uri(path, "mode=ro&immutable=1" if frozen else "mode=rw")

    engine = create_engine(URL.create("sqlite", database=str(path)), creator=connect, json_serializer=_dump_json)

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # Python's module begins transactions too late (not before SELECT or CREATE TABLE), so we begin them ourselves.
        connection.isolation_level = None
        pragmas = [f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON"]
        # In write-ahead mode NORMAL survives a killed program whole, and spares a disk flush per commit.
        pragmas += ["query_only = ON"] if read_only else ["journal_mode = WAL", "synchronous = NORMAL"]
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        finally:
            cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(BEGIN_OPTION, "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _make_ready(engine: Engine, path: Path, *, read_only: bool) -> None:
    """Prove that the database can be used, and migrate it when it is not up to date."""
    if read_only:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        return
    with engine.connect().execution_options(**{BEGIN_OPTION: "IMMEDIATE"}) as connection, connection.begin():
        # Looked up again under the write lock: another process may have migrated it since.
        revision = _current_revision(connection, str(path))
        if revision != HEAD:
            _migrate(connection, revision)


def _current_revision(connection: Connection, name: str) -> str | None:
    tables = set(inspect(connection).get_table_names())
    versions: list[str] = []
    if _VERSION_TABLE in tables:
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}")  # noqa: S608 (a constant)
        versions = [str(row[0]) for row in rows]
    return _judge(name, tables, versions)


def _migrate(connection: Connection, revision: str | None) -> None:
    # Imported here, because Alembic takes longer to load than an up-to-date database takes to open.
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


def _retry_while_locked(path: Path, action: Callable[[], Any]) -> Any:
    """Run an action on a database file, and again while another process holds it; name other failures in our words."""
    deadline = time.monotonic() + OPEN_RETRY_S
    while True:
        try:
            return action()
        except (sqlite3.Error, exc.DBAPIError) as error:
            text = str(error.orig) if isinstance(error, exc.DBAPIError) else str(error)
            # Several processes that switch a new file to write-ahead mode at once are refused without any waiting.
            if not _says(text, *_BUSY_WORDS) or time.monotonic() > deadline:
                raise _open_error(path, text) from error
        time.sleep(OPEN_RETRY_PAUSE_S)


def _open_error(path: Path, text: str) -> DatabaseError:
    if _says(text, *_BUSY_WORDS):
        return DatabaseOpenError(f"The database {path} is in use by another program; close that program and try again.")
    if _says(text, "not a database", "malformed"):
        return DatabaseOpenError(
            f"The file {path} is not a healthy SQLite database ({text}); restore a copy or choose another path."
        )
    if _says(text, "readonly", "unable to open"):
        return DatabaseOpenError(
            f"The database {path} cannot be opened or written ({text}); "
            "check the permissions of the file and its folder, or choose another path."
        )
    if "full" in text:
        return DatabaseOpenError(f"The disk of the database {path} is full; free some space or choose another path.")
    return DatabaseOpenError(f"The database {path} cannot be opened ({text}); choose another path.")


def _open_server(url: URL, *, read_only: bool) -> Engine:
    name = url.render_as_string(hide_password=True)
    try:
        engine = create_engine(url, json_serializer=_dump_json, pool_pre_ping=True)
    except (exc.ArgumentError, ImportError) as error:
        raise DatabaseOpenError(
            f"The database {name} needs a driver that is not installed ({error}); install it or use a file."
        ) from error
    try:
        with engine.begin() as connection:
            revision = _current_revision(connection, name)
            if revision != HEAD and read_only:
                raise SchemaVersionError(
                    f"The database {name} has the schema {revision}, expected {HEAD}; open it once for writing."
                )
            if revision != HEAD:
                _migrate(connection, revision)
    except exc.DBAPIError as error:
        engine.dispose()
        raise DatabaseOpenError(
            f"The database {name} cannot be opened ({error.orig}); check the address and the account."
        ) from error
    except BaseException:
        engine.dispose()
        raise
    return engine
