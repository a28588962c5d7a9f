"""The mean valence of all viewers over the last half minute."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QLinearGradient, QPainter, QPainterPath, QPen

from monitor.ui import style
from monitor.ui.painting import MINUS, NO_VALUE, RIGHT, PaintedWidget, draw_text, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from PyQt5.QtWidgets import QWidget

    from detector.types import AnalysedFrame

WINDOW_S = 30
SPACING_S = 0.1
"""Points closer than this are left out: they would fall on the same pixel."""
GAP_S = 0.6
"""Without a measurement for longer than this the curve is interrupted: a line would claim what nobody measured."""
TITLE_HEIGHT = 34.0
SIGN_WIDTH = 26.0
NATURAL_HEIGHT = 142.0
LEAST_HEIGHT = 100.0


class ValenceHistory:
    """The last half minute of mean valence, with its gaps. Plain Python, of bounded length."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_ns = round(window_s * 1e9)
        self._points: deque[tuple[int, float]] = deque()

    def add(self, frame: AnalysedFrame) -> None:
        """Takes up a frame; one in which nobody's emotion can be read is a gap.

        A frame that is not newer than the last is left out.
        """
        known = [
            one.valence for one in frame.readings if one.valence is not None and not one.static
        ]
        value = sum(known) / len(known) if known else math.nan
        if self._points:
            last_ns, last = self._points[-1]
            elapsed_ns = frame.captured_ns - last_ns
            # The first frame of a gap, or after it, always counts.
            same_kind = math.isnan(value) == math.isnan(last)
            if elapsed_ns <= 0 or (same_kind and elapsed_ns < SPACING_S * 1e9):
                return
        self._points.append((frame.captured_ns, value))
        self._forget(frame.captured_ns)

    @property
    def newest(self) -> tuple[int, float] | None:
        """Time and value of the newest point; the value is not a number while nobody's emotion can be read."""
        return self._points[-1] if self._points else None

    def segments(self, now_ns: int) -> Iterator[list[tuple[float, float]]]:
        """The stretches without a gap.

        Args:
            now_ns: The right edge of the curve, in the time of the frames.

        Yields:
            Lists of points: seconds before `now_ns` as a number below or equal 0, and valence from
            -1 to 1.
        """
        run: list[tuple[float, float]] = []
        before_ns = None
        for at_ns, value in self._points:
            if at_ns < now_ns - self._window_ns or math.isnan(value):
                if run:
                    yield run
                run = []
            else:
                if run and before_ns is not None and at_ns - before_ns > GAP_S * 1e9:
                    yield run
                    run = []
                run.append(((at_ns - now_ns) / 1e9, value))
            before_ns = at_ns
        if run:
            yield run

    def _forget(self, now_ns: int) -> None:
        while self._points and self._points[0][0] < now_ns - self._window_ns:
            self._points.popleft()


class ValenceCurve(PaintedWidget):
    """Draws a `ValenceHistory`; its right edge is the present moment, so it moves on even when nothing arrives.

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
        self._clock = clock
        self.history = ValenceHistory()

    @property
    def title(self) -> str:
        """What the curve shows."""
        return self._texts["curve_title"].format(seconds=WINDOW_S)

    @property
    def value_text(self) -> str:
        """The present value, such as `+0.42`; a dash while there is none."""
        newest = self.history.newest
        if newest is None or math.isnan(newest[1]) or self._now_ns() - newest[0] > GAP_S * 1e9:
            return NO_VALUE
        return f"{newest[1]:+.2f}".replace("-", MINUS)

    def natural_height(self) -> float:
        """The height at which the curve is easily read."""
        return NATURAL_HEIGHT * self.scale

    def least_height(self) -> float:
        """The height below which up and down can hardly be told apart."""
        return LEAST_HEIGHT * self.scale

    def add(self, frame: AnalysedFrame) -> None:
        """Takes up a frame; it is seen at the next `refresh()`."""
        self.history.add(frame)

    def _now_ns(self) -> int:
        newest = self.history.newest
        now_ns = self._clock()
        return now_ns if newest is None else max(now_ns, newest[0])

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        title = QRectF(0, 0, rect.width(), TITLE_HEIGHT * scale - 4 * scale)
        size = style.SMALLEST_TEXT * scale
        value_width = text_width(f"{MINUS}0.00", size, bold=True) + 6 * scale
        draw_text(painter, title.adjusted(0, 0, -value_width, 0), self.title, size, style.TEXT_SOFT)
        draw_text(painter, title, self.value_text, size, style.TEXT, align=RIGHT, bold=True)
        top, left = TITLE_HEIGHT * scale, SIGN_WIDTH * scale
        plot = QRectF(left, top, max(1.0, rect.width() - left), max(1.0, rect.height() - top))
        self._draw_signs(painter, plot, size)
        self._draw_axes(painter, plot)
        now_ns = self._now_ns()
        for segment in self.history.segments(now_ns):
            points = [
                QPointF(
                    plot.right() + seconds / WINDOW_S * plot.width(),
                    plot.center().y() - min(1.0, max(-1.0, value)) * plot.height() / 2,
                )
                for seconds, value in segment
            ]
            self._draw_segment(painter, plot, points)

    def _draw_axes(self, painter: QPainter, plot: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 12))
        painter.drawRoundedRect(plot, 6 * self.scale, 6 * self.scale)
        painter.setPen(QPen(QColor(255, 255, 255, 22), 1))
        for third in (1, 2):
            x = plot.left() + plot.width() * third / 3
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
        painter.setPen(QPen(style.LINE, 1))
        painter.drawLine(
            QPointF(plot.left(), plot.center().y()), QPointF(plot.right(), plot.center().y())
        )

    def _draw_segment(self, painter: QPainter, plot: QRectF, points: list[QPointF]) -> None:
        zero = plot.center().y()
        line = QPainterPath(points[0])
        for point in points[1:]:
            line.lineTo(point)
        if len(points) > 1:
            area = QPainterPath(line)
            area.lineTo(QPointF(points[-1].x(), zero))
            area.lineTo(QPointF(points[0].x(), zero))
            area.closeSubpath()
            shade = QLinearGradient(0, plot.top(), 0, plot.bottom())
            pleasant, unpleasant = QColor(style.GOOD), QColor(style.WARNING)
            for place, colour, alpha in (
                (0, pleasant, 220),
                (0.5, pleasant, 70),
                (0.501, unpleasant, 70),
            ):
                colour.setAlpha(alpha)
                shade.setColorAt(place, colour)
            unpleasant.setAlpha(220)
            shade.setColorAt(1, unpleasant)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(shade)
            painter.drawPath(area)
        pen = QPen(style.TEXT, 2 * self.scale)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if len(points) > 1:
            painter.drawPath(line)
        else:
            painter.drawPoint(points[0])
        if plot.right() - points[-1].x() < 2 * self.scale:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.TEXT)
            painter.drawEllipse(
                QPointF(plot.right() - 3.5 * self.scale, points[-1].y()),
                3.5 * self.scale,
                3.5 * self.scale,
            )

    def _draw_signs(self, painter: QPainter, plot: QRectF, size: float) -> None:
        # Signs and not words, which would lie on the curve when they are large enough to be read
        # from afar.
        height = min(size * 1.1, plot.height() / 2)
        for sign, top in (("+", plot.top()), (MINUS, plot.bottom() - height)):
            draw_text(
                painter, QRectF(0, top, plot.left(), height), sign, size, style.TEXT_SOFT, bold=True
            )
