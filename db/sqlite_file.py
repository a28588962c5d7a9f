"""A database in an SQLite file: recognise, open and migrate it, and explain what is wrong.

A file is checked through a read-only connection first, so that another program's file, or one of a
newer version, is refused untouched.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import create_engine, event, exc
from sqlalchemy.engine import URL

from db import migrations
from db.error_classes import BUSY_WORDS, DAMAGE_WORDS, says
from db.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseOpenError,
    DatabaseUnavailableError,
    SchemaVersionError,
)
from db.paths import SIDE_FILES
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 2000
"""Wait for another writer; several times the longest commit, well below the close limit."""

BEGIN_OPTION = "sqlite_begin"
"""Execution option: "IMMEDIATE" takes the write lock at once, the default "DEFERRED" does not."""

_OUR_NAMES = re.compile(
    rb"ck_readings_position_ms|ck_plays_outcome|ck_sessions_lost|ix_readings_session_id_at"
    rb"|ck_ads_kind"
)
"""Names in the schema of every database of this program, on several pages; up to 32 bytes."""

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""Errors of a file system that is full, broken, or has made itself read-only."""


def dump_json(value: object) -> str:
    """Write readable JSON; half a surrogate pair, from a file name, becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def make_private(path: Path) -> None:
    """Make an empty database that only this user can read, unless there is one.

    SQLite gives the files beside it the same mode. What is wrong is left to be told when the
    database is opened.
    """
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def sqlite_engine(path: Path, *, read_only: bool) -> Engine:
    """Make an engine for a file, without opening it."""

    def connect() -> sqlite3.Connection:
        if not read_only:
            return _connect(path, "mode=rwc")
        # In a folder that cannot be written nobody else writes either. Elsewhere a reader takes
        # part in write-ahead mode and tidies up if it is the last; `query_only` keeps it from
        # writing.
        frozen = not os.access(path.parent, os.W_OK) and _is_quiet(path)
        return _connect(path, "mode=ro&immutable=1" if frozen else "mode=rw")

    engine = create_engine(
        URL.create("sqlite", database=str(path)), creator=connect, json_serializer=dump_json
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # Python's module begins transactions too late (not before SELECT or CREATE TABLE), so they
        # are begun explicitly.
        connection.isolation_level = None
        pragmas = [f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON"]
        # With NORMAL a power cut takes all commits since the last checkpoint. FULL flushes at every
        # commit: some milliseconds, twice a second.
        durable = ["journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"]
        pragmas += ["query_only = ON"] if read_only else durable
        with closing(connection.cursor()) as cursor:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(BEGIN_OPTION, "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def make_file_ready(
    engine: Engine,
    path: Path,
    *,
    read_only: bool,
    patience_s: float,
    alone: bool,
    keeping_copy: Callable[[Path, str], AbstractContextManager[Path]],
) -> str | None:
    """Check a file, create it and bring it up to date; see `db.engine.make_ready`.

    `keeping_copy` is called with the path and the revision of an older database, while no other
    program can write it, and entered while it is changed; it gives the path of a copy. The copy is
    deleted if the database stays as it was.
    """
    _prepare_folder(path, read_only=read_only)
    inspect = partial(_inspect_file, path)
    revision: str | None = _retry_while_locked(path, inspect, patience_s)
    if read_only:
        migrations.require_head(revision, str(path))
        _retry_while_locked(path, partial(_prove_readable, engine), patience_s)
    else:
        if alone and revision not in {None, migrations.HEAD}:
            _retry_while_locked(path, partial(_prove_closed_elsewhere, path), patience_s)
        action = partial(_bring_up_to_date, engine, path, keeping_copy)
        _retry_while_locked(path, action, patience_s)
    return revision


def check_file(path: Path) -> None:
    """Refuse a file that `make_file_ready` refuses, without writing; it need not exist."""
    _prepare_folder(path, read_only=False, create=False)
    # A file that cannot be read now may be locked.
    with suppress(sqlite3.Error):
        _inspect_file(path)


def is_ours(path: Path) -> bool:
    """Whether a file is a database of this program, of any version, healthy or not."""
    try:
        _inspect_file(path)
    except (SchemaVersionError, DatabaseDamagedError):
        return True
    except DatabaseOpenError:
        return False
    except sqlite3.Error:
        return _was_ours(path)
    return True


def _prepare_folder(path: Path, *, read_only: bool, create: bool = True) -> None:
    """Check what the file system can tell, and create the folder of a new database."""
    try:
        if path.is_dir():
            raise DatabaseOpenError(
                lazy(
                    "The database %(path)s is a folder; give the path of a file, such as "
                    "%(example)s.",
                    path=path,
                    example=path / "ads.db",
                )
            )
        exists = path.exists()
        if exists and not path.is_file():
            raise DatabaseOpenError(
                lazy(
                    "The database %(path)s is not a regular file; give the path of one.", path=path
                )
            )
        if not exists and read_only:
            raise DatabaseOpenError(
                lazy(
                    "There is no database %(path)s; record a session first, or check the path.",
                    path=path,
                )
            )
        _refuse_to_create(path.absolute().parent)
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _open_error(error.errno in _PASSING)(
            lazy(
                "The folder of the database %(path)s cannot be used (%(why)s); choose "
                "another path.",
                path=path,
                why=error.strerror,
            )
        ) from error
    if read_only or not path.parent.exists():
        return
    # A file system turns read-only by itself when its disk fails; a permission is set by somebody.
    kind = _open_error(_is_read_only(path.parent))
    if exists and not os.access(path, os.W_OK):
        raise kind(
            lazy(
                "The database %(path)s is read-only; make it writable or choose another path.",
                path=path,
            )
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise kind(
            lazy(
                "The folder %(folder)s of the database is not writable; change its "
                "permissions or choose another path.",
                folder=path.parent,
            )
        )


def _refuse_to_create(folder: Path) -> None:
    """Raise the error with which creating a folder, or a file in it, would fail."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if there != folder and not os.access(there, os.W_OK | os.X_OK):
        code = errno.EROFS if _is_read_only(there) else errno.EACCES
        raise OSError(code, os.strerror(code), str(folder))


