"""The write thread: what is stored, when, in which order, and what happens when it cannot be.

Tests `db.write.store`, too.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import exc

from db.engine import open_database
from db.errors import DatabaseWriteError, WriterClosedError
from db.read.sessions import load_session
from db.schema import WITHHELD_COLUMNS
from db.write import session_writer
from db.write.records import (
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    ReadingRecord,
    SessionEnded,
    ViewerFlagged,
)
from db.write.session_writer import SessionWriter
from db.write.store import SessionStore, face_columns
from detector.emotion.labels import EMOTIONS
from tests.helpers.feeding import locked
from tests.helpers.waiting import Stopwatch, wait_until

TABLES = ("models", "sessions", "ads", "plays", "viewers", "readings", "gaps")


def dump(path):
    """Every row but the random name of the database."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if 'INTO "origins"' not in line]


def test_whole_session(engine, make, rows):
    session_id = make.write(engine)

    assert rows("SELECT * FROM models") == [
        (1, "emotions", "cd" * 32, '{"labels": ["angry"], "threshold": 0.5}')
    ]
    assert rows("SELECT * FROM sessions") == [
        (
            session_id,
            "run",
            "Foyer",
            "0",
            "2026-03-01 09:30:00.123456",
            "2026-03-01 09:30:20.123456",
            "finished",
            1,
        )
        + ("0.1.0", '{"policy": "sequential", "site": "Foyer"}', 600, 3, 29.97, 0, 103, "live")
        + (1, session_id)
    ]
    assert rows("SELECT ad_id, name, file, sha256, kind, duration_ms, brand_at_s FROM ads") == [
        ("summer", "Summer", "summer.mp4", make.sha, "video", 8000, "[5.5]"),
        ("winter", "Winter", "winter.mp4", make.sha, "image", 8000, "[]"),
    ]
    assert rows(
        "SELECT number, ad_version_id, outcome, shown_ms, reason, probability, error FROM plays"
    ) == [
        (1, 1, "finished", 8000.0, "next in the list", 1.0, None),
        (2, 2, "failed", 8000.0, "next in the list", 1.0, "broken file"),
        (3, 1, "finished", 8000.0, "next in the list", 1.0, None),
    ]
    assert rows("SELECT number, first_seen_at, last_seen_at FROM viewers") == [
        (1, "2026-03-01 09:30:00.123456", "2026-03-01 09:30:17.623456"),
        (2, "2026-03-01 09:30:00.373456", "2026-03-01 09:30:16.873456"),
    ]
    assert rows(
        "SELECT play_id, count(*), min(at), max(at) FROM readings GROUP BY play_id ORDER BY coalesce(play_id, 0)"
    ) == [
        (None, 3, "2026-03-01 09:30:05.623456", "2026-03-01 09:30:17.623456"),
        (1, 30, "2026-03-01 09:30:00.123456", "2026-03-01 09:30:04.873456"),
        (2, 30, "2026-03-01 09:30:06.123456", "2026-03-01 09:30:10.873456"),
        (3, 30, "2026-03-01 09:30:12.123456", "2026-03-01 09:30:16.873456"),
    ]
    assert rows("SELECT started_at, ended_at, cause, detail FROM gaps") == [
        ("2026-03-01 09:30:18.123456", "2026-03-01 09:30:19.623456", "camera lost", "unplugged")
    ]


def test_every_column_of_a_reading(engine, make, rows):
    record = make.reading(
        2.5, 7, 1, roll=np.float32(0.25), uncertain=np.bool_(True), viewer_number=np.int64(7)
    )
    make.write(engine, [make.ad(), make.play(), record])
    assert rows(
        "SELECT position_ms, p_angry, p_disgust, p_fear, p_happy, p_sad, p_surprise, p_neutral, valence, "
        "expressiveness, uncertain, yaw, pitch, roll, attentive, quality, box_x, box_y, box_w, box_h FROM readings"
    ) == [
        (
            2500.0,
            *record.face.probabilities,
            0.55,
            0.9,
            1,
            -3.5,
            2.0,
            0.25,
            1,
            0.97,
            -0.01,
            0.2,
            0.1,
            0.15,
        )
    ]
    assert rows("SELECT number FROM viewers") == [(7,)]


