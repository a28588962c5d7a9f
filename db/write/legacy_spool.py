"""Spool files of version 0.1.0: lines of JSON with a checksum, which an outbox takes over."""

from __future__ import annotations

import json
import sqlite3
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def is_legacy(path: Path) -> bool:
    """Return whether a file is not empty and no SQLite database.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(6) not in {b"", b"SQLite"}


def read_legacy(path: Path, schema: str) -> sqlite3.Connection:
    """Return the records of a file as an outbox in memory; the file stays until they are written.

    Raises:
        OSError: It cannot be read.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(schema)
    lost = 0
    for document in _documents(path):
        if isinstance(document, list):
            text = json.dumps(_modern(document[1]))
            row = (document[0], zlib.crc32(text.encode()), text)
            connection.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", row)
            lost = max(lost, *document[2:], 0)
            continue
        lost = max(lost, document.pop("lost", 0))
        head = [(name, json.dumps(value)) for name, value in document.items()]
        connection.executemany("INSERT OR REPLACE INTO head VALUES (?, ?)", head)
    connection.execute("INSERT OR REPLACE INTO head VALUES ('lost', ?)", (str(lost),))
    return connection


def _documents(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"\0"):  # allocated in advance
                return
            checksum, _, text = line.rstrip(b"\n").partition(b" ")
            if checksum == b"%08x" % zlib.crc32(text):
                yield json.loads(text)


def _modern(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record in today's form: a reading holds what was measured as one value."""
    if record.get("type") != "ReadingRecord":
        return record
    own = {name: record.pop(name) for name in ("type", "at", "play_number", "position_ms")}
    pose = [record.pop(name) for name in ("yaw", "pitch", "roll")]
    viewer = record.pop("viewer_number")
    return own | {"face": {"viewer": viewer, "captured_ns": 0, "pose": pose, **record}}
