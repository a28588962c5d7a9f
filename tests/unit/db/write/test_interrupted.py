"""A program that is killed: what is left, and how the next start cleans up.

Tests `db.write.lock` and `db.write.recovery`.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import exc

import db
from db.engine import open_database
from db.errors import DatabaseWriteError
from db.read.sessions import load_session
from db.write.lock import acquire
from db.write.records import GapStarted
from db.write.recovery import close_interrupted_sessions
from db.write.session_writer import SessionWriter

ROOT = Path(db.__file__).parent.parent

PROGRAM = """
import itertools, sys
from datetime import datetime, timedelta, timezone
from db.engine import open_database
from db.write.records import AdRecord, GapStarted, PlayStarted, ReadingRecord, SessionRecord
from db.write.session_writer import SessionWriter
from detector.types import Box, FaceReading, HeadPose

start = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
writer = SessionWriter(open_database(sys.argv[1]), SessionRecord("run", "", "0", start, "1"), commit_interval_s=0.02)
writer.submit(AdRecord("summer", "Summer", "summer.mp4", "ab" * 32, "video", 8000))
writer.submit(PlayStarted(1, "summer", start, "first"))
writer.submit(GapStarted(start, "dark"))
for step in itertools.count():
    at = start + timedelta(milliseconds=step)
    face = FaceReading(step // 100, 0, Box(0.1, 0.1, 0.2, 0.2), (1.0, 0, 0, 0, 0, 0, 0), -1.0, 1.0, False,
                       HeadPose(0, 0, 0), True, 1.0)
    writer.submit(ReadingRecord(at, face, 1, float(step)))
    if step % 100 == 99:
        writer.flush()
        print(step + 1, flush=True)
"""


@contextmanager
def writing_process(path):
    """Another process that writes readings; gives it once it has committed some."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(3):
            assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate(timeout=300)


def test_killed_process_leaves_a_whole_database(path):
    with writing_process(path) as process:
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=300)
    promised = int(rest.split()[-1]) if rest.split() else 300
    assert process.returncode == -signal.SIGKILL

    engine = open_database(str(path))
    try:
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        data = load_session(engine, 1)
        assert data.info.ended_at is None
        assert len(data.readings) >= promised >= 300

        assert close_interrupted_sessions(engine) == [1]
        assert close_interrupted_sessions(engine) == []
        data = load_session(engine, 1)
        last = data.info.started_at.timestamp() + (len(data.readings) - 1) / 1000
        assert data.info.ended_at.timestamp() == pytest.approx(last, abs=1e-6)
        assert data.info.end_reason == "interrupted"
        assert (data.info.frames, data.info.lost) == (None, 0)
        assert [(play.outcome, play.ended_at) for play in data.plays] == [
            ("interrupted", data.info.ended_at)
        ]
        assert [gap.ended_at for gap in data.gaps] == [data.info.ended_at]
        assert list(path.parent.glob("*.lock")) == []
    finally:
        engine.dispose()


def test_session_of_a_live_process_is_left_alone(path, engine):
    with writing_process(path):
        assert close_interrupted_sessions(engine) == []
        assert load_session(engine, 1).info.ended_at is None
    assert close_interrupted_sessions(engine) == [1]


def test_session_of_this_process_is_left_alone(engine, make):
    with SessionWriter(engine, make.session()) as writer:
        assert close_interrupted_sessions(engine) == []
        writer.close(make.end())
    assert close_interrupted_sessions(engine) == []
    assert load_session(engine, 1).info.end_reason == "finished"


def test_last_known_moment(engine, make, path):
    def interrupted(records):
        session_id = make.write(engine, records)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(
                "UPDATE sessions SET ended_at = NULL, end_reason = NULL WHERE id = ?", (session_id,)
            )
            connection.execute(
                "UPDATE plays SET ended_at = NULL, outcome = NULL WHERE outcome = 'stopped'"
            )
            connection.execute("UPDATE gaps SET ended_at = NULL")
            connection.commit()
        assert close_interrupted_sessions(engine) == [session_id]
        return load_session(engine, session_id).info.ended_at

    assert interrupted([]) == make.start
    assert interrupted([make.ad(), make.play(1, 2.0)]) == make.at(2)
    assert interrupted([make.ad(), make.play(1, 2.0), make.play_end(1, 7.0)]) == make.at(7)
    assert interrupted(
        [make.ad(), make.play(1, 2.0), make.reading(4.0), make.reading(3.0)]
    ) == make.at(4)
    assert interrupted([GapStarted(make.at(9), "dark")]) == make.at(9)


def test_clean_up_of_a_locked_database(engine, make, path):
    make.write(engine)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE sessions SET ended_at = NULL, end_reason = NULL")
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 20")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            DatabaseWriteError, match=r"interrupted session 1 .* could not be closed"
        ):
            close_interrupted_sessions(engine)
        other.execute("ROLLBACK")
    assert close_interrupted_sessions(engine) == [1]


def test_lock(engine, path):
    lock = acquire(engine, 7)
    assert lock is not None
    assert acquire(engine, 7) is None
    other = acquire(engine, 8)
    assert other is not None
    assert {file.name for file in path.parent.glob("*.lock")} == {
        f"kiosk.db-session-{number}.lock" for number in (7, 8)
    }
    for each in (lock, lock, other):
        each.release()
    again = acquire(engine, 7)
    assert again is not None
    again.release()
    assert list(path.parent.glob("*.lock")) == []


def test_lock_file_that_cannot_be_made(engine, make, path, rows):
    path.with_name("kiosk.db-session-1.lock").mkdir()
    with pytest.raises(DatabaseWriteError, match=r"lock file .* cannot be made"):
        SessionWriter(engine, make.session())
    assert rows("SELECT count(*) FROM sessions") == [(0,)]


def test_constraints_stop_a_half_closed_session(engine, make):
    make.write(engine)
    with (
        engine.connect() as connection,
        pytest.raises(exc.IntegrityError, match="ck_sessions_end_reason"),
    ):
        connection.exec_driver_sql("UPDATE sessions SET ended_at = NULL")
