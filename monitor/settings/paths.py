"""The default database, and the files beside it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APPLICATION = "ad-monitor"
DATABASE_VARIABLE = "AD_MONITOR_DB"


def default_settings_file() -> Path:
    """Return the settings file that is read if `--config` names none and it exists."""
    return Path(platformdirs.user_config_dir(APPLICATION)) / "kiosk.yaml"


def default_database() -> str:
    """Return the default database: `AD_MONITOR_DB`, else a file in the user's data folder."""
    named = os.environ.get(DATABASE_VARIABLE)
    return named or str(Path(platformdirs.user_data_dir(APPLICATION)) / "monitor.db")


def default_hub_database() -> str:
    """Return the default database of a hub: a file beside the default one of a kiosk."""
    return str(Path(platformdirs.user_data_dir(APPLICATION)) / "hub.db")


def console_database(database: Path) -> Path:
    """Return the database of a console, beside that of its kiosk."""
    return database.parent / f"{database.stem}-console.db"


def sqlite_file(database: str) -> Path | None:
    """Return the file of an SQLite database from its path or URL; `None` for a server."""
    path = database.removeprefix("sqlite:///")
    return None if "://" in path else Path(path)


def spool_folder(database: str, named: Path | None) -> Path | None:
    """Return where records wait while the database cannot be written.

    Args:
        database: URL or path of the database.
        named: The configured folder.

    Returns:
        `None` for beside the database; for a server, a folder in the user's data folder.
    """
    if named is not None or sqlite_file(database) is not None:
        return named
    return Path(platformdirs.user_data_dir(APPLICATION)) / "spool"


def hub_folder(database: Path) -> Path:
    """Return the folder for what a kiosk gets from its hub: show, media, settings, commands."""
    return database.parent / f"{database.name}.hub"  # also of ".", which is then refused
