"""Quit in order: signals reach Qt's loop, and everything that was started is undone in reverse."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

from PyQt5.QtCore import QCoreApplication, QObject, QTimer, pyqtSignal, pyqtSlot

from monitor.terminal import end_signals, leave_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

logger = logging.getLogger(__name__)


class Quitter(QObject):
    """Undo what was started, in reverse order and once; then quit the application.

    `quitting` is emitted once, with the reason, before the first step. `errors` are the steps that
    failed, by name, in the order in which they ran.
    """

    quitting = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[tuple[str, Callable[[], object]]] = []
        self.errors: list[tuple[str, Exception]] = []
        self.reason: str | None = None

    @property
    def entered(self) -> bool:
        return self.reason is not None

    def add(self, name: str, undo: Callable[[], object]) -> None:
        """Register how to undo what was just started; the name is for the log."""
        self._steps.append((name, undo))

    def quit(self, reason: str = "asked to", status: int = 0) -> None:
        """Run all steps, last one first, and leave the application's loop; no-op if repeated.

        A step that fails is logged and kept in `errors`, and the others still run. The exit status
        is `status`, or 1 instead of 0 if a step fails.
        """
        if self.reason is not None:
            logger.debug("Already quitting (%s), so %r changes nothing.", self.reason, reason)
            return
        self.reason = reason
        logger.info("Quitting: %s.", reason)
        self.quitting.emit(reason)
        while self._steps:
            name, undo = self._steps.pop()
            logger.debug("Closing %s.", name)
            try:
                undo()
            except Exception as error:
                logger.error("Closing %s failed.", name, exc_info=error)
                self.errors.append((name, error))
        final_status = status or int(bool(self.errors))
        # Not at once: the caller may be deep inside Qt, or the loop may not have begun yet.
        QTimer.singleShot(0, lambda: QCoreApplication.exit(final_status))


class SignalHandler(QObject):
    """Hand the signals that ask the kiosk to end to Qt's loop.

    Python runs signal handlers only between its own instructions, so a timer gives it some. Use it
    as a context in the main thread; leaving it restores the former handlers. `on_signal` is called
    once, from Qt's loop, with the first signal's name; `on_second_signal` with the number of each
    later one, at once, even while the main thread waits. A closing terminal may send SIGHUP twice,
    so a later SIGHUP is ignored.
    """

    def __init__(
        self,
        on_signal: Callable[[str], object],
        *,
        on_second_signal: Callable[[int], object] = lambda number: os._exit(128 + number),
    ) -> None:
        super().__init__()
        self._on_signal = on_signal
        self._on_second_signal = on_second_signal
        self._received: int | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start(100)
        self._former_handlers = {one: signal.signal(one, self._handle) for one in end_signals()}

    @property
    def received(self) -> bool:
        """Whether a signal came, even if the loop ended before `on_signal` was called."""
        return self._received is not None

    def __enter__(self) -> SignalHandler:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Restore the former handlers; harmless when repeated."""
        self._timer.stop()
        while self._former_handlers:
            number, handler = self._former_handlers.popitem()
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is None:
            if number == signal.SIGHUP:
                leave_terminal(self._former_handlers)
            self._received = number
        elif number != signal.SIGHUP:
            self._on_second_signal(number)

    @pyqtSlot()
    def _on_tick(self) -> None:
        if self._received is not None:
            self._timer.stop()
            self._on_signal(signal.Signals(self._received).name)
