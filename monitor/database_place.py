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
