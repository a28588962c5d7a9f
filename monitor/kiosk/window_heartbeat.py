"""Beats for the supervisor: while the loop turns and, once there is a show, what it was asked to paint was painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, QTimer, pyqtSlot

from monitor.kiosk.supervision.heartbeat import BEAT_S, Phase

if TYPE_CHECKING:
    from monitor.kiosk.supervision.heartbeat import Heartbeat
    from monitor.ui.ad_view import AdView


class WindowHeartbeat(QObject):
    """Gives a sign of life once a second.

    Until `watch` is called, the sign says that the loop turns. From then on a pixel of the ads is
    asked to be painted, and the painting gives the sign, so that a window that no longer paints
    counts as stuck; where the window cannot be seen, nothing is painted and the loop alone is
    asked.

    Args:
        heartbeat: Carries the signs; without a supervisor nothing is done at all.
        parent: The Qt owner.
    """

    def __init__(self, heartbeat: Heartbeat, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._heartbeat = heartbeat
        self._view: AdView | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(round(BEAT_S * 1000))
        self._timer.timeout.connect(self._on_time)
        if heartbeat.supervised:
            heartbeat.beat(Phase.STARTING)
            self._timer.start()

    def watch(self, view: AdView) -> None:
        """The show begins: from now on painting counts."""
        self._view = view
        if self._heartbeat.supervised:
            view.drawn.connect(self._on_drawn)
            self._on_time()

    def stop(self) -> None:
        """The show is over: the last sign until somebody else gives one."""
        self._timer.stop()
        self._view = None
        self._heartbeat.beat(Phase.CLOSING)

    @pyqtSlot()
    def _on_time(self) -> None:
        view = self._view
        if view is None:
            self._heartbeat.beat(Phase.STARTING)
            return
        window = view.window()
        handle = None if window is None else window.windowHandle()
        if handle is not None and handle.isExposed() and view.isVisible():
            view.update(0, 0, 1, 1)
        else:
            self._heartbeat.beat(Phase.SHOWING)

    @pyqtSlot()
    def _on_drawn(self) -> None:
        if self._view is not None:
            self._heartbeat.beat(Phase.SHOWING)