def test_reading_without_an_emotion(engine, make, rows):
    make.write(
        engine,
        [make.ad(), make.play(), make.unread(2.5, withheld="turned away"), make.reading(3.0)],
    )
    figures = ", ".join(WITHHELD_COLUMNS)
    assert rows(
        f"SELECT {figures}, withheld, uncertain, attentive, yaw, quality FROM readings ORDER BY id"
    ) == [
        (*[None] * 9, "turned away", 1, 1, -3.5, 0.97),
        (*make.reading().face.probabilities, 0.55, 0.9, None, 0, 1, -3.5, 0.97),
    ]


def test_database_refuses_half_an_emotion(engine, make):
    make.write(engine, [make.ad(), make.play(), make.unread(1.0), make.reading(2.0)])
    nothing = ", ".join(f"{column} = NULL" for column in WITHHELD_COLUMNS)
    for change in (
        f"{nothing} WHERE withheld IS NULL",
        *(f"{column} = 0.1 WHERE withheld IS NOT NULL" for column in WITHHELD_COLUMNS),
    ):
        with (
            engine.connect() as connection,
            pytest.raises(exc.IntegrityError, match="ck_readings_withheld"),
        ):
            connection.exec_driver_sql(f"UPDATE readings SET {change}")


LABEL_SETS = {
    ("happy", "sad"): (["happy", "sad"], None),
    ("happy", "surprise", "disgust", "neutral"): (
        ["disgust", "happy", "surprise", "neutral"],
        None,
    ),
    ("engaged", "happy", "bored"): (["happy"], {"engaged": 0.5, "bored": 0.25}),
    ("engaged", "bored"): ([], {"engaged": 0.5, "bored": 0.5}),
}


@pytest.mark.parametrize("labels", LABEL_SETS)
def test_a_reading_of_other_labels_is_stored_by_their_names(engine, make, rows, labels):
    known, own = LABEL_SETS[labels]
    card = {"labels": list(labels)}
    p = (0.5, *[0.5 / (len(labels) - 1)] * (len(labels) - 1))
    read = make.reading(probabilities=p, valence=None, expressiveness=None)
    model = ModelRecord("other", "ef" * 32, card)
    make.write(engine, [make.ad(), make.play(), read, make.unread(3.0)], model=model)
    with pytest.raises(ValueError, match=f"expected probabilities of {', '.join(labels)}"):
        face_columns(make.reading(2.0, probabilities=(0.2,) * 5).face, labels)
    emotions = ", ".join(f"p_{name}" for name in EMOTIONS)
    (first, second) = rows(f"SELECT {emotions}, withheld FROM readings ORDER BY at")
    assert [
        name for name, value in zip(EMOTIONS, first, strict=False) if value is not None
    ] == known
    assert second == (*[None] * 7, "too small")
    data = load_session(engine, 1)
    assert data.info.labels == labels
    if own is not None:
        assert data.readings.own.tolist()[0] == list(own.values())
        assert np.isnan(data.readings.own[1]).all()


@pytest.mark.parametrize(
    "change", ["NULL WHERE withheld IS NOT NULL", "'too dark' WHERE withheld IS NULL"]
)
def test_database_refuses_a_reason_that_does_not_fit(engine, make, change):
    make.write(engine, [make.ad(), make.play(), make.unread(1.0), make.reading(2.0)])
    with (
        engine.connect() as connection,
        pytest.raises(exc.IntegrityError, match="ck_readings_withheld"),
    ):
        connection.exec_driver_sql(f"UPDATE readings SET withheld = {change}")


