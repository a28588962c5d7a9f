"""From the worker threads into the GUI thread: the newest view only, one wake-up at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, Qt, pyqtSignal, pyqtSlot

if TYPE_CHECKING:
    from monitor.sensor.live import LiveView


class LiveBridge(QObject):
    """Carries the newest `LiveView` to the window.

    Qt's own queue of signals has no bound, so a signal for each frame would be a hidden queue that
    grows whenever the window is busy. Here a second wake-up is sent only after the first was
    answered by `take()`.

    Create it in the GUI thread; `publish()` may be called from any thread.

    Signals:
        view_changed: A view newer than the last one taken is there; delivered in the GUI thread.
    """

    view_changed = pyqtSignal()
    _woken = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._view: LiveView | None = None
        self._wake_up_pending = False
        self._closed = False
        # Queued even within the GUI thread: publish() emits while it holds the lock that take()
        # needs.
        self._woken.connect(self._on_woken, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def publish(self, view: LiveView) -> None:
        """Puts a view in the place of the one before; never waits for the window. Ignored once closed."""
        with self._lock:
            if self._closed:
                return
            self._view = view
            if self._wake_up_pending:
                return
            self._wake_up_pending = True
            # Under the lock, so that close() cannot come in between.
            self._woken.emit()

    def take(self) -> LiveView | None:
        """Takes the newest view out; `None` if there is none that was not taken before."""
        with self._lock:
            view, self._view = self._view, None
            self._wake_up_pending = False
            return view

    def close(self) -> None:
        """Stops the delivery; whatever is published later is ignored."""
        with self._lock:
            self._closed = True
            self._view = None

    @pyqtSlot()
    def _on_woken(self) -> None:
        if not self._closed:
            self.view_changed.emit()
