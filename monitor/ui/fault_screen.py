"""Say over the whole screen why the kiosk cannot start, and what to do about it."""

from __future__ import annotations

import html
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PyQt5.QtCore import QRectF, Qt, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtGui import QPainter, QPaintEvent, QTextDocument

from monitor.ui import style
from monitor.ui.notice.notice import draw_document, make_document
from monitor.ui.painting import CENTRE, draw_text, painter_on, text_width
from monitor.ui.waiting_screen import WaitingScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PyQt5.QtGui import QCloseEvent, QKeyEvent

FaultKind = Literal["settings", "playlist", "database", "command", "other"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a kiosk cannot start.

    Attributes:
        kind: What is wrong.
        message: One sentence that says what exactly, in the window's language.
        place: The file, database or command that is wrong; empty if the message says enough.
        log: Path of the log; empty without one.
    """

    kind: FaultKind
    message: str
    place: str = ""
    log: str = ""


class FaultScreen(WaitingScreen):
    """Show a fault until somebody closes the window, or it is time to try again.

    Args:
        texts: Of the window's language.
        again_after_s: After how many seconds to try again; `None` for only when somebody asks.
        clock: Seconds of a monotonic clock.

    Signals:
        retry_requested: Enter was pressed, or the time is over.
    """

    retry_requested = pyqtSignal()

    def __init__(
        self,
        texts: Mapping[str, str],
        fault: Fault,
        again_after_s: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._texts = texts
        self._fault = fault
        self._clock = clock
        self._due_s = None if again_after_s is None else clock() + again_after_s
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        if self._due_s is not None:
            self._timer.start(200)
        self._shown_line = self.last_line
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName(self.title)
        self.setAccessibleDescription(f"{fault.message} {texts[f'fault_do_{fault.kind}']}")

    @property
    def title(self) -> str:
        """What is wrong, in a few words."""
        return self._texts[f"fault_{self._fault.kind}"]

    @property
    def last_line(self) -> str:
        """When it is tried again, and the keys."""
        keys = self._texts["fault_keys"]
        if self._due_s is None:
            return keys
        seconds = max(0, math.ceil(self._due_s - self._clock()))
        return f"{self._texts['fault_again'].format(seconds=seconds)}     {keys}"

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.retry_requested.emit()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self._timer.stop()
        super().closeEvent(event)

    @pyqtSlot()
    def _on_tick(self) -> None:
        if self._due_s is not None and self._clock() >= self._due_s:
            self._timer.stop()
            self.retry_requested.emit()
        if self.last_line != self._shown_line:
            self._shown_line = self.last_line
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        with painter_on(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
            painter.fillRect(self.rect(), style.INK)
            self._draw(painter, float(self.width()), float(self.height()))

    def _draw(self, painter: QPainter, width: float, height: float) -> None:
        # Read from nearby, by the person who mends it.
        scale = style.near_scale_for(width, height)
        pad, line = 40 * scale, 40 * scale
        column = min(width - 2 * pad, 1100 * scale)
        document = self.fitting_document(column, height - 3 * pad - line, scale)
        left = (width - column) / 2
        top = max(pad, (height - line - pad - document.size().height()) / 2)
        draw_document(painter, document, left, top)
        last = QRectF(pad, height - line - 0.5 * pad, width - 2 * pad, line)
        size = style.PANEL_TEXT * scale
        size *= min(1.0, last.width() / text_width(self._shown_line, size))
        draw_text(painter, last, self._shown_line, size, style.TEXT_SOFT, align=CENTRE)

    def fitting_document(self, width: float, height: float, scale: float) -> QTextDocument:
        """Return title, sentence, advice and places, as large as a room in pixels allows."""
        for points in range(round(style.MIN_TEXT), 7, -1):
            document = make_document(self._rich_text(points * scale), points * scale, width)
            if document.size().height() <= height:
                break
        return document

    def _rich_text(self, size: float) -> str:
        fault, texts = self._fault, self._texts
        places = [
            (texts[f"fault_place_{fault.kind}"], fault.place),
            (texts["fault_log"], fault.log),
        ]
        soft, small = style.TEXT_SOFT.name(), max(style.PANEL_TEXT / style.MIN_TEXT * size, 8)
        rows = "".join(
            f'<p style="margin:0 0 {round(0.3 * size)}px 0; font-size:{round(small)}px">'
            f'<span style="color:{soft}">{html.escape(name)}:</span> {html.escape(place)}</p>'
            for name, place in places
            if place
        )
        gap = f'style="margin:0 0 {round(size)}px 0"'
        return (
            f'<p {gap}><b style="font-size:{round(1.5 * size)}px; color:{style.WARNING.name()}">'
            f"{html.escape(self.title)}</b></p>"
            f"<p {gap}>{html.escape(fault.message)}</p>"
            f'<p {gap}><span style="color:{soft}">'
            f"{html.escape(texts[f'fault_do_{fault.kind}'])} {html.escape(texts['fault_help'])}"
            f"</span></p>{rows}"
        )