def test_static_faces_are_marked(engine, make, rows):
    def flag(seconds, viewer):
        return ViewerFlagged(make.at(seconds), viewer)

    # Number 2 has no reading at all; number 1 is flagged twice, and between its own readings.
    records = [
        make.reading(1.0, 1),
        make.reading(1.5, 3),
        flag(5.0, np.int64(1)),
        flag(6.0, 2),
        make.reading(2.0, 1),
    ]
    make.write(engine, [make.ad(), make.play(), *records, flag(4.0, 1)])
    assert rows(
        "SELECT number, static, first_seen_at, last_seen_at FROM viewers ORDER BY number"
    ) == [
        (1, 1, "2026-03-01 09:30:01.123456", "2026-03-01 09:30:05.123456"),
        (2, 1, "2026-03-01 09:30:06.123456", "2026-03-01 09:30:06.123456"),
        (3, 0, "2026-03-01 09:30:01.623456", "2026-03-01 09:30:01.623456"),
    ]
    assert rows("SELECT count(*) FROM readings") == [(3,)]


def test_a_flag_finds_a_viewer_that_was_forgotten(engine, make, rows, monkeypatch):
    monkeypatch.setattr("db.write.store.CACHE_SIZE", 1)
    with SessionWriter(engine, make.session()) as writer:
        for viewer in (1, 2):
            writer.submit(make.reading(viewer, viewer, None))
            writer.flush()
        writer.submit(ViewerFlagged(make.at(9), 1))
    assert writer.lost == 0
    assert rows("SELECT number, static FROM viewers ORDER BY number") == [(1, 1), (2, 0)]
    assert rows("SELECT ended_at FROM sessions") == [("2026-03-01 09:30:09.123456",)], (
        "the last moment is the flag's"
    )


def test_session_row_is_there_at_once(engine, make, rows):
    with SessionWriter(engine, make.session(model=None)) as writer:
        assert rows("SELECT id, ended_at, model_id, frames FROM sessions") == [
            (writer.session_id, None, None, None)
        ]
        writer.submit(ModelRecord("late", "ef" * 32))
        assert writer.flush()
        assert rows("SELECT name FROM sessions JOIN models ON models.id = model_id") == [("late",)]


def test_commits_after_a_while_by_itself(engine, make, rows):
    with SessionWriter(engine, make.session()) as writer:
        writer.submit(make.ad())
        wait_until(lambda: rows("SELECT 1 FROM ads"))


def test_batches_share_a_commit(engine, make, rows, monkeypatch):
    # Longer than any machine is busy.
    queue = session_writer.RecordQueue
    monkeypatch.setattr(session_writer, "RecordQueue", lambda size, _interval_s: queue(size, 600.0))
    with SessionWriter(engine, make.session()) as writer:
        writer.submit(make.ad())
        writer.submit(make.play())
        for step in range(100):
            writer.submit(make.reading(step / 100))
        assert rows("SELECT count(*) FROM readings") == [(0,)]
        assert writer.flush()
        assert rows("SELECT count(*) FROM readings") == [(100,)]
        assert writer.flush(0.0), "nothing is left to wait for"


def test_order_of_submission_is_kept(engine, make, rows):
    seconds = [3.0, 1.0, 2.0, 0.5]
    make.write(engine, [make.ad(), make.play(), *(make.reading(second) for second in seconds)])
    assert rows("SELECT position_ms FROM readings ORDER BY id") == [
        (second * 1000,) for second in seconds
    ]
    assert rows("SELECT first_seen_at, last_seen_at FROM viewers") == [
        ("2026-03-01 09:30:00.623456", "2026-03-01 09:30:03.123456")
    ]


def test_two_equal_streams_give_equal_databases(tmp_path, make):
    dumps = []
    # Other batch sizes must not show either.
    for name, interval, size in (("a", 0.5, 10_000), ("b", 0.001, 2)):
        engine = open_database(str(tmp_path / f"{name}.db"))
        with SessionWriter(
            engine, make.session(kind="replay"), commit_interval_s=interval, queue_size=size
        ) as writer:
            for record in make.stream():
                writer.submit(record)
                if name == "b":
                    time.sleep(0.001)
            writer.close(make.end())
        engine.dispose()
        dumps.append(dump(tmp_path / f"{name}.db"))
    assert dumps[0] == dumps[1]
    assert sum(line.startswith('INSERT INTO "readings"') for line in dumps[0]) == 93


