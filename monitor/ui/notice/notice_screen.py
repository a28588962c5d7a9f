"""The privacy notice over the whole screen, for operators who measure nobody before it was shown."""

from __future__ import annotations

import html
import math
import time
from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, QSize, Qt, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtGui import QPainter, QTextDocument, QTextOption
from PyQt5.QtWidgets import QWidget

from monitor.ui import style
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.notice.notice import draw_camera, draw_code, more_html
from monitor.ui.notice.qr_code import qr_dots
from monitor.ui.painting import CENTRE, draw_text, painter_on, text_font
from monitor.ui.screens import fill_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PyQt5.QtGui import QCloseEvent, QKeyEvent, QPaintEvent

FIRST_SIZE = QSize(1280, 720)
TICK_MS = 100
LARGEST_TEXT = 38.0
CODE_SHARE = 0.3
"""Side of the QR code as a share of the window's shorter side: 18 cm on a screen of 48 inches, read from two metres."""


class NoticeScreen(QWidget):
    """Shows the notice alone until it was on the screen for some seconds, then waits to be closed.

    Only time in which the window is exposed counts: a notice on a hidden or minimised window
    informs nobody.

    Args:
        texts: Of each language of the notice, first one first.
        url: Where more is to be read; empty leaves that sentence out.
        seconds: How long the notice has to be on the screen, above 0.
        window_texts: Of the window's language, for the last line.
        clock: Nanoseconds that never go back.

    Signals:
        shown: The notice was on the screen long enough; emitted once.
        quit_requested: The window was closed, or a key asked for the end; emitted once, and not
            after `dismiss()`.
    """

    shown = pyqtSignal()
    quit_requested = pyqtSignal()

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
        self._dismissed = False
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start()
        self.setWindowTitle(APPLICATION_NAME)
        self.resize(FIRST_SIZE)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("\n".join(one["notice"] for one in self._texts))

    @property
    def last_line(self) -> str:
        """How long it takes until measuring begins, or that it is about to."""
        if self._left_ns > 0:
            return self._window_texts["notice_begins"].format(
                seconds=math.ceil(self._left_ns / 1e9)
            )
        return self._window_texts["notice_camera"]

    def begin(self, *, fullscreen: bool) -> None:
        """Shows the window; in full screen without the cursor."""
        if fullscreen:
            self.setCursor(Qt.CursorShape.BlankCursor)
            fill_screen(self)
        else:
            self.show()
        self.activateWindow()

    def dismiss(self) -> None:
        """Closes the window because the show begins; nobody is asked to quit."""
        self._dismissed = True
        self._timer.stop()
        self.close()

    @pyqtSlot()
    def _on_tick(self) -> None:
        now_ns = self._clock()
        handle = self.windowHandle()
        if not (self._painted and self.isVisible() and handle is not None and handle.isExposed()):
            self._counted_ns = None
            return
        before = self.last_line
        if self._counted_ns is not None and self._left_ns > 0:
            self._left_ns -= now_ns - self._counted_ns
            if self._left_ns <= 0:
                self._timer.stop()
                self.shown.emit()
        self._counted_ns = now_ns
        if self.last_line != before:
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        with painter_on(self) as painter:
            self._draw(painter)
        self._painted = True

    def _draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        painter.fillRect(self.rect(), style.INK)
        width, height = float(self.width()), float(self.height())
        scale = style.scale_for(width, height)
        line = 46 * scale
        upright = height > width
        code = CODE_SHARE * min(width, height) if self._code is not None else 0.0
        beside, below = (0.0, code) if upright else (code, 0.0)
        pad = 56 * scale
        gap = pad if code else 0.0
        icon = 84 * scale
        room_width = width - 2 * pad - (beside + gap if beside else 0.0)
        room_height = height - 2 * pad - icon - gap - line - (below + gap if below else 0.0)
        document = self._fitting_document(room_width, room_height, scale)
        text_height = document.size().height()
        top = max(
            pad,
            (
                height
                - line
                - pad
                - icon
                - 0.4 * icon
                - text_height
                - (below + gap if below else 0.0)
            )
            / 2,
        )
        draw_camera(
            painter, QRectF(pad + (room_width - icon) / 2, top + 0.14 * icon, icon, icon * 0.72)
        )
        painter.save()
        painter.translate(pad, top + 1.4 * icon)
        document.drawContents(painter)
        painter.restore()
        if self._code is not None and upright:
            draw_code(
                painter,
                QRectF((width - code) / 2, top + 1.4 * icon + text_height + gap, code, code),
                self._code,
            )
        elif self._code is not None:
            draw_code(
                painter,
                QRectF(width - pad - code, (height - line - code) / 2, code, code),
                self._code,
            )
        last = QRectF(pad, height - line - 0.5 * pad, width - 2 * pad, line)
        size = min(28 * scale, line)
        draw_text(painter, last, self.last_line, size, style.TEXT_SOFT, align=CENTRE)

    def _fitting_document(self, width: float, height: float, scale: float) -> QTextDocument:
        """The text as large as the room allows, and never larger than is comfortable."""
        size = LARGEST_TEXT
        document = self._document(width, size * scale)
        while document.size().height() > height and size > 10:
            size -= 1
            document = self._document(width, size * scale)
        return document

    def _document(self, width: float, size: float) -> QTextDocument:
        blocks = []
        for texts in self._texts:
            more = f"<br>{more_html(texts, self._url)}" if self._url else ""
            blocks.append(
                f'<p style="margin-top:0; margin-bottom:{round(size * 0.9)}px">'
                f'<span style="font-size:{round(size * 1.25)}px"><b>{html.escape(texts["notice_title"])}</b></span><br>'
                f"{html.escape(texts['notice'])}{more}</p>"
            )
        document = QTextDocument()
        document.setDocumentMargin(0)
        document.setDefaultFont(text_font(size))
        option = QTextOption(Qt.AlignmentFlag.AlignHCenter)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(option)
        document.setHtml(f'<div style="color:{style.TEXT.name()}">{"".join(blocks)}</div>')
        document.setTextWidth(width)
        return document

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Q, Qt.Key.Key_Escape):
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self._timer.stop()
        if not self._dismissed:
            self._dismissed = True
            self.quit_requested.emit()
        super().closeEvent(event)
