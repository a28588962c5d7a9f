"""The database goes away and comes back: what waits, where, and that each record is stored once.

Tests `db.write.delivery`, `db.write.record_queue`, `db.write.session` and `db.write.recovery`.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import exc

from db.engine import open_database, writing
from db.errors import DatabaseUnavailableError, DatabaseWriteError
from db.read.sessions import load_session
from db.write import delivery, session_writer
from db.write import session as database_session
from db.write.outbox import Outbox, OutboxPlace
from db.write.records import ClockSet, GapStarted
from db.write.recovery import Recovery, open_to_record, resume_outboxes
from db.write.session_writer import SessionWriter
from db.write.store import interrupt_session
from tests.helpers.feeding import Feeder, locked
from tests.helpers.making import moved_by
from tests.helpers.waiting import Stopwatch, wait_until


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Outages of a moment, treated like long ones."""
    monkeypatch.setattr(delivery, "PERSIST_AFTER_S", 0.0)
    monkeypatch.setattr(delivery, "RETRY_MAX_S", 0.05)
    monkeypatch.setattr(session_writer, "START_PATIENCE_S", 0.1)
    monkeypatch.setattr("db.sqlite_file.BUSY_TIMEOUT_MS", 20)
    monkeypatch.setattr("db.engine.OPEN_RETRY_S", 0.1)
    monkeypatch.setattr("db.write.recovery.OPEN_PATIENCE_S", 0.1)


@pytest.fixture
def place(tmp_path):
    return OutboxPlace(tmp_path / "spool", "kiosk.db", limit_bytes=1 << 20, reserve_bytes=1 << 16)


@pytest.fixture
def short_wait(engine, monkeypatch):
    """The engine of the test does not wait long for a lock either, and its writer is not tried again
    once it closes, however long a busy machine takes for what is left to do.
    """
    monkeypatch.setattr(session_writer, "LAST_ATTEMPT_S", 60.0)
    engine.dispose()
    return engine


def submit_all(session, records):
    for record in records:
        assert session.submit(record)


def test_a_clock_that_is_set_while_records_wait_moves_each_of_them_once(
    path, short_wait, make, rows, place
):
    step = timedelta(days=20_000, seconds=0.25)
    stream = make.stream()
    with SessionWriter(short_wait, make.session(), spool=place, commit_interval_s=0.01) as session:
        submit_all(session, stream[:30])
        assert session.flush()
        with locked(path):
            submit_all(session, [*stream[30:60], ClockSet(step.total_seconds())])
            submit_all(session, [moved_by(one, step) for one in stream[60:]])
            wait_until(lambda: session.waiting_on_disk == len(stream) + 1 - 30)
        assert session.flush()
        session.close(moved_by(make.end(), step))
    assert (session.lost, session.error) == (0, None)
    right = {moved_by(one, step).at.replace(tzinfo=None) for one in stream if hasattr(one, "face")}
    at = {datetime.fromisoformat(text) for (text,) in rows("SELECT at FROM readings")}
    assert at == right
    assert rows("SELECT count(*) FROM readings") == [(93,)]
    assert rows("SELECT min(started_at) >= (SELECT started_at FROM sessions) FROM plays") == [(1,)]


def test_records_wait_on_disk_and_are_written_in_their_order(
    path, short_wait, make, rows, place, caplog
):
    with SessionWriter(short_wait, make.session(), spool=place, commit_interval_s=0.01) as session:
        submit_all(session, make.stream()[:30])
        assert session.flush()
        with locked(path):
            for record in make.stream()[30:70]:
                assert session.submit(record)
                time.sleep(0.002)
            wait_until(lambda: session.waiting_on_disk == 40)
            assert session.waiting == 40
            assert "database is locked" in str(session.error)
            assert not session.flush(0.1)
            assert rows("SELECT last_record FROM sessions") == [(30,)]
        submit_all(session, make.stream()[70:])
        assert session.flush()
        assert (session.waiting, session.error, session.lost) == (0, None, 0)
        session.close(make.end())
    assert rows("SELECT count(*), count(DISTINCT at || viewer_id) FROM readings") == [(93, 93)]
    assert rows(
        "SELECT count(*) FROM (SELECT at < lag(at) OVER (ORDER BY id) AS back FROM readings) WHERE back"
    ) == [(0,)]
    assert rows("SELECT lost, last_record FROM sessions") == [(0, 103)]
    assert list(place.folder.iterdir()) == []
    assert "wait in" in caplog.text


