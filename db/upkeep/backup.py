"""Backups of a database file, made while it is in use, and verified before they count."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from sqlalchemy import exc

from db.error_classes import describe, is_damage
from db.errors import BackupError, BackupSourceError, BackupTargetError, DatabaseOpenError
from db.paths import SIDE_FILES, sync
from db.sqlite_file import is_ours, sqlite_engine
from db.upkeep.quarantine import identity
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGES_AT_A_TIME = 1000
"""Pages copied in one step, about 4 MB; all steps see the database as it was at the first."""

UNFINISHED = ".part"
"""Suffix of a copy that is not complete."""

_STAMP = "%Y%m%dT%H%M%SZ"
_OLD_STAMP = "%Y%m%dT%H%MZ"

Kind: TypeAlias = Literal["backup", "before-upgrade"]
"""What a backup was made for; those before an upgrade stay until a person deletes them."""


def back_up(
    database: Path,
    target: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    kind: Kind = "backup",
) -> int:
    """Copy a database as it is at one moment, without delaying its writer.

    The copy is made under another name and verified before it takes its name, so that the backup
    before it stays until then. Remains of a killed backup of its kind are deleted first.

    Args:
        database: The file to copy.
        target: The copy; replaces a backup of that name, but no other file.
        progress: Called with the numbers of copied and of all pages.
        kind: What it is made for.

    Returns:
        The size of the copy in bytes.

    Raises:
        BackupTargetError: Another file has that name.
        BackupSourceError: The database is damaged.
        DatabaseOpenError: It never was a database of this program.
        BackupError: The backup failed.
    """
    _check_target(database, target)
    unfinished, is_mine = unfinished_name(target), False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _being_made(database, target.parent, kind) as is_alone:
            if is_alone:
                _remove(unfinished)
            elif unfinished.exists():
                raise BackupError(
                    f"Another backup to {target} is under way: wait for it, or delete {unfinished} "
                    "if there is none."
                )
            # Whoever may not read the database may not read its copy, from the first byte on.
            os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            is_mine = True
            _copy(database, unfinished, progress)
            _verify(unfinished, database)
            shutil.copymode(database, unfinished)
            sync(unfinished)
            unfinished.replace(target)
        sync(target.parent)
        return target.stat().st_size
    except (sqlite3.Error, exc.DBAPIError) as error:
        text = describe(error)
        if is_damage(error) and not is_ours(database):
            raise DatabaseOpenError(
                lazy(
                    "The file %(database)s is no database of this program: name one with --db.",
                    database=database,
                )
            ) from error
        if is_damage(error):
            raise _damaged(database, text) from error
        raise BackupError(
            lazy(
                "The backup %(path)s cannot be made (%(why)s); check the disk and the permissions.",
                path=target,
                why=text,
            )
        ) from error
    except OSError as error:
        raise BackupError(
            f"The backup {target} cannot be written ({error.strerror}); free some space or choose "
            "another place."
        ) from error
    finally:
        with suppress(OSError):
            if is_mine:
                _remove(unfinished)


def made_name(
    database: Path, folder: Path, now: datetime | None = None, *, kind: Kind = "backup"
) -> Path:
    """Return the name of a new backup in a folder: `kiosk-backup-20260301T093015Z.db`.

    The name is free: a second backup within one second gets the name of the next second.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    while True:
        path = folder / f"{database.stem}-{kind}-{at.strftime(_STAMP)}{database.suffix}"
        if not os.path.lexists(path):
            return path
        at += timedelta(seconds=1)


def unfinished_name(target: Path) -> Path:
    """Return the name of a backup that is not complete; the next of its kind deletes it."""
    return target.with_name(f".{target.name}{UNFINISHED}")


def made_backups(database: Path, folder: Path, *, kind: Kind = "backup") -> list[Path]:
    """Return the backups of a database in a folder that `made_name` has named, oldest first."""
    return _named(folder, f"{database.stem}-{kind}-", (database.suffix,))


