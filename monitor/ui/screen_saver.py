"""Hold the screen saver off while ads are shown, in the first way that works:

1. Ask the desktop (D-Bus, `org.freedesktop.ScreenSaver`: GNOME, KDE Plasma, Xfce, Cinnamon and
   others). It keeps its promise until it is released or the program ends, however it ends.
2. On X11, tell the X server every half a minute that somebody is there. That holds off blanking,
   power saving, and programs that go by its idle time.

Elsewhere (Wayland without such a desktop, a bare `eglfs` screen) use the system's settings.
"""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PyQt5.QtCore import QObject, QTimer, QVariant, pyqtSlot
from PyQt5.QtGui import QGuiApplication

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

Method = Literal["desktop", "x11", "none"]

NUDGE_MS = 30_000  # screen savers wait a minute at least
PATHS = ("/org/freedesktop/ScreenSaver", "/ScreenSaver")  # the second is of old versions of KDE
REASON = "Ads are shown"


class ScreenSaverInhibitor(QObject):
    """Hold the screen saver off from `inhibit()` to `release()`; `method` says how."""

    def __init__(self, application: str) -> None:
        super().__init__()
        self._application = application
        self._cookie: tuple[str, int] | None = None
        self._nudge: _X11Nudge | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        self.method: Method = "none"

    def inhibit(self) -> Method:
        """Hold it off if possible and return how; a failure is logged."""
        platform = QGuiApplication.platformName()
        if self.method != "none" or platform == "offscreen":
            return self.method
        for path in PATHS if session_bus_named() else ():
            cookie = _call_desktop(path, "Inhibit", self._application, REASON)
            if cookie is not None:
                self._cookie = path, cookie
                self.method = "desktop"
                return self.method
        self._nudge = x11_nudge() if platform == "xcb" else None
        if self._nudge is not None:
            self.method = "x11"
            self._nudge()
            self._timer.start(NUDGE_MS)
        else:
            logger.warning(
                "Cannot hold the screen saver off here; switch it off in the system's settings"
            )
        return self.method

    def release(self) -> None:
        """Allow it again; harmless when repeated."""
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
    """Return whether there is a session bus; asking for a missing one would start one for good."""
    environ = os.environ if environ is None else environ
    folder = environ.get("XDG_RUNTIME_DIR")
    named = bool(environ.get("DBUS_SESSION_BUS_ADDRESS"))
    return named or (bool(folder) and Path(str(folder), "bus").exists())


def _call_desktop(path: str, method: str, *arguments: str | int) -> int | None:
    try:  # it needs libdbus
        from PyQt5.QtDBus import QDBus, QDBusConnection, QDBusMessage  # noqa: PLC0415
    except ImportError as error:
        logger.info("Qt's D-Bus cannot be loaded: %s", error)
        return None
    service = "org.freedesktop.ScreenSaver"
    message = QDBusMessage.createMethodCall(service, path, service, method)
    values = [QVariant(argument) for argument in arguments]
    for value, argument in zip(values, arguments, strict=True):
        if isinstance(argument, int):
            # The cookie is unsigned; as a signed number it would be refused.
            value.convert(QVariant.UInt)
    message.setArguments(values)
    # A desktop that hangs must not hang the kiosk.
    reply = QDBusConnection.sessionBus().call(message, QDBus.CallMode.Block, 1500)
    if reply.type() != QDBusMessage.MessageType.ReplyMessage:
        logger.info("The desktop does not answer %s: %s", method, reply.errorMessage())
        return None
    answers = reply.arguments()
    return int(answers[0]) if answers else None


class _X11Nudge:
    """A connection to the X server beside Qt's."""

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


def x11_nudge(display_name: str | None = None) -> _X11Nudge | None:
    """Connect to an X server, by default the environment's, to tell it that somebody is there."""
    try:
        library = ctypes.CDLL("libX11.so.6")
    except OSError:
        return None
    library.XOpenDisplay.argtypes = [ctypes.c_char_p]
    library.XOpenDisplay.restype = ctypes.c_void_p
    for name in ("XResetScreenSaver", "XFlush", "XCloseDisplay"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    display = library.XOpenDisplay(None if display_name is None else display_name.encode())
    return _X11Nudge(library, ctypes.c_void_p(display)) if display else None
