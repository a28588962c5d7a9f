"""Backups: whole, made beside a kiosk that writes, and never in the place of anything else."""

from __future__ import annotations

import errno
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import open_database
from db.errors import BackupError, DatabaseOpenError
from db.read.sessions import load_session
from db.upkeep import backup
from db.upkeep.backup import back_up, delete_oldest, made_backups, made_name, unfinished_backups
from db.write.session_writer import SessionWriter
from tests.helpers.feeding import Feeder

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def readings_in(path):
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM readings").fetchone()[0]


def test_a_copy_is_one_whole_file(path, engine, make, tmp_path):
    make.write(engine)
    target = tmp_path / "new folder" / "copy.db"
    pages = []
    assert (
        back_up(path, target, lambda done, total: pages.append((done, total)))
        == target.stat().st_size
    )
    assert pages[-1][0] == pages[-1][1] > 0
    assert list(target.parent.iterdir()) == [target]
    copy = open_database(str(target))
    assert len(load_session(copy, 1).readings) == 93
    make.write(copy)
    copy.dispose()


def test_a_kiosk_goes_on_writing_meanwhile(path, engine, make, tmp_path, monkeypatch):
    """The copy is of one moment, although there are commits between its steps, and none of them
    waits for it.
    """
    monkeypatch.setattr(backup, "PAGES_AT_A_TIME", 1)
    commits = []

    def step(done, total):
        before = readings_in_database()
        while done < total and len(commits) < 5 and readings_in_database() == before:
            time.sleep(0.01)
        commits.append(before)

    def readings_in_database():
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT count(*) FROM readings").fetchone()[0]

    with (
        SessionWriter(engine, make.session(), commit_interval_s=0.02) as writer,
        Feeder(writer, make, 50) as feeder,
    ):
        while not commits:
            if readings_in_database() > 1000:
                before = readings_in_database()
                back_up(path, tmp_path / "copy.db", step)
                assert feeder.longest_submit_s < 0.2
        assert writer.error is None
    assert writer.lost == 0
    assert commits[-1] > commits[0]
    assert before <= readings_in(tmp_path / "copy.db") <= commits[0]


def test_a_backup_is_replaced_only_by_a_whole_one(path, engine, make, tmp_path):
    make.write(engine)
    target = tmp_path / "copy.db"
    back_up(path, target)
    make.write(engine)
    back_up(path, target)
    assert readings_in(target) == 2 * 93
    engine.dispose()
    content = bytearray(path.read_bytes())
    for place in range(8 * 4096, len(content), 4096):
        content[place : place + 200] = b"\xee" * 200
    path.write_bytes(content)
    with pytest.raises(
        BackupError, match=r"is damaged .*no backup was made; keep the last one.*\.recover"
    ):
        back_up(path, target)
    assert readings_in(target) == 2 * 93
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "kiosk.db"]


def test_a_file_that_was_never_a_database_is_not_called_damaged(tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("This is somebody's letter.")
    with pytest.raises(DatabaseOpenError, match=r"letter\.txt is no database of this program"):
        back_up(letter, tmp_path / "copy.db")
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_a_row_that_belongs_to_nothing_is_damage(path, engine, make, tmp_path):
    make.write(engine)
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM plays WHERE number = 2")
        connection.commit()
    with pytest.raises(BackupError, match="a row of readings belongs to none of plays"):
        back_up(path, tmp_path / "copy.db")


def test_what_a_killed_backup_has_left_is_deleted_by_the_next(path, engine, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    left = [folder / f".kiosk-backup-20260301T0930Z.db.part{suffix}" for suffix in ("", "-journal")]
    strangers = [
        folder / name
        for name in (".kiosk-backup-mine.db.part", ".shop-backup-20260301T0930Z.db.part")
    ]
    for file in (*left, *strangers):
        file.touch()
    assert unfinished_backups(path, folder) == left
    back_up(path, folder / "copy.db")
    assert set(folder.iterdir()) == {*strangers, folder / "copy.db"}
    assert unfinished_backups(path, tmp_path / "nowhere") == []


def test_what_another_backup_is_making_stays(path, engine, make, tmp_path):
    make.write(engine)
    first, second = (made_name(path, tmp_path, NOW + timedelta(days=day)) for day in range(2))

    def another(done, total):
        if not second.exists():
            back_up(path, second)
            assert len(unfinished_backups(path, tmp_path)) == 1

    back_up(path, first, another)
    assert readings_in(first) == readings_in(second) == 93
    assert unfinished_backups(path, tmp_path) == []


def test_two_backups_to_one_file_do_not_take_each_others_copy_away(path, engine, make, tmp_path):
    make.write(engine)
    target, refused = tmp_path / "copy.db", []

    def another(done, total):
        with pytest.raises(
            BackupError, match=r"Another backup to .*copy\.db is under way"
        ) as error:
            back_up(path, target)
        refused.append(error)

    back_up(path, target, another)
    assert refused
    assert readings_in(target) == 93
    assert sorted(tmp_path.glob(".*.part*")) == []


def test_a_backup_needs_no_locks_of_its_file_system(path, engine, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    left = tmp_path / ".kiosk-backup-20260301T0930Z.db.part"
    left.touch()
    monkeypatch.setattr(backup.fcntl, "flock", fails)
    back_up(path, tmp_path / "copy.db")
    assert left.exists(), "nobody knows whether another backup is making it"


def test_no_other_file_is_overwritten(path, engine, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("This is somebody's letter.")
    with pytest.raises(BackupError, match="no backup of such a database and stays"):
        back_up(path, letter)
    assert letter.read_text() == "This is somebody's letter."
    with pytest.raises(BackupError, match="take the place of the database itself"):
        back_up(path, tmp_path / "." / "kiosk.db")
    with pytest.raises(BackupError, match="There is no database"):
        back_up(tmp_path / "none.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_place_that_cannot_be_written(path, engine):
    with pytest.raises(BackupError, match="cannot be written"):
        back_up(path, path / "below" / "copy.db")


def test_names_and_how_many_are_kept(path, engine, tmp_path):
    folder = tmp_path / "backups"
    assert made_backups(path, folder) == []
    for day in range(5):
        back_up(path, made_name(path, folder, NOW + timedelta(days=day)))
    strangers = [
        folder / name
        for name in ("kiosk-backup-mine.db", "shop-backup-20200101T0000Z.db", "kiosk.db")
    ]
    for stranger in strangers:
        stranger.touch()
    assert [file.name for file in made_backups(path, folder)] == [
        f"kiosk-backup-2026030{day}T093000Z.db" for day in range(1, 6)
    ]
    assert [file.name[13:21] for file in delete_oldest(path, folder, 2)] == [
        "20260301",
        "20260302",
        "20260303",
    ]
    assert delete_oldest(path, folder, 2) == []
    assert len(made_backups(path, folder)) == 2
    assert all(stranger.exists() for stranger in strangers)
    with pytest.raises(ValueError, match="at least 1"):
        delete_oldest(path, folder, 0)


def test_backups_of_one_moment_are_files_of_their_own(path, engine, tmp_path):
    folder = tmp_path / "backups"
    old = folder / "kiosk-backup-20260301T0929Z.db"
    for _ in range(3):
        back_up(path, made_name(path, folder, NOW))
    old.touch()
    stamps = [file.name[13:] for file in made_backups(path, folder)]
    assert stamps[0] == "20260301T0929Z.db"
    assert len(stamps) == 4
    assert delete_oldest(path, folder, 3) == [old]
