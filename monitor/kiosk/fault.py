"""Tell in the kiosk's window why it cannot start: often there is no terminal to tell it in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from PyQt5.QtCore import QEventLoop, QTimer

from monitor.errors import SetupError
from monitor.kiosk.supervision.heartbeat import BEAT_S, Phase
from monitor.kiosk.supervision.notify import ServiceNotifier
from monitor.ui.application import APPLICATION_NAME, create_application
from monitor.ui.fault_screen import FaultScreen
from monitor.ui.screen_saver import ScreenSaverInhibitor
from monitor.ui.screens import find_screen
from monitor.ui.shutdown import SignalHandler
from monitor.ui.texts import texts_for

if TYPE_CHECKING:
    from PyQt5.QtGui import QScreen

    from monitor.kiosk.supervision.heartbeat import Heartbeat
    from monitor.settings.models import RunSettings
    from monitor.ui.fault_screen import Fault


def explain(
    fault: Fault, settings: RunSettings, heartbeat: Heartbeat, again_after_s: float | None
) -> bool:
    """Show a fault until somebody closes the window, a signal comes, or it is time to try again.

    Meanwhile the supervisor, or systemd if it started this process itself, learns that the kiosk
    lives: a restart would mend nothing. Return whether to try again.
    """
    application = create_application()
    window = FaultScreen(texts_for(settings.language), fault, again_after_s)
    loop, again = QEventLoop(), False
    saver, beats = ScreenSaverInhibitor(APPLICATION_NAME), QTimer()
    # A copy: systemd's variables stay for the process that tries again.
    notifier = ServiceNotifier(dict(os.environ))

    def beat() -> None:
        heartbeat.beat(Phase.EXPLAINING)
        notifier.alive()

    def retry() -> None:
        nonlocal again
        again = True
        loop.quit()

    window.retry_requested.connect(retry)
    window.quit_requested.connect(loop.quit)
    beats.timeout.connect(beat)
    with SignalHandler(lambda _name: loop.quit()):
        saver.inhibit()
        notifier.status(f"The kiosk cannot start: {fault.message}")
        notifier.ready()
        beat()
        beats.start(round(BEAT_S * 1000))
        window.begin(fullscreen=settings.fullscreen, screen=_screen(settings))
        loop.exec_()
        beats.stop()
        window.dismiss()
        saver.release()
        notifier.close()
    del application  # no window outlives it
    return again


def _screen(settings: RunSettings) -> QScreen | None:
    try:
        return find_screen(settings.screen)
    except SetupError:
        return None  # it may be what is wrong
