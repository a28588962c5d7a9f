"""Opening a database: find or create it, check that it is ours, bring its schema up to date.

SQLite files are looked at through a read-only connection first, so that a file that is something
else, or of a newer program, is refused untouched. `make_engine` and `make_ready` are the two halves
of `open_database`, for whoever has to go on while a database cannot be used yet.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sqlite3
import time
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import create_engine, event, exc, inspect
from sqlalchemy.engine import URL, make_url

from db.error_classes import BUSY_WORDS, DAMAGE_WORDS, describe, is_damage, is_environment, says
from db.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseOpenError,
    DatabaseUnavailableError,
    SchemaVersionError,
)
from db.migrations import HEAD, REVISIONS
from db.paths import SIDE_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 2000
"""How long SQLite itself waits for another writer; several times the longest commit, well below the close limit."""

OPEN_RETRY_S = 10.0
"""How long opening waits for a database that another process is creating or migrating, unless told otherwise."""

OPEN_RETRY_PAUSE_S = 0.05

BEGIN_OPTION = "sqlite_begin"
"""Execution option of a connection: "IMMEDIATE" takes SQLite's write lock at once, the default "DEFERRED" does not."""

_SQLITE_MAGIC = b"SQLite format 3\x00"
_VERSION_TABLE = "alembic_version"
_OUR_TABLES = frozenset({"sessions", "readings"})
"""Tables by which a database of a newer program is told from somebody else's."""

_OUR_MARKS = re.compile(
    rb"ck_readings_position_ms|ck_plays_outcome|ck_sessions_lost|ix_readings_session_id_at|ck_ads_kind"
)
"""Names that stand in the schema of every database of ours, in several of its pages."""

_LONGEST_MARK = 32

_APPLICATION_ID = slice(68, 72), b"adMo"
"""Where the first page of an SQLite file says which program it belongs to, and what ours says (since schema 0005)."""

