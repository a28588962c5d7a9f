"""A database file that is damaged, deleted or replaced: what was in it is kept, and the session
goes on.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from db.engine import open_database
from db.errors import DatabaseDamagedError, DatabaseOpenError, DatabaseUnavailableError
from db.read.sessions import load_session
from db.sqlite_file import is_ours
from db.upkeep import quarantine as damage
from db.upkeep.quarantine import quarantine
from db.write import recovery
from db.write import session as database_session
from db.write.outbox import OutboxPlace
from db.write.records import GapStarted
from db.write.recovery import open_to_record
from db.write.session_writer import SessionWriter
from tests.helpers.waiting import wait_until

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def zeroed_start(content):
    return b"\0" * 4096 + content[4096:]


def scribbled(content):
    noise = random.Random(1)  # noqa: S311 (rubbish)
    return content[:200] + noise.randbytes(len(content) - 200)


def wrong_first_bytes(content):
    return b"Something else!!" + content[16:]


def all_zeros(content):
    return b"\0" * len(content)


def cut_off(content):
    return content[: len(content) // 3]


DAMAGES = [zeroed_start, wrong_first_bytes, all_zeros, cut_off]


@pytest.fixture
def healthy(path, make):
    """A database of ours with a session, and nobody who uses it; gives its bytes."""
    engine = open_database(str(path))
    make.write(engine)
    engine.dispose()
    return path.read_bytes()


@pytest.mark.parametrize("harm", DAMAGES)
def test_a_run_sets_a_damaged_database_aside_and_begins_a_new_one(
    path, healthy, make, caplog, harm
):
    path.write_bytes(harm(healthy))
    opened = open_to_record(str(path))
    assert opened.quarantined is not None
    assert opened.quarantined.read_bytes() == harm(healthy)
    assert opened.quarantined.name.startswith("kiosk.corrupt-")
    assert make.write(opened.engine) == 1
    opened.engine.dispose()
    assert sorted(path.parent.iterdir()) == sorted([path, opened.quarantined])
    assert ".recover" in caplog.text


@pytest.mark.parametrize("harm", DAMAGES)
def test_a_reader_names_the_damage_and_changes_nothing(path, healthy, harm):
    path.write_bytes(harm(healthy))
    with pytest.raises(
        DatabaseDamagedError, match=r"is damaged .*restore a backup, .* \.recover .* rescued\.db"
    ):
        open_database(str(path), read_only=True)
    assert path.read_bytes() == harm(healthy)
    assert list(path.parent.iterdir()) == [path]
    assert is_ours(path)


def test_somebody_elses_file_is_refused_and_not_set_aside(path):
    path.write_bytes(b"This is somebody's letter." * 100)
    with pytest.raises(DatabaseOpenError, match="is not an SQLite database"):
        open_to_record(str(path))
    with closing(sqlite3.connect(path.with_name("other.db"))) as other:
        other.execute("CREATE TABLE bookmarks (id INTEGER)")
    broken = path.with_name("other.db").read_bytes()[:1000]
    path.write_bytes(broken)
    with pytest.raises(DatabaseOpenError, match="is not a healthy SQLite database"):
        open_to_record(str(path))
    assert path.read_bytes() == broken
    assert not is_ours(path)


def test_damage_that_shows_only_while_sessions_are_closed(path, healthy, make):
    """The first pages are whole, so that opening finds nothing."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE sessions SET ended_at = NULL, end_reason = NULL")
        connection.commit()
        page = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'plays'"
        ).fetchone()[0]
    content = path.read_bytes()
    path.write_bytes(content[: (page - 1) * 4096] + b"\xee" * 4096 + content[page * 4096 :])
    opened = open_to_record(str(path))
    assert opened.quarantined is not None
    opened.engine.dispose()


def test_nothing_that_is_set_aside_is_ever_overwritten(path, healthy):
    names = []
    for number in range(3):
        path.write_bytes(b"damaged %d" % number)
        path.with_name("kiosk.db-wal").write_bytes(b"log %d" % number)
        names.append(quarantine(path, NOW).name)
    stamp = "kiosk.corrupt-20260301T0930Z"
    assert names == [f"{stamp}.db", f"{stamp}-2.db", f"{stamp}-3.db"]
    for number, name in enumerate(names):
        assert path.with_name(name).read_bytes() == b"damaged %d" % number
        assert path.with_name(f"{name}-wal").read_bytes() == b"log %d" % number
    assert not path.exists()


