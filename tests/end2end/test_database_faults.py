"""The real kiosk on a database that cannot be used, and the commands beside a kiosk that runs."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest

RUN = ("run", "--headless", "--source", "demo")


def readings(program):
    found = program.rows("SELECT count(*) FROM readings")
    return found[0][0] if found else 0


@pytest.mark.slow
def test_a_damaged_database_is_set_aside_and_the_show_goes_on(program, wait_for):
    program.run(*RUN, "--loops", "1", "--duration", "3")
    whole = program.database.read_bytes()
    program.database.write_bytes(b"\0" * 4096 + whole[4096:])
    complaint = program.complaint("sessions", status=2)
    assert ".recover" in complaint
    kiosk = program.start(*RUN)
    wait_for(lambda: list(program.folder.glob("monitor.corrupt-*.db")), what="a database set aside")
    wait_for(lambda: readings(program), what="a reading")
    kiosk.terminate()
    _, complaints = kiosk.communicate()
    assert kiosk.returncode == 0, complaints
    (aside,) = program.folder.glob("monitor.corrupt-*.db")
    assert aside.name in complaints
    assert aside.read_bytes() == b"\0" * 4096 + whole[4096:]
    assert program.rows("SELECT json_extract(settings, '$.damaged_database') FROM sessions") == [
        (aside.name,)
    ]


@pytest.mark.slow
def test_a_locked_database_does_not_keep_the_show_from_beginning(program, wait_for):
    program.run(*RUN, "--duration", "2")
    with closing(sqlite3.connect(program.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        kiosk = program.start(*RUN)
        wait_for(lambda: list(program.folder.glob("*.spool")), what="the spool")
        wait_for(
            lambda: b"ReadingRecord" in next(program.folder.glob("*.spool")).read_bytes(),
            what="readings on disk",
        )
        other.execute("ROLLBACK")
    before = readings(program)
    wait_for(lambda: readings(program) > before, what="the readings in the database")
    kiosk.send_signal(signal.SIGTERM)
    _, errors = kiosk.communicate(timeout=300)
    assert kiosk.returncode == 0, errors
    assert program.rows("SELECT end_reason, lost FROM sessions WHERE id = 2") == [
        ("stopped by SIGTERM", 0)
    ]
    assert list(program.folder.glob("*.spool")) == []


@pytest.mark.slow
def test_backup_and_purge_beside_a_running_kiosk(program, wait_for):
    kiosk = program.start(*RUN)
    wait_for(lambda: readings(program) > 20, what="readings")
    copy = program.json("backup", str(program.folder / "copies"))
    with closing(sqlite3.connect(copy["backup"])) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone()[0] > 20
    assert program.json("purge", "--older-than", "0")["readings"] == 0, (
        "a session that runs keeps its last day"
    )
    assert "stop the kiosk" in program.complaint(
        "purge", "--everything", "--yes", "--json", status=1
    )
    kiosk.send_signal(signal.SIGTERM)
    kiosk.communicate(timeout=300)
    kept = readings(program)
    report = program.json("report")
    assert program.json("purge", "--older-than", "0")["readings"] == kept
    assert program.json("report") == report
    assert program.json("stored")["tables"][5]["rows"] == 0
    program.run("purge", "--everything", "--yes")
    assert not program.database.exists()
