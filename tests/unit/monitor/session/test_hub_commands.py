"""What people ask of a kiosk through its hub. Also tests `painted_ad.py`."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import zstandard
from PIL import Image

from ads.player.player import Picture
from ads.player.transition import Blend
from monitor.session import hub_commands
from monitor.session.hub_commands import HubCommands
from monitor.session.painted_ad import draw_ad
from monitor.settings.models import RunSettings
from monitor.uplink.documents import CommandOrder
from tests.helpers.show_hub import a_key


class FakePlayer:
    def __init__(self):
        self.finished = self.paused = self.asked = False
        self.current = SimpleNamespace(ad=SimpleNamespace(name="Summer"))
        self.picture = Picture(np.full((36, 64, 3), (250, 0, 0), np.uint8), 1, 0.0)

    def finish(self):
        self.asked = True


@pytest.fixture
def make(tmp_path):
    """Commands of a kiosk whose show's thread is another one."""
    stopping, threads = threading.Event(), []

    def build(**more):
        commands = HubCommands(RunSettings(database=str(tmp_path / "kiosk.db"), **more))
        commands.player = FakePlayer()

        def poll():
            while not stopping.wait(0.01):
                commands.poll()

        threads.append(threading.Thread(target=poll))
        threads[-1].start()
        return commands

    yield build
    stopping.set()
    for thread in threads:
        thread.join()


def do(commands, kind):
    order = CommandOrder(uid="c" * 32, kind=kind, author="anna", expires_at=datetime.now(UTC))
    return commands.perform(order, a_key("https://hub"))


def test_the_name_is_shown_by_the_window_and_by_nothing_else(make):
    commands, shown = make(), []
    assert "without a window" in do(commands, "identify").detail
    commands.show_name = lambda *names: shown.append((names, threading.current_thread()))
    assert do(commands, "identify").succeeded
    [(names, thread)] = shown
    assert names == ("Entrance", "Foyer")
    assert thread is not threading.current_thread(), "the window belongs to the show's thread"


def test_a_restart_needs_a_supervisor_and_waits_for_the_ad(make, monkeypatch):
    commands = make()
    assert "not supervised" in do(commands, "restart").detail
    assert not commands.player.asked
    commands = make(patient=True)
    assert do(commands, "restart") is None
    assert commands.player.asked
    assert not commands.is_restart_due
    commands.player.finished = True
    assert commands.is_restart_due
    monkeypatch.setattr(hub_commands, "RESTART_LIMIT_S", 0.0)
    commands = make(patient=True)
    do(commands, "restart")
    assert commands.is_restart_due, "an ad that lasts for hours does not hold it up"


def test_without_a_window_the_picture_is_drawn_from_the_players_frame(make):
    commands = make()
    result = do(commands, "picture")
    assert (result.succeeded, result.attachment_type) == (True, "image/jpeg")
    assert result.detail == "The ad Summer."
    picture = Image.open(io.BytesIO(result.attachment)).convert("RGB")
    assert picture.size == (640, 360)
    assert all(
        abs(a - b) < 8 for a, b in zip(picture.getpixel((320, 180)), (250, 0, 0), strict=True)
    )
    commands.painted_ad = lambda: np.full((1080, 1920, 3), (0, 250, 0), np.uint8)
    commands.player.current = None
    result = do(commands, "picture")
    assert result.detail == "No ad is on the screen."
    picture = Image.open(io.BytesIO(result.attachment)).convert("RGB")
    assert picture.size == (1280, 720)
    assert picture.getpixel((0, 0))[1] > 240


def test_an_ad_is_drawn_as_a_window_paints_it():
    def corner_and_middle(picture):
        drawn = draw_ad(picture, (64, 64))
        return tuple(drawn[0, 0].tolist()), tuple(drawn[32, 32].tolist())

    red = np.full((36, 64, 3), (200, 0, 0), np.uint8)
    blue = np.full((8, 8, 3), (0, 0, 100), np.uint8)
    assert corner_and_middle(None) == ((0, 0, 0), (0, 0, 0))
    assert corner_and_middle(Picture(red, 1, 0.0)) == ((0, 0, 0), (200, 0, 0))
    assert corner_and_middle(Picture(red, 1, 0.0, fit="cover")) == ((200, 0, 0), (200, 0, 0))
    blurred = Picture(red, 1, 0.0, fit="blur", backdrop=blue)
    assert corner_and_middle(blurred) == ((0, 0, 100), (200, 0, 0))
    faded = Picture(red, 1, 0.0, Blend(np.zeros_like(red), 0.5), "cover")
    assert corner_and_middle(faded)[1] == (100, 0, 0)


def test_a_show_that_hangs_is_said_and_nothing_is_done_later(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_commands, "ANSWER_S", 0.05)
    commands, shown = HubCommands(RunSettings(database=str(tmp_path / "kiosk.db"))), []
    commands.show_name = lambda *names: shown.append(names)
    result = do(commands, "identify")
    assert (result.succeeded, "did not answer" in result.detail) == (False, True)
    commands.poll()
    assert shown == []


def test_logs_are_bounded_newest_first_kept_and_without_passwords(make, tmp_path, monkeypatch):
    log = tmp_path / "log" / "run.log"
    assert "keeps no log" in do(make(log="none"), "logs").detail
    assert "is empty" in do(make(log=str(log)), "logs").detail
    log.parent.mkdir()
    log.with_name("run.log.1").write_text("old " * 50_000 + "\nbefore the rotation\n")
    log.write_text("opened rtsp://admin:hunter2@camera/1\nlast line\n")
    log.with_name("supervisor.log").write_text("started again\n")
    monkeypatch.setattr(hub_commands, "MAX_LOG_BYTES", 40_000)
    result = do(make(log=str(log)), "logs")
    assert (result.succeeded, result.attachment_type) == (True, "application/zstd")
    text = zstandard.decompress(result.attachment).decode()
    assert "hunter2" not in text
    assert "rtsp://admin:***@camera/1" in text
    assert text.index("started again") < text.index("before the rotation") < text.index("last line")
    assert len(text) < 45_000


def test_commands_before_the_show_begins_are_refused(tmp_path):
    commands = HubCommands(RunSettings(database=str(tmp_path / "kiosk.db"), patient=True))
    assert not do(commands, "picture").succeeded
    assert not do(commands, "restart").succeeded
    assert not commands.is_restart_due