def test_what_waits_at_the_end_is_written_by_the_next_start(path, short_wait, make, place, caplog):
    session = SessionWriter(short_wait, make.session(), spool=place, commit_interval_s=0.01)
    submit_all(session, make.stream()[:30])
    session.flush()
    with locked(path):
        submit_all(session, make.stream()[30:])
        with pytest.raises(
            DatabaseWriteError,
            match=r"73 records wait in .*\.spool and are written by the next start",
        ):
            session.close(make.end(), timeout=60)
    assert session.lost == 0

    opened = open_to_record(str(path), place.folder)
    assert opened.place.found() == [], "in a folder of its own a database has another name"
    assert resume_outboxes(opened.engine, place) == [1]
    assert resume_outboxes(opened.engine, place) == []
    data = load_session(opened.engine, 1)
    opened.engine.dispose()
    assert (data.info.end_reason, data.info.frames, data.info.lost) == ("finished", 600, 0)
    assert (len(data.readings), len(data.plays), data.gaps[0].ended_at) == (93, 3, make.at(19.5))
    assert list(place.folder.iterdir()) == []
    assert "73 records of session 1" in caplog.text


class _Slow:
    """Takes records after a while, in which it waits or computes."""

    def __init__(self, do) -> None:
        self._do = do

    def submit(self, _record) -> bool:
        self._do()
        return True


def _compute() -> None:
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize(("do", "is_waiting"), [(lambda: time.sleep(0.3), True), (_compute, False)])
def test_the_feeder_tells_waiting_from_a_slow_machine(make, monkeypatch, do, is_waiting):
    monkeypatch.setattr("tests.helpers.feeding.VIEWERS", 1)
    with Feeder(_Slow(do), make) as feeder:
        wait_until(lambda: feeder.submitted > 1)
    assert (feeder.longest_submit_s > 0.2) is is_waiting


def test_closing_ends_in_time_with_everything_on_disk(path, make, place, monkeypatch):
    """Each attempt waits for the lock, and the last one must not begin when the time is almost
    over.
    """
    monkeypatch.setattr("db.sqlite_file.BUSY_TIMEOUT_MS", 200)
    # It gives up after 0.6 s, and has another ten for what a busy machine takes.
    monkeypatch.setattr(session_writer, "LAST_ATTEMPT_S", 10.0)
    monkeypatch.setattr(delivery, "RETRY_FIRST_S", 10.0)
    monkeypatch.setattr(delivery, "RETRY_MAX_S", 10.0)
    engine = open_database(str(path))
    session = SessionWriter(engine, make.session(), spool=place, commit_interval_s=0.01)
    with locked(path):
        submit_all(session, make.stream())
        wait_until(lambda: session.error is not None)
        whole, begun = delivery.Delivery.attempt, []

        def attempt(self):
            begun.append(self)
            return whole(self)

        monkeypatch.setattr(delivery.Delivery, "attempt", attempt)
        with pytest.raises(
            DatabaseWriteError,
            match=r"103 records wait in .*\.spool and are written by the next start",
        ):
            session.close(make.end(), timeout=10.6)
        assert len(begun) <= 1, "there was time for one"
    assert not session._thread.is_alive()
    assert resume_outboxes(engine, place) == [1]
    assert load_session(engine, 1).info.end_reason == "finished"
    engine.dispose()


def test_an_attempt_that_hangs_at_the_end_finds_everything_on_disk(
    path, short_wait, make, place, monkeypatch
):
    monkeypatch.setattr(session_writer, "LAST_ATTEMPT_S", 0.0)
    session = SessionWriter(short_wait, make.session(), spool=place, commit_interval_s=0.01)
    hangs, goes_on = threading.Event(), threading.Event()
    whole = delivery.Delivery.end

    def end(self, ended):
        hangs.set()
        assert goes_on.wait(60)
        return whole(self, ended)

    with locked(path):
        submit_all(session, make.stream())
        wait_until(lambda: session.error is not None)
        monkeypatch.setattr(delivery.Delivery, "end", end)
        try:
            # As if the time was over as soon as it hangs.
            with monkeypatch.context() as hasty:
                hasty.setattr(session._thread, "join", lambda _timeout: hangs.wait(60))
                with pytest.raises(
                    DatabaseWriteError,
                    match=r"within 60 s; 103 records wait in .*\.spool and are written",
                ):
                    session.close(make.end(), timeout=60)
            (file,) = place.found()
            with closing(sqlite3.connect(file)) as other:
                assert other.execute("SELECT 1 FROM head WHERE name = 'end'").fetchall()
        finally:
            goes_on.set()
    session.close()
    assert load_session(short_wait, 1).info.end_reason == "finished"
    assert place.found() == []


