from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from PyQt5.QtGui import QGuiApplication

from monitor.ui import screen_saver
from monitor.ui.screen_saver import (
    PATHS,
    REASON,
    ScreenSaverInhibitor,
    session_bus_named,
    x11_nudge,
)


@pytest.fixture
def desktop(monkeypatch):
    """A desktop that answers as it is told, on a machine with a screen."""

    class Desktop:
        def __init__(self):
            self.answers = {}
            self.calls = []

        def __call__(self, path, method, *arguments):
            self.calls.append((path, method, *arguments))
            return self.answers.get((path, method))

    made = Desktop()
    monkeypatch.setattr(screen_saver, "_call_desktop", made)
    monkeypatch.setattr(screen_saver, "session_bus_named", lambda: True)
    monkeypatch.setattr(QGuiApplication, "platformName", lambda: "xcb")
    return made


@pytest.fixture
def nudges(monkeypatch):
    """An X server that counts how often it is told that somebody is there."""

    class Nudges(list):
        closed = False

        def __call__(self):
            self.append(1)

        def close(self):
            self.closed = True

    made = Nudges()
    monkeypatch.setattr(screen_saver, "x11_nudge", lambda: made)
    return made


@pytest.fixture
def inhibitor(qapp):
    made = ScreenSaverInhibitor("Ad Reaction Monitor")
    yield made
    made.release()


@pytest.mark.parametrize("path", PATHS)
def test_the_desktop_is_asked_and_told_when_it_is_over(inhibitor, desktop, nudges, path):
    desktop.answers = {(path, "Inhibit"): 4_000_000_001}
    assert inhibitor.inhibit() == "desktop"
    assert inhibitor.inhibit() == "desktop"
    asked = [
        (one, "Inhibit", "Ad Reaction Monitor", REASON) for one in PATHS[: PATHS.index(path) + 1]
    ]
    assert desktop.calls == asked
    inhibitor.release()
    inhibitor.release()
    assert desktop.calls == [*asked, (path, "UnInhibit", 4_000_000_001)]
    assert inhibitor.method == "none"
    assert nudges == []


def test_without_a_desktop_the_x_server_is_told_again_and_again(
    inhibitor, desktop, nudges, qtbot, monkeypatch
):
    monkeypatch.setattr(screen_saver, "NUDGE_MS", 20)
    inhibitor = ScreenSaverInhibitor("Ad Reaction Monitor")
    assert inhibitor.inhibit() == "x11"
    qtbot.waitUntil(lambda: len(nudges) > 3, timeout=300_000)
    inhibitor.release()
    assert nudges.closed
    count = len(nudges)
    qtbot.wait(80)
    assert len(nudges) == count


@pytest.mark.parametrize("platform", ["wayland", "eglfs"])
def test_where_nothing_can_be_done_it_is_said(
    inhibitor, desktop, nudges, monkeypatch, caplog, platform
):
    monkeypatch.setattr(QGuiApplication, "platformName", lambda: platform)
    assert inhibitor.inhibit() == "none"
    assert nudges == []
    assert "switch it off in the system's settings" in caplog.text


def test_in_memory_there_is_nothing_to_hold_and_nothing_to_complain_about(
    inhibitor, desktop, monkeypatch, caplog
):
    monkeypatch.setattr(QGuiApplication, "platformName", lambda: "offscreen")
    assert inhibitor.inhibit() == "none"
    assert desktop.calls == []
    assert caplog.text == ""


