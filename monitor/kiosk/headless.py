"""Runs the kiosk without a window, and without Qt."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

from ads.errors import AdsError
from monitor.errors import SessionFailedError
from monitor.kiosk.error_guard import FLOOD, ErrorGuard
from monitor.kiosk.supervision.heartbeat import Heartbeat, Phase
from monitor.sensor.camera_choice import list_cameras, saved_choice
from monitor.session.runtime import KioskRuntime
from monitor.terminal import end_signals, leave_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.settings.models import RunSettings

TOO_MANY_ERRORS = (
    f"The session ended: more than {FLOOD} unexpected errors within a minute, see the log."
)


SET_UP = "the kiosk was set up"
"""Why a session ends when the kiosk starts again with the settings that somebody has made."""


def run_headless(
    settings: RunSettings,
    heartbeat: Heartbeat | None = None,
    is_set_up: Callable[[], bool] = lambda: False,
) -> int | None:
    """Run the kiosk without a window until it ends, is asked to, or was set up.

    Return the session's id; `None` if it was asked to end before the session began.

    Raises:
        SetupError, SessionFailedError: See `KioskRuntime`.
    """
    heartbeat = heartbeat or Heartbeat()
    stop = threading.Event()
    reason = "finished"

    def on_signal(number: int, _frame: object) -> None:
        nonlocal reason
        if number == signal.SIGHUP:
            leave_terminal(former)
        reason = f"stopped by {signal.Signals(number).name}"
        stop.set()

    def should_continue() -> bool:
        heartbeat.beat(Phase.STARTING)
        return not stop.is_set()

    former = {one: signal.signal(one, on_signal) for one in end_signals()}
    try:
        with ErrorGuard() as guard:
            kiosk = KioskRuntime(
                with_saved_camera(settings),
                lambda _view: None,
                announce=lambda code: say_code(settings, code),
            )
            if not kiosk.start(should_continue):
                return None
            kiosk.measure()
            try:
                while not stop.wait(0.02):
                    heartbeat.beat(Phase.SHOWING)
                    kiosk.tick()
                    kiosk.player.advance()
                    if kiosk.player.finished or kiosk.ended is not None:
                        reason = kiosk.ended or "all loops are done"
                        if kiosk.commands.is_restart_due:
                            heartbeat.beat(Phase.RESTARTING)
                        break
                    if is_set_up():
                        reason = SET_UP
                        break
                    if guard.flooded:
                        raise SessionFailedError(TOO_MANY_ERRORS, kiosk.session_id)
            except BaseException as error:
                kiosk.stop("failed")
                if isinstance(error, AdsError):
                    detail = f"The ads stopped: {error}"
                    raise SessionFailedError(detail, kiosk.session_id) from error
                raise
            heartbeat.beat(Phase.CLOSING)
            kiosk.stop(reason)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return kiosk.session_id


def say_code(settings: RunSettings, code: str) -> None:
    """Say in the terminal with which code this kiosk is accepted on its hub."""
    text = f"Accept this kiosk on {settings.hub} with the code {code}."
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def with_saved_camera(settings: RunSettings) -> RunSettings:
    """Return the settings with the camera chosen before, unless a source is named."""
    named = settings.source is not None or settings.no_camera is not None
    kept = None if named else saved_choice(list_cameras())
    return settings if kept is None else settings.model_copy(update={"source": kept.source})
