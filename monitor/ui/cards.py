"""Cards over the ad: help with the keys, the screen's name, badges, and the mark of a demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, QSize, QTimer, pyqtSlot
from PyQt5.QtGui import QColor, QPainterPath, QPen, QTransform

from detector.names import printable
from monitor.ui import style
from monitor.ui.painting import (
    CENTRE,
    PaintedWidget,
    draw_panel,
    draw_rounded,
    draw_text,
    text_font,
    text_width,
)
from monitor.ui.style import PANEL_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PyQt5.QtGui import QPainter
    from PyQt5.QtWidgets import QWidget


SHOWN_MS = 10_000
"""How long the name of the screen is shown."""


class _PassingCard(PaintedWidget):
    """A card that hides by itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def show_for(self, ms: int) -> None:
        """Show the card for some milliseconds."""
        self.show()
        self.raise_()
        self._timer.start(ms)

    def stop(self) -> None:
        self._timer.stop()
        self.hide()


class HelpCard(_PassingCard):
    """List the keys and what they do for some seconds."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        topics = ("next", "pause", "overlay", "fullscreen", "operator", "help", "quit")
        self.rows = tuple((texts[f"key_{topic}"], texts[f"help_{topic}"]) for topic in topics)

    @pyqtSlot()
    def toggle(self) -> None:
        if self.isVisible():
            self.stop()
        else:
            # Long enough to read seven lines; then a kiosk that is left alone shows the ad again.
            self.show_for(8000)

    def natural_size(self, room: QSize) -> QSize:
        """Return the size for all keys, within a room."""
        scale = self.scale
        words = max(text_width(word, PANEL_TEXT * scale) for _, word in self.rows)
        width = self._keys_width() + words + 92 * scale
        size = QSize(round(width), round((len(self.rows) * 36 + 74) * scale))
        return size.boundedTo(room)

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        draw_panel(painter, rect, 16 * scale)
        pad, keys = 28 * scale, self._keys_width()
        width = rect.width() - 2 * pad
        title = QRectF(pad, 16 * scale, width, 32 * scale)
        draw_text(painter, title, self._texts["help_title"], 20 * scale, style.TEXT, bold=True)
        y = 56 * scale
        for key, word in self.rows:
            cap = QRectF(pad, y + 3 * scale, keys, 28 * scale)
            draw_rounded(painter, cap, 6 * scale, style.TRACK, style.LINE)
            draw_text(painter, cap, key, PANEL_TEXT * scale, style.TEXT, align=CENTRE, bold=True)
            indent = keys + 18 * scale
            what = QRectF(pad + indent, y, width - indent, 34 * scale)
            draw_text(painter, what, word, PANEL_TEXT * scale, style.TEXT)
            y += 36 * scale

    def _keys_width(self) -> float:
        widest = max(text_width(key, PANEL_TEXT * self.scale, bold=True) for key, _ in self.rows)
        return widest + 24 * self.scale


class DemoMark(PaintedWidget):
    """Say in large letters over the ad that the viewers are not customers."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._word = texts["demo"]
        self._detail = texts["demo_detail"]

    def natural_size(self, room: QSize) -> QSize:
        """Return the size at which the mark fills a room."""
        letters = self._letters(room)
        detail = text_width(self._detail, style.MIN_TEXT * self.scale, bold=True)
        width = max(text_width(self._word, letters, bold=True), detail + 48 * self.scale)
        height = letters * 1.1 + 64 * self.scale
        return QSize(round(width), round(height)).boundedTo(room)

    def _letters(self, room: QSize) -> float:
        wide = room.width() / text_width(self._word, 100, bold=True) * 100
        return max(style.MIN_TEXT * self.scale, min(0.75 * wide, 0.4 * room.height()))

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        line = 44 * self.scale
        letters = rect.adjusted(0, 0, 0, -1.4 * line)
        path = QPainterPath()
        path.addText(0, 0, text_font(letters.height(), bold=True), self._word)
        drawn = path.boundingRect()
        # The outline needs room around the letters.
        size = min(0.94 * letters.width() / drawn.width(), 0.94 * letters.height() / drawn.height())
        path = QTransform().scale(size, size).map(path)
        path.translate(letters.center() - path.boundingRect().center())
        edge = QColor(style.INK)
        edge.setAlpha(200)
        painter.strokePath(path, QPen(edge, max(2.0, 0.03 * letters.height())))
        fill = QColor(style.TEXT)
        fill.setAlpha(200)
        painter.fillPath(path, fill)
        words = text_width(self._detail, style.MIN_TEXT * self.scale, bold=True)
        panel = QRectF(0, 0, min(rect.width(), words + 48 * self.scale), line)
        panel.moveCenter(QPointF(rect.center().x(), rect.bottom() - line / 2))
        draw_panel(painter, panel, line / 2)
        # Beside the code of the set-up there may be less room; the whole sentence matters more.
        fits = min(1.0, (panel.width() - 16 * self.scale) / words)
        size = style.MIN_TEXT * self.scale * fits
        draw_text(painter, panel, self._detail, size, style.WARNING, align=CENTRE, bold=True)


