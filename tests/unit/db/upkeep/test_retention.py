"""Retention: what goes, what stays, and that no report changes."""

from __future__ import annotations

import sqlite3
import struct
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from unittest.mock import MagicMock

import pytest

from db.engine import make_engine
from db.errors import PurgeError
from db.read.rollups import read_log, store_roll_ups
from db.read.scope import Scope
from db.read.sessions import list_sessions
from db.upkeep import retention
from db.upkeep.retention import (
    REPLAYED_AT,
    clock_doubt,
    last_confirmed,
    purge,
    purge_some,
    purgeable,
    reusable_bytes,
    shrink,
)
from db.write import session_writer
from db.write.records import ViewerFlagged
from db.write.session_writer import SessionWriter
from monitor.analytics.report_data import load_report_data
from monitor.reports.document import build_report
from monitor.reports.export import to_json

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(retention, "PART", 10)
    monkeypatch.setattr(retention, "PAUSE_S", 0.0)


def report(engine, session_id):
    return to_json(
        build_report(load_report_data(engine, Scope(session_ids=(session_id,))), min_viewers=1)
    )


def test_no_report_changes(engine, make, rows):
    poster = [make.reading(second, 4, valence=-1.0) for second in (1.0, 2.0)]
    session_id = make.write(
        engine, [*make.stream(), make.unread(4.6, 3), *poster, ViewerFlagged(make.at(9), 4)]
    )
    before, listed = report(engine, session_id), list_sessions(engine)
    seen = []
    purged = purge(engine, make.at(100), progress=lambda done, total: seen.append((done, total)))
    assert (purged.readings, purged.oldest, purged.newest) == (96, make.at(0), make.at(17.5))
    assert seen == [(min(96, done), 96) for done in range(10, 106, 10)]
    assert rows("SELECT count(*) FROM readings") == [(0,)]
    assert report(engine, session_id) == before
    assert list_sessions(engine) == listed
    assert purge(engine, make.at(100)).readings == 0
    assert report(engine, session_id) == before


def test_what_is_not_rolled_up_stays(engine, make, rows):
    make.write(engine)
    assert purge_some(engine, make.at(100)) == 0
    assert purgeable(engine, make.at(100)).readings == 93, "it would be rolled up first"
    store_roll_ups(engine)
    assert purge_some(engine, make.at(100)) == 10
    assert rows("SELECT count(*) FROM readings") == [(83,)]


def test_only_what_is_older(engine, make, rows):
    session_id = make.write_rolled(engine)
    before = report(engine, session_id)
    # The second play began at 6 and ended at 11; the third takes its baseline from what was read
    # since then.
    purge(engine, make.at(12))
    assert rows("SELECT min(at) FROM readings") == [("2026-03-01 09:30:06.123456",)]
    assert report(engine, session_id) == before
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE plays SET rolled_up = (1 = 0) WHERE number = 3")
    store_roll_ups(engine)
    assert report(engine, session_id) == before, "the last play can be rolled up again"


def test_only_the_site(engine, make, rows):
    make.write_rolled(engine)
    make.write_rolled(engine, site="Station")
    assert purgeable(engine, make.at(100), "Station").readings == 93
    assert purge(engine, make.at(100), "Station").readings == 93
    assert rows("SELECT DISTINCT session_id FROM readings") == [(1,)]
    assert purge(engine, make.at(100), "nowhere").readings == 0


def test_a_session_that_is_written_keeps_its_last_day(engine, make, rows):
    now = datetime.now(UTC)
    start = now - 2 * DAY

    def play(number, at):
        seconds = (at - make.start).total_seconds()
        return [
            make.play(number, seconds),
            make.reading(seconds + 1, number, number, position_ms=1000.0),
            make.play_end(number, seconds + 5),
        ]

    with SessionWriter(engine, make.session(started_at=start)) as session:
        for record in (
            make.ad(),
            *play(1, start),
            *play(2, start + timedelta(hours=1)),
            *play(3, now - DAY / 2),
        ):
            session.submit(record)
        session.flush()
        assert purge(engine, now + DAY).readings == 1
        assert rows("SELECT count(*) FROM readings") == [(2,)]
        session.close()
    assert purge(engine, now + DAY).readings == 2


def test_a_replay_that_is_written_keeps_everything(engine, make, rows):
    with SessionWriter(engine, make.session(kind="replay")) as session:
        for record in make.stream():
            session.submit(record)
        session.flush()
        assert purge(engine, make.at(100)).readings == 0


