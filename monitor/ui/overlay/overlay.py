"""The live measurements, on a translucent panel over the ad."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRect, QRectF, Qt, QTimer, pyqtSlot

from detector.emotion.labels import EMOTIONS, knows_valence
from detector.emotion.prevalence import group_scores, shares
from monitor.sensor.live import SensorHealth
from monitor.ui import style
from monitor.ui.overlay.bars import ProbabilityBars, most_prominent
from monitor.ui.overlay.preview import Preview
from monitor.ui.overlay.valence_curve import ValenceCurve
from monitor.ui.painting import PaintedWidget, draw_panel, draw_text
from monitor.ui.texts import hint_text, state_text, viewers_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PyQt5.QtGui import QColor, QHideEvent, QPainter, QShowEvent
    from PyQt5.QtWidgets import QWidget

    from detector.emotion.labels import LabelSet
    from detector.emotion.prevalence import PrevalenceCalibration
    from detector.types import FaceReading
    from monitor.sensor.live import LiveView

PADDING = 16.0
GAP = 10.0
TOP = 12.0
LINE = 32.0  # of the heading
BOTTOM = 14.0

STATE_COLOURS: Mapping[str, QColor] = {
    "starting": style.TEXT_SOFT,
    "running": style.GOOD,
    "unavailable": style.FAULT,
    "ended": style.TEXT_SOFT,
}
"""Of the dot; `style.WARNING` in all other states."""


class StatusLine(PaintedWidget):
    """How many people are there and look, or the sensor's state if it does not measure."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._state = "starting"
        self.text = state_text(texts, SensorHealth("starting"))

    def show_view(self, view: LiveView, *, was_seen: bool = True) -> None:
        self._state = view.health.state
        if self._state == "running":
            self.text = viewers_text(self._texts, view.frame.readings if view.frame else ())
        else:
            # Not "nobody in view": nobody can tell while nothing is measured.
            self.text = state_text(self._texts, view.health, was_seen=was_seen)
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        colour = STATE_COLOURS.get(self._state, style.WARNING)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        radius = 7 * self.scale
        painter.drawEllipse(QPointF(radius + 1, rect.center().y()), radius, radius)
        words = rect.adjusted(2 * radius + 10 * self.scale, 0, 0, 0)
        if self._state in ("running", "starting", "ended"):
            colour = style.TEXT
        draw_text(painter, words, self.text, style.MIN_TEXT * self.scale, colour)


