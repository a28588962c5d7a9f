"""Quarantine of damaged database files: renamed, never overwritten or deleted."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from db.paths import SIDE_FILES, sync

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

Identity = tuple[int, int]
"""Device and inode of a file, which another file of the same name does not share."""


def identity(path: Path) -> Identity | None:
    """Return the identity of the file with this name; `None` if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def quarantine(path: Path, now: datetime | None = None) -> Path:
    """Rename a damaged database, `kiosk.db`, and its side files.

    Returns:
        Its new name, `kiosk.corrupt-20260301T0930Z.db`, which no file had before.

    Raises:
        OSError: It cannot be renamed.
    """
    stamp = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%MZ")
    aside = _free_name(path, f"{path.stem}.corrupt-{stamp}")
    # The log first: SQLite would take it for rubbish and delete it without its database.
    for suffix in (*SIDE_FILES, ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(aside.with_name(aside.name + suffix))
    sync(path.parent)
    logger.warning(
        "The database %s is damaged and was set aside as %s; what can be read of it is saved with "
        "`sqlite3 %s .recover | sqlite3 rescued.db`.",
        path,
        aside.name,
        aside.name,
    )
    return aside


def _free_name(path: Path, stem: str) -> Path:
    """A name that is free for the database and all its side files."""
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        found = path.with_name(name + path.suffix)
        if not any(os.path.lexists(f"{found}{suffix}") for suffix in ("", *SIDE_FILES)):
            return found
        number += 1