@pytest.mark.parametrize("recorded", ["long ago", "in the future"])
def test_readings_of_a_replay_are_as_old_as_the_replay(engine, make, rows, recorded):
    """Not as old as the recording, whose date would delete fresh results or keep them for ever."""
    start = make.at(0).replace(microsecond=0)
    replayed = start + 400 * DAY * (1 if recorded == "long ago" else -1)
    settings = {"policy": "sequential", REPLAYED_AT: replayed.isoformat(timespec="seconds")}
    session_id = make.write(engine, kind="replay", settings=settings)
    store_roll_ups(engine)
    before = report(engine, session_id)
    for moment in (replayed, replayed - DAY):
        assert purgeable(engine, moment).readings == purge(engine, moment).readings == 0
        assert purge_some(engine, moment) == 0
    assert rows("SELECT count(*) FROM readings") == [(93,)]
    moment = replayed + timedelta(seconds=1)
    assert purgeable(engine, moment).readings == purge(engine, moment).readings == 93
    assert purge(engine, moment).readings == 0
    assert report(engine, session_id) == before


def test_a_replay_that_does_not_say_when_is_as_old_as_its_recording(engine, make):
    make.write(engine, kind="replay")
    assert purge(engine, make.at(0)).readings == 0
    assert purge(engine, make.at(100)).readings == 93


def test_the_kiosk_does_it_by_itself(engine, make, rows, monkeypatch):
    make.write(engine)
    make.write(engine, [make.ad(), make.play(), make.reading(play=None)], site="Station")
    recent = (datetime.now(UTC) - make.start).total_seconds()
    monkeypatch.setattr(session_writer, "PURGE_AFTER_S", 0.0)
    monkeypatch.setattr(session_writer, "PURGE_PAUSE_S", 0.0)
    monkeypatch.setattr(session_writer, "ROLL_UP_INTERVAL_S", 0.0)
    deleted = []

    def counted(*args):
        deleted.append(purge_some(*args))
        return deleted[-1]

    monkeypatch.setattr(session_writer, "purge_some", counted)
    with SessionWriter(engine, make.session(), keep=90 * DAY, commit_interval_s=0.01) as session:
        deadline = time.monotonic() + 300
        while 0 not in deleted:
            assert time.monotonic() < deadline
            session.submit(make.reading(recent, 1, None))
            time.sleep(0.01)
        assert rows("SELECT count(*) FROM readings WHERE session_id < 3") == [(0,)]
        session.submit(make.reading(recent, 2, None))
        session.flush()
        assert deleted.index(0) == len(deleted) - 1, "the next look is a day later"
        assert sum(deleted) == 93 + 1
        assert rows("SELECT count(*) > 0 FROM readings") == [(1,)], "what is new stays"
    assert len(read_log(engine, Scope()).exposures) == 6


def test_nothing_is_deleted_where_that_is_not_wanted(engine, make, rows, monkeypatch):
    make.write_rolled(engine)
    monkeypatch.setattr(session_writer, "PURGE_AFTER_S", 0.0)
    make.write_rolled(engine)
    assert rows("SELECT count(*) FROM readings") == [(186,)]


@pytest.mark.logs_errors
def test_a_mistake_in_it_costs_no_record(engine, make, rows, monkeypatch, caplog):
    def wrong(*_args):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(session_writer, "PURGE_AFTER_S", 0.0)
    monkeypatch.setattr(session_writer, "purge_some", wrong)
    with SessionWriter(engine, make.session(), keep=DAY) as session:
        for record in make.stream():
            session.submit(record)
        session.flush()
    assert (session.lost, session.error) == (0, None)
    assert "Old readings cannot be deleted" in caplog.text


def test_room_is_used_again_or_given_back(path, engine, make, monkeypatch):
    monkeypatch.setattr(retention, "PART", 1000)
    make.write_rolled(
        engine, [make.ad(), *(make.reading(second / 10, 1, None) for second in range(5000))]
    )
    engine.dispose()
    size = path.stat().st_size
    while purge_some(engine, make.at(1000)):
        pass
    free = reusable_bytes(engine)
    assert free > size / 2
    make.write_rolled(
        engine, [make.ad(), *(make.reading(second / 10, 1, None) for second in range(3000))]
    )
    engine.dispose()
    assert path.stat().st_size == size, "new readings use the room of the old ones"
    while purge_some(engine, make.at(1000)):
        pass
    shrink(engine)
    engine.dispose()
    assert path.stat().st_size < size / 2
    assert reusable_bytes(engine) == 0


