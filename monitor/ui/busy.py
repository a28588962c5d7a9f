"""What the window shows, and does, while something takes longer than a moment."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, QRectF, QTimer, pyqtSignal
from PyQt5.QtGui import QHideEvent, QPainter, QPaintEvent, QShowEvent
from PyQt5.QtWidgets import QWidget

from monitor.ui import style
from monitor.ui.painting import draw_rounded, painter_on

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

ROUND_S = 1.6
"""In which the light goes once along the bar."""

STEP_MS = 50
"""Between two pictures of the light: smooth enough, and it costs a busy machine little."""


def draw_busy(painter: QPainter, bar: QRectF, share: float | None = None) -> None:
    """Draw a bar with a light that moves from one call to the next.

    Args:
        painter: Of the widget.
        bar: Where.
        share: How much of it is filled, 0 to 1; `None` if nobody knows.
    """
    radius = bar.height() / 2
    draw_rounded(painter, bar, radius, style.TRACK)
    if share:
        filled = QRectF(bar)
        filled.setWidth(max(bar.height(), min(1.0, share) * bar.width()))
        draw_rounded(painter, filled, radius, style.GOOD)
    light = QRectF(bar)
    light.setWidth(0.2 * bar.width())
    way = bar.width() - light.width()
    # There and back.
    turn = abs(2 * (time.monotonic() / ROUND_S % 1) - 1)
    light.moveLeft(bar.left() + way * turn)
    draw_rounded(painter, light, radius, style.GOOD if not share else style.TEXT)


class BusyBar(QWidget):
    """A bar whose light moves as long as it is shown; its room stays while it is hidden.

    Args:
        scale: Factor for all sizes.
    """

    def __init__(self, scale: float = 1.0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._share: float | None = None
        self.setFixedHeight(round(8 * scale))
        kept = self.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.setSizePolicy(kept)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.update)
        self.hide()

    def show_share(self, share: float | None) -> None:
        """Show the bar, filled to a share of 0 to 1; `None` if nobody knows how much is done."""
        self._share = share
        self.show()
        self.update()

    def showEvent(self, event: QShowEvent | None) -> None:
        self._timer.start(STEP_MS)
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        self._timer.stop()
        super().hideEvent(event)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        with painter_on(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            draw_busy(painter, QRectF(self.rect()), self._share)


class Work(QObject):
    """One piece of work in a thread, so that the window goes on meanwhile.

    Signals, in the window's thread:
        told: Something that the work has said about itself.
        ended: Its result, or the exception that it raised.

    Attributes:
        stopping: Set to ask the work to end soon.
    """

    told = pyqtSignal(object)
    ended = pyqtSignal(object)

    def __init__(self, do: Callable[[Work], object], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._do = do
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="window-work", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Ask it to end, and wait that long; return whether it did. A disk may hang for longer."""
        self.stopping.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            result: object = self._do(self)
        except Exception as error:
            logger.debug("The work failed", exc_info=error)
            result = error
        # The window may be gone by now.
        with suppress(RuntimeError):
            self.ended.emit(result)
