"""Reads the database of a program that runs."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def rows_of(database: Path, query: str) -> list[tuple]:
    """Read a database that another process may be writing; nothing while it, or a table of it, is
    not there yet.
    """
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def replayed_rows(database: Path) -> list[str]:
    """A database as SQL, without what two replays may differ in: when, and into which database."""
    with closing(sqlite3.connect(database)) as connection:
        lines = [re.sub(r'"replayed_at": ?"[^"]*"', "", line) for line in connection.iterdump()]
    return [line for line in lines if not line.startswith('INSERT INTO "origins"')]
