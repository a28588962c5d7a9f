from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from PyQt5.QtCore import QEventLoop, QTimer

from monitor.ui.shutdown import Quitter, SignalHandler

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def exits(monkeypatch):
    """What the application is told to end with; the application of the tests itself goes on."""
    statuses: list[int] = []
    monkeypatch.setattr(
        "monitor.ui.shutdown.QCoreApplication.exit", lambda status=0: statuses.append(status)
    )
    return statuses


# --- quitter --------------------------------------------------------------------------------------


def test_steps_run_in_reverse_once_and_then_the_loop_ends(qtbot, exits):
    quitter, done = Quitter(), []
    for name in ("database", "sensor", "window"):
        quitter.add(name, lambda name=name: done.append(name))
    assert not quitter.entered
    with qtbot.waitSignal(quitter.quitting, timeout=300_000) as signalled:
        quitter.quit("the window was closed")
    quitter.quit("again")
    assert signalled.args == ["the window was closed"]
    assert done == ["window", "sensor", "database"]
    assert quitter.entered
    assert quitter.reason == "the window was closed"
    assert exits == []  # not before the caller has returned to the loop
    qtbot.waitUntil(lambda: bool(exits), timeout=300_000)
    qtbot.wait(20)
    assert exits == [0]


def test_a_step_that_fails_does_not_stop_the_others(qtbot, exits, caplog):
    quitter, done = Quitter(), []
    broken = OSError("the camera hangs")

    def fail():
        raise broken

    quitter.add("first", lambda: done.append("first"))
    quitter.add("camera", fail)
    quitter.add("last", lambda: done.append("last"))
    quitter.quit()
    assert done == ["last", "first"]
    assert quitter.errors == [("camera", broken)]
    assert "Closing camera failed" in caplog.text
    caplog.clear()
    qtbot.waitUntil(lambda: exits == [1], timeout=300_000)


def test_a_step_that_quits_again_changes_nothing(qtbot, exits):
    quitter, done = Quitter(), []
    quitter.add("first", lambda: done.append("first"))
    quitter.add("window", lambda: quitter.quit("its own closing"))
    quitter.quit("SIGTERM", 3)
    assert done == ["first"]
    assert quitter.reason == "SIGTERM"
    qtbot.waitUntil(lambda: exits == [3], timeout=300_000)


# --- signals --------------------------------------------------------------------------------------


@pytest.fixture
def hangup_by_default():
    """The tests may themselves run under nohup."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


def run_loop_until(called, kill):
    """Runs a loop without Python code, and sends a signal from another thread."""
    loop = QEventLoop()
    called.append(loop.quit)
    watchdog = QTimer()
    watchdog.setSingleShot(True)
    watchdog.timeout.connect(loop.quit)
    watchdog.start(60_000)
    thread = threading.Timer(0.1, kill)
    thread.start()
    began = time.monotonic()
    loop.exec_()
    thread.join()
    watchdog.stop()
    return time.monotonic() - began


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_heard_while_the_loop_sleeps(qapp, hangup_by_default, number):
    quit_loop, names = [], []

    def on_signal(name):
        names.append(name)
        quit_loop[0]()

    with SignalHandler(on_signal):
        took_s = run_loop_until(quit_loop, lambda: os.kill(os.getpid(), number))
    assert names == [number.name]
    assert took_s < 30


@posix_only
def test_a_terminal_that_closes_may_say_so_twice(qapp, qtbot, hangup_by_default):
    names, forced = [], []
    with SignalHandler(names.append, on_second_signal=forced.append):
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        qtbot.waitUntil(lambda: names == ["SIGHUP"], timeout=300_000)
    os.kill(os.getpid(), signal.SIGHUP)  # while the report is written
    assert forced == []


@posix_only
def test_the_second_signal_does_not_wait_for_the_loop(qapp, qtbot):
    names, forced = [], []
    with SignalHandler(names.append, on_second_signal=forced.append):
        os.kill(os.getpid(), signal.SIGINT)
        assert names == []  # the first one asks the loop
        os.kill(os.getpid(), signal.SIGTERM)
        assert forced == [signal.SIGTERM]
        qtbot.waitUntil(lambda: names == ["SIGINT"], timeout=300_000)


@posix_only
def test_the_former_handlers_come_back(qapp):
    def own(number, frame):
        pass

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    former_fd = signal.set_wakeup_fd(writer.fileno())
    try:
        signal.signal(signal.SIGTERM, own)
        handler = SignalHandler(lambda name: None)
        assert signal.getsignal(signal.SIGTERM) is not own
        handler.close()
        handler.close()
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGINT) is former[signal.SIGINT]
        assert signal.set_wakeup_fd(former_fd) == writer.fileno()
    finally:
        signal.set_wakeup_fd(former_fd)
        for number, before in former.items():
            signal.signal(number, before)
        reader.close()
        writer.close()


@posix_only
def test_the_whole_way_out_of_a_real_process():
    program = """
import os, signal, sys, threading
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from monitor.ui.shutdown import Quitter, SignalHandler
quitter = Quitter()
handler = SignalHandler(lambda name: quitter.quit(name))
quitter.add("signals", handler.close)
quitter.add("work", lambda: print("closing work", flush=True))
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
status = application.exec_()
print(quitter.reason, flush=True)
sys.exit(status)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["closing work", "SIGTERM"]


@posix_only
def test_a_second_signal_ends_a_process_that_hangs_while_it_quits():
    program = """
import os, signal, threading, time
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from monitor.ui.shutdown import Quitter, SignalHandler
quitter = Quitter()
handler = SignalHandler(lambda name: quitter.quit(name))
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def hang():
    threading.Timer(0.1, interrupt).start()
    threading.Event().wait(900)

quitter.add("a thread that never ends", hang)
threading.Timer(0.1, interrupt).start()
application.exec_()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 128 + signal.SIGINT, done.stderr
