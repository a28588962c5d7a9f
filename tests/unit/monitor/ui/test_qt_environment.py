from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from monitor.ui import qt_environment


def test_prepare_takes_the_plugins_of_opencv_out_and_leaves_those_of_a_person():
    environ = {
        "DISPLAY": ":0",
        "QT_QPA_PLATFORM_PLUGIN_PATH": "/venv/lib/site-packages/cv2/qt/plugins",
        "QT_QPA_FONTDIR": "/venv/lib/site-packages/cv2/qt/fonts",
        "QT_PLUGIN_PATH": "/opt/mine/plugins",
    }
    assert qt_environment.prepare(environ)
    assert environ == {"DISPLAY": ":0", "QT_PLUGIN_PATH": "/opt/mine/plugins"}


def test_prepare_without_a_screen_draws_into_memory():
    environ: dict[str, str] = {}
    assert not qt_environment.prepare(environ)
    assert environ == {"QT_QPA_PLATFORM": "offscreen"}


def test_prepare_offscreen_on_a_machine_with_a_screen():
    environ = {"DISPLAY": ":0", "QT_QPA_PLATFORM": "xcb"}
    assert not qt_environment.prepare(environ, offscreen=True)
    assert environ["QT_QPA_PLATFORM"] == "offscreen"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named on Linux only")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":1"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":1", "QT_QPA_PLATFORM": "offscreen"}, False),
        ({"DISPLAY": ":1", "QT_QPA_PLATFORM": "minimal:foo"}, False),
        ({"QT_QPA_PLATFORM": "eglfs"}, True),
    ],
)
def test_screen_named(environ, expected):
    assert qt_environment.screen_named(environ) is expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named on Linux only")
@pytest.mark.parametrize(
    "named",
    [
        {"DISPLAY": ":97"},
        {"WAYLAND_DISPLAY": "wayland-97"},
        {"DISPLAY": ":97", "QT_QPA_PLATFORM": "xcb"},
        {"QT_QPA_PLATFORM": "no-such-platform"},
        {},
    ],
)
def test_a_display_that_does_not_open_is_no_screen(named):
    unset = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environ = {name: value for name, value in os.environ.items() if name not in unset}
    probe = qt_environment.DisplayProbe(environ | named)
    assert not probe.succeeded()
    assert not probe.is_back()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
@pytest.mark.slow
def test_a_display_that_comes_back_is_noticed():
    display = f":{1000 + os.getpid() % 50_000}"
    environ = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    probe = qt_environment.DisplayProbe(environ)
    assert not probe.succeeded()
    server = subprocess.Popen(["Xvfb", display], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not probe.is_back():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert qt_environment.screen_available(environ)
    finally:
        server.terminate()
        server.wait()


def test_the_application_starts_after_opencv_was_imported_and_asking_loads_no_qt():
    # OpenCV sends Qt to its own plugins, which abort the process; so this needs a process of its
    # own.
    program = """
import sys
import cv2
from monitor.ui import qt_environment
assert not any(name.startswith("PyQt5") for name in sys.modules)
from monitor.ui.application import create_application
application = create_application(offscreen=True)
assert create_application() is application
print(application.platformName())
"""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "offscreen"
