"""Errors in a slot, a timer, a paint event and a thread, in a child: PyQt would end it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import logging, sys, threading
logging.basicConfig(level=logging.INFO, format="%(message)s")
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from PyQt5.QtCore import QObject, QTimer, pyqtSignal
from PyQt5.QtWidgets import QWidget
from monitor.kiosk.error_guard import ErrorGuard
from monitor.ui.ad_view import AdView
from monitor.ui.painting import PaintedWidget

class Source(QObject):
    fired = pyqtSignal(int)

window = QWidget()
window.resize(80, 60)
source = Source()
"""
END = """
QTimer.singleShot(400, application.quit)
with ErrorGuard() as guard:
    window.show()
    status = application.exec_()
print(guard.count, guard.flooded, status, flush=True)
"""

IN_A_SLOT = """
reached = []
source.fired.connect(lambda number: 1 // number)
source.fired.connect(reached.append)
QTimer.singleShot(50, lambda: source.fired.emit(0))
QTimer.singleShot(100, lambda: source.fired.emit(1))
"""
IN_A_TIMER = """
ticks = []
timer = QTimer()
def tick():
    ticks.append(1)
    if len(ticks) == 2:
        raise RuntimeError("the second tick")
timer.timeout.connect(tick)
timer.start(20)
"""
IN_A_PAINT_EVENT = """
class Card(PaintedWidget):
    painted = 0
    def draw(self, painter, rect):
        self.painted += 1
        if self.painted == 1:
            raise RuntimeError("the first painting")
        painter.drawLine(0, 0, 9, 9)
card = Card(window)
card.resize(20, 20)
QTimer.singleShot(100, card.refresh)
"""
IN_THE_ADS = """
class Broken(AdView):
    painted_times = 0
    def _draw(self, painter, image):
        raise RuntimeError("the picture")
import numpy as np
class Picture:
    rgb, blend, backdrop, fit = np.zeros((36, 64, 3), np.uint8), None, None, "contain"
view = Broken(window)
view.resize(64, 36)
QTimer.singleShot(50, lambda: view.show_picture(Picture))
QTimer.singleShot(100, lambda: view.show_message("on"))
"""
IN_A_THREAD = """
def work():
    raise RuntimeError("the work")
thread = threading.Thread(target=work, name="ad-decoder")
QTimer.singleShot(50, thread.start)
"""
A_FLOOD = """
timer = QTimer()
def tick():
    if guard.flooded:
        application.quit()
    1 // 0
timer.timeout.connect(tick)
timer.start(1)
"""


def run(what, end=END):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGIN + what + end],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize(
    ("what", "error", "check"),
    [
        (IN_A_SLOT, "ZeroDivisionError", "assert reached == [0, 1], reached"),
        (IN_A_TIMER, "RuntimeError: the second tick", "assert len(ticks) > 5, ticks"),
        (
            IN_A_PAINT_EVENT,
            "RuntimeError: the first painting",
            "count = card.painted; card.repaint(); assert 2 <= count == card.painted",
        ),
        (IN_THE_ADS, "RuntimeError: the picture", "assert not view.paintingActive()"),
        (IN_A_THREAD, "RuntimeError: the work", "assert not thread.is_alive()"),
    ],
    ids=["slot", "timer", "paint event", "ad", "thread"],
)
def test_an_error_is_logged_and_counted_and_the_show_goes_on(what, error, check):
    words, said = run(what, END + check)
    assert words == ["1", "False", "0"]
    assert said.count("Traceback") == 1
    assert error in said
    # A painter that was not ended would be complained about, and keep its widget from being
    # painted.
    assert "paint" not in said.replace(error, "").split("Traceback")[0].lower()
    assert "QPainter" not in said
    assert "QBackingStore" not in said


def test_a_flood_is_told_apart():
    words, said = run(A_FLOOD, END.replace("400", "30_000"))
    assert int(words[0]) > 50
    assert words[1:] == ["True", "0"]
    assert said.count("Traceback") == 1


def test_without_the_guard_it_would_have_died():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BEGIN + IN_A_SLOT + "QTimer.singleShot(400, application.quit)\napplication.exec_()",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
