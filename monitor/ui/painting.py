"""Painting helpers: text and shapes in rectangles, and a widget that caches its picture."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PyQt5.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPaintDevice,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QTextLayout,
    QTextOption,
)
from PyQt5.QtWidgets import QApplication, QWidget

from monitor.ui import style

if TYPE_CHECKING:
    from collections.abc import Iterator

CENTRE = Qt.AlignmentFlag.AlignHCenter
RIGHT = Qt.AlignmentFlag.AlignRight
NO_VALUE = "\N{EN DASH}"
"""Stands for an unknown figure; 0 would be a claim."""


@contextmanager
def painter_on(device: QPaintDevice) -> Iterator[QPainter]:
    """Yield a painter and end it even if drawing fails; an open one blocks the device for good."""
    painter = QPainter(device)
    try:
        yield painter
    finally:
        painter.end()


def text_font(size: float, *, bold: bool = False) -> QFont:
    """Return the application's font in a size in pixels, at least 8."""
    font = QFont(QApplication.font())
    font.setPixelSize(max(8, round(size)))
    font.setBold(bold)
    return font


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    return float(QFontMetricsF(text_font(size, bold=bold)).horizontalAdvance(text))


def draw_text(
    painter: QPainter,
    rect: QRectF,
    text: str,
    size: float,
    colour: QColor,
    *,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    bold: bool = False,
) -> None:
    """Draw one line of text, centred vertically and elided where the rectangle is too narrow."""
    font = text_font(size, bold=bold)
    painter.setFont(font)
    painter.setPen(colour)
    shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, rect.width() + 0.5)
    painter.drawText(rect, int(align | Qt.AlignmentFlag.AlignVCenter), shown)


def draw_rounded(
    painter: QPainter, rect: QRectF, radius: float, fill: QColor, edge: QColor | None = None
) -> None:
    """Draw a filled rectangle with round corners, with a thin edge if a colour is given for it."""
    painter.setPen(Qt.PenStyle.NoPen if edge is None else QPen(edge, 1))
    painter.setBrush(fill)
    painter.drawRoundedRect(rect, radius, radius)


def draw_panel(painter: QPainter, rect: QRectF, radius: float, fill: QColor = style.PANEL) -> None:
    draw_rounded(painter, rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, fill, style.PANEL_EDGE)


def draw_eye(painter: QPainter, rect: QRectF, colour: QColor) -> None:
    middle, height = rect.center(), rect.height()
    lens = QPainterPath(QPointF(rect.left(), middle.y()))
    for control_y, x in (
        (rect.top() - height * 0.25, rect.right()),
        (rect.bottom() + height * 0.25, rect.left()),
    ):
        lens.quadTo(QPointF(middle.x(), control_y), QPointF(x, middle.y()))
    hole, pupil = QPainterPath(), QPainterPath()
    hole.addEllipse(middle, height * 0.34, height * 0.34)
    pupil.addEllipse(middle, height * 0.17, height * 0.17)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawPath(lens.subtracted(hole).united(pupil))


def fit_centred(width: float, height: float, into: QRectF, *, fills: bool = False) -> QRectF:
    """Return a rectangle with a ratio of width to height, centred in another one.

    It is the largest inside it, or the smallest that fills it.
    """
    size = QSizeF(width, height)
    mode = Qt.AspectRatioMode
    size.scale(into.size(), mode.KeepAspectRatioByExpanding if fills else mode.KeepAspectRatio)
    place = QRectF(into.topLeft(), size)
    place.moveCenter(into.center())
    return place


def broken_into_lines(
    text: str, size: float, width: float, max_lines: int, *, bold: bool = False
) -> tuple[str, ...]:
    """Break a text into at most `max_lines` lines of a width in pixels; the last one is elided."""
    font = text_font(size, bold=bold)
    option = QTextOption(Qt.AlignmentFlag.AlignLeft)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout = QTextLayout(text, font)
    layout.setTextOption(option)
    # Qt counts UTF-16 units, of which a character may take two.
    units = text.encode("utf-16-le")
    lines: list[str] = []
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(max(1.0, width))
        start, end = line.textStart(), line.textStart() + line.textLength()
        if len(lines) == max_lines - 1:
            rest = units[2 * start :].decode("utf-16-le")
            elide = Qt.TextElideMode.ElideRight
            lines.append(QFontMetricsF(font).elidedText(rest, elide, width + 0.5))
            break
        lines.append(units[2 * start : 2 * end].decode("utf-16-le").rstrip())
    layout.endLayout()
    return tuple(lines) or ("",)


class PaintedWidget(QWidget):
    """A widget over the ad, drawn once per change and not once per frame of the ad below it.

    Qt asks a translucent widget to paint whenever something below it changes, here up to 60 times
    a second. So `draw()` fills a cached picture, and painting copies that. All sizes are multiplied
    by `scale`, which is 1 in a window of 1280 x 720.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: QPixmap | None = None
        self.scale = 1.0
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def set_scale(self, scale: float) -> None:
        if scale != self.scale:
            self.scale = scale
            self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        """Draw the whole widget, `rect`."""
        raise NotImplementedError

    def refresh(self) -> None:
        self._picture = None
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        if self.width() <= 0 or self.height() <= 0:
            return
        ratio = self.devicePixelRatioF()
        wanted = QSize(round(self.width() * ratio), round(self.height() * ratio))
        if self._picture is None or self._picture.size() != wanted:
            picture = QPixmap(wanted)
            picture.setDevicePixelRatio(ratio)
            picture.fill(Qt.GlobalColor.transparent)
            with painter_on(picture) as painter:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
                self.draw(painter, QRectF(0, 0, self.width(), self.height()))
            self._picture = picture
        with painter_on(self) as painter:
            painter.drawPixmap(0, 0, self._picture)
