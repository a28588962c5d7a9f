"""Opening: what is created, and what is refused, in which words, and untouched."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import exc

import db
from db.engine import check_database, make_engine, open_database, sqlite_path
from db.errors import DatabaseError, DatabaseOpenError, DatabaseUnavailableError, SchemaVersionError
from db.migrations import HEAD

TABLES = {
    *("sessions", "ads", "plays", "viewers", "readings", "gaps", "models"),
    *("reading_counts", "exposures", "exposure_seconds", "shadow_counts"),
    *("experiments", "experiment_blocks", "outcomes"),
    *("origins", "outgoing", "uplinks"),
    *("screens", "kiosk_keys", "pairings", "failed_attempts", "screen_states", "state_changes"),
    *("alerts", "channels", "deliveries", "leases", "users", "user_tokens", "audit_entries"),
    *("set_aside", "cells", "sqlite_sequence"),
    *("folders", "media_files", "creatives", "creative_versions", "uploads"),
    *("playlists", "playlist_revisions", "campaigns", "bookings", "desired_states", "commands"),
    *("saved_reports", "shared_documents", "api_keys", "hub_secrets"),
}
ROOT = Path(db.__file__).parent.parent

pytestmark = pytest.mark.usefixtures("real_databases")


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_new_database_with_its_folder(tmp_path):
    path = tmp_path / "new folder" / "50% ?#.db"
    engine = open_database(str(path))
    try:
        assert sqlite_path(engine) == path
        with engine.connect() as connection:
            names = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).scalars()
            assert set(names) == TABLES | {"alembic_version"}
    finally:
        engine.dispose()
    assert path.is_file()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.sqlite
def test_pragmas(engine):
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in (
                "journal_mode",
                "synchronous",
                "foreign_keys",
                "busy_timeout",
                "secure_delete",
            )
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 2000,
        "secure_delete": 1,
    }


def test_url_and_relative_path_name_the_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("a.db", "sqlite:///a.db", f"sqlite:///{tmp_path / 'a.db'}", str(tmp_path / "a.db")):
        engine = open_database(url)
        assert sqlite_path(engine) == tmp_path / "a.db"
        engine.dispose()
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    open_database("~/b.db").dispose()
    assert (tmp_path / "b.db").is_file()


def test_up_to_date_database_opens_without_alembic(path, engine):
    result = run_python(
        """
        import sys
        from db.engine import open_database
        open_database(sys.argv[1]).dispose()
        open_database(sys.argv[1], read_only=True).dispose()
        print("alembic" in sys.modules)
        """,
        path,
    )
    assert result.stdout == "False\n", result.stderr


def test_read_only_refuses_writes(path, engine, make):
    make.write(engine)
    reader = open_database(str(path), read_only=True)
    try:
        with reader.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 1
            with pytest.raises(exc.OperationalError, match="readonly"):
                connection.exec_driver_sql("DELETE FROM sessions")
    finally:
        reader.dispose()
    engine.dispose()
    assert list(path.parent.iterdir()) == [path]


def test_read_only_does_not_create(tmp_path):
    with pytest.raises(
        DatabaseOpenError, match=r"There is no database .*none\.db; record a session first"
    ):
        open_database(str(tmp_path / "none.db"), read_only=True)
    (tmp_path / "empty.db").touch()
    with pytest.raises(DatabaseOpenError, match="holds no sessions yet"):
        open_database(str(tmp_path / "empty.db"), read_only=True)
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_read_only_folder_can_be_read(path, engine, make, monkeypatch):
    make.write(engine)
    engine.dispose()
    # Root may write everywhere, so the answer of the file system is acted.
    monkeypatch.setattr(os, "access", lambda *_: False)
    reader = open_database(str(path), read_only=True)
    with reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 1
    reader.dispose()


def test_empty_file_becomes_a_database(path):
    path.touch()
    open_database(str(path)).dispose()
    assert path.stat().st_size > 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "expected a path or a database URL"),
        (":memory:", "a file that outlives the program"),
        ("sqlite://", "a file that outlives the program"),
        ("https://hub.example.com", "is not the address of a database: expected a path"),
        ("oracle+nonsense://x/y", "is not the address of a database: expected a path"),
        ("oracle://x/y", "needs a driver that is not installed"),
        ("a://b:c:d", "Invalid database URL"),
        ("/proc/nowhere/x.db", "folder of the database .* cannot be used"),
        (
            "/proc/x.db",
            "x.db cannot be opened or written .*check the permissions|/proc .* not writable; change its perm",
        ),
        ("/dev/null", "not a regular file"),
        ("{tmp}", "is a folder; give the path of a file"),
        ("{tmp}/text.txt", "is not an SQLite database; choose another path"),
        ("{tmp}/text.txt/below/x.db", "cannot be used .Not a directory.; choose another path"),
    ],
)
def test_refused(tmp_path, url, words):
    text = tmp_path / "text.txt"
    text.write_text("This is somebody's letter.")
    with pytest.raises(DatabaseOpenError, match=words) as caught:
        open_database(url.format(tmp=tmp_path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.count(". ") == 0
    assert text.read_text() == "This is somebody's letter."
    assert list(tmp_path.iterdir()) == [text]
    if "/proc" not in url:  # Only trying tells what can be written there.
        with pytest.raises(DatabaseOpenError) as checked:
            check_database(url.format(tmp=tmp_path))
        assert str(checked.value) == message


@pytest.mark.sqlite
def test_checking_creates_and_changes_nothing(tmp_path, path, engine, make):
    check_database(str(tmp_path / "new folder" / "new.db"))
    assert not (tmp_path / "new folder").exists()
    make.write(engine)
    engine.dispose()
    before = path.read_bytes()
    check_database(str(path))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_checking_lets_pass_what_may_mend(path, engine, make):
    make.write(engine)
    engine.dispose()
    path.write_bytes(b"\0" * path.stat().st_size)
    check_database(str(path))
    check_database("postgresql+psycopg://127.0.0.1:1/x")


@pytest.mark.parametrize("address", ["kiosk:S3@127.0.0.1:1/x", "127.0.0.1:1/x?password=S3"])
def test_server_url_goes_to_sqlalchemy_without_its_password(address):
    with pytest.raises(DatabaseOpenError) as caught:
        open_database(f"postgresql+psycopg://{address}")
    assert "127.0.0.1" in str(caught.value)
    assert "S3" not in str(caught.value)


@pytest.mark.parametrize("password", ["p@ss", "pa/ss", "p@s/s", "@@", "a?b@c@d", "p%40ss", "p?a#s"])
@pytest.mark.parametrize("host", ["host", "10.0.0.5:5432", "[::1]:5432"])
def test_a_password_is_taken_as_typed(password, host):
    url = make_engine(f"postgresql+psycopg://u:{password}@{host}/d?application_name=a@b").url
    assert url.password == password.replace("%40", "@")
    assert (url.username, url.database, url.query["application_name"]) == ("u", "d", "a@b")
    assert host.strip("[").startswith(url.host)
    assert password not in str(url)


def test_read_only_file_and_folder(path, engine, monkeypatch):
    engine.dispose()
    monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != path)
    with pytest.raises(DatabaseOpenError, match="is read-only; make it writable"):
        open_database(str(path))
    monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != path.parent)
    with pytest.raises(DatabaseOpenError, match=r"folder .* is not writable"):
        open_database(str(path))


@pytest.mark.parametrize(
    ("number", "passes"),
    [(errno.EIO, True), (errno.EROFS, True), (errno.ENOSPC, True), (errno.EACCES, False)],
)
def test_a_disk_that_fails_may_be_better_later_and_a_permission_may_not(
    path, engine, monkeypatch, number, passes
):
    engine.dispose()
    whole = Path.open

    def fails(self, *arguments, **options):
        if self == path:
            raise OSError(number, os.strerror(number))
        return whole(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", fails)
    with pytest.raises(DatabaseOpenError, match="cannot be read") as caught:
        open_database(str(path))
    assert isinstance(caught.value, DatabaseUnavailableError) is passes


@pytest.mark.parametrize(
    ("number", "passes"), [(None, False), (errno.ENOSPC, True), (errno.EACCES, False)]
)
def test_a_file_that_sqlite_cannot_open_is_asked_again_why(
    path, engine, monkeypatch, number, passes
):
    """SQLite says the same whether there is no room for the name of a file beside the database, or
    no right to make it.
    """
    engine.dispose()

    def cannot(*_):
        raise sqlite3.OperationalError("unable to open database file")

    def fails(**_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("db.sqlite_file._read_versions", cannot)
    if number is not None:
        monkeypatch.setattr("db.sqlite_file.TemporaryFile", fails)
    with pytest.raises(DatabaseOpenError, match="cannot be opened or written") as caught:
        open_database(str(path))
    assert isinstance(caught.value, DatabaseUnavailableError) is passes


def test_a_disk_that_does_not_even_say_how_it_is(path, engine, monkeypatch):
    engine.dispose()

    def fails(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != path)
    monkeypatch.setattr(os, "statvfs", fails)
    with pytest.raises(DatabaseUnavailableError, match="is read-only"):
        open_database(str(path))


def test_truncated_database_is_refused(path, engine, make):
    make.write(engine)
    engine.dispose()
    content = path.read_bytes()
    path.write_bytes(content[:5000])
    with pytest.raises(DatabaseError):
        open_database(str(path))
    assert path.read_bytes() == content[:5000]


def foreign(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path.read_bytes()


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE bookmarks (id INTEGER)"],
        ["CREATE TABLE sessions (id INTEGER)", "CREATE TABLE readings (id INTEGER)"],
        [
            "CREATE TABLE bookmarks (id INTEGER)",
            "CREATE TABLE alembic_version (version_num TEXT)",
            f"INSERT INTO alembic_version VALUES ('{HEAD}')",
        ],
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_database_of_another_program_is_refused(path, statements, read_only):
    before = foreign(path, *statements)
    with pytest.raises(DatabaseOpenError, match="belongs to another program; choose another path"):
        open_database(str(path), read_only=read_only)
    with pytest.raises(DatabaseOpenError, match="belongs to another program; choose another path"):
        check_database(str(path))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("read_only", [False, True])
def test_newer_schema_is_refused_untouched(path, engine, make, read_only):
    make.write(engine)
    engine.dispose()
    before = foreign(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(
        SchemaVersionError, match=f"has the schema 9999, .* up to {HEAD}; update the program"
    ):
        open_database(str(path), read_only=read_only)
    with pytest.raises(SchemaVersionError):
        check_database(str(path))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_locked_for_good(path, engine, monkeypatch):
    monkeypatch.setattr("db.engine.OPEN_RETRY_S", 0.0)
    monkeypatch.setattr("db.sqlite_file.BUSY_TIMEOUT_MS", 10)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseOpenError, match="in use by another program"):
            open_database(str(path))


def test_many_processes_create_one_database(path):
    code = """
    import sys
    import db.engine
    db.engine.OPEN_RETRY_S = 90.0  # the machine may be busy
    sys.stdin.readline()
    engine = db.engine.open_database(sys.argv[1])
    with engine.connect() as connection:
        print(connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar())
    engine.dispose()
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code), str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert out == "1\n", err
        assert process.returncode == 0


def test_foreign_keys_bind(engine):
    with (
        engine.connect() as connection,
        pytest.raises(exc.IntegrityError, match=r"(?i)foreign key"),
        connection.begin(),
    ):
        connection.exec_driver_sql(
            "INSERT INTO gaps (session_id, started_at, cause, detail) VALUES (99, '2026-01-01 00:00:00', 'dark', '')"
        )


def test_a_file_whose_name_is_not_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9 #1?%.db")
    open_database(str(path)).dispose()
    assert path.exists()
    open_database(str(path), read_only=True).dispose()