def test_ad_versions(engine, make, rows):
    make.write(engine, [make.ad(), make.play(1)])
    make.write(engine, [make.ad(name="Renamed", brand_at_s=(1, 2.5)), make.play(1)])
    make.write(
        engine,
        [make.ad(duration_ms=4000), make.play(1), make.ad(sha256="00" * 32), make.play(2, 9)],
    )
    assert rows("SELECT id, name, duration_ms, substr(sha256, 1, 2), brand_at_s FROM ads") == [
        (1, "Renamed", 8000, "ab", "[1.0, 2.5]"),
        (2, "Summer", 4000, "ab", "[5.5]"),
        (3, "Summer", 8000, "00", "[5.5]"),
    ]
    assert rows("SELECT session_id, ad_version_id FROM plays") == [(1, 1), (2, 1), (3, 2), (3, 3)]
    assert rows("SELECT count(*) FROM models") == [(1,)]


def test_deleting_a_session_takes_everything_of_it(engine, make, rows):
    make.write(engine)
    kept = make.write(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sessions WHERE id = 1")
    for table in ("plays", "viewers", "readings", "gaps"):
        assert rows(f"SELECT DISTINCT session_id FROM {table}") == [(kept,)]
    assert rows("SELECT count(*) FROM ads") == [(2,)]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda make: make.reading(play=9), "a play that was started before, received 9"),
        (lambda make: make.play_end(9), "a play that was started before, received 9"),
        (lambda make: make.play(1, 9), "one that was not used before, received 1"),
        (
            lambda make: make.play(9, 9, "autumn"),
            "an ad that was submitted before, received 'autumn'",
        ),
        (
            lambda make: make.play_end(1, -1.0),
            "Invalid end of play 1: expected 2026-03-01 09:30:00",
        ),
        (lambda make: make.play_end(2), "expected one end, received a second"),
        (
            lambda make: GapEnded(make.at(3), "dark"),
            "expected an open gap, received the cause 'dark'",
        ),
        (lambda make: GapEnded(make.at(-3), "paused"), "Invalid end of the gap 'paused'"),
    ],
)
def test_contradiction_is_left_out_counted_and_logged(engine, make, rows, caplog, build, words):
    with SessionWriter(engine, make.session()) as writer:
        for record in (
            make.ad(),
            make.play(1),
            make.play(2, 1),
            make.play_end(2),
            GapStarted(make.at(0), "paused"),
        ):
            writer.submit(record)
        writer.submit(build(make))
        writer.submit(make.reading(4.0))
        assert writer.flush()
        assert writer.lost == 1
        assert writer.error is None
    assert rows("SELECT play_id, position_ms FROM readings") == [(1, 4000.0)]
    assert rows("SELECT number FROM plays ORDER BY number") == [(1,), (2,)]
    assert rows("SELECT number FROM viewers") == [(1,)]
    assert rows("SELECT lost FROM sessions") == [(1,)]
    assert words in caplog.text


def test_repeated_gap_start_changes_nothing(engine, make, rows):
    gap = GapStarted(make.at(1), "dark", "first")
    make.write(
        engine, [gap, GapStarted(make.at(2), "dark", "second"), GapEnded(make.at(3), "dark"), gap]
    )
    assert rows("SELECT started_at, ended_at, detail FROM gaps") == [
        ("2026-03-01 09:30:01.123456", "2026-03-01 09:30:03.123456", "first"),
        ("2026-03-01 09:30:01.123456", "2026-03-01 09:30:20.123456", "first"),
    ]


def test_close_ends_what_is_open(engine, make, rows):
    records = [
        make.ad(),
        make.play(1),
        make.reading(30.0),
        make.play(2, 25.0),
        GapStarted(make.at(3), "dark"),
    ]
    make.write(engine, records)
    # Play 2 started after the end that the caller gave: it ends where it started rather than
    # before.
    assert rows("SELECT number, ended_at, outcome, shown_ms FROM plays") == [
        (1, "2026-03-01 09:30:20.123456", "stopped", None),
        (2, "2026-03-01 09:30:25.123456", "stopped", None),
    ]
    assert rows("SELECT ended_at FROM gaps") == [("2026-03-01 09:30:20.123456",)]


