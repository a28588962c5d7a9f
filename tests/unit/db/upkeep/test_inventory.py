"""What is stored, in words; and how all of it is deleted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from db.engine import make_engine, open_database
from db.errors import PurgeError
from db.hub.words import WORDS as HUB_WORDS
from db.schema import Base
from db.upkeep.backup import back_up, made_name
from db.upkeep.inventory import NEVER, WORDS, contents, delete_files, delete_tables, files_of
from db.write.outbox import Outbox, OutboxPlace
from db.write.session_writer import SessionWriter


def test_every_table_and_column_has_its_words():
    assert list(WORDS) == list(dict.fromkeys(WORDS))
    assert set(WORDS) == set(Base.metadata.tables)
    for name, (sentence, columns) in WORDS.items():
        named = [column for names in columns for column in names.split(", ")]
        assert sorted(named) == sorted(
            column.name for column in Base.metadata.tables[name].columns
        ), name
        assert sentence.endswith(".")
        assert all(words and not words.endswith(".") for words in columns.values())
    assert all(sentence.startswith("No ") for sentence in NEVER)


def test_counts_and_times(engine, make):
    assert all(table.rows == 0 for table in contents(engine) if table.name != "origins")
    make.write_rolled(engine)
    found = {table.name: table for table in contents(engine)}
    assert set(found) == set(WORDS) - set(HUB_WORDS)
    assert (found["readings"].rows, found["readings"].oldest, found["readings"].newest) == (
        93,
        make.start,
        make.at(17.5),
    )
    assert (found["viewers"].rows, found["exposures"].rows, found["ads"].oldest) == (2, 6, None)


def test_every_file_and_no_other(path, make):
    engine = open_database(str(path))
    make.write(engine)
    for kind in ("backup", "before-upgrade"):
        back_up(path, made_name(path, path.parent, kind=kind), kind=kind)
    place = OutboxPlace.of(engine, None)
    spool = Outbox.create(place, make.session())
    spool.close(remove=False)
    aside, part = "kiosk.corrupt-20260301T0930Z.db", ".kiosk-backup-20260301T0930Z.db.part"
    upgrade = part.replace("backup", "before-upgrade")
    lock = "kiosk.db-session-9.lock"
    for name in (aside, f"{aside}-wal", lock, part, f"{part}-journal", upgrade):
        path.with_name(name).touch()
    strangers = [
        path.with_name(name)
        for name in ("kiosk.txt", "letter.db", "kiosk2.db", "kiosk.db.spool.txt")
    ]
    for stranger in strangers:
        stranger.touch()
    files = files_of(path, place)
    assert {file.path for file in files} == set(path.parent.iterdir()) - set(strangers)
    assert {file.what for file in files} >= {
        "the database",
        "a backup",
        "records that wait to be written",
    }
    assert all(file.size_bytes == file.path.stat().st_size for file in files)
    engine.dispose()
    delete_files(path, files_of(path, place))
    assert set(path.parent.iterdir()) == set(strangers)
    assert files_of(path, place) == []


def test_not_while_a_session_is_written(path, engine, make):
    place = OutboxPlace.of(engine, None)
    with SessionWriter(engine, make.session(), spool=place) as session:
        before = set(path.parent.iterdir())
        with pytest.raises(PurgeError, match="stop the kiosk and try again"):
            delete_files(path, files_of(path, place))
        assert set(path.parent.iterdir()) == before
        session.submit(make.ad())
        assert session.flush()


def test_not_while_a_backup_is_made(path, engine, make):
    make.write(engine)
    target = made_name(path, path.parent)

    def purge(done, total):
        with pytest.raises(PurgeError, match="A backup is being made"):
            delete_files(path, files_of(path, None))

    back_up(path, target, purge)
    assert path.exists()
    assert target.exists()


def test_nothing_of_another_program(path, tmp_path):
    path.write_text("This is somebody's letter.")
    with pytest.raises(PurgeError, match="not a database of this program, and stays"):
        delete_files(path, files_of(path, None))
    assert path.exists()


def test_a_file_that_cannot_be_deleted_is_named(path, monkeypatch):
    open_database(str(path)).dispose()

    def refuse(self, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PurgeError, match=rf"^{path} cannot be deleted \(Permission denied\); del"):
        delete_files(path, files_of(path, None))


def test_a_damaged_database_is_ours_to_delete(path):
    open_database(str(path)).dispose()
    path.write_bytes(b"\0" * 4096 + path.read_bytes()[4096:])
    delete_files(path, files_of(path, None))
    assert not path.exists()


def test_all_tables_of_a_server(server_url, make):
    engine = open_database(server_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE somebody_elses (id INTEGER)")
    try:
        with SessionWriter(engine, make.session()) as session:
            with pytest.raises(PurgeError, match="Session 1 is being written"):
                delete_tables(engine)
            session.close(make.end())
        delete_tables(engine)
        with engine.connect() as connection:
            left = connection.exec_driver_sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            assert left.scalars().all() == ["somebody_elses"]
        delete_tables(engine)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE somebody_elses")
        engine.dispose()
        open_database(server_url).dispose()


def test_only_the_tables_of_a_server(path):
    with pytest.raises(ValueError, match="expected one on a server"):
        delete_tables(make_engine(str(path)))
