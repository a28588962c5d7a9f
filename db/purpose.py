"""Tell the database of a kiosk from that of a hub, which must not be mixed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from db.errors import DatabaseOpenError
from detector.texts import lazy

if TYPE_CHECKING:
    from pathlib import Path


def refuse_kiosk_database(path: Path | None) -> None:
    """Refuse a kiosk's database for a hub: sessions in it, but neither account nor screen.

    Args:
        path: Of an SQLite file; `None`, one that is missing and one that cannot be read pass.

    Raises:
        DatabaseOpenError: It is a kiosk's.
    """
    if path is None or _has_rows(path, "users") or _has_rows(path, "screens"):
        return
    if _has_rows(path, "sessions"):
        raise DatabaseOpenError(
            lazy(
                "%(path)s is the database of a kiosk, with its sessions: expected one of its own "
                "for the hub. Name another file with --db, or unset AD_MONITOR_DB to use hub.db in "
                "your data folder.",
                path=path,
            )
        )


def refuse_hub_database(path: Path | None) -> None:
    """Refuse a hub's database for a kiosk: there are accounts in it.

    Args:
        path: As of `refuse_kiosk_database`.

    Raises:
        DatabaseOpenError: It is a hub's.
    """
    if path is not None and _has_rows(path, "users"):
        raise DatabaseOpenError(
            lazy(
                "%(path)s is the database of a hub, with its accounts: expected one of its own for "
                "the kiosk. Name another file with --db, or unset AD_MONITOR_DB to use monitor.db "
                "in your data folder.",
                path=path,
            )
        )


def _has_rows(path: Path, table: str) -> bool:
    """Return whether a table has rows; false without waiting if that cannot be read."""
    if not path.is_file():
        return False
    # It takes long to import, and most new databases are not there yet.
    from db.sqlite_file import connect_to_look  # noqa: PLC0415

    try:
        with closing(connect_to_look(path)) as connection:
            connection.execute("PRAGMA busy_timeout = 0")
            found = connection.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 (ours)
            return found.fetchone() is not None
    except sqlite3.Error:
        return False
