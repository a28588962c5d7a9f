"""The card over the ads of a kiosk that nobody has set up: here, on a phone, or not now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, QSize, Qt, pyqtSignal

from monitor.ui import style
from monitor.ui.notice.qr_code import draw_code, qr_dots
from monitor.ui.painting import (
    CENTRE,
    PaintedWidget,
    broken_into_lines,
    draw_panel,
    draw_rounded,
    draw_text,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PyQt5.QtGui import QMouseEvent, QPainter
    from PyQt5.QtWidgets import QWidget

PAD, LINE, TITLE, CODE = 18.0, 38.0, 40.0, 190.0
WORDS = 440.0
"""Width of the message's lines."""


class SetupCard(PaintedWidget):
    """Offer the set-up, by key or by mouse; show the phone's code once it is open.

    It is hidden, and answers no key, until `offer` is called.

    Attributes:
        is_open: Whether the keys count.

    Signals:
        here, phone, declined: What somebody chose.
        changed: It was shown or hidden, or needs another size.
    """

    here = pyqtSignal()
    phone = pyqtSignal()
    declined = pyqtSignal()
    changed = pyqtSignal()

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self.is_open = False
        self.link: str | None = None
        self._message = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, False)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(texts["setup_title"])
        self.hide()

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The keys and what they do."""
        return tuple(
            (key, self._texts[f"setup_{name}"])
            for key, name in (("S", "here"), ("P", "phone"), ("X", "later"))
        )

    def offer(self, *, visible: bool) -> None:
        """Take the keys from now on; show the card if `visible`."""
        self.is_open = True
        self.setVisible(visible)
        self.changed.emit()

    def press(self, key: int) -> bool:
        """Act on a key; return whether it was one of the card's."""
        signals = {
            Qt.Key.Key_S: self.here,
            Qt.Key.Key_P: self.phone,
            Qt.Key.Key_X: self.declined,
        }
        if not self.is_open or key not in signals:
            return False
        if key == Qt.Key.Key_X:
            self.hide()
            self.changed.emit()
        signals[Qt.Key(key)].emit()
        return True

    def show_message(self, message: str) -> None:
        """Say something below the title, such as that the phone's page is being opened."""
        self._change(None, message)

    def show_link(self, link: str) -> None:
        """Show the code that leads a phone to the set-up."""
        self._change(link, self._texts["setup_scan"])

    def _change(self, link: str | None, message: str) -> None:
        if (link, message) != (self.link, self._message):
            self.link, self._message = link, message
            self.setAccessibleDescription(f"{message} {link or ''}".strip())
            self.show()
            self.refresh()
            self.changed.emit()

    def natural_size(self) -> QSize:
        """Return its size in pixels."""
        scale = self.scale
        words = max(text_width(words, 17 * scale) for _key, words in self.rows) + 52 * scale
        address = self._address()
        said = self._message_lines()
        lines = [*said, *address]
        title = text_width(self._texts["setup_title"], 21 * scale, bold=True)
        wide = max(words, title, *(text_width(line, 17 * scale) for line in lines))
        height = TITLE + len(self.rows) * LINE + 2 * PAD + len(said) * 0.75 * LINE
        if said:
            height += 0.25 * LINE
        if self.link is not None:
            height += CODE + len(address) * 0.75 * LINE + PAD
        return QSize(round(wide + 2 * PAD * scale + 8), round(height * scale))

    def _message_lines(self) -> tuple[str, ...]:
        if not self._message:
            return ()
        return broken_into_lines(self._message, 17 * self.scale, WORDS * self.scale, 4)

    def _address(self) -> list[str]:
        """The link in two lines, to be typed: the page, and the code that it asks for."""
        if self.link is None:
            return []
        page, _, secret = self.link.partition("#secret=")
        return [page, self._texts["setup_code"].format(code=secret)]

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        draw_panel(painter, rect, 14 * scale, style.INK)
        left, width = PAD * scale, rect.width() - 2 * PAD * scale
        y = PAD * scale
        title = QRectF(left, y, width, TITLE * scale)
        draw_text(painter, title, self._texts["setup_title"], 21 * scale, style.TEXT, bold=True)
        y += TITLE * scale
        for words in self._message_lines():
            line = QRectF(left, y, width, 0.75 * LINE * scale)
            draw_text(painter, line, words, 17 * scale, style.WARNING)
            y += 0.75 * LINE * scale
        if self._message:
            y += 0.25 * LINE * scale
        dots = None if self.link is None else qr_dots(self.link)
        if dots is not None:
            draw_code(painter, QRectF(left, y, CODE * scale, CODE * scale), dots)
            y += (CODE + PAD / 2) * scale
            for words in self._address():
                line = QRectF(left, y, width, 0.75 * LINE * scale)
                draw_text(painter, line, words, 16 * scale, style.TEXT_SOFT)
                y += 0.75 * LINE * scale
            y += PAD / 2 * scale
        for key, words in self.rows:
            cap = QRectF(left, y + 4 * scale, 34 * scale, 30 * scale)
            draw_rounded(painter, cap, 6 * scale, style.TRACK, style.LINE)
            draw_text(painter, cap, key, 16 * scale, style.TEXT, align=CENTRE, bold=True)
            place = QRectF(left + 48 * scale, y, width - 48 * scale, LINE * scale)
            draw_text(painter, place, words, 17 * scale, style.TEXT)
            y += LINE * scale

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        from_bottom = (self.height() - PAD * self.scale - event.pos().y()) / (LINE * self.scale)
        row = len(self.rows) - 1 - int(from_bottom) if from_bottom >= 0 else -1
        if 0 <= row < len(self.rows):
            keys = (Qt.Key.Key_S, Qt.Key.Key_P, Qt.Key.Key_X)
            self.press(keys[row])
        event.accept()
