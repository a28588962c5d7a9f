"""Whether the privacy notice is on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PyQt5.QtCore import QObject, QTimer, pyqtSignal, pyqtSlot

from monitor.ui.screens import is_exposed

if TYPE_CHECKING:
    from monitor.ui.notice.notice import Notice

NoticeState = Literal["shown", "waiting", "hidden"]
"""On the screen, never shown yet, or hidden again."""


class NoticeVisibility(QObject):
    """Watch whether the notice is painted, in a window that is neither minimised nor hidden.

    Args:
        notice: The notice; its window is watched too. It owns this object.

    Signals:
        changed: The new state, `shown` or `hidden`.

    Attributes:
        state: The present state.
    """

    changed = pyqtSignal(str)

    def __init__(self, notice: Notice) -> None:
        super().__init__(notice)
        self._notice = notice
        self.state: NoticeState = "waiting"
        self._timer = QTimer(self)
        # Shorter than the time between two readings of a viewer.
        self._timer.setInterval(200)
        self._timer.timeout.connect(self._check)
        notice.painted.connect(self._check)

    def start(self) -> None:
        """Begin to watch."""
        self._timer.start()

    def stop(self) -> None:
        """Stop watching because the window closes; a notice on the screen is hidden by that."""
        self._timer.stop()
        self._set(shown=False)

    @pyqtSlot()
    def _check(self) -> None:
        window = self._notice.window()
        self._set(shown=self._notice.was_painted and window is not None and is_exposed(window))

    def _set(self, *, shown: bool) -> None:
        if shown and self.state != "shown":
            self.state = "shown"
            self.changed.emit(self.state)
        elif not shown and self.state == "shown":
            self.state = "hidden"
            self.changed.emit(self.state)
