"""Which screen a window is on, and full screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRect, QSize, Qt
from PyQt5.QtGui import QGuiApplication, QScreen

from monitor.errors import SetupError
from monitor.ui.style import near_scale_for

if TYPE_CHECKING:
    from PyQt5.QtWidgets import QWidget


def find_screen(number: int | None) -> QScreen | None:
    """Return a screen by its number from 1, else raise `SetupError`; `None` stays `None`."""
    if number is None:
        return None
    screens = QGuiApplication.screens()
    if 1 <= number <= len(screens):
        return screens[number - 1]
    found = "; ".join(f"{n} is {describe(screen)}" for n, screen in enumerate(screens, start=1))
    expected = "1" if len(screens) == 1 else f"1 to {len(screens)}"
    raise SetupError(
        f"There is no screen {number}: expected {expected} ({found or 'no screen is connected'}); "
        "choose one with --screen."
    )


def describe(screen: QScreen) -> str:
    """Describe a screen, for example as `HDMI-1, 3840 x 2160`, in the screen's own pixels."""
    ratio = screen.devicePixelRatio()
    size = screen.size()
    text = f"{screen.name()}, {round(size.width() * ratio)} x {round(size.height() * ratio)}"
    return f"{text} (main screen)" if screen is QGuiApplication.primaryScreen() else text


def scale_of(screen: QScreen | None) -> float:
    """Return the factor for all sizes in a dialog on a screen, or else the main screen."""
    found = screen or QGuiApplication.primaryScreen()
    if found is None:
        return 1.0
    room = found.availableGeometry()
    return near_scale_for(room.width(), room.height())


def fitting(size: QSize) -> QSize:
    """Return the size of a window, or less where the main screen is smaller."""
    screen = QGuiApplication.primaryScreen()
    return size if screen is None else size.boundedTo(screen.availableGeometry().size())


def put_on_screen(window: QWidget, screen: QScreen | None) -> None:
    """Centre a new window on a screen, and make it fit; `None` leaves the place to the system."""
    if screen is None:
        return
    room = screen.availableGeometry()
    window.winId()  # creates the native window, which can be given its screen
    handle = window.windowHandle()
    if handle is not None:
        handle.setScreen(screen)
    size = window.size().boundedTo(room.size())
    window.resize(size)
    window.move(room.center().x() - size.width() // 2, room.center().y() - size.height() // 2)


def fill_screen(window: QWidget) -> None:
    """Show a window in full screen, also on a bare X server without a window manager."""
    window.showFullScreen()
    screen = window.screen()
    if screen is not None and QGuiApplication.platformName() == "xcb":
        window.setGeometry(screen.geometry())


def fills_screen(window: QWidget) -> bool:
    """Return whether a window is in full screen, also without a window manager."""
    screen = window.screen()
    return window.isFullScreen() or (screen is not None and window.geometry() == screen.geometry())


def is_exposed(window: QWidget) -> bool:
    """Return whether a window is neither hidden nor minimised; behind another one is exposed."""
    handle = window.windowHandle()
    visible = window.isVisible() and not window.isMinimized()
    return visible and handle is not None and handle.isExposed()


class FullScreen:
    """Switch a window between full screen, without the cursor, and its former place."""

    def __init__(self, window: QWidget, screen: QScreen | None = None) -> None:
        self._window = window
        self._screen = screen
        self._windowed = QRect()
        self._entered_by_user = False

    def begin(self, *, fullscreen: bool) -> None:
        primary = QGuiApplication.primaryScreen() if fullscreen else None
        put_on_screen(self._window, self._screen or primary)
        self._windowed = self._window.geometry()
        if fullscreen:
            fill_screen(self._window)
        elif self._fits():
            self._window.show()
        else:
            # With its frame it would reach beyond the screen and hide the notice at its lower edge.
            self._window.showMaximized()
        self._update_cursor()

    def toggle(self) -> None:
        self._entered_by_user = not fills_screen(self._window)
        if self._entered_by_user:
            self._windowed = self._window.geometry()
            fill_screen(self._window)
        else:
            self._window.showNormal()
            self._window.setGeometry(self._windowed)
        self._update_cursor()

    def leave(self) -> bool:
        left = self._entered_by_user and fills_screen(self._window)
        if left:
            self.toggle()
        return left

    def _fits(self) -> bool:
        window = self._window
        screen = self._screen or QGuiApplication.screenAt(window.pos())
        screen = screen or QGuiApplication.primaryScreen()
        if screen is None or QGuiApplication.platformName() == "offscreen":
            return True
        room = screen.availableGeometry()
        title_bar = 48
        return window.width() <= room.width() and window.height() + title_bar <= room.height()

    def _update_cursor(self) -> None:
        if fills_screen(self._window):
            self._window.setCursor(Qt.CursorShape.BlankCursor)
        else:
            self._window.unsetCursor()