def test_what_cannot_be_set_aside_waits(path, healthy, monkeypatch):
    path.write_bytes(zeroed_start(healthy))

    def refuses(_path):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(recovery, "quarantine", refuses)
    with pytest.raises(
        DatabaseUnavailableError, match=r"cannot be set aside .Read-only file system.; rename it"
    ):
        open_to_record(str(path), spool=False)
    assert path.read_bytes() == zeroed_start(healthy)


@pytest.fixture
def session(path, make):
    """A session that is being written."""
    engine = open_database(str(path))
    with SessionWriter(
        engine,
        make.session(),
        spool=OutboxPlace.of(engine, None),
        commit_interval_s=0.01,
    ) as session:
        for record in (
            make.ad(),
            make.play(),
            GapStarted(make.at(0.5), "dark"),
            make.reading(1.0),
            make.reading(2.0),
        ):
            session.submit(record)
        assert session.flush()
        yield session
    engine.dispose()


def check_goes_on(path, session, make, before):
    """What is submitted now ends up in the new database, with all that it refers to."""
    for record in (
        make.reading(3.0),
        make.play_end(1, 8.0),
        make.play(2, 8.0),
        make.reading(9.0, 1, 2, position_ms=1e3),
    ):
        assert session.submit(record)
    assert session.flush()
    session.close(make.end())
    assert session.lost == 0
    engine = open_database(str(path), read_only=True)
    data = load_session(engine, session.session_id)
    engine.dispose()
    assert [us / 1e6 % 60 for us in data.readings.at_us] == pytest.approx([3.123456, 9.123456])
    assert [(play.number, play.outcome) for play in data.plays] == [(1, "finished"), (2, "stopped")]
    assert [(gap.cause, gap.started_at, gap.ended_at) for gap in data.gaps] == [
        ("database_replaced", make.start, make.at(2)),
        ("dark", make.at(0.5), make.at(20)),
    ]
    assert before in data.gaps[0].detail
    assert (data.info.started_at, data.info.end_reason, data.info.frames) == (
        make.start,
        "finished",
        600,
    )
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_damage_while_a_session_is_written(path, session, make, caplog):
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(scribbled(content))
    check_goes_on(path, session, make, "what was recorded before is in kiosk.corrupt-")
    (aside,) = path.parent.glob("kiosk.corrupt-*.db")
    assert aside.read_bytes()[200:] == scribbled(content)[200:]
    assert "goes on as session 1" in caplog.text


def test_damage_that_is_gone_with_the_connection(path, session, make, monkeypatch):
    """Only what a connection had in its memory was wrong: the file stays in its place."""
    whole = database_session.claim_session
    calls = []

    def fails_once(connection, session_id):
        calls.append(1)
        if len(calls) == 1:
            raise sqlite3.DatabaseError("database disk image is malformed")
        return whole(connection, session_id)

    monkeypatch.setattr(database_session, "claim_session", fails_once)
    session.submit(make.reading(3.0))
    wait_until(lambda: len(calls) >= 2)
    assert session.flush()
    assert list(path.parent.glob("*corrupt*")) == []
    assert session.session_id == 1


def test_a_database_that_is_deleted_while_a_session_is_written(path, session, make):
    for file in path.parent.glob("kiosk.db*"):
        if not file.name.endswith((".spool", ".lock")):
            file.unlink()
    check_goes_on(path, session, make, "its file was deleted or replaced")


def test_a_database_that_is_replaced_while_a_session_is_written(path, session, make, tmp_path):
    other = tmp_path / "other" / "kiosk.db"
    engine = open_database(str(other))
    make.write(engine)
    engine.dispose()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.move(other, path)
    check_goes_on(path, session, make, "its file was deleted or replaced")
    assert session.session_id == 2


@pytest.fixture
def rolled_up_often(monkeypatch):
    monkeypatch.setattr("db.write.session_writer.ROLL_UP_INTERVAL_S", 0.0)


def test_damage_that_only_the_roll_up_finds(path, rolled_up_often, session, make, monkeypatch):
    calls = []

    def finds_damage(*_args, **_more):
        calls.append(1)
        if len(calls) <= 2:
            raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr("db.write.session_writer.store_roll_ups", finds_damage)
    for second in (3.0, 4.0, 5.0):
        session.submit(make.reading(second))
        assert session.flush()
    assert len(calls) >= 3
    assert session.lost == 0


def test_identity_of_what_is_not_there(path):
    assert damage.identity(path) is None
