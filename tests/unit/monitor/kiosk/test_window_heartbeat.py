from __future__ import annotations

import pytest
from PyQt5.QtWidgets import QWidget

from monitor.kiosk import window_heartbeat as module
from monitor.kiosk.supervision.heartbeat import Phase
from monitor.kiosk.window_heartbeat import WindowHeartbeat
from monitor.ui.ad_view import AdView


class Listener:
    """A heartbeat that keeps what it is told."""

    def __init__(self, supervised=True):
        self.supervised = supervised
        self.beats = []

    def beat(self, phase):
        self.beats.append(phase)


@pytest.fixture
def view(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    made = AdView(window)
    window.resize(64, 36)
    made.resize(64, 36)
    with qtbot.waitExposed(window, timeout=300_000):
        window.show()
    yield made
    window.close()


@pytest.fixture
def make_heartbeat():
    made = []

    def make(heartbeat):
        made.append(WindowHeartbeat(heartbeat))
        return made[-1]

    yield make
    for heartbeat in made:
        heartbeat.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BEAT_S", 0.02)


def test_the_loop_beats_until_there_is_a_show(qtbot, make_heartbeat):
    heard = Listener()
    heartbeat = make_heartbeat(heard)
    qtbot.waitUntil(lambda: len(heard.beats) > 3, timeout=300_000)
    assert set(heard.beats) == {Phase.STARTING}
    heartbeat.stop()
    assert heard.beats[-1] is Phase.CLOSING
    count = len(heard.beats)
    qtbot.wait(80)
    assert len(heard.beats) == count


def test_a_picture_that_stands_still_beats_by_being_painted(qtbot, make_heartbeat, view):
    heard = Listener()
    heartbeat = make_heartbeat(heard)
    heartbeat.watch(view)
    drawn = []
    view.drawn.connect(lambda: drawn.append(1))
    qtbot.waitUntil(lambda: heard.beats.count(Phase.SHOWING) > 5, timeout=300_000)
    assert len(drawn) >= 5
    heartbeat.stop()


def test_a_window_that_does_not_paint_does_not_beat(qtbot, make_heartbeat, view):
    heard = Listener()
    heartbeat = make_heartbeat(heard)
    view.setUpdatesEnabled(False)
    heartbeat.watch(view)
    heard.beats.clear()
    qtbot.wait(150)
    assert heard.beats == []
    view.setUpdatesEnabled(True)
    qtbot.waitUntil(lambda: Phase.SHOWING in heard.beats, timeout=300_000)
    heartbeat.stop()


def test_a_window_that_cannot_be_seen_beats_by_its_loop(qtbot, make_heartbeat, view):
    heard = Listener()
    heartbeat = make_heartbeat(heard)
    heartbeat.watch(view)
    view.window().hide()
    heard.beats.clear()
    qtbot.waitUntil(lambda: heard.beats.count(Phase.SHOWING) > 3, timeout=300_000)
    heartbeat.stop()


def test_after_the_end_painting_is_no_sign_any_more(qtbot, make_heartbeat, view):
    heard = Listener()
    heartbeat = make_heartbeat(heard)
    heartbeat.watch(view)
    heartbeat.stop()
    view.repaint()
    assert heard.beats[-1] is Phase.CLOSING


def test_without_a_supervisor_nothing_is_painted_for_it(qtbot, make_heartbeat, view):
    heard = Listener(supervised=False)
    heartbeat = make_heartbeat(heard)
    heartbeat.watch(view)
    drawn = []
    view.drawn.connect(lambda: drawn.append(1))
    qtbot.wait(100)
    assert drawn == []
    heartbeat.stop()
    assert heard.beats == [Phase.CLOSING]
