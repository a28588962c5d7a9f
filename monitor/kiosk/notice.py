"""Make the windows that are shown before the kiosk's own, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QEventLoop, QTimer

from monitor.ui.notice.notice_screen import NoticeScreen
from monitor.ui.screens import find_screen
from monitor.ui.shutdown import SignalHandler
from monitor.ui.texts import texts_for
from monitor.ui.waiting_screen import StartScreen

if TYPE_CHECKING:
    from monitor.settings.models import RunSettings
    from monitor.ui.texts import Texts


def make_notice_screen(settings: RunSettings) -> NoticeScreen:
    """Make the window of the notice, in the languages of the notice, else in the kiosk's."""
    return NoticeScreen(
        _notice_texts(settings),
        settings.notice_url,
        settings.notice_seconds,
        texts_for(settings.language),
    )


def make_start_screen(settings: RunSettings) -> StartScreen:
    """Make the window that says that the kiosk starts."""
    return StartScreen(
        texts_for(settings.language),
        _notice_texts(settings),
        settings.notice_url,
        measures=settings.no_camera is None,
    )


def open_start_screen(settings: RunSettings) -> StartScreen:
    """Show at once that the kiosk starts, before its slow imports; there is an application.

    Raises:
        SetupError: The screen is not there.
        KeyboardInterrupt: A signal asked the kiosk to end meanwhile.
    """
    screen, loop = find_screen(settings.screen), QEventLoop()
    first = make_start_screen(settings)
    first.ad_view.drawn.connect(loop.quit)
    # The show does not wait for a screen that paints nothing.
    QTimer.singleShot(500, loop.quit)
    # An exception in Qt's loop would end the process with a core dump.
    with SignalHandler(lambda _name: loop.quit()) as signals:
        first.begin(fullscreen=settings.fullscreen, screen=screen)
        loop.exec_()
    if signals.received:
        first.dismiss()
        raise KeyboardInterrupt
    return first


def _notice_texts(settings: RunSettings) -> list[Texts]:
    return [texts_for(code) for code in settings.notice_languages or (settings.language,)]
