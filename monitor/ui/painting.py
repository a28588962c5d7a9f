"""What all painted widgets share: fonts in pixels, text in a rectangle, and a widget that keeps its own picture."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPixmap
from PyQt5.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PyQt5.QtGui import QPaintDevice, QPaintEvent

LEFT = int(Qt.AlignmentFlag.AlignLeft) | int(Qt.AlignmentFlag.AlignVCenter)
RIGHT = int(Qt.AlignmentFlag.AlignRight) | int(Qt.AlignmentFlag.AlignVCenter)
CENTRE = int(Qt.AlignmentFlag.AlignCenter)

MINUS = "\N{MINUS SIGN}"
NO_VALUE = "\N{EN DASH}"
"""Stands where a figure is not known; 0 would be a claim."""

SMALLEST_TEXT_PX = 8


@contextmanager
def painter_on(device: QPaintDevice) -> Iterator[QPainter]:
    """A painter that ends also when drawing fails: one that goes on keeps the device from ever being painted again."""
    painter = QPainter(device)
    try:
        yield painter
    finally:
        painter.end()


def text_font(size: float, *, bold: bool = False) -> QFont:
    """The application's font.

    Args:
        size: In pixels of the screen, before the device's pixel ratio.
        bold: Whether it is bold.
    """
    font = QFont(QApplication.font())
    font.setPixelSize(max(SMALLEST_TEXT_PX, round(size)))
    font.setBold(bold)
    return font


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of one line of text, in pixels."""
    return float(QFontMetricsF(text_font(size, bold=bold)).horizontalAdvance(text))


def draw_text(
    painter: QPainter,
    rect: QRectF,
    text: str,
    size: float,
    colour: QColor,
    *,
    align: int = LEFT,
    bold: bool = False,
) -> None:
    """Draws one line of text, with dots at its end where the rectangle is too narrow."""
    font = text_font(size, bold=bold)
    painter.setFont(font)
    painter.setPen(colour)
    shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, rect.width() + 0.5)
    painter.drawText(rect, align, shown)


def draw_eye(painter: QPainter, rect: QRectF, colour: QColor) -> None:
    """Draws an open eye that fills a rectangle."""
    middle = rect.center()
    lens = QPainterPath(QPointF(rect.left(), middle.y()))
    lens.quadTo(
        QPointF(middle.x(), rect.top() - rect.height() * 0.25), QPointF(rect.right(), middle.y())
    )
    lens.quadTo(
        QPointF(middle.x(), rect.bottom() + rect.height() * 0.25), QPointF(rect.left(), middle.y())
    )
    hole = QPainterPath()
    hole.addEllipse(middle, rect.height() * 0.34, rect.height() * 0.34)
    pupil = QPainterPath()
    pupil.addEllipse(middle, rect.height() * 0.17, rect.height() * 0.17)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawPath(lens.subtracted(hole).united(pupil))


class PaintedWidget(QWidget):
    """A widget over the ad that is drawn once per change and not once per frame of the ad below it.

    A translucent widget is asked to paint whenever something under it changes, up to 60 times a
    second here. So `draw()` fills a picture that the widget keeps, and painting copies that
    picture.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kept: QPixmap | None = None
        self._scale = 1.0
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    @property
    def scale(self) -> float:
        """How large everything is drawn; 1 in a window of 1280 x 720."""
        return self._scale

    def set_scale(self, scale: float) -> None:
        """Sets how large everything is drawn."""
        if scale != self._scale:
            self._scale = scale
            self.refresh()

    @abstractmethod
    def draw(self, painter: QPainter, rect: QRectF) -> None:
        """Draws the widget.

        Args:
            painter: Smooth edges are on.
            rect: The whole widget.
        """

    def refresh(self) -> None:
        """Draws anew at the next occasion."""
        self._kept = None
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        if self.width() <= 0 or self.height() <= 0:
            return
        ratio = self.devicePixelRatioF()
        wanted = QSize(round(self.width() * ratio), round(self.height() * ratio))
        if self._kept is None or self._kept.size() != wanted:
            kept = QPixmap(wanted)
            kept.setDevicePixelRatio(ratio)
            kept.fill(Qt.GlobalColor.transparent)
            with painter_on(kept) as painter:
                for hint in (
                    QPainter.RenderHint.Antialiasing,
                    QPainter.RenderHint.TextAntialiasing,
                    QPainter.RenderHint.SmoothPixmapTransform,
                ):
                    painter.setRenderHint(hint)
                self.draw(painter, QRectF(0, 0, self.width(), self.height()))
            self._kept = kept
        with painter_on(self) as painter:
            painter.drawPixmap(0, 0, self._kept)
