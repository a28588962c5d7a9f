"""The privacy notice at the bottom of the screen, there from the first frame on."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QColor, QPainter, QPen, QTextDocument, QTextOption

from monitor.ui import style
from monitor.ui.notice.qr_code import qr_dots
from monitor.ui.painting import PaintedWidget, text_font

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtGui import QPaintEvent
    from PyQt5.QtWidgets import QWidget

BACKGROUND = QColor(11, 14, 20, 232)
CODE_SIDE = 100.0
"""Side of the QR code in the bar: 8 cm on a screen of 48 inches, which a telephone reads from about one metre."""
PADDING = 10.0


class Notice(PaintedWidget):
    """Tells the people in front of the camera that they are measured, in one or more languages.

    The address for more is there to be read, and as a QR code where it is short enough for one.

    Args:
        texts: Of each language, first one first.
        url: Where more is to be read; empty leaves that sentence out.
        parent: The Qt owner.
        measures: Whether there is a camera; without one the notice says so, and nothing else.

    Signals:
        painted: The notice is on the screen for the first time; emitted once, after it was drawn.
    """

    painted = pyqtSignal()

    def __init__(
        self,
        texts: Sequence[Mapping[str, str]],
        url: str = "",
        parent: QWidget | None = None,
        *,
        measures: bool = True,
    ) -> None:
        super().__init__(parent)
        self._texts = tuple(texts)
        self._measures_people = measures
        self._sentence = "notice" if measures else "notice_no_camera"
        self._url = url if measures else ""
        self._code = qr_dots(self._url)
        self._was_painted = False
        self._announcement = QTimer(self)
        self._announcement.setSingleShot(True)
        self._announcement.setInterval(0)
        self._announcement.timeout.connect(self.painted)
        self.setAccessibleName(self.text)

    @property
    def text(self) -> str:
        """The whole notice, one line for each language."""
        return "\n".join(
            " ".join(part for part in (texts[self._sentence], self._more(texts)) if part)
            for texts in self._texts
        )

    @property
    def was_painted(self) -> bool:
        """Whether it was ever drawn on the screen."""
        return self._was_painted

    def natural_height(self, width: float) -> int:
        """The height in which the notice is complete at a width, in pixels."""
        _, text_width, pad = self._measures(width)
        code = CODE_SIDE * self.scale if self._code is not None else 0.0
        return math.ceil(max(self._document(text_width).size().height(), code) + 2 * pad)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        if not self._was_painted and self.width() > 0 and self.height() > 0:
            self._was_painted = True
            # What is painted now reaches the screen when this event is over. The timer dies with
            # the notice.
            self._announcement.start()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        painter.fillRect(rect, BACKGROUND)
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.drawLine(QPointF(0, 0.5), QPointF(rect.width(), 0.5))
        margin, text_width, _ = self._measures(rect.width())
        document = self._document(text_width)
        used = document.idealWidth()
        height = document.size().height()
        icon = self._icon_width if self._measures_people else 0.0
        gap = 0.4 * icon
        code = CODE_SIDE * self.scale if self._code is not None else 0.0
        left = max(margin, (rect.width() - used - icon - gap - code) / 2)
        if self._measures_people:
            draw_camera(painter, QRectF(left, rect.center().y() - icon * 0.36, icon, icon * 0.72))
        painter.save()
        painter.translate(left + icon + gap, (rect.height() - height) / 2)
        document.drawContents(painter)
        painter.restore()
        if self._code is not None:
            place = QRectF(rect.width() - margin - code, (rect.height() - code) / 2, code, code)
            draw_code(painter, place, self._code)

    def _more(self, texts: Mapping[str, str]) -> str:
        return texts["notice_more"].format(url=self._url) if self._url else ""

    @property
    def _icon_width(self) -> float:
        return style.SMALLEST_TEXT * self.scale * 1.5

    def _measures(self, width: float) -> tuple[float, float, float]:
        """Margin at the sides, width of the text, and distance above and below it."""
        margin = style.MARGIN * self.scale
        code = CODE_SIDE * self.scale + margin if self._code is not None else 0.0
        return (
            margin,
            max(80.0, width - 2 * margin - 1.4 * self._icon_width - code),
            PADDING * self.scale,
        )

    def _document(self, width: float) -> QTextDocument:
        lines = []
        for texts in self._texts:
            line = html.escape(texts[self._sentence])
            if self._url:
                line += " " + more_html(texts, self._url)
            lines.append(line)
        document = QTextDocument()
        document.setDocumentMargin(0)
        document.setDefaultFont(text_font(style.SMALLEST_TEXT * self.scale))
        option = QTextOption(Qt.AlignmentFlag.AlignLeft)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(option)
        document.setHtml(f'<span style="color:{style.TEXT.name()}">{"<br>".join(lines)}</span>')
        document.setTextWidth(width)
        return document


def more_html(texts: Mapping[str, str], url: str) -> str:
    """The sentence with the address, as rich text."""
    # A word joiner after each slash keeps the address on one line where it fits there.
    address = html.escape(url).replace("/", "/\N{WORD JOINER}")
    return html.escape(texts["notice_more"]).format(
        url=f'<b style="color:{style.GOOD.name()}">{address}</b>'
    )


def draw_code(painter: QPainter, place: QRectF, dots: NDArray[np.bool_]) -> None:
    """Draws a QR code.

    Args:
        painter: Its own settings come back afterwards.
        place: The square that the code fills, with its bright edge.
        dots: `(side, side)`, True where the code is dark.
    """
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.fillRect(place, Qt.GlobalColor.white)
    side = dots.shape[0]
    edges = [round(index * place.width() / side) for index in range(side + 1)]
    for row, column in zip(*dots.nonzero(), strict=True):
        # Whole pixels, so that no bright line is left between two dark dots.
        dot = QRectF(
            round(place.x()) + edges[column],
            round(place.y()) + edges[row],
            edges[column + 1] - edges[column],
            edges[row + 1] - edges[row],
        )
        painter.fillRect(dot, Qt.GlobalColor.black)
    painter.restore()


def draw_camera(painter: QPainter, rect: QRectF) -> None:
    """Draws a camera that fills a rectangle."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.GOOD)
    bump = QRectF(
        rect.center().x() - rect.width() * 0.17,
        rect.top() - rect.height() * 0.16,
        rect.width() * 0.34,
        4,
    )
    bump.setBottom(rect.top() + rect.height() * 0.2)
    painter.drawRoundedRect(bump, 2, 2)
    painter.drawRoundedRect(rect, rect.height() * 0.2, rect.height() * 0.2)
    painter.setBrush(style.INK)
    painter.drawEllipse(rect.center(), rect.height() * 0.32, rect.height() * 0.32)
    painter.setBrush(style.GOOD)
    painter.drawEllipse(rect.center(), rect.height() * 0.15, rect.height() * 0.15)
