"""Which database a command works on, and where its file is."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APPLICATION = "ad-monitor"
DATABASE_VARIABLE = "AD_MONITOR_DB"


def default_database() -> str:
    """The database used when none is named: `AD_MONITOR_DB`, else a file in the user's data folder."""
    named = os.environ.get(DATABASE_VARIABLE)
    return named or str(Path(platformdirs.user_data_dir(APPLICATION)) / "monitor.db")


def sqlite_file(database: str) -> Path | None:
    """The file of an SQLite database that is named by its path or URL; `None` for a database server."""
    path = database.removeprefix("sqlite:///")
    return None if "://" in path else Path(path)


def spool_folder(database: str, named: Path | None) -> Path | None:
    """Where records wait while the database cannot be written.

    Args:
        database: URL or path of the database.
        named: What the operator says.

    Returns:
        `None` for beside the database; for a server a folder in the user's data folder.
    """
    if named is not None or sqlite_file(database) is not None:
        return named
    return Path(platformdirs.user_data_dir(APPLICATION)) / "spool"
