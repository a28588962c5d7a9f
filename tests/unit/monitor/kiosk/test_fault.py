from __future__ import annotations

import os
import signal
import socket

import pytest
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication

from monitor.kiosk.fault import explain
from monitor.kiosk.supervision.heartbeat import Heartbeat, Phase
from monitor.settings.models import RunSettings
from monitor.ui.fault_screen import Fault, FaultScreen

FAULT = Fault("playlist", "There is no playlist at ads.yaml.")


def _soon(act) -> None:
    """Do something to the window once it is there."""

    def look() -> None:
        shown = [one for one in QApplication.topLevelWidgets() if isinstance(one, FaultScreen)]
        for window in shown:
            if window.isVisible():
                act(window)
                return
        QTimer.singleShot(20, look)

    QTimer.singleShot(20, look)


@pytest.mark.parametrize(("key", "is_again"), [(Qt.Key.Key_Return, True), (Qt.Key.Key_Q, False)])
def test_a_person_decides(qapp, key, is_again):
    _soon(lambda window: QTest.keyClick(window, key))
    assert explain(FAULT, RunSettings(), Heartbeat(), 600.0) is is_again


def test_it_is_tried_again_without_anybody(qapp):
    assert explain(FAULT, RunSettings(), Heartbeat(), 0.1)


def test_a_signal_ends_it(qapp):
    _soon(lambda _window: os.kill(os.getpid(), signal.SIGTERM))
    assert not explain(FAULT, RunSettings(), Heartbeat(), 600.0)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_screen_that_is_not_there_may_be_the_fault(qapp):
    assert explain(FAULT, RunSettings(screen=9), Heartbeat(), 0.1)


def test_supervisor_and_systemd_learn_that_it_lives(qapp, tmp_path, monkeypatch):
    reader, writer = os.pipe()
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        explain(FAULT, RunSettings(), Heartbeat(writer), 0.1)
        said = [systemd.recv(4096).decode() for _ in range(3)]
    assert os.read(reader, 100).startswith(Phase.EXPLAINING.value)
    assert said == [f"STATUS=The kiosk cannot start: {FAULT.message}", "READY=1", "WATCHDOG=1"]
    # The process that tries again speaks for the service, too.
    assert os.environ["NOTIFY_SOCKET"] == address
    os.close(reader)
    os.close(writer)
