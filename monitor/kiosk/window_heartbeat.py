"""The heartbeat of a kiosk with a window: its loop turns and, during the show, it paints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, QTimer, pyqtSlot

from monitor.kiosk.supervision.heartbeat import BEAT_S, Heartbeat, Phase

if TYPE_CHECKING:
    from monitor.ui.ad_view import AdView


class WindowHeartbeat(QObject):
    """Beats once a second for a supervisor.

    Until `watch` is called, a beat says that the loop turns. From then on a pixel of the ads is
    repainted and the painting beats, so that a window that no longer paints counts as hung. For a
    window that cannot be seen, and so is never painted, the loop alone counts.
    """

    def __init__(self, heartbeat: Heartbeat) -> None:
        super().__init__()
        self._heartbeat = heartbeat
        self._view: AdView | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(round(BEAT_S * 1000))
        self._timer.timeout.connect(self._on_time)
        if heartbeat.supervised:
            heartbeat.beat(Phase.STARTING)
            self._timer.start()

    def watch(self, view: AdView) -> None:
        """Begin the show: from now on painting counts."""
        self._view = view
        if self._heartbeat.supervised:
            view.drawn.connect(self._on_drawn)
            self._on_time()

    def restart(self) -> None:
        """Say that the kiosk is about to end, to be started again."""
        self._heartbeat.beat(Phase.RESTARTING)

    def stop(self) -> None:
        """End the show with a last beat."""
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
