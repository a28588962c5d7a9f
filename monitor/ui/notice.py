"""The privacy notice at the bottom of the screen, there from the first frame on."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QPainter, QPen, QTextDocument, QTextOption

from monitor.ui import style
from monitor.ui.painting import PaintedWidget, text_font

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PyQt5.QtWidgets import QWidget

TEXT_SIZE = 15.0
BACKGROUND = QColor(11, 14, 20, 232)


class Notice(PaintedWidget):
    """Tells the people in front of the camera that they are measured, in one or more languages.

    Args:
        texts: Of each language, first one first.
        url: Where more is to be read; empty leaves that sentence out.
        parent: The Qt owner.
    """

    def __init__(self, texts: Sequence[Mapping[str, str]], url: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = tuple(texts)
        self._url = url
        self.setAccessibleName(self.text)

    @property
    def text(self) -> str:
        """The whole notice, one line for each language."""
        return "\n".join(
            " ".join(part for part in (texts["notice"], self._more(texts)) if part) for texts in self._texts
        )

    def natural_height(self, width: float) -> int:
        """The height in which the notice is complete at a width, in pixels."""
        _, text_width, pad = self._measures(width)
        return math.ceil(self._document(text_width).size().height() + 2 * pad)

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        painter.fillRect(rect, BACKGROUND)
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.drawLine(QPointF(0, 0.5), QPointF(rect.width(), 0.5))
        margin, text_width, _ = self._measures(rect.width())
        document = self._document(text_width)
        used = document.idealWidth()
        height = document.size().height()
        icon = TEXT_SIZE * self.scale * 1.5
        gap = 0.5 * icon
        left = max(margin, (rect.width() - used - icon - gap) / 2)
        self._draw_camera(painter, QRectF(left, rect.center().y() - icon * 0.36, icon, icon * 0.72))
        painter.save()
        painter.translate(left + icon + gap, (rect.height() - height) / 2)
        document.drawContents(painter)
        painter.restore()

    def _more(self, texts: Mapping[str, str]) -> str:
        return texts["notice_more"].format(url=self._url) if self._url else ""

    def _measures(self, width: float) -> tuple[float, float, float]:
        """Margin at the sides, width of the text, and distance above and below it."""
        margin = 16 * self.scale
        icon_and_gap = TEXT_SIZE * self.scale * 2.25
        return margin, max(80.0, width - 2 * margin - icon_and_gap), 8 * self.scale

    def _document(self, width: float) -> QTextDocument:
        lines = []
        for texts in self._texts:
            line = html.escape(texts["notice"])
            if self._url:
                # A word joiner after each slash keeps the address on one line where it fits there.
                address = html.escape(self._url).replace("/", "/\N{WORD JOINER}")
                link = f'<b style="color:{style.GOOD.name()}">{address}</b>'
                line += " " + html.escape(texts["notice_more"]).format(url=link)
            lines.append(line)
        document = QTextDocument()
        document.setDocumentMargin(0)
        document.setDefaultFont(text_font(TEXT_SIZE * self.scale))
        option = QTextOption(Qt.AlignmentFlag.AlignLeft)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(option)
        document.setHtml(f'<span style="color:{style.TEXT.name()}">{"<br>".join(lines)}</span>')
        document.setTextWidth(width)
        return document

    def _draw_camera(self, painter: QPainter, rect: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.GOOD)
        bump = QRectF(
            rect.center().x() - rect.width() * 0.17, rect.top() - rect.height() * 0.16, rect.width() * 0.34, 4
        )
        bump.setBottom(rect.top() + rect.height() * 0.2)
        painter.drawRoundedRect(bump, 2, 2)
        painter.drawRoundedRect(rect, rect.height() * 0.2, rect.height() * 0.2)
        painter.setBrush(style.INK)
        painter.drawEllipse(rect.center(), rect.height() * 0.32, rect.height() * 0.32)
        painter.setBrush(style.GOOD)
        painter.drawEllipse(rect.center(), rect.height() * 0.15, rect.height() * 0.15)