def _inspect_file(path: Path) -> str | None:
    """Return the schema revision of a file, without writing; `None` if missing or empty.

    It raises a DatabaseError where the file is not ours, newer, or on a failing disk, and
    sqlite3.Error where it cannot be read.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            return None
        with path.open("rb") as file:
            magic = file.read(16)
    except OSError as error:
        raise _open_error(error.errno in _PASSING)(
            lazy(
                "The database %(path)s cannot be read (%(why)s); choose another path.",
                path=path,
                why=error.strerror,
            )
        ) from error
    if magic != b"SQLite format 3\x00":
        if _was_ours(path):
            raise _damaged(path, lazy("its first bytes are not those of a database"))
        raise DatabaseOpenError(
            lazy("The file %(path)s is not an SQLite database; choose another path.", path=path)
        )
    quiet = _is_quiet(path)
    tables, versions = _read_versions(path)
    if quiet and not _is_quiet(path):
        # A write began meanwhile.
        tables, versions = _read_versions(path)
    return migrations.identify(str(path), tables, versions)


def _was_ours(path: Path) -> bool:
    """Whether a file that cannot be read as a database was one of this program.

    It is marked as such, or still holds our schema somewhere, or begins with nothing but zeros,
    which some file systems leave after a power cut.
    """
    with suppress(OSError), path.open("rb") as file:
        part = file.read(1 << 20)
        # Bytes 68 to 71 name the program that a file belongs to; ours is set since schema 0005.
        if not part.strip(b"\0") or part[68:72] == b"adMo":
            return True
        # The schema of a large file that was migrated may be anywhere in it. A name may lie across
        # two parts.
        before = b""
        while part:
            if _OUR_NAMES.search(before + part):
                return True
            before, part = part[-32:], file.read(1 << 20)
    return False


def _damaged(path: Path, text: str) -> DatabaseDamagedError:
    return DatabaseDamagedError(
        lazy(
            "The database %(path)s is damaged (%(why)s); restore a backup, or save "
            "what can be read with `sqlite3 %(path)s .recover | sqlite3 rescued.db` "
            "(a run sets the file aside and begins a new one).",
            path=path,
            why=text,
        )
    )


def _is_quiet(path: Path) -> bool:
    """Whether all of a database is in its main file."""
    for suffix in ("-wal", "-journal"):
        with suppress(OSError):
            if path.with_name(path.name + suffix).stat().st_size:
                return False
    return True


def connect_to_look(path: Path) -> sqlite3.Connection:
    """Open a file for a look into it; SQLite's errors pass."""
    # A reader in write-ahead mode may leave files beside the database. So a file that nobody is
    # writing is read as one that does not change.
    return _connect(path, "mode=ro&immutable=1" if _is_quiet(path) else "mode=ro")


def _read_versions(path: Path) -> tuple[set[str], list[str]]:
    """Return the names of all tables, and the rows of the version table."""
    with closing(connect_to_look(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in rows if not name.startswith("sqlite_")}
        if migrations.VERSION_TABLE not in tables:
            return tables, []
        rows = connection.execute(f"SELECT * FROM {migrations.VERSION_TABLE}")  # noqa: S608 (a constant)
        return tables, [str(row[0]) for row in rows]


def _connect(path: Path, how: str) -> sqlite3.Connection:
    # The pool lends a connection to one thread at a time, so the module's own check is not needed.
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{how}",
        uri=True,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_MS / 1000,
    )


