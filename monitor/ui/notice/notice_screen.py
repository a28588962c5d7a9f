"""The privacy notice over the whole screen, shown before measuring where that is required."""

from __future__ import annotations

import html
import math
import time
from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, Qt, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtGui import QCloseEvent, QPainter, QPaintEvent, QTextDocument

from monitor.ui import style
from monitor.ui.busy import STEP_MS, draw_busy
from monitor.ui.notice.notice import draw_camera, draw_document, make_document, more_html
from monitor.ui.notice.qr_code import draw_code, qr_dots
from monitor.ui.painting import CENTRE, draw_text, painter_on, text_width
from monitor.ui.screens import is_exposed
from monitor.ui.waiting_screen import WaitingScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class NoticeScreen(WaitingScreen):
    """Show the notice alone until it was on the screen for some seconds; then wait to be closed.

    Only time in which the window is exposed counts: a hidden notice informs nobody.

    The last line is in the window's language (`window_texts`). `shown` is emitted once, when the
    notice was exposed for `seconds`.
    """

    shown = pyqtSignal()

    def __init__(
        self,
        texts: Sequence[Mapping[str, str]],
        url: str,
        seconds: float,
        window_texts: Mapping[str, str],
        *,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__()
        self._texts = tuple(texts)
        self._url = url
        self._code = qr_dots(url)
        self._window_texts = window_texts
        self._clock = clock
        self._left_ns = round(seconds * 1e9)
        self._counted_ns: int | None = None
        self._painted = False
        self._bar = QRectF()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start(100)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("\n".join(one["notice"] for one in self._texts))

    @property
    def last_line(self) -> str:
        if self._left_ns <= 0:
            return self._window_texts["notice_camera"]
        seconds = math.ceil(self._left_ns / 1e9)
        return self._window_texts["notice_begins"].format(seconds=seconds)

    @pyqtSlot()
    def _on_tick(self) -> None:
        now_ns = self._clock()
        if not (self._painted and is_exposed(self)):
            self._counted_ns = None
            return
        before = self.last_line
        if self._counted_ns is not None and self._left_ns > 0:
            self._left_ns -= now_ns - self._counted_ns
            if self._left_ns <= 0:
                # From now on for the light, while camera and models are loaded.
                self._timer.start(STEP_MS)
                self.shown.emit()
        self._counted_ns = now_ns
        if self.last_line != before:
            self.update()
        elif self._left_ns <= 0:
            self.update(self._bar.toAlignedRect())

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        with painter_on(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
            painter.fillRect(self.rect(), style.INK)
            self._draw(painter, float(self.width()), float(self.height()))
        self._painted = True

    def _draw(self, painter: QPainter, width: float, height: float) -> None:
        scale = style.scale_for(width, height)
        line, pad, icon = 46 * scale, 56 * scale, 84 * scale
        # A third of the shorter side: 18 cm on a 48-inch screen, which a phone reads from 2 m. In a
        # portrait window the code stands below the text, else beside it.
        code = 0.3 * min(width, height) if self._code is not None else 0.0
        upright = height > width
        below = code + pad if code and upright else 0.0
        beside = code + pad if code and not upright else 0.0
        gap = pad if code else 0.0
        column = width - 2 * pad - beside
        room = height - 2 * pad - icon - gap - line - below
        document = fitting_document(self._texts, self._url, column, room, scale)
        text_height = document.size().height()
        top = max(pad, (height - line - pad - 1.4 * icon - text_height - below) / 2)
        x = pad + (column - icon) / 2
        draw_camera(painter, QRectF(x, top + 0.14 * icon, icon, icon * 0.72))
        draw_document(painter, document, pad, top + 1.4 * icon)
        if self._code is not None:
            x, y = width - pad - code, (height - line - code) / 2
            if upright:
                x, y = (width - code) / 2, top + 1.4 * icon + text_height + pad
            draw_code(painter, QRectF(x, y, code, code), self._code)
        last = QRectF(pad, height - line - 0.5 * pad, width - 2 * pad, line)
        draw_text(painter, last, self.last_line, 28 * scale, style.TEXT_SOFT, align=CENTRE)
        self._bar = QRectF(0, last.bottom() + 6 * scale, 240 * scale, 7 * scale)
        self._bar.moveLeft((width - self._bar.width()) / 2)
        if self._left_ns <= 0:
            draw_busy(painter, self._bar)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self._timer.stop()
        super().closeEvent(event)


def fitting_document(
    texts: Sequence[Mapping[str, str]], url: str, width: float, height: float, scale: float
) -> QTextDocument:
    """Return the notice's text as large as the room allows, up to a comfortable size.

    The address stays in one line, unless its letters would become small for that.
    """
    for points in range(38, 9, -1):
        size = points * scale
        if points > style.MIN_TEXT and text_width(url, size, bold=True) > width:
            continue
        blocks = []
        for one in texts:
            more = f"<br>{more_html(one, url)}" if url else ""
            blocks.append(
                f'<p style="margin-top:0; margin-bottom:{round(size * 0.9)}px">'
                f'<span style="font-size:{round(size * 1.25)}px">'
                f"<b>{html.escape(one['notice_title'])}</b></span><br>"
                f"{html.escape(one['notice'])}{more}</p>"
            )
        document = make_document("".join(blocks), size, width, CENTRE)
        if document.size().height() <= height:
            break
    return document