def test_a_start_takes_up_what_waits_beside_the_database(path, short_wait, make):
    beside = OutboxPlace.of(short_wait, None)
    session = SessionWriter(short_wait, make.session(), spool=beside)
    with locked(path):
        submit_all(session, make.stream())
        with pytest.raises(DatabaseWriteError, match="wait in"):
            session.close(make.end(), timeout=60)
    opened = open_to_record(str(path))
    assert len(load_session(opened.engine, 1).readings) == 93
    opened.engine.dispose()
    short_wait.dispose()
    assert [file.name for file in path.parent.iterdir()] == ["kiosk.db"]


def test_a_crash_after_the_commit_and_before_the_spool_knows_it(
    path, short_wait, make, place, rows
):
    """The spool comes back as it was before it was emptied, twice: nothing is written again."""
    with SessionWriter(short_wait, make.session(), spool=place) as session:
        with locked(path):
            submit_all(session, make.stream())
            wait_until(lambda: session.waiting_on_disk == 103)
            (file,) = place.found()
            kept = shutil.copy(file, place.folder / "copy")
        session.flush()
        submit_all(session, [make.reading(19.9, 5, None)])
        session.close(make.end())
    for _ in range(2):
        shutil.copy(kept, file)
        assert resume_outboxes(short_wait, place) == [1]
        assert rows("SELECT count(*) FROM readings") == [(94,)]
        assert rows("SELECT end_reason, frames, lost, last_record FROM sessions") == [
            ("finished", 600, 0, 104)
        ]
        assert rows("SELECT count(*) FROM plays WHERE outcome = 'interrupted'") == [(0,)]


def test_a_crash_half_way_through_taking_up(path, short_wait, make, place, rows, monkeypatch):
    session = SessionWriter(short_wait, make.session(), spool=place)
    with locked(path):
        submit_all(session, make.stream())
        with pytest.raises(DatabaseWriteError):
            session.close(make.end(), timeout=60)
    monkeypatch.setattr(delivery, "CHUNK", 20)
    monkeypatch.setattr(delivery, "SLICE_S", 0.0)
    whole = delivery.Delivery.attempt
    calls = []

    def dies(self):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self)

    monkeypatch.setattr(delivery.Delivery, "attempt", dies)
    with pytest.raises(KeyboardInterrupt):
        resume_outboxes(short_wait, place)
    assert rows("SELECT last_record FROM sessions") == [(40,)]
    monkeypatch.setattr(delivery.Delivery, "attempt", whole)
    # In this process the dead program's locks are still held; they end with it.
    for file in place.found():
        shutil.copy(file, file.with_name("copy"))
        file.unlink()
        shutil.move(file.with_name("copy"), file)
    path.with_name("kiosk.db-session-1.lock").unlink()
    assert resume_outboxes(short_wait, place) == [1]
    assert rows("SELECT count(*), count(DISTINCT at || viewer_id) FROM readings") == [(93, 93)]


def leave_spool(place, make, minute):
    """What a program leaves that was killed while its database was away."""
    session = make.session(started_at=make.at(60 * minute))
    spool = Outbox.create(place, session)
    spool.append([], list(enumerate(make.stream(), 1)))
    spool.close(remove=False)


