"""Two lines of plain facts: who is there, and how the sensor is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt

from monitor.ui import style
from monitor.ui.painting import RIGHT, PaintedWidget, draw_text, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PyQt5.QtGui import QColor, QPainter
    from PyQt5.QtWidgets import QWidget

    from detector.types import FaceReading
    from monitor.pipeline.live import SensorHealth

STATE_COLOURS: Mapping[str, QColor] = {
    "starting": style.TEXT_SOFT,
    "running": style.GOOD,
    "reconnecting": style.WARNING,
    "restarting": style.WARNING,
    "unavailable": style.FAULT,
    "ended": style.TEXT_SOFT,
}


class AudienceLine(PaintedWidget):
    """The heading of the overlay: its title, and how many people are there and look."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._viewers: int | None = None
        self._attentive = 0

    @property
    def text(self) -> str:
        """Such as `2 viewers · 1 looking`; that nothing is measured is not the same as that nobody is there."""
        if self._viewers is None:
            return self._texts["viewers_unknown"]
        key = {0: "viewers_0", 1: "viewers_1"}.get(self._viewers, "viewers_n")
        text = self._texts[key].format(count=self._viewers)
        if self._viewers:
            text += " · " + self._texts["attentive"].format(count=self._attentive)
        return text

    def show_readings(self, readings: Sequence[FaceReading] | None) -> None:
        """Counts the viewers of a frame, static faces left out; `None` while nothing is measured."""
        viewers = [reading for reading in readings or () if not reading.static]
        self._viewers = None if readings is None else len(viewers)
        self._attentive = sum(reading.attentive for reading in viewers)
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        count_size = 14 * self.scale
        width = text_width(self.text, count_size)
        draw_text(painter, rect, self.text, count_size, style.TEXT, align=RIGHT)
        title = rect.adjusted(0, 0, -width - 10 * self.scale, 0)
        draw_text(painter, title, self._texts["overlay_title"], 17 * self.scale, style.TEXT, bold=True)


class StatusLine(PaintedWidget):
    """What the sensor is doing, frames per second, and frames left out."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._state = "starting"
        self._detail = ""
        self._figures = ""

    @property
    def text(self) -> str:
        """The state in words; a reason in the sensor's own words follows where there is one."""
        text = self._texts[f"state_{self._state}"]
        return f"{text}: {self._detail}" if self._detail and self._state != "running" else text

    @property
    def figures(self) -> str:
        """Such as `29 fps · 3 dropped`; empty while nothing is measured."""
        return self._figures

    def show_health(self, health: SensorHealth) -> None:
        """Shows how the sensor is doing."""
        self._state = health.state
        self._detail = health.detail
        if health.state == "running":
            fps = self._texts["status_fps"].format(fps=round(health.fps))
            self._figures = f"{fps} · {self._texts['status_dropped'].format(dropped=health.dropped)}"
        else:
            self._figures = ""
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        colour = STATE_COLOURS[self._state]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        radius = 4.5 * scale
        painter.drawEllipse(QPointF(radius + 1, rect.center().y()), radius, radius)
        size = 13 * scale
        right = text_width(self._figures, size)
        left = rect.adjusted(2 * radius + 8 * scale, 0, -right - 8 * scale if right else 0, 0)
        calm = self._state in ("running", "starting", "ended")
        draw_text(painter, left, self.text, size, style.TEXT_SOFT if calm else colour, bold=not calm)
        draw_text(painter, rect, self._figures, size, style.TEXT_SOFT, align=RIGHT)
