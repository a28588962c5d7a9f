"""The outbox: what is in it after whatever happens to it, and how large it becomes."""

from __future__ import annotations

import os
import sqlite3
import stat
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from db.engine import make_engine
from db.write import lock
from db.write.outbox import Outbox, OutboxPlace
from db.write.records import encode


@pytest.fixture
def place(tmp_path):
    return OutboxPlace(tmp_path / "spool", "kiosk.db", limit_bytes=100_000, reserve_bytes=200_000)


@pytest.fixture
def outbox(place, make):
    outbox = Outbox.create(place, make.session())
    yield outbox
    outbox.close(remove=True)


def numbered(make, first, last):
    return [(number, make.reading(number / 10)) for number in range(first, last + 1)]


def resumed(path):
    found = Outbox.resume(path)
    assert found is not None
    return found


def execute(outbox, statement, *values):
    with closing(sqlite3.connect(outbox.path)) as connection, connection:
        connection.execute(statement, values)


def test_first_in_first_out(outbox, make):
    assert outbox.waiting == 0
    assert outbox.append([make.ad()], numbered(make, 5, 7)) == 0
    assert outbox.append([make.ad("later")], numbered(make, 8, 9)) == 0
    assert (outbox.waiting, outbox.known) == (5, (make.ad(),))
    assert outbox.read(2) == numbered(make, 5, 6)
    outbox.forget(6)
    assert outbox.read(10) == numbered(make, 7, 9)
    outbox.forget(8)
    assert outbox.append([], numbered(make, 10, 10)) == 0
    assert outbox.read(10) == numbered(make, 9, 10)
    outbox.forget(10)
    assert outbox.waiting == 0
    outbox.clear()
    assert outbox.append([make.ad("new")], numbered(make, 11, 11)) == 0
    assert outbox.read(10) == numbered(make, 11, 11)
    assert (outbox.session, outbox.known) == (make.session(), (make.ad("new"),))


def test_a_dead_programs_outbox_is_resumed_whole(place, outbox, make):
    outbox.append([make.ad(), make.play()], numbered(make, 1, 3))
    assert Outbox.resume(outbox.path) is None, "its program is alive"
    assert place.found() == [outbox.path]
    outbox.append_end([], make.end())
    outbox.close(remove=False)
    found = resumed(outbox.path)
    assert (found.session, found.known, found.ended) == (
        make.session(),
        (make.ad(), make.play()),
        make.end(),
    )
    assert found.waiting == 3
    assert found.read(10) == numbered(make, 1, 3)
    found.close(remove=True)
    assert place.found() == place.files() == []


def test_an_end_without_records(outbox, make):
    outbox.append_end([make.ad()], make.end())
    outbox.close(remove=False)
    found = resumed(outbox.path)
    assert (found.session, found.ended, found.waiting) == (make.session(), make.end(), 0)
    assert found.read(10) == []
    found.close(remove=True)


def test_what_was_lost_stands_with_the_next_record(outbox, make):
    outbox.append([], numbered(make, 1, 2))
    outbox.append([], numbered(make, 5, 6), 2)
    assert 0 < outbox.append([], numbered(make, 7, 1000), 2) < 994
    assert outbox.append([], [(1001, make.play_end())], 700) == 0
    outbox.close(remove=False)
    found = resumed(outbox.path)
    assert found.lost == 700
    assert found.read(2) == numbered(make, 1, 2)
    found.append_end([], make.end(), 703)
    found.close(remove=False)
    found = resumed(outbox.path)
    assert found.lost == 703
    found.close(remove=True)