def test_old_spools_are_taken_up_a_part_at_a_time(engine, make, place, rows, monkeypatch):
    """So that new records do not wait in memory for as long as that takes."""
    monkeypatch.setattr(delivery, "CHUNK", 40)
    monkeypatch.setattr(delivery, "SLICE_S", -1.0)
    for minute in (1, 2):
        leave_spool(place, make, minute)
    recovery = Recovery(engine, place, 0.0)
    assert not recovery.run_part()
    assert not recovery.run_part()
    assert rows("SELECT last_record FROM sessions") == [(80,)]
    recovery.close()
    recovery.close()
    assert len(place.found()) == 2
    parts = 1
    while not recovery.run_part():
        parts += 1
    assert parts >= 6
    assert rows("SELECT last_record, end_reason FROM sessions") == [(103, "interrupted")] * 2
    assert rows("SELECT count(*) FROM readings") == [(186,)]
    assert place.found() == []


def test_new_records_go_to_the_disk_between_the_parts(path, short_wait, make, rows, monkeypatch):
    monkeypatch.setattr(delivery, "CHUNK", 5)
    monkeypatch.setattr(delivery, "SLICE_S", -1.0)
    leave_spool(OutboxPlace.of(short_wait, None), make, 1)
    with locked(path):
        opened = open_to_record(str(path))
        session = SessionWriter(
            opened.engine,
            make.session(),
            spool=opened.place,
            recovery=opened.recovery,
            commit_interval_s=0.001,
        )
        whole, seen = Recovery.run_part, []

        def run_part(self):
            session.submit(make.reading(len(seen) / 10, 1, None))
            time.sleep(0.002)
            seen.append(session.waiting - session.waiting_on_disk)
            return whole(self)

        monkeypatch.setattr(Recovery, "run_part", run_part)
    wait_until(lambda: session.session_id)
    assert session.flush()
    session.close(make.end())
    opened.engine.dispose()
    assert len(seen) > 20
    assert max(seen) <= 2, "in memory is only what came since the last part"
    assert rows("SELECT count(*) FROM readings") == [(93 + len(seen),)]


def test_a_commit_of_which_nobody_knows_whether_it_happened(engine, make, rows, monkeypatch):
    """The server goes away with the answer: the transaction is there, and is not written once more."""
    whole = database_session.writing
    failures = [1, 3]

    @contextmanager
    def loses_the_answer(of):
        with whole(of) as connection:
            yield connection
        calls.append(1)
        if len(calls) in failures:
            raise exc.OperationalError("COMMIT", {}, Exception("the connection is lost"))

    calls = []
    with SessionWriter(engine, make.session(), commit_interval_s=0.01) as session:
        monkeypatch.setattr(database_session, "writing", loses_the_answer)
        submit_all(session, make.stream()[:50])
        assert session.flush()
        submit_all(session, make.stream()[50:])
        assert session.flush()
        session.close(make.end())
    assert len(calls) >= 5
    assert session.lost == 0
    assert rows("SELECT count(*) FROM readings") == [(93,)]
    assert rows("SELECT count(*) FROM plays") == [(3,)]
    assert rows("SELECT last_record FROM sessions") == [(103,)]


def test_a_session_that_was_taken_for_dead_goes_on(engine, make, rows, caplog):
    with SessionWriter(engine, make.session()) as session:
        submit_all(
            session, [make.ad(), make.play(), make.reading(2.0), GapStarted(make.at(3), "dark")]
        )
        session.flush()
        with writing(engine) as connection:
            assert interrupt_session(connection, session.session_id)
        assert rows("SELECT end_reason FROM sessions") == [("interrupted",)]
        submit_all(session, [make.reading(5.0), make.play_end(seconds=8.0)])
        assert session.flush()
        assert rows("SELECT end_reason FROM sessions") == [(None,)]
        session.close(make.end())
    assert session.lost == 0
    assert rows("SELECT outcome, ended_at FROM plays") == [
        ("finished", "2026-03-01 09:30:08.123456")
    ]
    assert rows("SELECT ended_at FROM gaps") == [("2026-03-01 09:30:20.123456",)]
    assert rows("SELECT end_reason FROM sessions") == [("finished",)]
    assert "goes on" in caplog.text


def test_a_session_begins_while_the_database_is_locked(path, short_wait, make, rows, place):
    with locked(path):
        session = SessionWriter(short_wait, make.session(), spool=place, commit_interval_s=0.01)
        assert session.session_id == 0
        assert session.error is not None
        submit_all(session, make.stream())
        wait_until(lambda: session.waiting == 103)
    assert session.flush()
    assert session.session_id == 1
    session.close(make.end())
    assert rows("SELECT count(*) FROM readings") == [(93,)]


