"""The one way out: signals of the system reach Qt's loop, and everything that was started is undone in reverse."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

from PyQt5.QtCore import QCoreApplication, QObject, QSocketNotifier, QTimer, pyqtSignal, pyqtSlot

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

logger = logging.getLogger(__name__)

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)
IDLE_CHECK_MS = 200
"""How often Python gets to run where a signal cannot wake Qt's loop; long enough to cost nothing."""


class Quitter(QObject):
    """Undoes what was started, in reverse order, once, and then quits the application.

    Signals:
        quitting: Quitting has begun, with its reason; emitted once, before the first step.
    """

    quitting = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._steps: list[tuple[str, Callable[[], object]]] = []
        self._errors: list[tuple[str, Exception]] = []
        self._reason: str | None = None

    @property
    def entered(self) -> bool:
        """Whether quitting has begun."""
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why the application quits; `None` while it does not."""
        return self._reason

    @property
    def errors(self) -> tuple[tuple[str, Exception], ...]:
        """The steps that failed, by name, in the order in which they ran."""
        return tuple(self._errors)

    def add(self, name: str, undo: Callable[[], object]) -> None:
        """Registers how to undo something that was just started.

        Args:
            name: What is undone, for the log.
            undo: Called without arguments in the GUI thread; what it returns is ignored.
        """
        self._steps.append((name, undo))

    def quit(self, reason: str = "asked to", status: int = 0) -> None:
        """Runs all steps, last one first, and leaves the application's loop; a second call does nothing.

        A step that fails is logged and kept in `errors`, and the others still run: a camera that
        cannot be closed must not cost the session's last readings.

        Args:
            reason: For the log, and for `reason`.
            status: What `QCoreApplication.exec_()` returns; 1 instead of 0 if a step fails.
        """
        if self._reason is not None:
            logger.debug("Already quitting (%s), so %r changes nothing.", self._reason, reason)
            return
        self._reason = reason
        logger.info("Quitting: %s.", reason)
        self.quitting.emit(reason)
        while self._steps:
            name, undo = self._steps.pop()
            logger.debug("Closing %s.", name)
            try:
                undo()
            except Exception as error:  # whatever it is: the steps that remain must run
                logger.error("Closing %s failed.", name, exc_info=error)
                self._errors.append((name, error))
        final_status = status or (1 if self._errors else 0)
        # Not at once: the caller may be deep inside Qt, or the loop may not have begun yet.
        QTimer.singleShot(0, lambda: QCoreApplication.exit(final_status))


class SignalHandler(QObject):
    """Brings SIGINT and SIGTERM into Qt's loop, which otherwise never lets a Python signal handler run.

    The first signal asks; the second one does not wait any longer. The handlers that were there
    before come back with `close()`. Use it in the main thread only.

    Args:
        on_signal: Called once, from Qt's loop, with the name of the first signal.
        on_second_signal: Called with the number of the second signal, at once, even while the main
            thread waits for something; ends the process with status 128 + number by default.
        parent: The Qt owner.
    """

    def __init__(
        self,
        on_signal: Callable[[str], object],
        *,
        on_second_signal: Callable[[int], object] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._on_signal = on_signal
        self._on_second_signal = on_second_signal or _end_process
        self._received: int | None = None
        self._closed = False
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._notifier: QSocketNotifier | None = None
        self._timer: QTimer | None = None
        self._former_wakeup_fd = -1
        if os.name == "posix":
            self._wake_by_socket()
        else:
            self._timer = QTimer(self)
            self._timer.timeout.connect(self._on_awake)
            self._timer.start(IDLE_CHECK_MS)
        self._former_handlers = {
            number: signal.signal(number, self._handle) for number in HANDLED_SIGNALS
        }

    def __enter__(self) -> SignalHandler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Puts the former handlers back; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for number, handler in self._former_handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if self._timer is not None:
            self._timer.stop()
        if self._notifier is not None:
            self._notifier.setEnabled(False)
        if self._sockets is not None:
            signal.set_wakeup_fd(self._former_wakeup_fd)
            for end in self._sockets:
                end.close()

    def _wake_by_socket(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._sockets = reader, writer
        self._former_wakeup_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read, self)  # type: ignore[arg-type]
        self._notifier.activated.connect(self._on_awake)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        """Runs in the main thread between two Python instructions, so the first signal only leaves a note."""
        if self._received is None:
            self._received = number
            QTimer.singleShot(0, self._report)
        else:
            self._on_second_signal(number)

    @pyqtSlot()
    def _on_awake(self) -> None:
        """Being called is all it takes: Python runs its pending signal handlers on the way."""
        if self._sockets is not None and not self._closed:
            with contextlib.suppress(BlockingIOError):
                self._sockets[0].recv(4096)

    @pyqtSlot()
    def _report(self) -> None:
        if self._received is not None and not self._closed:
            self._on_signal(signal.Signals(self._received).name)


def _end_process(number: int) -> None:
    # The thread that should stop may be the very one that does not, so nothing is waited for.
    os._exit(128 + number)
