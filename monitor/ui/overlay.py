"""The live measurements, on a translucent panel over the ad."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PyQt5.QtCore import QRect, QRectF, QTimer, pyqtSlot
from PyQt5.QtGui import QPainter, QPen

from monitor.ui import style
from monitor.ui.bars import ProbabilityBars
from monitor.ui.focus import most_prominent
from monitor.ui.painting import PaintedWidget
from monitor.ui.preview import Preview
from monitor.ui.status_line import AudienceLine, StatusLine
from monitor.ui.valence_curve import ValenceCurve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PyQt5.QtGui import QHideEvent, QShowEvent
    from PyQt5.QtWidgets import QWidget

    from detector.types import FaceReading
    from monitor.pipeline.live import LiveView

REFRESH_MS = 40
"""How often the preview is drawn at most: 25 times a second looks alive, and leaves the cores to the ads."""
FIGURES_EVERY = 3
"""How many of these steps pass until bars, curve and figures are drawn; nobody reads faster."""

WIDTH = 336.0
PADDING = 16.0
TOP_PADDING = 12.0
BOTTOM_PADDING = 14.0
GAP = 12.0
HEADING_HEIGHT = 26.0
STATUS_HEIGHT = 18.0
HIGHEST_PREVIEW = 0.3
"""Share of the room's height that the preview takes at most, for cameras that stand upright."""


class Overlay(PaintedWidget):
    """Heading, camera preview, bars of the most prominent viewer, curve, and status line.

    In a landscape window they form a column at the right side, in a portrait window a band at the bottom. Views may
    arrive faster than anybody can look: only the newest is drawn, at most 25 times a second, while every one of them
    counts for the curve, also while the overlay is hidden.

    Args:
        texts: Of the window's language.
        parent: The Qt owner.
        clock: The clock of the frames' capture times, in nanoseconds.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        parent: QWidget | None = None,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self.audience = AudienceLine(texts, self)
        self.preview = Preview(texts, self)
        self.bars = ProbabilityBars(texts, self)
        self.curve = ValenceCurve(texts, self, clock=clock)
        self.status = StatusLine(texts, self)
        self._room = QRect()
        self._view: LiveView | None = None
        self._previewed: LiveView | None = None
        self._counted: LiveView | None = None
        self._prominent: int | None = None
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._on_tick)
        self.preview.show_frame(None, message=texts["state_starting"])

    def show_view(self, view: LiveView) -> None:
        """Takes up a view; it is drawn at the next `refresh_view()`, which the overlay does by itself while visible."""
        if view.frame is not None and view.health.state == "running":
            self.curve.add(view.frame)
        self._view = view

    def refresh_view(self) -> None:
        """Draws the newest view, if it was not drawn yet."""
        self._refresh_preview()
        self._refresh_figures()

    def _refresh_preview(self) -> None:
        view = self._view
        if view is None or view is self._previewed:
            return
        self._previewed = view
        aspect = self.preview.aspect
        message = "" if view.health.state == "running" else self._texts[f"state_{view.health.state}"]
        self.preview.show_frame(view.preview, _readings(view), message)
        if self.preview.aspect != aspect:
            self.arrange(self._room, self.scale)

    def _refresh_figures(self) -> None:
        view = self._view
        if view is None or view is self._counted:
            return
        self._counted = view
        running = view.health.state == "running"
        readings = _readings(view)
        prominent = most_prominent(readings, self._prominent)
        self._prominent = None if prominent is None else prominent.viewer
        self.audience.show_readings(readings if running else None)
        self.bars.show_reading(prominent, measured=running)
        self.status.show_health(view.health)

    def arrange(self, room: QRect, scale: float) -> None:
        """Takes a place within the window.

        Args:
            room: The part of the window that may be covered.
            scale: How large everything is drawn.
        """
        self._room = room
        self.set_scale(scale)
        for part in (self.audience, self.preview, self.bars, self.curve, self.status):
            part.set_scale(scale)
        if room.height() > room.width():
            self._arrange_band(room, scale)
        else:
            self._arrange_column(room, scale)
        self.refresh()

    def stop(self) -> None:
        """Draws no further; called when the window closes."""
        self._timer.stop()

    def _arrange_column(self, room: QRect, scale: float) -> None:
        width = min(WIDTH * scale, room.width())
        inner = width - 2 * PADDING * scale
        preview_height = min(inner / self.preview.aspect, HIGHEST_PREVIEW * room.height())
        fixed = (HEADING_HEIGHT + STATUS_HEIGHT + 4 * GAP + TOP_PADDING + BOTTOM_PADDING) * scale
        flexible = preview_height + self.bars.natural_height() + self.curve.natural_height()
        # In a low window, or under a notice of many lines, the large parts share what is left.
        shrink = max(0.1, min(1.0, (room.height() - fixed) / flexible))
        heights = (
            (self.audience, HEADING_HEIGHT * scale),
            (self.preview, preview_height * shrink),
            (self.bars, self.bars.natural_height() * shrink),
            (self.curve, self.curve.natural_height() * shrink),
            (self.status, STATUS_HEIGHT * scale),
        )
        y = TOP_PADDING * scale
        for part, height in heights:
            part.setGeometry(_rounded(PADDING * scale, y, inner, height))
            y += height + GAP * scale
        self.setGeometry(_rounded(room.right() + 1 - width, room.y(), width, fixed + flexible * shrink))

    def _arrange_band(self, room: QRect, scale: float) -> None:
        pad, gap = PADDING * scale, GAP * scale
        width = float(room.width())
        half = (width - 2 * pad - 1.5 * gap) / 2
        top = (TOP_PADDING + HEADING_HEIGHT) * scale + gap
        preview_height = min(half / self.preview.aspect, 190 * scale)
        curve_height = 100 * scale
        middle = preview_height + gap + curve_height
        self.audience.setGeometry(_rounded(pad, TOP_PADDING * scale, width - 2 * pad, HEADING_HEIGHT * scale))
        self.preview.setGeometry(_rounded(pad, top, half, preview_height))
        self.curve.setGeometry(_rounded(pad, top + preview_height + gap, half, curve_height))
        self.bars.setGeometry(_rounded(pad + half + 1.5 * gap, top, half, middle))
        self.status.setGeometry(_rounded(pad, top + middle + gap, width - 2 * pad, STATUS_HEIGHT * scale))
        height = top + middle + gap + (STATUS_HEIGHT + BOTTOM_PADDING) * scale
        self.setGeometry(_rounded(room.x(), room.bottom() + 1 - height, width, height))

    @pyqtSlot()
    def _on_tick(self) -> None:
        self._refresh_preview()
        self._ticks += 1
        if self._ticks % FIGURES_EVERY == 0:
            self._refresh_figures()
            self.curve.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        radius = 16 * self.scale
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.setBrush(style.PANEL)
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)

    def showEvent(self, event: QShowEvent | None) -> None:
        self._timer.start()
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        self._timer.stop()
        super().hideEvent(event)


def _readings(view: LiveView) -> tuple[FaceReading, ...]:
    """The readings to show: none while nothing is measured, because those in the view are old then."""
    return view.frame.readings if view.frame is not None and view.health.state == "running" else ()


def _rounded(x: float, y: float, width: float, height: float) -> QRect:
    return QRect(round(x), round(y), round(width), round(height))
