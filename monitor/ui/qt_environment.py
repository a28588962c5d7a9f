"""Prepare the environment before Qt starts. Imports no Qt."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping


def prepare(environ: MutableMapping[str, str] | None = None, *, offscreen: bool = False) -> bool:
    """Make the environment fit for PyQt5, after importing OpenCV and before making the application.

    Paths into OpenCV are removed; others, set on purpose, stay. Returns whether a screen is named
    and wanted; if not, `QT_QPA_PLATFORM` names a platform in memory.
    """
    environ = os.environ if environ is None else environ
    _remove_foreign_paths(environ)
    if not offscreen and screen_named(environ):
        return True
    if offscreen or environ.get("QT_QPA_PLATFORM") is None:
        environ["QT_QPA_PLATFORM"] = "offscreen"
    return False


def screen_named(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a display is named, which may not open, or a platform that needs none."""
    environ = os.environ if environ is None else environ
    platform = environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    if platform:
        return platform not in ("offscreen", "minimal")
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


class DisplayProbe:
    """Open the display in a child process: Qt aborts the process in which it cannot."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        _remove_foreign_paths(self._environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._retry_due_s = 0.0

    def start(self) -> None:
        """Start the child, if a screen is named; returns at once. Harmless when repeated."""
        if self._process is None and screen_named(self._environ):
            self._retry_due_s = time.monotonic() + 10
            null = subprocess.DEVNULL
            command = [sys.executable, "-c", _OPEN_DISPLAY]
            self._process = subprocess.Popen(
                command, env=self._environ, stdin=null, stdout=null, stderr=null
            )

    def succeeded(self) -> bool:
        self.start()
        return self._process is not None and self._process.wait() == 0

    def is_back(self) -> bool:
        """Return whether the display opens, without waiting; starts a child every 10 s at most."""
        if self._process is not None and self._process.poll() == 0:
            return True
        if time.monotonic() >= self._retry_due_s:
            self.close()
            self.start()
        return False

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


_OPEN_DISPLAY = """
import os, resource, signal
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.alarm(20)
from PyQt5.QtGui import QGuiApplication
application = QGuiApplication(["probe"])
os._exit(0)
"""


def screen_available(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a window would be seen: a screen is named, and Qt can open it."""
    return DisplayProbe(environ).succeeded()


def _remove_foreign_paths(environ: MutableMapping[str, str]) -> None:
    # Importing OpenCV sets them to its Qt plugins, with which PyQt5 aborts, and to its fonts.
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        value = environ.get(name)
        if value is not None and "cv2" in value.replace("\\", "/").split("/"):
            del environ[name]