def test_a_database_that_cannot_be_opened_is_opened_later(path, short_wait, make, rows, caplog):
    make.write(short_wait)
    with short_wait.begin() as connection:
        connection.exec_driver_sql("UPDATE sessions SET ended_at = NULL, end_reason = NULL")
    with locked(path):
        opened = open_to_record(str(path))
        assert opened.recovery is not None
        assert "The session begins without it" in caplog.text
        session = SessionWriter(
            opened.engine, make.session(), spool=opened.place, recovery=opened.recovery
        )
        submit_all(session, make.stream())
    assert session.flush()
    assert session.session_id == 2
    assert rows("SELECT end_reason FROM sessions ORDER BY id") == [("interrupted",), (None,)]
    session.close(make.end())
    opened.engine.dispose()
    assert rows("SELECT session_id, count(*) FROM readings GROUP BY session_id") == [
        (1, 93),
        (2, 93),
    ]


def test_without_a_spool_a_locked_database_is_waited_for_and_then_an_error(
    path, engine, monkeypatch
):
    monkeypatch.setattr("db.engine.OPEN_RETRY_S", 0.4)
    began = time.monotonic()
    with locked(path), pytest.raises(DatabaseUnavailableError, match="in use by another program"):
        open_to_record(str(path), spool=False)
    assert time.monotonic() - began > 0.4


def test_a_show_does_not_wait_long_for_a_locked_database(path, short_wait, make, rows, monkeypatch):
    # Longer than any machine is busy.
    monkeypatch.setattr("db.engine.OPEN_RETRY_S", 60.0)
    monkeypatch.setattr(session_writer, "START_PATIENCE_S", 60.0)
    with locked(path):
        watch = Stopwatch()
        opened = open_to_record(str(path))
        session = SessionWriter(
            opened.engine, make.session(), spool=opened.place, recovery=opened.recovery
        )
        assert watch.seconds < 30
        submit_all(session, make.stream())
        wait_until(lambda: session.waiting_on_disk == 103)
        assert "in use by another program" in str(session.error)
    assert session.flush(30), "a short attempt was under way, and not a long one"
    session.close(make.end())
    opened.engine.dispose()
    assert rows("SELECT count(*) FROM readings") == [(93,)]


def test_records_are_on_disk_before_a_database_that_could_not_be_opened_is_asked(
    path, short_wait, make, place, monkeypatch
):
    monkeypatch.setattr(delivery, "PERSIST_AFTER_S", 60.0)
    asked = []

    def unavailable(*_args, **_more):
        on_disk = session.waiting_on_disk if session else 0
        asked.append((session.waiting - on_disk, on_disk) if session else (0, 0))
        raise DatabaseUnavailableError("The server is away.")

    session = None
    monkeypatch.setattr("db.write.recovery.make_ready", unavailable)
    opened = open_to_record(str(path))
    session = SessionWriter(
        opened.engine, make.session(), spool=place, recovery=opened.recovery, commit_interval_s=0.01
    )
    submit_all(session, make.stream())
    wait_until(lambda: (0, 103) in asked)
    assert all(in_memory == 0 for in_memory, _ in asked)
    monkeypatch.undo()
    assert session.flush()
    session.close(make.end())
    opened.engine.dispose()


def test_a_session_that_never_reached_its_database(path, short_wait, make, place, rows):
    with locked(path):
        session = SessionWriter(short_wait, make.session(), spool=place)
        submit_all(session, make.stream())
        with pytest.raises(DatabaseWriteError, match="103 records wait"):
            session.close(make.end(), timeout=60)
    assert rows("SELECT count(*) FROM sessions") == [(0,)]
    assert resume_outboxes(short_wait, place) == [1]
    assert rows("SELECT count(*) FROM readings") == [(93,)]
    assert rows("SELECT end_reason, frames FROM sessions") == [("finished", 600)]


