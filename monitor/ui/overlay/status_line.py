"""The heading of the measurements: who is there, or why nothing is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt

from monitor.sensor.live import SensorHealth
from monitor.ui import style
from monitor.ui.painting import PaintedWidget, draw_text
from monitor.ui.texts import state_text, viewers_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PyQt5.QtGui import QColor, QPainter
    from PyQt5.QtWidgets import QWidget

    from monitor.sensor.live import LiveView

STATE_COLOURS: Mapping[str, QColor] = {
    "starting": style.TEXT_SOFT,
    "running": style.GOOD,
    "reconnecting": style.WARNING,
    "blind": style.WARNING,
    "restarting": style.WARNING,
    "unavailable": style.FAULT,
    "ended": style.TEXT_SOFT,
}


class StatusLine(PaintedWidget):
    """A dot and how many people are there and look, or the sensor's state if it does not measure."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._state = "starting"
        self.text = state_text(texts, SensorHealth("starting"))

    def show_view(self, view: LiveView) -> None:
        """Show the viewers of the newest frame, or why nothing is measured."""
        self._state = view.health.state
        if self._state == "running":
            self.text = viewers_text(self._texts, view.frame.readings if view.frame else ())
        else:
            # Not "nobody in view": nobody can tell while nothing is measured.
            self.text = state_text(self._texts, view.health)
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        colour = STATE_COLOURS[self._state]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        radius = 7 * self.scale
        painter.drawEllipse(QPointF(radius + 1, rect.center().y()), radius, radius)
        words = rect.adjusted(2 * radius + 10 * self.scale, 0, 0, 0)
        if self._state in ("running", "starting", "ended"):
            colour = style.TEXT
        draw_text(painter, words, self.text, style.SMALLEST_TEXT * self.scale, colour)
