"""Carry the newest view from the worker threads into the GUI thread."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from PyQt5.QtCore import QObject, Qt, pyqtSignal, pyqtSlot

View = TypeVar("View")


class LiveBridge(QObject, Generic[View]):
    """Carry the newest view, such as a `LiveView`, to the window.

    Qt's queue of signals has no bound and would grow while the window is busy. So a second wake-up
    is sent only after `take()` has answered the first.

    Create it in the GUI thread; `publish()` may be called from any thread. `view_changed` tells the
    GUI thread that there is a view newer than the last one taken.
    """

    view_changed = pyqtSignal()
    _woken = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._view: View | None = None
        self._wake_up_pending = False
        self._closed = False
        # Queued even within the GUI thread: publish() emits while it holds the lock of take().
        queued = Qt.ConnectionType.QueuedConnection
        self._woken.connect(self._on_woken, queued)  # type: ignore[call-arg]

    def publish(self, view: View) -> None:
        """Replace the waiting view, without waiting for the window. Ignored once closed."""
        with self._lock:
            if self._closed:
                return
            self._view = view
            if not self._wake_up_pending:
                self._wake_up_pending = True
                # Under the lock, so close() cannot come in between.
                self._woken.emit()

    def take(self) -> View | None:
        with self._lock:
            view, self._view = self._view, None
            self._wake_up_pending = False
            return view

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._view = None

    @pyqtSlot()
    def _on_woken(self) -> None:
        if not self._closed:
            self.view_changed.emit()