def test_a_full_spool_loses_readings_and_counts_them(
    path, short_wait, make, tmp_path, rows, caplog
):
    small = OutboxPlace(tmp_path / "spool", "kiosk.db", limit_bytes=20_000, reserve_bytes=0)
    with SessionWriter(short_wait, make.session(), spool=small, commit_interval_s=0.01) as session:
        with locked(path):
            for record in make.stream():
                assert session.submit(record)
                time.sleep(0.002)
            wait_until(lambda: session.waiting_on_disk + session.lost == 103)
            lost = session.lost
        assert session.flush()
        assert session.lost == lost
        session.close(make.end())
    assert 10 < lost < 90
    assert rows("SELECT count(*) FROM readings") == [(93 - lost,)]
    assert rows("SELECT count(*) FROM plays WHERE outcome <> 'stopped'") == [(3,)], (
        "what gives them a meaning is kept"
    )
    assert rows("SELECT lost FROM sessions") == [(lost,)]
    assert "has lost" in caplog.text


def test_a_spool_that_cannot_be_written_leaves_records_in_memory(
    path, short_wait, make, tmp_path, rows, caplog
):
    blocked = tmp_path / "file"
    blocked.touch()
    nowhere = OutboxPlace(blocked / "spool", "kiosk.db")
    with SessionWriter(
        short_wait,
        make.session(),
        spool=nowhere,
        queue_size=50,
        full_wait_s=0.0,
        commit_interval_s=0.01,
    ) as session:
        with locked(path):
            taken = sum(session.submit(record) for record in make.stream())
            wait_until(lambda: session.waiting == 50)
        assert taken == 50
        assert session.flush()
        session.close(make.end())
    assert session.lost == 103 - 50
    assert rows("SELECT lost, last_record FROM sessions") == [(53, 50)]
    assert "name another folder with --spool" in caplog.text


def test_what_a_full_spool_has_lost_is_known_to_the_next_start(
    path, short_wait, make, tmp_path, rows
):
    small = OutboxPlace(tmp_path / "spool", "kiosk.db", limit_bytes=20_000, reserve_bytes=0)
    session = SessionWriter(short_wait, make.session(), spool=small, commit_interval_s=0.01)
    with locked(path):
        submit_all(session, make.stream())
        with pytest.raises(DatabaseWriteError, match="wait in"):
            session.close(make.end(), timeout=60)
    assert session.lost > 10
    assert resume_outboxes(short_wait, small) == [1]
    assert rows("SELECT end_reason, lost, (SELECT count(*) FROM readings) FROM sessions") == [
        ("finished", session.lost, 93 - session.lost)
    ]


@pytest.mark.parametrize(
    ("in_database", "ended"), [(7, False), (7, True), (2, False), (None, False)]
)
def test_losses_of_a_dead_program_stay_counted(engine, make, rows, place, in_database, ended):
    """Its count in the database and the one in its spool are of one session: the later one, not
    their sum.
    """
    if in_database is not None:
        make.write(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE sessions SET ended_at = NULL, end_reason = NULL, frames = NULL, lost = {in_database}"
            )
    spool = Outbox.create(place, make.session())
    spool.append([make.ad()], [(110, make.play(9)), (111, make.reading(30.0, 1, 9))], 5)
    if ended:
        spool.append_end([], make.end(), 9)
    spool.close(remove=False)
    assert resume_outboxes(engine, place) == [1]
    lost = 9 if ended else max(5, in_database or 0)
    assert rows("SELECT lost, end_reason, last_record FROM sessions") == [
        (lost, "finished" if ended else "interrupted", 111)
    ]


def test_another_kiosks_spool_is_left_alone(path, short_wait, make, place):
    with locked(path):
        session = SessionWriter(short_wait, make.session(), spool=place, commit_interval_s=0.01)
        submit_all(session, make.stream())
        wait_until(lambda: session.waiting_on_disk == 103)
    assert resume_outboxes(short_wait, place) == []
    session.close(make.end(), timeout=120)
    assert session.lost == 0


def test_a_spool_that_nobody_understands_stays(path, engine, place, caplog):
    place.folder.mkdir()
    file = place.folder / "kiosk.db-20260301T093000000000.spool"
    file.write_bytes(b"")
    assert resume_outboxes(engine, place) == []
    assert not file.exists(), "nothing waits in it"
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE head (name TEXT PRIMARY KEY, document TEXT)")
        other.execute("INSERT INTO head VALUES ('session', '{\"type\":\"Tomorrow\"}')")
    assert resume_outboxes(engine, place) == []
    assert file.exists()
    assert "and stays where it is" in caplog.text
