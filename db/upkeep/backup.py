"""Copies of a database in a file, made while it is in use, and looked through before they count."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from sqlalchemy import exc

from db.engine import make_engine
from db.error_classes import describe, is_damage
from db.errors import BackupError, BackupTargetError
from db.paths import SIDE_FILES, sync_folder
from db.sqlite_file import is_ours
from db.upkeep.quarantine import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGES_AT_A_TIME = 1000
"""Copied in one step: about 4 MB. All steps see the database as it was at the first one."""

PROBLEMS_SHOWN = 3

UNFINISHED = ".part"
"""Ends the name of a copy that is not whole yet."""


def back_up(
    database: Path, target: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Copy a database as it is at one moment; whoever is writing it is not held up.

    The copy is made under another name, looked through, and only then takes its name: a backup that
    was there before is there until the new one is whole. What a backup has left that was killed is
    deleted first.

    Args:
        database: The file to copy.
        target: The copy; a backup of that name is replaced, any other file is not.
        progress: Called with the number of pages copied, and of all.

    Returns:
        The size of the copy in bytes.

    Raises:
        BackupTargetError: There is another file of that name, which stays.
        BackupError: It could not be made, or the database is damaged.
    """
    _check_target(database, target)
    unfinished = target.with_name(f".{target.name}{UNFINISHED}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _being_made(database, target.parent):
            _remove(unfinished)
            _copy(database, unfinished, progress)
            _look_through(unfinished, database)
            _sync_file(unfinished)
            unfinished.replace(target)
        sync_folder(target.parent)
        return target.stat().st_size
    except (sqlite3.Error, exc.DBAPIError) as error:
        raise _failed(database, target, error) from error
    except OSError as error:
        raise BackupError(
            f"The backup {target} cannot be written ({error.strerror}); free some space or choose another place."
        ) from error
    finally:
        with suppress(OSError):
            _remove(unfinished)


def made_name(database: Path, folder: Path, now: datetime | None = None) -> Path:
    """The name of a backup in a folder: `kiosk-backup-20260301T0930Z.db`."""
    stamp = (now or datetime.now(timezone.utc)).astimezone(timezone.utc).strftime("%Y%m%dT%H%MZ")
    return folder / f"{database.stem}-backup-{stamp}{database.suffix}"


def made_backups(database: Path, folder: Path) -> list[Path]:
    """The backups of a database in a folder that `made_name` has named, the oldest first."""
    if not folder.is_dir():
        return []
    begin = f"{database.stem}-backup-"
    names = [
        path
        for path in folder.iterdir()
        if path.name.startswith(begin) and path.suffix == database.suffix
    ]
    return sorted(path for path in names if _is_stamp(path.stem.removeprefix(begin)))


def unfinished_backups(database: Path, folder: Path) -> list[Path]:
    """What is in a folder of backups that `made_name` has named and that are being made, or never were to the end."""
    if not folder.is_dir():
        return []
    ends = tuple(f"{database.suffix}{UNFINISHED}{suffix}" for suffix in ("", *SIDE_FILES))
    begin = f".{database.stem}-backup-"
    found = []
    for path in folder.iterdir():
        end = next((end for end in ends if path.name.endswith(end)), None)
        if (
            end is not None
            and path.name.startswith(begin)
            and _is_stamp(path.name[len(begin) : -len(end)])
        ):
            found.append(path)
    return sorted(found)


def delete_oldest(database: Path, folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest backups that `made_name` has named.

    Args:
        database: What they are backups of.
        folder: Where they are.
        keep: How many stay, at least 1.

    Returns:
        Those that were deleted.

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
            f"An old backup cannot be deleted ({error}); delete it by hand."
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
def _being_made(database: Path, folder: Path) -> Iterator[None]:
    """Delete what killed backups have left in a folder, and keep others from doing so meanwhile.

    The folder itself is locked, because SQLite has locks of its own on the copy. The kernel drops
    the lock with the process. A file system without locks keeps what is left: it may be what
    another backup is making.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in unfinished_backups(database, folder):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _copy(database: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    def step(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    # Opened as every reader does, so that no files are left beside a database that nobody is
    # writing.
    engine = make_engine(str(database), read_only=True)
    try:
        with (
            engine.connect() as connection,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # Within a transaction all steps see the same moment; outside, a kiosk that writes twice
            # a second would have them begin again and again.
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
            source = cast("sqlite3.Connection", connection.connection.driver_connection)
            source.backup(copy, pages=PAGES_AT_A_TIME, progress=step, sleep=0)
    finally:
        engine.dispose()


def _look_through(copy: Path, database: Path) -> None:
    """Make one whole file of the copy, and prove that it is."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if found != ["ok"]:
        raise _damaged(database, "; ".join(found[:PROBLEMS_SHOWN]))
    if broken is not None:
        raise _damaged(database, f"a row of {broken[0]} belongs to none of {broken[2]}")


def _failed(database: Path, target: Path, error: Exception) -> BackupError:
    text = describe(error)
    if is_damage(error):
        return _damaged(database, text)
    return BackupError(
        f"The backup {target} cannot be made ({text}); check the disk and the permissions."
    )


def _damaged(database: Path, text: str) -> BackupError:
    return BackupError(
        f"The database {database} is damaged ({text}), and no backup was made of it; keep the last one, and save what "
        f"can be read with `sqlite3 {database} .recover | sqlite3 rescued.db`."
    )


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for suffix in ("", *SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _is_stamp(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%dT%H%MZ")  # noqa: DTZ007 (only whether it is one)
    except ValueError:
        return False
    return True