def test_nothing_that_was_deleted_can_be_found_in_the_files(path, engine, make):
    secret = 0.123456789012345
    needle = make.reading(quality=secret)
    make.write_rolled(engine, [make.ad(), make.play(), needle, make.play_end()])
    trace = struct.pack(">d", secret)
    assert trace in path.read_bytes() + path.with_name("kiosk.db-wal").read_bytes()
    purge(engine, make.at(100))
    assert not any(trace in file.read_bytes() for file in path.parent.iterdir())


def test_the_file_is_not_made_smaller_while_somebody_writes(path, engine, make, monkeypatch):
    make.write(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PurgeError, match=r"cannot be made smaller now .*try again"):
            shrink(engine)


def test_a_full_disk_leaves_no_room_to_make_the_file_smaller(path):
    full = MagicMock(url=make_engine(str(path)).url)
    connection = full.connect.return_value.__enter__.return_value.connection.driver_connection
    connection.execute.side_effect = sqlite3.OperationalError("database or disk is full")
    with pytest.raises(
        PurgeError, match=r"now \(database or disk is full\); that needs as much free space as"
    ):
        shrink(full)


def test_a_server_needs_none_of_this(engine, make):
    make.write(engine)
    shrink(engine)
    assert reusable_bytes(engine) == 0


def day(number, lasts=0.0):
    """The first and last moment of a session that began on a day."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + number * DAY
    return start, start + lasts * DAY


@pytest.mark.parametrize(
    ("spans", "doubted_since"),
    [
        ([day(0)], None),
        ([day(0, 200), day(201)], None),
        ([day(0, 1), day(25)], None),
        ([day(0, 1), day(121)], 1),
        ([day(0, 1), day(121), day(2)], None),  # one wrong start, and the right clock again
        ([day(0, 1), day(121), day(2), day(125)], 2),
        ([day(0, 1), day(121), day(122)], 1),
        ([day(0, 1), day(121), day(124), day(126, 1)], 1),
        ([day(0, 1), day(121), day(124), day(128, 1)], None),  # away for months, then three starts
        ([day(0, 1), day(121), day(300), day(480)], 1),  # another wrong clock each time
        ([day(30, 1), day(-20_000), day(31)], None),  # 1970, never corrected
        ([day(30, 1), day(-20_000)], 31),
        ([day(0, 60), day(10, 50), day(20)], None),  # kiosks beside each other
    ],
)
def test_a_clock_is_believed_if_it_goes_on_or_if_several_starts_agree(spans, doubted_since):
    found = last_confirmed(spans)
    assert found == (None if doubted_since is None else day(doubted_since)[0])


def test_a_clock_four_months_ahead_at_one_start_deletes_nothing(
    engine, make, rows, monkeypatch, caplog
):
    monkeypatch.setattr(session_writer, "PURGE_AFTER_S", 0.0)
    monkeypatch.setattr(session_writer, "ROLL_UP_INTERVAL_S", 0.0)
    make.write_rolled(engine)
    ahead = make.start + 120 * DAY

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return ahead.astimezone(tz)

    monkeypatch.setattr(session_writer, "datetime", Clock)
    with SessionWriter(
        engine, make.session(started_at=ahead), keep=90 * DAY, commit_interval_s=0.01
    ) as session:
        deadline = time.monotonic() + 300
        while "119 days after the sessions before (2026-03-01)" not in caplog.text:
            assert time.monotonic() < deadline
            session.submit(make.play(1, 120 * 86_400.0, "none"))
            time.sleep(0.01)
        assert rows("SELECT count(*) FROM readings") == [(93,)]
    assert clock_doubt(engine, make.start + DAY) == "", "the next start has the right clock"


def test_after_as_long_as_readings_are_kept_the_clock_does_not_matter(
    engine, make, rows, monkeypatch
):
    monkeypatch.setattr(session_writer, "PURGE_AFTER_S", 0.0)
    monkeypatch.setattr(session_writer, "ROLL_UP_INTERVAL_S", 0.0)
    make.write_rolled(engine)
    with SessionWriter(
        engine,
        make.session(started_at=datetime.now(UTC)),
        keep=timedelta(seconds=0.3),
        commit_interval_s=0.01,
    ) as session:
        deadline = time.monotonic() + 300
        while rows("SELECT count(*) FROM readings") != [(0,)]:
            assert time.monotonic() < deadline
            session._delivery.session.warnings.is_due("clock")
            session._upkeep._purge_at = 0.0
            session.submit(make.ad())
            time.sleep(0.05)
