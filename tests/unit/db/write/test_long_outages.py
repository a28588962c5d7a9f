"""Outages of a minute, with a crowd in front of the screen: no reading is lost, and none is written
twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager, suppress

import pytest

from db.engine import open_database
from db.write.outbox import OutboxPlace
from db.write.session_writer import SessionWriter
from tests.helpers import postgres_server
from tests.helpers.feeding import Feeder, stored

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

OUTAGE_S = 60.0
MAX_SUBMIT_S = 0.2
"""What a frame of the kiosk may wait for the writer."""


@contextmanager
def small_disk(folder, size):
    """A file system in memory of so many bytes."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system of its own has to be mounted")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"needs to mount a file system: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Take all the room that is left on a disk; gives the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    assert os.statvfs(folder).f_bavail == 0
    return ballast


def check(engine, feeder, writer):
    assert feeder.refused == 0
    assert writer.lost == 0
    assert feeder.submitted >= 100 * OUTAGE_S
    assert feeder.longest_submit_s < MAX_SUBMIT_S
    assert stored(engine) == (feeder.submitted, feeder.submitted, feeder.plays)


@pytest.mark.parametrize(
    "elsewhere", [False, True], ids=["spool beside the database", "spool on another disk"]
)
def test_full_disk(tmp_path, make, elsewhere):
    with small_disk(tmp_path / "disk", 48 << 20) as disk:
        engine = open_database(str(disk / "kiosk.db"))
        place = OutboxPlace.of(engine, tmp_path / "spool" if elsewhere else None)
        with (
            SessionWriter(engine, make.session(), spool=place) as writer,
            Feeder(writer, make) as feeder,
        ):
            time.sleep(2)
            ballast = fill(disk)
            time.sleep(OUTAGE_S)
            assert "full" in str(writer.error)
            assert writer.waiting > 50 * OUTAGE_S
            ballast.unlink()
            time.sleep(5)
            assert writer.error is None
        check(engine, feeder, writer)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        engine.dispose()
        assert [path.name for path in disk.iterdir()] == ["kiosk.db"]
        shutil.rmtree(tmp_path / "spool", ignore_errors=True)


def test_database_locked_by_another_program(path, make):
    engine = open_database(str(path))
    place = OutboxPlace.of(engine, None)
    with (
        SessionWriter(engine, make.session(), spool=place) as writer,
        Feeder(writer, make) as feeder,
    ):
        time.sleep(2)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(OUTAGE_S)
            assert "locked" in str(writer.error)
            other.execute("ROLLBACK")
        time.sleep(5)
        assert writer.error is None
    check(engine, feeder, writer)
    engine.dispose()


def test_postgresql_stopped(tmp_path, make):
    pytest.importorskip("psycopg", reason="needs psycopg: install the extra postgresql")
    programs = postgres_server.binaries()
    if programs is None:
        pytest.skip("needs the programs of a PostgreSQL server: initdb, pg_ctl and postgres")
    with postgres_server.running(programs) as server:
        engine = open_database(server.url(server.new_database()))
        place = OutboxPlace.of(engine, tmp_path / "spool")
        with (
            SessionWriter(engine, make.session(), spool=place) as writer,
            Feeder(writer, make) as feeder,
        ):
            time.sleep(2)
            server.stop("immediate")
            time.sleep(OUTAGE_S)
            assert writer.error is not None
            assert writer.waiting > 50 * OUTAGE_S
            server.start()
            time.sleep(8)
            assert writer.error is None
        check(engine, feeder, writer)
        engine.dispose()
    assert list((tmp_path / "spool").iterdir()) == []
