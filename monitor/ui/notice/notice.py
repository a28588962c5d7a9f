"""The privacy notice at the bottom of the screen, shown from the first frame on."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Literal

from PyQt5.QtCore import QPointF, QRectF, Qt, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtGui import QPainter, QPaintEvent, QPen, QTextDocument, QTextOption

from monitor.ui import style
from monitor.ui.notice.qr_code import draw_code, qr_dots
from monitor.ui.painting import PaintedWidget, draw_rounded, text_font
from monitor.ui.screens import is_exposed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PyQt5.QtWidgets import QWidget

NoticeState = Literal["shown", "waiting", "hidden"]

MAX_SHARE = 0.5
"""Share of the window's height for the strip; a longer notice gets smaller letters."""

CODE_SIDE = 100.0
"""Side of the QR code: 8 cm on a 48-inch screen, which a phone reads from about one metre."""


class Notice(PaintedWidget):
    """Tell the people in front of the camera that they are measured, in one or more languages.

    The address for more (`url`, or empty) is written out, and shown as a QR code if short enough.
    Its strip below the ad is as high as its text needs. Without a camera (`measures`) it says only
    that. `shown` is emitted when it is painted in a window that is neither minimised nor hidden,
    and `hidden` when it no longer is.
    """

    shown = pyqtSignal()
    hidden = pyqtSignal()

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
        self.state: NoticeState = "waiting"
        self._painted = False
        self._watch = QTimer(self)
        self._watch.timeout.connect(self._check)
        self.setAccessibleName(self.text)

    @property
    def text(self) -> str:
        """The whole notice, one line per language."""
        lines = []
        for texts in self._texts:
            more = " " + texts["notice_more"].format(url=self._url) if self._url else ""
            lines.append(texts[self._sentence] + more)
        return "\n".join(lines)

    def stop(self) -> None:
        self._watch.stop()
        self._set_shown(shown=False)

    @pyqtSlot()
    def _check(self) -> None:
        window = self.window()
        self._set_shown(shown=window is not None and is_exposed(window))

    def _set_shown(self, *, shown: bool) -> None:
        if shown != (self.state == "shown"):
            self.state = "shown" if shown else "hidden"
            (self.shown if shown else self.hidden).emit()

    def fit(self, width: float, height: float, scale: float) -> int:
        """Choose the letter size for a window; return the height of the strip, in pixels."""
        for smaller in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
            self.set_scale(scale * smaller)
            found = self.natural_height(width)
            if found <= MAX_SHARE * height:
                break
        # The law requires the whole notice, even at the expense of the ad.
        return min(found, math.floor(height))

    def natural_height(self, width: float) -> int:
        """Return the height in which the whole notice fits at a width, in pixels."""
        height = self._document(width).size().height()
        return math.ceil(max(height, self._code_side) + 2 * 10 * self.scale)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        if not self._painted and self.width() > 0 and self.height() > 0:
            self._painted = True
            # Shorter than the time between two readings of a viewer.
            self._watch.start(200)
            # The picture reaches the screen when this event is over.
            QTimer.singleShot(0, self._check)

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        painter.fillRect(rect, style.INK)
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.drawLine(QPointF(0, 0.5), QPointF(rect.width(), 0.5))
        document = self._document(rect.width())
        margin, code = style.MARGIN * self.scale, self._code_side
        icon = style.MIN_TEXT * self.scale * 1.5 if self._measures_people else 0.0
        used = document.idealWidth() + 1.4 * icon + code
        left = max(margin, (rect.width() - used) / 2)
        if self._measures_people:
            draw_camera(painter, QRectF(left, rect.center().y() - icon * 0.36, icon, icon * 0.72))
        top = (rect.height() - document.size().height()) / 2
        draw_document(painter, document, left + 1.4 * icon, top)
        if self._code is not None:
            place = QRectF(rect.width() - margin - code, (rect.height() - code) / 2, code, code)
            draw_code(painter, place, self._code)

    @property
    def _code_side(self) -> float:
        return CODE_SIDE * self.scale if self._code is not None else 0.0

    def _document(self, width: float) -> QTextDocument:
        margin = style.MARGIN * self.scale
        code = self._code_side + margin if self._code is not None else 0.0
        icon = style.MIN_TEXT * self.scale * 1.5
        text_width = width - 2 * margin - 1.4 * icon - code
        lines = []
        for texts in self._texts:
            more = f" {more_html(texts, self._url)}" if self._url else ""
            lines.append(html.escape(texts[self._sentence]) + more)
        size = style.MIN_TEXT * self.scale
        return make_document("<br>".join(lines), size, max(80.0, text_width))


def more_html(texts: Mapping[str, str], url: str) -> str:
    """Return the sentence with the address, as rich text."""
    # A word joiner after each slash keeps the address on one line where it fits.
    address = html.escape(url).replace("/", "/\N{WORD JOINER}")
    address = f'<b style="color:{style.GOOD.name()}">{address}</b>'
    return html.escape(texts["notice_more"]).format(url=address)


def make_document(
    rich_text: str, size: float, width: float, align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft
) -> QTextDocument:
    """Lay out rich text in the window's font and colour; sizes are in pixels."""
    document = QTextDocument()
    document.setDocumentMargin(0)
    document.setDefaultFont(text_font(size))
    option = QTextOption(align)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    document.setDefaultTextOption(option)
    document.setHtml(f'<div style="color:{style.TEXT.name()}">{rich_text}</div>')
    document.setTextWidth(width)
    return document


def draw_document(painter: QPainter, document: QTextDocument, left: float, top: float) -> None:
    painter.save()
    painter.translate(left, top)
    document.drawContents(painter)
    painter.restore()


def draw_camera(painter: QPainter, rect: QRectF) -> None:
    width, height = rect.width(), rect.height()
    bump = QRectF(rect.center().x() - width * 0.17, rect.top() - height * 0.16, width * 0.34, 4)
    bump.setBottom(rect.top() + height * 0.2)
    draw_rounded(painter, bump, 2, style.GOOD)
    draw_rounded(painter, rect, height * 0.2, style.GOOD)
    for colour, radius in ((style.INK, height * 0.32), (style.GOOD, height * 0.15)):
        painter.setBrush(colour)
        painter.drawEllipse(rect.center(), radius, radius)
