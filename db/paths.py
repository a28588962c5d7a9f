"""The files that belong to a database in a file, by their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIDE_FILES = ("-wal", "-shm", "-journal")
"""Suffixes of what SQLite itself keeps beside a database."""


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, so that it survives a power cut.

    Raises:
        OSError: The disk fails.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