def test_close_without_an_end_takes_the_last_moment(engine, make, rows):
    with SessionWriter(engine, make.session()) as writer:
        for record in (make.ad(), make.play(1), make.reading(3.0), make.reading(2.0)):
            writer.submit(record)
    assert rows("SELECT ended_at, end_reason, frames, fps FROM sessions") == [
        ("2026-03-01 09:30:03.123456", "stopped", None, None)
    ]


def test_error_in_the_with_block(engine, make, rows):
    with pytest.raises(RuntimeError, match="boom"), SessionWriter(engine, make.session()):
        raise RuntimeError("boom")
    assert rows("SELECT end_reason FROM sessions") == [("failed",)]


def test_close_twice_and_submit_after(engine, make, path):
    writer = SessionWriter(engine, make.session())
    thread = next(thread for thread in threading.enumerate() if thread.name == "db-writer")
    lock = path.with_name("kiosk.db-session-1.lock")
    assert lock.exists()
    writer.close(make.end())
    writer.close(make.end(30))
    assert not thread.is_alive()
    assert not lock.exists()
    with pytest.raises(
        WriterClosedError, match="session 1 is closed; submit records before closing"
    ):
        writer.submit(make.ad())
    assert writer.flush(0.1)
    assert load_session(engine, 1).info.ended_at == make.at(20)


def test_not_a_record(engine, make):
    with SessionWriter(engine, make.session()) as writer:
        for wrong in (make.session(), make.end(), "text"):
            with pytest.raises(TypeError, match=r"expected one of db.write.records"):
                writer.submit(wrong)


