"""Accounts of a hub, as typed."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db.engine import open_database, writing
from db.errors import AccountError, DatabaseOpenError
from db.hub.people import second_factor
from db.hub.tables.people import ROLES, AuditEntry
from monitor.cli.hub.hub import ROLES as OFFERED
from monitor.cli.hub.hub import hub
from monitor.cli.main import cli
from monitor.settings.sources import SettingsError
from tests.helpers.making import Make


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("AD_MONITOR_DB", "AD_MONITOR_URL", "AD_MONITOR_HOST", "AD_MONITOR_PORT"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments, fails=None):
        result = CliRunner().invoke(hub, [*arguments, "--db", str(tmp_path / "hub.db")])
        if fails is None:
            assert result.exit_code == 0, result.output
        else:
            assert isinstance(result.exception, fails)
        return str(result.exception) if fails else result.stdout

    return invoke


def test_the_roles_are_those_of_the_database():
    assert OFFERED == ROLES


def test_init_makes_one_administrator(run):
    link = run("init", "--url", "https://hub.example.com")
    assert re.match(r"https://hub\.example\.com/invitation#token=[\w-]{43}\n", link)
    assert "hub invite NAME --role admin" in run("init", fails=AccountError)
    assert run("users") == "admin: admin, has not set a password yet\n"


@pytest.mark.parametrize(
    ("arguments", "fails", "sentence"),
    [
        (("--port", "0"), SystemExit, ""),
        (("--name", ""), AccountError, "expected 1 to 100 printable characters"),
        (("--name", " anna"), AccountError, "received ' anna'"),
    ],
)
def test_init_without_a_usable_link_leaves_no_database(run, tmp_path, arguments, fails, sentence):
    assert sentence in run("init", *arguments, fails=fails)
    assert list(tmp_path.iterdir()) == []
    run("init", "--port", "0", "--url", "https://hub.example.com")


def test_invite_makes_and_changes_accounts(run, tmp_path):
    run("init", "--name", "zoe")
    assert run("invite", "anna", "--role", "editor").startswith("http://127.0.0.1:8080/invitation#")
    run("invite", "anna")
    assert "anna: editor," in run("users")
    run("invite", "anna", "--role", "operator")
    assert "anna: operator," in run("users")
    run("disable", "anna")
    assert "anna: operator, disabled since" in run("users")
    assert "the only administrator" in run("disable", "zoe", fails=AccountError)
    assert "no account 'ben'" in run("disable", "ben", fails=AccountError)
    engine = open_database(str(tmp_path / "hub.db"), read_only=True)
    with engine.connect() as connection:
        actions = connection.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    engine.dispose()
    assert actions == ["user.invite"] * 4 + ["user.disable"]


@pytest.mark.parametrize("name", [" anna", "a\nb", "x" * 101])
def test_names_that_nobody_could_type_are_refused(run, name):
    run("init")
    assert "Invalid name" in run("invite", name, fails=AccountError)


def test_without_a_hub_there_is_nobody_to_invite(run):
    assert "There is no database" in run("invite", "anna", fails=DatabaseOpenError)


@pytest.mark.parametrize(
    "command",
    [
        ("init",),
        ("invite", "anna"),
        ("serve", "--port", "0"),
        ("users",),
        ("disable", "anna"),
        ("reset-second-factor", "anna"),
        ("channel", "list"),
        ("channel", "add", "desk", "https://192.0.2.1/"),
        ("channel", "test", "desk"),
        ("lake", "write", "--to", "missing"),
        ("views",),
    ],
)
def test_the_database_of_a_kiosk_is_refused(run, tmp_path, command):
    path = tmp_path / "hub.db"
    engine = open_database(str(path))
    Make().write(engine)
    engine.dispose()
    before = path.read_bytes()
    assert "is the database of a kiosk" in run(*command, fails=DatabaseOpenError)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--headless"),
        ("replay", "any.mp4"),
        ("join", "http://127.0.0.1:9", "K7M-2QX"),
        ("serve", "--console"),
    ],
)
def test_a_kiosk_refuses_the_database_of_a_hub(run, tmp_path, monkeypatch, command):
    # It would take the test's own stderr.
    monkeypatch.setattr("monitor.cli.serving.serve.silence_native_libraries", lambda: None)
    run("init")
    result = CliRunner().invoke(cli, [*command, "--db", str(tmp_path / "hub.db")])
    assert isinstance(result.exception, DatabaseOpenError)
    assert "is the database of a hub" in str(result.exception)


@pytest.mark.parametrize("command", [("serve",), ("hub", "serve")])
def test_media_that_are_not_there_are_refused(run, tmp_path, command):
    (tmp_path / "file").touch()
    for wrong in ("missing", "file"):
        folder = str(tmp_path / wrong)
        result = CliRunner().invoke(cli, [*command, "--media", folder, "--port", "0"])
        assert isinstance(result.exception, SettingsError)
        assert f"There is no folder {folder}" in str(result.exception)


def test_only_its_user_can_read_a_new_database_of_a_hub(tmp_path):
    database = tmp_path / "new" / "hub.db"
    result = CliRunner().invoke(hub, ["init", "--db", str(database)])
    assert result.exit_code == 0
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_a_lost_second_factor_is_removed(run, tmp_path):
    run("init", "--name", "zoe")
    assert "no second factor" in run("reset-second-factor", "zoe", fails=AccountError)
    assert "no account 'ben'" in run("reset-second-factor", "ben", fails=AccountError)
    engine = open_database(str(tmp_path / "hub.db"))
    with writing(engine) as connection:
        now = datetime.now(UTC)
        second_factor.set_second_factor(connection, 1, "A" * 32, 1, now, recovery_codes=["abc"])
    run("reset-second-factor", "zoe")
    with engine.connect() as connection:
        assert second_factor.totp_secret(connection, 1) is None
    engine.dispose()
