"""The commands about what is stored."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.engine import open_database
from db.errors import BackupTargetError, DatabaseDamagedError, DatabaseOpenError, PurgeError
from db.hub.words import WORDS as HUB_WORDS
from db.schema import Base
from db.write.outbox import OutboxPlace
from db.write.records import SessionEnded
from db.write.session_writer import SessionWriter
from monitor.cli.main import cli
from monitor.logs import default_log
from monitor.settings.paths import console_database
from monitor.uplink.key_file import key_path
from tests.helpers.making import Make


@pytest.fixture
def make():
    return Make()


@pytest.fixture
def database(tmp_path, make):
    """A database with a session of 93 readings in March 2026."""
    path = tmp_path / "kiosk.db"
    engine = open_database(str(path))
    make.write_rolled(engine)
    engine.dispose()
    return path


@pytest.fixture
def run(database):
    def invoke(command, *arguments, answer=None):
        return CliRunner().invoke(
            cli, [command, "--db", str(database), *map(str, arguments)], input=answer
        )

    return invoke


def done(result):
    assert result.exit_code == 0, result.output
    return result


def readings_in(database):
    engine = open_database(str(database), read_only=True)
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM readings").scalar()
    engine.dispose()
    return count


def test_backup_into_a_folder_and_only_so_many(run, database, tmp_path):
    folder = tmp_path / "usb"
    result = done(run("backup", folder))
    (copy,) = folder.iterdir()
    assert copy.name.startswith("kiosk-backup-20")
    assert f"Backup of {database}: {copy}" in result.stdout
    assert readings_in(copy) == 93
    for day in (1, 2, 3):
        copy.with_name(f"kiosk-backup-2026030{day}T0930Z.db").touch()
    document = json.loads(done(run("backup", folder, "--keep", 2, "--json")).stdout)
    assert Path(document["backup"]).stat().st_size == document["bytes"]
    assert [Path(path).name for path in document["deleted"]] == [
        f"kiosk-backup-2026030{day}T0930Z.db" for day in (1, 2, 3)
    ]
    assert len(list(folder.iterdir())) == 2


def test_backup_beside_the_database_and_under_a_name(run, database, tmp_path):
    done(run("backup"))
    assert len(list(tmp_path.glob("kiosk-backup-*.db"))) == 1
    done(run("backup", tmp_path / "mine.db"))
    assert readings_in(tmp_path / "mine.db") == 93
    assert (
        "a folder to keep several backups in"
        in run("backup", tmp_path / "mine.db", "--keep", 3).stderr
    )


def test_backup_refuses(run, database, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("dear")
    assert isinstance(run("backup", letter).exception, BackupTargetError)
    assert letter.read_text() == "dear"
    database.unlink()
    assert isinstance(run("backup").exception, DatabaseOpenError)
    server = CliRunner().invoke(cli, ["backup", "--db", "sqlite+nothing://x/y"])
    assert server.exit_code != 0


def test_backup_of_a_server_names_its_own_tool():
    pytest.importorskip("psycopg", reason="needs psycopg: install the extra postgresql")
    result = CliRunner().invoke(cli, ["backup", "--db", "postgresql+psycopg://kiosk:secret@shop/x"])
    assert result.exit_code == 2
    assert "pg_dump" in result.stderr
    assert "secret" not in result.stderr


def test_purge_says_what_it_would_do_and_does_it(run, database):
    result = done(run("purge", "--older-than", "30d", "--dry-run"))
    assert "93 readings from before" in result.stdout
    assert "would be deleted (2026-03-01 to 2026-03-01); reports do not change." in result.stdout
    assert readings_in(database) == 93
    nowhere = done(run("purge", "--site", "nowhere"))
    assert nowhere.stdout.startswith("0 readings")
    assert nowhere.stderr.startswith("No session is from the site 'nowhere'; sites: 'Foyer'.\n")
    document = json.loads(done(run("purge", "--older-than", "30", "--json")).stdout)
    assert (document["readings"], document["dry_run"], document["site"]) == (93, False, None)
    assert document["oldest"] == "2026-03-01T09:30:00.123456+00:00"
    assert readings_in(database) == 0
    assert done(run("purge", "--shrink")).stdout.startswith("0 readings")


def test_purge_says_when_the_clock_may_be_wrong(run, database):
    # The sessions are of March 2026, and this start is the first for months.
    result = done(run("purge", "--older-than", "36500d", "--dry-run", "--json"))
    assert "days after the sessions before (2026-03-01). If the clock is wrong" in result.stderr
    assert json.loads(result.stdout)["clock_doubt"].startswith("This machine's clock says 2")


def test_purge_keeps_what_is_young_enough(run, database):
    assert done(run("purge", "--older-than", "36500d")).stdout.startswith("0 readings")
    assert readings_in(database) == 93


@pytest.mark.parametrize("days", ["soon", "-1", "1.5", "40000", "90 days"])
def test_purge_wants_days(run, days):
    result = run("purge", f"--older-than={days}")
    assert result.exit_code == 2
    assert "expected a number of days such as 90d, received" in result.stderr


def test_purge_everything(run, database, tmp_path, monkeypatch):
    choices = Path(os.environ["XDG_CONFIG_HOME"]) / "ad-monitor" / "camera.json"
    choices.parent.mkdir(parents=True)
    choices.write_text("{}")
    log = default_log()
    log.parent.mkdir(parents=True)
    logs = [log, log.with_name(f"{log.name}.1")]
    for file in logs:
        file.write_text("a line")
    done(run("backup"))
    elsewhere = tmp_path / "usb" / "copy.db"
    done(run("backup", elsewhere))
    letter = tmp_path / "letter.txt"
    letter.touch()
    console_database(database).touch()

    assert "This would delete" in done(run("purge", "--everything", "--dry-run")).stdout
    assert run("purge", "--everything", answer="n\n").exit_code == 1
    nobody = run("purge", "--everything", answer="")
    assert nobody.exit_code == 2
    assert "nothing was deleted: expected an answer, or --yes" in " ".join(nobody.stderr.split())
    assert database.exists()

    result = done(run("purge", "--everything", answer="y\n"))
    for name in (
        "kiosk.db",
        "kiosk-backup-",
        "camera.json",
        "the database",
        "a backup",
        "this kiosk's pages",
        "which camera was chosen",
        "a log of",
    ):
        assert name in result.stdout
    assert "Delete backups and reports in other places yourself" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.txt", "usb"]
    assert not any(file.exists() for file in (choices, *logs))
    assert "No data of this program" in run("purge", "--everything", "--yes").stderr


def test_purge_everything_takes_no_log_for_a_database_that_is_not_there(run, tmp_path, monkeypatch):
    log = tmp_path / "run.log"
    log.write_text("kept")
    monkeypatch.setattr("monitor.logs.default_log", lambda _name: log)
    missing = tmp_path / "wrong.db"
    told = run("purge", "--everything", "--yes", "--db", missing)
    assert told.exit_code == 2
    assert f"No data of this program at {missing}" in told.stderr
    assert log.exists()


def test_purge_everything_deletes_the_key_of_the_hub(run, database, tmp_path):
    key_path(database).write_text("{}")
    assert "the key of the hub" in done(run("purge", "--everything", "--dry-run")).stdout
    assert key_path(database).exists()
    assert "revoke" in done(run("purge", "--everything", "--yes")).stdout
    assert list(tmp_path.iterdir()) == []


def test_purge_everything_for_scripts(run, database, tmp_path):
    document = json.loads(done(run("purge", "--everything", "--yes", "--json")).stdout)
    assert [Path(entry["path"]).name for entry in document["deleted"]] == ["kiosk.db"]
    assert list(tmp_path.iterdir()) == []


def test_purge_everything_not_while_a_kiosk_runs(run, database, make):
    engine = open_database(str(database))
    with SessionWriter(engine, make.session(), spool=OutboxPlace.of(engine, None)) as session:
        assert isinstance(run("purge", "--everything", "--yes").exception, PurgeError)
        session.close(SessionEnded(make.at(1), "finished"))
    engine.dispose()
    done(run("purge", "--everything", "--yes"))
    assert not database.exists()


def test_purge_everything_on_a_server(server_url, make):
    engine = open_database(server_url)
    make.write(engine)
    engine.dispose()
    result = done(CliRunner().invoke(cli, ["purge", "--everything", "--yes", "--db", server_url]))
    assert "all tables of this program" in result.stdout
    engine = open_database(server_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 0
    engine.dispose()


def test_stored_in_words(run, database, tmp_path):
    text = done(run("stored")).stdout
    for table in Base.metadata.tables.keys() - HUB_WORDS.keys():
        assert f"\n{table}: " in text
    assert "readings: 93 rows, 2026-03-01 to 2026-03-01" in text
    assert "No face recognition" in text
    assert f"{database}" in text
    assert "Foyer" not in text, "no value of anybody or any place"


def test_stored_for_programs(run):
    document = json.loads(done(run("stored", "--json")).stdout)
    tables = {table["name"]: table for table in document["tables"]}
    assert set(tables) == Base.metadata.tables.keys() - HUB_WORDS.keys(), "a hub's are empty here"
    assert tables["readings"]["rows"] == 93
    assert tables["readings"]["oldest"] == "2026-03-01T09:30:00.123456+00:00"
    assert "yaw" in " ".join(tables["readings"]["columns"])
    assert [file["what"] for file in document["files"]] == ["the database"]
    assert len(document["never_stored"]) >= 4


def test_a_damaged_database_is_named_with_what_to_do(run, database):
    database.write_bytes(b"\0" * 4096 + database.read_bytes()[4096:])
    result = run("stored")
    assert isinstance(result.exception, DatabaseDamagedError)
    assert ".recover" in str(result.exception)


@pytest.mark.parametrize("command", ["backup", "purge", "stored"])
def test_help_has_an_example(command):
    assert (
        f"ad-monitor {command}"
        in done(CliRunner().invoke(cli, [command, "--help"])).stdout.split("Example")[1]
    )


def test_an_upgrade_of_an_empty_file_does_not_claim_that_it_was_up_to_date(tmp_path):
    file = tmp_path / "new.db"
    file.touch()
    first, again = (CliRunner().invoke(cli, ["upgrade", "--db", str(file)]) for _ in range(2))
    assert "was empty" in done(first).stdout
    assert "is up to date" in done(again).stdout
