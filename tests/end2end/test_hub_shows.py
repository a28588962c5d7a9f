"""A real hub and a real kiosk that shows what the hub publishes, also after both were killed."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from PIL import Image
from sqlalchemy import select

from db.engine import open_database, writing
from db.hub.screens import pairing, registry
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.commands import add_commands, find_attachment, list_commands
from db.hub.shows.desired import find_desired
from db.schema import Ad, Play, Session
from monitor.hub.library.media_store import MediaStore
from monitor.hub.shows.publishing import refresh
from monitor.uplink.key_file import key_path, write_key
from tests.helpers.hub_process import hub_process
from tests.helpers.hub_shows import add_creative, add_playlist
from tests.helpers.show_hub import ShowHub, a_key, png
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.slow


class Hub:
    """The database of a hub with one screen, and what people do there."""

    def __init__(self, folder):
        self.url = str(folder / "hub.db")
        self.engine = open_database(self.url)
        self.media = MediaStore(str(folder / "media"))
        self.folder = folder
        self.priority = 0
        with writing(self.engine) as connection:
            place = registry.Place("Entrance", site="Foyer", time_zone="Europe/Berlin")
            self.screen = registry.create_screen(connection, place, datetime.now(UTC)).id
            code = pairing.code_for_screen(connection, self.screen, "ada", datetime.now(UTC))
            self.code = code[0]

    def publish(self, ad, colour):
        """Book one ad for all screens, in place of what was booked."""
        content, file = png(colour), self.folder / f"{ad}.png"
        file.write_bytes(content)
        now = datetime.now(UTC)
        self.media.put(file, hashlib.sha256(content).hexdigest())
        with writing(self.engine) as connection:
            uid = add_creative(connection, ad, content=content)
            playlist = add_playlist(connection, [{"creative": uid, "duration_s": 1.0}])
            add_booking(connection, BookingPlan(playlist, priority=self.priority), "eva", now)
            refresh(connection, "eva", now)
        self.priority += 1

    def order(self, kind):
        with writing(self.engine) as connection:
            return add_commands(connection, [self.screen], kind, "tom", datetime.now(UTC))[0]

    def reported(self):
        with self.engine.connect() as connection:
            found = find_desired(connection, self.screen)
        return None if found is None else (found.version, found.reported_version, found.state)

    def outcome(self, uid):
        with self.engine.connect() as connection:
            [found] = [one for one in list_commands(connection, self.screen) if one.uid == uid]
        return found


def played(database):
    engine = open_database(str(database))
    try:
        with engine.connect() as connection:
            query = select(Ad.ad_id).join(Play).order_by(Play.started_at)
            return list(connection.scalars(query))
    finally:
        engine.dispose()


def commands_are_answered(hub):
    uids = {kind: hub.order(kind) for kind in ("picture", "logs", "identify", "restart")}
    for uid in uids.values():
        wait_until(lambda uid=uid: hub.outcome(uid).done_at is not None)
    assert hub.outcome(uids["picture"]).succeeded
    assert not hub.outcome(uids["identify"]).succeeded, "nobody would see it"
    assert "not supervised" in hub.outcome(uids["restart"]).detail
    with hub.engine.connect() as connection:
        kind, content = find_attachment(connection, hub.screen, uids["picture"])
        assert find_attachment(connection, hub.screen, uids["logs"]) is not None
    assert kind == "image/jpeg"
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    red, green, blue = picture.getpixel((picture.width // 2, picture.height // 2))
    assert (red > 240, green < 15, blue < 15) == (True, True, True)


def test_a_kiosk_shows_what_its_hub_publishes_and_goes_on_without_it(tmp_path):
    (tmp_path / "local.png").write_bytes(png((9, 9, 9)))
    (tmp_path / "local.yaml").write_text("ads:\n  - file: local.png\n    duration_s: 1\n")
    database = tmp_path / "kiosk.db"
    hub = Hub(tmp_path)
    kiosk = [sys.executable, "-m", "monitor", "run", "--headless", "--no-camera"]
    kiosk += ["--playlist", str(tmp_path / "local.yaml"), "--db", str(database)]
    kiosk += ["--log", str(tmp_path / "run.log")]
    with hub_process(hub.url, tmp_path / "hub.log") as (address, process):
        join = [sys.executable, "-m", "monitor", "join", address, hub.code, "--db", str(database)]
        subprocess.run(join, check=True, timeout=300)
        running = subprocess.Popen(kiosk)
        try:
            wait_until(lambda: "local" in played(database))
            began_s = time.monotonic()
            hub.publish("first", (255, 0, 0))
            wait_until(lambda: hub.reported() == (1, 1, "applied"))
            assert time.monotonic() - began_s < 90
            wait_until(lambda: "first" in played(database))
            commands_are_answered(hub)
            process.send_signal(signal.SIGKILL)
        finally:
            running.kill()
            running.wait()
    # The hub is away: the kiosk that starts again shows what it had.
    before = len(played(database))
    running = subprocess.Popen([*kiosk, "--loops", "2"])
    assert running.wait(300) == 0
    assert set(played(database)[before:]) == {"first"}
    # It catches up, and forgets the media that nothing needs.
    with hub_process(hub.url, tmp_path / "hub2.log", "--port", address.rpartition(":")[2]):
        running = subprocess.Popen(kiosk)
        try:
            hub.publish("second", (0, 0, 255))
            wait_until(lambda: hub.reported()[1:] == (2, "applied"))
            wait_until(lambda: "second" in played(database))
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(300) == 0
    hub.engine.dispose()


def test_a_restart_from_the_hub_waits_for_the_ad_and_is_answered_by_the_next_kiosk(tmp_path):
    (tmp_path / "local.png").write_bytes(png((9, 9, 9)))
    (tmp_path / "local.yaml").write_text("ads:\n  - file: local.png\n    duration_s: 1\n")
    database, hub = tmp_path / "kiosk.db", ShowHub()
    hub.publish({"red": png((255, 0, 0))})
    command = [sys.executable, "-m", "monitor", "run", "--supervised", "--headless", "--no-camera"]
    command += ["--playlist", str(tmp_path / "local.yaml"), "--db", str(database)]
    with hub.serving() as address:
        write_key(key_path(database), a_key(address, entered=False))
        running = subprocess.Popen([*command, "--log", str(tmp_path / "run.log")])
        try:
            wait_until(lambda: database.exists() and played(database))
            hub.order("restart", "c" * 32, expires_s=600)
            wait_until(lambda: hub.results)
            wait_until(lambda: "red" in played(database))
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(300) == 0
    assert [one.detail for _, one in hub.results] == ["The kiosk has restarted."]
    engine = open_database(str(database))
    with engine.connect() as connection:
        ends = list(connection.scalars(select(Session.end_reason).order_by(Session.id)))
        outcomes = list(connection.scalars(select(Play.outcome).where(Play.session_id == 1)))
    engine.dispose()
    assert ends == ["the hub asked for a restart", "stopped by SIGTERM"]
    assert set(outcomes) == {"finished"}
    assert "is started again" not in (tmp_path / "supervisor.log").read_text()
