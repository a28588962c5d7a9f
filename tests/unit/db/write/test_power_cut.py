"""Programs that are killed, disks that lose power: what was committed is there, files are whole,
sessions are closed.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

import db
from db.engine import open_database
from db.read.sessions import list_sessions
from db.write.outbox import OutboxPlace
from db.write.recovery import open_to_record
from db.write.session_writer import SessionWriter
from tests.helpers.feeding import Feeder

ROOT = Path(db.__file__).parent.parent

pytestmark = pytest.mark.usefixtures("real_databases")

PROGRAM = """
import itertools, sys, time
from datetime import datetime, timedelta, timezone
from db.write.records import AdRecord, GapStarted, PlayEnded, PlayStarted, ReadingRecord, SessionEnded, SessionRecord
from db.write.recovery import open_to_record
from db.write.session_writer import SessionWriter
from detector.types import Box, FaceReading, HeadPose

start = datetime.now(timezone.utc)
opened = open_to_record(sys.argv[1])
session = SessionRecord("run", "", "0", start, "1")
writer = SessionWriter(opened.engine, session, spool=opened.place, recovery=opened.recovery)
writer.submit(AdRecord("summer", "Summer", "summer.mp4", "ab" * 32, "video", 8000))
for second in itertools.count():
    writer.submit(PlayStarted(second, "summer", start + timedelta(seconds=second), "next"))
    for step in range(100):
        at = start + timedelta(milliseconds=1000 * second + 10 * step)
        face = FaceReading(step % 10, 0, Box(0.1, 0.1, 0.2, 0.2), (1.0, 0, 0, 0, 0, 0, 0), -1.0, 1.0, False,
                           HeadPose(0, 0, 0), True, 1.0)
        writer.submit(ReadingRecord(at, face, second, float(10 * step)))
        time.sleep(0.002)
    writer.submit(PlayEnded(second, start + timedelta(seconds=second + 1), "finished", 1000.0))
    if writer.flush():
        print(100 * (second + 1), flush=True)
"""


def check(path):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        doubled = connection.execute(
            "SELECT session_id, viewer_id, at FROM readings GROUP BY 1, 2, 3 HAVING count(*) > 1"
        )
        assert doubled.fetchall() == []
        return dict(
            connection.execute("SELECT session_id, count(*) FROM readings GROUP BY session_id")
        )


def readings_in(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT viewer_id, at FROM readings ORDER BY id").fetchall()


def kill_at_random(path, times, chance):
    """Start a program that records, kill it at any moment, again and again; gives what each had
    promised.
    """
    promised = []
    for _ in range(times):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = process.stdout.readline()
            time.sleep(chance.uniform(0.0, 1.5))
        finally:
            process.send_signal(signal.SIGKILL)
            rest, _ = process.communicate(timeout=300)
        promised.append(int((line + rest).split()[-1]))
    return promised


def check_kills(path, times, seed):
    promised = kill_at_random(path, times, random.Random(seed))  # noqa: S311 (only when to kill)
    open_to_record(str(path)).engine.dispose()
    stored = check(path)
    assert [stored[session] >= count for session, count in enumerate(promised, 1)] == [True] * times
    engine = open_database(str(path), read_only=True)
    sessions = list_sessions(engine)
    engine.dispose()
    assert [session.end_reason for session in sessions] == ["interrupted"] * times
    assert sum(session.readings for session in sessions) == sum(stored.values())
    assert [file.name for file in path.parent.iterdir()] == ["kiosk.db"]


def test_killed_at_any_moment(path):
    check_kills(path, 4, 1)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_a_hundred_times(path):
    check_kills(path, 100, 2)


@pytest.fixture
def moments(path, tmp_path, make):
    """Copies of a database and its log as they are at some moments of a session, and how many
    readings were committed.
    """
    engine = open_database(str(path))
    with engine.connect() as connection:
        # A copy of two files is of one moment only while one of them does not change.
        connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 0")
    found = []
    with (
        SessionWriter(engine, make.session(), commit_interval_s=0.02) as session,
        Feeder(session, make, 100),
    ):
        for number in range(4):
            time.sleep(0.1)
            with closing(sqlite3.connect(path)) as reader:
                committed = reader.execute("SELECT count(*) FROM readings").fetchone()[0]
                folder = tmp_path / f"moment-{number}"
                folder.mkdir()
                shutil.copy(path.with_name("kiosk.db-wal"), folder)
                shutil.copy(path, folder)
            found.append((folder / "kiosk.db", committed))
    engine.dispose()
    return found


@pytest.mark.slow
def test_a_log_whose_end_is_torn(moments):
    """Whatever a power cut has made of what was not flushed yet, the file opens and holds all
    before.
    """
    chance = random.Random(3)  # noqa: S311 (only where to tear)
    assert moments[-1][1] > max(100, moments[0][1])
    all_readings = []
    for database, committed in moments:
        log = database.with_name("kiosk.db-wal")
        whole_log, whole = log.read_bytes(), database.read_bytes()
        torn = {
            "whole": whole_log,
            "cut off": whole_log[: -chance.randrange(1, 5000)],
            "noise at the end": whole_log + chance.randbytes(5000),
            "zeros at the end": whole_log[:-2000] + b"\0" * 2000,
            "noise instead of the end": whole_log[:-2000] + chance.randbytes(2000),
            "only its beginning": whole_log[: chance.randrange(1, 32)],
            "nothing": b"",
        }
        for name, content in torn.items():
            database.write_bytes(whole)
            database.with_name("kiosk.db-shm").unlink(missing_ok=True)
            log.write_bytes(content)
            opened = open_to_record(str(database))
            assert opened.quarantined is None, name
            check(database)
            stored = readings_in(database)
            opened.engine.dispose()
            if name == "whole":
                all_readings = stored
                assert len(stored) >= committed
            assert stored == all_readings[: len(stored)], name
            if name == "noise at the end":
                assert len(stored) == len(all_readings)
            elif "end" in name or name == "cut off":
                assert len(stored) > len(all_readings) - 600, (
                    "the last commits, of half a second at most"
                )


@pytest.mark.slow
def test_no_record_waits_longer_than_a_second_for_the_disk(path, make):
    """What is a second old is in the log on the disk, flushed; the spool is flushed as often."""
    engine = open_database(str(path))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    waits = []
    with (
        SessionWriter(engine, make.session(), spool=OutboxPlace.of(engine, None)) as session,
        Feeder(session, make) as feeder,
        closing(sqlite3.connect(path)) as reader,
    ):
        for _ in range(6):
            time.sleep(0.1)
            submitted, began = feeder.submitted, time.monotonic()
            while reader.execute("SELECT count(*) FROM readings").fetchone()[0] < submitted:
                time.sleep(0.005)
            waits.append(time.monotonic() - began)
    engine.dispose()
    assert max(waits) < 1.0