_PART_BYTES = 1 << 20

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""What a file system says when it is full, broken, or has made itself read-only."""

_CONNECT_OPTIONS: dict[str, Any] = {
    # A server that does not answer is given up soon: records wait meanwhile, and it is asked again.
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "ad-monitor",
    # The last three are the server's own: a kiosk that loses its power would keep its locks for two
    # hours.
    "options": f"-c lock_timeout={BUSY_TIMEOUT_MS} -c timezone=UTC "
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}
"""Of libpq; what the address itself says takes precedence."""

_MIGRATION_LOCK = 0x61646D6F6E
"""Advisory lock of a server under which one process at a time looks at the schema and changes it."""

_WRONG_ADDRESS_WORDS = (
    "authentication failed",
    "does not exist",
    "pg_hba.conf",
    "invalid",
    "permission denied",
)
"""How a server, or libpq, says that waiting will not help."""


def open_database(url: str, *, read_only: bool = False) -> Engine:
    """Open a database; without `read_only` also create it with its folder, and migrate it, where needed.

    The caller owns the engine and calls `dispose()` on it at the end.

    Args:
        url: A path, `sqlite:///path`, or the SQLAlchemy URL of a server, such as
            `postgresql+psycopg://user@host/name`.
        read_only: Refuse every write; the database must exist and be up to date.

    Raises:
        DatabaseOpenError: It is missing, cannot be created, read or written, or is not one of this
            program.
        SchemaVersionError: Its schema is newer than this program, or older and `read_only` was
            asked for.
    """
    engine = make_engine(url, read_only=read_only)
    try:
        make_ready(engine, read_only=read_only)
    except BaseException:
        engine.dispose()
        raise
    return engine


def make_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine that has not looked at its database yet; see `open_database`.

    Raises:
        DatabaseOpenError: The address cannot be understood, or its driver is missing.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(_sqlite_path(parsed), read_only=read_only)
    return _server_engine(parsed)


def make_ready(engine: Engine, *, read_only: bool = False, patience_s: float | None = None) -> None:
    """Look at the database of an engine, create it and bring it up to date; harmless when repeated.

    Args:
        engine: From `make_engine`.
        read_only: See `open_database`.
        patience_s: How long to try again while another process holds it; default: `OPEN_RETRY_S`.
            Each attempt may itself wait as long as `BUSY_TIMEOUT_MS`.

    Raises:
        DatabaseUnavailableError: It cannot be used now, but perhaps later.
        DatabaseOpenError, SchemaVersionError: See `open_database`.
    """
    patience_s = OPEN_RETRY_S if patience_s is None else patience_s
    path = sqlite_path(engine)
    if path is None:
        _make_server_ready(engine, read_only=read_only, patience_s=patience_s)
    else:
        _make_file_ready(engine, path, read_only=read_only, patience_s=patience_s)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that takes SQLite's write lock at its start: one that found it taken half-way could not go on."""
    with (
        engine.connect().execution_options(**{BEGIN_OPTION: "IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """A connection for whoever can do without the answer.

    Raises:
        DatabaseUnavailableError: The database cannot be read now, or has not been made ready yet.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except exc.DBAPIError as error:
        unmade = says(str(error.orig), "no such table", "does not exist")
        if not (unmade or is_environment(error) or is_damage(error)):
            raise
        raise DatabaseUnavailableError(
            f"The database {engine.url.database} cannot be read now ({describe(error)})."
        ) from error


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


def _dump_json(value: object) -> str:
    """JSON that people can read; half a surrogate pair, from a file name that is no Unicode, becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _parse(url: str) -> URL:
    if not url:
        raise DatabaseOpenError(
            "Invalid database: expected a path or a database URL, received an empty text."
        )
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise DatabaseOpenError(
            f"Invalid database URL: expected a path, sqlite:///PATH or postgresql+psycopg://…, received {url!r}."
        ) from error
    # As psql writes it; SQLAlchemy would look for a driver that is not ours.
    return (
        parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername in {"postgresql", "postgres"}
        else parsed
    )


def _sqlite_path(url: URL) -> Path:
    database = url.database or ""
    if database in {"", ":memory:"} or database.startswith("file:"):
        raise DatabaseOpenError(
            f"Invalid database: expected the path of a file that outlives the program, received {str(url)!r}."
        )
    # Absolute, so that a later change of the working folder does not move the database.
    return Path(os.path.abspath(Path(database).expanduser()))  # noqa: PTH100 (resolve() would follow links)


def _make_file_ready(engine: Engine, path: Path, *, read_only: bool, patience_s: float) -> None:
    _prepare_place(path, read_only=read_only)
    revision = _retry_while_locked(path, partial(_inspect_file, path), patience_s)
    if read_only and revision != HEAD:
        if revision is None:
            raise DatabaseOpenError(f"The database {path} holds no sessions yet; record one first.")
        raise SchemaVersionError(
            f"The database {path} has the older schema {revision}, expected {HEAD}; "
            "open it once for writing (start a run) to bring it up to date."
        )
    _retry_while_locked(
        path, partial(_bring_up_to_date, engine, path, read_only=read_only), patience_s
    )


def _prepare_place(path: Path, *, read_only: bool) -> None:
    """Check what the file system can tell, and create the folder of a new database."""
    try:
        if path.is_dir():
            raise DatabaseOpenError(
                f"The database {path} is a folder; give the path of a file, such as {path / 'ads.db'}."
            )
        exists = path.exists()
        if exists and not path.is_file():
            raise DatabaseOpenError(
                f"The database {path} is not a regular file; give the path of one."
            )
        if not exists and read_only:
            raise DatabaseOpenError(
                f"There is no database {path}; record a session first, or check the path."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _kind(passes=error.errno in _PASSING)(
            f"The folder of the database {path} cannot be used ({error.strerror}); choose another path."
        ) from error
    if read_only:
        return
    # A file system turns read-only by itself when its disk fails; a permission is somebody's
    # decision.
    kind = _kind(passes=_is_read_only(path.parent))
    if exists and not os.access(path, os.W_OK):
        raise kind(f"The database {path} is read-only; make it writable or choose another path.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise kind(
            f"The folder {path.parent} of the database is not writable; change its permissions or choose another path."
        )


def _inspect_file(path: Path) -> str | None:
    """The schema revision of a file, without writing to it; `None` when it is missing or still empty.

    Raises:
        DatabaseUnavailableError: The disk fails, for now.
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
        raise _kind(passes=error.errno in _PASSING)(
            f"The database {path} cannot be read ({error.strerror}); choose another path."
        ) from error
    if magic != _SQLITE_MAGIC:
        if once_ours(path):
            raise _damaged(path, "its first bytes are not those of a database")
        raise DatabaseOpenError(f"The file {path} is not an SQLite database; choose another path.")
    # Reading in write-ahead mode makes files beside the database, and a reader that may not write
    # leaves them there. Where no write is under way, it is read as a file that does not change; if
    # one began meanwhile, once more.
    quiet = _is_quiet(path)
    tables, versions = _read_versions(path, "mode=ro&immutable=1" if quiet else "mode=ro")
    if quiet and not _is_quiet(path):
        tables, versions = _read_versions(path, "mode=ro")
    return _judge(str(path), tables, versions)


def once_ours(path: Path) -> bool:
    """Whether a file that cannot be read as a database was one of this program.

    It is marked as ours, or still holds our schema somewhere, or begins with nothing but zeros,
    which is what some file systems leave after a power cut.
    """
    try:
        with path.open("rb") as file:
            part = file.read(_PART_BYTES)
            place, mark = _APPLICATION_ID
            if not part.strip(b"\0") or part[place] == mark:
                return True
            # The whole file: the schema of a large one that was migrated may be anywhere in it.
            before = b""
            while part:
                if _OUR_MARKS.search(before + part):
                    return True
                before, part = part[-_LONGEST_MARK:], file.read(_PART_BYTES)
    except OSError:
        return False
    return False


def is_ours(path: Path) -> bool:
    """Whether a file is a database of this program, of any version, healthy or not."""
    try:
        _inspect_file(path)
    except (SchemaVersionError, DatabaseDamagedError):
        return True
    except DatabaseOpenError:
        return False
    except sqlite3.Error:
        return once_ours(path)
    return True


def _damaged(path: Path, text: str) -> DatabaseDamagedError:
    return DatabaseDamagedError(
        f"The database {path} is damaged ({text}); restore a backup, or save what can be read with "
        f"`sqlite3 {path} .recover | sqlite3 rescued.db` (a run sets the file aside and begins a new one)."
    )


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
        f"file:{quote(str(path))}?{how}",
        uri=True,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_MS / 1000,
    )


def _sqlite_engine(path: Path, *, read_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        if not read_only:
            return _connect_uri(path, "mode=rwc")
        # In a folder that cannot be written nobody else writes either. Elsewhere a reader takes
        # part in write-ahead mode, and tidies up at the end if it is the last; `query_only` keeps
        # it from writing.
        frozen = not os.access(path.parent, os.W_OK) and _is_quiet(path)
        return _connect_uri(path, "mode=ro&immutable=1" if frozen else "mode=rw")

    engine = create_engine(
        URL.create("sqlite", database=str(path)), creator=connect, json_serializer=_dump_json
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # Python's module begins transactions too late (not before SELECT or CREATE TABLE), so we
        # begin them ourselves.
        connection.isolation_level = None
        pragmas = [f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON"]
        # In write-ahead mode NORMAL would survive a killed program, but a power cut takes all
        # commits since the last checkpoint. FULL flushes at every commit: some milliseconds, twice
        # a second.
        durable = ["journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"]
        pragmas += ["query_only = ON"] if read_only else durable
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


def _bring_up_to_date(engine: Engine, path: Path, *, read_only: bool) -> None:
    """Prove that the database can be used, and migrate it when it is not up to date."""
    if read_only:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        return
    with (
        engine.connect().execution_options(**{BEGIN_OPTION: "IMMEDIATE"}) as connection,
        connection.begin(),
    ):
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


def _retry_while_locked(path: Path, action: Callable[[], Any], patience_s: float) -> Any:
    """Run an action on a database file, and again while another process holds it; name other failures in our words."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return action()
        except (sqlite3.Error, exc.DBAPIError) as error:
            text = str(error.orig) if isinstance(error, exc.DBAPIError) else str(error)
            # Several processes that switch a new file to write-ahead mode at once are refused
            # without any waiting.
            if not says(text, *BUSY_WORDS) or time.monotonic() > deadline:
                raise _open_error(path, text) from error
        time.sleep(OPEN_RETRY_PAUSE_S)


def _open_error(path: Path, text: str) -> DatabaseError:
    if says(text, *BUSY_WORDS):
        return DatabaseUnavailableError(
            f"The database {path} is in use by another program; close that program and try again."
        )
    if says(text, *DAMAGE_WORDS):
        if once_ours(path):
            return _damaged(path, text)
        return DatabaseOpenError(
            f"The file {path} is not a healthy SQLite database ({text}); restore a copy or choose another path."
        )
    if says(text, "readonly", "unable to open"):
        return _kind(passes=_fails_for_now(path))(
            f"The database {path} cannot be opened or written ({text}); "
            "check the permissions of the file and its folder, or choose another path."
        )
    if "full" in text:
        return DatabaseUnavailableError(
            f"The disk of the database {path} is full; free some space or choose another path."
        )
    return _kind(passes="disk I/O" in text)(
        f"The database {path} cannot be opened ({text}); choose another path."
    )


def _kind(*, passes: bool) -> type[DatabaseOpenError]:
    return DatabaseUnavailableError if passes else DatabaseOpenError


def _is_read_only(folder: Path) -> bool:
    """Whether the file system of a folder is, or is too broken to say."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError as error:
        return error.errno in _PASSING


def _fails_for_now(path: Path) -> bool:
    """Whether it is the disk that keeps SQLite, which does not say why, from opening a file; asked of the file system."""
    if _is_read_only(path.parent):
        return True
    try:
        for suffix in ("", *SIDE_FILES):
            file = path.with_name(path.name + suffix)
            if file.exists():
                with file.open("rb") as opened:
                    opened.read(1)
        with TemporaryFile(dir=path.parent):
            return False
    except OSError as error:
        return error.errno in _PASSING


def _server_engine(url: URL) -> Engine:
    options = {}
    if url.get_backend_name() == "postgresql":
        options = {key: value for key, value in _CONNECT_OPTIONS.items() if key not in url.query}
    try:
        return create_engine(
            url, json_serializer=_dump_json, pool_pre_ping=True, connect_args=options
        )
    except (exc.ArgumentError, ImportError) as error:
        raise DatabaseOpenError(
            f"The database {_shown(url)} needs a driver that is not installed ({error}); install it "
            "(`pip install ad-reaction-monitor[postgresql]` for PostgreSQL) or use a file."
        ) from error


def _make_server_ready(engine: Engine, *, read_only: bool, patience_s: float) -> None:
    name = _shown(engine.url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql" and not read_only:
                # Whoever comes second waits for the first to create or migrate, and then finds
                # nothing left to do.
                wait_ms = max(BUSY_TIMEOUT_MS, round(1000 * patience_s))
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{wait_ms}ms'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            revision = _current_revision(connection, name)
            if revision is None and read_only:
                raise DatabaseOpenError(
                    f"The database {name} holds no sessions yet; record one first."
                )
            if revision != HEAD and read_only:
                raise SchemaVersionError(
                    f"The database {name} has the schema {revision}, expected {HEAD}; open it once for writing."
                )
            if revision != HEAD:
                _migrate(connection, revision)
    except exc.DBAPIError as error:
        hopeless = says(str(error.orig), *_WRONG_ADDRESS_WORDS) or not isinstance(
            error, exc.OperationalError
        )
        kind = DatabaseOpenError if hopeless else DatabaseUnavailableError
        raise kind(
            f"The database {name} cannot be opened ({describe(error)}); check the address and the account."
        ) from error


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