def test_a_bus_that_is_not_there_is_not_asked_for(tmp_path):
    assert not session_bus_named({})
    assert not session_bus_named({"XDG_RUNTIME_DIR": str(tmp_path)})
    (tmp_path / "bus").touch()
    assert session_bus_named({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert session_bus_named({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus"})


def test_no_x_server_no_nudge():
    assert x11_nudge(":987") is None


# --- with a real bus and a real X server, where the machine has them ------------------------------

SERVICE = """
import sys
from PyQt5.QtCore import Q_CLASSINFO, QCoreApplication, QObject, pyqtSlot
from PyQt5.QtDBus import QDBusAbstractAdaptor, QDBusConnection
class Adaptor(QDBusAbstractAdaptor):
    Q_CLASSINFO("D-Bus Interface", "org.freedesktop.ScreenSaver")
    Q_CLASSINFO("D-Bus Introspection", '<interface name="org.freedesktop.ScreenSaver">'
        '<method name="Inhibit"><arg direction="in" type="s"/><arg direction="in" type="s"/>'
        '<arg direction="out" type="u"/></method>'
        '<method name="UnInhibit"><arg direction="in" type="u"/></method></interface>')
    @pyqtSlot(str, str, result="uint")
    def Inhibit(self, name, reason):
        print("inhibit", name, reason, flush=True)
        return 4000000001
    @pyqtSlot("uint")
    def UnInhibit(self, cookie):
        print("uninhibit", cookie, flush=True)
        QCoreApplication.quit()
application = QCoreApplication(sys.argv)
saver = QObject()
adaptor = Adaptor(saver)
bus = QDBusConnection.sessionBus()
assert bus.registerObject("/org/freedesktop/ScreenSaver", saver)
assert bus.registerService("org.freedesktop.ScreenSaver")
print("ready", flush=True)
application.exec_()
"""

CLIENT = """
import subprocess, sys
service = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
assert service.stdout.readline() == "ready\\n"
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QApplication
application = QApplication(["test"])
QGuiApplication.platformName = staticmethod(lambda: "xcb")
from monitor.ui.screen_saver import ScreenSaverInhibitor
inhibitor = ScreenSaverInhibitor("Ad Reaction Monitor")
print(inhibitor.inhibit())
inhibitor.release()
print(service.communicate(timeout=300)[0], end="")
"""


@pytest.mark.skipif(shutil.which("dbus-run-session") is None, reason="needs dbus-run-session")
def test_a_desktop_on_a_real_bus():
    command = ["dbus-run-session", "--", sys.executable, "-c", textwrap.dedent(CLIENT), SERVICE]
    environ = dict(os.environ, QT_QPA_PLATFORM="offscreen")
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "desktop",
        "inhibit Ad Reaction Monitor Ads are shown",
        "uninhibit 4000000001",
    ]


X11_PROGRAM = """
import ctypes, time
class Info(ctypes.Structure):
    _fields_ = [("window", ctypes.c_ulong), ("state", ctypes.c_int), ("kind", ctypes.c_int),
                ("til_or_since", ctypes.c_ulong), ("idle", ctypes.c_ulong),
                ("mask", ctypes.c_ulong)]
xlib, saver = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXss.so.1")
xlib.XOpenDisplay.restype = ctypes.c_void_p
xlib.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
xlib.XDefaultRootWindow.restype = ctypes.c_ulong
saver.XScreenSaverQueryInfo.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.POINTER(Info)]
display, info = xlib.XOpenDisplay(None), Info()
def idle_ms():
    root = xlib.XDefaultRootWindow(display)
    assert saver.XScreenSaverQueryInfo(display, root, ctypes.byref(info))
    return info.idle
from monitor.ui.screen_saver import x11_nudge
while idle_ms() < 3000:
    time.sleep(0.1)
before = idle_ms()
nudge = x11_nudge()
nudge()
time.sleep(0.1)
print(before > 2900, idle_ms() < before)
nudge.close()
nudge.close()
nudge()
"""


def _library(name):
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


@pytest.mark.skipif(
    shutil.which("xvfb-run") is None or not _library("libXss.so.1"),
    reason="needs xvfb-run and libXss",
)
def test_a_real_x_server_believes_that_somebody_is_there():
    command = ["xvfb-run", "-a", sys.executable, "-c", X11_PROGRAM]
    environ = {**os.environ, "TMPDIR": "/tmp"}  # noqa: S108 (xvfb-run needs a path without blanks)
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]
