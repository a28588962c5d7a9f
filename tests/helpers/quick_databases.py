"""Databases without what takes long: creating them, compiling each query anew for every one, and
waiting for the disk.
"""

from __future__ import annotations

import os
import pkgutil
import sqlite3
import threading
import uuid
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.util import LRUCache

if TYPE_CHECKING:
    import pytest
    from sqlalchemy.engine import URL, Engine

REPLACED = (
    "db.engine.make_file_ready",
    "db.engine.sqlite_engine",
    "db.engine.server_engine",
    "os.fsync",
)


class Template:
    """An empty database of the newest schema, made when it is first asked for.

    Args:
        folder: Where it may be made.
        make_engine: The real `db.sqlite_file.sqlite_engine`.
        make_ready: The real `db.sqlite_file.make_file_ready`.
    """

    def __init__(self, folder: Path, make_engine: Any, make_ready: Any) -> None:
        self._folder = folder
        self._make_engine = make_engine
        self._make_ready = make_ready
        self._content = b""
        self._names: list[str] = []

    def copy_to(self, path: Path, **options: Any) -> bool:
        """Make a database, with names of its own, unless there is one; return whether it did.

        `options` are those of `make_file_ready`.
        """
        content = self._content or self._make(options)
        for name, own in zip(self._names, self._new_names(), strict=True):
            content = content.replace(name.encode(), own.encode())
        with suppress(OSError):  # what is wrong is told when it is opened
            if path.exists() and path.stat().st_size > 0:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as file:  # noqa: PTH123 (SQLite's mode)
                file.write(content)
            return True
        return False

    def _make(self, options: dict[str, Any]) -> bytes:
        path = self._folder / "new.db"
        engine = self._make_engine(path, read_only=False)
        self._make_ready(engine, path, **options)
        engine.dispose()
        with closing(sqlite3.connect(path)) as file:
            [names] = file.execute("SELECT kiosk, epoch, created_at FROM origins")
        self._names, self._content = list(names), path.read_bytes()
        return self._content

    @staticmethod
    def _new_names() -> list[str]:
        return [uuid.uuid4().hex, uuid.uuid4().hex, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"]


class Compiled:
    """Queries compiled in this process, for all engines whose dialects are configured alike."""

    def __init__(self) -> None:
        self._queries: Any = LRUCache(5000)
        self._dialects: dict[type, type] = {}

    def share(self, engine: Engine) -> None:
        """Let an engine, just made, find them."""
        kind = type(engine.dialect)
        if kind not in self._dialects:
            # A dialect is part of the keys of what was compiled for it.
            alike = {
                "supports_statement_cache": True,
                "__eq__": lambda one, other: type(one) is type(other),
                "__hash__": lambda one: hash(type(one)),
            }
            self._dialects[kind] = type(kind.__name__, (kind,), alike)
        engine.dialect.__class__ = self._dialects[kind]
        engine._compiled_cache = self._queries


def replace(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """Copy new SQLite databases from a first one in `folder`, share compiled queries among all
    databases, and never wait for the disk.

    Returns:
        The replaced functions by their full names.
    """
    real: dict[str, Any] = {name: pkgutil.resolve_name(name) for name in REPLACED}
    make_ready, make_engine, make_server_engine, _ = real.values()
    template, lock, compiled = (
        Template(folder, make_engine, make_ready),
        threading.Lock(),
        Compiled(),
    )

    def make_file_ready(engine: Engine, path: Path, **options: Any) -> str | None:
        with lock:
            is_copied = not options["read_only"] and template.copy_to(path, **options)
        revision: str | None = make_ready(engine, path, **options)
        return None if is_copied else revision

    def sqlite_engine(path: Path, **options: Any) -> Engine:
        engine: Engine = make_engine(path, **options)
        compiled.share(engine)

        @event.listens_for(engine, "connect")
        def never_flush(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous = OFF")

        return engine

    def server_engine(url: URL) -> Engine:
        engine: Engine = make_server_engine(url)
        compiled.share(engine)
        return engine

    replacements = make_file_ready, sqlite_engine, server_engine, lambda _: None
    for name, function in zip(REPLACED, replacements, strict=True):
        patch.setattr(name, function)
    return real
