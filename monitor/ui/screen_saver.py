"""Holds the screen saver off while ads are shown.

Two ways, the first that works is used:

1. The desktop is asked (D-Bus, `org.freedesktop.ScreenSaver`, Idle Inhibition Service 0.1: GNOME,
   KDE Plasma, Xfce, Cinnamon and others). It keeps its promise until it is taken back or the
   program ends, also when the program is killed.
2. Without such a desktop, on X11, the X server is told every half a minute that somebody is there.
   That holds off its own blanking and its power saving, and programs that go by its idle time.

Where neither is there (Wayland without a desktop that answers, a bare `eglfs` screen), nothing is
held off, and `method` says so: the system's own settings have to switch it off. A lock that a
person asks for, and a screen that switches itself off, cannot be held off by any program.
"""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from PyQt5.QtCore import QObject, QTimer, pyqtSlot
from PyQt5.QtGui import QGuiApplication

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

Method = Literal["desktop", "x11", "none"]

NUDGE_MS = 30_000
"""Screen savers wait a minute at least."""

ANSWER_LIMIT_MS = 1500
"""A desktop that hangs must not hang the kiosk."""

SERVICE = "org.freedesktop.ScreenSaver"
PATHS = ("/org/freedesktop/ScreenSaver", "/ScreenSaver")
"""The specification's, and that of old versions of KDE."""

REASON = "Ads are shown"


class Nudge(Protocol):
    """Tells the X server that somebody is there."""

    def __call__(self) -> None:
        """Tells it once."""

    def close(self) -> None:
        """Ends the connection."""


class ScreenSaverHold(QObject):
    """Holds the screen saver off from `hold()` to `release()`.

    Args:
        application: The name that the desktop shows to its user.
        parent: The Qt owner.

    Attributes:
        method: How it is held off: by the `desktop`, by `x11`, or not at all (`none`).
    """

    def __init__(self, application: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._application = application
        self._cookie: tuple[str, int] | None = None
        self._nudge: Nudge | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(NUDGE_MS)
        self._timer.timeout.connect(self._on_tick)
        self.method: Method = "none"

    def hold(self) -> Method:
        """Holds it off as well as it can be; a second call changes nothing.

        Returns:
            How; `none` is logged too.
        """
        if self.method != "none":
            return self.method
        if QGuiApplication.platformName() == "offscreen":
            return "none"  # there is no screen to save
        self._cookie = _ask_desktop(self._application)
        if self._cookie is not None:
            self.method = "desktop"
        else:
            self._nudge = x11_nudge() if QGuiApplication.platformName() == "xcb" else None
            if self._nudge is not None:
                self.method = "x11"
                self._on_tick()
                self._timer.start()
            else:
                logger.warning(
                    "The screen saver cannot be held off here: switch it off in the system's settings"
                )
        return self.method

    def release(self) -> None:
        """Lets it come again; harmless when repeated."""
        self._timer.stop()
        if self._cookie is not None:
            path, cookie = self._cookie
            self._cookie = None
            _call_desktop(path, "UnInhibit", cookie)
        if self._nudge is not None:
            self._nudge.close()
            self._nudge = None
        self.method = "none"

    @pyqtSlot()
    def _on_tick(self) -> None:
        if self._nudge is not None:
            self._nudge()


def session_bus_named(environ: Mapping[str, str] | None = None) -> bool:
    """Whether there is a session bus. Asking for one that is not there would start one, which nobody would stop."""
    environ = os.environ if environ is None else environ
    if environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    folder = environ.get("XDG_RUNTIME_DIR")
    return bool(folder) and (Path(str(folder)) / "bus").exists()


def _ask_desktop(application: str) -> tuple[str, int] | None:
    """The desktop's promise, as the path and the number with which it is taken back."""
    if not session_bus_named():
        return None
    for path in PATHS:
        cookie = _call_desktop(path, "Inhibit", application, REASON)
        if cookie is not None:
            return path, cookie
    return None


def _call_desktop(path: str, method: str, *arguments: str | int) -> int | None:
    """What the desktop answers; `None` where it does not answer or answers nothing."""
    try:
        from PyQt5.QtCore import QVariant  # noqa: PLC0415
        from PyQt5.QtDBus import QDBus, QDBusConnection, QDBusMessage  # noqa: PLC0415 (needs libdbus)
    except ImportError as error:
        logger.info("Qt's D-Bus cannot be loaded: %s", error)
        return None
    message = QDBusMessage.createMethodCall(SERVICE, path, SERVICE, method)
    values: list[object] = []
    for argument in arguments:
        if isinstance(argument, int):
            # The number is unsigned; a plain int would be sent as a signed one and be refused.
            value = QVariant(argument)
            value.convert(QVariant.UInt)
            values.append(value)
        else:
            values.append(argument)
    message.setArguments(values)
    reply = QDBusConnection.sessionBus().call(message, QDBus.CallMode.Block, ANSWER_LIMIT_MS)
    if reply.type() != QDBusMessage.MessageType.ReplyMessage:
        logger.info("The desktop does not answer %s: %s", method, reply.errorMessage())
        return None
    answers = reply.arguments()
    return int(answers[0]) if answers else None


class _X11Nudge:
    """A connection of its own to the X server, so that Qt's is left alone."""

    def __init__(self, library: ctypes.CDLL, display: ctypes.c_void_p) -> None:
        self._library = library
        self._display: ctypes.c_void_p | None = display

    def __call__(self) -> None:
        if self._display is not None:
            self._library.XResetScreenSaver(self._display)
            self._library.XFlush(self._display)

    def close(self) -> None:
        if self._display is not None:
            self._library.XCloseDisplay(self._display)
            self._display = None


def x11_nudge(display_name: str | None = None) -> Nudge | None:
    """What tells an X server that somebody is there.

    Args:
        display_name: Such as `:0`; by default that of the environment.

    Returns:
        `None` where there is no X server, or its library is missing. Qt's own windows on X11 need
        that library too.
    """
    try:
        library = ctypes.CDLL("libX11.so.6")
    except OSError:
        return None
    library.XOpenDisplay.argtypes = [ctypes.c_char_p]
    library.XOpenDisplay.restype = ctypes.c_void_p
    for name in ("XResetScreenSaver", "XFlush", "XCloseDisplay"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_int
    display = library.XOpenDisplay(None if display_name is None else display_name.encode())
    return None if not display else _X11Nudge(library, ctypes.c_void_p(display))
