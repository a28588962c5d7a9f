"""The mean valence of all viewers over the last half minute."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QLinearGradient, QPainter, QPainterPath, QPen

from detector.emotion.prevalence import corrected_valence, group_scores
from monitor.ui import style
from monitor.ui.painting import (
    NO_VALUE,
    RIGHT,
    PaintedWidget,
    draw_rounded,
    draw_text,
    text_width,
)
from monitor.ui.texts import MINUS, signed_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from PyQt5.QtWidgets import QWidget

    from detector.emotion.prevalence import PrevalenceCalibration
    from detector.types import AnalysedFrame

WINDOW_S = 30
GAP_S = 0.6
"""Longer stretches without a measurement interrupt the curve."""


class ValenceHistory:
    """The last half minute of mean valence, with its gaps.

    With the calibration of the model it is corrected for prevalence, so 0 is a neutral audience.
    """

    def __init__(self, calibration: PrevalenceCalibration | None = None) -> None:
        self._calibration = calibration
        self._points: deque[tuple[int, float]] = deque()

    def add(self, frame: AnalysedFrame) -> None:
        """Add a frame if it is newer than the last; one without a readable emotion is a gap."""
        value = self._mean_valence(frame)
        if self._points:
            last_ns, last = self._points[-1]
            elapsed_ns = frame.captured_ns - last_ns
            # The first frame of a gap, or after it, always counts.
            same_kind = math.isnan(value) == math.isnan(last)
            # Points closer than 0.1 s would fall on the same pixel.
            if elapsed_ns <= 0 or (same_kind and elapsed_ns < 0.1e9):
                return
        self._points.append((frame.captured_ns, value))
        while self._points[0][0] < frame.captured_ns - WINDOW_S * 1e9:
            self._points.popleft()

    def _mean_valence(self, frame: AnalysedFrame) -> float:
        viewers = [one for one in frame.readings if not one.static]
        known = [one.valence for one in viewers if one.valence is not None]
        if known and self._calibration is not None:
            p = [one.probabilities for one in viewers if one.probabilities is not None]
            scores = group_scores(p, self._calibration).mean(axis=0)
            return min(1.0, max(-1.0, float(corrected_valence(scores))))
        return sum(known) / len(known) if known else math.nan

    @property
    def newest(self) -> tuple[int, float] | None:
        """Time and value of the newest point; the value is NaN while no emotion can be read."""
        return self._points[-1] if self._points else None

    def segments(self, now_ns: int) -> Iterator[list[tuple[float, float]]]:
        """Yield the stretches without a gap: seconds from now, 0 or below, and valence."""
        run: list[tuple[float, float]] = []
        before_ns = 0
        for at_ns, value in self._points:
            is_point = at_ns >= now_ns - WINDOW_S * 1e9 and not math.isnan(value)
            if run and not (is_point and at_ns - before_ns <= GAP_S * 1e9):
                yield run
                run = []
            if is_point:
                run.append(((at_ns - now_ns) / 1e9, value))
            before_ns = at_ns
        if run:
            yield run


class ValenceCurve(PaintedWidget):
    """Draw a `ValenceHistory` up to now, so it moves on when nothing arrives."""

    def __init__(
        self,
        texts: Mapping[str, str],
        parent: QWidget | None = None,
        *,
        calibration: PrevalenceCalibration | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self._clock = clock
        self.history = ValenceHistory(calibration)

    @property
    def value_text(self) -> str:
        """The present value, such as `+0.42`; a dash while there is none."""
        newest = self.history.newest
        if newest is None or math.isnan(newest[1]) or self._now_ns() - newest[0] > GAP_S * 1e9:
            return NO_VALUE
        return signed_text(self._texts, newest[1])

    def _now_ns(self) -> int:
        newest = self.history.newest
        return self._clock() if newest is None else max(self._clock(), newest[0])

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale, size = self.scale, style.MIN_TEXT * self.scale
        title = QRectF(0, 0, rect.width(), 30 * scale)
        value_width = text_width(f"{MINUS}0.00", size, bold=True) + 6 * scale
        words = self._texts["curve_title"].format(seconds=WINDOW_S)
        draw_text(painter, title.adjusted(0, 0, -value_width, 0), words, size, style.TEXT_SOFT)
        draw_text(painter, title, self.value_text, size, style.TEXT, align=RIGHT, bold=True)
        top, left = 34 * scale, 26 * scale
        plot = QRectF(left, top, max(1.0, rect.width() - left), max(1.0, rect.height() - top))
        # Signs, because words large enough to read from afar would lie on the curve.
        height = min(size * 1.1, plot.height() / 2)
        for sign, y in (("+", plot.top()), (MINUS, plot.bottom() - height)):
            draw_text(painter, QRectF(0, y, left, height), sign, size, style.TEXT_SOFT, bold=True)
        self._draw_axes(painter, plot)
        for segment in self.history.segments(self._now_ns()):
            points = []
            for seconds, value in segment:
                x = plot.right() + seconds / WINDOW_S * plot.width()
                height = min(1.0, max(-1.0, value)) * plot.height() / 2
                points.append(QPointF(x, plot.center().y() - height))
            self._draw_segment(painter, plot, points)

    def _draw_axes(self, painter: QPainter, plot: QRectF) -> None:
        draw_rounded(painter, plot, 6 * self.scale, QColor(255, 255, 255, 12))
        painter.setPen(QPen(QColor(255, 255, 255, 22), 1))
        for third in (1, 2):
            x = plot.left() + plot.width() * third / 3
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
        painter.setPen(QPen(style.LINE, 1))
        zero = plot.center().y()
        painter.drawLine(QPointF(plot.left(), zero), QPointF(plot.right(), zero))

    def _draw_segment(self, painter: QPainter, plot: QRectF, points: list[QPointF]) -> None:
        zero = plot.center().y()
        line = QPainterPath(points[0])
        for point in points[1:]:
            line.lineTo(point)
        pen = QPen(style.TEXT, 2 * self.scale)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        if len(points) == 1:
            painter.setPen(pen)
            painter.drawPoint(points[0])
        else:
            area = QPainterPath(line)
            area.lineTo(QPointF(points[-1].x(), zero))
            area.lineTo(QPointF(points[0].x(), zero))
            area.closeSubpath()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_shade(plot))
            painter.drawPath(area)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(line)
        radius = 3.5 * self.scale
        if plot.right() - points[-1].x() < 2 * self.scale:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.TEXT)
            painter.drawEllipse(QPointF(plot.right() - radius, points[-1].y()), radius, radius)


def _shade(plot: QRectF) -> QLinearGradient:
    shade = QLinearGradient(0, plot.top(), 0, plot.bottom())
    for place, colour, alpha in (
        (0, style.GOOD, 220),
        (0.5, style.GOOD, 70),
        (0.501, style.WARNING, 70),
        (1, style.WARNING, 220),
    ):
        faded = QColor(colour)
        faded.setAlpha(alpha)
        shade.setColorAt(place, faded)
    return shade