@pytest.mark.parametrize("every", [23, pytest.param(7, marks=pytest.mark.slow)])
def test_every_place_at_which_a_power_cut_can_tear_a_commit(place, outbox, make, tmp_path, every):
    """The file is written page by page once its journal is on the disk; the rest is as it was."""
    outbox.append([make.ad()], numbered(make, 1, 3))
    before = outbox.path.read_bytes()
    many = [(n, 0, encode(make.reading(n / 10))) for n in range(4, 60)]
    cut = tmp_path / "cut" / outbox.path.name
    cut.parent.mkdir()
    with closing(sqlite3.connect(outbox.path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = PERSIST")
        writer.execute("PRAGMA cache_size = 1")  # pages are written before the commit
        writer.execute("BEGIN IMMEDIATE")
        writer.executemany("INSERT INTO records VALUES (?, ?, ?)", many)
        journal = outbox.path.with_name(f"{outbox.path.name}-journal").read_bytes()
        after = outbox.path.read_bytes()
        writer.execute("ROLLBACK")
    assert after != before
    used = max(place for place in range(0, len(after), 4096) if any(after[place : place + 4096]))
    for length in range(0, used + 4096, 701):
        cut.write_bytes(after[:length] + before[length:])
        cut.with_name(f"{cut.name}-journal").write_bytes(journal)
        check_whole(cut, make)
    for length in range(0, 2000, every):
        for rest in (b"", b"\0" * 5000, b"\xff" * 40):
            cut.write_bytes(before)
            cut.with_name(f"{cut.name}-journal").write_bytes(journal[:length] + rest)
            check_whole(cut, make)


def check_whole(path, make):
    found = resumed(path)
    assert (found.session, found.known) == (make.session(), (make.ad(),))
    assert found.read(100) == numbered(make, 1, 3)
    assert found._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found.close(remove=True)


def test_a_record_that_went_bad_costs_one_record(outbox, make):
    outbox.append([], numbered(make, 1, 5))
    execute(
        outbox, "UPDATE records SET document = replace(document, '0.55', '0.56') WHERE number = 3"
    )
    assert [number for number, _ in outbox.read(10)] == [1, 2, 4, 5]
    assert [number for number, _ in outbox.read(10)] == [1, 2, 4, 5]
    assert outbox.unreadable == 1


def test_a_file_of_zeros_holds_nothing(tmp_path):
    path = tmp_path / "kiosk.db-1.spool"
    path.write_bytes(bytes(200_000))
    found = Outbox.resume(path)
    assert found.session is None
    found.close(remove=True)
    assert not path.exists()


def test_a_spool_that_lost_only_its_beginning_stays(tmp_path):
    path = tmp_path / "kiosk.db-1.spool"
    path.write_bytes(bytes(1 << 17) + b"records that somebody can still save")
    with pytest.raises((OSError, ValueError)):
        Outbox.resume(path)
    assert path.exists()


def test_a_spool_whose_journal_may_restore_it_stays(tmp_path):
    path = tmp_path / "kiosk.db-1.spool"
    path.write_bytes(bytes(8192))
    path.with_name("kiosk.db-1.spool-journal").write_bytes(b"pages")
    with pytest.raises((OSError, ValueError)):
        Outbox.resume(path)
    assert path.exists()


def test_a_spool_of_version_0_1_is_named_and_stays(tmp_path):
    path = tmp_path / "kiosk.db-1.spool"
    path.write_bytes(b'ab12cd34 {"session": {}, "known": []}\n' + bytes(5000))
    with pytest.raises(ValueError, match=r"version 0\.1 has written it"):
        Outbox.resume(path)
    assert path.exists()


def test_a_record_that_this_program_does_not_know(outbox, make, caplog):
    outbox.append([], numbered(make, 1, 2))
    text = '{"type":"Surprise"}'
    execute(outbox, "INSERT INTO records VALUES (3, ?, ?)", zlib.crc32(text.encode()), text)
    assert [number for number, _ in outbox.read(10)] == [1, 2]
    assert outbox.unreadable == 1
    assert "Surprise" in caplog.text


@pytest.mark.parametrize("program", ["alive", "dead"])
def test_an_outbox_that_is_rubbish_in_the_middle_ends_there(outbox, make, caplog, program):
    outbox.append([], numbered(make, 1, 200))
    content = outbox.path.read_bytes()
    if program == "alive":
        outbox._disconnect()  # a page that is in its memory is not read again
    else:
        outbox.close(remove=False)
    outbox.path.write_bytes(content[:40_960] + b"\xee" * 20_480 + content[61_440:])
    reader = outbox if program == "alive" else resumed(outbox.path)
    found = 0
    while part := reader.read(20):
        reader.forget(part[-1][0])
        found += len(part)
    assert 10 < found < 100
    if program == "alive":
        assert found + reader.unreadable == 200
    assert "is damaged" in caplog.text
    reader.close(remove=True)


def test_readings_give_way_to_what_gives_them_a_meaning(outbox, make):
    lost = outbox.append([], numbered(make, 1, 1000))
    assert 0 < lost < 1000
    assert 99_000 < outbox.size_bytes <= 100_000
    structure = [(2000 + number, make.play_end(number)) for number in range(20)]
    assert outbox.append([], structure) == 0
    assert outbox.append([], numbered(make, 3000, 3001)) == 2
    many = [(4000 + number, make.play_end(number)) for number in range(1000)]
    assert 0 < outbox.append([], many) < 1000
    assert outbox.size_bytes <= 110_000


def test_its_room_is_taken_in_advance_and_its_owner_reads_it_alone(outbox, make):
    def taken():
        return outbox.path.stat().st_blocks * 512

    assert taken() >= 200_000
    for file in outbox.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    outbox.append([], numbered(make, 1, 3))
    assert b"ReadingRecord" in outbox.path.read_bytes()
    outbox.clear()
    assert taken() >= 200_000
    for file in outbox.path.parent.iterdir():
        assert b"Reading" not in file.read_bytes(), "no reading lives on in it"


def test_a_disk_that_fails_adds_nothing(tmp_path, make):
    outbox = Outbox.create(OutboxPlace(tmp_path, "kiosk.db", reserve_bytes=0), make.session())
    outbox.append([], numbered(make, 1, 2))
    pages = outbox._connection.execute("PRAGMA page_count").fetchone()[0]
    outbox._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="full"):
        outbox.append([], numbered(make, 3, 100))
    assert outbox.waiting == 2
    outbox._connection.execute("PRAGMA max_page_count = 100000")
    assert outbox.append([], numbered(make, 3, 4)) == 0
    assert outbox.read(10) == numbered(make, 1, 4)
    outbox.close(remove=True)


def test_records_whose_commit_had_no_answer_are_added_once(outbox, make):
    outbox.append([], numbered(make, 1, 2))
    outbox.append([], numbered(make, 1, 3))
    assert outbox.read(10) == numbered(make, 1, 3)


@pytest.mark.parametrize("failing", ["flock", "posix_fallocate"])
def test_an_outbox_that_cannot_be_made_leaves_nothing(place, make, monkeypatch, failing):
    def fails(*_):
        raise ValueError("out of order")

    monkeypatch.setattr(lock.fcntl if failing == "flock" else os, failing, fails)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(ValueError, match="out of order"):
            Outbox.create(place, make.session())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(place.folder.iterdir()) == []


def test_two_sessions_of_one_moment(place, make):
    one, two = Outbox.create(place, make.session()), Outbox.create(place, make.session())
    assert one.path != two.path
    assert place.found() == sorted([one.path, two.path])
    for outbox in (one, two):
        outbox.close(remove=True)


def test_places_do_not_see_each_others_outboxes(tmp_path, make):
    one, two = (make_engine(str(tmp_path / name / "kiosk.db")) for name in "ab")
    shared = [OutboxPlace.of(engine, tmp_path / "spool") for engine in (one, two)]
    outbox = Outbox.create(shared[0], make.session())
    assert shared[0].found() == [outbox.path]
    assert shared[1].found() == []
    beside = OutboxPlace.of(one, None)
    assert (beside.folder, beside.prefix) == (tmp_path / "a", "kiosk.db")
    outbox.close(remove=True)
    assert OutboxPlace.of(make_engine("postgresql+psycopg://u:secret@h/x"), None) is None
    server = OutboxPlace.of(make_engine("postgresql+psycopg://u:secret@h/x"), tmp_path)
    assert server.prefix.startswith("x-")
    assert "secret" not in server.prefix
    assert OutboxPlace(tmp_path / "nowhere", "kiosk.db").found() == []


def test_a_file_of_another_kind_is_refused(place, make):
    place.folder.mkdir()
    path = place.name_for(make.session(), 0)
    path.write_bytes(b'{"session":{}}\n')
    with pytest.raises(ValueError, match="not a database"):
        Outbox.resume(path)
    assert path.exists()


def test_a_file_that_a_crash_left_empty_holds_nothing(place, make):
    outbox = Outbox.create(place, make.session())
    outbox.close(remove=False)
    outbox.path.write_bytes(b"")
    found = resumed(outbox.path)
    assert (found.session, found.waiting) == (None, 0)
    found.close(remove=True)