class PausedBadge(PaintedWidget):
    """Say that the show is paused; a paused video would look broken otherwise."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = texts["paused"]
        self.hide()

    def natural_size(self) -> QSize:
        words = text_width(self._text, style.MIN_TEXT * self.scale, bold=True)
        return QSize(round(words + 66 * self.scale), round(48 * self.scale))

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        draw_panel(painter, rect, rect.height() / 2)
        for x in (20, 28):
            bar = QRectF(x * scale, rect.center().y() - 8 * scale, 5 * scale, 16 * scale)
            draw_rounded(painter, bar, 1, style.TEXT)
        words = rect.adjusted(42 * scale, 0, 0, 0)
        size = style.MIN_TEXT * scale
        draw_text(painter, words, self._text, size, style.TEXT, bold=True)


class NameCard(_PassingCard):
    """Say in large letters over the ad which screen of the hub this is, for some seconds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = self.site = ""

    def show_name(self, name: str, site: str) -> None:
        """Show the name of a screen, and of its site if it has one."""
        self.name, self.site = printable(name), printable(site)
        self.refresh()
        self.show_for(SHOWN_MS)

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        width, height = 0.9 * rect.width(), 0.3 * rect.height()
        name = self._letters(self.name, width, height)
        site = self._letters(self.site, width, 0.5 * name) if self.site else 0.0
        panel = QRectF(0, 0, rect.width(), 1.5 * name + 1.6 * site)
        panel.moveCenter(rect.center())
        draw_panel(painter, panel, 16 * self.scale)
        line = QRectF(panel.left(), panel.top() + 0.1 * name, panel.width(), 1.3 * name)
        draw_text(painter, line, self.name, name, style.TEXT, align=CENTRE, bold=True)
        if self.site:
            line = QRectF(panel.left(), line.bottom(), panel.width(), 1.3 * site)
            draw_text(painter, line, self.site, site, style.TEXT_SOFT, align=CENTRE)

    def _letters(self, text: str, width: float, height: float) -> float:
        """Return the size of letters at which a text fills a width, or a height before that."""
        return min(height, width / max(1.0, text_width(text, 100, bold=True)) * 100)


class CodeBadge(PaintedWidget):
    """Say with which code this kiosk is accepted on its hub; `ask` returns it, or `None`."""

    def __init__(
        self,
        texts: Mapping[str, str],
        ask: Callable[[], str | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self._ask = ask
        self.code: str | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self.hide()

    def begin(self) -> None:
        """Ask from now on, once a second."""
        self.look()
        self._timer.start(1000)

    def stop(self) -> None:
        self._timer.stop()

    @pyqtSlot()
    def look(self) -> None:
        code = self._ask()
        if code != self.code:
            self.code = code
            self.refresh()
        self.setVisible(code is not None)

    def natural_size(self, room: QSize) -> QSize:
        """Return the size for any code, within a room."""
        widest = self._texts["hub_code"].format(code="WWW-WWW")
        words = text_width(widest, style.MIN_TEXT * self.scale, bold=True)
        size = QSize(round(words + 44 * self.scale), round(48 * self.scale))
        return size.boundedTo(room)

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        draw_panel(painter, rect, rect.height() / 2)
        text = self._texts["hub_code"].format(code=self.code or "")
        words = rect.adjusted(12 * self.scale, 0, -12 * self.scale, 0)
        size = style.MIN_TEXT * self.scale
        draw_text(painter, words, text, size, style.TEXT, align=CENTRE, bold=True)
