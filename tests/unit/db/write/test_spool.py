"""The spool: what is in it after whatever happens to it, and how large it becomes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from db.engine import make_engine
from db.write import spool as module
from db.write.spool import Spool, SpoolPlace, encode


@pytest.fixture
def place(tmp_path):
    return SpoolPlace(tmp_path / "spool", "kiosk.db", limit_bytes=100_000, reserve_bytes=20_000)


@pytest.fixture
def spool(place, make):
    spool = Spool.create(place, make.session())
    yield spool
    spool.close(remove=True)


def numbered(make, first, last):
    return [(number, make.reading(number / 10)) for number in range(first, last + 1)]


def adopted(path):
    found = Spool.adopt(path)
    assert found is not None
    return found


def test_first_in_first_out(spool, make):
    assert spool.empty
    assert spool.append(make.session(), [make.ad()], numbered(make, 5, 7)) == 0
    assert spool.append(make.session(), [make.ad("later")], numbered(make, 8, 9)) == 0
    assert (spool.waiting, spool.empty, spool.known) == (5, False, (make.ad(),))
    assert spool.read(2) == numbered(make, 5, 6)
    spool.forget(6)
    assert spool.read(10) == numbered(make, 7, 9)
    spool.forget(8)
    assert spool.append(make.session(), [], numbered(make, 10, 10)) == 0
    assert spool.read(10) == numbered(make, 9, 10)
    spool.forget(10)
    assert (spool.waiting, spool.empty) == (0, True)
    spool.clear()
    assert spool.append(make.session(site="Station"), [], numbered(make, 11, 11)) == 0
    assert spool.read(10) == numbered(make, 11, 11)
    assert spool.session == make.session(site="Station")


def test_a_dead_programs_spool_is_adopted_whole(place, spool, make):
    spool.append(make.session(), [make.ad(), make.play()], numbered(make, 1, 3))
    assert Spool.adopt(spool.path) is None, "its program is alive"
    assert place.found() == [spool.path]
    spool.append_end(make.session(), [], make.end())
    spool.close(remove=False)
    found = adopted(spool.path)
    assert (found.session, found.known, found.ended) == (
        make.session(),
        (make.ad(), make.play()),
        make.end(),
    )
    assert found.waiting == 3
    assert found.read(10) == numbered(make, 1, 3)
    found.close(remove=True)
    assert place.found() == []


def test_an_end_without_records(place, spool, make):
    spool.append_end(make.session(), [make.ad()], make.end())
    spool.close(remove=False)
    found = adopted(spool.path)
    assert (found.session, found.ended, found.waiting) == (make.session(), make.end(), 0)
    assert found.read(10) == []
    found.close(remove=True)


def test_what_was_lost_stands_with_the_next_record(spool, make):
    spool.append(make.session(), [], numbered(make, 1, 2))
    spool.append(make.session(), [], numbered(make, 5, 6), 2)
    assert 0 < spool.append(make.session(), [], numbered(make, 7, 1000), 2) < 994
    assert spool.append(make.session(), [], [(1001, make.play_end())], 700) == 0
    spool.close(remove=False)
    found = adopted(spool.path)
    assert found.lost == 700
    assert found.read(2) == numbered(make, 1, 2)
    found.append_end(make.session(), [], make.end(), 703)
    found.close(remove=False)
    assert adopted(spool.path).lost == 703


def test_every_place_at_which_a_power_cut_can_tear_it(spool, make):
    spool.append(make.session(), [], numbered(make, 1, 3))
    whole = os.pread(spool._descriptor, spool.size_bytes, 0)
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    spool.close(remove=False)
    for cut in range(0, len(whole), 7):
        for rest in (b"", b"\0" * 5000, b"\xff" * 40, b"\0" * 8 + b"\n" + b"x" * 20):
            spool.path.write_bytes(whole[:cut] + rest)
            found = adopted(spool.path)
            complete = sum(end <= cut for end in ends)
            assert (found.session is not None) == (complete > 0)
            assert found.read(10) == (numbered(make, 1, complete - 1) if complete > 1 else [])
            found.close(remove=False)
    spool.path.unlink()


def test_a_line_that_went_bad_costs_one_record(spool, make):
    spool.append(make.session(), [], numbered(make, 1, 5))
    line = encode(make.reading(0.3))
    content = os.pread(spool._descriptor, spool.size_bytes, 0)
    os.pwrite(spool._descriptor, b"?", content.index(line) + 10)
    assert [number for number, _ in spool.read(10)] == [1, 2, 4, 5]
    assert [number for number, _ in spool.read(10)] == [1, 2, 4, 5]
    assert spool.torn == 1


def test_a_record_that_this_program_does_not_know(spool, make, caplog):
    spool.append(make.session(), [], numbered(make, 1, 2))
    spool._write([module._line(b'[3,{"type":"Surprise"}]')])
    assert [number for number, _ in spool.read(10)] == [1, 2]
    assert spool.torn == 1
    assert "Surprise" in caplog.text


def test_readings_give_way_to_what_gives_them_a_meaning(spool, make):
    lost = spool.append(make.session(), [], numbered(make, 1, 1000))
    assert 0 < lost < 1000
    assert 99_000 < spool.size_bytes <= 100_000
    structure = [(2000 + number, make.play_end(number)) for number in range(20)]
    assert spool.append(make.session(), [], structure) == 0
    assert spool.append(make.session(), [], numbered(make, 3000, 3001)) == 2
    many = [(4000 + number, make.play_end(number)) for number in range(1000)]
    assert 0 < spool.append(make.session(), [], many) < 1000
    assert spool.size_bytes <= 110_000


def test_its_room_is_taken_in_advance_and_its_owner_reads_it_alone(spool, make):
    def taken():
        return spool.path.stat().st_blocks * 512

    assert taken() >= 20_000
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    spool.append(make.session(), [], numbered(make, 1, 3))
    spool.clear()
    assert taken() >= 20_000
    assert os.pread(spool._descriptor, 30_000, 0).strip(b"\0") == b"", "no reading lives on in it"


def test_a_disk_that_fails_adds_nothing(spool, make, monkeypatch):
    spool.append(make.session(), [], numbered(make, 1, 2))
    whole = os.pwrite

    def fails(descriptor, data, place):
        whole(descriptor, bytes(data)[:100], place)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fails)
    with pytest.raises(OSError, match="No space"):
        spool.append(make.session(), [], numbered(make, 3, 4))
    monkeypatch.undo()
    assert spool.waiting == 2
    assert spool.append(make.session(), [], numbered(make, 3, 4)) == 0
    assert spool.read(10) == numbered(make, 1, 4)


@pytest.mark.parametrize("failing", ["flock", "posix_fallocate"])
def test_a_spool_that_cannot_be_made_leaves_nothing(place, make, monkeypatch, failing):
    def fails(*_):
        raise ValueError("out of order")

    monkeypatch.setattr(module.fcntl if failing == "flock" else os, failing, fails)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(ValueError, match="out of order"):
            Spool.create(place, make.session())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(place.folder.iterdir()) == []


def test_two_sessions_of_one_moment(place, make):
    one, two = Spool.create(place, make.session()), Spool.create(place, make.session())
    assert one.path != two.path
    assert place.found() == sorted([one.path, two.path])
    for spool in (one, two):
        spool.close(remove=True)


def test_places_do_not_see_each_others_spools(tmp_path, make):
    one, two = (make_engine(str(tmp_path / name / "kiosk.db")) for name in "ab")
    shared = [SpoolPlace.of(engine, tmp_path / "spool") for engine in (one, two)]
    spool = Spool.create(shared[0], make.session())
    assert shared[0].found() == [spool.path]
    assert shared[1].found() == []
    beside = SpoolPlace.of(one, None)
    assert (beside.folder, beside.prefix) == (tmp_path / "a", "kiosk.db")
    spool.close(remove=True)
    assert SpoolPlace.of(make_engine("postgresql+psycopg://u:secret@h/x"), None) is None
    server = SpoolPlace.of(make_engine("postgresql+psycopg://u:secret@h/x"), tmp_path)
    assert server.prefix.startswith("x-")
    assert "secret" not in server.prefix
    assert SpoolPlace(tmp_path / "nowhere", "kiosk.db").found() == []