def unfinished_backups(database: Path, folder: Path, *, kind: Kind = "backup") -> list[Path]:
    """Return the incomplete backups in a folder, under way or left by a killed program."""
    ends = tuple(f"{database.suffix}{UNFINISHED}{suffix}" for suffix in (*SIDE_FILES, ""))
    return _named(folder, f".{database.stem}-{kind}-", ends)


def _named(folder: Path, begin: str, ends: tuple[str, ...]) -> list[Path]:
    """The files with a time between the beginning and one of the ends of their names."""
    found: list[tuple[datetime, Path]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        end = next((end for end in ends if path.name.endswith(end)), None)
        if end is None or not path.name.startswith(begin):
            continue
        stamp = path.name[len(begin) : len(path.name) - len(end)]
        # Earlier versions named the minute only.
        form = _OLD_STAMP if len(stamp) == len("20260301T0930Z") else _STAMP
        with suppress(ValueError):
            found.append((datetime.strptime(stamp, form), path))  # noqa: DTZ007 (all in UTC)
    return [path for _, path in sorted(found)]


def delete_oldest(database: Path, folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest `keep` backups (at least 1) in a folder; return the deleted ones.

    Raises:
        BackupError: One of them cannot be deleted.
    """
    if keep < 1:
        raise ValueError(
            f"Invalid number of backups to keep: expected at least 1, received {keep}."
        )
    surplus = made_backups(database, folder)[:-keep]
    try:
        for path in surplus:
            path.unlink()
    except OSError as error:
        raise BackupError(
            f"The old backup {path} cannot be deleted ({error.strerror}); delete it by hand."
        ) from error
    return surplus


def _check_target(database: Path, target: Path) -> None:
    if not database.is_file():
        raise BackupError(f"There is no database {database} to back up; name it with --db.")
    if identity(target) is None:
        return
    if identity(target) == identity(database):
        raise BackupTargetError(
            f"The backup {target} would take the place of the database itself; choose another name."
        )
    if not target.is_file() or not is_ours(target):
        raise BackupTargetError(
            f"The file {target} is no backup of such a database and stays; choose another name."
        )


@contextmanager
def _being_made(database: Path, folder: Path, kind: Kind) -> Iterator[bool]:
    """Delete remains of killed backups in a folder, and keep others from doing so meanwhile.

    Yields whether no other backup into the folder is under way, as far as is known.

    The lock is on the folder, as SQLite locks the copy itself. Without locks in the file system the
    remains stay: they may be another backup under way.
    """
    descriptor, is_alone = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), False
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
            for path in unfinished_backups(database, folder, kind=kind):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield is_alone
    finally:
        os.close(descriptor)


def _copy(database: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    def step(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    # Opened as every reader does, so that no side files are left.
    engine = sqlite_engine(database, read_only=True)
    try:
        with (
            engine.connect() as connection,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # In a transaction all steps see the same moment; without, every write of a kiosk would
            # restart the copy.
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
            source = cast("sqlite3.Connection", connection.connection.driver_connection)
            source.backup(copy, pages=PAGES_AT_A_TIME, progress=step, sleep=0)
    finally:
        engine.dispose()


def _verify(copy: Path, database: Path) -> None:
    """Make the copy a single file, and prove that it is complete."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if found != ["ok"]:
        raise _damaged(database, "; ".join(found[:3]))
    if broken is not None:
        raise _damaged(database, f"a row of {broken[0]} belongs to none of {broken[2]}")


def _damaged(database: Path, text: str) -> BackupSourceError:
    return BackupSourceError(
        f"The database {database} is damaged ({text}), and no backup was made; keep the last one, "
        f"and save what can be read with `sqlite3 {database} .recover | sqlite3 rescued.db`."
    )


def _remove(path: Path) -> None:
    for suffix in ("", *SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