class Overlay(PaintedWidget):
    """Heading, camera preview, bars, and curve.

    The bars are those of a lone viewer, one for each of the model's `labels`, or the four groups of
    an audience of several where the model has a `calibration`, without which they stay those of the
    most prominent viewer.

    In a landscape window they form a column at the right, in a portrait one a band at the top;
    neither covers the middle of the ad. There is no curve if the labels give no valence. Where room
    is short, text keeps its size, and first the curve goes and then the preview. While only ads are
    shown, just the heading remains.

    Only the newest view is drawn, at most 25 times a second; every view counts for the curve, also
    while the overlay is hidden. The clock is that of the frames' capture times.

    Attributes:
        was_seen: Whether the camera ever gave a picture.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        parent: QWidget | None = None,
        *,
        calibration: PrevalenceCalibration | None = None,
        labels: LabelSet = EMOTIONS,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self._calibration = calibration
        self._has_curve = knows_valence(labels)
        self.status = StatusLine(texts, self)
        self.preview = Preview(texts, self, labels=labels)
        self.bars = ProbabilityBars(texts, self, labels=labels)
        self.curve = ValenceCurve(texts, self, calibration=calibration, clock=clock)
        self._room = QRect()
        self._view: LiveView | None = None
        self._previewed: LiveView | None = None
        self._counted: LiveView | None = None
        self._prominent: int | None = None
        self._ads_only = False
        self.was_seen = False
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        self.preview.show_frame(None, message=texts["state_starting"])

    def show_view(self, view: LiveView) -> None:
        if view.frame is not None and view.health.state == "running":
            self.curve.history.add(view.frame)
            self.was_seen = True
        self._view = view

    def refresh_view(self) -> None:
        """Draw the newest view if it was not drawn yet; a visible overlay does so by itself."""
        self._refresh_preview()
        self._refresh_figures()

    def _refresh_preview(self) -> None:
        view = self._view
        if view is None or view is self._previewed:
            return
        message = "" if view.health.state == "running" else self._message(view.health)
        before, self._previewed = self._previewed, view
        is_old = before is not None and view.preview is not None and view.preview is before.preview
        if is_old and message == self.preview.message:
            return  # boxes of a later frame would not fit the picture
        aspect = self.preview.aspect
        self.preview.show_frame(view.preview, _readings(view), message)
        ads_only = view.health.state == "unavailable"
        if self.preview.aspect != aspect or self._ads_only != ads_only:
            self._ads_only = ads_only
            self.arrange(self._room, self.scale)

    def _message(self, health: SensorHealth) -> str:
        """Say why there is no picture and what to do."""
        state = state_text(self._texts, health, was_seen=self.was_seen)
        return f"{state}\n{hint_text(self._texts, health)}".rstrip()

    def _refresh_figures(self) -> None:
        view = self._view
        if view is None or view is self._counted:
            return
        self._counted = view
        prominent = most_prominent(_readings(view), self._prominent)
        self._prominent = None if prominent is None else prominent.viewer
        self._show_bars(view, prominent)
        self.status.show_view(view, was_seen=self.was_seen)

    def _show_bars(self, view: LiveView, prominent: FaceReading | None) -> None:
        known = [
            reading.probabilities
            for reading in _readings(view)
            if reading.probabilities is not None and not reading.static
        ]
        if self._calibration is None or len(known) < 2:
            self.bars.show_reading(prominent, measured=view.health.state == "running")
        else:
            means = group_scores(known, self._calibration).mean(axis=0)
            self.bars.show_audience(len(known), shares(means).tolist())

    def arrange(self, room: QRect, scale: float) -> None:
        self._room = room
        for part in (self, self.status, self.preview, self.bars, self.curve):
            part.set_scale(scale)
        if room.height() > room.width() and not self._ads_only:
            self._arrange_band(room, scale)
        else:
            self._arrange_column(room, scale)
        self.refresh()

    def _arrange_column(self, room: QRect, scale: float) -> None:
        width = min(style.OVERLAY_WIDTH * scale, room.width())
        inner = width - 2 * PADDING * scale
        gap = GAP * scale
        preview, bars, curve = self._column_heights(room.height(), inner, scale)
        y = TOP * scale
        for part, height in (
            (self.status, LINE * scale),
            (self.preview, preview),
            (self.bars, bars),
            (self.curve, curve),
        ):
            part.setVisible(height > 0)
            if height > 0:
                part.setGeometry(_rounded(PADDING * scale, y, inner, height))
                y += height + gap
        height = y - gap + BOTTOM * scale
        self.setGeometry(_rounded(room.right() + 1 - width, room.y(), width, height))

    def _column_heights(
        self, room: float, width: float, scale: float
    ) -> tuple[float, float, float]:
        if self._ads_only:
            return 0.0, 0.0, 0.0
        # In a lower preview a face is no longer recognised as one.
        gap, min_preview = GAP * scale, 84 * scale
        bars, curve = self.bars.natural_height(), 142 * scale
        if not self._has_curve:
            preview = min(width / self.preview.aspect, 0.3 * room)
            left = room - (LINE + TOP + BOTTOM) * scale - bars - 2 * gap
            preview = min(preview, left) if left >= min_preview else 0.0
            return preview, max(bars + min(0.0, left + gap), 0.1 * room), 0.0
        left = room - (LINE + TOP + BOTTOM) * scale - bars - gap
        # Not higher than 0.3 of the room, for cameras that stand upright.
        preview = min(width / self.preview.aspect, 0.3 * room)
        if preview + curve + 2 * gap > left:
            # In a low window, or under a long notice, fewer parts rather than smaller text.
            curve = max(100 * scale, left - preview - 2 * gap)
            preview = min(preview, left - curve - 2 * gap)
            if preview < min_preview:
                preview = min(width / self.preview.aspect, left - gap)
                curve = 0.0
            if preview < min_preview:
                preview = 0.0
                bars += min(0.0, left)
        return preview, max(bars, 0.1 * room), curve

    def _arrange_band(self, room: QRect, scale: float) -> None:
        pad, gap = PADDING * scale, GAP * scale
        width = float(room.width())
        half = (width - 2 * pad - 1.5 * gap) / 2
        line = LINE * scale
        top = TOP * scale + line + gap
        # The bars of a few labels are lower than the preview needs to be.
        curve = 100 * scale if self._has_curve else -gap
        # The bars of many labels become lower, so that the band leaves half of the window.
        left = room.height() / 2 - top - BOTTOM * scale
        bars = max(min(self.bars.natural_height(), left), curve + gap + 134 * scale)
        preview = bars - gap - curve
        for part in (self.preview, self.bars):
            part.show()
        self.curve.setVisible(self._has_curve)
        self.status.setGeometry(_rounded(pad, TOP * scale, width - 2 * pad, line))
        self.preview.setGeometry(_rounded(pad, top, half, preview))
        self.curve.setGeometry(_rounded(pad, top + preview + gap, half, curve))
        self.bars.setGeometry(_rounded(pad + half + 1.5 * gap, top, half, bars))
        self.setGeometry(_rounded(room.x(), room.y(), width, top + bars + BOTTOM * scale))

    @pyqtSlot()
    def _on_tick(self) -> None:
        self._refresh_preview()
        self._ticks += 1
        # Nobody reads figures faster.
        if self._ticks % 3 == 0:
            self._refresh_figures()
            self.curve.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        draw_panel(painter, rect, 16 * self.scale)

    def showEvent(self, event: QShowEvent | None) -> None:
        # 25 times a second looks alive and leaves the cores to the ads.
        self._timer.start(40)
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        self._timer.stop()
        super().hideEvent(event)


def _readings(view: LiveView) -> tuple[FaceReading, ...]:
    # None while nothing is measured, because they are old then.
    return view.frame.readings if view.frame is not None and view.health.state == "running" else ()


def _rounded(x: float, y: float, width: float, height: float) -> QRect:
    return QRect(round(x), round(y), round(width), round(height))
