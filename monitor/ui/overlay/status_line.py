"""The heading of the measurements: who is there, or why nothing is measured. The operator's panel says more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt

from monitor.sensor.live import SensorHealth
from monitor.ui import style
from monitor.ui.painting import PaintedWidget, draw_text
from monitor.ui.texts import state_text

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
DOT_RADIUS = 7.0
DOT_GAP = 10.0


class StatusLine(PaintedWidget):
    """How many people are there and look, with a dot; while nothing is measured, what the sensor is doing."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._health = SensorHealth("starting")
        self._viewers = 0
        self._attentive = 0

    @property
    def text(self) -> str:
        """Such as `2 viewers · 1 looking`; that nothing is measured is not the same as that nobody is there."""
        if self._health.state != "running":
            return state_text(self._texts, self._health)
        key = {0: "viewers_0", 1: "viewers_1"}.get(self._viewers, "viewers_n")
        text = self._texts[key].format(count=self._viewers)
        if self._viewers:
            text += " · " + self._texts["attentive"].format(count=self._attentive)
        return text

    def show_view(self, view: LiveView) -> None:
        """Counts the viewers of the newest frame, static faces left out."""
        self._health = view.health
        readings = () if view.frame is None else view.frame.readings
        viewers = [reading for reading in readings if not reading.static]
        self._viewers = len(viewers)
        self._attentive = sum(reading.attentive for reading in viewers)
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        colour = STATE_COLOURS[self._health.state]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        radius = DOT_RADIUS * scale
        painter.drawEllipse(QPointF(radius + 1, rect.center().y()), radius, radius)
        words = rect.adjusted(2 * radius + DOT_GAP * scale, 0, 0, 0)
        calm = self._health.state in ("running", "starting", "ended")
        draw_text(
            painter, words, self.text, style.SMALLEST_TEXT * scale, style.TEXT if calm else colour
        )
