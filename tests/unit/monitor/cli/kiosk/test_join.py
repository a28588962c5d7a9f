"""The commands by which a kiosk joins a hub and leaves it, and what others say about it."""

from __future__ import annotations

import json
import os
import threading

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db.engine import open_database
from db.hub.digests import key_digest
from db.hub.tables.screens import KioskKey
from db.schema import Uplink
from db.write.lock import lock_file
from monitor.cli.main import cli
from monitor.kiosk.doctor import _hub
from monitor.uplink import messages
from monitor.uplink.documents import sign
from monitor.uplink.key_file import key_path, lock_path_of, read_key
from monitor.uplink.stored_show import ShowFolder
from tests.helpers.fake_hub import FakeHub, serving
from tests.helpers.show_hub import ShowHub, png


@pytest.fixture
def hub(tmp_path):
    hub = FakeHub(tmp_path / "hub.db")
    yield hub
    hub.close()


@pytest.fixture
def address(hub):
    with serving(hub) as address:
        yield address


@pytest.fixture
def database(tmp_path):
    return tmp_path / "kiosk.db"


@pytest.fixture
def run(database):
    def invoke(command, *arguments):
        return CliRunner().invoke(cli, [command, *arguments, "--db", str(database)])

    return invoke


def valid_keys(hub):
    with hub.engine.connect() as connection:
        query = select(KioskKey.kiosk).where(KioskKey.revoked_at.is_(None))
        return list(connection.scalars(query))


def uplinks(database):
    engine = open_database(str(database), read_only=True)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(select(Uplink.hub, Uplink.upload))]
    engine.dispose()
    return found


def test_a_code_joins_and_leaving_makes_the_key_void(run, hub, address, database):
    code = hub.code()
    joined = run("join", address, f"{code[:3]}-{code[3:]}".lower(), "--upload", "cells")
    assert joined.exit_code == 0, joined.output
    assert f"Joined {address} as the screen Lobby (Foyer)." in joined.output
    key = read_key(key_path(database))
    assert key.entered
    assert valid_keys(hub) == [key.kiosk]
    assert key.key not in joined.output
    assert uplinks(database) == [(address, "cells")]
    finding, _show = _hub(str(database))
    assert (finding.name, finding.state) == ("hub", "ok")
    assert finding.found == f"Lobby on {address}; 0 records wait"
    assert "the key of the hub" in run("stored").output

    left = run("leave")
    assert left.exit_code == 0, left.output
    assert valid_keys(hub) == []
    assert uplinks(database) == []
    assert read_key(key_path(database)) is None
    assert list(_hub(str(database))) == []
    again = run("leave")
    assert "has joined no hub" in str(again.exception)


def test_without_a_code_it_shows_one_and_waits(run, hub, address, database, monkeypatch):
    monkeypatch.setattr(messages, "POLL_S", 0.05)
    accepted = []

    def accept():
        while not hub.waiting():
            stopped.wait(0.02)
        accepted.append(hub.waiting()[0])
        hub.accept(accepted[0])

    stopped = threading.Event()
    person = threading.Thread(target=accept)
    person.start()
    result = run("join", address, "--json")
    person.join()
    assert result.exit_code == 0, result.output
    code = accepted[0]
    assert f"with the code {code[:3]}-{code[3:]}" in result.stderr
    document = json.loads(result.stdout)
    assert document["hub"] == address
    assert document["upload"] == "sums"
    assert document["key_file"] == str(key_path(database))


def test_a_kiosk_that_moves_gives_its_old_key_back(run, hub, address, database):
    run("join", address, hub.code())
    before = read_key(key_path(database))
    hub.add_screen("Window")
    assert run("join", address, hub.code()).exit_code == 0
    after = read_key(key_path(database))
    assert (before.name, after.name) == ("Lobby", "Window")
    assert len(valid_keys(hub)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ftp://hub",), "expected one such as https://hub.example.com"),
        (("http://203.0.113.7",), "would not be encrypted"),
        (("http://127.0.0.1:9", "222222"), "cannot be reached"),
    ],
)
def test_what_is_no_hub_is_refused(run, arguments, words, database):
    result = run("join", *arguments)
    assert result.exit_code != 0
    assert words in str(result.exception)
    assert read_key(key_path(database)) is None


@pytest.mark.parametrize("code", ["", " ", "X" * 41])
def test_what_is_no_code_is_refused_before_the_hub_is_asked(run, code):
    result = run("join", "http://127.0.0.1:9", code)
    assert result.exit_code == 2
    assert "expected the code that the hub shows for the screen" in result.output


def test_a_wrong_code_says_what_to_do(run, hub, address, database):
    result = run("join", address, "222222")
    assert "The code is wrong." in str(result.exception)
    assert read_key(key_path(database)) is None


def test_a_kiosk_with_a_database_on_a_server_cannot_join(address):
    url = "postgresql+psycopg://shop:secret@host/ads"
    result = CliRunner().invoke(cli, ["join", address, "222222", "--db", url])
    assert "expected an SQLite file" in str(result.exception)
    assert "secret" not in str(result.exception)


def stored_show(database, **changes):
    """Store a show of the hub for the kiosk that has joined; return its folder."""
    key = read_key(key_path(database))
    show = ShowHub()
    document = show.publish({"red": png((255, 0, 0))}, screen=key.screen, **changes)
    folder = ShowFolder(database)
    folder.store(sign(document, key_digest(key.key)), document)
    folder.media.mkdir()
    (folder.media / document.media[0].name).write_bytes(png((255, 0, 0)))
    return folder


def test_leaving_deletes_what_the_hub_sent_unless_a_kiosk_runs(run, hub, address, database):
    run("join", address, hub.code())
    folder = stored_show(database)
    lock = lock_file(lock_path_of(database), os.O_RDWR | os.O_CREAT)
    assert run("leave").exit_code == 0
    assert folder.path.exists(), "the running kiosk deletes it after it has changed its show"
    os.close(lock)
    run("join", address, hub.code())
    assert run("leave").exit_code == 0
    assert not folder.path.exists()
    assert not lock_path_of(database).exists()


def test_purge_and_stored_know_what_the_hub_sent(run, hub, address, database):
    run("join", address, hub.code())
    folder = stored_show(database)
    listed = run("stored").stdout
    assert "a picture or video from the hub" in listed
    assert str(folder.playlist) in listed
    assert run("purge", "--everything", "--yes").exit_code == 0
    assert not folder.path.exists()


def test_the_doctor_says_which_show_is_on(run, hub, address, database):
    def said():
        return [(one.state, one.found) for one in _hub(str(database)) if one.name == "show"]

    run("join", address, hub.code())
    assert said() == [("ok", "this kiosk's own; nothing has come from the hub")]
    folder = stored_show(database)
    [(state, found)] = said()
    assert (state, "from the hub, version 1 since" in found) == ("ok", True)
    [file] = folder.media.iterdir()
    file.unlink()
    [(state, found)] = said()
    assert (state, "1 of 1 media" in found) == ("warn", True)
    text = (folder.path / "desired.json").read_text()
    (folder.path / "desired.json").write_text(text.replace("red", "rod"))
    [(state, found)] = said()
    assert (state, "signature" in found) == ("warn", True)


@pytest.mark.parametrize("command", ["join", "leave"])
def test_help_has_an_example(command):
    assert "Example: ad-monitor" in CliRunner().invoke(cli, [command, "--help"]).output
