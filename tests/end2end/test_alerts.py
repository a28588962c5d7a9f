"""Alerts of a real hub of two processes, and a receiver of webhooks that is down for a while."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from db.engine import open_database, snapshot, writing
from db.hub.alerts.channels import find_channel
from db.hub.alerts.raised import find_alerts
from db.hub.screens.registry import store_health
from db.hub.tables.intake import Lease
from db.hub.tables.screens import KioskKey, Screen
from monitor.hub.alerts.senders import signature
from tests.helpers import postgres_server, receiving_process
from tests.helpers.hub_rows import add_screen
from tests.helpers.hub_screens import a_health
from tests.helpers.rtsp import free_port

from .serving import serve

__all__ = ["serve"]

OUTAGE_S = 60.0
"""How long the receiver is down. By hand, it was ten minutes."""

pytestmark = pytest.mark.slow


@pytest.fixture
def engine():
    pytest.importorskip("psycopg", reason="needs psycopg: install the extra hub")
    pytest.importorskip("argon2", reason="the extra `hub` is not installed")
    programs = postgres_server.binaries()
    if programs is None:
        pytest.skip("needs the programs of a PostgreSQL server: initdb, pg_ctl and postgres")
    with postgres_server.running(programs) as server:
        engine = open_database(server.url(server.new_database()))
        yield engine
        engine.dispose()


class Receiver:
    """A process that takes webhooks, and can be killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self._file = folder / "received"
        self._file.touch()
        self._command = [sys.executable, receiving_process.__file__, str(port), str(self._file)]
        self._process = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(300)

    def messages(self) -> list[dict]:
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]

    def events(self) -> list[tuple[str, str, str]]:
        bodies = [json.loads(message["body"]) for message in self.messages()]
        return [(body["kind"], body["event"], body["screen"]["name"]) for body in bodies]


@pytest.fixture
def receiver(tmp_path):
    receiver = Receiver(tmp_path, free_port())
    yield receiver
    receiver.kill()


class Kiosks:
    """Screens whose kiosks say how they are whenever they are told to."""

    def __init__(self, engine) -> None:
        self.engine = engine
        self.ids: dict[str, int] = {}

    def add(self, name: str, **changes) -> None:
        screen = add_screen(self.engine, name, created_at=datetime.now(UTC), **changes)
        key = {"kiosk": f"{screen:032x}", "key_sha256": f"{screen:064x}", "created_by": "anna"}
        with writing(self.engine) as connection:
            at = datetime.now(UTC)
            row = insert(KioskKey).values(**key, screen_id=screen, created_at=at, last_seen_at=at)
            connection.execute(row)
        self.ids[name] = screen
        self.say(name)

    def say(self, name: str, **changes) -> None:

        now = datetime.now(UTC)
        with writing(self.engine) as connection:
            of_screen = KioskKey.screen_id == self.ids[name]
            connection.execute(update(KioskKey).where(of_screen).values(last_seen_at=now))
            health = a_health(at=now.isoformat(), **changes)
            store_health(connection, self.ids[name], health, now)


def alerts(engine) -> list[tuple[str, str, bool]]:
    with snapshot(engine) as connection:
        found, _ = find_alerts(connection)
    return sorted((one.kind, one.screen, one.ended_at is not None) for one in found)


def holder(engine) -> str:
    with engine.connect() as connection:
        query = Lease.__table__.select().where(Lease.name == "alerts")
        row = connection.execute(query).one_or_none()
    return "" if row is None else row.holder


def test_a_silent_screen_is_told_once_though_receiver_and_hub_are_killed(
    engine, serve, receiver, program, wait_for
):
    url = engine.url.render_as_string(hide_password=False)
    kiosks = Kiosks(engine)
    kiosks.add("Till")
    kiosks.add("Hall")
    now = datetime.now(UTC)
    opens = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    kiosks.add("Closed", opening=[opens], time_zone="UTC")
    options = ("--db", url, "--allow-network", "127.0.0.0/8")
    receiver.start()
    program.run("hub", "channel", "add", "desk", receiver.url, *options)
    receiver.kill()
    hubs = [serve(*options, command=("hub", "serve")) for _ in range(2)]

    def until(question, what, limit_s=60.0):
        def asked():
            kiosks.say("Hall", disk_free_bytes=disk)
            return question()

        wait_for(asked, limit_s, what)

    # While the receiver is down, the Hall's disk is full for a while, and the Till is silent.
    disk = 1 << 28
    until(lambda: ("disk", "Hall", False) in alerts(engine), "the alert of the full disk")
    down = time.monotonic()
    disk = 1 << 38
    until(lambda: ("disk", "Hall", True) in alerts(engine), "its end")
    until(lambda: ("silent", "Till", False) in alerts(engine), "the silent screen", 200.0)
    until(lambda: time.monotonic() > down + OUTAGE_S, "the time", OUTAGE_S + 60.0)
    assert receiver.messages() == []

    # One of the two processes dies; the other goes on with its work.
    before = holder(engine)
    victim = next(one for one in hubs if f"-{one.process.pid}-" in before)
    victim.end(signal.SIGKILL)
    receiver.start()
    until(lambda: len(receiver.messages()) >= 3, "what waited for the receiver", 400.0)
    kiosks.say("Till")
    until(lambda: ("silent", "Till", True) in alerts(engine), "the end of silence", 150.0)
    until(lambda: len(receiver.messages()) >= 4, "the last message")
    assert holder(engine) != before

    # On a slow machine the Till counts as silent before the Hall's disk has room again.
    told = receiver.events()
    for kind, screen in (("disk", "Hall"), ("silent", "Till")):
        own = [event for event in told if event[::2] == (kind, screen)]
        assert own == [(kind, "raised", screen), (kind, "ended", screen)]
    assert len(told) == 4
    ids = [message["headers"]["webhook-id"] for message in receiver.messages()]
    assert len(set(ids)) == 4
    with engine.connect() as connection:
        secret = find_channel(connection, "desk").secret
    for message in receiver.messages():
        sent, body = message["headers"], message["body"].encode()
        at = int(sent["webhook-timestamp"])
        assert sent["webhook-signature"] == signature(secret, sent["webhook-id"], at, body)
    assert alerts(engine) == [("disk", "Hall", True), ("silent", "Till", True)]
    with engine.connect() as connection:
        assert len(connection.execute(Screen.__table__.select()).all()) == 3
