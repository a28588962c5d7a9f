"""A PostgreSQL server of the test run's own, in a temporary folder, which tests may stop and start."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"
USERS = "postgres", "nobody"


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`; `None` where there is no server installed."""
    found = [
        Path(place)
        for pattern in PLACES
        for place in sorted(Path("/").glob(pattern[1:]), reverse=True)
    ]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    return next(
        (place for place in found if (place / "initdb").exists() and (place / "postgres").exists()),
        None,
    )


class PostgresServer:
    """A server that listens on a socket in its own folder; use `running`.

    Attributes:
        folder: Its data lie here.
    """

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self.folder = folder
        self._programs = programs
        self._user = user
        self._databases = 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self.folder / "log"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(log), "-w", "-t", "60", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is as if it had crashed."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql+psycopg://kiosk@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement outside of any transaction."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.exec_driver_sql(statement)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def new_database(self) -> str:
        """The name of a new database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def _run(self, program: str, *arguments: str) -> None:
        # The output of the server itself goes to its log: a pipe would stay open for as long as it
        # runs.
        result = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=300,
        )
        assert result.returncode == 0, (
            f"{program} failed: {(self.folder / 'log').read_text()[-2000:]}"
        )


@contextmanager
def running(programs: Path) -> Iterator[PostgresServer]:
    """A fresh server, which is gone afterwards."""
    # The path of a socket has at most 107 bytes, and the server's settings no apostrophe.
    folder = Path(tempfile.mkdtemp(prefix="ad-monitor-pg-", dir="/tmp"))
    user = None
    if os.geteuid() == 0:
        # The server refuses to run as root.
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = next(name for name in USERS if name in names)
        shutil.chown(folder, user)
    server = PostgresServer(programs, folder, user)
    try:
        (folder / "log").touch()
        if user is not None:
            shutil.chown(folder / "log", user)
        server._run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "kiosk",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        )
        with (folder / "data" / "postgresql.conf").open("a") as config:
            config.write(
                f"listen_addresses = ''\nunix_socket_directories = '{folder}'\nfsync = off\n"
            )
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
