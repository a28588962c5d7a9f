"""A real kiosk and a real hub, both killed on the way: every sum arrives once."""

from __future__ import annotations

import re
import signal
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from db.engine import open_database, writing
from db.hub.screens import pairing, registry
from db.read.scope import Scope
from db.schema import Exposure, ExposureSecond, Gap, Origin, Play, Session, Viewer
from db.transfer.uplink import UplinkStore
from monitor.reports.document import make_report
from monitor.uplink import service
from monitor.uplink.service import UplinkService, Wishes

from .serving import serve

__all__ = ["serve"]

pytestmark = pytest.mark.slow

TABLES = (Session, Play, Viewer, Exposure, ExposureSecond, Gap)


class Terminal:
    """What a process writes to standard error."""

    def __init__(self, process) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(
            target=lambda: self.lines.extend(iter(process.stderr.readline, "")), daemon=True
        )
        self._thread.start()

    @property
    def code(self) -> str | None:
        found = re.search(r"with the code (\w{3}-\w{3})", "".join(self.lines))
        return found[1] if found else None


@pytest.fixture
def hub(tmp_path):
    """The database of a hub with one screen."""
    engine = open_database(str(tmp_path / "hub.db"))
    with writing(engine) as connection:
        place = registry.Place("Lobby", site="Foyer", time_zone="Europe/Berlin")
        registry.create_screen(connection, place, datetime.now(UTC))
    yield engine
    engine.dispose()


def accept(hub, code):
    now = datetime.now(UTC)
    with writing(hub) as connection:
        [screen] = registry.list_screens(connection)
        pairing.accept(connection, code, screen.id, "ada", now)


def watermark(hub):
    with hub.connect() as connection:
        query = select(func.max(Origin.watermark)).where(Origin.screen_id.is_not(None))
        return connection.scalar(query) or 0


def counts(engine):
    with engine.connect() as connection:
        return {
            table.__tablename__: connection.scalar(select(func.count()).select_from(table))
            for table in TABLES
        }


def report(engine):
    document, _ = make_report(engine, Scope(demos=True))
    # Only a hub has screens.
    return {key: value for key, value in document.items() if key != "screens"}


def drain(database, engine, wait_for):
    """Send what waits, as the next run of the kiosk would."""
    one = UplinkService(engine, database, Wishes(), lambda _least: None)
    one.start()
    try:
        wait_for(
            lambda: one.status.state == "joined" and one.status.waiting == 0, what="the last sums"
        )
    finally:
        one.stop()


def test_a_kiosk_and_its_hub_are_killed_and_nothing_is_lost(
    program, serve, hub, tmp_path, wait_for, monkeypatch
):
    pytest.importorskip("argon2", reason="the extra `hub` is not installed")
    start = ("--db", str(tmp_path / "hub.db"))
    served = serve(*start, command=("hub", "serve"))
    address = f"http://127.0.0.1:{served.port}"
    show = ("run", "--source", "demo", "--headless", "--site", "Foyer", "--hub", address)
    kiosk = program.start(*show)
    terminal = Terminal(kiosk)
    wait_for(lambda: terminal.code, what="the code")
    accept(hub, terminal.code)
    wait_for(lambda: watermark(hub) > 0, what="the first sums")
    kiosk.kill()
    kiosk.wait()
    served.end(signal.SIGKILL)
    served = serve(*start, "--port", str(served.port), command=("hub", "serve"))
    program.run(*show, "--duration", "8")
    monkeypatch.setattr(service, "TICK_S", 0.1)
    own = open_database(str(program.database))
    try:
        drain(program.database, own, wait_for)
        assert counts(hub) == counts(own)
        assert counts(own)["sessions"] == 2
        assert counts(own)["exposure_seconds"] > 0
        assert report(hub) == report(own)
        assert UplinkStore(own).state().waiting == 0
    finally:
        own.dispose()
