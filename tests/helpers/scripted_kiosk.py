"""A kiosk without a window, whose sensor says what a test makes it say."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ads.media.decode import probe_all
from monitor.sensor.messages import Ready
from monitor.session import playlist_loading
from monitor.session import runtime as kiosk_module
from monitor.session.runtime import KioskRuntime
from monitor.settings.models import RunSettings


class FakeSensor:
    failure = None
    pid = None
    ready = True
    started = stopped = False

    def __init__(self, settings, on_message, on_died):
        self.settings, self.on_message, self.on_died = settings, on_message, on_died

    def start(self):
        self.started = True
        if self.ready:
            self.on_message(Ready("camera 0", 25.0, 0, True, "scripted"))

    def wait_settled(self, _timeout_s):
        return True

    def stop(self):
        self.stopped = True
        return True


@pytest.fixture
def make_settings(monkeypatch, tmp_path):
    """Settings of a kiosk that shows one picture for two seconds each.

    It is checked in this process: to start another takes longer than most of these tests.
    """
    monkeypatch.setattr(playlist_loading, "check_apart", lambda files, limit: probe_all(files))
    Image.fromarray(np.full((36, 64, 3), 90, np.uint8)).save(tmp_path / "ad.png")
    (tmp_path / "list.yaml").write_text("ads:\n  - file: ad.png\n    duration_s: 2\n")

    def build(**more):
        return RunSettings(
            playlist=tmp_path / "list.yaml", database=str(tmp_path / "monitor.db"), **more
        )

    return build


@pytest.fixture
def kiosk(monkeypatch, make_settings):
    """A kiosk that has begun its session."""
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", FakeSensor)
    made = KioskRuntime(make_settings(source="demo"), lambda _view: None)
    assert made.start(lambda: True)
    yield made
    made.stop("finished")