def _prove_readable(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")


def _prove_closed_elsewhere(path: Path) -> None:
    """Lock a file as a whole, which fails while another process has it open, even if idle."""
    with closing(_connect(path, "mode=rw")) as connection:
        connection.isolation_level = None
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")


def _bring_up_to_date(
    engine: Engine, path: Path, keeping_copy: Callable[[Path, str], AbstractContextManager[Path]]
) -> None:
    """Prove that the database can be written, and migrate it if it is not up to date."""
    options = {BEGIN_OPTION: "IMMEDIATE"}
    revision: str | None = None
    copy: Path | None = None
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            # Read again under the write lock: another process may have migrated it since.
            revision = migrations.current_revision(connection, str(path))
            if revision is None:
                migrations.upgrade(connection, revision)
            elif revision != migrations.HEAD:
                with keeping_copy(path, revision) as copy:
                    migrations.upgrade(connection, revision)
    except BaseException:
        # A kiosk tries again and again, and every copy takes room that may be what is missing.
        with suppress(OSError, sqlite3.Error, DatabaseError):
            if copy is not None and _inspect_file(path) == revision:
                copy.unlink(missing_ok=True)
        raise
    if copy is not None:
        logger.warning(
            "The database %s of an older version (schema %s) was brought up to date. As it was, it "
            "stays in %s: delete that file once all is well.",
            path,
            revision,
            copy,
        )


def _retry_while_locked(path: Path, action: Callable[[], Any], patience_s: float) -> Any:
    """Run an action on a file, and again while another process holds it; explain other failures."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return action()
        except (sqlite3.Error, exc.DBAPIError) as error:
            text = str(error.orig) if isinstance(error, exc.DBAPIError) else str(error)
            # Several processes that switch a new file to write-ahead mode at once are refused
            # without any waiting.
            if not says(text, *BUSY_WORDS) or time.monotonic() > deadline:
                raise _explain(path, text) from error
        time.sleep(0.05)


def _in_use(path: Path) -> DatabaseUnavailableError:
    users = ", ".join(map(str, _processes_with(path)))
    if not users:
        return DatabaseUnavailableError(
            lazy(
                "The database %(path)s is in use by another program; close that program and try "
                "again.",
                path=path,
            )
        )
    return DatabaseUnavailableError(
        lazy(
            "The database %(path)s is in use by another program (process %(users)s); close that "
            "program and try again.",
            path=path,
            users=users,
        )
    )


def _explain(path: Path, text: str) -> DatabaseError:
    """Turn a message of SQLite, which is always English, into an error that says what to do."""
    if says(text, *BUSY_WORDS):
        return _in_use(path)
    if says(text, *DAMAGE_WORDS):
        if _was_ours(path):
            return _damaged(path, text)
        return DatabaseOpenError(
            lazy(
                "The file %(path)s is not a healthy SQLite database (%(why)s); restore a "
                "copy or choose another path.",
                path=path,
                why=text,
            )
        )
    if says(text, "readonly", "unable to open"):
        return _open_error(_fails_for_now(path))(
            lazy(
                "The database %(path)s cannot be opened or written (%(why)s); check the "
                "permissions of the file and its folder, or choose another path.",
                path=path,
                why=text,
            )
        )
    if "full" in text:
        return DatabaseUnavailableError(
            lazy(
                "The disk of the database %(path)s is full; free some space or choose "
                "another path.",
                path=path,
            )
        )
    return _open_error("disk I/O" in text)(
        lazy(
            "The database %(path)s cannot be opened (%(why)s); choose another path.",
            path=path,
            why=text,
        )
    )


def _processes_with(path: Path) -> list[int]:
    """Return the other processes of this user, or for root of everyone, that have a file open."""
    name, found = os.path.realpath(path), set()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # readlink() cannot hang on a dead disk, as stat() can.
            if os.readlink(opened) == name:  # noqa: PTH115 (also of names that are no paths)
                found.add(int(opened.parts[2]))
    return sorted(found - {os.getpid()})


def _open_error(passes: bool) -> type[DatabaseOpenError]:
    return DatabaseUnavailableError if passes else DatabaseOpenError


def _is_read_only(folder: Path) -> bool:
    """Whether the file system of a folder is read-only, or too broken to say."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError as error:
        return error.errno in _PASSING


def _fails_for_now(path: Path) -> bool:
    """Whether the disk keeps SQLite, which does not say why, from opening a file."""
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
