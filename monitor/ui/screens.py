"""Which screen the window is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtGui import QGuiApplication

from monitor.errors import SetupError
from monitor.ui.style import scale_for

if TYPE_CHECKING:
    from PyQt5.QtGui import QScreen
    from PyQt5.QtWidgets import QWidget


def find_screen(number: int | None) -> QScreen | None:
    """The screen of a number; the application must exist.

    Args:
        number: Counted from 1 in the system's order; `None` leaves the choice to the system.

    Raises:
        SetupError: There is no such screen; the message lists those that are there.
    """
    if number is None:
        return None
    screens = QGuiApplication.screens()
    if 1 <= number <= len(screens):
        return screens[number - 1]
    there = "; ".join(
        f"{place} is {describe(screen)}" for place, screen in enumerate(screens, start=1)
    )
    expected = "1" if len(screens) == 1 else f"1 to {len(screens)}"
    raise SetupError(
        f"There is no screen {number}: expected {expected} ({there or 'no screen is connected'}); choose one with --screen."
    )


def describe(screen: QScreen) -> str:
    """A screen in words, such as `HDMI-1, 3840 x 2160`; the size is in the screen's own pixels."""
    ratio = screen.devicePixelRatio()
    size = screen.size()
    text = f"{screen.name()}, {round(size.width() * ratio)} x {round(size.height() * ratio)}"
    return f"{text} (main screen)" if screen is QGuiApplication.primaryScreen() else text


def scale_of(screen: QScreen | None) -> float:
    """How large everything is drawn in a window that fills a screen; the main screen for `None`, 1 without any."""
    found = screen or QGuiApplication.primaryScreen()
    if found is None:
        return 1.0
    room = found.availableGeometry()
    return scale_for(room.width(), room.height())


def put_on_screen(window: QWidget, screen: QScreen | None) -> None:
    """Puts a window that is not shown yet in the middle of a screen; full screen then fills that one.

    Args:
        window: At most as large as the screen afterwards.
        screen: `None` leaves the window where the system puts it.
    """
    if screen is None:
        return
    room = screen.availableGeometry()
    window.winId()  # the native window, which can be told its screen, is made only now
    handle = window.windowHandle()
    if handle is not None:
        handle.setScreen(screen)
    size = window.size().boundedTo(room.size())
    window.resize(size)
    window.move(room.center().x() - size.width() // 2, room.center().y() - size.height() // 2)


def fill_screen(window: QWidget) -> None:
    """Shows a window in full screen, also on a bare X server, where no window manager makes it as large as the screen."""
    window.showFullScreen()
    screen = window.screen()
    if screen is not None and QGuiApplication.platformName() == "xcb":
        window.setGeometry(screen.geometry())


def fills_screen(window: QWidget) -> bool:
    """Whether a window is in full screen; without a window manager Qt itself loses count of that."""
    screen = window.screen()
    return window.isFullScreen() or (screen is not None and window.geometry() == screen.geometry())