@pytest.mark.parametrize(
    "values", [{"queue_size": 0}, {"commit_interval_s": 0.0}, {"commit_interval_s": 1.1}]
)
def test_bad_settings(engine, make, rows, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        SessionWriter(engine, make.session(), **values)
    assert rows("SELECT count(*) FROM sessions") == [(0,)]


def test_many_submitters(engine, make, rows):
    def submit(viewer):
        for step in range(200):
            writer.submit(make.reading(step / 100, viewer))

    with SessionWriter(engine, make.session(kind="replay"), queue_size=50) as writer:
        writer.submit(make.ad())
        writer.submit(make.play())
        threads = [threading.Thread(target=submit, args=(viewer,)) for viewer in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert writer.lost == 0
    # Each viewer's own readings stay in their order.
    assert rows(
        "SELECT number, count(*), sum(CASE WHEN at < before THEN 1 ELSE 0 END) FROM (SELECT number, at, lag(at) OVER "
        "(PARTITION BY viewer_id ORDER BY readings.id) AS before FROM readings JOIN viewers ON viewers.id = viewer_id) "
        "AS steps GROUP BY number ORDER BY number"
    ) == [(1, 200, 0), (2, 200, 0), (3, 200, 0)]


def test_cache_of_row_ids_is_bounded(engine, make, rows, monkeypatch):
    monkeypatch.setattr("db.write.store.CACHE_SIZE", 3)
    with SessionWriter(engine, make.session()) as writer:
        writer.submit(make.ad())
        for number in range(10):
            writer.submit(make.play(number, number))
            writer.submit(make.reading(number + 0.5, number, number))
            writer.flush()
        store = writer._delivery.session._store
        assert len(store._viewers) == len(store._plays) == 3
        # Number 0 was forgotten, and is found again.
        writer.submit(make.reading(20.0, 0, 0))
        writer.submit(make.play_end(0, 21.0))
    assert writer.lost == 0
    assert rows("SELECT count(*), max(last_seen_at) FROM viewers") == [
        (10, "2026-03-01 09:30:20.123456")
    ]
    assert rows("SELECT outcome FROM plays WHERE number = 0") == [("finished",)]


def test_locked_database_costs_no_record(engine, make, path, rows, monkeypatch, caplog):
    monkeypatch.setattr("db.write.delivery.RETRY_MAX_S", 0.05)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    with SessionWriter(engine, make.session(), commit_interval_s=0.01) as writer:
        with locked(path):
            for record in make.stream()[:40]:
                assert writer.submit(record)
            wait_until(lambda: writer.error is not None)
            assert "database is locked" in str(writer.error)
            assert not writer.flush(0.1)
            for record in make.stream()[40:]:
                assert writer.submit(record)
        assert writer.flush()
        assert writer.error is None
        assert writer.lost == 0
        writer.close(make.end())
    assert rows("SELECT count(*) FROM readings") == [(93,)]
    assert rows("SELECT lost FROM sessions") == [(0,)]
    assert "Trying again" in caplog.text


def test_full_queue_counts_and_logs_once(engine, make, path, rows, caplog):
    with SessionWriter(
        engine, make.session(), queue_size=5, full_wait_s=0.01, commit_interval_s=0.01
    ) as writer:
        with locked(path):
            accepted = [writer.submit(make.ad(f"ad-{number}")) for number in range(20)]
            lost = accepted.count(False)
            assert 10 <= lost <= 15
            assert writer.lost == lost
        assert writer.flush()
    assert writer.lost == lost
    assert rows("SELECT lost, (SELECT count(*) FROM ads) FROM sessions") == [(lost, 20 - lost)]
    assert caplog.text.count("found no room") == 1


def test_a_show_does_not_wait_for_room_while_nothing_can_be_written(engine, make, path):
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    with SessionWriter(
        # One that waited for room would do so for longer than any machine is busy.
        *(engine, make.session()),
        queue_size=5,
        full_wait_s=60.0,
        commit_interval_s=0.01,
    ) as writer:
        with locked(path):
            writer.submit(make.ad())
            wait_until(lambda: writer.error is not None)
            watch = Stopwatch()
            accepted = [writer.submit(make.reading(step, play=None)) for step in range(20)]
            assert watch.seconds < 30
        assert writer.flush()
        assert writer.lost == accepted.count(False) >= 10
        assert writer.submit(make.reading(21.0, play=None))


def test_a_replay_waits_for_room_also_while_nothing_can_be_written(engine, make, path):
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    with SessionWriter(
        engine, make.session(kind="replay"), queue_size=5, commit_interval_s=0.01
    ) as writer:
        with locked(path):
            for number in range(5):
                writer.submit(make.ad(f"ad-{number}"))
            wait_until(lambda: writer.error is not None)
            accepted = []
            thread = threading.Thread(
                target=lambda: accepted.append(writer.submit(make.ad("late")))
            )
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(60)
        assert accepted == [True]
    assert writer.lost == 0


def test_close_while_locked_gives_up_in_time(engine, make, path, monkeypatch):
    # After half a second, with room for what a busy machine takes.
    monkeypatch.setattr(session_writer, "LAST_ATTEMPT_S", 60.0)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    writer = SessionWriter(engine, make.session(), commit_interval_s=0.01)
    with locked(path):
        writer.submit(make.ad())
        with pytest.raises(
            DatabaseWriteError, match=r"kiosk.db \(database is locked\); check the disk"
        ):
            writer.close(timeout=60.5)
    assert writer.lost == 1
    writer.close()


@pytest.mark.sqlite
def test_full_disk_is_ridden_out(engine, make, rows, caplog):
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with SessionWriter(engine, make.session(settings={}), commit_interval_s=0.01) as writer:
        writer.submit(make.ad())
        writer.submit(make.play())
        for step in range(2000):
            writer.submit(make.reading(step / 1000))
        wait_until(lambda: writer.error is not None)
        assert "full" in str(writer.error)
        for _ in range(100):
            # The limit belongs to the connection, which the thread gives back between two attempts.
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count = 100000")
            if writer.flush(0.2):
                break
        assert writer.error is None
    assert rows("SELECT count(*) FROM readings") == [(2000,)]
    assert writer.lost == 0


@pytest.mark.logs_errors
def test_a_bug_costs_only_the_records_that_make_it(engine, make, rows, monkeypatch, caplog):
    whole = SessionStore.apply

    def apply(self, connection, records):
        if any(isinstance(one, ReadingRecord) and one.face.viewer == 13 for one in records):
            raise KeyError("a bug")
        return whole(self, connection, records)

    monkeypatch.setattr(SessionStore, "apply", apply)
    writer = SessionWriter(engine, make.session())
    for record in (make.ad(), make.play(), *(make.reading(step / 10, step) for step in range(20))):
        assert writer.submit(record)
    assert not writer.flush(), "something is wrong"
    assert isinstance(writer.error, DatabaseWriteError)
    assert isinstance(writer.error.__cause__, KeyError)
    assert writer.submit(make.reading(9.0))
    with pytest.raises(DatabaseWriteError, match="a bug"):
        writer.close(make.end())
    assert writer.lost == 1
    assert rows("SELECT number FROM viewers ORDER BY number") == [
        (number,) for number in range(20) if number != 13
    ]
    assert rows("SELECT count(*) FROM readings") == [(20,)]
    assert rows("SELECT end_reason, lost, last_record FROM sessions") == [("finished", 1, 23)]
    assert [
        record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info
    ]


def test_a_session_that_is_deleted_goes_on_as_another(engine, make, rows):
    writer = SessionWriter(engine, make.session(), commit_interval_s=0.01)
    for record in (make.ad(), make.play(), make.reading(1.0), GapStarted(make.at(2), "dark")):
        writer.submit(record)
    assert writer.flush()
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sessions")
    writer.submit(make.reading(3.0))
    writer.close(make.end())
    assert writer.lost == 0
    assert rows("SELECT id, end_reason, last_record FROM sessions") == [
        (writer.session_id, "finished", 5)
    ]
    assert rows("SELECT position_ms, number FROM readings JOIN plays ON plays.id = play_id") == [
        (3000.0, 1)
    ]
    assert rows("SELECT cause, started_at, ended_at FROM gaps ORDER BY id") == [
        ("database_replaced", "2026-03-01 09:30:00.123456", "2026-03-01 09:30:02.123456"),
        ("dark", "2026-03-01 09:30:02.123456", "2026-03-01 09:30:20.123456"),
    ]
    assert "its row was deleted" in rows("SELECT detail FROM gaps")[0][0]


def test_new_session_needs_a_writable_database(path, engine, make, monkeypatch):
    monkeypatch.setattr("db.write.session_writer.START_TIMEOUT_S", 0.0)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    with (
        locked(path),
        pytest.raises(DatabaseWriteError, match=r"could not be started .*database is locked"),
    ):
        SessionWriter(engine, make.session())
    reader = open_database(str(path), read_only=True)
    with pytest.raises(DatabaseWriteError, match="readonly"):
        SessionWriter(reader, make.session())
    reader.dispose()
    assert [thread.name for thread in threading.enumerate() if thread.name == "db-writer"] == []
    assert list(path.parent.glob("*.lock")) == []


def test_two_writers_at_once(engine, make, rows):
    with (
        SessionWriter(engine, make.session()) as one,
        SessionWriter(engine, make.session(kind="replay")) as two,
    ):
        for record in make.stream():
            one.submit(record)
            two.submit(record)
        two.close(make.end())
        one.close(SessionEnded(make.at(25), "stopped"))
    assert rows("SELECT session_id, count(*) FROM readings GROUP BY 1 ORDER BY 1") == [
        (1, 93),
        (2, 93),
    ]
    assert rows("SELECT count(*) FROM ads") == [(2,)]


def test_play_that_fails_keeps_its_error(engine, make, rows):
    make.write(
        engine, [make.ad(), make.play(), PlayEnded(1, make.at(1), "failed", None, "cut off")]
    )
    assert rows("SELECT outcome, shown_ms, error FROM plays") == [("failed", None, "cut off")]


def test_names_that_are_no_unicode(engine, make, rows):
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    records = [make.ad(name, name="Öl", file=name), make.play(1, 0, name), make.reading(1.0)]
    session_id = make.write(engine, records, source=name, settings={"path": name, "oil": "Öl"})
    data = load_session(engine, session_id)
    assert data.info.source == data.ads[0].ad_id == data.ads[0].file == "caf\\udce9.mp4"
    assert data.info.settings == {"path": name, "oil": "Öl"}
    assert rows("SELECT settings FROM sessions") == [('{"path": "caf\\udce9.mp4", "oil": "Öl"}',)]
    make.write(engine, records)
    assert rows("SELECT count(*) FROM ads") == [(1,)]
